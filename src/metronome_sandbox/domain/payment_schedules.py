"""When a commit is paid: the dates of a recurring schedule and how an amount is spread over them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

import msgspec
from dateutil.relativedelta import relativedelta

from metronome_sandbox.domain.amounts import ONE
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.periods import require_year

MAX_PAYMENTS = 1200


class PaymentFrequency(StrEnum):
    """Of a recurring schedule. Source: schemas ``RecurringScheduleFrequency`` and, for weeks, its V2."""

    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    SEMI_ANNUAL = "SEMI_ANNUAL"
    ANNUAL = "ANNUAL"
    WEEKLY = "WEEKLY"


STEPS = {
    PaymentFrequency.MONTHLY: relativedelta(months=1),
    PaymentFrequency.QUARTERLY: relativedelta(months=3),
    PaymentFrequency.SEMI_ANNUAL: relativedelta(months=6),
    PaymentFrequency.ANNUAL: relativedelta(years=1),
    PaymentFrequency.WEEKLY: relativedelta(weeks=1),
}


class AmountDistribution(StrEnum):
    """How an amount meets the dates of a recurring schedule. Source: schema ``SchedulePointInTimeInput``."""

    EACH = "EACH"
    DIVIDED = "DIVIDED"
    DIVIDED_ROUNDED = "DIVIDED_ROUNDED"


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One item of an invoice schedule; an amount alone is a unit price with quantity 1."""

    timestamp: datetime
    unit_price: Decimal
    quantity: Decimal = ONE

    @property
    def amount(self) -> Decimal:
        """What is billed."""
        return self.unit_price * self.quantity


class RecurringPayments(msgspec.Struct, frozen=True, gc=False):
    """A payment at ``starting_at`` and one after each step, while before ``ending_before``."""

    starting_at: datetime
    ending_before: datetime
    frequency: PaymentFrequency
    distribution: AmountDistribution
    unit_price: Decimal
    quantity: Decimal = ONE


def expand(schedule: RecurringPayments, path: str) -> tuple[Payment, ...]:
    """Return the payments that a recurring schedule stands for.

    Assumed: DIVIDED gives every date the same part of the amount, DIVIDED_ROUNDED whole units and the last date what is
    left over (Q19).  [A-divided-amounts]

    Raises:
        InvalidRequest: It ends before it starts, or has more than 1,200 dates.
    """
    if schedule.ending_before <= schedule.starting_at:
        raise InvalidRequest(
            f"{path}.ending_before",
            f"{schedule.ending_before.isoformat()} is not after starting_at {schedule.starting_at.isoformat()}",
        )
    require_year(schedule.starting_at, f"{path}.starting_at")
    require_year(schedule.ending_before, f"{path}.ending_before")
    step = STEPS[schedule.frequency]
    dates: list[datetime] = []
    while (date := schedule.starting_at + step * len(dates)) < schedule.ending_before:
        dates.append(date)
        if len(dates) > MAX_PAYMENTS:
            raise InvalidRequest(
                f"{path}.ending_before", f"gives more than {MAX_PAYMENTS} payments; send an earlier end"
            )
    if schedule.distribution is AmountDistribution.EACH:
        return tuple(Payment(date, schedule.unit_price, schedule.quantity) for date in dates)
    amount = schedule.unit_price * schedule.quantity
    share = amount / len(dates)
    if schedule.distribution is AmountDistribution.DIVIDED:
        return tuple(Payment(date, share) for date in dates)
    return _rounded(dates, amount, share.to_integral_value(ROUND_FLOOR))


def _rounded(dates: Sequence[datetime], amount: Decimal, share: Decimal) -> tuple[Payment, ...]:
    last = amount - share * (len(dates) - 1)
    return (*(Payment(date, share) for date in dates[:-1]), Payment(dates[-1], last))
