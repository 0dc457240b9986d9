"""An import in a process of its own, which is killed at a chosen instant: at a request, or at a line of its journal."""

from __future__ import annotations

import csv
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from importer.old_books import CREATE, Books, told

from metronome_sandbox.importer.on_target import made
from metronome_sandbox.importer.request import request_of

SECONDS = 60
HOP_BY_HOP = ("connection", "content-length", "transfer-encoding", "keep-alive", "host")

MAPPING = """\
decimal_mark: point
units: cents
invoice_number: invoice
customer: {column: customer, by: name}
contract: contract
product: {column: product, by: name}
quantity: quantity
total: total
granularity: day
date: day
period: month
issue_date: {days_after_period: 2}
"""


def write_file(books: Books, folder: Path) -> None:
    """Write the old invoices as a file, with the totals that they had, and its mapping."""
    with (folder / "legacy.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("invoice", "customer", "contract", "product", "quantity", "total", "day"))
        for customer in books.customers:
            invoices = books.of(customer)
            body = {"invoices": [request_of(invoice) for invoice in invoices], "preview": True}
            previews = made(books.sender.send("POST", CREATE, body))
            assert previews is not None
            for invoice, preview in zip(invoices, previews, strict=True):
                for line in invoice.lines:
                    days = [(each.starting_at, each.quantity) for each in line.subtotals]
                    for day, quantity in days or [(line.starting_at, line.quantity)]:
                        rows.writerow(
                            (
                                invoice.number,
                                invoice.customer_name,
                                invoice.contract_id,
                                line.product_name,
                                f"{quantity:f}",
                                f"{preview.total:f}",
                                f"{day:%Y-%m-%d}",
                            )
                        )
    (folder / "mapping.yaml").write_text(MAPPING)


@dataclass(frozen=True)
class Point:
    """When the process is killed.

    Args:
        at: ``request``: at the n-th request; ``write``: at the n-th that imports; ``journal``: when the journal has
            grown n times; ``time``: after n milliseconds.
        how: Of a request: ``before`` the target has it, ``after`` it did it and before the answer, ``half`` way through
            the answer, ``answered`` right behind it.
    """

    at: str
    number: int
    how: str = "before"

    def __str__(self) -> str:
        return f"{self.at} {self.number}" + (f" {self.how}" if self.at in ("request", "write") else "")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: whoever is killed closes his connections without a word."""


class Passage:
    """Stands between an import and the sandbox, and kills at a point. Its address stays the same over all runs."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._host, self._port = address.hostname or "", address.port or 0
        self._lock = threading.Lock()
        self.point: Point | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.requests = self.writes = 0
        passage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                passage.carry(self)

            do_POST = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def carry(self, handler: BaseHTTPRequestHandler) -> None:
        """Pass one request on, unless the process dies of it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        is_write = handler.path == CREATE and b'"preview":true' not in body
        with self._lock:
            self.requests += 1
            self.writes += is_write
            point = self.point
            counted = None if point is None else {"request": self.requests, "write": self.writes}.get(point.at)
            is_it = point is not None and counted == point.number and (is_write or point.at != "write")
        how = point.how if point is not None and is_it else ""
        if how == "before":
            self.kill()
            handler.close_connection = True
            return
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(handler.command, handler.path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if how == "after":
            self.kill()
            handler.close_connection = True
            return
        try:
            handler.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            if how == "half":
                handler.wfile.write(content[: len(content) // 2])
                handler.wfile.flush()
                self.kill()
                handler.close_connection = True
                return
            handler.wfile.write(content)
            handler.wfile.flush()
        except OSError:
            handler.close_connection = True  # who asked is dead
        if how == "answered":
            self.kill()

    def kill(self) -> None:
        """Kill the process, as a machine that loses its power would, but for the disk."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def passage(target: str) -> Iterator[Passage]:
    """Stand before a sandbox."""
    found = Passage(target)
    try:
        yield found
    finally:
        found.close()


@dataclass(frozen=True)
class Ended:
    """How a run ended; ``status`` is negative where it was killed."""

    status: int
    out: str
    err: str


def run(way: Passage, token: str, folder: Path, point: Point | None = None, *options: str) -> Ended:
    """Import the file of a folder through a passage, and kill the process at a point."""
    journal = folder / "import.journal"
    way.point, way.process = point, None
    way.requests = way.writes = 0
    arguments = ("import", "legacy.csv", "--mapping", "mapping.yaml", "--base-url", way.url, "--token", token)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "metronome_sandbox", *arguments, "--apply", "--journal", journal.name, *options],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    way.process = process
    if point is not None and point.at in ("journal", "time"):
        _watch(process, journal, point)
    out, err = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, out.decode(), err.decode())


def _watch(process: subprocess.Popen[bytes], journal: Path, point: Point) -> None:
    began = time.monotonic()
    size = journal.stat().st_size if journal.exists() else 0
    grown = 0
    while process.poll() is None:
        if point.at == "time" and time.monotonic() - began > point.number / 1000:
            break
        if point.at == "journal":
            try:
                now = journal.stat().st_size
            except FileNotFoundError:
                now = 0
            if now > size:
                size, grown = now, grown + 1
                if grown == point.number:
                    break
    process.kill()


def points(seed: int, requests: int, writes: int, milliseconds: int) -> Iterator[Point]:
    """Yield points at random for ever: mostly around what imports, where most can go wrong."""
    draw = Random(seed)
    while True:
        at = draw.choices(("write", "request", "journal", "time"), (5, 2, 3, 1))[0]
        most = {"write": writes, "request": requests, "journal": 2 * writes, "time": milliseconds}[at]
        yield Point(at, draw.randint(1, most), draw.choice(("before", "after", "half", "answered")))


def advance(books: Books, hours: int) -> None:
    """Let time pass, so that the target has forgotten the keys of its answers."""
    told(books.sender.send("POST", "/sandbox/clock/advance", {"by": f"PT{hours}H"}))
