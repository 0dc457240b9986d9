"""Pages of a list, with cursors that say nothing to the caller.

A cursor holds the position where the next page starts and a short hash of the list it belongs to (operation and
filters), so that a cursor of another list is refused and not silently misread. Lists grow at their end (creation
order), which keeps a position valid while things are added; a page costs the same wherever it starts.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TypeVar

from metronome_sandbox.domain.errors import InvalidRequest

T = TypeVar("T")

_POSITION_BYTES = 6
_HASH_BYTES = 6
_CURSOR_CHARACTERS = (_POSITION_BYTES + _HASH_BYTES) * 8 // 6  # a multiple of 3 bytes, so base64 needs no padding


def page(
    items: Sequence[T], limit: int, cursor: str | None, scope: str, field: str = "next_page"
) -> tuple[Sequence[T], str | None]:
    """Return one page of ``items`` and the cursor of the page after it, None on the last one.

    Args:
        items: The whole list in its order; only one slice of it is taken.
        limit: Items on a page, at least 1.
        cursor: What an earlier page answered; None or empty starts at the beginning.
        scope: Names the list: operation id and every filter that decides what is in it.
        field: What the caller names the cursor, for the message.

    Raises:
        InvalidRequest: ``cursor`` is not one of this list.
    """
    start = _position(cursor, scope, field) if cursor else 0
    end = start + limit
    return items[start:end], _cursor(end, scope) if end < len(items) else None


def scan(
    items: Sequence[T],
    admits: Callable[[T], bool],
    limit: int,
    cursor: str | None,
    scope: str,
    field: str = "next_page",
) -> tuple[list[T], str | None]:
    """Return one page of those ``items`` that a filter admits, reading no further than the page after it begins.

    Arguments and errors as for :func:`page`.
    """
    found: list[T] = []
    for position in range(_position(cursor, scope, field) if cursor else 0, len(items)):
        item = items[position]
        if admits(item):
            if len(found) == limit:
                return found, _cursor(position, scope)
            found.append(item)
    return found, None


def _cursor(position: int, scope: str) -> str:
    return urlsafe_b64encode(position.to_bytes(_POSITION_BYTES, "big") + _hash(scope)).decode("ascii")


def _position(cursor: str, scope: str, field: str) -> int:
    try:
        raw = urlsafe_b64decode(cursor) if len(cursor) == _CURSOR_CHARACTERS else b""
    except (NotBase64, ValueError):
        raw = b""
    if raw[_POSITION_BYTES:] != _hash(scope):
        shown = cursor if len(cursor) <= 40 else cursor[:40] + "…"
        raise InvalidRequest(
            field,
            f"{shown!r} is no cursor of this list; send the one that the previous page answered, with the same filters",
        )
    return int.from_bytes(raw[:_POSITION_BYTES], "big")


def _hash(scope: str) -> bytes:
    return blake2b(scope.encode(), digest_size=_HASH_BYTES).digest()
