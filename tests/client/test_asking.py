"""The token goes to the host that was named, and a bad answer ends in a sentence."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from metronome_sandbox.client import asking
from metronome_sandbox.client.asking import CannotAsk, Host

Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Callable[[int], Reply], seen: list[str | None]) -> Iterator[str]:
    """Answer the n-th request, and note the Authorization header of each."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            status, headers, body = answer(len(seen))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_redirect_is_the_answer_and_the_token_stays_here():
    elsewhere: list[str | None] = []
    here: list[str | None] = []
    with (
        serving(lambda _: (200, {}, b"{}"), elsewhere) as other,
        serving(lambda _: (302, {"Location": other}, b""), here) as url,
    ):
        assert Host(url, "secret").send("GET", "/v1/x").status == 302

    assert (here, elsewhere) == (["Bearer secret"], [])


def test_a_netrc_file_does_not_take_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str | None] = []
    with serving(lambda _: (200, {}, b"{}"), seen) as url:
        host = Host(url, "secret")
        host._session.trust_env = True
        host.send("GET", "/v1/x")

    assert seen == ["Bearer secret"]


def test_a_host_without_time_is_asked_again():
    seen: list[str | None] = []
    with serving(lambda n: (429 if n < 3 else 200, {"Retry-After": "0"}, b"{}"), seen) as url:
        assert Host(url, "t").send("GET", "/v1/x").status == 200

    assert len(seen) == 3


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "MAX_ANSWER_BYTES", 1000)
    with (
        serving(lambda _: (200, {}, b"x" * 5000), []) as url,
        pytest.raises(CannotAsk, match="more than anyone can use"),
    ):
        Host(url, "t").send("GET", "/v1/x")


def test_nobody_there_and_no_tls_are_one_sentence():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(CannotAsk, match=r"^nobody answers at 127\.0\.0\.1: "):
        Host(f"http://127.0.0.1:{port}", "t").send("GET", "/v1/x")
    with serving(lambda _: (200, {}, b"{}"), []) as url, pytest.raises(CannotAsk, match="nobody answers"):
        Host(url.replace("http:", "https:"), "t").send("GET", "/v1/x")


@pytest.mark.parametrize("address", ["", "x", "ftp://x", "http://", "http://[x"])
def test_an_address_that_is_none_is_told(address: str):
    with pytest.raises(CannotAsk, match="is no address"):
        Host(address, "t")
