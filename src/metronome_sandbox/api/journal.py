"""What a tenant was asked and what it answered: the last few calls, for people and for tests.

Keeping an entry costs next to nothing, since only references are kept; nothing is decoded before somebody reads.
Headers are not kept, so a token never is.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from metronome_sandbox.api.requests import Fault
from metronome_sandbox.spec.findings import Finding

BODY_LIMIT = 16 * 1024
"""Bytes of a body that are kept; the rest is cut."""


class Entry(NamedTuple):
    """One call.

    Attributes:
        id: Running number within the tenant, from 1.
        timestamp: The tenant's time, aware, UTC.
        operation_id: None for a path or a method that the contract does not know.
        method: Upper case.
        path: Decoded, without the query.
        query: As sent, without its question mark.
        status: HTTP status of the answer.
        duration_ms: From the routing to the answer, without the network.
        request_body: First bytes of the body.
        response_body: First bytes of the answer.
        findings: Where the request or the answer broke the contract.
        fault: What went wrong on purpose, if anything did.
    """

    id: int
    timestamp: datetime
    operation_id: str | None
    method: str
    path: str
    query: bytes
    status: int
    duration_ms: float
    request_body: bytes
    response_body: bytes
    findings: tuple[Finding, ...]
    fault: Fault | None

    @property
    def request_value(self) -> Any:
        """The request body as :func:`readable`."""
        return readable(self.request_body)

    @property
    def response_value(self) -> Any:
        """The answer as :func:`readable`."""
        return readable(self.response_body)


def readable(body: bytes) -> Any:
    """Return a body for people: its JSON with ``Decimal`` numbers, None when empty, text when cut or no JSON at all."""
    if not body:
        return None
    try:
        orjson.loads(body)  # refuses what cannot be shown as JSON again: NaN, lone surrogates
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


class Journal:
    """The last calls of a tenant.

    Args:
        size: Entries kept, oldest forgotten first. 0 keeps none.
    """

    __slots__ = ("_last_id", "_rows")

    def __init__(self, size: int) -> None:
        self._rows: deque[tuple[Any, ...]] = deque(maxlen=size)
        self._last_id = 0

    def add(
        self,
        timestamp: datetime,
        operation_id: str | None,
        method: str,
        path: str,
        query: bytes,
        status: int,
        duration_ns: int,
        request_body: bytes,
        response_body: bytes,
        findings: tuple[Finding, ...] = (),
        fault: Fault | None = None,
    ) -> None:
        """Append a call; :class:`Entry` says what each argument is. Bodies may be longer than what is kept."""
        self._last_id = number = self._last_id + 1
        if len(request_body) > BODY_LIMIT:
            request_body = request_body[:BODY_LIMIT]
        if len(response_body) > BODY_LIMIT:
            response_body = response_body[:BODY_LIMIT]
        # A plain tuple: an Entry for each call would cost more than all the rest of this.
        self._rows.append(
            (
                number,
                timestamp,
                operation_id,
                method,
                path,
                query,
                status,
                duration_ns / 1_000_000,
                request_body,
                response_body,
                findings,
                fault,
            )
        )

    def clear(self) -> None:
        """Forget the entries. Numbers go on, so that an id never stands for two calls."""
        self._rows.clear()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Entry]:
        """Oldest first."""
        return iter([Entry._make(row) for row in self._rows])

    def __reversed__(self) -> Iterator[Entry]:
        """Newest first."""
        return iter([Entry._make(row) for row in reversed(self._rows)])
