"""How far the reading of an old file is: one bar after the other, as the steps tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from metronome_sandbox.client.progress import Advance, watched

BYTES, ROWS, BUILT, CUSTOMERS = "bytes", "rows", "built", "customers"
"""What a step counts: bytes of the file that are read, rows that this gave, rows that are in an invoice, customers."""

_BARS = {
    BYTES: ("reading", "bytes", "rows"),
    BUILT: ("building invoices", "rows", None),
    CUSTOMERS: ("looking at what is there", "customers", None),
}


class Watch:
    """Shows what is told to it until the block ends.

    Args:
        totals: How much there is of each kind. The rows to build are those that were read.
    """

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._totals = dict(totals)
        self._bars = ExitStack()
        self._shown: str | None = None
        self._advance: Advance = lambda *_, **__: None
        self._at = self._rows = self._rows_shown = 0

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.close()

    def __call__(self, what: str, number: int) -> None:
        """Show that ``number`` of something are done."""
        if what == ROWS:
            self._rows = self._totals[BUILT] = number
            return
        if what != self._shown:
            self._bars.close()
            title, unit, rated = _BARS[what]
            self._shown, self._at = what, 0
            self._advance = self._bars.enter_context(watched(title, self._totals.get(what, 0), unit, rated=rated))
        if what == BYTES:
            self._advance(number - self._at, more=self._rows - self._rows_shown)
            self._rows_shown = self._rows
        else:
            self._advance(number - self._at)
        self._at = number
