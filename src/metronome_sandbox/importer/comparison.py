"""An old invoice beside its preview: which line answers which, and by how much they differ.

A difference is preview less legacy. A line's amount is what its quantity costs before balances pay: a preview shows
what a balance covers as lines of its own, which are added up here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from metronome_sandbox.importer.legacy import Groups, LegacyInvoice, LegacyLine, sorted_groups
from metronome_sandbox.importer.preview import PreviewInvoice, PreviewLine

ZERO = Decimal(0)
USD_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""Source: the vendor's samples; the same for every client."""

WHOLE_UNITS = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"})
WHOLE_UNITS |= {"XAF", "XOF", "XPF"}
"""Currencies without a smaller coin. Source: ISO 4217."""

NOISE = Decimal("0.000001")
PRECISION = Decimal("1e-14")
"""An answer has up to 15 significant digits, so figures that differ by less than the last one are equal."""

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Currency:
    """What amounts are counted in.

    Args:
        code: As people write it, ``USD``.
        per_unit: How much of the API's unit is one of it: 100 for USD, which is counted in cents, else 1.
        coin: The smallest amount that an invoice shows, in the API's unit.
    """

    id: str
    code: str
    per_unit: Decimal
    coin: Decimal

    def in_units(self, amount: Decimal) -> Decimal:
        """Return an amount of the API in whole units: dollars."""
        return amount / self.per_unit


def currency_of(credit_type_id: str, name: str) -> Currency:
    """Return the currency of a credit type. Source: the reference: USD is in cents, all others in whole units."""
    code = name.removesuffix(" (cents)")
    if credit_type_id == USD_CENTS:
        return Currency(credit_type_id, code, Decimal(100), Decimal(1))
    return Currency(credit_type_id, code, Decimal(1), Decimal(1) if code in WHOLE_UNITS else Decimal("0.01"))


def are_equal(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts are the same, but for the digits that an answer does not have."""
    return abs(one - other) <= max(NOISE, PRECISION * abs(one))


@dataclass(frozen=True)
class LineComparison:
    """One product under one set of group values in one window.

    Args:
        name: Of the product.
        legacy: The old invoice's lines for it, mostly one; none where only the preview has it.
        parts: What the preview charges for it: several under tiers, changing prices, or where a balance covers a part.
        amount: What the parts cost before balances pay, in the currency; None without parts, or where they are in
            units that nobody converts.
        covered: What balances pay of it.
    """

    product_id: str
    name: str
    pricing: Groups
    presentation: Groups
    starting_at: datetime
    ending_before: datetime
    legacy: tuple[LegacyLine, ...]
    parts: tuple[PreviewLine, ...]
    amount: Decimal | None
    covered: Decimal

    @cached_property
    def legacy_amount(self) -> Decimal | None:
        """What the old lines say, or what their prices make of their quantities; None where one says nothing."""
        amounts = [_said(line) for line in self.legacy]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, ZERO) if known and len(known) == len(amounts) else None

    @property
    def legacy_price(self) -> Decimal | None:
        """The one price of the old lines, None where there is none or several."""
        prices = {line.unit_price for line in self.legacy}
        return next(iter(prices)) if len(prices) == 1 else None

    @cached_property
    def price(self) -> Decimal | None:
        """The one price of the preview, None where there is none or several."""
        prices = {part.unit_price for part in self.parts}
        return next(iter(prices)) if len(prices) == 1 else None

    @cached_property
    def quantity(self) -> Decimal:
        """What was sent."""
        return sum((line.quantity for line in self.legacy), ZERO)

    @property
    def previewed_quantity(self) -> Decimal | None:
        """What the preview counts; None without parts."""
        return sum((part.quantity or ZERO for part in self.parts), ZERO) if self.parts else None

    @property
    def difference(self) -> Decimal | None:
        """Preview less legacy; None where there is nothing to compare."""
        legacy = self.legacy_amount
        if not self.legacy:
            return self.amount
        if legacy is None:
            return None
        if self.amount is None:
            return -legacy if not self.parts else None
        return self.amount - legacy


@dataclass(frozen=True, slots=True)
class ProductSum:
    """All lines of one product that the old invoice has; ``legacy`` is None where one of them says nothing."""

    lines: int
    quantity: Decimal
    legacy: Decimal | None
    amount: Decimal


@dataclass(frozen=True)
class Comparison:
    """An old invoice beside its preview.

    Args:
        is_total_said: Whether the old total is what was billed, and not the sum of lines from a file without totals.
    """

    invoice: LegacyInvoice
    preview: PreviewInvoice
    currency: Currency
    lines: tuple[LineComparison, ...]
    is_total_said: bool = True

    @cached_property
    def gross(self) -> Decimal:
        """What all lines of the preview cost before balances pay; lines that nobody converts are not in it."""
        return sum((line.amount for line in self.lines if line.amount is not None), ZERO)

    @cached_property
    def products(self) -> Mapping[str, ProductSum]:
        """The old lines by product."""
        found: dict[str, list[LineComparison]] = {}
        for line in self.lines:
            if line.legacy:
                found.setdefault(line.product_id, []).append(line)
        return {product_id: _sum_of(lines) for product_id, lines in found.items()}

    @property
    def total(self) -> Decimal:
        """What the old total is held to: the preview's, or what lines cost before balances if the old lines do."""
        return self.preview.total if self.is_total_said else self.gross

    @property
    def paid(self) -> Decimal:
        """How much less the total is than the lines: what balances pay in the preview."""
        return self.gross - self.total

    @cached_property
    def legacy_gross(self) -> Decimal | None:
        """The sum of the old lines, None where one says nothing."""
        amounts = [line.legacy_amount for line in self.lines if line.legacy]
        known = [amount for amount in amounts if amount is not None]
        return sum(known, ZERO) if known and len(known) == len(amounts) else None

    @property
    def legacy_paid(self) -> Decimal | None:
        """How much less the old total is than its lines; None where either is unknown."""
        if self.legacy_gross is None or self.invoice.total is None:
            return None
        return self.legacy_gross - self.invoice.total

    @property
    def difference(self) -> Decimal | None:
        """Preview less legacy, None where the old total is unknown."""
        return None if self.invoice.total is None else self.total - self.invoice.total

    @property
    def has_figures(self) -> bool:
        """Whether the old invoice says any amount at all."""
        return self.invoice.total is not None or any(line.legacy_amount is not None for line in self.lines)


def _sum_of(lines: Sequence[LineComparison]) -> ProductSum:
    amounts = [line.legacy_amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    return ProductSum(
        len(lines),
        sum((line.quantity for line in lines), ZERO),
        sum(known, ZERO) if len(known) == len(amounts) else None,
        sum((line.amount or ZERO for line in lines), ZERO),
    )


def compare(invoice: LegacyInvoice, preview: PreviewInvoice, *, is_total_said: bool = True) -> Comparison:
    """Return an old invoice beside its preview.

    Lines answer each other by product, group values and window. The preview cuts a window where a price changes, so
    what lies inside an old line's window belongs to it; where windows fit in no other way, all of the product under
    those group values is compared as one.
    """
    currency = currency_of(preview.credit_type.id, preview.credit_type.name)
    old: dict[tuple[str, Groups, Groups], list[LegacyLine]] = {}
    for line in invoice.lines:
        key = line.product_id, sorted_groups(line.pricing_group_values), sorted_groups(line.presentation_group_values)
        old.setdefault(key, []).append(line)
    new: dict[tuple[str, Groups, Groups], list[PreviewLine]] = {}
    for part in preview.line_items:
        if not part.is_conversion:
            new.setdefault(_key(part), []).append(part)
    conversions = _conversions(preview)
    whole = (invoice.starting_at, invoice.ending_before)
    found = (
        _line(key, window, legacy, parts, currency, conversions)
        for key in dict.fromkeys((*old, *new))
        for window, legacy, parts in _by_window(old.get(key, ()), new.get(key, ()), whole)
    )
    lines = tuple(line for line in found if line.legacy or line.amount)
    return Comparison(invoice, preview, currency, lines, is_total_said)


def _by_window(
    old: Sequence[LegacyLine], new: Sequence[PreviewLine], whole: Window
) -> list[tuple[Window, list[LegacyLine], list[PreviewLine]]]:
    """Return the lines of one product and one set of group values by the window that they share."""
    windows: dict[Window, tuple[list[LegacyLine], list[PreviewLine]]] = {}
    for line in old:
        windows.setdefault((line.starting_at, line.ending_before), ([], []))[0].append(line)
    places = sorted(windows)
    is_plain = all(one[1] <= other[0] for one, other in pairwise(places))
    for part in new:
        own = (part.starting_at or whole[0], part.ending_before or whole[1])
        around = own if own in windows else _around(own, places) if is_plain else None
        if around is None and places:
            ends = [*places, own]
            all_of_it = (min(start for start, _ in ends), max(end for _, end in ends))
            return [(all_of_it, list(old), list(new))]
        windows.setdefault(around or own, ([], []))[1].append(part)
    return [(window, *lines) for window, lines in sorted(windows.items())]


def _around(own: Window, places: Sequence[Window]) -> Window | None:
    """Return the window that holds another one, of windows in order that do not overlap."""
    place = bisect_right(places, own[0], key=lambda window: window[0]) - 1
    return places[place] if place >= 0 and own[1] <= places[place][1] else None


def _line(
    key: tuple[str, Groups, Groups],
    window: Window,
    legacy: Sequence[LegacyLine],
    found: Sequence[PreviewLine],
    currency: Currency,
    conversions: Mapping[str, Decimal],
) -> LineComparison:
    parts = tuple(part for part in found if not part.is_application)
    worth = [_worth(part, currency, conversions) for part in parts]
    known = [amount for amount in worth if amount is not None]
    covers = (_worth(part, currency, conversions) for part in found if part.is_application and not part.is_postpaid)
    return LineComparison(
        product_id=key[0],
        name=legacy[0].product_name if legacy else found[0].name,
        pricing=key[1],
        presentation=key[2],
        starting_at=window[0],
        ending_before=window[1],
        legacy=tuple(legacy),
        parts=parts,
        amount=sum(known, ZERO) if parts and len(known) == len(worth) else None,
        covered=-sum((amount for amount in covers if amount is not None), ZERO),
    )


def _worth(part: PreviewLine, currency: Currency, conversions: Mapping[str, Decimal]) -> Decimal | None:
    """Return what a line of the preview comes to in the currency; None where its unit is converted nowhere."""
    if part.credit_type.id == currency.id:
        return part.total
    price = conversions.get(part.credit_type.id)
    return None if price is None else part.total * price


def _conversions(preview: PreviewInvoice) -> dict[str, Decimal]:
    """Return the prices of custom units.

    A line that converts does not say which unit; so they are known where one custom unit and one price meet.
    """
    fiat = preview.credit_type.id
    units = {part.credit_type.id for part in preview.line_items} - {fiat}
    found = (part.unit_price for part in preview.line_items if part.is_conversion)
    prices = {price for price in found if price is not None}
    return {unit: price for unit in units for price in prices} if len(units) == len(prices) == 1 else {}


def _key(part: PreviewLine) -> tuple[str, Groups, Groups]:
    return (
        part.product_id or part.name,
        sorted_groups((part.pricing_group_values or {}).items()),
        sorted_groups((part.presentation_group_values or {}).items()),
    )


def _said(line: LegacyLine) -> Decimal | None:
    if line.amount is not None or line.unit_price is None:
        return line.amount
    return line.unit_price * line.quantity
