"""One host and one bearer token, by ``requests``: the one way in which customers of an API ask it.

The token goes to that host and nowhere else: redirects are not followed, and no message holds it. ``Host`` asks one
thing after the other; ``sending.Sender`` does it from many threads, and again where that is safe.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.client.hosts import is_loopback

TIMEOUT_SECONDS = 30
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_ANSWER_SECONDS = 120
PATIENCE = 5
"""How often a call is sent again that the host has no time for (429)."""

LONGEST_PAUSE_SECONDS = 60
CONTROL_HEADER = "X-Sandbox-Control-Token"
SHOWN = 200


class CannotAsk(Exception):
    """There is no answer to work with; the text is for the person who named the host."""


class NoAnswer(CannotAsk):
    """The connection did not come about, or ended before the answer was whole. Nobody knows what the host did."""


class Answer(NamedTuple):
    """What came back: status, headers by lower-case name, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Channel(Protocol):
    """Whatever a call can be sent by: a connection, or an application in this process."""

    def send(self, method: str, path: str, body: Any = None, /) -> Answer:
        """Return the answer to one call; ``body`` is JSON to be, None for no body."""


class HeaderChannel(Protocol):
    """A channel whose calls may have headers of their own."""

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        """Return the answer to one call."""


def value_of(answer: Answer) -> Any:
    """Return the JSON of an answer with ``Decimal`` numbers, None where the body is no JSON."""
    try:
        return json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        return None


def message_of(answer: Answer) -> str:
    """Return what an error says, shortened."""
    value = value_of(answer)
    said = value.get("message") if isinstance(value, dict) else None
    return str(said or answer.body.decode("utf-8", "replace"))[:SHOWN]


class Host:
    """A host that is asked.

    Args:
        base_url: ``http://`` or ``https://``, perhaps with a path that all calls begin with.
        token: The bearer token.
        control_token: What a sandbox wants for its control plane.
        connections: How many are kept open for the next call.
        user_agent: How the calls name their program; as ``requests`` does, unless given.
        timeout_seconds: How long the host may be silent.

    Raises:
        CannotAsk: The address is none.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        control_token: str | None = None,
        *,
        connections: int = 1,
        user_agent: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = host_of(base_url)
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=connections))
        # Threads share the session, and a cookie is the one thing that a call would leave in it.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Whatever proxy the environment names, this machine is not behind it.
        self._session.trust_env = not is_loopback(self.name)
        self._session.auth = _Bearer(token, control_token)
        if user_agent is not None:
            self._session.headers["User-Agent"] = user_agent

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        """Return the answer to one call.

        Raises:
            CannotAsk: None came, or one that does not end.
        """
        data = None if body is None else encode(body)
        for _ in range(PATIENCE):
            answer = self.send_once(method, path, data, headers)
            if answer.status != 429:
                break
            time.sleep(_pause(answer))
        return answer

    def send_once(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to one request, whatever its status. Threads may call this at the same time.

        Args:
            data: JSON; None for no body.
            headers: Beside those that every request has.

        Raises:
            NoAnswer: None came.
            CannotAsk: One came that does not end.
        """
        sent = {} if data is None else {"Content-Type": "application/json"}
        try:
            with self._session.request(
                method,
                self._base_url + path,
                data=data,
                headers=sent if headers is None else {**sent, **headers},
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    self._read(response),
                )
        except (requests.RequestException, OSError, ValueError) as error:
            raise NoAnswer(f"nobody answers at {self.name}: {_reason(error)}") from None

    def _read(self, response: requests.Response) -> bytes:
        parts = bytearray()
        end = time.monotonic() + MAX_ANSWER_SECONDS
        for part in response.iter_content(64 * 1024):
            parts += part
            if len(parts) > MAX_ANSWER_BYTES or time.monotonic() > end:
                raise CannotAsk(f"{self.name} answers with more than anyone can use; is --base-url right?")
        return bytes(parts)

    def close(self) -> None:
        """Close what is open."""
        self._session.close()


class _Bearer(requests.auth.AuthBase):
    """Sets the token on each request, so that no ``.netrc`` takes its place."""

    def __init__(self, token: str, control_token: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        if control_token:
            self._headers[CONTROL_HEADER] = control_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def host_of(base_url: str) -> str:
    """Return the host that an address names.

    Raises:
        CannotAsk: It names none.
    """
    try:
        address = urlsplit(base_url)
        host = address.hostname
    except ValueError:
        host = None
    if not host or address.scheme not in ("http", "https"):
        raise CannotAsk(f"--base-url: {base_url!r} is no address such as http://127.0.0.1:4010")
    return host


def _pause(answer: Answer) -> float:
    try:
        return min(max(float(answer.headers.get("retry-after", "1")), 0), LONGEST_PAUSE_SECONDS)
    except ValueError:
        return 1


def _reason(error: Exception) -> str:
    """Return the innermost reason, without the objects that ``requests`` puts around it."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return str(inner)[:SHOWN] or type(inner).__name__
