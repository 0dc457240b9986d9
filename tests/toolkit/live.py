"""Servers on ports of this machine: the sandbox, the proxy before it, and upstreams that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from metronome_sandbox.listening import Application, silent_server_of
from metronome_sandbox.toolkit.har import HarFile
from metronome_sandbox.toolkit.proxy import ProxyApp, Reading, Upstream
from metronome_sandbox.toolkit.watch import Watch

SECONDS = 20
"""Longer than anything takes here; what waits for so long hangs."""

TOKEN = "live-token-0123456789"
Answer = Callable[[dict[str, Any], bytes, Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]


class Live:
    """An ASGI application on a free port, in a thread of this process."""

    def __init__(self, app: Application, *, certificate: Path | None = None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = silent_server_of(app)
        if certificate is not None:
            self._server.config.ssl_certfile = certificate
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._socket.close()

    def client(self, token: str = TOKEN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)


class Upstreamish:
    """An upstream that does what a function says, and remembers what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((scope["raw_path"].decode(), headers, body))
        await self._answer(scope, body, send)


def answering(body: bytes, *, status: int = 200, kind: str = "application/json", **headers: str) -> Upstreamish:
    """Return an upstream with one answer for everything."""

    async def answer(_: Any, __: bytes, send: Any) -> None:
        pairs = {"content-type": kind, "content-length": str(len(body)), **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return Upstreamish(answer)


class Proxied:
    """A proxy on a port before an upstream, and what it noted once it has ended."""

    def __init__(self, upstream_url: str, record: Path | None = None, *, keeps_secrets: bool = False) -> None:
        self.watch = Watch()
        self.complaints: list[str] = []
        self._file = None if record is None else HarFile(record, upstream_url)
        self._reading = Reading(self.watch, self._file, keeps_secrets=keeps_secrets, complain=self.complaints.append)
        self._live = Live(ProxyApp(Upstream(upstream_url), self._reading.see))
        self.url = self._live.url
        self.client = self._live.client

    def __enter__(self) -> Proxied:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__()
        self._reading.finish()
        if self._file is not None:
            self._file.close()

    @property
    def found(self) -> list[str]:
        """Each finding as ``rule: call side: where: ...``."""
        return [f"{noted.finding.rule}: {noted}" for noted in self.watch.noted.values()]
