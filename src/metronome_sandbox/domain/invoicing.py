"""How usage becomes an invoice: the steps in their order.

One pure function serves the draft that is computed when it is read, the import, its preview and the regenerated
invoice, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.composite import CompositeOffer, rate_composites
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.conversions import conversion_line, converted_parts, units_converted
from metronome_sandbox.domain.drawdown import Cover, PaidPart, draw_down, in_spending_order, left_after
from metronome_sandbox.domain.ids import BalanceId, SegmentId
from metronome_sandbox.domain.invoices import (
    AppliedBalance,
    BilledSubscription,
    Draw,
    LineItem,
    LineType,
    TierPlace,
    total_of,
)
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import TierSlice
from metronome_sandbox.domain.rating import Part, PriceBook, rate_usage
from metronome_sandbox.domain.spending_order import OpenSegment, SpendingOrder
from metronome_sandbox.domain.subscription_billing import inside
from metronome_sandbox.domain.subscriptions import Share, SubscribedPart
from metronome_sandbox.domain.trace import Pricing, QueuedSegment, Trace
from metronome_sandbox.domain.usage import UsageLine


class PricedUsage(msgspec.Struct, frozen=True, gc=False):
    """What a usage invoice says and what it takes from balances.

    Attributes:
        usage: What the lines were priced from, the spend behind composite products included.
        trace: What was noted on the way, beside what the lines have noted themselves.
    """

    lines: tuple[LineItem, ...]
    total: Decimal
    draws: tuple[Draw, ...]
    usage: tuple[UsageLine, ...] = ()
    trace: Trace | None = None


def build_invoice(
    contract: Contract,
    book: PriceBook,
    usage: Sequence[UsageLine],
    candidates: Sequence[OpenSegment],
    period: BoundedPeriod,
    charges: Sequence[LineItem] = (),
    composites: Sequence[CompositeOffer] = (),
    subscriptions: Sequence[Part] = (),
    beside: Sequence[Part] = (),
) -> PricedUsage:
    """Price the usage of one billing period of a contract.

    Args:
        usage: Quantities to bill, in any order.
        candidates: The segments that may pay, with what is left of each; nothing, maybe.
        charges: Lines of what falls due at the period's end and goes on the same invoice; no balance pays for them.
        composites: The composite products on offer.
        subscriptions: What the invoice bills of them; of a period of service that need not be the billing period.
        beside: What scheduled invoices of the billing period bill of them; composite products count it as well.

    Raises:
        InvalidRequest: A usage line has no rate; its path starts with the line's index, ``[i]``.
    """
    queue = in_spending_order(candidates, book, period)
    payers = [candidate for candidate, _ in queue if candidate.remaining > 0]
    used = rate_usage(contract, book, usage, payers)
    subscribed = [[part] for part in subscriptions]
    composed = rate_composites(contract, book, composites, usage, [inside(period, (*subscriptions, *beside))], payers)
    paid = draw_down(contract, used + subscribed + composed.parts, payers)
    in_units = converted_parts(paid, book)
    converted = draw_down(contract, in_units, left_after(payers, paid)) if in_units else []
    lines = (*_line_items(paid, book), *_conversion_lines(converted, book, period), *charges)
    return PricedUsage(
        lines,
        total_of(lines),
        _draws(chain(paid, converted), period),
        (*usage, *composed.usage),
        Trace(book.rate_card_id, tuple(_queued(*each) for each in queue)),
    )


def build_scheduled_invoice(
    contract: Contract,
    book: PriceBook,
    subscriptions: Sequence[Part],
    candidates: Sequence[OpenSegment],
    issued_at: datetime,
    charges: Sequence[LineItem] = (),
) -> PricedUsage:
    """Price the subscriptions of a scheduled invoice; other arguments as of :func:`build_invoice`.

    Assumed: balances pay for them as on a usage invoice, and their ledgers have it when the invoice is issued.
    [A-scheduled-subscriptions]
    """
    period = BoundedPeriod(
        min(part.starting_at for part in subscriptions), max(part.ending_before for part in subscriptions)
    )
    priced = build_invoice(contract, book, (), candidates, period, charges, (), subscriptions)
    draws = tuple(msgspec.structs.replace(draw, timestamp=min(draw.timestamp, issued_at)) for draw in priced.draws)
    return msgspec.structs.replace(priced, draws=draws)


def subscription_line(part: Part, book: PriceBook) -> LineItem:
    """Return the line of a part of a subscription that no balance pays for."""
    return _uncovered_line(PaidPart(part), book)


def _queued(candidate: OpenSegment, order: SpendingOrder | None) -> QueuedSegment:
    return QueuedSegment(candidate.balance.id, candidate.segment.id, candidate.remaining, order)


def _line_items(paid: Iterable[Iterable[PaidPart]], book: PriceBook) -> tuple[LineItem, ...]:
    """Return the lines of every part: what each balance covers with its application, then what nothing covers."""
    lines: list[LineItem] = []
    for parts in paid:
        for paid_part in parts:
            part = paid_part.part
            for cover in paid_part.covers:
                covered = _covered_line(part, cover, book)
                lines += (covered, _application_line(covered, cover, book))
            if paid_part.uncovered or not paid_part.covers:
                lines.append(_uncovered_line(paid_part, book))
    return tuple(lines)


def _conversion_lines(
    converted: Iterable[Iterable[PaidPart]], book: PriceBook, period: BoundedPeriod
) -> list[LineItem]:
    """Return the lines of converted units: what each balance covers with its application, then what nothing covers."""
    lines: list[LineItem] = []
    for each in units_converted(converted):
        line = conversion_line(each, book, period)
        if each.cover is None:
            lines.append(line)
        else:
            covered = msgspec.structs.replace(line, applied=_applied(each.cover))
            lines += (covered, _application_line(covered, each.cover, book))
    return lines


def _covered_line(part: Part, cover: Cover, book: PriceBook) -> LineItem:
    tier = cover.slice
    pricing = Pricing(part.rate, cover.price, cover.choice, _share(part))
    return _line(part, book, pricing, tier, tier.quantity, cover.total, _applied(cover))


def _uncovered_line(paid: PaidPart, book: PriceBook) -> LineItem:
    part, tier = paid.part, paid.part.tier
    pricing = Pricing(part.rate, part.price, part.choice, _share(part))
    return _line(part, book, pricing, tier, paid.uncovered, paid.uncovered_cost, None)


def _share(part: Part) -> Share | None:
    return None if part.subscription is None else part.subscription.share


def _line(
    part: Part,
    book: PriceBook,
    pricing: Pricing,
    tier: TierSlice,
    quantity: Decimal,
    total: Decimal,
    applied: AppliedBalance | None,
) -> LineItem:
    target, subscription = part.target, part.subscription
    name = target.product.name if subscription is None else subscription.name or target.product.name
    return LineItem(
        type=part.line_type,
        name=name if pricing.price.is_flat else f"{name} - Tier {tier.level}",
        product_id=target.product.id,
        total=total,
        starting_at=part.starting_at,
        ending_before=part.ending_before,
        quantity=quantity,
        unit_price=tier.unit_price,
        pricing_group_values=target.pricing_group_values,
        presentation_group_values=target.presentation_group_values,
        tier=None if pricing.price.is_flat else TierPlace(tier.level, tier.starting_at, tier.size),
        applied=applied,
        credit_type_id=part.credit_type_id if part.credit_type_id in book.conversions else None,
        pricing=pricing,
        subscription=None if subscription is None else _billed(subscription),
    )


def _billed(subscription: SubscribedPart) -> BilledSubscription:
    is_prorated = subscription.share is not None
    return BilledSubscription(subscription.id, is_prorated, subscription.paid_at, subscription.number)


def _application_line(covered: LineItem, cover: Cover, book: PriceBook) -> LineItem:
    """Return the line that takes what the balance pays for ``covered`` off the invoice.

    Source: samples of guides "How invoicing works" and "Create a pre-paid commit" for the name and the missing
    quantity.
    Assumed: a balance without a name goes by its product's; the line carries the window and the group values of the one
    it pays for.  [A-application-line]
    """
    name = cover.balance.name or _sold_as(cover, book)
    return LineItem(
        type=LineType.APPLIED_COMMIT_OR_CREDIT,
        name=f"{name} applied",
        product_id=covered.product_id,
        total=-covered.total,
        starting_at=covered.starting_at,
        ending_before=covered.ending_before,
        pricing_group_values=covered.pricing_group_values,
        presentation_group_values=covered.presentation_group_values,
        applied=covered.applied,
        credit_type_id=covered.credit_type_id,
    )


def _sold_as(cover: Cover, book: PriceBook) -> str:
    return book.products[cover.balance.product_id].at(cover.segment.starting_at).name


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
