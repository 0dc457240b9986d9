"""``metronome-sandbox proxy``: stands between a client and the API and reads along.

What the client sends goes to the upstream as it comes, what the upstream answers goes back as it comes; the proxy keeps
a copy of both and looks at it afterwards, in a thread of its own, so that nobody waits for its opinion. The token goes
to the upstream and nowhere else: no redirect is followed, and it is removed from the copy before anything looks at it.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx

from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.listening import Application, Background, Receive, Scope, Send, serve, silent_server_of
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.toolkit.exchanges import Answered, Copy, Exchange, Headers, Sent
from metronome_sandbox.toolkit.har import HarFile
from metronome_sandbox.toolkit.redaction import Redaction, tokens_of
from metronome_sandbox.toolkit.unreachable import why
from metronome_sandbox.toolkit.watch import Noted, Watch

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2

CONNECT_SECONDS = 10
SILENCE_SECONDS = 120
"""How long an upstream may say nothing. Source: the longest gateway time that the vendor declares is 60 seconds."""

HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
"""Headers that are for the next hop only. Source: RFC 9110, section 7.6.1."""

UNREACHABLE = "unreachable"


class CannotProxy(Exception):
    """The proxy cannot start; the text is for the person who started it."""


# --- passing on


class Upstream:
    """Where the calls go.

    Args:
        base_url: ``https://api.example.com``, perhaps with a path that all calls begin with.

    Raises:
        CannotProxy: It is no such address.
    """

    def __init__(self, base_url: str) -> None:
        try:
            parts = urlsplit(base_url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_address = False
        if not is_address:
            raise CannotProxy(f"--upstream: {base_url!r} is no address such as http://127.0.0.1:4010")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise CannotProxy("--upstream is scheme, host and perhaps a path; the client sends the token itself")
        self.base_url = base_url.rstrip("/")
        self.is_local = is_loopback(parts.hostname or "")
        self.is_readable_on_the_way = parts.scheme == "http" and not self.is_local
        # A proxy that the environment names sees nothing of what goes through it by TLS, and all of the rest.
        self._trusts_environment = parts.scheme == "https" and not self.is_local
        self._url = httpx.URL(self.base_url)
        self._prefix = self._url.raw_path.rstrip(b"/")

    def url(self, raw_path: bytes, query: bytes) -> httpx.URL:
        """Return where a call goes: always to this host, whatever its path looks like."""
        return self._url.copy_with(raw_path=self._prefix + raw_path + (b"?" + query if query else b""))

    def client(self) -> httpx.AsyncClient:
        """Return a client that follows nobody."""
        return httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=None),
            follow_redirects=False,
            trust_env=self._trusts_environment,
        )

    def probe(self) -> None:
        """Find out whether something answers there, without a token.

        Raises:
            CannotProxy: Nothing does.
        """
        try:
            with httpx.Client(timeout=CONNECT_SECONDS, trust_env=self._trusts_environment) as client:
                client.head(self._url)
        except httpx.HTTPError as error:
            raise CannotProxy(self.why(error)) from None

    def why(self, error: BaseException) -> str:
        """Return in words why there is no answer."""
        if isinstance(error, httpx.ConnectTimeout):
            return f"nothing answers at {self.base_url} within {CONNECT_SECONDS} s"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.base_url} said nothing for {SILENCE_SECONDS} s"
        return why(error, self.base_url)


class _ClientLeft(Exception):
    """The client closed its connection before its request was complete."""


class ProxyApp:
    """An ASGI application that passes each request to the upstream.

    Args:
        upstream: Where to.
        see: Called with each exchange when it is over, and with the text of what went wrong if something did.
    """

    def __init__(self, upstream: Upstream, see: Callable[[Exchange, str | None], object]) -> None:
        self._upstream = upstream
        self._see = see
        self._client = upstream.client()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, or start and stop."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._pass(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await self._client.aclose()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at, started = datetime.now(UTC), monotonic()
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope["query_string"]
        request_copy, answer_copy = Copy(), Copy()
        headers = _onward(scope["headers"])
        answered_headers: Headers = ()
        status, problem = 0, None

        async def body() -> AsyncIterator[bytes]:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientLeft
                part: bytes = message.get("body", b"")
                if part:
                    request_copy.add(part)
                    yield part
                if not message.get("more_body", False):
                    return

        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        try:
            request = httpx.Request(
                scope["method"],
                self._upstream.url(raw_path, query),
                headers=headers,
                content=body() if has_body else None,
            )
            response = await self._client.send(request, stream=True)
            try:
                status = response.status_code
                back = [(name, value) for name, value in _back(response.headers.raw)]
                answered_headers = _readable(back)
                await send({"type": "http.response.start", "status": status, "headers": back})
                async for part in response.aiter_raw():
                    answer_copy.add(part)
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()
        except _ClientLeft:
            return
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = self._upstream.why(error)
            answer_copy = Copy()
            # An answer that has begun stays incomplete: the server below closes the connection, so the client knows.
            if not status:
                status = 504 if isinstance(error, httpx.TimeoutException) else 502
                text = json.dumps({"message": f"metronome-sandbox proxy: {problem}"}).encode()
                await _answer(send, status, text)
        request_headers = _readable(scope["headers"])
        sent_body, is_sent_whole = request_copy.body(request_headers)
        answered_body, is_answered_whole = answer_copy.body(answered_headers)
        self._see(
            Exchange(
                Sent(
                    scope["method"],
                    raw_path.decode("ascii", "replace"),
                    query.decode("ascii", "replace"),
                    request_headers,
                    sent_body,
                    is_sent_whole,
                ),
                Answered(status, answered_headers, answered_body, is_answered_whole),
                started_at,
                monotonic() - started,
            ),
            problem,
        )


def _onward(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return what goes to the upstream: without what is for this hop, and with encodings that the proxy can read."""
    # The server below has answered an ``Expect: 100-continue`` already.
    dropped = HOP | _named_by_connection(headers) | {b"host", b"accept-encoding", b"expect"}
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    takes_gzip = any(name.lower() == b"accept-encoding" and b"gzip" in value.lower() for name, value in headers)
    return [*kept, (b"Accept-Encoding", b"gzip" if takes_gzip else b"identity")]


def _back(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    dropped = HOP | _named_by_connection(headers)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _named_by_connection(headers: list[tuple[bytes, bytes]]) -> set[bytes]:
    values = [value for name, value in headers if name.lower() == b"connection"]
    return {one.strip().lower() for value in values for one in value.split(b",")}


def _readable(headers: list[tuple[bytes, bytes]]) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- reading along


class Reading:
    """Looks at exchanges one after the other, in the order in which they end, in a thread of its own.

    Args:
        watch: What takes note of them.
        record: Where they are written; None to write nothing.
        keeps_secrets: Leave secrets that are no credentials of the client in the recording.
        complain: Told when the recording cannot be written any more.
    """

    def __init__(
        self,
        watch: Watch,
        record: HarFile | None = None,
        *,
        keeps_secrets: bool = False,
        complain: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._watch = watch
        self._record = record
        self._keeps_secrets = keeps_secrets
        self._complain = complain
        self._tokens: dict[str, None] = {}  # in the order in which they were seen, the oldest first
        self._thread = ThreadPoolExecutor(1, "proxy-reading")

    def see(self, exchange: Exchange, problem: str | None) -> None:
        """Look at an exchange soon."""
        self._thread.submit(self._look, exchange, problem)

    def _look(self, exchange: Exchange, problem: str | None) -> None:
        try:
            self._look_at(exchange, problem)
        except Exception as error:  # a proxy that passes everything on is better than one that stops
            self._complain(f"a call could not be looked at: {type(error).__name__}")

    def _look_at(self, exchange: Exchange, problem: str | None) -> None:
        self._tokens.update(dict.fromkeys(tokens_of(exchange.sent)))
        while len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        plain = Redaction(self._tokens).exchange(exchange)
        self._watch.see(plain if problem is None else _unanswered(plain))
        if problem is not None:
            call = self._watch.reader.call(plain)
            self._watch.note(call.name, "upstream", [Finding("", UNREACHABLE, problem)])
        elif self._record is not None:
            kept = Redaction(self._tokens, keeps_secrets=True).exchange(exchange) if self._keeps_secrets else plain
            self._write(self._record, kept)

    def _write(self, record: HarFile, exchange: Exchange) -> None:
        try:
            record.add(exchange)
        except OSError as error:
            self._record = None
            self._complain(f"the recording ends here, it cannot be written: {error.strerror}")

    def finish(self) -> None:
        """Wait until everything is looked at."""
        self._thread.shutdown(wait=True)
        self._watch.finish()


MAX_TOKENS = 100
"""Tokens of other clients that are removed as well, should one client's answer name another's."""


def _unanswered(exchange: Exchange) -> Exchange:
    """Return an exchange without the answer that the proxy gave in the upstream's place."""
    answered = Answered(exchange.answered.status, is_whole=False)
    return Exchange(exchange.sent, answered, exchange.started_at, exchange.seconds)


# --- in a test run


def recording_proxy(upstream_url: str, around: Callable[[Application], Application]) -> Background:
    """Return a proxy in a thread of this process; ``around`` returns what hears all that it passes on."""
    return Background(around(ProxyApp(Upstream(upstream_url), lambda *_: None)))


# --- the command


def run(
    upstream_url: str,
    listener: socket.socket,
    *,
    record: Path | None = None,
    report: Path | None = None,
    keeps_secrets: bool = False,
) -> int:
    """Proxy until the process is told to stop; findings go to stdout, talk to stderr. Return the exit status."""
    watch = Watch(lambda noted: print(_line(noted), flush=True))
    with ExitStack() as stack:
        try:
            upstream = Upstream(upstream_url)
            upstream.probe()
            if report is not None:
                report.touch(0o600)  # to learn now, and not at the end, that it cannot be written
            file = None if record is None else stack.enter_context(HarFile(record, upstream.base_url))
        except CannotProxy as error:
            return _refuse(str(error))
        except OSError as error:
            return _refuse(f"{error.filename} cannot be written: {error.strerror}")
        reading = Reading(watch, file, keeps_secrets=keeps_secrets, complain=_say)
        _say(_welcome(upstream, listener))
        serve(silent_server_of(ProxyApp(upstream, reading.see)), listener)
        reading.finish()
    print(summary(watch), flush=True)
    if report is not None:
        text = json.dumps({"upstream": upstream.base_url, **watch.report()}, indent=2)
        try:
            report.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            return _refuse(f"{report} cannot be written: {error.strerror}")
    return FINDINGS if watch.noted else FINE


def summary(watch: Watch) -> str:
    """Return what was found, most frequent first."""
    calls = f"{_count(watch.calls, 'call')} to {_count(len(watch.operations), 'operation')}"
    if not watch.noted:
        return f"{calls}, no findings"
    lines = [f"{calls}, {_count(len(watch.noted), 'different finding')}"]
    for key, noted in sorted(watch.noted.items(), key=lambda pair: -watch.counts[pair[0]]):
        lines.append(f"{watch.counts[key]:>6}x {_line(noted)}")
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _line(noted: Noted) -> str:
    return plain(f"{noted.finding.rule}: {noted}")


def _welcome(upstream: Upstream, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    warning = "Anyone on the way can read the token: the upstream is http.\n" if upstream.is_readable_on_the_way else ""
    return f"""\
metronome-sandbox proxy listens on http://{host}:{port} and passes everything to {upstream.base_url}
{warning}
Point your client at it, with the token that the upstream knows; Ctrl-C ends it and shows the findings:
  export METRONOME_BASE_URL=http://{host}:{port}

Try it:
  curl -H "Authorization: Bearer $METRONOME_BEARER_TOKEN" http://{host}:{port}/v1/credit-types/list
"""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _refuse(text: str) -> int:
    _say(f"metronome-sandbox: {text}")
    return WRONG_USAGE
