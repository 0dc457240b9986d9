"""What every reader of a file is told, and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from metronome_sandbox.importer.findings import Findings

MAX_SHOWN_DIGITS = 40

Cell = str | Decimal | None
"""A text; a number where the format has numbers; None where there is nothing."""


def text(cell: Cell) -> str:
    """Return a cell as a text, ``""`` where there is nothing. A number has no exponent, unless nobody could read it."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    return format(cell, "f") if cell.is_finite() and abs(cell.adjusted()) <= MAX_SHOWN_DIGITS else str(cell)


class Row(NamedTuple):
    """One line item of an old invoice.

    Attributes:
        line: Where it begins in the file, from 1. In Parquet, which row it is.
        cells: By column.
        place: What a finding puts before the column: the path inside of a document.
    """

    line: int
    cells: dict[str, Cell]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A file, and what is wanted of it.

    Args:
        columns: Those that are read; None for all that there are.
        paths: What names each of them in the mapping.
        findings: Where that goes which cannot be used.
        note: Takes a sentence about how the file is read.
        moved: Told how many bytes of the file are read.
    """

    path: Path
    findings: Findings
    columns: Sequence[str] | None = None
    paths: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    encoding: str | None = None
    note: Callable[[str], None] = lambda _: None
    moved: Callable[[int], None] = lambda _: None

    def missing(self, column: str, known: Iterable[str]) -> None:
        """Note that the file does not have a column."""
        names = [name for name in known if name]
        near = get_close_matches(column, names, n=1, cutoff=0.6)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        named = f", which the mapping names for {self.paths[column]}" if column in self.paths else ""
        self.findings.add(1, column, None, f"the file has no such column{named}{meant}; it has: {shown or 'none'}")
