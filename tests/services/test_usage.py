from __future__ import annotations

from datetime import datetime

import pytest
from builders import utc

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.services import usage
from metronome_sandbox.services.context import Context

# The tenant's time is 2024-08-15T00:00:00Z: 34 days before it is 2024-07-12, 24 hours after it 2024-08-16.


def event(transaction_id: str = "t-1", timestamp: str | datetime = "2024-08-14T10:00", tokens: str = "5") -> UsageEvent:
    return UsageEvent(transaction_id, "acme", "compute", utc(timestamp), {"tokens": tokens}, utc(timestamp))


def test_events_are_found_by_the_name_they_carry_in_the_order_of_time(context: Context) -> None:
    usage.ingest(context, [event("late", "2024-08-14T12:00"), event("early", "2024-08-14T11:00")])

    assert list(context.store.events_of.ids("acme")) == ["early", "late"]


def test_the_first_event_with_a_transaction_id_stands(context: Context) -> None:
    usage.ingest(context, [event(tokens="5"), event(tokens="6")])
    usage.ingest(context, [event(tokens="7"), event("t-2", tokens="8")])

    assert [one.properties["tokens"] for one in context.store.events.values()] == ["5", "8"]


def test_a_batch_that_is_sent_twice_changes_nothing_the_second_time(context: Context) -> None:
    batch = [event("t-1"), event("t-2")]
    usage.ingest(context, batch)
    revision = context.store.revision
    usage.ingest(context, batch)

    assert context.store.revision == revision


@pytest.mark.parametrize("timestamp", ["2024-07-12T00:00:00", "2024-08-16T00:00:00"])
def test_the_ends_of_the_accepted_time_are_inside(context: Context, timestamp: str) -> None:
    usage.ingest(context, [event(timestamp=timestamp)])

    assert len(context.store.events) == 1


@pytest.mark.parametrize(
    ("timestamp", "problem"),
    [("2024-07-11T23:59:59", "older than 34 days"), ("2024-08-16T00:00:01", "more than 24 hours ahead")],
)
def test_one_event_out_of_time_refuses_the_batch_and_is_named(context: Context, timestamp: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as caught:
        usage.ingest(context, [event("t-1"), event("t-2", timestamp)])

    assert caught.value.path == "[1].timestamp"
    assert not len(context.store.events)
