"""One host and one bearer token, by ``requests``: what probes and coverage ask.

The token goes to that host and nowhere else: redirects are not followed, and no message holds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import requests

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


class Answer(NamedTuple):
    """What came back: status, headers by lower-case name, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sender(Protocol):
    """Whatever a call can be sent by: a connection, or an application in this process."""

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        """Return the answer to one call; ``body`` is JSON to be, None for no body."""


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

    Raises:
        CannotAsk: The address is none.
    """

    def __init__(self, base_url: str, token: str, control_token: str | None = None) -> None:
        self.name = host_of(base_url)
        self._base_url = base_url.rstrip("/")
        self._session = requests.Session()
        # Whatever proxy the environment names, this machine is not behind it.
        self._session.trust_env = not is_loopback(self.name)
        self._session.auth = _Bearer(token, control_token)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        """Return the answer to one call.

        Raises:
            CannotAsk: None came, or one that does not end.
        """
        for _ in range(PATIENCE):
            answer = self._send(method, path, body, headers or {})
            if answer.status != 429:
                break
            time.sleep(_pause(answer))
        return answer

    def _send(self, method: str, path: str, body: Any, more: Mapping[str, str]) -> Answer:
        data = None if body is None else json.dumps(body, default=float).encode()
        headers = {**({} if data is None else {"Content-Type": "application/json"}), **more}
        try:
            with self._session.request(
                method,
                self._base_url + path,
                data=data,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    self._read(response),
                )
        except (requests.RequestException, OSError, ValueError) as error:
            raise CannotAsk(f"nobody answers at {self.name}: {_reason(error)}") from None

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
