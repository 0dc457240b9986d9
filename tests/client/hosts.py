"""A host that says what a test wants, and a sandbox on a port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import NamedTuple

Reply = tuple[int, dict[str, str], bytes] | None


class Seen(NamedTuple):
    method: str
    path: str
    body: bytes
    headers: dict[str, str]


@contextmanager
def scripted(answer: Callable[[int, Seen], Reply], seen: list[Seen]) -> Iterator[str]:
    """Answer the n-th request, from 1; None closes the connection without a word."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            one = Seen(self.command, self.path, body, {k.lower(): v for k, v in self.headers.items()})
            with lock:
                seen.append(one)
                number = len(seen)
            reply = answer(number, one)
            if reply is None:
                self.close_connection = True
                return
            status, headers, content = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
