"""Files of a world that is being made, each there whole or not at all, whoever else makes parts of it.

Whoever writes such a file holds a lock on what lies beside. So two runs never write one file, and what a killed run
left is known by its lock being free.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from metronome_sandbox.client.aside import put_in_place

BUFFER_BYTES = 1024 * 1024


class CannotWrite(Exception):
    """Nothing more can be written; the text is for the person who named the folder."""


class Written:
    """A file on its way: what went into it so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = sha256()
        self.size = 0

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self._hash.update(content)
        self.size += len(content)
        self._file.write(content)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()


@contextmanager
def whole(path: Path, *, waits: bool = False) -> Iterator[Written]:
    """Write a file and put it in its place at the end; nothing is left where something goes wrong.

    Args:
        waits: Whether to wait for another run that writes this file; for what takes a moment.

    Raises:
        CannotWrite: The disk or its owner refuses, or another run writes this file.
    """
    beside = aside_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _own(beside, path, waits=waits)
    except OSError as error:
        raise _refusal(path, error) from None
    try:
        with put_in_place(file, beside, path):
            yield Written(file)
        _keep_name(path.parent)
    except OSError as error:
        raise _refusal(path, error) from None


def aside_of(path: Path) -> Path:
    """Return where a file is written before it is whole."""
    return path.with_name(f".{path.name}.aside")


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left below a folder, and leave alone what a running one writes."""
    for beside in folder.glob("**/.*.aside"):
        with beside.open("ab") as file:
            if _lock(file):
                beside.unlink(missing_ok=True)


def hash_of(path: Path) -> tuple[str, int] | None:
    """Return a file's SHA-256 and size in bytes, None where none can be read."""
    found, size = sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BUFFER_BYTES):
                found.update(block)
                size += len(block)
    except OSError:
        return None
    return found.hexdigest(), size


def _own(beside: Path, path: Path, *, waits: bool) -> BinaryIO:
    """Return a file that nobody else writes, empty."""
    while True:
        file = beside.open("ab", buffering=BUFFER_BYTES)
        if not _lock(file, waits=waits):
            file.close()
            raise CannotWrite(f"another run is writing {path}; wait for it, or choose another --out")
        if beside.exists() and os.path.samestat(os.fstat(file.fileno()), beside.stat()):
            file.truncate(0)
            return file
        file.close()  # the other run had just finished, and this was its file


def _lock(file: BinaryIO, *, waits: bool = False) -> bool:
    """Take a file for this process, unless another one has it; the end of the process gives it back."""
    if sys.platform == "win32":  # an open file cannot be removed or replaced there anyway
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _keep_name(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refusal(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"cannot write {path}: {error.strerror or error}; what is complete stays, the same command goes on from there"
    )
