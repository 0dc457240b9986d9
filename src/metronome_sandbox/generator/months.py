"""Calendar months: their first days."""

from __future__ import annotations

from datetime import date


def months_after(month: date, number: int) -> date:
    """Return the first day of the month that comes ``number`` months after the one that begins on ``month``."""
    years, place = divmod(month.month - 1 + number, 12)
    return date(month.year + years, place + 1, 1)
