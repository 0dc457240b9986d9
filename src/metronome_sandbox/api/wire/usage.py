"""Usage events on the wire. Source: schema ``Event``."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec

from metronome_sandbox.api.wire.common import WireType, decode, decoder, utc
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services.previews import PreviewMode

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class WireEvent(WireType):
    """One event. Property values stay JSON until it is known what each of them is."""

    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: str
    properties: dict[str, msgspec.Raw] = {}


class WirePreviewEvent(WireType):
    """One event of ``previewCustomerEvents-v1``, which names its customer in the path."""

    event_type: str
    timestamp: str | None = None
    transaction_id: str | None = None
    properties: dict[str, msgspec.Raw] = {}


class PreviewEvents(WireType):
    """Body of ``previewCustomerEvents-v1``."""

    events: tuple[WirePreviewEvent, ...]
    mode: PreviewMode = PreviewMode.REPLACE
    skip_zero_qty_line_items: bool = False


_INGEST = decoder(list[WireEvent])
_PREVIEW = decoder(PreviewEvents)
_TEXT = decoder(str)


def parse_ingest(body: bytes, received_at: datetime) -> list[UsageEvent]:
    """Return the events in the order of the batch, as they were received at an instant.

    Raises:
        InvalidRequest: A timestamp is not RFC 3339. The contract says only that it is text.
    """
    events = decode(_INGEST, body)
    return [
        UsageEvent(
            transaction_id=wire.transaction_id,
            customer_id=_customer(wire.customer_id),
            event_type=wire.event_type,
            timestamp=_timestamp(wire.timestamp, f"[{index}].timestamp"),
            properties=_properties(wire.properties),
            received_at=received_at,
        )
        for index, wire in enumerate(events)
    ]


def parse_preview(body: bytes, customer_id: CustomerId, now: datetime) -> tuple[list[UsageEvent], PreviewMode, bool]:
    """Return the events of a customer, how they stand to stored ones, and whether to leave lines of zero out.

    An event without a time happens now; one without an id is like no other.

    Raises:
        InvalidRequest: A timestamp is not RFC 3339.
    """
    wire = decode(_PREVIEW, body)
    events = [
        UsageEvent(
            transaction_id=each.transaction_id or f"preview {customer_id} {index}",
            customer_id=customer_id,
            event_type=each.event_type,
            timestamp=now if each.timestamp is None else _timestamp(each.timestamp, f"events[{index}].timestamp"),
            properties=_properties(each.properties),
            received_at=now,
        )
        for index, each in enumerate(wire.events)
    ]
    return events, wire.mode, wire.skip_zero_qty_line_items


_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def _customer(name: str) -> str:
    """Return an id in its canonical spelling, an alias as it is."""
    return name.lower() if _UUID.fullmatch(name) else name


def _timestamp(text: str, path: str) -> datetime:
    """Assumed: any fraction of a second is taken, microseconds are kept (question 8.9).  [A-event-fractions]"""
    try:
        if _RFC_3339.fullmatch(text):
            return utc(msgspec.convert(text, _Aware))
    except (msgspec.ValidationError, OverflowError):
        pass
    shown = text if len(text) <= 40 else text[:40] + "…"
    raise InvalidRequest(path, f"{shown!r} is not RFC 3339; expected a date-time with an offset: 2024-08-15T10:00:00Z")


def _properties(values: dict[str, msgspec.Raw]) -> dict[str, str]:
    """Return properties as text: text as it is, numbers and all else as the caller wrote them, null not at all.

    Source: guide "Send usage events": numbers come as text so that no digit is lost.
    Assumed: real numbers are taken just as well (question 8.6).  [A-numeric-properties]
    """
    texts: dict[str, str] = {}
    for name, raw in values.items():
        written = bytes(raw)
        if written.startswith(b'"'):
            texts[name] = _TEXT.decode(written)
        elif written != b"null":
            texts[name] = written.decode()
    return texts
