"""A client, the proxy and an upstream, each on a port of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import metronome
import pytest
from toolkit.commands import Command
from toolkit.live import SECONDS, TOKEN, Live, Proxied, Upstreamish, answering

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.toolkit import proxy

MEBIBYTE = 1024 * 1024
BEARER = {"Authorization": f"Bearer {TOKEN}"}
EMPTY_PAGE = b'{"data":[],"next_page":null}'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Live]:
    with Live(create_app(Settings(scenario="acme", max_body=32 * MEBIBYTE))) as live:
        yield live


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


# --- passing on


def test_an_sdk_gets_through_the_proxy_what_it_gets_without(sandbox: Live):
    with Proxied(sandbox.url) as proxied:
        direct = metronome.Metronome(base_url=sandbox.url, bearer_token="direct-0123456789")
        through = metronome.Metronome(base_url=proxied.url, bearer_token="through-0123456789")
        with direct, through:
            names = [customer.name for customer in through.v1.customers.list()]
            assert names == [customer.name for customer in direct.v1.customers.list()] == ["Acme Inc"]
            with pytest.raises(metronome.BadRequestError, match="no-such"):
                through.v1.customers.retrieve(customer_id="no-such")

    assert proxied.watch.operations == {"listCustomers-v1": 1, "getCustomer-v1": 1}
    assert proxied.found == [
        "format: getCustomer-v1 request: path parameter customer_id: expected a UUID such as "
        '2714e483-4ff1-48e4-9e25-ac732e8f24f2, received "no-such"'
    ]


def test_status_headers_and_bytes_come_back_as_they_were():
    body = b'{"message":  "slow down"}'
    upstream = answering(body, status=429, retry_after="7", x_metronome_rate_limit_type="client")
    with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
        answer = client.get("/v1/customers", params={"limit": "5"})

    assert (answer.status_code, answer.content) == (429, body)
    assert (answer.headers["retry-after"], answer.headers["x-metronome-rate-limit-type"]) == ("7", "client")
    [(path, headers, _)] = upstream.requests
    assert path == "/v1/customers"
    assert headers["host"] == live.url.removeprefix("http://")
    assert "connection" not in headers or headers["connection"] == "keep-alive"


def test_an_upstream_may_have_a_folder_and_an_escaped_path_stays_escaped():
    upstream = answering(EMPTY_PAGE)
    with Live(upstream) as live, Proxied(f"{live.url}/billing/") as proxied, proxied.client() as client:
        client.get("/v1/customers/a%2Fb%20c/invoices?status=DRAFT%20")

    assert upstream.requests[0][0] == "/billing/v1/customers/a%2Fb%20c/invoices"


def test_a_chunked_request_of_20_mb_arrives_and_so_does_the_answer():
    body = json.dumps({"events": ["x" * 1024] * (20 * 1024)}).encode()
    upstream = answering(body)

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
        answer = client.post("/v1/ingest", content=parts(), headers={"Content-Type": "application/json"})

    assert len(body) > 20 * MEBIBYTE
    assert answer.content == body
    [(_, headers, arrived)] = upstream.requests
    assert arrived == body
    assert headers["transfer-encoding"] == "chunked"
    assert any(found.startswith("type: ingest-v1 request") for found in proxied.found), proxied.found


def test_the_answer_goes_on_while_the_upstream_still_speaks():
    may_go_on = threading.Event()

    async def answer(_: Any, __: bytes, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"data":[', "more_body": True})
        assert await asyncio.to_thread(may_go_on.wait, SECONDS)
        await send({"type": "http.response.body", "body": b'],"next_page":null}'})

    with (
        Live(Upstreamish(answer)) as live,
        Proxied(live.url) as proxied,
        proxied.client() as client,
        client.stream("GET", "/v1/customers") as response,
    ):
        pieces = response.iter_raw()
        first = next(pieces)
        may_go_on.set()
        rest = b"".join(pieces)

    assert first == b'{"data":['
    assert first + rest == EMPTY_PAGE
    assert proxied.found == []


def test_a_request_goes_on_while_the_client_still_speaks():
    has_begun = threading.Event()

    class Listening(Upstreamish):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def heard() -> Any:
                message = await receive()
                if message.get("body"):
                    has_begun.set()
                return message

            await super().__call__(scope, heard, send)

    upstream = Listening(answering(EMPTY_PAGE)._answer)

    def parts() -> Iterator[bytes]:
        yield b'{"customer_id":'
        assert has_begun.wait(SECONDS), "the upstream heard nothing before the client had finished"
        yield b'"x"}'

    with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
        client.post("/v1/contracts/list", content=parts(), headers={"Content-Type": "application/json"})

    assert upstream.requests[0][2] == b'{"customer_id":"x"}'


def test_a_packed_answer_stays_packed_and_is_read_all_the_same():
    packed = gzip.compress(b'{"data":[],"next_page":null,"surprise":1}')
    with (
        Live(answering(packed, content_encoding="gzip")) as live,
        Proxied(live.url) as proxied,
        proxied.client() as client,
        client.stream("GET", "/v1/customers") as response,
    ):
        raw = b"".join(response.iter_raw())

    assert raw == packed
    assert any(found.startswith("additionalProperties: listCustomers-v1 answer: surprise") for found in proxied.found)


def test_a_packed_bomb_is_passed_on_and_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proxy.Copy.__init__, "__defaults__", (MEBIBYTE,))
    packed = gzip.compress(b" " * 50 * MEBIBYTE)
    with (
        Live(answering(packed, content_encoding="gzip")) as live,
        Proxied(live.url) as proxied,
        proxied.client() as client,
        client.stream("GET", "/v1/customers") as response,
    ):
        assert b"".join(response.iter_raw()) == packed

    assert proxied.found == []


def test_what_is_too_long_to_look_at_is_passed_on_and_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(proxy.Copy.__init__, "__defaults__", (MEBIBYTE,))
    body = b'{"data":"' + b"x" * 2 * MEBIBYTE + b'"}'
    upstream = answering(body)
    record = tmp_path / "calls.har"
    with Live(upstream) as live, Proxied(live.url, record) as proxied, proxied.client() as client:
        assert client.post("/v1/ingest", content=body).content == body

    assert upstream.requests[0][2] == body
    assert proxied.found == [
        "unchecked: ingest-v1 request: body: too long, or packed in an unknown way; passed on, neither checked nor kept"
    ]
    assert record.stat().st_size < 10_000


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_request_that_cannot_be_unpacked_is_passed_on_and_told(encoding: str):
    upstream = answering(b"null")
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
        client.post("/v1/ingest", content=b"no gzip at all", headers=headers)

    assert upstream.requests[0][2] == b"no gzip at all"
    assert [found.split(":")[0] for found in proxied.found] == ["unchecked"]


# --- the token


def test_the_token_reaches_the_upstream_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    echo = json.dumps({"message": f"who is {TOKEN}?", "client_secret": "hush-hush"}).encode()
    upstream = answering(echo, status=400, x_echo=TOKEN, set_cookie="session=abcdef")
    record = tmp_path / "calls.har"
    with Live(upstream) as live, Proxied(live.url, record) as proxied, proxied.client() as client:
        answer = client.post(
            f"/v1/customers?token={TOKEN}&api_key=hush-hush",
            json={"name": TOKEN, "webhook_secret": "hush-hush", "tokens": "5", TOKEN: 1},
            headers={"X-Sandbox-Control-Token": "control-0123456789", "Cookie": "session=abcdef"},
        )

    assert answer.content == echo
    [(_, headers, body)] = upstream.requests
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN.encode() in body
    written = record.read_text()
    said = json.dumps(proxied.watch.report()) + "".join(proxied.found) + "".join(capfd.readouterr())
    for secret in (TOKEN, "control-0123456789", "hush-hush", "abcdef"):
        assert secret not in written
        assert secret not in said
    entry = json.loads(written)["log"]["entries"][0]
    assert json.loads(entry["request"]["postData"]["text"])["tokens"] == "5"


def test_secrets_are_kept_on_demand_but_the_token_never(tmp_path: Path):
    record = tmp_path / "calls.har"
    upstream = answering(b"null")
    with Live(upstream) as live, Proxied(live.url, record, keeps_secrets=True) as proxied, proxied.client() as client:
        client.post("/v1/customers", json={"name": TOKEN, "webhook_secret": "hush-hush"})

    assert "hush-hush" in record.read_text()
    assert TOKEN not in record.read_text()


def test_a_redirect_is_the_clients_to_follow():
    elsewhere = answering(EMPTY_PAGE)
    with Live(elsewhere) as other:
        upstream = answering(b"", status=307, location=f"{other.url}/v1/customers")
        with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
            answer = client.get("/v1/customers")

    assert (answer.status_code, answer.headers["location"]) == (307, f"{other.url}/v1/customers")
    assert elsewhere.requests == []


@pytest.mark.parametrize("path", ["//evil.invalid/v1/customers", "/@evil.invalid/", "/..//evil.invalid", "/%2F%2Fevil"])
def test_no_path_leads_to_another_host(path: str):
    upstream = answering(EMPTY_PAGE)
    with Live(upstream) as live, Proxied(live.url) as proxied:
        address = proxied.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while piece := connection.recv(65536):
                received += piece

    assert received.startswith(b"HTTP/1.1 200"), received
    assert len(upstream.requests) == 1


def test_a_proxy_of_the_environment_sees_no_token_in_plain_http(monkeypatch: pytest.MonkeyPatch):
    nosy = answering(EMPTY_PAGE)
    with Live(nosy) as live:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, live.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with Proxied("http://billing.invalid") as proxied, proxied.client() as client:
            assert client.get("/v1/customers").status_code == 502

    assert nosy.requests == []


# --- upstreams that misbehave


def test_an_upstream_that_is_down_is_a_502_that_says_so():
    nobody = f"http://127.0.0.1:{free_port()}"
    with Proxied(nobody) as proxied, proxied.client() as client:
        answer = client.get("/v1/customers")

    assert answer.status_code == 502
    assert answer.json()["message"].startswith(f"metronome-sandbox proxy: nothing answers at {nobody}")
    [found] = proxied.found
    assert found.startswith(f"unreachable: listCustomers-v1 upstream: body: nothing answers at {nobody}")


def test_an_upstream_without_tls_where_it_should_have_it_is_a_502_that_says_so(sandbox: Live):
    with Proxied(sandbox.url.replace("http://", "https://")) as proxied, proxied.client() as client:
        answer = client.get("/v1/customers")

    assert answer.status_code == 502
    assert "cannot be trusted, TLS: " in answer.json()["message"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_of_its_own_making_is_not_trusted(tmp_path: Path):
    file = tmp_path / "both.pem"
    made = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", file, "-out", made], check=True, capture_output=True)
    file.write_text(file.read_text() + made.read_text())
    upstream = answering(EMPTY_PAGE)
    with Live(upstream, certificate=file) as live, Proxied(live.url) as proxied, proxied.client() as client:
        answer = client.get("/v1/customers")

    assert answer.status_code == 502
    assert f"{live.url} cannot be trusted, TLS: self-signed certificate" in answer.json()["message"]
    assert upstream.requests == []


def test_html_instead_of_json_is_passed_on_and_told():
    page = b"<html>Welcome</html>"
    upstream = answering(page, kind="text/html; charset=utf-8")
    with Live(upstream) as live, Proxied(live.url) as proxied, proxied.client() as client:
        assert client.get("/v1/customers").content == page

    assert proxied.found == [
        "not-json: listCustomers-v1 answer: body: expected JSON; is this the billing API?, received text/html"
    ]


def test_an_answer_that_breaks_off_breaks_off_for_the_client_too():
    async def answer(_: Any, __: bytes, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"data":', "more_body": True})

    with (
        Live(Upstreamish(answer)) as live,
        Proxied(live.url) as proxied,
        proxied.client() as client,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        client.get("/v1/customers")

    [found] = proxied.found
    assert found.startswith(f"unreachable: listCustomers-v1 upstream: body: {live.url} broke off")


def test_a_client_that_leaves_half_way_takes_nothing_down(sandbox: Live):
    with Proxied(sandbox.url) as proxied:
        host, port = proxied.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(b"POST /v1/customers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        with proxied.client() as client:
            assert client.get("/sandbox/clock").status_code == 200

    assert proxied.watch.operations == {"getClock": 1}
    assert proxied.complaints == []


def test_a_recording_that_cannot_be_written_stops_and_the_proxy_does_not(tmp_path: Path, sandbox: Live):
    proxied = Proxied(sandbox.url, tmp_path / "calls.har")

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    assert proxied._file is not None
    proxied._file.add = full  # type: ignore[method-assign]
    with proxied, proxied.client() as client:
        assert [client.get("/v1/credit-types/list").status_code for _ in range(2)] == [200, 200]

    assert proxied.complaints == ["the recording ends here, it cannot be written: No space left on device"]


# --- the command


def test_the_command_shows_findings_as_they_come_sums_them_up_and_writes_them(sandbox: Live, tmp_path: Path):
    files = ["--record", "calls.har", "--report", "report.json"]
    with Command("proxy", "--upstream", sandbox.url, "--port", "0", *files, folder=tmp_path) as command:
        with httpx.Client(base_url=command.url, headers=BEARER, trust_env=False) as client:
            for _ in range(2):
                client.post("/v1/customers", json={"name": "A", "ingestAliases": []})
        live = command.says("unknown: createCustomer-v1 request: ingestAliases: .*")
        status = command.stop()

    assert status == 1
    assert "did you mean ingest_aliases?" in live
    assert "2 calls to 1 operation, 2 different findings" in command.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["upstream"], report["calls"]) == (sandbox.url, 2)
    assert [(one["rule"], one["where"], one["count"]) for one in report["findings"]] == [
        ("unknown", "ingestAliases", 2),
        ("no-key", "header Idempotency-Key", 2),
    ]
    assert len(json.loads((tmp_path / "calls.har").read_text())["log"]["entries"]) == 2
    assert "Traceback" not in command.err
    for file in tmp_path.iterdir():  # what it printed is in two of them
        assert TOKEN not in file.read_text()


def test_the_command_ends_with_0_when_there_is_nothing_to_find(sandbox: Live, tmp_path: Path):
    with Command("proxy", "--upstream", sandbox.url, "--port", "0", folder=tmp_path) as command:
        with httpx.Client(base_url=command.url, headers=BEARER, trust_env=False) as client:
            client.get("/v1/credit-types/list")
        status = command.stop(signal.SIGINT)

    assert (status, command.out) == (0, "1 call to 1 operation, no findings\n")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--upstream", "localhost:4010"], "'localhost:4010' is no address such as http://127.0.0.1:4010"),
        (["--upstream", "http://user:secret@127.0.0.1"], "the client sends the token itself"),
        (["--upstream", "http://127.0.0.1:{free}"], "nothing answers at http://127.0.0.1:"),
        (["--upstream", "{tls}"], "cannot be trusted, TLS: "),
        (["--upstream", "{sandbox}", "--record", "no/such/folder.har"], "no/such/folder.har cannot be written"),
        (["--upstream", "{sandbox}", "--report", "no/such/folder.json"], "no/such/folder.json cannot be written"),
        ([], "Missing option '--upstream'"),
    ],
)
def test_what_cannot_work_is_said_at_once_with_status_2(
    sandbox: Live, tmp_path: Path, options: list[str], problem: str
):
    words = {"free": free_port(), "sandbox": sandbox.url, "tls": sandbox.url.replace("http:", "https:")}
    with Command("proxy", "--port", "0", *(one.format(**words) for one in options), folder=tmp_path) as command:
        status = command.end()

    assert (status, command.out) == (2, "")
    assert problem in command.err
    assert "Traceback" not in command.err
