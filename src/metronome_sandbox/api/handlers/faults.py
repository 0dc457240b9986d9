"""Faults on purpose: asked for, listed, taken away."""

from __future__ import annotations

from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import faults as wire
from metronome_sandbox.services.context import Context


def list_faults(context: Context, request: Request) -> Reply:
    """``GET /sandbox/faults``"""
    return Reply({"data": [wire.render_fault(rule) for rule in request.tenant.faults.rules]})


def create_fault(context: Context, request: Request) -> Reply:
    """``POST /sandbox/faults``"""
    tenant = request.tenant
    rule = tenant.faults.add(wire.parse_new_fault(request.body, request.server.operation_ids))
    tenant.next_fault = tenant.faults.next
    return Reply(wire.render_fault(rule))


def clear_faults(context: Context, request: Request) -> Reply:
    """``DELETE /sandbox/faults``"""
    tenant = request.tenant
    tenant.next_fault = None  # a call that nothing can disturb asks nobody
    return Reply({"cleared": tenant.faults.clear()})
