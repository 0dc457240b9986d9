"""A world loaded into a server: the catalog, then customer after customer, several at a time, each once.

What a customer's calls are follows from its history alone. Whether they were made already is told by a journal beside
the files, which names every customer that is whole; for one that was left half done the server is asked what it has. So
a push that was killed goes on, and a push that is repeated changes nothing.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from metronome_sandbox.client.asking import CannotAsk, message_of, value_of
from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.client.progress import watched
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.generator.customers import number_of
from metronome_sandbox.generator.plan import WrongUse
from metronome_sandbox.generator.push_customer import (
    AliasTaken,
    CustomerPush,
    Difference,
    Done,
    listed,
    posted,
    translated,
)
from metronome_sandbox.generator.pushed import Journal
from metronome_sandbox.generator.requests import timestamp
from metronome_sandbox.generator.world import History
from metronome_sandbox.generator.worlds import World

CONCURRENCY = 8
SETTLED = timedelta(days=25)
"""After the last month: the last invoice is issued, and the next month is not over."""

RATES = "/v1/contract-pricing/rate-cards/addRates"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to push to.

    Attributes:
        yes_write_to: The host, where it is not this machine.
        without_invoices: Whether invoices are left to an import.
    """

    url: str
    token: str = field(repr=False)
    control_token: str | None = field(default=None, repr=False)
    yes_write_to: str | None = None
    without_invoices: bool = False


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
    may_push(target)
    name = _file_name(target)
    with (
        closing(Sender(target.url, target.token, target.control_token, concurrency=CONCURRENCY)) as sender,
        closing(Journal(folder / "pushed" / name, world)) as journal,
    ):
        if journal.is_begun and not _knows(sender, journal):
            print(f"{sender.name} has nothing of the earlier push; all is pushed again", file=sys.stderr)
            journal.begin_anew()
        if not journal.is_begun:
            _prepare(sender, world)
        return Pusher(world, sender, journal, with_invoices=not target.without_invoices).run()


def may_push(target: Target) -> None:
    """Make sure that a target is an address, and may be written to; nothing is asked.

    Raises:
        WrongUse: It is none, or neither this machine nor named on purpose.
    """
    _file_name(target)
    host = urlsplit(target.url).hostname or ""
    if not is_loopback(host) and target.yes_write_to != host:
        raise WrongUse(
            f"--push: {host} is not this machine, and a push makes customers, contracts and invoices there: "
            f"add --yes-write-to {host} if that account may be written to"
        )


def _file_name(target: Target) -> str:
    """Return the name of the journal of a host.

    Raises:
        WrongUse: The address is none.
    """
    try:
        address = urlsplit(target.url)
        host, port = address.hostname, address.port
    except ValueError:
        host = None
    if not host or address.scheme not in ("http", "https"):
        raise WrongUse(f"--push: {target.url!r} is no address such as http://127.0.0.1:4010")
    of = "-without-invoices" if target.without_invoices else ""
    return f"{host.replace(':', '_')}-{port or address.scheme}{of}.ndjson"


def _knows(sender: Sender, journal: Journal) -> bool:
    """Whether a host still has what it got last; a sandbox that was started again has nothing."""
    if journal.last is not None:
        answer = sender.send("GET", f"/v1/customers/{journal.last.id}")
        return answer.status == 200 and journal.last.key in value_of(answer)["data"]["ingest_aliases"]
    (kind, _), made = next(iter(journal.ids.items()))
    assert kind == "metric", "metrics are made first"
    return sender.send("GET", f"/v1/billable-metrics/{made}").status == 200


def _prepare(sender: Sender, world: World) -> None:
    """Make sure that a world can go to a host; then let it be the time at which all of it is behind an empty sandbox.

    Raises:
        WrongUse: Invoices would be issued in the future, or an ingest alias is taken.
        CannotAsk: The host does not tell.
    """
    settled = datetime(*world.billed_until.timetuple()[:3], tzinfo=UTC) + SETTLED
    answer = sender.send("GET", "/sandbox/clock")
    if answer.status in (401, 403):
        raise CannotAsk(f"GET /sandbox/clock answered {answer.status}: {message_of(answer)}")
    clock = value_of(answer) if answer.status == 200 else None
    now = datetime.now(UTC) if clock is None else datetime.fromisoformat(clock["now"])
    is_running = clock is not None and not clock["is_frozen"]
    if not is_running:
        _hold_to_time(sender, now, settled)
    _refuse_strangers(sender, world)
    if is_running:
        if sender.send("PUT", "/sandbox/clock", {"now": timestamp(settled)}).status == 200:
            print(f"the sandbox's clock stands at {timestamp(settled)} now, when all of it is billed", file=sys.stderr)
        else:
            _hold_to_time(sender, now, settled)


def _hold_to_time(sender: Sender, now: datetime, settled: datetime) -> None:
    if now < settled:
        raise WrongUse(
            f"--push: by the clock of {sender.name} it is {timestamp(now)}, and the last invoice is issued by "
            f"{timestamp(settled)}; choose an earlier --start, or advance the clock of a sandbox"
        )


def _refuse_strangers(sender: Sender, world: World) -> None:
    """Make sure that nobody else has an ingest alias that a customer of this world wants, before anything is made.

    Customers are asked for a page at a time: a tenant that has few of them is asked little, however large the world is.

    Raises:
        WrongUse: Somebody has one; an archived customer keeps its own.
    """
    for path in ("/v1/customers?limit=100", "/v1/customers?limit=100&only_archived=true"):
        for customer in listed(sender, path):
            for alias in customer["ingest_aliases"]:
                number = number_of(alias)
                if number is None or number > world.plan.customers:
                    continue
                if "only_archived" in path or customer["name"] != world.customer_alone(number).name:
                    raise AliasTaken(alias, sender.name)


class Pusher:
    """Pushes one world to one server."""

    def __init__(self, world: World, sender: Sender, journal: Journal, *, with_invoices: bool) -> None:
        self._with_invoices = with_invoices
        self._world = world
        self._sender = sender
        self._journal = journal
        self._catalog: dict[str, str] = {}
        """The server's id of each thing of the catalog, by the id that it has in files."""

    def run(self) -> Outcome:
        """Push what is missing; return what there is then."""
        self._push_catalog()
        journal, outcome = self._journal, Outcome(found=self._journal.customers)
        missing = (number for number in range(1, self._world.plan.customers + 1) if not journal.has(number))
        with watched("push", self._world.plan.customers - outcome.found, "customers", rated="lines") as advance:
            histories = map(self._world.history, missing)
            for done in self._sender.in_order(histories, self._push_customer):
                journal.add_customer(done.pushed)
                outcome.customers += 1
                outcome.invoices += len(done.pushed.invoices)
                outcome.lines += done.lines
                outcome.differences += done.differences
                advance(more=done.lines)
        outcome.total = journal.total
        return outcome

    def _push_catalog(self) -> None:
        world, journal = self._world, self._journal
        for one in world.catalog_requests():
            made = journal.ids.get((one.kind, one.key))
            if made is None:
                made = str(posted(self._sender, one.key, one.path, translated(one.body, self._catalog))["data"]["id"])
                journal.add_made(one.kind, one.key, made)
            self._catalog[world.id_of(one.kind, one.key)] = made
        if not journal.has_rates:
            for body in world.rates():
                posted(self._sender, "rates", RATES, translated(body, self._catalog))
            journal.add_rates()

    def _push_customer(self, history: History) -> Done:
        push = CustomerPush(self._world, self._sender, self._catalog, history)
        return push.run() if self._with_invoices else push.run_without_invoices()
