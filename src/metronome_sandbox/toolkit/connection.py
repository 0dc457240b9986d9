"""Calls of the toolkit itself: JSON over one connection that stays open, with nothing but the standard library.

A test that asks for a sandbox should not have to install an HTTP client, and importing one costs more than a test.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__tracebackhide__ = True
"""As in ``sandboxes``."""

TIMEOUT_SECONDS = 30
CONTROL_HEADER = "X-Sandbox-Control-Token"
SHOWN = 500

MOST_BYTES = 256 * 1024 * 1024
"""Of an answer. A snapshot of a large tenant is the longest that there is."""

PART_BYTES = 1024 * 1024


class Answer(NamedTuple):
    """Status, headers by lower-case name, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ``ValueError`` when it is none."""
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error says, as far as it can be read."""
        try:
            return str(self.json["message"])
        except (ValueError, TypeError, KeyError):
            return self.body[:SHOWN].decode("utf-8", "replace")


class CallFailed(Exception):
    """There is no answer, or not the one that was needed.

    Args:
        call: Method and path.
        problem: What happened.
        status: Of the answer; None where none came.
    """

    def __init__(self, call: str, problem: str, status: int | None = None) -> None:
        super().__init__(f"{call}: {problem}" if status is None else f"{call} answered {status}: {problem}")
        self.status = status


class Connection:
    """One host and one bearer token. Calls of several threads wait for each other.

    Args:
        base_url: ``http://`` or ``https://``, perhaps with a path that all calls begin with.
        token: The bearer token, None to send none. It goes to this host and nowhere else; redirects are not followed.
        control_token: What the control plane of a sandbox on another machine wants.
        timeout_seconds: How long one answer may take in all; one that comes by drops is none.
        most_bytes: How long it may be.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        control_token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        parts = urlsplit(base_url)
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout_seconds
        self._most_bytes = most_bytes
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if control_token:
            self._headers[CONTROL_HEADER] = control_token
        self._lock = Lock()
        self._open: HTTPConnection | None = None

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to one call. ``body`` is sent as JSON, bytes as they are.

        Raises:
            CallFailed: There is none.
        """
        sent = {**self._headers, **(headers or {})}
        content: bytes | None = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        with self._lock:
            try:
                if self._open is None:
                    self._open = self._connect()
                self._open.request(method, self._prefix + path, content, sent)
                answer = self._open.getresponse()
                body = self._read(answer)
                return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
            except (OSError, HTTPException) as error:
                self._close()
                raise CallFailed(f"{method} {path}", str(error) or type(error).__name__) from error

    def _read(self, answer: HTTPResponse) -> bytes:
        """Return a whole body, unless it is too long or takes too long."""
        until = monotonic() + self._timeout
        parts, size = [], 0
        while part := answer.read1(PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > self._most_bytes:
                raise HTTPException(f"the answer has more than {self._most_bytes // 1024 // 1024} MB")
            if monotonic() > until:
                raise TimeoutError(f"the answer took more than {self._timeout:g} s")
        body = b"".join(parts)
        if answer.length:  # what is still to come, and does not
            raise IncompleteRead(body, answer.length)
        answer.read()  # nothing is left; the connection is free for the next call
        return body

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that has to be a 200.

        Raises:
            CallFailed: It is not.
        """
        answer = self.send(method, path, body)
        if answer.status != 200:
            raise CallFailed(f"{method} {path}", answer.message, answer.status)
        try:
            return answer.json
        except ValueError as error:
            raise CallFailed(f"{method} {path}", f"no JSON: {answer.body[:SHOWN]!r}", answer.status) from error

    def _connect(self) -> HTTPConnection:
        if not self._is_tls:
            return HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context()
        proxy = getproxies().get("https")
        if proxy is None or proxy_bypass(self._host):
            return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        through = urlsplit(proxy)
        connection = HTTPSConnection(through.hostname or "", through.port, timeout=self._timeout, context=context)
        connection.set_tunnel(self._host, self._port)
        return connection

    def close(self) -> None:
        """Close what is open. A later call opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
