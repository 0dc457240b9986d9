"""Faults on the wire."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches

from metronome_sandbox.api.faults import FaultKind, FaultRule, NewFault
from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, present
from metronome_sandbox.domain.errors import InvalidRequest

OF_A_STATUS = ("status", "message", "retry_after_seconds", "rate_limit_type")
"""Fields that only say what is answered in place of the operation."""

RATE_LIMITED = 429


class CreateFault(WireType):
    """Body of ``createFault``."""

    kind: FaultKind
    operation_id: str | None = None
    call: int = 1
    count: int | None = None
    probability: float | None = None
    seed: int = 0
    status: int | None = None
    message: str | None = None
    retry_after_seconds: int | None = None
    rate_limit_type: str | None = None
    delay_seconds: float = 0


_CREATE = decoder(CreateFault)


def parse_new_fault(body: bytes, operation_ids: Collection[str]) -> NewFault:
    """Return the fault that is asked for.

    Args:
        operation_ids: Those that can be disturbed.

    Raises:
        InvalidRequest: It names another operation, or has a field that its kind has no use for, or lacks one.
    """
    wire = decode(_CREATE, body)
    if wire.operation_id is not None and wire.operation_id not in operation_ids:
        raise InvalidRequest("operation_id", _unknown(wire.operation_id, operation_ids))
    if wire.kind is FaultKind.STATUS:
        if wire.status is None:
            raise InvalidRequest("status", "missing; a fault of kind 'status' says which one, 503 for example")
    else:
        for name in OF_A_STATUS:
            if getattr(wire, name) is not None:
                raise InvalidRequest(
                    name, f"{getattr(wire, name)!r} belongs to faults of kind 'status', and this is '{wire.kind}'"
                )
    if wire.kind is FaultKind.DELAY and not wire.delay_seconds:
        raise InvalidRequest("delay_seconds", "missing; a fault of kind 'delay' says how long, 0.5 for example")
    if wire.rate_limit_type is not None and wire.status != RATE_LIMITED:
        raise InvalidRequest(
            "rate_limit_type", f"{wire.rate_limit_type!r} belongs to status {RATE_LIMITED}, received {wire.status}"
        )
    return NewFault(
        kind=wire.kind,
        operation_id=wire.operation_id,
        call=wire.call,
        count=1 if wire.count is None and wire.probability is None else wire.count,
        probability=wire.probability,
        seed=wire.seed,
        status=wire.status or 0,
        message=wire.message or "",
        retry_after_seconds=wire.retry_after_seconds,
        rate_limit_type=(wire.rate_limit_type or "client") if wire.status == RATE_LIMITED else None,
        delay_seconds=wire.delay_seconds,
    )


def _unknown(operation_id: str, operation_ids: Collection[str]) -> str:
    near = get_close_matches(operation_id, sorted(operation_ids), 1)
    hint = f"did you mean {near[0]!r}?" if near else "the document at /openapi.json names them"
    return f"{operation_id!r} is no operation of the billing API that works here; {hint}"


def render_fault(rule: FaultRule) -> JsonObject:
    """Return a fault, and how far it got."""
    asked = rule.asked
    is_status = asked.kind is FaultKind.STATUS
    return {
        "id": rule.id,
        "kind": asked.kind.value,
        "operation_id": asked.operation_id,
        "call": asked.call,
        "count": asked.count,
        "probability": None if asked.probability is None else Decimal(repr(asked.probability)),
        "seed": asked.seed,
        **present(
            status=asked.status if is_status else None,
            message=asked.message if is_status else None,
            retry_after_seconds=asked.retry_after_seconds,
            rate_limit_type=asked.rate_limit_type,
        ),
        "delay_seconds": Decimal(repr(asked.delay_seconds)),
        "seen": rule.seen,
        "disturbed": rule.disturbed,
    }
