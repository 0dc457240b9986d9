"""Lengths of time by the calendar."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec
from dateutil.relativedelta import relativedelta


class RelativeUnit(StrEnum):
    """Source: schema ``RelativeDate``."""

    DAYS = "DAYS"
    WEEKS = "WEEKS"
    MONTHS = "MONTHS"
    YEARS = "YEARS"


STEPS = {
    RelativeUnit.DAYS: relativedelta(days=1),
    RelativeUnit.WEEKS: relativedelta(weeks=1),
    RelativeUnit.MONTHS: relativedelta(months=1),
    RelativeUnit.YEARS: relativedelta(years=1),
}


class RelativeDate(msgspec.Struct, frozen=True, gc=False):
    """A length of time by the calendar."""

    value: int
    unit: RelativeUnit

    def after(self, instant: datetime) -> datetime:
        """Return the instant that lies this long after another one, at the same time of day.

        Source: reference, pricing section 4.17: 3 MONTHS after 2025-10-01 is 2026-01-01.
        """
        return instant + STEPS[self.unit] * self.value
