"""Subscriptions of a contract: added, changed, read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import InvoiceId, ProductId, SubscriptionId
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateKey
from metronome_sandbox.domain.recurring import Rounding
from metronome_sandbox.domain.seat_grants import check_number_of_seats
from metronome_sandbox.domain.subscription_billing import Due, dues
from metronome_sandbox.domain.subscriptions import (
    Collection,
    IncreaseBilling,
    InvoicePlacement,
    QuantityChange,
    QuantityManagement,
    Subscription,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.products import active_product
from metronome_sandbox.services.subscription_charges import billed

MAX_PAST_CHARGES = 1200
"""How many charges one subscription may bring at once. Ours; the vendor states no bound."""


class NewSeats(msgspec.Struct, frozen=True):
    """``seat_config`` of a request."""

    group_key: str
    seat_ids: tuple[str, ...] = ()
    unassigned: Decimal = ZERO


class NewSubscription(msgspec.Struct, frozen=True):
    """A subscription as a request describes it.

    Attributes:
        starting_at: None is the start of the contract.
        quantity: What QUANTITY_ONLY needs.
        seats: What SEAT_BASED needs.
        temporary_id: Name by which recurring commits and credits of the same request may call it.
    """

    product_id: ProductId
    frequency: BillingFrequency
    collection: Collection
    quantity: Decimal | None = None
    seats: NewSeats | None = None
    management: QuantityManagement = QuantityManagement.QUANTITY_ONLY
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    is_prorated: bool = False
    increase_billing: IncreaseBilling = IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
    rounding: Rounding | None = None
    anchor: datetime | None = None
    placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}
    temporary_id: str | None = None


def check_subscription(context: Context, contract: Contract, new: NewSubscription) -> None:
    """Hold a new subscription against the rules; paths are relative to it.

    Raises:
        NotFound: The product does not exist.
        InvalidRequest: It has no rate on the contract's card, its quantity or its dates are wrong, or it brings too
            many charges at once.

    Source: reference, pricing sections 4.8 and 6.3.
    Assumed: its dates are on full hours and inside of the contract; a quantity beside seats is refused.
    [A-subscription-terms]
    """
    _check_rate(context, contract, new)
    _check_period(contract, new)
    _check_quantity(new)
    if new.increase_billing is IncreaseBilling.BILL_IMMEDIATELY and new.collection is Collection.ARREARS:
        raise InvalidRequest(
            "proration.invoice_behavior",
            "BILL_IMMEDIATELY needs collection_schedule ADVANCE; send BILL_ON_NEXT_COLLECTION_DATE",
        )
    _check_number(context, contract, _made(context, contract, new, SubscriptionId("")))


def _check_rate(context: Context, contract: Contract, new: NewSubscription) -> None:
    product = active_product(context, new.product_id, "subscription_rate.product_id")
    if product.type is not ProductType.SUBSCRIPTION:
        raise InvalidRequest(
            "subscription_rate.product_id",
            f"{product.id} ({product.name}) is a {product.type} product; a subscription needs a SUBSCRIPTION one",
        )
    card_id = contract.rate_card_id
    if card_id is None or RateKey(card_id, product.id, (), new.frequency) not in context.store.rate_schedules:
        raise InvalidRequest(
            "subscription_rate",
            f"No such product in rate card: {product.id} ({product.name}) has no {new.frequency} rate on the "
            "contract's card; add one with addRate",
        )


def _check_period(contract: Contract, new: NewSubscription) -> None:
    start = contract.starting_at if new.starting_at is None else require_hour(new.starting_at, "starting_at")
    if start not in contract.period:
        raise InvalidRequest("starting_at", f"{start.isoformat()} is outside of the contract; send a time inside of it")
    if new.ending_before is not None:
        check_end(new.ending_before, start)
    if new.anchor is not None:
        path = "billing_cycle_config.anchor_date"
        require_hour(new.anchor, path)
        if new.collection is Collection.ARREARS:
            raise InvalidRequest(path, "needs collection_schedule ADVANCE; leave it out")
        if new.anchor > start:
            raise InvalidRequest(
                path, f"{new.anchor.isoformat()} is after the subscription's start {start.isoformat()}"
            )


def check_end(ending_before: datetime, starting_at: datetime) -> None:
    """Hold an end of a subscription against its start."""
    require_hour(ending_before, "ending_before")
    if ending_before <= starting_at:
        raise InvalidRequest(
            "ending_before", f"{ending_before.isoformat()} is not after starting_at {starting_at.isoformat()}"
        )


def _check_quantity(new: NewSubscription) -> None:
    if new.management is QuantityManagement.QUANTITY_ONLY:
        if new.seats is not None:
            raise InvalidRequest("seat_config", "needs quantity_management_mode SEAT_BASED; leave it out")
        if new.quantity is None:
            raise InvalidRequest("initial_quantity", "is missing; QUANTITY_ONLY needs it")
        if new.quantity < 0:
            raise InvalidRequest("initial_quantity", f"{new.quantity} is less than 0")
        return
    if new.seats is None:
        raise InvalidRequest("seat_config", "is missing; SEAT_BASED needs it")
    if new.quantity is not None:
        raise InvalidRequest("initial_quantity", "is that of the seats on a SEAT_BASED subscription; leave it out")
    seats = new.seats
    for index, seat in enumerate(seats.seat_ids):
        if seat in seats.seat_ids[:index]:
            raise InvalidRequest(f"seat_config.initial_seat_ids[{index}]", f"{seat!r} is there twice")
    if seats.unassigned < 0 or seats.unassigned != seats.unassigned.to_integral_value():
        raise InvalidRequest(
            "seat_config.initial_unassigned_seats", f"{seats.unassigned} is not a whole number from 0 on"
        )


def _check_number(context: Context, contract: Contract, subscription: Subscription) -> None:
    now = context.now
    past = takewhile(lambda due: due.starting_at <= now, dues(contract, subscription))
    if next(islice(past, MAX_PAST_CHARGES, None), None) is not None:
        raise InvalidRequest(
            "starting_at", f"would bring more than {MAX_PAST_CHARGES} charges at once; send a later one"
        )


def made(
    context: Context, contract: Contract, new: Sequence[NewSubscription], source_id: str
) -> tuple[Subscription, ...]:
    """Return checked subscriptions with ids that derive from what adds them."""
    ids = (context.ids.derived("subscription", source_id, str(index)) for index in range(len(new)))
    return tuple(
        _made(context, contract, item, SubscriptionId(subscription_id))
        for item, subscription_id in zip(new, ids, strict=True)
    )


def _made(context: Context, contract: Contract, new: NewSubscription, subscription_id: SubscriptionId) -> Subscription:
    start = contract.starting_at if new.starting_at is None else new.starting_at
    seats = new.seats
    if seats is None:
        initial = QuantityChange(start, new.quantity)
    else:
        initial = QuantityChange(start, added_seats=seats.seat_ids, unassigned=seats.unassigned)
    return Subscription(
        id=subscription_id,
        product_id=new.product_id,
        frequency=new.frequency,
        collection=new.collection,
        starting_at=start,
        created_at=context.now,
        changes=(initial,),
        ending_before=new.ending_before,
        is_prorated=new.is_prorated,
        increase_billing=new.increase_billing,
        rounding=new.rounding,
        management=new.management,
        seat_group_key=None if seats is None else seats.group_key,
        anchor=new.anchor,
        placement=new.placement,
        name=new.name,
        description=new.description,
        custom_fields=new.custom_fields,
    )


class QuantityUpdate(msgspec.Struct, frozen=True):
    """An item of ``quantity_updates``: one of ``quantity`` and ``delta``."""

    starting_at: datetime
    quantity: Decimal | None = None
    delta: Decimal | None = None


class SeatUpdates(msgspec.Struct, frozen=True):
    """``seat_updates``: each group with its path and the changes that it makes."""

    groups: tuple[tuple[str, tuple[QuantityChange, ...]], ...] = ()


class SubscriptionChange(msgspec.Struct, frozen=True, kw_only=True):
    """An item of ``update_subscriptions``. A field that is UNSET stays as it is.

    Attributes:
        seat_group_key: What makes a QUANTITY_ONLY subscription a SEAT_BASED one.
    """

    id: SubscriptionId
    name: str | UnsetType = UNSET
    ending_before: datetime | UnsetType | None = UNSET
    rounding: Rounding | UnsetType | None = UNSET
    seat_group_key: str | None = None
    quantity_updates: tuple[QuantityUpdate, ...] = ()
    seat_updates: SeatUpdates = SeatUpdates()


def with_changed_subscriptions(
    context: Context, contract: Contract, changes: Sequence[SubscriptionChange], path: str
) -> Contract:
    """Return the contract with changes of its subscriptions. To be called inside of an open transaction.

    Raises:
        InvalidRequest: A rule is broken; the path begins with ``path[i]``.
        NotAllowedNow: A final invoice has billed what would be another quantity.
    """
    for index, change in enumerate(changes):
        subscription = next((each for each in contract.subscriptions if each.id == change.id), None)
        if subscription is None:
            raise InvalidRequest(
                f"{path}[{index}].subscription_id", f"contract {contract.id} has no subscription {change.id}"
            )
        try:
            changed = _changed(context, contract, subscription, change)
        except (InvalidRequest, NotFound) as error:
            raise error.below(f"{path}[{index}]") from None
        contract = msgspec.structs.replace(
            contract,
            subscriptions=tuple(changed if each.id == changed.id else each for each in contract.subscriptions),
        )
    return contract.with_recurring(contract.recurring) if changes and contract.recurring else contract


def _changed(context: Context, contract: Contract, before: Subscription, change: SubscriptionChange) -> Subscription:
    """Return a subscription after a change; paths are relative to it.

    Source: SDK, ``update_subscriptions``.
    Assumed: names of seats come first, then those that go, then seats without a name. A change of an instant that an
    invoice has billed is billed beside it where it is an increase; one that would make another quantity of what is
    billed later is refused.  [A-subscription-changes]
    """
    replace = msgspec.structs.replace
    after = before
    if change.name is not UNSET:
        after = replace(after, name=change.name)
    if change.rounding is not UNSET:
        after = replace(after, rounding=change.rounding)
    if change.ending_before is not UNSET:
        if change.ending_before is not None:
            check_end(change.ending_before, before.starting_at)
        after = replace(after, ending_before=change.ending_before)
    if change.seat_group_key is not None:
        after = _with_seats(after, change.seat_group_key)
    done = billed(context, contract, before)
    last = dict(sorted(done))  # the highest number of each instant
    linked = [each for each in contract.recurring if each.seats is not None and each.seats.subscription_id == before.id]
    for path, new in _quantity_changes(contract, after, change):
        added = replace(new, number=last.get(new.starting_at, -1) + 1)
        after = replace(after, changes=(*after.changes, added))
        lowest = min(step.quantity for step in after.occupancies())
        if lowest < 0:
            raise InvalidRequest(path, f"leads to a quantity of {lowest}, below 0")
        for recurring in linked:
            check_number_of_seats(recurring, after, path)
    now = {(due.starting_at, due.number): due.quantity for due in _dues_until(contract, after, max(last, default=None))}
    for key, item in done.items():
        if change.quantity_updates or change.seat_updates.groups:
            _check_billed(item.due.quantity, now.get(key, ZERO), item.due.starting_at, item.invoice.id)
    return after


def _with_seats(subscription: Subscription, group_key: str) -> Subscription:
    if subscription.management is QuantityManagement.SEAT_BASED:
        raise InvalidRequest("quantity_management_mode_update", "the subscription is SEAT_BASED already; leave it out")
    for step in subscription.occupancies():
        if step.quantity != step.quantity.to_integral_value():
            raise InvalidRequest(
                "quantity_management_mode_update", f"a quantity of {step.quantity} is no number of seats"
            )
    return msgspec.structs.replace(subscription, management=QuantityManagement.SEAT_BASED, seat_group_key=group_key)


def _quantity_changes(
    contract: Contract, subscription: Subscription, change: SubscriptionChange
) -> list[tuple[str, QuantityChange]]:
    """Return the changes of the quantity in their order, each with its path."""
    is_seat_based = subscription.management is QuantityManagement.SEAT_BASED
    if change.quantity_updates and is_seat_based:
        raise InvalidRequest("quantity_updates", "the subscription is SEAT_BASED; send seat_updates")
    if change.seat_updates.groups and not is_seat_based:
        raise InvalidRequest("seat_updates", "the subscription is QUANTITY_ONLY; send quantity_updates")
    found = [
        (f"quantity_updates[{index}]", _of_quantity(update, f"quantity_updates[{index}]"))
        for index, update in enumerate(change.quantity_updates)
    ]
    for name, items in change.seat_updates.groups:
        found += [(f"seat_updates.{name}[{index}]", item) for index, item in enumerate(items)]
    for path, item in found:
        require_hour(item.starting_at, f"{path}.starting_at")
        if item.starting_at not in subscription.during(contract.period):
            raise InvalidRequest(
                f"{path}.starting_at", f"{item.starting_at.isoformat()} is outside of the subscription"
            )
        if item.unassigned != item.unassigned.to_integral_value():
            raise InvalidRequest(f"{path}.quantity", f"{abs(item.unassigned)} is no whole number of seats")
    return found


def _of_quantity(update: QuantityUpdate, path: str) -> QuantityChange:
    if (update.quantity is None) == (update.delta is None):
        both = "both are there" if update.quantity is not None else "neither is there"
        raise InvalidRequest(f"{path}.quantity", f"exactly one of quantity and quantity_delta is needed, {both}")
    if update.delta is not None:
        if not update.delta:
            raise InvalidRequest(f"{path}.quantity_delta", "is 0; send what is to be added, or leave the item out")
        return QuantityChange(update.starting_at, delta=update.delta)
    if update.quantity is not None and update.quantity < 0:
        raise InvalidRequest(f"{path}.quantity", f"{update.quantity} is less than 0")
    return QuantityChange(update.starting_at, update.quantity)


def _dues_until(contract: Contract, subscription: Subscription, instant: datetime | None) -> list[Due]:
    if instant is None:
        return []
    return list(takewhile(lambda due: due.starting_at <= instant, dues(contract, subscription)))


def _check_billed(before: Decimal, after: Decimal, starting_at: datetime, invoice_id: InvoiceId) -> None:
    if before != after:
        raise NotAllowedNow(
            "",
            f"would bill {after} from {starting_at.isoformat()} on, and final invoice {invoice_id} has billed "
            f"{before}; void it first or send a later starting_at",
        )
