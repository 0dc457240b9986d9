"""Usage: taking in events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.passage import check_thresholds

OLDEST = timedelta(days=34)
"""Source: operation ``ingest-v1``."""

NEWEST = timedelta(hours=24)


def ingest(context: Context, events: Sequence[UsageEvent]) -> None:
    """Keep events; one whose transaction id is known already changes nothing, whatever else it says.

    An event whose customer does not exist is kept as well: a customer may take the name as an alias later.

    Raises:
        InvalidRequest: An event is too old or too far ahead; none of the batch is kept. The path names its index.

    Assumed: one bad event refuses the whole batch, as was seen on the real API (question 8.5).  [A-ingest-batch]
    Assumed: an event may be up to 24 hours ahead of the tenant's clock (question 8.4).  [A-ingest-ahead]
    Assumed: a transaction id counts once for ever, which includes the documented 34 days (section 4.1).
    [A-transaction-ids]
    """
    now = context.now
    oldest, newest = now - OLDEST, now + NEWEST
    for index, event in enumerate(events):
        if not oldest <= event.timestamp <= newest:
            problem = "older than 34 days" if event.timestamp < oldest else "more than 24 hours ahead"
            raise InvalidRequest(
                f"[{index}].timestamp",
                f"{event.timestamp.isoformat()} is {problem}; it is {now.isoformat()} in this tenant, "
                f"so send events from {oldest.isoformat()} to {newest.isoformat()}",
            )
    stored = context.store.events
    with context.transaction():
        for event in events:
            if event.transaction_id not in stored:
                stored.put(event.transaction_id, event)
        check_thresholds(context)
