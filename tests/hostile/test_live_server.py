"""A server on a socket: half requests, chunks, many callers at once."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvicorn
from hostile.sandbox import TOKEN

from metronome_sandbox.api.app import SandboxApp, create_app
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.toolkit.suites.tenant import USD

SECONDS = 20
"""Longer than anything takes here; what waits for so long hangs."""


class Live:
    """A server in a thread of this process, and its address."""

    def __init__(self, app: SandboxApp) -> None:
        self.app = app
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(SECONDS)
        self._socket.close()

    def client(self, token: str = TOKEN) -> httpx.Client:
        host, port = self.address
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"http://{host}:{port}", headers=headers, timeout=SECONDS, trust_env=False)

    def raw(self, data: bytes, *, and_leave: bool = False, and_wait: bool = False) -> bytes:
        """Send bytes and return what comes back until the server closes the connection.

        Args:
            and_leave: Close it at once.
            and_wait: Don't tell the server that nothing more will come.
        """
        with socket.create_connection(self.address, timeout=SECONDS) as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
            if and_leave:
                return b""
            if not and_wait:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            with suppress(ConnectionError):
                while piece := connection.recv(65536):
                    received += piece
            return received


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with Live(create_app(Settings(scenario="acme"))) as server:
        yield server


@pytest.fixture(autouse=True)
def the_server_is_alive_afterwards(live: Live) -> Iterator[None]:
    yield
    with live.client() as client:
        assert client.get("/sandbox/health").status_code == 200
    assert list(live.app.server.contract_breaks) == []


def july(client: httpx.Client) -> dict[str, Any]:
    """Return an import of July 2024 for the tenant of ``client``."""
    customer = client.get("/v1/customers").json()["data"][0]["id"]
    contract = client.post("/v1/contracts/list", json={"customer_id": customer}).json()["data"][0]["id"]
    products = client.post("/v1/contract-pricing/products/list", json={}).json()["data"]
    start, end = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"
    line = {"product_id": products[0]["id"], "inclusive_start_date": start, "exclusive_end_date": end, "quantity": 2}
    invoice = {
        "customer_id": customer,
        "contract_id": contract,
        "credit_type_id": USD,
        "inclusive_start_date": start,
        "exclusive_end_date": end,
        "issue_date": end,
        "usage_line_items": [line],
    }
    return {"preview": False, "invoices": [invoice]}


CALLERS = 50


def test_of_fifty_imports_of_one_month_one_succeeds(live: Live) -> None:
    with live.client("imports") as client:
        body = july(client)
        start = threading.Barrier(CALLERS)

        def send(_: int) -> int:
            with live.client("imports") as own:
                start.wait(SECONDS)
                return own.post("/v1/contracts/createHistoricalInvoices", json=body).status_code

        with ThreadPoolExecutor(CALLERS) as pool:
            statuses = Counter(pool.map(send, range(CALLERS)))

        customer = body["invoices"][0]["customer_id"]
        stored = client.get(f"/v1/customers/{customer}/invoices", params={"status": "FINALIZED"}).json()["data"]

    assert statuses == {200: 1, 400: CALLERS - 1}
    assert len(stored) == 1


def test_fifty_callers_with_one_key_get_one_answer(live: Live) -> None:
    with live.client("keys") as client:
        start = threading.Barrier(CALLERS)

        def send(_: int) -> tuple[int, bytes]:
            with live.client("keys") as own:
                start.wait(SECONDS)
                answer = own.post("/v1/customers", json={"name": "one"}, headers={"Idempotency-Key": "same"})
                return answer.status_code, answer.content

        with ThreadPoolExecutor(CALLERS) as pool:
            answers = set(pool.map(send, range(CALLERS)))

        assert len(answers) == 1
        assert len(client.get("/v1/customers").json()["data"]) == 2


def test_fifty_tenants_at_once_know_nothing_of_each_other(live: Live) -> None:
    def play(number: int) -> bytes:
        with live.client(f"tenant-{number}") as own:
            body = july(own)
            assert own.post("/v1/contracts/createHistoricalInvoices", json=body).status_code == 200
            assert own.post("/sandbox/clock/advance", json={"by": "P3M"}).status_code == 200
            return own.get(f"/v1/customers/{body['invoices'][0]['customer_id']}/invoices").content

    with ThreadPoolExecutor(CALLERS) as pool:
        invoices = set(pool.map(play, range(CALLERS)))

    assert len(invoices) == 1


def test_readers_never_see_half_of_an_import(live: Live) -> None:
    with live.client("readers") as client:
        body = july(client)
        [invoice] = body["invoices"]
        days = []
        for day in range(1, 31):
            period = {
                "inclusive_start_date": f"2024-07-{day:02}T00:00:00Z",
                "exclusive_end_date": f"2024-07-{day + 1:02}T00:00:00Z",
            }
            days.append({**invoice, **period, "usage_line_items": [{**invoice["usage_line_items"][0], **period}]})
        path = f"/v1/customers/{invoice['customer_id']}/invoices?status=FINALIZED"
        seen: set[int] = set()
        done = threading.Event()

        def read() -> None:
            with live.client("readers") as own:
                while not done.is_set():
                    seen.add(len(own.get(path).json()["data"]))

        with ThreadPoolExecutor(4) as pool:
            reading = [pool.submit(read) for _ in range(4)]
            for _ in range(20):
                answer = client.post(
                    "/v1/contracts/createHistoricalInvoices", json={"preview": False, "invoices": days}
                )
                assert answer.status_code == 200, answer.text
                assert client.post("/sandbox/reset").status_code == 200
            done.set()
            for one in reading:
                one.result(SECONDS)

    assert seen <= {0, 30}


# What travels on the wire -----------------------------------------------------------------------------------------

HEAD = b"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wire\r\nContent-Type: application/json\r\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_chunks_are_put_together(live: Live) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    assert status_of(live.raw(head + chunked(b'{"na', b'me": ', b'"x"}'))) == 200
    assert status_of(live.raw(head + chunked(*(bytes([one]) for one in b'{"name": "x"}')))) == 200


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(b"{}"),
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: abc\r\n\r\n{}",
        b"Content-Length: 99999999999999999999\r\n\r\n{}",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"X: \x00\r\n\r\n",
        b"No colon\r\n\r\n",
    ],
    ids=range(13),
)
def test_a_broken_message_gets_a_4xx_or_nothing(live: Live, rest: bytes) -> None:
    answer = live.raw(HEAD + rest)

    assert answer == b"" or 400 <= status_of(answer) < 500 or status_of(answer) == 200


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET",
        b"GET / HTTP/9.9",
        b"get /sandbox/health HTTP/1.1",
        b"GET //sandbox/health HTTP/1.1",
        b"GET /../../etc/passwd HTTP/1.1",
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        b"GET /docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1",
        b"GET /v1/customers/%ff%fe HTTP/1.1",
        b"GET /v1/customers/%00 HTTP/1.1",
        b"GET /v1/customers/\xff HTTP/1.1",
        b"GET /v1/customers/%ed%a0%80 HTTP/1.1",
        b"GET /v1/customers?limit=%ff HTTP/1.1",
        b"GET http://other.example/sandbox/health HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT other.example:443 HTTP/1.1",
        b"GET /" + b"x" * 60_000 + b" HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0",
    ],
    ids=range(18),
)
def test_a_strange_request_line_gets_no_5xx(live: Live, request_line: bytes) -> None:
    answer = live.raw(request_line + b"\r\nHost: x\r\nAuthorization: Bearer wire\r\nConnection: close\r\n\r\n")

    assert answer == b"" or status_of(answer) < 500
    assert b"root:" not in answer


def test_a_caller_who_leaves_leaves_nothing_behind(live: Live) -> None:
    with live.client("wire") as client:
        before = client.get("/sandbox/snapshot").content
        for rest in (b"", b"Content-Length: 100\r\n\r\n", b'Content-Length: 100\r\n\r\n{"name": "x"}'):
            live.raw(HEAD + rest, and_leave=True)
        live.raw(HEAD + b'Transfer-Encoding: chunked\r\n\r\nd\r\n{"name": "x"}\r\n', and_leave=True)

        assert client.get("/sandbox/snapshot").content == before


def test_twenty_megabytes_are_refused_and_the_next_request_is_served(live: Live) -> None:
    with live.client() as client:
        answer = client.post("/v1/customers", content=b'{"name": "' + b"x" * 20_000_000 + b'"}')
        assert answer.status_code == 413
        assert "message" in answer.json()

        def pieces() -> Iterator[bytes]:
            for _ in range(200):
                yield b"x" * 100_000

        with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            assert client.post("/v1/customers", content=pieces()).status_code == 413


def test_many_requests_on_one_connection_are_answered_in_order(live: Live) -> None:
    body = b'{"name": "x"}'
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    last = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answers = live.raw(one * 99 + last, and_wait=True).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200"] * 100
    ids = [json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]["id"] for answer in answers]
    assert len(set(ids)) == 100
