"""A world loaded into a server: the catalog, then customer after customer, several at a time, each once.

What a customer's calls are follows from its history alone. Whether they were made already is told by a journal beside
the files, which names every customer that is whole; for one that was left half done the server is asked what it has. So
a push that was killed goes on, and a push that is repeated changes nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from metronome_sandbox.client.asking import Answer, CannotAsk, message_of, value_of
from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.client.progress import watched
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.generator.encoding import encode
from metronome_sandbox.generator.plan import WrongUse
from metronome_sandbox.generator.pushed import Journal, Pushed
from metronome_sandbox.generator.rendering import Renderer
from metronome_sandbox.generator.requests import Creation, timestamp
from metronome_sandbox.generator.sums import EXACT, voided_in
from metronome_sandbox.generator.world import Contract, History, Invoice
from metronome_sandbox.generator.worlds import World

CONCURRENCY = 8
MAX_BATCH_BYTES = 1024 * 1024
"""Of a request with several invoices; the sandbox takes ten times as much."""

SETTLED = timedelta(days=25)
"""After the last month: the last invoice is issued, and the next month is not over."""

PRECISION = Decimal("1e-9")
"""Totals are printed with 15 digits, and a server may count in floats."""

IMPORT, VOID = "/v1/contracts/createHistoricalInvoices", "/v1/invoices/void"
RATES = "/v1/contract-pricing/rate-cards/addRates"


class Refused(CannotAsk):
    """The server does not take what should be taken. What it has by then stays, and the same command goes on."""

    def __init__(self, what: str, path: str, answer: Answer) -> None:
        super().__init__(f"{what}: POST {path} answered {answer.status}: {message_of(answer)}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to push to. ``yes_write_to`` names the host where that is not this machine."""

    url: str
    token: str
    control_token: str | None = None
    yes_write_to: str | None = None


class Difference(NamedTuple):
    """An invoice whose total is not what it should be, in cents."""

    customer: str
    invoice: str
    invoice_id: str
    expected: Decimal
    got: Decimal


@dataclass(slots=True)
class Outcome:
    """What a push came to.

    Attributes:
        found: Customers that were there from an earlier run.
        total: What all invoices that stand come to by the server's answers, in cents.
    """

    customers: int = 0
    found: int = 0
    invoices: int = 0
    lines: int = 0
    total: Decimal = Decimal(0)
    differences: list[Difference] = field(default_factory=list)


def push(world: World, folder: Path, target: Target) -> Outcome:
    """Load a world into a server.

    Raises:
        WrongUse: The host may not be written to, or its time is not right.
        CannotAsk: It cannot be asked, or refuses something.
    """
    with closing(Sender(target.url, target.token, target.control_token, concurrency=CONCURRENCY)) as sender:
        if not is_loopback(sender.name) and target.yes_write_to != sender.name:
            raise WrongUse(
                f"--push: {sender.name} is not this machine, and a push makes customers, contracts and invoices there: "
                f"add --yes-write-to {sender.name} if that account may be written to"
            )
        address = urlsplit(target.url)
        with closing(Journal(folder / "pushed", f"{address.hostname}-{address.port or address.scheme}", world)) as journal:
            if journal.is_begun and not _knows(sender, journal):
                print(f"{sender.name} has nothing of the earlier push; all is pushed again", file=sys.stderr)
                journal.begin_anew()
            if not journal.is_begun:
                _set_clock(sender, world)
            return Pusher(world, sender, journal).run()


class Pusher:
    """Pushes one world to one server."""

    def __init__(self, world: World, sender: Sender, journal: Journal) -> None:
        self._world = world
        self._sender = sender
        self._journal = journal
        self._ids: dict[str, str] = {}
        """The server's id of each thing of the catalog, by the id that it has in files."""
        self._products: dict[str, str] = {}
