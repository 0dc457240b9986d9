"""What a suite talks to: the sandbox in this process, or whatever answers at a URL.

The token goes to the target and nowhere else: redirects are not followed, and what is recorded does not hold it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx

from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.listening import Application
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Headers, Sent
from metronome_sandbox.toolkit.redaction import REMOVED
from metronome_sandbox.toolkit.unreachable import why

JsonObject = dict[str, Any]
IN_PROCESS = "http://sandbox.invalid"
"""The address of an application that has none; nobody else can have it."""

TIMEOUT_SECONDS = 30
"""How long one call may take in all. An answer that comes by drops is no answer."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024

CONTROL_HEADER = "X-Sandbox-Control-Token"


class CannotCheck(Exception):
    """The target cannot be asked at all; the text is for the person who named it."""


class NotAnswered(CannotCheck):
    """A call that had to succeed did not.

    Args:
        exchange: The call.
    """

    def __init__(self, text: str, exchange: Exchange) -> None:
        super().__init__(text)
        self.exchange = exchange


class Target:
    """An API to be asked.

    Args:
        base_url: Where it is; left out for an application in this process.
        app: The application in this process.
        token: Bearer token.
        control_token: What a sandbox wants for its control plane.
        calls_per_second: Calls that are let through; None lets all through.

    Attributes:
        is_near: It is in this process or on this machine.
        is_sandbox: It has a control plane; known once :meth:`connect` returned.
        may_write: Whether a suite may make, change and take away.
    """

    def __init__(
        self,
        base_url: str = IN_PROCESS,
        *,
        app: Application | None = None,
        token: str,
        control_token: str | None = None,
        calls_per_second: float | None = None,
    ) -> None:
        address = _address(base_url)
        self.base_url = base_url.rstrip("/")
        self.app = app
        self.token = token
        self.control_token = control_token
        self.calls_per_second = calls_per_second
        self.is_near = app is not None or is_loopback(address)
        self.is_sandbox = False
        self.may_write = False
        self._prefix = urlsplit(self.base_url).path
        self._next_call = 0.0
        self._loop = asyncio.new_event_loop()
        self._lock = Lock()
        transport = None if app is None else httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=TIMEOUT_SECONDS,
            # Whatever proxy the environment names, this machine is not behind it.
            trust_env=not self.is_near,
        )

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    # asking

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Exchange:
        """Send one request and return it with its answer.

        Args:
            body: JSON to be; bytes are sent as they are.
            token: In place of the target's own; an empty one sends none.

        Raises:
            CannotCheck: There is no answer, or none that ends.
        """
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        shown = {"accept": "application/json", **({"content-type": "application/json"} if raw else {})}
        shown.update({name.lower(): value for name, value in (headers or {}).items()})
        if path.startswith("/sandbox/") and self.control_token:
            secret = {CONTROL_HEADER: self.control_token}
        else:
            secret = {}
            self.pace()
        bearer = self.token if token is None else token
        if bearer:
            secret["Authorization"] = f"Bearer {bearer}"
        query = httpx.QueryParams(query) if query else None
        # The whole address, since a path that begins with two slashes would be another host's.
        url = self.base_url + path
        try:
            request = self._client.build_request(method, url, params=query, content=raw, headers={**shown, **secret})
        except (httpx.InvalidURL, UnicodeError) as error:
            raise CannotCheck(f"{method} {path[:200]!r} cannot be sent: {error}") from None
        started_at, started = datetime.now(UTC), time.monotonic()
        answered = self._answer(request)
        path, _, query_text = self.path_of(str(request.url)).partition("?")
        if bearer:
            shown["authorization"] = REMOVED
        sent = Sent(method, path, query_text, tuple(shown.items()), raw)
        return Exchange(sent, answered, started_at, time.monotonic() - started)

    def call(self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | str | None = None) -> Any:
        """Send JSON and return the JSON of an answer that has to be a 200.

        Raises:
            NotAnswered: It is not.
        """
        exchange = self.send(method, path, body, query=query)
        answer = exchange.answered
        if answer.status != 200 or answer.json is None:
            text = f"{method} {path} answered {answer.status}, which the checks need to be 200: {said(answer)}"
            raise NotAnswered(text, exchange)
        return answer.json

    def path_of(self, url: str) -> str:
        """Return path and query of a URL of this API, without what its base URL has of a path."""
        path = "/" + url.partition("://")[2].partition("/")[2]
        return path.removeprefix(self._prefix) or "/"

    def pace(self) -> None:
        """Wait until the next call may be made."""
        if self.calls_per_second is None:
            return
        now = time.monotonic()
        time.sleep(max(0.0, self._next_call - now))
        self._next_call = max(now, self._next_call) + 1 / self.calls_per_second

    def _answer(self, request: httpx.Request) -> Answered:
        try:
            with self._lock:  # hooks of Schemathesis ask from its own threads
                status, headers, body = self._loop.run_until_complete(
                    asyncio.wait_for(self._receive(request), TIMEOUT_SECONDS)
                )
        except (TimeoutError, httpx.TimeoutException):
            raise CannotCheck(f"{self.base_url} did not answer within {TIMEOUT_SECONDS} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise CannotCheck(why(error, self.base_url)) from None
        return Answered(status, headers, body)

    async def _receive(self, request: httpx.Request) -> tuple[int, Headers, bytes]:
        response = await self._client.send(request, stream=True)
        try:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise CannotCheck(
                        f"{request.method} {request.url.path} answers with more than "
                        f"{MAX_ANSWER_BYTES // 1024 // 1024} MB; is {self.base_url} the billing API?"
                    )
                parts.append(part)
        finally:
            await response.aclose()
        return response.status_code, tuple(response.headers.items()), b"".join(parts)

    # knowing

    def connect(self) -> None:
        """Find out whether this is a sandbox, and that it answers JSON to this token.

        Raises:
            CannotCheck: It does not.
        """
        health = self.send("GET", "/sandbox/health", token="").answered
        self.is_sandbox = health.status == 200 and isinstance(health.json, dict) and "version" in health.json
        self.may_write = self.is_sandbox
        answer = self.send("GET", "/v1/customers", query={"limit": 1}).answered
        if answer.status in (401, 403):
            raise CannotCheck(f"{self.base_url} refuses the token: {said(answer)}")
        if answer.status in range(300, 400):
            raise CannotCheck(f"{self.base_url} sends elsewhere, to {answer.header('location') or '?'}; name that URL")
        if not isinstance(answer.json, dict) or answer.status >= 500:
            raise CannotCheck(
                f"what answers at {self.base_url} is no billing API: GET /v1/customers answered {answer.status} "
                f"with {answer.header('content-type') or 'something without a type'}"
            )
        if self.is_sandbox and self.send("GET", "/sandbox/clock").answered.status in (401, 403):
            raise CannotCheck(f"the sandbox at {self.base_url} keeps its control plane closed: add --control-token")

    @property
    def host(self) -> str:
        """The name of the host, without port."""
        return _address(self.base_url)

    def now(self) -> str:
        """The target's time, RFC 3339: a sandbox's own, else that of this machine."""
        if self.is_sandbox:
            return str(self.call("GET", "/sandbox/clock")["now"])
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    # the control plane

    def snapshot(self) -> bytes:
        """Everything the sandbox's tenant has."""
        return self.send("GET", "/sandbox/snapshot").answered.body

    def restore(self, snapshot: bytes) -> None:
        """Put the tenant back to a snapshot.

        Raises:
            CannotCheck: It was not taken.
        """
        answer = self.send("PUT", "/sandbox/snapshot", snapshot).answered
        if answer.status != 200:
            raise CannotCheck(f"the sandbox does not take its own snapshot back: {said(answer)}")


def said(answer: Answered) -> str:
    """What an answer says for itself, on one line."""
    body = answer.json
    text = (
        str(body["message"]) if isinstance(body, dict) and "message" in body else answer.body.decode("utf-8", "replace")
    )
    text = " ".join(text.split())
    return text[:200] or "nothing"


def _address(base_url: str) -> str:
    try:
        address = urlsplit(base_url)
        _ = address.port
    except ValueError:
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise CannotCheck(f"{base_url!r} is no address such as http://127.0.0.1:4010")
    if address.username or address.password:
        raise CannotCheck("a name or a password has no place in the address; the token goes into --token")
    return address.hostname
