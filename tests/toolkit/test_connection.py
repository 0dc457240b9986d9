"""Calls of the toolkit itself, against hosts that are not what they should be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep

import pytest

from metronome_sandbox.toolkit.connection import CallFailed, Connection
from metronome_sandbox.toolkit.sandboxes import is_sandbox

SEEN: list[str | None] = []


class Strange(BaseHTTPRequestHandler):
    """A web server that has nothing to do with billing."""

    def do_GET(self) -> None:
        SEEN.append(self.headers["Authorization"])
        if self.path.endswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.invalid/")
            self.end_headers()
            return
        if self.path.endswith(("/flood", "/drip")):
            self._never_end(b" " * 1024 * 1024 if self.path.endswith("/flood") else b" ")
            return
        body = b"null" if "/null/" in self.path else b"<html>Welcome</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (5 if self.path.endswith("/short") else 0)))
        self.end_headers()
        self.wfile.write(body)

    def _never_end(self, part: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            for _ in range(300):
                self.wfile.write(part)
                sleep(0 if len(part) > 1 else 0.02)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def strange() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/below"
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(strange: str) -> Iterator[Connection]:
    with closing(Connection(strange, "secret", timeout_seconds=5)) as connection:
        yield connection


def test_a_page_for_people_is_no_json_and_is_shown(connection):
    with pytest.raises(CallFailed, match="GET /page answered 200: no JSON: b'<html>Welcome</html>'"):
        connection.ok("GET", "/page")


def test_an_error_page_is_shown_as_it_is(connection):
    with pytest.raises(CallFailed, match="POST /page answered 501") as failed:
        connection.ok("POST", "/page", {})

    assert failed.value.status == 501


def test_a_redirect_is_not_followed_with_a_token(connection):
    with pytest.raises(CallFailed, match="answered 302"):
        connection.ok("GET", "/moved")


def test_an_answer_that_ends_early_is_none_and_the_next_call_works(connection):
    with pytest.raises(CallFailed, match="GET /short: "):
        connection.send("GET", "/short")

    assert connection.send("GET", "/page").status == 200


def test_an_answer_of_300_mb_is_not_read_to_its_end(strange):
    with (
        closing(Connection(strange, "secret", most_bytes=4 * 1024 * 1024)) as connection,
        pytest.raises(CallFailed, match="GET /flood: the answer has more than 4 MB"),
    ):
        connection.send("GET", "/flood")


def test_an_answer_by_drops_is_not_waited_for(strange):
    with (
        closing(Connection(strange, "secret", timeout_seconds=0.3)) as connection,
        pytest.raises(CallFailed, match=r"GET /drip: the answer took more than 0\.3 s"),
    ):
        connection.send("GET", "/drip")


def test_a_host_that_is_not_there_is_named_with_the_call():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(CallFailed, match=r"GET /v1/customers: .*refused"):
        Connection(f"http://127.0.0.1:{port}", "token").send("GET", "/v1/customers")


def test_a_host_that_speaks_no_tls_is_an_error_and_no_hang(strange):
    with pytest.raises(CallFailed, match=r"GET /: .*SSL"):
        Connection(strange.replace("http:", "https:"), "token", timeout_seconds=5).send("GET", "/")


def test_a_web_server_is_no_sandbox_and_sees_no_token(strange):
    SEEN.clear()

    assert not is_sandbox(strange)
    assert not is_sandbox(f"{strange}/null")
    assert SEEN == [None, None]
