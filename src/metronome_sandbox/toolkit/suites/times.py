"""When things happen at a target: in the months around its own time."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial


def month_of(now: datetime, number: int, *, day: int = 1) -> str:
    """Return a day of the month that is ``number`` months after the month of ``now``, at midnight, RFC 3339."""
    years, index = divmod(now.month - 1 + number, 12)
    return f"{now.year + years}-{index + 1:02}-{day:02}T00:00:00Z"


class Times:
    """Times by field, around the time of a target; a time of another name is one of ``moments``.

    Args:
        now: The target's time. The months before and after it are when things happen there.
    """

    def __init__(self, now: datetime) -> None:
        month = partial(month_of, now)
        middle = month(0, day=15)
        last_month, this_month, next_month = month(-1), month(0), month(1)
        starts = [month(number) for number in (-4, -3, -2, -2, -1, 0)] + [month(-2, day=15)[:-9] + "13:00:00+02:00"]
        ends = [month(number) for number in (-1, 0, 1, 4)] + [month(10)]
        ahead = [middle, next_month, month(1, day=2), month(10)[:-9] + "12:34:56.789+05:30"]
        eve = (datetime.fromisoformat(this_month) - timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
        self.moments = [eve.replace("+00:00", "Z"), this_month, middle[:-9] + "12:00:00Z", middle]
        self.by_field = {
            "starting_at": starts,
            "starting_on": starts,
            "inclusive_start_date": [month(-2)] + [last_month] * 5,
            "billing_anchor_date": starts,
            "invoice_generation_starting_at": [month(-2), this_month, next_month],
            "ending_before": ends,
            "exclusive_end_date": [month(-1, day=15)] + [this_month] * 5,
            "effective_before": ends,
            "now": ahead,
            "to": ahead,
        }
