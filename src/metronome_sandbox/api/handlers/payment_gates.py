"""Payments that the caller collects: which ones wait, and how they ended."""

from __future__ import annotations

from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import payment_gates as wire
from metronome_sandbox.services import payment_outcomes
from metronome_sandbox.services.context import Context


def release_payment(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/commits/threshold-billing/release``, which answers nothing."""
    payment_outcomes.release_payment(context, *wire.parse_release(request.body))
    return Reply()


def list_payments(context: Context, request: Request) -> Reply:
    """``GET /sandbox/payments``"""
    found = payment_outcomes.list_waiting_payments(context)
    return Reply({"data": [wire.render_payment(context.store, workflow) for workflow in found]})
