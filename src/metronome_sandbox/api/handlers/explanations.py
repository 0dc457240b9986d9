"""The operation of the tag Explanations."""

from __future__ import annotations

from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import explanations as wire
from metronome_sandbox.domain.ids import InvoiceId
from metronome_sandbox.services import explanations
from metronome_sandbox.services.context import Context


def explain_invoice(context: Context, request: Request) -> Reply:
    """``GET /sandbox/invoices/{id}/explanation``"""
    explanation = explanations.explain_invoice(context, InvoiceId(request.path_parameters["id"]))
    return Reply(wire.render(context.store, explanation))
