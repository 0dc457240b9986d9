"""Recurring commits and credits on the wire. Source: schemas ``RecurringCommit``, ``RecurringCredit``, their inputs."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import UNSET, UnsetType, field

from metronome_sandbox.api.wire.balances import render_seats
from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, number, present, time, utc
from metronome_sandbox.api.wire.hierarchies import BalanceHierarchyInput, child_access, render_child_access
from metronome_sandbox.api.wire.products import render_short as render_product
from metronome_sandbox.api.wire.specifiers import SpecifierInput, render_specifier, specifier
from metronome_sandbox.domain.amounts import ONE, checked
from metronome_sandbox.domain.balances import BalanceType, SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, ProductId, RecurringId, SubscriptionId
from metronome_sandbox.domain.periods import Frequency
from metronome_sandbox.domain.recurring import (
    Allocation,
    Proration,
    Recurring,
    Rounding,
    RoundingMethod,
    SeatGrant,
    UnitAmount,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.recurring_edits import AmountChange, RecurringChange

MAX_DURATION = 1200


class AmountInput(WireType):
    """``access_amount`` or ``invoice_amount``."""

    unit_price: Decimal
    credit_type_id: str
    quantity: Decimal | None = None
    access_type: str | None = None


class DurationInput(WireType):
    """``commit_duration``."""

    value: Decimal


class RoundingInput(WireType):
    """A part of ``proration_rounding``."""

    rounding_method: str
    decimal_places: int


class RoundingsInput(WireType):
    """``proration_rounding``."""

    access: RoundingInput | None = None
    invoice: RoundingInput | None = None


class SeatIncreaseInput(WireType):
    """``apply_seat_increase_config``."""

    is_prorated: bool


class SeatGrantInput(WireType):
    """``subscription_config``. Assumed: without ``allocation`` the seats share a balance.  [A-seat-allocation]"""

    subscription_id: str
    apply_seat_increase_config: SeatIncreaseInput
    allocation: str = "POOLED"


class RecurringInput(WireType):
    """An item of ``recurring_commits`` or ``recurring_credits``."""

    product_id: str
    access_amount: AmountInput
    priority: Decimal
    starting_at: datetime
    commit_duration: DurationInput
    name: str | None = None
    description: str | None = None
    invoice_amount: AmountInput | None = None
    ending_before: datetime | None = None
    recurrence_frequency: str | None = None
    proration: str = "FIRST_AND_LAST"
    proration_rounding: RoundingsInput = field(default_factory=RoundingsInput)
    rate_type: str = "LIST_RATE"
    applicable_product_ids: list[str] = []
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: list[SpecifierInput] = []
    rollover_fraction: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    subscription_config: SeatGrantInput | None = None
    hierarchy_configuration: BalanceHierarchyInput | None = None
    temporary_id: str | None = None


class AmountEdit(WireType):
    """``access_amount`` or ``invoice_amount`` of a change."""

    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class RoundingsEdit(WireType):
    """``proration_rounding`` of a change: absent leaves a part, null stops it."""

    access: RoundingInput | UnsetType | None = UNSET
    invoice: RoundingInput | UnsetType | None = UNSET


class RecurringEdit(WireType):
    """An item of ``update_recurring_commits`` or ``update_recurring_credits``; it has one of the two ids."""

    recurring_commit_id: str = ""
    recurring_credit_id: str = ""
    access_amount: AmountEdit | None = None
    invoice_amount: AmountEdit | None = None
    ending_before: datetime | UnsetType | None = UNSET
    rate_type: str | None = None
    proration_rounding: RoundingsEdit | UnsetType | None = UNSET


def recurring_change(wire: RecurringEdit, path: str) -> RecurringChange:
    """Return the command for one change. ``path`` is its own."""
    end, roundings = wire.ending_before, wire.proration_rounding
    if roundings is UNSET:
        roundings = RoundingsEdit()
    elif roundings is None:
        roundings = RoundingsEdit(None, None)
    return RecurringChange(
        RecurringId((wire.recurring_commit_id or wire.recurring_credit_id).lower()),
        _amount_change(wire.access_amount, f"{path}.access_amount"),
        _amount_change(wire.invoice_amount, f"{path}.invoice_amount"),
        utc(end) if isinstance(end, datetime) else end,
        None if wire.rate_type is None else canonical(wire.rate_type, SpendingRate),
        UNSET if roundings.access is UNSET else new_rounding(roundings.access),
        UNSET if roundings.invoice is UNSET else new_rounding(roundings.invoice),
    )


def _amount_change(wire: AmountEdit | None, path: str) -> AmountChange | None:
    if wire is None:
        return None
    return AmountChange(
        None if wire.unit_price is None else checked(wire.unit_price, f"{path}.unit_price"),
        None if wire.quantity is None else checked(wire.quantity, f"{path}.quantity"),
    )


def new_recurring(wire: RecurringInput, path: str, *, is_credit: bool) -> NewRecurring:
    """Return the command for one recurring commit or credit.

    Raises:
        InvalidRequest: A quantity is missing, or stands beside a subscription; the duration is no number of periods.
        NotImitated: It counts units.
    """
    _refuse_what_comes_later(wire, path)
    price, fraction = wire.invoice_amount, wire.rollover_fraction
    frequency, roundings = wire.recurrence_frequency, wire.proration_rounding
    return NewRecurring(
        Recurring(
            id=RecurringId(""),
            type=BalanceType.CREDIT if is_credit else BalanceType.PREPAID,
            product_id=ProductId(wire.product_id.lower()),
            access=_amount(_of_a_seat(wire), f"{path}.access_amount"),
            priority=checked(wire.priority, f"{path}.priority"),
            starting_at=utc(wire.starting_at),
            duration=_duration(wire.commit_duration.value, f"{path}.commit_duration.value"),
            name=wire.name,
            description=wire.description,
            price=None if price is None or is_credit else _amount(price, f"{path}.invoice_amount"),
            ending_before=None if wire.ending_before is None else utc(wire.ending_before),
            frequency=None if frequency is None else canonical(frequency, Frequency),
            proration=canonical(wire.proration, Proration),
            access_rounding=new_rounding(roundings.access),
            price_rounding=new_rounding(roundings.invoice),
            rate_type=canonical(wire.rate_type, SpendingRate),
            applicable_product_ids=tuple(ProductId(value.lower()) for value in wire.applicable_product_ids),
            applicable_product_tags=wire.applicable_product_tags,
            specifiers=tuple(specifier(item) for item in wire.specifiers),
            rollover_fraction=None if fraction is None else checked(fraction, f"{path}.rollover_fraction"),
            netsuite_sales_order_id=wire.netsuite_sales_order_id,
            seats=None if wire.subscription_config is None else _seats(wire.subscription_config),
            child_access=child_access(wire.hierarchy_configuration),
        ),
        wire.temporary_id,
    )


def _of_a_seat(wire: RecurringInput) -> AmountInput:
    """Return what is granted; for one seat, where a subscription says how many there are."""
    amount = wire.access_amount
    if wire.subscription_config is None:
        return amount
    return AmountInput(amount.unit_price, amount.credit_type_id, ONE, amount.access_type)


def _seats(wire: SeatGrantInput) -> SeatGrant:
    return SeatGrant(
        SubscriptionId(wire.subscription_id),
        Allocation(wire.allocation),
        wire.apply_seat_increase_config.is_prorated,
    )


def _refuse_what_comes_later(wire: RecurringInput, path: str) -> None:
    """Refuse what the sandbox would otherwise silently leave out."""
    if wire.subscription_config is not None and wire.access_amount.quantity is not None:
        raise InvalidRequest(
            f"{path}.access_amount.quantity", "must not specify a quantity if a subscription is configured"
        )
    if wire.access_amount.access_type not in (None, "SPEND"):
        raise NotImitated(f"{path}.access_amount.access_type", "balances that count units (QUANTITY)")


def _amount(wire: AmountInput, path: str) -> UnitAmount:
    if wire.quantity is None:
        raise InvalidRequest(f"{path}.quantity", "is missing; only a grant for the seats of a subscription has none")
    return UnitAmount(
        checked(wire.unit_price, f"{path}.unit_price"),
        checked(wire.quantity, f"{path}.quantity"),
        CreditTypeId(wire.credit_type_id.lower()),
    )


def _duration(value: Decimal, path: str) -> int:
    """Return a number of periods.

    Assumed: it is a whole number, at least 1 and at most 1,200.  [A-grant-duration]
    """
    if value != value.to_integral_value() or not 1 <= value <= MAX_DURATION:
        raise InvalidRequest(path, f"{value:.6g} is not a whole number of periods from 1 to {MAX_DURATION}")
    return int(value)


def new_rounding(wire: RoundingInput | None) -> Rounding | None:
    """Return how a prorated amount is rounded."""
    return None if wire is None else Rounding(RoundingMethod(wire.rounding_method), wire.decimal_places)


def render_recurring(context: Context, contract: Contract, *, is_credit: bool) -> list[JsonObject]:
    """Return a contract's recurring commits, or its recurring credits, in the order they were added."""
    return [_render(context, contract, item) for item in contract.recurring if _is_credit(item) is is_credit]


def _is_credit(recurring: Recurring) -> bool:
    return recurring.type is BalanceType.CREDIT


def _render(context: Context, contract: Contract, recurring: Recurring) -> JsonObject:
    return {
        **render_terms(context, recurring),
        **present(
            contract={"id": contract.id},
            starting_at=time(recurring.starting_at),
            ending_before=None if recurring.ending_before is None else time(recurring.ending_before),
            anchor_date=time(recurring.rhythm(contract.statement_schedule).anchor),
        ),
    }


def render_terms(context: Context, recurring: Recurring) -> JsonObject:
    """Return what of a recurring commit or credit does not depend on its contract's dates."""
    fraction, frequency, price = recurring.rollover_fraction, recurring.frequency, recurring.price
    roundings = present(
        access=render_rounding(recurring.access_rounding), invoice=render_rounding(recurring.price_rounding)
    )
    return present(
        id=recurring.id,
        name=recurring.name,
        description=recurring.description,
        product=render_product(context, recurring.product_id),
        access_amount=_render_access(recurring),
        invoice_amount=None if price is None else _render_amount(price),
        priority=number(recurring.priority),
        commit_duration={"value": recurring.duration, "unit": "PERIODS"},
        recurrence_frequency=None if frequency is None else frequency.value,
        proration=recurring.proration.value,
        proration_rounding=roundings or None,
        rate_type=recurring.rate_type.value,
        applicable_product_ids=list(recurring.applicable_product_ids) or None,
        applicable_product_tags=list(recurring.applicable_product_tags) or None,
        specifiers=[render_specifier(item) for item in recurring.specifiers] or None,
        rollover_fraction=None if fraction is None else number(fraction),
        netsuite_sales_order_id=recurring.netsuite_sales_order_id,
        subscription_config=render_seats(recurring),
        hierarchy_configuration=render_child_access(recurring.child_access),
    )


def _render_access(recurring: Recurring) -> JsonObject:
    rendered = _render_amount(recurring.access)
    if recurring.seats is not None:
        del rendered["quantity"]  # that of the seats, which is none of its own
    return rendered


def _render_amount(amount: UnitAmount) -> JsonObject:
    return {
        "unit_price": number(amount.unit_price),
        "quantity": number(amount.quantity),
        "credit_type_id": amount.credit_type_id,
    }


def render_rounding(rounding: Rounding | None) -> JsonObject | None:
    """Return how a prorated amount is rounded."""
    if rounding is None:
        return None
    return {"rounding_method": rounding.method.value, "decimal_places": rounding.decimal_places}
