"""An invoice cut by hour or day.

A group's usage lies on a line: the first unit used is the first one, and the invoice's lines of that group lie end to
end on it (windows in time order, tiers in their order, in each tier first what balances cover). A window of time is a
stretch of the same line, so its lines are what the two have in common. Custom units that are converted lie on a line of
their own in the same way, in the order in which the windows leave them. A subscription is no usage and stands whole in
one window. Nothing is priced again.

Source: guide "Customer dashboards and reporting": balances are used up in the order of time; reference question Q2.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

import msgspec

from metronome_sandbox.domain.amounts import DUST, ZERO
from metronome_sandbox.domain.ids import CreditTypeId, GroupValues, ProductId
from metronome_sandbox.domain.invoices import Invoice, LineItem, LineType, total_of
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.usage import WindowSize

Group = tuple[ProductId | None, GroupValues, GroupValues]
LineKey = tuple[Group, BoundedPeriod | None]
"""A group's lines of one window; None for all of its windows."""
_Cover = tuple[int, LineItem, LineItem | None]
"""A usage line with its place on the invoice and the line that applies a balance to it."""


class Breakdown(msgspec.Struct, frozen=True, gc=False):
    """One window of an invoice: the lines of what was used in it. Line windows stay those of the invoice."""

    window: BoundedPeriod
    lines: tuple[LineItem, ...]
    total: Decimal


class _Stretch(msgspec.Struct, gc=False):
    """Units of one group, from one point of its line on."""

    position: Decimal
    quantity: Decimal


class _Row:
    """Lines that take up the units of one group, one line after the other."""

    __slots__ = ("_rises", "covers", "starts")

    def __init__(self, covers: Sequence[_Cover]) -> None:
        quantities = [line.quantity or ZERO for _, line, _ in covers]
        self.covers = covers
        self.starts = list(accumulate(quantities, initial=ZERO))[:-1]
        self._rises = all(quantity >= 0 for quantity in quantities)

    def near(self, stretch: _Stretch) -> range:
        """Return the places of the lines that may have something of a stretch; where usage falls, of all of them.

        What lies before the first line belongs to it, as what lies behind the last one does to that.
        """
        if not self._rises:
            return range(len(self.covers))
        ends = stretch.position, stretch.position + stretch.quantity
        first = bisect_left(self.starts, min(ends) - DUST) - 1
        behind = max(bisect_right(self.starts, max(ends) + DUST), 1)
        return range(max(first, 0), min(behind, len(self.covers)))


def break_down(invoice: Invoice, size: WindowSize, now: datetime) -> list[Breakdown]:
    """Return the windows of an invoice that start before ``now``, in the order of time.

    An imported invoice has windows only where its request gave quantities by window, and none smaller than it gave
    (asked by day, an import by hour is added up). A generated one has all of its period's, used or not.

    Assumed: see the reference, section 2.10 "Imported invoice" and question Q31 for windows ahead.  [A-breakdowns]
    """
    if invoice.period is None or (invoice.window_size is WindowSize.DAY and size is WindowSize.HOUR):
        return []
    covers = _covers(invoice.lines)
    cut: dict[datetime, dict[int, list[LineItem]]] = {}
    by_key: dict[LineKey, list[_Cover]] = {}
    for cover in covers:
        for key in dict.fromkeys((_line_key(cover[1]), (_group(cover[1]), None))):
            by_key.setdefault(key, []).append(cover)
    for key, stretches in _stretches(invoice, covers, size).items():
        row = _Row(by_key.get(key, ()))
        for start, stretch in stretches:
            for index, pieces in _pieces(row, stretch):
                cut.setdefault(start, {}).setdefault(index, []).extend(pieces)
    for start, index, pieces in _subscribed(invoice.lines, invoice.period, size):
        cut.setdefault(start, {})[index] = pieces
    _convert(invoice.lines, cut)
    if not invoice.is_imported:
        for start in _starts(invoice.period, size):
            cut.setdefault(start, {})
    return [
        _breakdown(invoice.period, start, size, cut[start], [] if invoice.is_imported else covers)
        for start in sorted(cut)
        if start < now
    ]


def _subscribed(
    lines: Sequence[LineItem], period: BoundedPeriod, size: WindowSize
) -> Iterator[tuple[datetime, int, list[LineItem]]]:
    """Yield the lines of subscriptions with the starts of their windows.

    Assumed: that in which their service begins, or the one of the billing period that is nearest to it.
    [A-subscription-breakdown]
    """
    last = period.ending_before - size.length
    for index, line, application in _covers(lines, LineType.SUBSCRIPTION):
        begins = period.starting_at if line.starting_at is None else line.starting_at
        start = size.start_of(min(max(begins, period.starting_at), max(last, period.starting_at)))
        yield start, index, [line] if application is None else [line, application]


def _convert(lines: Sequence[LineItem], cut: dict[datetime, dict[int, list[LineItem]]]) -> None:
    """Add to each window what the custom units left in it come to in the currency."""
    for unit in dict.fromkeys(line.converted_credit_type_id for line in lines if line.converted_credit_type_id):
        conversions = _Row(_covers(lines, LineType.CPU_CONVERSION, unit))
        position = ZERO
        for start in sorted(cut):
            pieces = (piece for found in cut[start].values() for piece in found if piece.credit_type_id == unit)
            left = sum((piece.total for piece in pieces), ZERO)
            for index, converted in _pieces(conversions, _Stretch(position, left)):
                cut[start].setdefault(index, []).extend(converted)
            position += left


def _covers(
    lines: Sequence[LineItem], type: LineType = LineType.USAGE, converted: CreditTypeId | None = None
) -> list[_Cover]:
    found: list[_Cover] = []
    for index, line in enumerate(lines):
        if line.type is type and line.converted_credit_type_id == converted:
            application = lines[index + 1] if line.applied is not None else None
            found.append((index, line, application))
    return found


def _group(line: LineItem) -> Group:
    return line.product_id, line.pricing_group_values, line.presentation_group_values


def _line_key(line: LineItem) -> LineKey:
    if line.starting_at is None or line.ending_before is None:
        return _group(line), None
    return _group(line), BoundedPeriod(line.starting_at, line.ending_before)


def _stretches(
    invoice: Invoice, covers: Sequence[_Cover], size: WindowSize
) -> dict[LineKey, list[tuple[datetime, _Stretch]]]:
    """Return where each window's units lie. What is known only as a whole takes its place and has no window.

    A generated invoice has its units by the lines' own windows, each from zero on: usage that falls takes nothing back
    from the lines before. On an import nothing falls, and lines of one group may overlap in time.
    """
    spans: dict[Group, dict[BoundedPeriod, LineKey]] = {}
    for _, billed, _ in () if invoice.is_imported else covers:
        group, span = key = _line_key(billed)
        if span is not None:
            spans.setdefault(group, {})[span] = key
    found: dict[LineKey, list[tuple[datetime, _Stretch]]] = {}
    positions: dict[LineKey, Decimal] = {}
    for line in sorted(invoice.usage, key=lambda line: (line.starting_at, line.ending_before)):
        own = spans.get(line.group, {})
        whole: LineKey = line.group, None
        for window in line.windows:
            key = next((key for span, key in own.items() if window.starting_at in span), whole)
            position = positions.get(key, ZERO)
            stretches = found.setdefault(key, [])
            start = size.start_of(window.starting_at)
            if (
                stretches
                and stretches[-1][0] == start
                and stretches[-1][1].position + stretches[-1][1].quantity == position
            ):
                stretches[-1][1].quantity += window.quantity
            else:
                stretches.append((start, _Stretch(position, window.quantity)))
            positions[key] = position + window.quantity
        if not line.windows:
            positions[whole] = positions.get(whole, ZERO) + line.quantity
    return found


def _pieces(row: _Row, stretch: _Stretch) -> Iterator[tuple[int, list[LineItem]]]:
    """Yield what the stretch has in common with each line, by the line's place on the invoice.

    Where usage falls, the stretch goes backwards and its pieces are negative. What rises above the lines' sum and falls
    back later is on the last of them.
    """
    for place in row.near(stretch):
        index, line, application = row.covers[place]
        line_start, quantity = row.starts[place], line.quantity or ZERO
        is_first, is_last = place == 0, place == len(row.covers) - 1
        here = _on_line(stretch.position - line_start, quantity, is_first, is_last)
        there = _on_line(stretch.position + stretch.quantity - line_start, quantity, is_first, is_last)
        if here != there:
            total = _share(line, there) - _share(line, here)
            pieces = [msgspec.structs.replace(line, quantity=there - here, total=total)]
            if application is not None:
                pieces.append(msgspec.structs.replace(application, total=-total))
            yield index, pieces


def _on_line(position: Decimal, quantity: Decimal, is_first: bool, is_last: bool) -> Decimal:
    """Return how much of a line lies before ``position``; the first and the last have no end towards their outside."""
    lowest, highest = min(quantity, ZERO), max(quantity, ZERO)
    for end in (lowest, highest):
        if abs(position - end) < DUST:
            return end  # what a division cut off the line before is no piece of its own
    may_sink, may_rise = (is_last, is_first) if quantity < 0 else (is_first, is_last)
    if position < lowest and not may_sink:
        return lowest
    return highest if position > highest and not may_rise else position


def _share(line: LineItem, quantity: Decimal) -> Decimal:
    """Return what the first units of a line cost; all of them cost exactly the line's total."""
    return line.total if quantity == line.quantity else quantity * (line.unit_price or ZERO)


def _starts(period: BoundedPeriod, size: WindowSize) -> Iterator[datetime]:
    start = size.start_of(period.starting_at)
    while start < period.ending_before:
        yield start
        start += size.length


def _breakdown(
    period: BoundedPeriod,
    start: datetime,
    size: WindowSize,
    pieces: dict[int, list[LineItem]],
    unused: Sequence[_Cover],
) -> Breakdown:
    """Return one window; ``unused`` are lines of the invoice that show as zero where the window has nothing of them."""
    window = BoundedPeriod(max(start, period.starting_at), min(start + size.length, period.ending_before))
    used = {_group(piece) for found in pieces.values() for piece in found}
    for index, line, _ in unused:
        _, span = _line_key(line)
        if _group(line) not in used and span is not None and span.overlaps(window):
            used.add(_group(line))
            zero = msgspec.structs.replace(line, quantity=ZERO, total=ZERO, applied=None)
            pieces = {**pieces, index: [zero]}
    lines = tuple(line for index in sorted(pieces) for line in pieces[index])
    return Breakdown(window, lines, total_of(lines))
