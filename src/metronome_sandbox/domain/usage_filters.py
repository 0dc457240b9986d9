"""Which of a customer's events a contract bills, so that several contracts can divide its usage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.periods import Period


class UsageFilter(msgspec.Struct, frozen=True, gc=False):
    """From ``starting_at`` on, only events whose property ``group_key`` has one of the values are billed.

    Source: schema ``BaseUsageFilter``.
    """

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime

    def admits(self, event: UsageEvent) -> bool:
        """Whether an event of its time is billed."""
        return event.properties.get(self.group_key) in self.group_values


def with_filter(filters: Iterable[UsageFilter], new: UsageFilter) -> tuple[UsageFilter, ...]:
    """Return filters in the order of time with a new one among them.

    Assumed: it takes the place of one with the same start; one that starts later still follows.  [A-usage-filter-order]
    """
    others = [item for item in filters if item.starting_at != new.starting_at]
    return tuple(sorted((*others, new), key=lambda item: item.starting_at))


def admitted(filters: Sequence[UsageFilter], events: Iterable[UsageEvent]) -> list[UsageEvent]:
    """Return the events that filters, in the order of time, let through; before the first one all do."""
    if not filters:
        return list(events)
    segments = segments_of(filters)
    return [
        event for event in events if all(item.admits(event) for item, period in segments if event.timestamp in period)
    ]


def segments_of(filters: Sequence[UsageFilter]) -> list[tuple[UsageFilter, Period]]:
    """Return each filter with the time in which it is the one in force."""
    segments = [(item, Period(item.starting_at, after.starting_at)) for item, after in pairwise(filters)]
    return [*segments, *((item, Period(item.starting_at)) for item in filters[-1:])]
