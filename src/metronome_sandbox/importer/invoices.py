"""Old invoices out of staged rows: what the rows of one must agree in, and what makes its lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from functools import lru_cache

from metronome_sandbox.importer.conversion import EXACT, Party, StagedRow, instant, shown
from metronome_sandbox.importer.findings import Findings
from metronome_sandbox.importer.legacy import LegacyInvoice, LegacyLine, Subtotal
from metronome_sandbox.importer.mapping import Granularity, Mapping
from metronome_sandbox.importer.target_catalog import TargetProduct

Pairs = tuple[tuple[str, str], ...]
Line = tuple[int, str, int, int]
"""Product, groups and window: what makes rows one line."""

ZERO = Decimal(0)

_instant = lru_cache(50_000)(instant)


class Builder:
    """Builds the invoices of one file.

    Args:
        parties: What ``StagedRow.contract`` counts.
        products: What ``StagedRow.product`` counts.
        findings: Where that goes in which rows contradict each other.
    """

    def __init__(
        self, mapping: Mapping, parties: Sequence[Party], products: Sequence[TargetProduct], findings: Findings
    ) -> None:
        self._mapping = mapping
        self._parties = parties
        self._products = products
        self._findings = findings
        self._has_windows = mapping.granularity is not Granularity.NONE
        self._granularity = mapping.granularity.upper() if self._has_windows else None

    def build(self, key: str, rows: Sequence[StagedRow]) -> LegacyInvoice:
        """Return the invoice that the rows with one key make, in the order of the file."""
        first = rows[0]
        customer, contract, _ = self._parties[first.contract]
        number = key
        if self._mapping.invoice_number is None:
            number = f"{customer.name} {shown(first.starting_at, first.ending_before)}"
        self._check(number, rows)
        with localcontext(EXACT):
            lines = self._windowed_lines(number, rows) if self._has_windows else self._lines(number, rows)
            summed = _sum([line.amount for line in lines])
        said = next((row.total for row in rows if row.total is not None), None)
        return LegacyInvoice(
            number=number,
            customer_id=customer.id,
            customer_name=customer.name,
            contract_id=contract.id,
            credit_type_id=contract.credit_type_id,
            starting_at=_instant(first.starting_at),
            ending_before=_instant(first.ending_before),
            issued_at=_instant(first.issued_at),
            granularity=self._granularity,
            lines=tuple(lines),
            total=Decimal(said) if said is not None else summed,
        )

    def _check(self, number: str, rows: Sequence[StagedRow]) -> None:
        """Find rows that say something else about their invoice than its first one does."""
        first = rows[0]
        total, total_line = first.total, first.line
        contract, start, end, issued_at = first.contract, first.starting_at, first.ending_before, first.issued_at
        for row in rows:
            if (
                row.total == total
                and row.contract == contract
                and row.starting_at == start
                and row.ending_before == end
                and row.issued_at == issued_at
            ):
                continue
            if row.contract != first.contract:
                one, other = (self._parties[place] for place in (first.contract, row.contract))
                column = self._mapping.customer.column if one.customer.id != other.customer.id else "contract"
                names = (
                    (one.customer.name, other.customer.name)
                    if one.customer.id != other.customer.id
                    else (
                        one.contract.name,
                        other.contract.name,
                    )
                )
                self._differs(row, column, number, *names, first.line)
            elif (row.starting_at, row.ending_before) != (first.starting_at, first.ending_before):
                before, now = shown(first.starting_at, first.ending_before), shown(row.starting_at, row.ending_before)
                self._differs(row, "period", number, before, now, first.line)
            elif row.issued_at != first.issued_at:
                before, now = (f"{instant(one.issued_at):%Y-%m-%d}" for one in (first, row))
                self._differs(row, self._mapping.issue_date.column or "issue_date", number, before, now, first.line)
            if row.total is not None:
                if total is None:
                    total, total_line = row.total, row.line
                elif row.total != total and Decimal(row.total) != Decimal(total):
                    self._differs(row, self._mapping.total or "", number, total, row.total, total_line)

    def _differs(self, row: StagedRow, column: str, number: str, before: str, now: str, line: int) -> None:
        self._findings.add(
            row.line,
            column,
            now,
            f"is {before} on line {line} of the same invoice, {number}; an invoice has one",
        )

    def _lines(self, number: str, rows: Sequence[StagedRow]) -> list[LegacyLine]:
        """Return a line for each row. Two rows that say the same are a mistake, unless the mapping knows them."""
        seen: dict[int, int] = {}
        lines = []
        for row in rows:
            if not self._mapping.repeated_rows_add:
                same = seen.setdefault(row.cells, row.line)
                if same != row.line:
                    self._repeated(row, same, f"says the same as line {same} of invoice {number}")
            quantity = Decimal(row.quantity)
            lines.append(self._line(row, (row,), row.window_start, row.window_end, quantity, ()))
        return lines

    def _windowed_lines(self, number: str, rows: Sequence[StagedRow]) -> list[LegacyLine]:
        """Return a line for each product with its groups, over the whole period, with the quantity of each window."""
        gathered: dict[tuple[int, str], dict[tuple[int, int], list[StagedRow]]] = {}
        for row in rows:
            windows = gathered.setdefault((row.product, row.groups), {})
            same = windows.setdefault((row.window_start, row.window_end), [])
            if same and not self._mapping.repeated_rows_add:
                what = f"{self._products[row.product].name} has a quantity for this {self._mapping.granularity}"
                self._repeated(row, same[0].line, f"{what} on line {same[0].line} of invoice {number} already")
            same.append(row)
        lines = []
        for windows in gathered.values():
            subtotals = tuple(
                Subtotal(
                    _instant(start), _instant(end), Decimal(same[0].quantity) if len(same) == 1 else _quantity(same)
                )
                for (start, end), same in sorted(windows.items())
            )
            own = [row for same in windows.values() for row in same]
            quantity = sum((subtotal.quantity for subtotal in subtotals), ZERO)
            lines.append(self._line(own[0], own, own[0].starting_at, own[0].ending_before, quantity, subtotals))
        return lines

    def _repeated(self, row: StagedRow, line: int, problem: str) -> None:
        self._findings.add(
            row.line, None, None, f"{problem}; take one of them out, or say repeated_rows: add if both are meant"
        )

    def _line(
        self,
        row: StagedRow,
        rows: Sequence[StagedRow],
        start: int,
        end: int,
        quantity: Decimal,
        subtotals: tuple[Subtotal, ...],
    ) -> LegacyLine:
        product = self._products[row.product]
        pricing, presentation = _pairs(row.groups)
        prices = {one.unit_price for one in rows}
        price = row.unit_price if len(prices) == 1 else None
        return LegacyLine(
            product_id=product.id,
            product_name=product.name,
            starting_at=_instant(start),
            ending_before=_instant(end),
            quantity=quantity,
            subtotals=subtotals,
            pricing_group_values=pricing,
            presentation_group_values=presentation,
            amount=_sum([None if one.amount is None else Decimal(one.amount) for one in rows]),
            unit_price=None if price is None else Decimal(price),
            rows=(rows[0].line, rows[-1].line),
        )


def _quantity(rows: Iterable[StagedRow]) -> Decimal:
    return sum((Decimal(row.quantity) for row in rows), ZERO)


@lru_cache(10_000)
def _pairs(groups: str) -> tuple[Pairs, Pairs]:
    if not groups:
        return (), ()
    pricing, presentation = json.loads(groups)
    return tuple((key, value) for key, value in pricing), tuple((key, value) for key, value in presentation)


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Return the sum of amounts, None where one of them is not known."""
    return None if None in amounts else sum((amount for amount in amounts if amount is not None), ZERO)
