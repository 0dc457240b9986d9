"""Credit types on the wire. Source: operation ``listCreditTypes-v1`` and schema ``CreditType``."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject
from metronome_sandbox.domain.amounts import CreditType


def render(credit_type: CreditType) -> JsonObject:
    """Return an entry of the list."""
    return {**render_short(credit_type), "is_currency": credit_type.is_currency}


def render_short(credit_type: CreditType) -> JsonObject:
    """Return the form that stands beside amounts."""
    return {"id": credit_type.id, "name": credit_type.name}
