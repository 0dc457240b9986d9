"""Subscriptions: a rate of the card times a quantity, each period of their own.

A subscription keeps the changes of its quantity and not the quantity itself, so that a change of an earlier date finds
its place among those that are there. What its periods bill is told in
:mod:`~metronome_sandbox.domain.subscription_billing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO, quotient
from metronome_sandbox.domain.ids import ProductId, SubscriptionId
from metronome_sandbox.domain.periods import (
    BoundedPeriod,
    Frequency,
    Period,
    StatementSchedule,
    boundary,
    next_billing_period,
    number_at,
)
from metronome_sandbox.domain.rate_cards import BillingFrequency, Price, Tier
from metronome_sandbox.domain.recurring import Rounding


class Collection(StrEnum):
    """Whether a period is billed when it starts or when it ends. Source: field ``collection_schedule``."""

    ADVANCE = "ADVANCE"
    ARREARS = "ARREARS"


class IncreaseBilling(StrEnum):
    """When an increase within a period is billed. Source: field ``proration.invoice_behavior``."""

    BILL_IMMEDIATELY = "BILL_IMMEDIATELY"
    BILL_ON_NEXT_COLLECTION_DATE = "BILL_ON_NEXT_COLLECTION_DATE"


class QuantityManagement(StrEnum):
    """Whether the quantity is a number or that of named seats. Source: field ``quantity_management_mode``."""

    QUANTITY_ONLY = "QUANTITY_ONLY"
    SEAT_BASED = "SEAT_BASED"


class InvoicePlacement(StrEnum):
    """Which invoices have its lines. Source: SDK, field ``billing_cycle_config.invoice_placement``."""

    ON_USAGE_INVOICE = "ON_USAGE_INVOICE"
    ON_SCHEDULED_INVOICE = "ON_SCHEDULED_INVOICE"


class QuantityChange(msgspec.Struct, frozen=True, gc=False):
    """What becomes of the quantity at an instant.

    Attributes:
        quantity: The quantity from then on; None where it is changed by the others.
        delta: Added to it.
        added_seats, removed_seats: Names of seats.
        unassigned: Seats without a name that come, or go where there are any.
        number: Of the quantities of this instant: 0, or more where an invoice had billed those before when the change
            was made.
    """

    starting_at: datetime
    quantity: Decimal | None = None
    delta: Decimal = ZERO
    added_seats: tuple[str, ...] = ()
    removed_seats: tuple[str, ...] = ()
    unassigned: Decimal = ZERO
    number: int = 0


class Occupancy(msgspec.Struct, frozen=True, gc=False):
    """The quantity from an instant on: named seats and those without a name, which is all where seats have none.

    Attributes:
        number: As that of the change.
    """

    starting_at: datetime
    seat_ids: tuple[str, ...] = ()
    unassigned: Decimal = ZERO
    number: int = 0

    @property
    def quantity(self) -> Decimal:
        """What a period that starts then bills."""
        return len(self.seat_ids) + self.unassigned

    def after(self, change: QuantityChange) -> Occupancy:
        """Return what a change makes of it.

        Source: SDK, field ``seat_updates``: a new name takes a seat without one first, a seat that is not there is not
        removed, and neither is a seat without a name where there is none.
        """
        new = [seat for seat in dict.fromkeys(change.added_seats) if seat not in self.seat_ids]
        seats = tuple(seat for seat in (*self.seat_ids, *new) if seat not in change.removed_seats)
        if change.quantity is not None:
            return Occupancy(change.starting_at, seats, change.quantity - len(seats), change.number)
        filled = min(max(self.unassigned, ZERO), Decimal(len(new)))
        left = self.unassigned + change.delta - filled
        if change.unassigned:
            left = max(left + change.unassigned, ZERO)
        return Occupancy(change.starting_at, seats, left, change.number)


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """A recurring fee on a contract. Source: schema ``Subscription``.

    Attributes:
        changes: Of the quantity, in the order they were added; the first is the initial one, at ``starting_at``.
        ending_before: Its own end; it ends with its contract at the latest.
        is_prorated: Whether the price of a part of a period is a part of the price.
        rounding: Of a prorated unit price.
        anchor: A boundary of its periods; None takes that of the contract's usage invoices.
        seat_group_key: The property of events that names a seat; only with SEAT_BASED.
    """

    id: SubscriptionId
    product_id: ProductId
    frequency: BillingFrequency
    collection: Collection
    starting_at: datetime
    created_at: datetime
    changes: tuple[QuantityChange, ...]
    ending_before: datetime | None = None
    is_prorated: bool = False
    increase_billing: IncreaseBilling = IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
    rounding: Rounding | None = None
    management: QuantityManagement = QuantityManagement.QUANTITY_ONLY
    seat_group_key: str | None = None
    anchor: datetime | None = None
    placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}

    def rhythm(self, statements: StatementSchedule) -> StatementSchedule:
        """Return what its periods are cut by.

        Source: SDK, field ``billing_cycle_config.anchor_date``.
        """
        anchor = statements.anchor if self.anchor is None else self.anchor
        return StatementSchedule(Frequency(self.frequency.value), anchor)

    def during(self, contract: Period) -> Period:
        """Return when it is in force on a contract."""
        ends = [end for end in (self.ending_before, contract.ending_before) if end is not None]
        return Period(self.starting_at, min(ends, default=None))

    def occupancies(self) -> list[Occupancy]:
        """Return the quantity through time, an entry for each instant at which something about it was changed; of those
        of one instant the last one holds.

        Source: field ``quantity_updates``: changes of one date in the order they were sent.
        """
        found: list[Occupancy] = []
        now = Occupancy(self.starting_at)
        for change in sorted(self.changes, key=lambda change: change.starting_at):
            now = now.after(change)
            if found and (found[-1].starting_at, found[-1].number) == (now.starting_at, now.number):
                found.pop()
            found.append(now)
        return found


class SubscriptionPeriod(msgspec.Struct, frozen=True, gc=False):
    """One period of a subscription, and the whole one that it may be a part of."""

    starting_at: datetime
    ending_before: datetime
    whole: BoundedPeriod


def subscription_periods(
    subscription: Subscription, statements: StatementSchedule, contract: Period
) -> Iterator[SubscriptionPeriod]:
    """Yield the periods of a subscription in order; without end where neither it nor its contract has one.

    The first begins with the subscription and the last ends with it, so both may be parts of a whole one.
    """
    rhythm, during = subscription.rhythm(statements), subscription.during(contract)
    period = next_billing_period(rhythm, during, during.starting_at)
    while period is not None:
        number = number_at(rhythm, period.starting_at)
        whole = BoundedPeriod(boundary(rhythm, number), boundary(rhythm, number + 1))
        yield SubscriptionPeriod(period.starting_at, period.ending_before, whole)
        period = next_billing_period(rhythm, during, period.ending_before)


class Share(msgspec.Struct, frozen=True, gc=False):
    """The part of a period that is billed, in seconds of both."""

    seconds: Decimal
    whole_seconds: Decimal
    rounding: Rounding | None = None

    def of(self, price: Price) -> Price:
        """Return what a unit costs for this part of a period.

        Source: question 31 of the pricing reference for the time; field ``proration.rounding``.
        Assumed: seconds are counted, and it is the price of one unit that is prorated and then rounded, so that
        quantity times unit price is the total.  [A-subscription-proration]
        """
        tiers = tuple(Tier(self._of(tier.price), tier.size) for tier in price.tiers)
        return Price(price.rate_type, tiers, price.minimum)

    def _of(self, amount: Decimal) -> Decimal:
        part = quotient(amount * self.seconds, self.whole_seconds)
        return part if self.rounding is None else self.rounding.rounded(part)


class SubscribedPart(msgspec.Struct, frozen=True, gc=False):
    """What a priced part of an invoice says of the subscription that it bills.

    Attributes:
        name: Stands on the invoice; None is the product's name.
        paid_at: When a commit or credit has to be open to pay for it.
        number: Of what is billed from its start on.
        share: Of the period's price; None is all of it.
    """

    id: SubscriptionId
    name: str | None
    paid_at: datetime
    number: int = 0
    share: Share | None = None
