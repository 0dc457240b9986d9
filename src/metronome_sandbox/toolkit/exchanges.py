"""A call and its answer, as the proxy sees them and a recording keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request.

    Attributes:
        path: As it was sent, percent-encoded, without its query.
        query: Without its question mark.
        body: Unpacked, if it was packed.
        is_whole: Whether the body was kept; one that is too long, or packed in an unknown way, is passed on only.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. The attributes are those of a request."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    sent: Sent
    answered: Answered
    started_at: datetime
    seconds: float = 0.0


def header(headers: Headers, name: str) -> str | None:
    """Return the first header of a name, given in lower case."""
    return next((value for given, value in headers if given.lower() == name), None)


def is_json(headers: Headers) -> bool:
    """Whether a message says that its body is JSON."""
    kind = (header(headers, "content-type") or "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def parsed(body: bytes) -> Any:
    """Return the value of a JSON body.

    Raises:
        ValueError: It is no JSON.
    """
    return orjson.loads(body)
