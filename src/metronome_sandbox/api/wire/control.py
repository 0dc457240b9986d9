"""The control plane on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import isodate

from metronome_sandbox.api.journal import Entry
from metronome_sandbox.api.wire.common import JsonObject, WireType, decode, decoder, present, time, utc
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.periods import require_year
from metronome_sandbox.services.passage import Event
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.store.interface import Store


class SetClock(WireType):
    """Body of ``setClock``."""

    now: datetime


class AdvanceClock(WireType):
    """Body of ``advanceClock``; one of the two."""

    by: str | None = None
    to: datetime | None = None


_SET = decoder(SetClock)
_ADVANCE = decoder(AdvanceClock)


def parse_set_clock(body: bytes) -> datetime:
    """Return the instant."""
    return sensible(utc(decode(_SET, body).now), "now")


def parse_advance(body: bytes, now: datetime) -> datetime:
    """Return the instant that the call asks for.

    Raises:
        InvalidRequest: Both or none are given; or ``by`` is no ISO 8601 duration, or leads out of the calendar.
    """
    wire = decode(_ADVANCE, body)
    if (wire.by is None) == (wire.to is None):
        received = "neither" if wire.by is None else "both"
        raise InvalidRequest(
            "", f"exactly one of by (a duration such as P1M) and to (an instant) is needed, received {received}"
        )
    if wire.to is not None:
        return sensible(utc(wire.to), "to")
    by = wire.by or ""
    try:
        if by.endswith("T") or not by.isascii() or by != by.strip():
            raise ValueError(by)  # isodate takes "PT" for no time at all
        duration = isodate.parse_duration(by)
        instant = now + duration
    except (isodate.ISO8601Error, OverflowError, ArithmeticError, ValueError, TypeError):
        raise InvalidRequest("by", f"{by!r} is no ISO 8601 duration such as P1M, P14D or PT36H") from None
    if instant < now:
        raise InvalidRequest("by", f"{by!r} goes back; time goes forward only")
    return sensible(utc(instant), "by")


def sensible(instant: datetime, path: str) -> datetime:
    """Return an instant that a clock can be set to, in whole milliseconds, as it will be printed.

    Raises:
        InvalidRequest: It is not of the years 1900 to 2200.
    """
    require_year(instant, path)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def render_clock(now: datetime, *, is_frozen: bool) -> JsonObject:
    """Return the clock."""
    return {"now": time(now), "is_frozen": is_frozen}


def render_event(store: Store, event: Event) -> JsonObject:
    """Return one thing that happened, with the ids of what it happened to."""
    balance = None if event.balance_id is None else store.balances[event.balance_id]
    is_credit = balance is not None and balance.type is BalanceType.CREDIT
    return present(
        type=event.type,
        timestamp=time(event.timestamp),
        customer_id=event.customer_id,
        contract_id=event.contract_id,
        invoice_id=event.invoice_id,
        commit_id=None if is_credit else event.balance_id,
        credit_id=event.balance_id if is_credit else None,
        segment_id=event.segment_id,
    )


def render_entry(entry: Entry, ignored: Iterable[Finding]) -> JsonObject:
    """Return one call of the journal; ``ignored`` is told behind the findings that it was noted with."""
    path = f"{entry.path}?{entry.query.decode('utf-8', 'replace')}" if entry.query else entry.path
    return {
        "id": str(entry.id),
        "timestamp": time(entry.timestamp),
        "operation_id": entry.operation_id,
        "method": entry.method,
        "path": path,
        "status": entry.status,
        "duration_ms": round(entry.duration_ms, 3),
        "request_body": entry.request_value,
        "response_body": entry.response_value,
        "findings": [
            {"where": item.where, "rule": item.rule, "expected": item.expected, "received": item.received}
            for item in (*entry.findings, *ignored)
        ],
        "fault": None if entry.fault is None else {"id": entry.fault.rule_id, "kind": entry.fault.kind},
    }
