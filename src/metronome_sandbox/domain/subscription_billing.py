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
from metronome_sandbox.domain.overrides import in_force, is_entitled
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import slices
from metronome_sandbox.domain.rating import Part, PriceBook, Rank, list_price
from metronome_sandbox.domain.subscriptions import (
    Collection,
    IncreaseBilling,
    Share,
    SubscribedPart,
    Subscription,
    SubscriptionPeriod,
    quantity_at,
    subscription_periods,
)
from metronome_sandbox.domain.targeting import Target


class Due(msgspec.Struct, frozen=True, gc=False):
    """What a subscription bills at once: the quantity that a period starts with, or an increase within it.

    Attributes:
        starting_at: From when on it is for; no two of one subscription have the same.
        collected_at: When it is billed.
        priced_at: When the rate and its overrides are looked up.
    """

    subscription: Subscription
    starting_at: datetime
    ending_before: datetime
    collected_at: datetime
    priced_at: datetime
    quantity: Decimal
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
        billed = quantity_at(steps, period.starting_at)
        if billed:
            yield _due(subscription, period, period.starting_at, billed)
        for step in steps:
            if period.starting_at < step.starting_at < period.ending_before and step.quantity > billed:
                yield _due(subscription, period, step.starting_at, step.quantity - billed)
                billed = step.quantity


def _due(subscription: Subscription, period: SubscriptionPeriod, starting_at: datetime, quantity: Decimal) -> Due:
    """Return what is billed from an instant of a period on.

    Source: fields ``collection_schedule`` and ``proration``: the first and the last part of a period as well.
    """
    whole = period.whole
    is_part = starting_at > whole.starting_at or period.ending_before < whole.ending_before
    share = None
    if is_part and subscription.is_prorated:
        share = Share(
            _seconds(period.ending_before - starting_at),
            _seconds(whole.ending_before - whole.starting_at),
            subscription.rounding,
        )
    is_increase = starting_at > period.starting_at
    waits = subscription.collection is Collection.ARREARS or (
        is_increase and subscription.increase_billing is IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
    )
    collected_at = period.ending_before if waits else starting_at
    return Due(subscription, starting_at, period.ending_before, collected_at, period.starting_at, quantity, share)


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(seconds=1))


def subscription_part(contract: Contract, book: PriceBook, due: Due) -> Part | None:
    """Return what is due with its price, or None where the contract has no such rate or may not use it.

    Source: guide "Provision your customer" (subscriptions): a rate and the entitlement are both needed; guide "Manage
    the subscription lifecycle": one rate holds for a whole period, that of its start.
    Assumed: a commit or credit pays for it that is open when it is billed, in arrears in the last hour of the period.
    [A-subscription-paid]
    """
    subscription = due.subscription
    product = book.products[subscription.product_id].at(due.priced_at)
    target = Target(product, billing_frequency=subscription.frequency)
    schedule = book.schedule(product.id, (), subscription.frequency)
    rate = None if schedule is None else schedule.at(due.priced_at)
    if rate is None or not is_entitled(in_force(contract.overrides, target, due.priced_at), rate.is_entitled):
        return None
    price, choice = list_price(contract, target, rate, due.priced_at)
    price = price if due.share is None else due.share.of(price)
    (tier,) = slices(price, ZERO, due.quantity)
    waits = due.collected_at == due.ending_before
    return Part(
        target,
        due.starting_at,
        due.ending_before,
        rate,
        price,
        ZERO,
        tier,
        Rank.SUBSCRIPTION,
        LineType.SUBSCRIPTION,
        choice=choice,
        subscription=SubscribedPart(
            subscription.id,
            subscription.name,
            due.collected_at - LAST_HOUR if waits else due.starting_at,
            due.share,
        ),
    )


LAST_HOUR = timedelta(hours=1)


def inside(period: BoundedPeriod, parts: Sequence[Part]) -> list[Part]:
    """Return parts that begin inside of a billing period, for what is a percentage of them.

    Assumed: a composite product counts the subscriptions of its own invoice, those of another time of service at the
    period's near end; it does not count those on scheduled invoices.  [A-composite-subscriptions]
    """
    last = period.ending_before - LAST_HOUR
    return [
        msgspec.structs.replace(part, starting_at=min(max(part.starting_at, period.starting_at), last))
        for part in parts
    ]


def parts_behind(contract: Contract, book: PriceBook, lines: Sequence[LineItem]) -> list[Part]:
    """Return what the subscription lines of an invoice bill, priced as things are now."""
    wanted: dict[SubscriptionId, set[datetime]] = {}
    for line in lines:
        if line.subscription is not None and line.starting_at is not None:
            wanted.setdefault(line.subscription.id, set()).add(line.starting_at)
    found: list[Part] = []
    for subscription in contract.subscriptions:
        instants = wanted.get(subscription.id, set())
        last = max(instants, default=subscription.starting_at)
        for due in dues(contract, subscription):
            if due.starting_at > last:
                break
            part = subscription_part(contract, book, due) if due.starting_at in instants else None
            if part is not None:
                found.append(part)
    return found
