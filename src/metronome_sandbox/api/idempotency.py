"""The ``Idempotency-Key`` header: a repeated call gets the first answer again.

Source: page "Idempotency". Any POST may carry a key. The answer is kept from the moment execution starts, errors
included, for at least 24 hours; a request that fails validation is not kept. The same key with other parameters is a
conflict. Assumed: a key counts within one method and path, and the query belongs to the parameters.
[A-idempotency-scope]
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from metronome_sandbox.domain.errors import IdempotencyKeyReused, InvalidRequest

IDEMPOTENCY_KEY = b"idempotency-key"

KEPT_FOR = timedelta(hours=24)
"""Of the tenant's time."""

MAX_KEY_LENGTH = 255
"""Ours; the vendor names no bound. Longer keys are refused, since each is kept for a day."""


MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of answers, for each tenant: an import may answer with megabytes, and keys by the thousand are allowed."""


class Kept(NamedTuple):
    """An answer that can be sent again, byte for byte."""

    fingerprint: bytes
    stored_at: datetime
    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[bytes, bytes], ...]


class IdempotencyKeys:
    """The answers of one tenant by method, path and key.

    Args:
        limit: Answers kept; the oldest goes first.
        limit_bytes: Bytes of all answers together.
    """

    __slots__ = ("_bytes", "_kept", "_limit", "_limit_bytes")

    def __init__(self, limit: int, limit_bytes: int = MAX_KEPT_BYTES) -> None:
        self._kept: OrderedDict[tuple[str, str, str], Kept] = OrderedDict()
        self._bytes = 0
        self._limit = limit
        self._limit_bytes = limit_bytes

    def recall(self, scope: tuple[str, str, str], fingerprint: bytes, now: datetime) -> Kept | None:
        """Return the answer to a repeated call, None for a new one.

        Args:
            scope: Method, path and key.
            fingerprint: Of the parameters, see :func:`fingerprint_of`.
            now: The tenant's time. A clock that was set back keeps what was stored after it.

        Raises:
            IdempotencyKeyReused: The key came with other parameters.
        """
        kept = self._kept.get(scope)
        if kept is None:
            return None
        if now - kept.stored_at >= KEPT_FOR:
            self._forget(scope)
            return None
        if kept.fingerprint != fingerprint:
            raise IdempotencyKeyReused(scope[2])
        return kept

    def remember(self, scope: tuple[str, str, str], answer: Kept) -> None:
        """Keep the answer of a call that was executed."""
        self._kept[scope] = answer
        self._bytes += len(answer.body)
        while self._kept and (len(self._kept) > self._limit or self._bytes > self._limit_bytes):
            self._forget(next(iter(self._kept)))

    def _forget(self, scope: tuple[str, str, str]) -> None:
        self._bytes -= len(self._kept.pop(scope).body)

    def clear(self) -> None:
        """Forget every answer, when the tenant starts again: the things they speak of are gone."""
        self._kept.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)


def fingerprint_of(query: bytes, body: bytes) -> bytes:
    """Return what two calls with the same parameters share."""
    digest = sha256(query)
    digest.update(b"\n")
    digest.update(body)
    return digest.digest()


def key_of(header: bytes) -> str:
    """Return the key that an ``Idempotency-Key`` header carries.

    Raises:
        InvalidRequest: It is empty or too long.
    """
    key = header.decode("latin-1").strip()
    if not key or len(key) > MAX_KEY_LENGTH:
        raise InvalidRequest(
            "header Idempotency-Key", f"expected 1 to {MAX_KEY_LENGTH} characters, received {len(key)} characters"
        )
    return key
