"""Access schedules and invoice schedules on the wire, as they are sent, edited and shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, time, utc
from metronome_sandbox.api.wire.credit_types import credit_type_or_usd
from metronome_sandbox.domain.amounts import ONE, checked
from metronome_sandbox.domain.balances import InvoiceSchedule
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import SegmentId
from metronome_sandbox.domain.payment_schedules import (
    AmountDistribution,
    Payment,
    PaymentFrequency,
    RecurringPayments,
    expand,
)
from metronome_sandbox.services.balance_changes import PaymentChange, SegmentChange
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.store.interface import Store


class AccessItem(WireType):
    """An item of ``access_schedule.schedule_items``."""

    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class AccessSchedule(WireType):
    """``access_schedule``."""

    schedule_items: list[AccessItem]
    credit_type_id: str | None = None
    access_type: str | None = None


class PaymentItem(WireType):
    """An item of ``invoice_schedule.schedule_items``."""

    timestamp: datetime
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class RecurringSchedule(WireType):
    """``invoice_schedule.recurring_schedule``."""

    starting_at: datetime
    ending_before: datetime
    frequency: str
    amount_distribution: str
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class PaymentSchedule(WireType):
    """``invoice_schedule``."""

    credit_type_id: str | None = None
    schedule_items: list[PaymentItem] | None = None
    recurring_schedule: RecurringSchedule | None = None
    do_not_invoice: bool = False


class ItemReference(WireType):
    """An item of a ``remove_schedule_items``."""

    id: str


class AccessItemChange(ItemReference, kw_only=True):
    """An item of ``access_schedule.update_schedule_items``."""

    amount: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class AccessScheduleChange(WireType):
    """``access_schedule`` of an edit."""

    add_schedule_items: list[AccessItem] = []
    update_schedule_items: list[AccessItemChange] = []
    remove_schedule_items: list[ItemReference] = []


class PaymentItemChange(ItemReference, kw_only=True):
    """An item of ``invoice_schedule.update_schedule_items``."""

    timestamp: datetime | None = None
    amount: Decimal | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class PaymentScheduleChange(WireType):
    """``invoice_schedule`` of an edit."""

    add_schedule_items: list[PaymentItem] = []
    update_schedule_items: list[PaymentItemChange] = []
    remove_schedule_items: list[ItemReference] = []


def new_payments(wire: PaymentSchedule, path: str) -> NewPayments:
    """Return the invoice schedule of a commit, scheduled charge or discount. ``path`` is its own."""
    if (wire.schedule_items is None) == (wire.recurring_schedule is None):
        raise InvalidRequest(path, "needs exactly one of schedule_items and recurring_schedule")
    if wire.schedule_items is not None:
        items = tuple(
            Payment(utc(item.timestamp), *unit_price_and_quantity(item, f"{path}.schedule_items[{index}]"))
            for index, item in enumerate(wire.schedule_items)
        )
    elif wire.recurring_schedule is not None:
        recurring = wire.recurring_schedule
        path = f"{path}.recurring_schedule"
        items = expand(
            RecurringPayments(
                utc(recurring.starting_at),
                utc(recurring.ending_before),
                canonical(recurring.frequency, PaymentFrequency),
                canonical(recurring.amount_distribution, AmountDistribution),
                *unit_price_and_quantity(recurring, path),
            ),
            path,
        )
    return NewPayments(items, credit_type_or_usd(wire.credit_type_id), wire.do_not_invoice)


def unit_price_and_quantity(
    wire: PaymentItem | PaymentItemChange | RecurringSchedule, path: str
) -> tuple[Decimal, Decimal]:
    """Return unit price and quantity; an amount alone is a unit price with quantity 1."""
    pair = (wire.unit_price, wire.quantity)
    if wire.amount is not None:
        if pair != (None, None):
            raise InvalidRequest(f"{path}.amount", "cannot stand beside unit_price and quantity; send one or the other")
        return checked(wire.amount, f"{path}.amount"), ONE
    if wire.unit_price is None or wire.quantity is None:
        raise InvalidRequest(f"{path}.amount", "is missing; send amount, or unit_price and quantity together")
    return checked(wire.unit_price, f"{path}.unit_price"), checked(wire.quantity, f"{path}.quantity")


def segment_change(wire: AccessItemChange, path: str) -> SegmentChange:
    """Return what an edit changes on one segment. ``path`` is that of the item."""
    return SegmentChange(
        SegmentId(wire.id.lower()),
        None if wire.amount is None else checked(wire.amount, f"{path}.amount"),
        None if wire.starting_at is None else utc(wire.starting_at),
        None if wire.ending_before is None else utc(wire.ending_before),
    )


def payment_change(wire: PaymentItemChange, path: str) -> PaymentChange:
    """Return what an edit changes on one payment. ``path`` is that of the item."""
    unit_price = quantity = None
    if (wire.amount, wire.unit_price, wire.quantity) != (None, None, None):
        unit_price, quantity = unit_price_and_quantity(wire, path)
    return PaymentChange(wire.id.lower(), None if wire.timestamp is None else utc(wire.timestamp), unit_price, quantity)


def render_invoice_schedule(store: Store, schedule: InvoiceSchedule) -> JsonObject:
    """Return the invoice schedule of a commit, scheduled charge or discount."""
    return {
        "credit_type": {"id": schedule.credit_type_id, "name": store.credit_types[schedule.credit_type_id].name},
        "do_not_invoice": schedule.do_not_invoice,
        "schedule_items": [
            {
                "id": item.id,
                "invoice_id": store.settled.get(item.id),
                "amount": number(item.amount),
                "unit_price": number(item.unit_price),
                "quantity": number(item.quantity),
                "timestamp": time(item.timestamp),
            }
            for item in schedule.items
        ],
    }
