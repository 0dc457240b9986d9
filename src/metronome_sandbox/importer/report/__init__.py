"""What a reconciliation found, for a person at a terminal or in a browser, for a spreadsheet and for another program.

Amounts are in the currency's unit here, dollars for USD, as ``--tolerance`` is; a difference is preview less legacy.
Names come out of somebody's file: they are printed without what steers a terminal, escaped in HTML, and in CSV a cell
that a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from metronome_sandbox.client.aside import put_in_place
from metronome_sandbox.client.places import Taken, refuse_taken
from metronome_sandbox.importer.reconcile import Reconciliation
from metronome_sandbox.importer.report.files import write_csv, write_json
from metronome_sandbox.importer.report.page import write_html
from metronome_sandbox.importer.report.terminal import WIDTH, show, show_at
from metronome_sandbox.importer.report.words import verdict

__all__ = ["WIDTH", "WRITERS", "CannotWrite", "check_places", "show", "show_at", "verdict", "write"]

WRITERS: Mapping[str, Callable[[Reconciliation, IO[str]], None]] = {
    "html": write_html,
    "csv": write_csv,
    "json": write_json,
}
"""What can be written, by the name of its option."""


class CannotWrite(Exception):
    """A report has no place; the text is for the person who named it."""


def check_places(files: Mapping[str, Path | None], kept: Mapping[str, Path]) -> None:
    """Make sure that files can be written and that nothing is lost by it, before hours of work.

    Args:
        kept: Files that must stay as they are, by what they are called to a person.

    Raises:
        CannotWrite: There is no such folder, or one of the files is another file of this import.
    """
    for kind, file in files.items():
        if file is not None and not file.parent.is_dir():
            raise CannotWrite(f"--{kind}: there is no folder {file.parent} for {file.name}")
        if file is not None and file.exists() and not file.is_file():
            raise CannotWrite(f"--{kind}: {file} is no file, and a report takes the place of what is there")
    try:
        refuse_taken({f"--{kind}": file for kind, file in files.items()}, kept)
    except Taken as taken:
        raise CannotWrite(str(taken)) from None


def write(found: Reconciliation, files: Mapping[str, Path | None]) -> None:
    """Write the files that were asked for, each whole or not at all.

    Args:
        files: By the names of :data:`WRITERS`.

    Raises:
        CannotWrite: One cannot be written.
    """
    for kind, file in files.items():
        if file is None:
            continue
        try:
            beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
            out = beside.open("w", encoding="utf-8", newline="")
            with put_in_place(out, beside, file):
                WRITERS[kind](found, out)
        except OSError as error:
            raise CannotWrite(f"--{kind}: cannot write {file}: {error.strerror}") from None
