"""Operations of the tag Contracts about subscriptions."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import subscriptions as wire
from metronome_sandbox.services import subscription_history
from metronome_sandbox.services.context import Context


def get_quantity_history(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/getSubscriptionQuantityHistory``"""
    found = subscription_history.get_quantity_history(context, wire.parse_reference(request.body))
    return Reply({"data": wire.render_quantity_history(context, *found)})


def get_seats_history(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/getSubscriptionSeatsHistory``"""
    asked = wire.parse_seats_history(request.body)
    entries = subscription_history.get_seats_history(context, asked.reference, asked.chosen)
    limit = wire.SEATS_ON_A_PAGE if asked.limit is None else asked.limit
    items, cursor = page(entries, limit, asked.cursor, f"seats {asked.reference} {asked.chosen}", "cursor")
    return Reply({"data": [wire.render_seats(entry) for entry in items], "next_page": cursor})
