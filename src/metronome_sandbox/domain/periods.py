"""Half-open time and the cutting of a contract's time into billing periods. All instants are aware and in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import msgspec
from dateutil.relativedelta import relativedelta

from metronome_sandbox.domain.errors import InvalidRequest


class Period(msgspec.Struct, frozen=True, gc=False):
    """The half-open time ``[starting_at, ending_before)``. No end means for ever."""

    starting_at: datetime
    ending_before: datetime | None = None

    def __contains__(self, instant: datetime) -> bool:
        return self.starting_at <= instant and (self.ending_before is None or instant < self.ending_before)

    def overlaps(self, other: Period) -> bool:
        """Whether the two share an instant."""
        return (other.ending_before is None or self.starting_at < other.ending_before) and (
            self.ending_before is None or other.starting_at < self.ending_before
        )


class BoundedPeriod(msgspec.Struct, frozen=True, gc=False):
    """The half-open time ``[starting_at, ending_before)`` of an invoice, a line or a window."""

    starting_at: datetime
    ending_before: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.starting_at <= instant < self.ending_before

    def overlaps(self, other: BoundedPeriod) -> bool:
        """Whether the two share an instant."""
        return self.starting_at < other.ending_before and other.starting_at < self.ending_before

    def holds(self, other: BoundedPeriod) -> bool:
        """Whether the other one lies inside this one."""
        return self.starting_at <= other.starting_at and other.ending_before <= self.ending_before


class Frequency(StrEnum):
    """How often usage invoices are cut. Source: schema ``UsageStatementScheduleInput``."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    ANNUAL = "ANNUAL"


STEPS = {
    Frequency.WEEKLY: relativedelta(weeks=1),
    Frequency.MONTHLY: relativedelta(months=1),
    Frequency.QUARTERLY: relativedelta(months=3),
    Frequency.ANNUAL: relativedelta(years=1),
}


class StatementDay(StrEnum):
    """On which day statements are cut. Source: schema ``UsageStatementScheduleInput``."""

    FIRST_OF_MONTH = "FIRST_OF_MONTH"
    CONTRACT_START = "CONTRACT_START"
    CUSTOM_DATE = "CUSTOM_DATE"


class StatementSchedule(msgspec.Struct, frozen=True, gc=False):
    """When a contract's usage invoices are cut.

    Attributes:
        anchor: A boundary; the others are whole steps away from it, in both directions.
        generation_starting_at: The first instant that the system invoices by itself; None when the request named none,
            which means the contract's start. A period that holds it is cut to start there.
    """

    frequency: Frequency
    anchor: datetime
    generation_starting_at: datetime | None = None


def statement_anchor(frequency: Frequency, day: StatementDay, starting_at: datetime) -> datetime:
    """Return the anchor of a schedule that names no date of its own.

    Source: reference section 2.5; older vendor pages for calendar quarters (question Q21).
    Assumed: the first of the month is 00:00 UTC; weeks count from the contract's start, for there is no first of a
    month in them (Q22); a year starts in the contract's first month.  [A-statement-anchor]
    """
    if day is StatementDay.CONTRACT_START or frequency is Frequency.WEEKLY:
        return starting_at
    first = starting_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if frequency is Frequency.QUARTERLY:
        return first.replace(month=first.month - (first.month - 1) % 3)
    return first


@lru_cache(maxsize=4096)
def boundary(schedule: StatementSchedule, number: int) -> datetime:
    """Return the boundary ``number`` steps after the anchor (before it when negative).

    Assumed: a month-end anchor falls on the last day of shorter months, each computed from the anchor and not from the
    boundary before (Q20).  [A-month-end]
    """
    return schedule.anchor + STEPS[schedule.frequency] * number


def number_at(schedule: StatementSchedule, instant: datetime) -> int:
    """Return the number of the last boundary that is not after ``instant``."""
    if schedule.frequency is Frequency.WEEKLY:
        return (instant - schedule.anchor) // timedelta(weeks=1)
    step = STEPS[schedule.frequency]
    months_a_step = step.years * 12 + step.months
    months = (instant.year - schedule.anchor.year) * 12 + instant.month - schedule.anchor.month
    number = months // months_a_step + 1
    while boundary(schedule, number) > instant:
        number -= 1
    return number


def next_billing_period(schedule: StatementSchedule, contract: Period, not_before: datetime) -> BoundedPeriod | None:
    """Return the generated period that starts at ``not_before``, or at the contract's start if that is later.

    It ends at the next boundary, or with the contract, so it may be a stub. None when the contract ends before it
    starts.

    Source: schema ``UsageStatementScheduleInput`` (stub, anchor before the start).
    Assumed: the last period ends with the contract.  [A-last-period-cut]
    """
    start = max(contract.starting_at, not_before)
    if contract.ending_before is not None and start >= contract.ending_before:
        return None
    cut = boundary(schedule, number_at(schedule, start) + 1)
    return BoundedPeriod(start, cut if contract.ending_before is None else min(cut, contract.ending_before))


def billing_periods(schedule: StatementSchedule, contract: Period, not_before: datetime) -> Iterator[BoundedPeriod]:
    """Yield the generated periods from ``not_before`` on, in order; without end where the contract has none."""
    period = next_billing_period(schedule, contract, not_before)
    while period is not None:
        yield period
        period = next_billing_period(schedule, contract, period.ending_before)


FIRST_YEAR, LAST_YEAR = 1900, 2200
"""The time that contracts, prices and clocks live in. Ours; calendar steps from any of it stay in the calendar."""


def require_year(instant: datetime, path: str) -> datetime:
    """Return ``instant``, as it is of a year in which billing makes sense."""
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise InvalidRequest(path, f"{instant.isoformat()} is not of the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


def require_hour(instant: datetime, path: str) -> datetime:
    """Return ``instant``, as it is on a whole hour of a sensible year.

    Source: guide "Create a pre-paid commit" for access schedules; the others were observed on the real API.
    """
    require_year(instant, path)
    if instant.minute or instant.second or instant.microsecond:
        raise InvalidRequest(path, f"{instant.isoformat()} is required to be on an hour boundary")
    return instant


def require_order(starting_at: datetime | None, ending_before: datetime | None, at: str) -> None:
    """Refuse a time that ends before it starts. ``at`` stands before the path.

    Raises:
        InvalidRequest: It does.
    """
    if starting_at is not None and ending_before is not None and ending_before <= starting_at:
        raise InvalidRequest(
            f"{at}ending_before",
            f"{ending_before.isoformat()} is not after starting_at, {starting_at.isoformat()}",
        )
