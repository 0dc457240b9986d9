"""Recurring commits and credits: what a contract grants anew each period."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ONE, quotient
from metronome_sandbox.domain.balances import BalanceType, SpendingRate
from metronome_sandbox.domain.hierarchies import ChildAccess
from metronome_sandbox.domain.ids import CreditTypeId, ProductId, RecurringId, SubscriptionId
from metronome_sandbox.domain.periods import BoundedPeriod, Frequency, Period, StatementSchedule, boundary, number_at
from metronome_sandbox.domain.targeting import Specifier


class Proration(StrEnum):
    """Which grants are cut down to the part of the period that they are for. Source: field ``proration``."""

    NONE = "NONE"
    FIRST = "FIRST"
    LAST = "LAST"
    FIRST_AND_LAST = "FIRST_AND_LAST"


class RoundingMethod(StrEnum):
    """Source: schema ``RecurringCommitInput``, field ``proration_rounding``."""

    HALF_UP = "HALF_UP"
    FLOOR = "FLOOR"
    CEILING = "CEILING"


ROUNDINGS = {
    RoundingMethod.HALF_UP: ROUND_HALF_UP,
    RoundingMethod.FLOOR: ROUND_FLOOR,
    RoundingMethod.CEILING: ROUND_CEILING,
}


class Rounding(msgspec.Struct, frozen=True, gc=False):
    """How a prorated amount is rounded; ``decimal_places`` of -2 makes whole dollars of cents."""

    method: RoundingMethod
    decimal_places: int

    def rounded(self, amount: Decimal) -> Decimal:
        """Return the amount, rounded."""
        step = ONE.scaleb(-self.decimal_places)
        return (amount / step).to_integral_value(ROUNDINGS[self.method]) * step


class UnitAmount(msgspec.Struct, frozen=True, gc=False):
    """A quantity at a unit price, in one unit."""

    unit_price: Decimal
    quantity: Decimal
    credit_type_id: CreditTypeId

    @property
    def amount(self) -> Decimal:
        """What it comes to."""
        return self.unit_price * self.quantity


class Allocation(StrEnum):
    """Whether the seats of a subscription share one balance or have one each. Source: ``subscription_config``."""

    POOLED = "POOLED"
    INDIVIDUAL = "INDIVIDUAL"


class SeatGrant(msgspec.Struct, frozen=True, gc=False):
    """The subscription whose seats decide how much is granted. Source: field ``subscription_config``.

    Attributes:
        is_prorated: Whether a seat that comes within a period brings a part of what one brings.
    """

    subscription_id: SubscriptionId
    allocation: Allocation
    is_prorated: bool


class SeatsGranted(msgspec.Struct, frozen=True, gc=False):
    """What the running period has granted for.

    Attributes:
        amount: Of one seat.
        quantity: The most seats there were in it.
        seat_ids: Those with a balance of their own.
    """

    starting_at: datetime
    ending_before: datetime
    amount: Decimal
    quantity: Decimal
    seat_ids: tuple[str, ...] = ()


class Recurring(msgspec.Struct, frozen=True, gc=False):
    """A commit or credit that is granted anew each period. Source: schemas ``RecurringCommit``, ``RecurringCredit``.

    Attributes:
        type: PREPAID or CREDIT.
        access: What each whole period grants; for one seat where ``seats`` says whose.
        price: What the customer pays for it; None is nothing.
        duration: How many periods each grant can be spent in.
        frequency: None follows the contract's usage invoices; otherwise periods are counted from ``starting_at``.
        ending_before: No grant starts at or after it, or at or after the end of the contract.
        granted_until: The end of the last period that was granted; None before the first.
    """

    id: RecurringId
    type: BalanceType
    product_id: ProductId
    access: UnitAmount
    priority: Decimal
    starting_at: datetime
    duration: int
    name: str | None = None
    description: str | None = None
    price: UnitAmount | None = None
    ending_before: datetime | None = None
    frequency: Frequency | None = None
    proration: Proration = Proration.FIRST_AND_LAST
    access_rounding: Rounding | None = None
    price_rounding: Rounding | None = None
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rollover_fraction: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    granted_until: datetime | None = None
    seats: SeatGrant | None = None
    seats_granted: SeatsGranted | None = None
    child_access: ChildAccess | None = None

    def rhythm(self, statements: StatementSchedule) -> StatementSchedule:
        """Return what its periods are cut by.

        Source: schema ``RecurringCommitInput``, field ``recurrence_frequency``.
        """
        return statements if self.frequency is None else StatementSchedule(self.frequency, self.starting_at)


class Grant(msgspec.Struct, frozen=True, gc=False):
    """One period's grant.

    Attributes:
        until: The end of the whole period that it is for.
        access: When it can be spent; it is made, and paid, at the start.
        amount: In units of the access amount.
        unit_price: In units of the price; None when nothing is paid.
    """

    until: datetime
    access: BoundedPeriod
    amount: Decimal
    unit_price: Decimal | None = None
    quantity: Decimal = ONE


def next_grant(recurring: Recurring, statements: StatementSchedule, contract: Period) -> Grant | None:
    """Return the grant that comes next, or None when there are no more.

    The amounts are those of a whole period, or their part by days where the period is cut at a side that is prorated.

    Source: schema ``RecurringCommitInput``; guide "Create a pre-paid commit", part about recurring commits.
    Assumed: proration counts UTC calendar days of the whole period (Q33); a prorated price is one unit at the
    prorated amount; access lasts whole periods from the start of the granted one, the contract's end permitting, and
    the recurring commit's own end cuts the last amount but not the access; what is prorated to nothing is not granted.
    [A-grants]
    """
    start = recurring.starting_at if recurring.granted_until is None else recurring.granted_until
    ends = [end for end in (recurring.ending_before, contract.ending_before) if end is not None]
    stop = min(ends, default=None)
    rhythm = recurring.rhythm(statements)
    while stop is None or start < stop:
        number = number_at(rhythm, start)
        whole = BoundedPeriod(boundary(rhythm, number), boundary(rhythm, number + 1))
        period = BoundedPeriod(start, whole.ending_before if stop is None else min(whole.ending_before, stop))
        access_end = boundary(rhythm, number + recurring.duration)
        if contract.ending_before is not None:
            access_end = min(access_end, contract.ending_before)
        part = _part(recurring, period, whole)
        amount = _prorated(recurring.access.amount, part, recurring.access_rounding)
        if amount > 0 or part is None:
            grant = Grant(whole.ending_before, BoundedPeriod(start, access_end), amount)
            return grant if recurring.price is None else _priced(grant, recurring.price, part, recurring.price_rounding)
        start = whole.ending_before
    return None


def _part(recurring: Recurring, period: BoundedPeriod, whole: BoundedPeriod) -> tuple[int, int] | None:
    """Return the days in effect and the days of the whole period, or None when the period is not prorated."""
    proration = recurring.proration
    is_first, is_last = period.starting_at > whole.starting_at, period.ending_before < whole.ending_before
    cut_first = is_first and proration in (Proration.FIRST, Proration.FIRST_AND_LAST)
    cut_last = is_last and proration in (Proration.LAST, Proration.FIRST_AND_LAST)
    if not cut_first and not cut_last:
        return None
    start = period.starting_at if cut_first else whole.starting_at
    end = period.ending_before if cut_last else whole.ending_before
    return (end.date() - start.date()).days, (whole.ending_before.date() - whole.starting_at.date()).days


def _prorated(amount: Decimal, part: tuple[int, int] | None, rounding: Rounding | None) -> Decimal:
    if part is None:
        return amount
    share = quotient(amount * part[0], Decimal(part[1]))
    return share if rounding is None else rounding.rounded(share)


def _priced(grant: Grant, price: UnitAmount, part: tuple[int, int] | None, rounding: Rounding | None) -> Grant:
    if part is None:
        return msgspec.structs.replace(grant, unit_price=price.unit_price, quantity=price.quantity)
    return msgspec.structs.replace(grant, unit_price=_prorated(price.amount, part, rounding))
