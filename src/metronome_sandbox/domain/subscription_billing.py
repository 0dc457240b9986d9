"""What the periods of subscriptions bill, when, and at which price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import SubscriptionId
from metronome_sandbox.domain.invoices import LineItem, LineType
from metronome_sandbox.domain.overrides import Choice, in_force, is_entitled
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, Rate, slices
from metronome_sandbox.domain.rating import Part, PriceBook, Rank, list_price
from metronome_sandbox.domain.subscriptions import (
    Collection,
    IncreaseBilling,
    Occupancy,
    Share,
    SubscribedPart,
    Subscription,
    SubscriptionPeriod,
    subscription_periods,
)
from metronome_sandbox.domain.targeting import Target


class Due(msgspec.Struct, frozen=True, gc=False):
    """What a subscription bills at once: the quantity that a period starts with, or an increase within it.

    Attributes:
        starting_at: From when on it is for.
        number: Tells those of one instant apart: 0, or more for what was added when an invoice had the first.
        collected_at: When it is billed.
        priced_at: When the rate and its overrides are looked up.
    """

    subscription: Subscription
    starting_at: datetime
    ending_before: datetime
    collected_at: datetime
    priced_at: datetime
    quantity: Decimal
    number: int = 0
    share: Share | None = None


def dues(contract: Contract, subscription: Subscription) -> Iterator[Due]:
    """Yield what a subscription bills, period by period; without end where it has none.

    Source: guide "Manage the subscription lifecycle": an increase is billed for the rest of the period, a decrease
    waits for the next one; field ``proration``.
    Assumed: a decrease that is made up for within its period costs nothing, for those units are paid; in arrears too.
    A quantity of 0 has no line. An increase on the next collection date is billed when its period ends.
    [A-subscription-quantity]
    """
    steps = subscription.occupancies()
    for period in subscription_periods(subscription, contract.statement_schedule, contract.period):
        within = [step for step in steps if _is_increase(step, period)]
        first = next((step for step in reversed(steps) if _is_base(step, period)), Occupancy(period.starting_at))
        billed = first.quantity
        if billed:
            yield _due(subscription, period, Occupancy(period.starting_at), billed)
        for step in within:
            if step.quantity > billed:
                yield _due(subscription, period, step, step.quantity - billed)
                billed = step.quantity


def _is_base(step: Occupancy, period: SubscriptionPeriod) -> bool:
    """Whether a quantity is there when a period is billed."""
    return step.starting_at < period.starting_at or (step.starting_at == period.starting_at and not step.number)


def _is_increase(step: Occupancy, period: SubscriptionPeriod) -> bool:
    return not _is_base(step, period) and step.starting_at < period.ending_before


def _due(subscription: Subscription, period: SubscriptionPeriod, step: Occupancy, quantity: Decimal) -> Due:
    """Return what is billed from an instant of a period on.

    Source: fields ``collection_schedule`` and ``proration``: the first and the last part of a period as well.
    """
    whole, starting_at = period.whole, step.starting_at
    is_part = starting_at > whole.starting_at or period.ending_before < whole.ending_before
    share = None
    if is_part and subscription.is_prorated:
        share = Share(
            _seconds(period.ending_before - starting_at),
            _seconds(whole.ending_before - whole.starting_at),
            subscription.rounding,
        )
    is_increase = starting_at > period.starting_at or step.number > 0
    waits = subscription.collection is Collection.ARREARS or (
        is_increase and subscription.increase_billing is IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
    )
    collected_at = period.ending_before if waits else starting_at
    return Due(
        subscription,
        starting_at,
        period.ending_before,
        collected_at,
        period.starting_at,
        quantity,
        step.number,
        share,
    )


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(seconds=1))


class SubscriptionPrice(msgspec.Struct, frozen=True, gc=False):
    """What one costs for a whole period, and where that comes from."""

    target: Target
    rate: Rate
    price: Price
    choice: Choice


def price_of(
    contract: Contract, book: PriceBook, subscription: Subscription, instant: datetime
) -> SubscriptionPrice | None:
    """Return the price of a period that starts at an instant, or None where the contract has none that it may use."""
    product = book.products[subscription.product_id].at(instant)
    target = Target(product, billing_frequency=subscription.frequency)
    schedule = book.schedule(product.id, (), subscription.frequency)
    rate = None if schedule is None else schedule.at(instant)
    if rate is None or not is_entitled(in_force(contract.overrides, target, instant), rate.is_entitled):
        return None
    return SubscriptionPrice(target, rate, *list_price(contract, target, rate, instant))


def subscription_part(contract: Contract, book: PriceBook, due: Due) -> Part | None:
    """Return what is due with its price, or None where the contract has no such rate or may not use it.

    Source: guide "Provision your customer" (subscriptions): a rate and the entitlement are both needed; guide "Manage
    the subscription lifecycle": one rate holds for a whole period, that of its start.
    Assumed: a commit or credit pays for it that is open when it is billed, in arrears in the last hour of the period.
    [A-subscription-paid]
    """
    subscription = due.subscription
    found = price_of(contract, book, subscription, due.priced_at)
    if found is None:
        return None
    price = found.price if due.share is None else due.share.of(found.price)
    (tier,) = slices(price, ZERO, due.quantity)
    waits = due.collected_at == due.ending_before
    return Part(
        found.target,
        due.starting_at,
        due.ending_before,
        found.rate,
        price,
        ZERO,
        tier,
        Rank.SUBSCRIPTION,
        LineType.SUBSCRIPTION,
        choice=found.choice,
        subscription=SubscribedPart(
            subscription.id,
            subscription.name,
            due.collected_at - LAST_HOUR if waits else due.starting_at,
            due.number,
            due.share,
        ),
    )


LAST_HOUR = timedelta(hours=1)


def inside(period: BoundedPeriod, parts: Sequence[Part]) -> list[Part]:
    """Return parts that begin inside of a billing period, for what is a percentage of them.

    Source: reference, pricing section 1.5: a composite is a percentage of the total spend of a billing period.
    Assumed: which has the subscriptions of its own invoice and those on scheduled invoices dated in the period; those
    of another time of service count at the period's near end.  [A-composite-subscriptions]
    """
    last = period.ending_before - LAST_HOUR
    return [
        msgspec.structs.replace(part, starting_at=min(max(part.starting_at, period.starting_at), last))
        for part in parts
    ]


def parts_behind(contract: Contract, book: PriceBook, lines: Sequence[LineItem]) -> list[Part]:
    """Return what the subscription lines of an invoice bill, priced as things are now."""
    wanted: dict[SubscriptionId, set[tuple[datetime, int]]] = {}
    for line in lines:
        if line.subscription is not None and line.starting_at is not None:
            wanted.setdefault(line.subscription.id, set()).add((line.starting_at, line.subscription.number))
    found: list[Part] = []
    for subscription in contract.subscriptions:
        billed = wanted.get(subscription.id, set())
        last = max((starting_at for starting_at, _ in billed), default=subscription.starting_at)
        for due in dues(contract, subscription):
            if due.starting_at > last:
                break
            is_wanted = (due.starting_at, due.number) in billed
            part = subscription_part(contract, book, due) if is_wanted else None
            if part is not None:
                found.append(part)
    return found
