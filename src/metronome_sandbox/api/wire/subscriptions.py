"""Subscriptions on the wire. Source: schemas ``Subscription`` and ``SubscriptionInput``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from msgspec import UNSET, UnsetType, field

from metronome_sandbox.api.wire.common import (
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    number,
    present,
    time,
    utc,
)
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.recurring import RoundingInput, new_rounding, render_rounding
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import ContractId, CustomerId, ProductId, RateCardId, SubscriptionId
from metronome_sandbox.domain.packages import SubscriptionTemplate
from metronome_sandbox.domain.rate_cards import BillingFrequency, RateKey
from metronome_sandbox.domain.subscriptions import (
    Collection,
    IncreaseBilling,
    InvoicePlacement,
    QuantityChange,
    QuantityManagement,
    Subscription,
    SubscriptionPeriod,
    subscription_periods,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.pricing import fiat_credit_type
from metronome_sandbox.services.subscription_history import (
    PricedQuantity,
    SeatsEntry,
    SeatsFilter,
    SubscriptionReference,
)
from metronome_sandbox.services.subscriptions import (
    NewSeats,
    NewSubscription,
    QuantityUpdate,
    SeatUpdates,
    SubscriptionChange,
)


class SubscriptionRateInput(WireType):
    """``subscription_rate``."""

    product_id: str
    billing_frequency: str


class ProrationInput(WireType):
    """``proration``.

    Assumed: without ``is_prorated`` the whole price is charged, and without ``invoice_behavior`` an increase is billed
    on the next collection date.  [A-subscription-defaults]
    """

    is_prorated: bool = False
    invoice_behavior: str = "BILL_ON_NEXT_COLLECTION_DATE"
    rounding: RoundingInput | None = None


class BillingCycleInput(WireType):
    """``billing_cycle_config``."""

    anchor_date: datetime | None = None
    invoice_placement: str = "ON_USAGE_INVOICE"


class SeatConfigInput(WireType):
    """``seat_config``."""

    seat_group_key: str
    initial_seat_ids: tuple[str, ...] = ()
    initial_unassigned_seats: Decimal = Decimal(0)


class SubscriptionInput(WireType):
    """An item of ``subscriptions``."""

    subscription_rate: SubscriptionRateInput
    collection_schedule: str
    proration: ProrationInput
    name: str | None = None
    description: str | None = None
    billing_cycle_config: BillingCycleInput = field(default_factory=BillingCycleInput)
    quantity_management_mode: str = "QUANTITY_ONLY"
    initial_quantity: Decimal | None = None
    seat_config: SeatConfigInput | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    temporary_id: str | None = None
    custom_fields: dict[str, str] = {}


def new_subscriptions(wire: Sequence[SubscriptionInput], path: str) -> tuple[NewSubscription, ...]:
    """Return subscriptions to be added. ``path`` is that of the list."""
    return tuple(_new_subscription(item, f"{path}[{index}]") for index, item in enumerate(wire))


def _new_subscription(wire: SubscriptionInput, path: str) -> NewSubscription:
    rate, cycle, quantity = wire.subscription_rate, wire.billing_cycle_config, wire.initial_quantity
    return NewSubscription(
        product_id=ProductId(rate.product_id.lower()),
        frequency=canonical(rate.billing_frequency, BillingFrequency),
        collection=canonical(wire.collection_schedule, Collection),
        quantity=None if quantity is None else checked(quantity, f"{path}.initial_quantity"),
        seats=None if wire.seat_config is None else _new_seats(wire.seat_config, f"{path}.seat_config"),
        management=canonical(wire.quantity_management_mode, QuantityManagement),
        starting_at=None if wire.starting_at is None else utc(wire.starting_at),
        ending_before=None if wire.ending_before is None else utc(wire.ending_before),
        is_prorated=wire.proration.is_prorated,
        increase_billing=canonical(wire.proration.invoice_behavior, IncreaseBilling),
        rounding=new_rounding(wire.proration.rounding),
        anchor=None if cycle.anchor_date is None else utc(cycle.anchor_date),
        placement=canonical(cycle.invoice_placement, InvoicePlacement),
        name=wire.name,
        description=wire.description,
        custom_fields=wire.custom_fields,
        temporary_id=wire.temporary_id,
    )


def _new_seats(wire: SeatConfigInput, path: str) -> NewSeats:
    unassigned = checked(wire.initial_unassigned_seats, f"{path}.initial_unassigned_seats")
    return NewSeats(wire.seat_group_key, wire.initial_seat_ids, unassigned)


class QuantityUpdateInput(WireType):
    """An item of ``quantity_updates``."""

    starting_at: datetime
    quantity: Decimal | None = None
    quantity_delta: Decimal | None = None


class NamedSeats(WireType):
    """An item of ``add_seat_ids`` or ``remove_seat_ids``."""

    seat_ids: tuple[str, ...]
    starting_at: datetime


class UnassignedSeats(WireType):
    """An item of ``add_unassigned_seats`` or ``remove_unassigned_seats``."""

    quantity: Decimal
    starting_at: datetime


class SeatUpdatesInput(WireType):
    """``seat_updates``."""

    add_seat_ids: tuple[NamedSeats, ...] = ()
    remove_seat_ids: tuple[NamedSeats, ...] = ()
    add_unassigned_seats: tuple[UnassignedSeats, ...] = ()
    remove_unassigned_seats: tuple[UnassignedSeats, ...] = ()


class ManagementUpdate(WireType):
    """``quantity_management_mode_update``, which knows one mode."""

    seat_config: SeatConfigInput


class SubscriptionEdit(WireType):
    """An item of ``update_subscriptions``. A field that is absent is UNSET, which tells it from null."""

    subscription_id: str
    name: str | UnsetType = UNSET
    ending_before: datetime | UnsetType | None = UNSET
    proration_rounding: RoundingInput | UnsetType | None = UNSET
    quantity_management_mode_update: ManagementUpdate | None = None
    quantity_updates: tuple[QuantityUpdateInput, ...] = ()
    seat_updates: SeatUpdatesInput = field(default_factory=SeatUpdatesInput)


def subscription_changes(wire: Sequence[SubscriptionEdit], path: str) -> tuple[SubscriptionChange, ...]:
    """Return changes of subscriptions. ``path`` is that of the list."""
    return tuple(_subscription_change(item, f"{path}[{index}]") for index, item in enumerate(wire))


def _subscription_change(wire: SubscriptionEdit, path: str) -> SubscriptionChange:
    end, rounding, mode = wire.ending_before, wire.proration_rounding, wire.quantity_management_mode_update
    return SubscriptionChange(
        id=SubscriptionId(wire.subscription_id.lower()),
        name=wire.name,
        ending_before=utc(end) if isinstance(end, datetime) else end,
        rounding=new_rounding(rounding) if isinstance(rounding, RoundingInput) else rounding,
        seat_group_key=None if mode is None else mode.seat_config.seat_group_key,
        quantity_updates=tuple(
            _quantity_update(item, f"{path}.quantity_updates[{index}]")
            for index, item in enumerate(wire.quantity_updates)
        ),
        seat_updates=_seat_updates(wire.seat_updates, f"{path}.seat_updates"),
    )


def _quantity_update(wire: QuantityUpdateInput, path: str) -> QuantityUpdate:
    quantity, delta = wire.quantity, wire.quantity_delta
    return QuantityUpdate(
        utc(wire.starting_at),
        None if quantity is None else checked(quantity, f"{path}.quantity"),
        None if delta is None else checked(delta, f"{path}.quantity_delta"),
    )


def _seat_updates(wire: SeatUpdatesInput, path: str) -> SeatUpdates:
    def unassigned(items: Sequence[UnassignedSeats], name: str, sign: int) -> tuple[QuantityChange, ...]:
        return tuple(
            QuantityChange(
                utc(item.starting_at), unassigned=sign * checked(item.quantity, f"{path}.{name}[{index}].quantity")
            )
            for index, item in enumerate(items)
        )

    coming = tuple(QuantityChange(utc(item.starting_at), added_seats=item.seat_ids) for item in wire.add_seat_ids)
    going = tuple(QuantityChange(utc(item.starting_at), removed_seats=item.seat_ids) for item in wire.remove_seat_ids)
    groups = (
        ("add_seat_ids", coming),
        ("remove_seat_ids", going),
        ("add_unassigned_seats", unassigned(wire.add_unassigned_seats, "add_unassigned_seats", 1)),
        ("remove_unassigned_seats", unassigned(wire.remove_unassigned_seats, "remove_unassigned_seats", -1)),
    )
    return SeatUpdates(tuple((name, changes) for name, changes in groups if changes))


def render_subscriptions(context: Context, contract: Contract) -> list[JsonObject]:
    """Return the subscriptions of a contract, in the order they were added."""
    return [render_subscription(context, contract, each) for each in contract.subscriptions]


def render_subscription(context: Context, contract: Contract, subscription: Subscription) -> JsonObject:
    """Return a subscription, with its periods and its quantity seen from now."""
    end, fiat = subscription.ending_before, fiat_credit_type(context, contract)
    return {
        **render_terms(context, subscription),
        **present(
            billing_cycle_config={
                "anchor_date": time(subscription.rhythm(contract.statement_schedule).anchor),
                "invoice_placement": subscription.placement.value,
            },
            billing_periods=_periods(context, contract, subscription),
            quantity_schedule=_quantities(context, contract, subscription),
            starting_at=time(subscription.starting_at),
            ending_before=None if end is None else time(end),
            fiat_credit_type_id=fiat,
            custom_credit_type_id=custom_unit(context, contract.rate_card_id, subscription, fiat),
            product_custom_fields=context.store.products[subscription.product_id].at(context.now).custom_fields,
            created_at=time(subscription.created_at),
        ),
    }


def render_terms(context: Context, subscription: Subscription | SubscriptionTemplate) -> JsonObject:
    """Return what of a subscription does not depend on its contract."""
    seats = subscription.seat_group_key
    return present(
        id=subscription.id,
        subscription_rate={
            "product": render_product(context, subscription.product_id),
            "billing_frequency": subscription.frequency.value,
        },
        name=subscription.name,
        description=subscription.description,
        collection_schedule=subscription.collection.value,
        proration=present(
            is_prorated=subscription.is_prorated,
            invoice_behavior=subscription.increase_billing.value,
            rounding=render_rounding(subscription.rounding),
        ),
        quantity_management_mode=subscription.management.value,
        seat_config=None if seats is None else {"seat_group_key": seats},
        custom_fields=subscription.custom_fields,
    )


def _periods(context: Context, contract: Contract, subscription: Subscription) -> JsonObject:
    """Return the period that now is in, with its neighbours as far as there are any."""
    previous: SubscriptionPeriod | None = None
    current: SubscriptionPeriod | None = None
    following: SubscriptionPeriod | None = None
    for period in subscription_periods(subscription, contract.statement_schedule, contract.period):
        if period.starting_at > context.now:
            following = period
            break
        if period.ending_before <= context.now:
            previous = period
        else:
            current = period
    return present(previous=_period(previous), current=_period(current), next=_period(following))


def _period(period: SubscriptionPeriod | None) -> JsonObject | None:
    if period is None:
        return None
    return {"starting_at": time(period.starting_at), "ending_before": time(period.ending_before)}


def _quantities(context: Context, contract: Contract, subscription: Subscription) -> list[JsonObject]:
    """Return the quantity now and from later dates on. Source: schema ``Subscription``."""
    steps = subscription.occupancies()
    last = subscription.during(contract.period).ending_before
    ends = [*(following.starting_at for _, following in pairwise(steps)), last]
    return [
        present(
            quantity=number(step.quantity),
            starting_at=time(step.starting_at),
            ending_before=None if end is None else time(end),
        )
        for step, end in zip(steps, ends, strict=True)
        if end is None or (end > context.now and step.starting_at < end)
    ]


def custom_unit(
    context: Context, rate_card_id: RateCardId | None, subscription: Subscription | SubscriptionTemplate, fiat: str
) -> str | None:
    """Return the custom pricing unit in which a card has the rate of a subscription; None where it is ``fiat``."""
    if rate_card_id is None:
        return None
    key = RateKey(rate_card_id, subscription.product_id, (), subscription.frequency)
    schedule = context.store.rate_schedules.get(key)
    unit = None if schedule is None else schedule.rates[0].credit_type_id
    return None if unit == fiat else unit


class HistoryBody(WireType):
    """Body of the two histories; that of the quantity has the first three fields."""

    customer_id: str
    contract_id: str
    subscription_id: str
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    cursor: str | None = None
    limit: int | None = None

    @property
    def reference(self) -> SubscriptionReference:
        """The subscription that is meant."""
        return SubscriptionReference(
            CustomerId(self.customer_id.lower()),
            ContractId(self.contract_id.lower()),
            SubscriptionId(self.subscription_id.lower()),
        )

    @property
    def chosen(self) -> SeatsFilter:
        """The time that is asked for."""
        covering, start, end = self.covering_date, self.starting_at, self.ending_before
        return SeatsFilter(
            None if covering is None else utc(covering),
            None if start is None else utc(start),
            None if end is None else utc(end),
        )


SEATS_ON_A_PAGE = 10

_HISTORY = decoder(HistoryBody)


def parse_reference(body: bytes) -> SubscriptionReference:
    """Return the subscription whose quantities are asked for."""
    return decode(_HISTORY, body).reference


def parse_seats_history(body: bytes) -> HistoryBody:
    """Return the body of ``getSubscriptionSeatsHistory-v1``."""
    return decode(_HISTORY, body)


def render_quantity_history(
    context: Context, contract: Contract, subscription: Subscription, history: Sequence[PricedQuantity]
) -> JsonObject:
    """Return the quantities of a subscription, each with what a whole period of it costs."""
    fiat = fiat_credit_type(context, contract)
    return present(
        subscription_id=subscription.id,
        fiat_credit_type_id=fiat,
        custom_credit_type_id=custom_unit(context, contract.rate_card_id, subscription, fiat),
        history=[
            {
                "starting_at": time(entry.starting_at),
                "data": [
                    {
                        "quantity": number(entry.quantity),
                        "unit_price": number(entry.unit_price),
                        "total": number(entry.quantity * entry.unit_price),
                    }
                ],
            }
            for entry in history
        ],
    )


def render_seats(entry: SeatsEntry) -> JsonObject:
    """Return the seats of a stretch of time."""
    return {
        "starting_at": time(entry.starting_at),
        "ending_before": None if entry.ending_before is None else time(entry.ending_before),
        "total_quantity": number(entry.occupancy.quantity),
        "assigned_seat_ids": list(entry.occupancy.seat_ids),
    }
