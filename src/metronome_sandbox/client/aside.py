"""A file that is there whole or not at all: written beside its place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def put_in_place(file: IO[Any], beside: Path, path: Path) -> Iterator[None]:
    """Give a file its name when all of it is written; where something goes wrong, what was there stays.

    Args:
        file: What is written, open; it is closed here, and a lock on it holds until it has its name.
        beside: Its name until then, in the folder of ``path``.
    """
    try:
        with file:
            yield
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # no open file can be renamed there
                file.close()
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
