"""Recurring commits and credits that follow the seats of a subscription: so much for each, each period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest

import msgspec

from metronome_sandbox.domain.amounts import ZERO, quotient
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.periods import BoundedPeriod, Period, StatementSchedule, boundary, number_at
from metronome_sandbox.domain.recurring import Allocation, Grant, Recurring, next_grant
from metronome_sandbox.domain.subscriptions import Occupancy, Subscription

MAX_INDIVIDUAL_SEATS = 1000
"""How many seats of a subscription can have balances of their own: the default of guide "Provision your customer"."""


class SeatsAdded(msgspec.Struct, frozen=True, gc=False):
    """What seats that come within a period add to its grant.

    Attributes:
        amount: For the seats together where they share one balance.
        seat_amounts: For each seat that has a balance of its own.
        occupancy: The seats then.
    """

    starting_at: datetime
    ending_before: datetime
    amount: Decimal
    seat_amounts: tuple[tuple[str, Decimal], ...]
    occupancy: Occupancy


def seats_at(subscription: Subscription, instant: datetime) -> Occupancy:
    """Return the seats of a subscription at an instant; none before it starts."""
    found = Occupancy(instant)
    for step in subscription.occupancies():
        if step.starting_at > instant:
            break
        found = step
    return found


def check_number_of_seats(recurring: Recurring, subscription: Subscription, path: str) -> None:
    """Hold the seats of a subscription against the limit, where each of them gets a balance of its own.

    Raises:
        InvalidRequest: There are more at some time of the recurring commit or credit. ``path`` names what leads to it.

    Source: reference, pricing section 4.8.
    Assumed: seats without a name count too, and only those that are there at the same time.  [A-seat-limit]
    """
    if recurring.seats is None or recurring.seats.allocation is not Allocation.INDIVIDUAL:
        return
    steps = subscription.occupancies()
    for step, following in zip_longest(steps, steps[1:]):
        is_over = following is not None and following.starting_at <= recurring.starting_at
        is_later = recurring.ending_before is not None and step.starting_at >= recurring.ending_before
        if not is_over and not is_later and step.quantity > MAX_INDIVIDUAL_SEATS:
            raise InvalidRequest(
                path,
                f"leads to {step.quantity} seats from {step.starting_at.isoformat()} on, each with a balance of its "
                f"own; at most {MAX_INDIVIDUAL_SEATS} can have one, send fewer or POOLED",
            )


def next_seat_grant(
    recurring: Recurring, subscription: Subscription, statements: StatementSchedule, contract: Period
) -> tuple[Grant, Occupancy] | None:
    """Return the grant that comes next, of one seat, with the seats that there are; None when there are no more.

    Assumed: grants end with the subscription, and so does their access; a period without seats has a grant of 0, which
    seats that come within it add to.  [A-seat-grants]
    """
    during = subscription.during(contract)
    grant = next_grant(recurring, statements, Period(contract.starting_at, during.ending_before))
    return None if grant is None else (grant, seats_at(subscription, grant.access.starting_at))


def next_seats(
    recurring: Recurring, subscription: Subscription, statements: StatementSchedule, contract: Period
) -> SeatsAdded | None:
    """Return what comes next to the grant of the running period, or None.

    Source: field ``apply_seat_increase_config``; guide "Manage the subscription lifecycle" for fewer seats, which take
    nothing back.
    Assumed: an added seat brings a whole period's amount, or by UTC calendar days the rest's part of it; where each has
    a balance of its own, a name that takes a granted seat without one brings what that seat was granted.
    [A-seat-increases]
    """
    done = recurring.seats_granted
    if recurring.seats is None or recurring.granted_until is None or done is None:
        return None
    during = subscription.during(contract).ending_before
    end = recurring.granted_until if during is None else min(recurring.granted_until, during)
    is_individual = recurring.seats.allocation is Allocation.INDIVIDUAL
    for step in subscription.occupancies():
        if not done.starting_at <= step.starting_at < end:
            continue
        new = [seat for seat in step.seat_ids if seat not in done.seat_ids] if is_individual else []
        if not new and step.quantity <= done.quantity:
            continue
        share = _increase(recurring, statements, step.starting_at)
        free = done.quantity - len(done.seat_ids)
        amounts = [(seat, done.amount if place < free else share) for place, seat in enumerate(new)]
        return SeatsAdded(
            step.starting_at, done.ending_before, share * (step.quantity - done.quantity), tuple(amounts), step
        )
    return None


def _increase(recurring: Recurring, statements: StatementSchedule, instant: datetime) -> Decimal:
    """Return what one seat more brings from an instant of a period on."""
    amount = recurring.access.amount
    if recurring.seats is None or not recurring.seats.is_prorated:
        return amount
    rhythm = recurring.rhythm(statements)
    number = number_at(rhythm, instant)
    whole = BoundedPeriod(boundary(rhythm, number), boundary(rhythm, number + 1))
    days = (whole.ending_before.date() - instant.date()).days
    part = quotient(amount * days, Decimal((whole.ending_before.date() - whole.starting_at.date()).days))
    return part if recurring.access_rounding is None else recurring.access_rounding.rounded(part)


def shares(grant: Grant, occupancy: Occupancy) -> Sequence[tuple[str, Decimal]]:
    """Return what each seat with a name gets of a grant, where each has a balance of its own."""
    return [(seat, grant.amount) for seat in occupancy.seat_ids]


def pooled(grant: Grant, occupancy: Occupancy) -> Decimal:
    """Return what all seats get of a grant together."""
    return grant.amount * occupancy.quantity if occupancy.quantity else ZERO
