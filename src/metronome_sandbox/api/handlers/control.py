"""The control plane: operations of ``openapi-sandbox.yaml`` but those about a tenant's journal's format."""

from __future__ import annotations

from datetime import datetime

import msgspec

from metronome_sandbox import __version__
from metronome_sandbox.api.ignored import ignored_in
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.tenants import World
from metronome_sandbox.api.wire import control as wire
from metronome_sandbox.api.worlds import read, take
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.passage import Event, travel


def get_health(context: Context, request: Request) -> Reply:
    """``GET /sandbox/health``"""
    server = request.server
    return Reply(
        {
            "status": "ok",
            "version": __version__,
            "uptime_seconds": round(server.uptime_seconds, 3),
            "tenants": len(server.tenants),
        }
    )


def get_clock(context: Context, request: Request) -> Reply:
    """``GET /sandbox/clock``"""
    clock = request.tenant.clock
    return Reply(wire.render_clock(clock.now(), is_frozen=clock.is_frozen))


def set_clock(context: Context, request: Request) -> Reply:
    """``PUT /sandbox/clock``: anywhere while the tenant has no contract, forward only afterwards."""
    to = wire.parse_set_clock(request.body)
    if to < context.now and len(context.store.contracts):
        raise InvalidRequest(
            "now",
            f"{to.isoformat()} is before the tenant's time {context.now.isoformat()}, and it has contracts; time goes "
            "forward only, so reset the tenant first",
        )
    return _travel(context, request, to)


def advance_clock(context: Context, request: Request) -> Reply:
    """``POST /sandbox/clock/advance``: by a duration or to an instant, forward."""
    to = wire.parse_advance(request.body, context.now)
    if to < context.now:
        raise InvalidRequest("to", f"{to.isoformat()} is before the tenant's time {context.now.isoformat()}")
    return _travel(context, request, to)


def _travel(context: Context, request: Request, to: datetime) -> Reply:
    """Move the clock and answer with what happened between then and now. A journey that fails has not begun."""
    before, clock = context.now, request.tenant.clock
    was_frozen = clock.is_frozen
    clock.freeze(to)
    try:
        events: list[Event] = travel(context, before) if to > before else []
    except BaseException:
        if was_frozen:
            clock.freeze(before)
        else:
            clock.thaw()
        raise
    return Reply(
        {
            **wire.render_clock(context.now, is_frozen=True),
            "events": [wire.render_event(context.store, event) for event in events],
        }
    )


def reset_tenant(context: Context, request: Request) -> Reply:
    """``POST /sandbox/reset``: back to the scenario that the tenant began with."""
    tenant = request.tenant
    tenant.begin(tenant.scenario)
    return Reply({"scenario": tenant.scenario})


def get_snapshot(context: Context, request: Request) -> Reply:
    """``GET /sandbox/snapshot``"""
    body = take(_world(request))
    return Reply(data=msgspec.json.decode(body))


def restore_snapshot(context: Context, request: Request) -> Reply:
    """``PUT /sandbox/snapshot``"""
    snapshot = read(request.body)
    request.tenant.inhabit(request.server.worlds.restored(snapshot.state))
    return Reply({"checksum": snapshot.checksum})


def load_scenario(context: Context, request: Request) -> Reply:
    """``POST /sandbox/scenarios/{name}``: in place of everything the tenant has; ``reset`` goes back to it."""
    name = request.path_parameters["name"]
    world, ids = request.server.worlds.playing(name)
    request.tenant.inhabit(world)
    request.tenant.scenario = name
    return Reply({"name": name, "ids": ids})


def _world(request: Request) -> World:
    tenant = request.tenant
    return World(tenant.context, tenant.clock, tenant.catch_up)


def list_requests(context: Context, request: Request) -> Reply:
    """``GET /sandbox/requests``: the newest first."""
    entries = list(request.tenant.journal)[::-1][: request.query["limit"]]
    return Reply({"data": [wire.render_entry(entry, ignored_in(entry)) for entry in entries]})


def clear_requests(context: Context, request: Request) -> Reply:
    """``DELETE /sandbox/requests``"""
    journal = request.tenant.journal
    cleared = len(journal)
    journal.clear()
    return Reply({"cleared": cleared})
