"""A call and its answer, as the proxy sees them and a recording keeps them."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

Headers = tuple[tuple[str, str], ...]

KEPT_BYTES = 64 * 1024 * 1024
"""A longer body is passed on, and neither checked nor recorded."""


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

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. The attributes are those of a request.

    Attributes:
        is_dropped: Whether the connection ended before the answer was over, so that the client has none.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    is_whole: bool = True
    is_dropped: bool = False

    @property
    def json(self) -> Any:
        """The parsed body; None when it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def header(self, name: str) -> str:
        """Return the first header of a name, given in lower case; empty where there is none."""
        return header(self.headers, name) or ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        test: Which test made it; None where nobody knows.
    """

    sent: Sent
    answered: Answered
    started_at: datetime
    seconds: float = 0.0
    test: str | None = None


class Copy:
    """What has gone by of one body.

    Args:
        limit: Above it nothing is kept.

    Attributes:
        size: Bytes that have gone by.
        is_whole: Whether they are kept.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.is_whole = True
        self._limit = limit
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """Keep a part, as long as the whole is not too long."""
        self.size += len(part)
        if self.size > self._limit:
            self.is_whole = False
            self._parts.clear()
        else:
            self._parts.append(part)

    def body(self, headers: Headers) -> tuple[bytes, bool]:
        """Return the body, unpacked, and whether that is all of it."""
        raw = b"".join(self._parts)
        encoding = (header(headers, "content-encoding") or "identity").strip().lower()
        if not raw or not self.is_whole or encoding == "identity":
            return raw, self.is_whole
        windows = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(encoding)
        if windows is None:
            return b"", False
        unpacking = zlib.decompressobj(windows)
        try:
            body = unpacking.decompress(raw, self._limit)
        except zlib.error:
            return b"", False
        return (body, True) if unpacking.eof else (b"", False)


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
