"""Where files may be written: never over one that was only to be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Taken(Exception):
    """A file would take the place of another one; the text is for the person who named it."""


def refuse_taken(files: Mapping[str, Path | None], kept: Mapping[str, Path]) -> None:
    """Make sure that no file is written over one that is read, or over another one that is written.

    Files are the same when their paths lead to one place, by ``..`` and links too, or when two names are of one file.

    Args:
        files: What will be written, by the option that names it.
        kept: What must stay as it is, by what it is called to a person.

    Raises:
        Taken: One of the files is another one.
    """
    taken = [(file, what) for what, file in kept.items()]
    for option, file in files.items():
        if file is None:
            continue
        for other, what in taken:
            if _is_one(file, other):
                raise Taken(f"{option}: {file} is {what}; name another file, this one would be replaced")
        taken.append((file, f"the file of {option} as well"))


def _is_one(file: Path, other: Path) -> bool:
    try:
        if file.exists():
            return file.is_file() and other.exists() and file.samefile(other)  # a terminal is not replaced
        return file.resolve() == other.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself; writing will tell
        return False
