"""Operations of the tag Usage."""

from __future__ import annotations

from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import usage as wire
from metronome_sandbox.services import usage
from metronome_sandbox.services.context import Context


def ingest(context: Context, request: Request) -> Reply:
    """``POST /v1/ingest``. The contract describes no body; ``null`` is what the real API was seen to send elsewhere."""
    usage.ingest(context, wire.parse_ingest(request.body, context.now))
    return Reply()
