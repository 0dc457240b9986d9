"""What was billed elsewhere, and what August comes to before and after the import: worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from metronome.types.v1.customers.invoice import Invoice


@dataclass(frozen=True)
class Bill:
    """What one month came to, in US cents.

    Attributes:
        units: API calls.
        usage: What they cost at the price list, 1,000 cents each.
        prepaid: What the prepaid commit paid of it.
        due: What remained to be paid.
    """

    units: float
    usage: float
    prepaid: float
    due: float

    @classmethod
    def of(cls, invoice: Invoice) -> Bill:
        """Return what an invoice of the API comes to."""
        lines = invoice.line_items
        return cls(
            units=sum(line.quantity or 0 for line in lines if line.type == "usage"),
            usage=sum(line.total for line in lines if line.type == "usage"),
            prepaid=-sum(line.total for line in lines if line.type == "applied_commit_or_credit"),
            due=invoice.total,
        )


class Month(NamedTuple):
    """A calendar month, and the instant at which its old invoice was issued."""

    name: str
    starting_at: datetime
    ending_before: datetime
    issue_date: datetime


def day(month: int, number: int, hour: int = 0) -> datetime:
    """Return a UTC instant of 2024."""
    return datetime(2024, month, number, hour, tzinfo=UTC)


JUNE = Month("June", day(6, 1), day(7, 1), day(7, 3))
JULY = Month("July", day(7, 1), day(8, 1), day(8, 3))
AUGUST = Month("August", day(8, 1), day(9, 1), day(9, 2))

GRANTED = 25_000
LEGACY = {
    JUNE: Bill(units=10, usage=10_000, prepaid=10_000, due=0),
    JULY: Bill(units=20, usage=20_000, prepaid=15_000, due=5_000),  # 15,000 is what June left of the commit
}
AUGUST_BEFORE = Bill(units=3, usage=3_000, prepaid=3_000, due=0)
AUGUST_AFTER = Bill(units=3, usage=3_000, prepaid=0, due=3_000)

BY_DAY: dict[datetime, float] = {day(6, 1): 1, day(6, 2): 4, day(6, 3): 5}
BY_HOUR: dict[datetime, float] = {day(7, 1, 9): 2, day(7, 1, 10): 7, day(7, 1, 14): 11}
"""Units by the start of their window. They add up to the 10 of June and the 20 of July."""
