"""Load on one server: prepared requests over a few kept-alive connections, as fast as the answers come.

With ``wrk`` where it is on PATH. Otherwise with a generator of our own, which may be the slower one of the two ends;
then the rates say less, and the ratios flatter whoever is slow.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter

CONNECTIONS = 16
WRK = shutil.which("wrk")
GENERATOR = "wrk" if WRK else "asyncio generator of our own (install wrk for rates that can be trusted)"


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes:
        requests: Answered.
        rate: Requests a second.
        p50, p99: Latency percentiles in milliseconds, with :data:`CONNECTIONS` requests under way.
        refused: Answers with a status of 400 or more.
    """

    requests: int
    rate: float
    p50: float
    p99: float
    refused: int


class Prepared:
    """Requests as the bytes that go over the wire, in a file for wrk.

    Args:
        path: Where to write them.
        requests: Sent in this order and then over again.
    """

    def __init__(self, path: Path, requests: Iterable[bytes]) -> None:
        self.path = path
        self.requests = list(requests)
        with path.open("wb") as file:
            for request in self.requests:
                file.write(b"%d\n" % len(request) + request)


def put_load(port: int, prepared: Prepared, seconds: int) -> Load:
    """Send requests to a port of this machine for some seconds.

    Raises:
        ConnectionError: Connections were refused, broken or timed out.
    """
    return _with_wrk(WRK, port, prepared, seconds) if WRK else _with_asyncio(port, prepared.requests, seconds)


def _with_wrk(wrk: str, port: int, prepared: Prepared, seconds: int) -> Load:
    script = Path(__file__).with_name("prepared.lua")
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    command = [wrk, *options, f"http://127.0.0.1:{port}", "--", str(prepared.path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    if found["broken"]:
        raise ConnectionError(f"{found['broken']} connections to port {port} broke under load")
    rate = found["requests"] * 1e6 / found["microseconds"]
    return Load(found["requests"], rate, found["p50"] / 1e3, found["p99"] / 1e3, found["refused"])


class _Connection(asyncio.Protocol):
    """One connection that sends the next request as soon as an answer is complete."""

    def __init__(self, requests: Iterable[bytes], until: float, latencies: list[float]) -> None:
        self._requests = iter(requests)
        self._until = until
        self._latencies = latencies
        self._received = b""
        self.refused = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        now = perf_counter()
        self._latencies.append(now - self._sent_at)
        self.refused += head[9:10] in b"45"
        self._received = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._received or perf_counter() < self._until:
            self.closed.set_exception(error or ConnectionError("the server closed a connection under load"))
        else:
            self.closed.set_result(None)


def _content_length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length:")
    return int(after.partition(b"\r\n")[0])


def _with_asyncio(port: int, requests: Sequence[bytes], seconds: int) -> Load:
    async def run() -> Load:
        loop = asyncio.get_running_loop()
        shared = cycle(requests)  # all connections take from one list, so that no request is sent twice
        latencies: list[float] = []
        started = perf_counter()
        connections = [
            (
                await loop.create_connection(
                    lambda: _Connection(shared, started + seconds, latencies), "127.0.0.1", port
                )
            )[1]
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(connection.closed for connection in connections))
        taken = perf_counter() - started
        latencies.sort()
        return Load(
            len(latencies),
            len(latencies) / taken,
            latencies[len(latencies) // 2] * 1e3,
            latencies[len(latencies) * 99 // 100] * 1e3,
            sum(connection.refused for connection in connections),
        )

    return asyncio.run(run())
