"""Subscriptions of a contract: added, changed, read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ProductId, SubscriptionId
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateKey
from metronome_sandbox.domain.recurring import Rounding
from metronome_sandbox.domain.subscription_billing import dues
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
