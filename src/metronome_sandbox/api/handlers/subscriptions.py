"""Operations about subscriptions, of the tag Contracts, and about what their seats can spend."""

from __future__ import annotations

from collections.abc import Sequence

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import seat_balances as seats_wire
from metronome_sandbox.api.wire import subscriptions as wire
from metronome_sandbox.services import seat_balances, subscription_history
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.seat_balances import SeatBalance


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


MOST_SHARES = 100
"""Of commits and credits on a page of seats, but for those of its last seat. Source: SDK, ``limit``."""


def list_seat_balances(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/seatBalances/list``"""
    asked = seats_wire.parse_list(request.body)
    found = seat_balances.list_seat_balances(context, asked.query)
    scope = f"seat balances {asked.query} {asked.include_credits_and_commits}"
    items, cursor = page(found, asked.limit, asked.cursor, scope, "cursor")
    if asked.include_credits_and_commits:
        items, cursor = page(found, _fitting(items), asked.cursor, scope, "cursor")
    following = page(found, asked.limit, cursor, scope, "cursor")[0] if cursor is not None else ()
    pagination = {
        "seats_included": len(items),
        "seats_available_for_next_page": len(following),
        "next_page": cursor,
    }
    return Reply({"data": [seats_wire.render(context, seat, asked) for seat in items], "pagination": pagination})


def _fitting(seats: Sequence[SeatBalance]) -> int:
    """Return how many seats fit on a page with their commits and credits; one at least."""
    shares = 0
    for place, seat in enumerate(seats):
        if shares >= MOST_SHARES:
            return place
        shares += len(seat.shares)
    return max(len(seats), 1)
