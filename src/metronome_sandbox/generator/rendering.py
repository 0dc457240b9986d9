"""Invoices as JSON, quickly: what the windows of a month look like is written once, and only quantities are filled in.

``requests.py`` says what an invoice of ``createHistoricalInvoices`` is; this makes the same of it, as text, in a tenth
of the time. A line of thirty days is three thousand bytes, of which two hundred differ from the next line's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from itertools import pairwise

from metronome_sandbox.generator.requests import USD_CENTS, edges_of, timestamp
from metronome_sandbox.generator.world import Groups, Invoice, Line

IdOf = Callable[[str, str], str]
"""Returns the id of a thing by its kind and its key."""

REMEMBERED = 64
"""Different months whose windows are kept as text; 31 days by the hour are 80 kB."""


class Renderer:
    """Writes invoices with the ids that somebody gives to things.

    Args:
        granularity: DAY or HOUR, of all quantities.
    """

    def __init__(self, granularity: str, id_of: IdOf) -> None:
        self._granularity = granularity
        self._id_of = id_of
        self._heads: dict[tuple[str, Groups], str] = {}

    def invoice(self, invoice: Invoice, customer: str) -> str:
        """Return an item of ``invoices`` of ``createHistoricalInvoices``.

        Args:
            customer: Key of whose it is.
        """
        pieces: list[str] = []
        self.add(pieces, invoice, customer)
        return "".join(pieces)

    def add(self, pieces: list[str], invoice: Invoice, customer: str) -> None:
        """Add the text of :meth:`invoice` in pieces: who joins all that is written at once copies it once."""
        period = _period(invoice.starting_at, invoice.ending_before)
        windows = windows_of(self._granularity, invoice.starting_at, invoice.ending_before)
        pieces.append(
            f'{{"customer_id":"{self._id_of("customer", customer)}",'
            f'"contract_id":"{self._id_of("contract", invoice.contract)}",'
            f'"credit_type_id":"{USD_CENTS}",{period},"issue_date":"{_timestamp(invoice.issued_at)}",'
            f'"breakdown_granularity":"{self._granularity}","usage_line_items":['
        )
        before = ""
        for line in invoice.lines:
            pieces += (before, self._head(line), period, ',"subtotals_with_quantity":[')
            pieces.append(windows % tuple(line.quantities.tolist()))
            before = "]},"
        pieces.append("]}]}" if invoice.lines else "]}")

    def _head(self, line: Line) -> str:
        """Return what a line of this product and these group values begins with; there are few of them in a world."""
        head = self._heads.get((line.product, line.groups))
        if head is None:
            groups = f'"pricing_group_values":{json.dumps(dict(line.groups))},' if line.groups else ""
            head = f'{{"product_id":"{self._id_of("product", line.product)}",{groups}'
            self._heads[line.product, line.groups] = head
        return head


_timestamp = lru_cache(REMEMBERED)(timestamp)


@lru_cache(REMEMBERED)
def _period(starting_at: date, ending_before: date) -> str:
    return f'"inclusive_start_date":"{timestamp(starting_at)}","exclusive_end_date":"{timestamp(ending_before)}"'


@lru_cache(REMEMBERED)
def windows_of(granularity: str, starting_at: date, ending_before: date) -> str:
    """Return the subtotals of a period as JSON with ``%s`` for each quantity."""
    return ",".join(
        f'{{"inclusive_start_date":"{start}","exclusive_end_date":"{end}","quantity":%s}}'
        for start, end in pairwise(edges_of(granularity, starting_at, ending_before))
    )
