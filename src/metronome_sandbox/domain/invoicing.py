"""How usage becomes an invoice: the steps in their order.

One pure function serves the draft that is computed when it is read, the import, its preview and the regenerated
invoice, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import OpenSegment
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.drawdown import Cover, PaidPart, draw_down
from metronome_sandbox.domain.ids import BalanceId, SegmentId
from metronome_sandbox.domain.invoices import AppliedBalance, Draw, LineItem, LineType, TierPlace, total_of
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, TierSlice
from metronome_sandbox.domain.rating import Part, PriceBook, rate_usage
from metronome_sandbox.domain.usage import UsageLine


class PricedUsage(msgspec.Struct, frozen=True):
    """What a usage invoice says and what it takes from balances."""

    lines: tuple[LineItem, ...]
    total: Decimal
    draws: tuple[Draw, ...]


def build_invoice(
    contract: Contract,
    book: PriceBook,
    usage: Sequence[UsageLine],
    candidates: Sequence[OpenSegment],
    period: BoundedPeriod,
) -> PricedUsage:
    """Price the usage of one billing period of a contract.

    Args:
        usage: Quantities to bill, in any order.
        candidates: The segments that may pay, with what is left of each.

    Raises:
        InvalidRequest: A usage line has no rate; its path starts with the line's index, ``[i]``.
    """
    rated = rate_usage(contract, book, usage, candidates)
    paid = draw_down(contract, rated, candidates, book.products.values())
    lines = _line_items(paid, book)
    return PricedUsage(lines, total_of(lines), _draws(paid, period))


def _line_items(paid: Iterable[Iterable[PaidPart]], book: PriceBook) -> tuple[LineItem, ...]:
    """Return the lines of every part: what each balance covers with its application, then what nothing covers."""
    lines: list[LineItem] = []
    for parts in paid:
        for paid_part in parts:
            part = paid_part.part
            for cover in paid_part.covers:
                lines.append(_covered_line(part, cover))
                lines.append(_application_line(part, cover, book))
            if paid_part.uncovered or not paid_part.covers:
                lines.append(_uncovered_line(paid_part))
    return tuple(lines)


def _covered_line(part: Part, cover: Cover) -> LineItem:
    tier = cover.slice
    return _usage_line(part, cover.price, tier, tier.quantity, cover.total, _applied(cover))


def _uncovered_line(paid: PaidPart) -> LineItem:
    part, tier = paid.part, paid.part.tier
    total = paid.cost(paid.uncovered, tier.unit_price)
    return _usage_line(part, part.price, tier, paid.uncovered, total, None)


def _usage_line(
    part: Part, price: Price, tier: TierSlice, quantity: Decimal, total: Decimal, applied: AppliedBalance | None
) -> LineItem:
    target = part.target
    name = target.product.name
    return LineItem(
        type=LineType.USAGE,
        name=name if price.is_flat else f"{name} - Tier {tier.level}",
        product_id=target.product.id,
        total=total,
        starting_at=part.starting_at,
        ending_before=part.ending_before,
        quantity=quantity,
        unit_price=tier.unit_price,
        pricing_group_values=target.pricing_group_values,
        presentation_group_values=target.presentation_group_values,
        tier=None if price.is_flat else TierPlace(tier.level, tier.starting_at, tier.size),
        applied=applied,
    )


def _application_line(part: Part, cover: Cover, book: PriceBook) -> LineItem:
    """Return the line that takes what the balance pays off the invoice.

    Source: samples of guides "How invoicing works" and "Create a pre-paid commit" for the name and the missing
    quantity.
    Assumed: a balance without a name goes by its product's; the line carries the window and the group values of the one
    it pays for.  [A-application-line]
    """
    target = part.target
    name = cover.balance.name or book.products[cover.balance.product_id].name
    return LineItem(
        type=LineType.APPLIED_COMMIT_OR_CREDIT,
        name=f"{name} applied",
        product_id=target.product.id,
        total=-cover.total,
        starting_at=part.starting_at,
        ending_before=part.ending_before,
        pricing_group_values=target.pricing_group_values,
        presentation_group_values=target.presentation_group_values,
        applied=_applied(cover),
    )


def _applied(cover: Cover) -> AppliedBalance:
    return AppliedBalance(cover.balance.id, cover.balance.type, cover.segment.id)


def _draws(paid: Iterable[Iterable[PaidPart]], period: BoundedPeriod) -> tuple[Draw, ...]:
    """Return one deduction for each segment that paid something.

    Source: guide "Get remaining balance": dated at the end of the usage.
    Assumed: at the segment's end where that is earlier, so that nothing is drawn after it expired (Q3).
    [A-deduction-date]
    """
    sums: dict[tuple[BalanceId, SegmentId], Decimal] = {}
    ends = {}
    for parts in paid:
        for paid_part in parts:
            for cover in paid_part.covers:
                key = cover.balance.id, cover.segment.id
                sums[key] = sums.get(key, ZERO) + cover.total
                ends[key] = min(period.ending_before, cover.segment.ending_before)
    return tuple(Draw(*key, amount, ends[key]) for key, amount in sums.items() if amount)
