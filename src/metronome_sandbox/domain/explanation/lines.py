"""Why a line says what it says: its units, the time that it is for, and what pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.explanation.explained import ExplainedBalance, ExplainedLine
from metronome_sandbox.domain.explanation.overrides import explained_overrides
from metronome_sandbox.domain.explanation.surroundings import Surroundings, paying_balance, subscription_of
from metronome_sandbox.domain.explanation.unit_prices import is_minimum, origin
from metronome_sandbox.domain.explanation.unrated_lines import WHY
from metronome_sandbox.domain.explanation.words import day, pays, shown
from metronome_sandbox.domain.ids import SegmentId
from metronome_sandbox.domain.invoices import Invoice, LineItem
from metronome_sandbox.domain.rate_cards import PERCENTAGES
from metronome_sandbox.domain.subscriptions import Collection
from metronome_sandbox.domain.trace import Measure, Pricing


def explained_line(
    invoice: Invoice, index: int, around: Surroundings, queued: Mapping[SegmentId, ExplainedBalance]
) -> ExplainedLine:
    """Return one line with its reasons; ``queued`` are the balances that may pay for it."""
    line = invoice.lines[index]
    cover = None if line.applied is None or line.applied.segment_id is None else queued.get(line.applied.segment_id)
    cover_why = None if cover is None or line.applied is None else _why_covered(invoice, index, cover)
    if line.pricing is None or line.product_id is None:
        return ExplainedLine(line, WHY[line.type](invoice, index, around), cover_why=cover_why)
    return ExplainedLine(
        line,
        _why_priced(invoice, index, line.pricing, around),
        tuple(explained_overrides(line, line.pricing.choice, around)),
        f"rate card {around.rate_card_name}",
        _measure(invoice, line),
        cover_why,
    )


def _measure(invoice: Invoice, line: LineItem) -> Measure | None:
    for each in () if invoice.trace is None else invoice.trace.measures:
        group = each.product_id, each.pricing_group_values, each.presentation_group_values
        is_mine = group == (line.product_id, line.pricing_group_values, line.presentation_group_values)
        if is_mine and line.starting_at is not None and line.starting_at in each.during:
            return each
    return None


def _why_covered(invoice: Invoice, index: int, cover: ExplainedBalance) -> str:
    line = invoice.lines[index]
    place = "First" if cover.order == 1 else f"Number {cover.order}"
    when = "when the line is billed" if line.subscription is not None else "at the start of the line"
    verb = "counts" if cover.type is BalanceType.POSTPAID else "pays"
    return (
        f"{place} in order, and open {when}. It {verb} {shown(abs(line.total))} here; of its "
        f"{shown(cover.before)} the invoice leaves {shown(cover.left)}."
    )


def _why_priced(invoice: Invoice, index: int, pricing: Pricing, around: Surroundings) -> str:
    line = invoice.lines[index]
    if line.quantity is None or line.unit_price is None:
        return WHY[line.type](invoice, index, around)
    if is_minimum(pricing):
        words = [
            f"The percentage comes to less than the minimum of {shown(line.unit_price)}, which is charged instead."
        ]
    else:
        units = "of spend" if pricing.price.rate_type in PERCENTAGES else "unit" if line.quantity == 1 else "units"
        words = [f"{shown(line.quantity)} {units} at {shown(line.unit_price)}, {origin(line, pricing, around)}."]
        if line.tier is not None:
            start = _position(invoice, index)
            words.append(
                f"They are the units from {shown(start)} to {shown(start + line.quantity)} of the period; tier "
                f"{line.tier.level} begins above {shown(line.tier.starting_at)}."
            )
    if line.subscription is not None:
        words.append(_why_billed(line, around))
    words.append(_who_pays(invoice, index, around))
    if line.credit_type_id is not None:
        words.append("The line counts in a custom unit; what is left of it is converted into the invoice's currency.")
    return " ".join(words)


def _why_billed(line: LineItem, around: Surroundings) -> str:
    """Return which time a subscription line is for, and when it is billed."""
    assert line.starting_at is not None
    assert line.ending_before is not None
    subscription = subscription_of(line, around)
    during = f"They are for the time from {day(line.starting_at)} until {day(line.ending_before)}"
    if line.quantity == 1:
        during = f"It is for the time from {day(line.starting_at)} until {day(line.ending_before)}"
    if subscription is None:
        return f"{during}."
    is_late = line.subscription is not None and line.subscription.paid_at > line.starting_at
    if is_late and subscription.collection is Collection.ADVANCE:
        return f"{during}; the quantity was raised within a period and is billed when it ends."
    return f"{during}, billed in {'arrears' if is_late else 'advance'}."


def _position(invoice: Invoice, index: int) -> Decimal:
    """Return how many units of the line's group the invoice has before it."""
    line = invoice.lines[index]
    group = line.product_id, line.pricing_group_values, line.presentation_group_values
    before = (
        other.quantity
        for other in invoice.lines[:index]
        if other.quantity is not None
        and other.pricing is not None
        and (other.product_id, other.pricing_group_values, other.presentation_group_values) == group
    )
    return sum(before, ZERO)


def _who_pays(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    them = "it" if line.quantity == 1 else "them"
    balance = paying_balance(line, around)
    if balance is not None:
        return pays(balance, them, around.book.products)
    if not line.total:
        return "So there is nothing to pay for."
    before = invoice.lines[index - 1] if index else None
    if before is not None and before.applied is not None and _same_stretch(before, line):
        if before.applied.type is BalanceType.POSTPAID:
            return f"No commit is left to count {them}."
        return f"Nothing is left to pay for {them}."
    return f"No commit or credit pays for {them}."


def _same_stretch(one: LineItem, other: LineItem) -> bool:
    def stretch(line: LineItem) -> tuple[object, ...]:
        return line.product_id, line.pricing_group_values, line.presentation_group_values, line.starting_at

    return stretch(one) == stretch(other)
