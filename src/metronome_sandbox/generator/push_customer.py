"""One customer loaded into a server: the customer, its contracts, then its invoices and voids in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from metronome_sandbox.client.asking import Answer, CannotAsk, message_of, value_of
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.generator.plan import WrongUse
from metronome_sandbox.generator.pushed import Pushed
from metronome_sandbox.generator.rendering import Renderer
from metronome_sandbox.generator.requests import Creation
from metronome_sandbox.generator.sums import EXACT, voided_in
from metronome_sandbox.generator.world import History, Invoice
from metronome_sandbox.generator.worlds import World

MAX_BATCH_BYTES = 1024 * 1024
"""Of a request with several invoices; the sandbox takes ten times as much."""

PRECISION = Decimal("1e-9")
"""Totals are printed with 15 digits, and a server may count in floats."""

IMPORT, VOID, CONTRACTS = "/v1/contracts/createHistoricalInvoices", "/v1/invoices/void", "/v1/contracts/list"
CONFLICT = 409

Json = dict[str, Any]


class Refused(CannotAsk):
    """The server does not take what it should. What it has by then stays, and the same command goes on from there."""

    def __init__(self, what: str, path: str, answer: Answer) -> None:
        super().__init__(f"{what}: POST {path} answered {answer.status}: {message_of(answer)}")


class AliasTaken(WrongUse):
    """An ingest alias that a customer of this world wants is somebody else's."""

    def __init__(self, alias: str, host: str) -> None:
        super().__init__(
            f"{alias}: this ingest alias belongs to another customer of {host}, perhaps of another world "
            "that was pushed there; push to another account, or another --token on a sandbox"
        )


class Difference(NamedTuple):
    """An invoice whose total is not what it should be, in cents."""

    invoice: str
    invoice_id: str
    expected: Decimal
    got: Decimal


class Done(NamedTuple):
    """A customer that the server has now, and what was seen on the way."""

    pushed: Pushed
    lines: int
    differences: list[Difference]


class CustomerPush:
    """Pushes one customer; lives in one thread.

    Args:
        catalog: The server's ids of the catalog, by the ids in files.
    """

    def __init__(self, world: World, sender: Sender, catalog: Mapping[str, str], history: History) -> None:
        self._world = world
        self._sender = sender
        self._history = history
        self._ids = dict(catalog)
        self._renderer = Renderer(world.granularity, lambda kind, key: self._ids[world.id_of(kind, key)])
        self._contracts: dict[str, str] = {}
        self._invoices: dict[str, str] = {}
        self._totals: dict[str, Decimal] = {}
        self._voided: set[str] = set()
        self._was_there = False

    def run_without_invoices(self) -> Done:
        """Push what is missing but invoices; return what there is then."""
        return Done(self._pushed(self._sign(), Decimal(0)), 0, [])

    def run(self) -> Done:
        """Push what is missing; return what there is then."""
        history = self._history
        customer = self._sign()
        if self._was_there:
            self._look(customer)
        self._bill()
        voided = voided_in(history)
        total = Decimal(0)
        differences: list[Difference] = []
        for invoice in history.invoices:
            got = self._totals[invoice.key]
            if not is_same(invoice.total, got):
                differences.append(Difference(invoice.key, self._invoices[invoice.key], invoice.total, got))
            if invoice.key not in voided:
                total = EXACT.add(total, got)
        lines = sum(len(invoice.lines) for invoice in history.invoices)
        return Done(self._pushed(customer, total), lines, differences)

    def _pushed(self, customer: str, total: Decimal) -> Pushed:
        one = self._history.customer
        return Pushed(one.number, one.key, customer, self._contracts, self._invoices, total)

    # the customer and its contracts

    def _sign(self) -> str:
        """Make the customer and its contracts; return the customer's id."""
        customer = self._made(self._world.customer(self._history.customer), self._customer_there)
        for contract in self._history.contracts:
            self._contracts[contract.key] = self._made(self._world.contract(contract), self._contract_there)
        return customer

    def _made(self, creation: Creation, find: Callable[[Json], str]) -> str:
        """Make something, or find what an earlier run made; return the server's id."""
        body = translated(creation.body, self._ids)
        answer = _post(self._sender, creation.path, body)
        if answer.status == CONFLICT:
            self._was_there = True
            made = find(body)
        elif answer.status != 200:
            raise Refused(creation.key, creation.path, answer)
        else:
            self._was_there |= answer.headers.get("idempotency-replayed") == "true"
            made = str(value_of(answer)["data"]["id"])
        self._ids[self._world.id_of(creation.kind, creation.key)] = made
        return made

    def _customer_there(self, body: Json) -> str:
        [alias] = body["ingest_aliases"]
        found = _asked(self._sender, f"/v1/customers?ingest_alias={quote(alias)}")["data"]
        for customer in found:
            if customer["name"] == body["name"]:
                return str(customer["id"])
        raise AliasTaken(alias, self._sender.name)

    def _contract_there(self, body: Json) -> str:
        answer = posted(self._sender, body["name"], CONTRACTS, {"customer_id": body["customer_id"]})
        for contract in answer["data"]:
            if contract.get("uniqueness_key") == body["uniqueness_key"]:
                return str(contract["id"])
        raise WrongUse(f"{body['name']}: uniqueness_key {body['uniqueness_key']} is taken, but not by this customer")

    # invoices

    def _look(self, customer: str) -> None:
        """Find out which invoices the server has. Those of a month were made in order, each voided before the next."""
        there: dict[tuple[str, datetime], list[Json]] = {}
        for invoice in listed(self._sender, f"/v1/customers/{customer}/invoices?type=USAGE&limit=100"):
            period = (invoice["contract_id"], datetime.fromisoformat(invoice["start_timestamp"]))
            there.setdefault(period, []).append(invoice)
        for found in there.values():
            found.sort(key=lambda invoice: (invoice["status"] != "VOID", invoice.get("created_at", "")))
        for wanted in self._history.invoices:
            found = there.get((self._contracts[wanted.contract], _midnight(wanted.starting_at)), [])
            if found:
                invoice = found.pop(0)
                self._note(wanted, invoice)
                if invoice["status"] == "VOID":
                    self._voided.add(wanted.key)

    def _bill(self) -> None:
        """Send invoices, several at once; an invoice is voided before the one that corrects it comes."""
        batch: list[Invoice] = []
        texts: list[str] = []
        size = 0
        for invoice in self._history.invoices:
            if invoice.corrects is not None and invoice.corrects not in self._voided:
                self._import(batch, texts)
                size = 0
                posted(self._sender, invoice.corrects, VOID, {"id": self._invoices[invoice.corrects]})
            if invoice.key in self._totals:
                continue
            text = self._renderer.invoice(invoice, self._history.customer.key)
            if size + len(text) > MAX_BATCH_BYTES:
                self._import(batch, texts)
                size = 0
            batch.append(invoice)
            texts.append(text)
            size += len(text)
        self._import(batch, texts)

    def _import(self, batch: list[Invoice], texts: list[str]) -> None:
        """Send a batch and empty it."""
        if batch:
            body = f'{{"preview":false,"invoices":[{",".join(texts)}]}}'.encode()
            answers = posted(self._sender, f"{batch[0].key} to {batch[-1].key}", IMPORT, body)["data"]
            for invoice, answer in zip(batch, answers, strict=True):
                self._note(invoice, answer)
        batch.clear()
        texts.clear()

    def _note(self, invoice: Invoice, answer: Json) -> None:
        self._invoices[invoice.key] = str(answer["id"])
        self._totals[invoice.key] = Decimal(answer["total"])


def listed(sender: Sender, path: str) -> Iterator[Json]:
    """Yield what a list has, page after page.

    Args:
        path: With a query.

    Raises:
        CannotAsk: A page is not answered with 200.
    """
    page: Json = {"next_page": ""}
    while (cursor := page["next_page"]) is not None:
        page = _asked(sender, f"{path}&next_page={quote(cursor, safe='')}" if cursor else path)
        yield from page["data"]


def _asked(sender: Sender, path: str) -> Any:
    answer = sender.send("GET", path)
    if answer.status != 200:
        raise CannotAsk(f"GET {path} answered {answer.status}: {message_of(answer)}")
    return value_of(answer)


def posted(sender: Sender, what: str, path: str, body: Json | bytes) -> Any:
    """Return the JSON of a POST that has to be answered with 200.

    Raises:
        Refused: It is not.
    """
    answer = _post(sender, path, body)
    if answer.status != 200:
        raise Refused(what, path, answer)
    return value_of(answer)


def _post(sender: Sender, path: str, body: Json | bytes) -> Answer:
    data = body if isinstance(body, bytes) else encode(body)
    return sender.send("POST", path, data, sha256(path.encode() + b"\n" + data).hexdigest())


def translated(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a body with the server's ids in place of those in files."""
    if isinstance(value, dict):
        return {name: translated(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [translated(one, ids) for one in value]
    return ids.get(value, value) if isinstance(value, str) else value


def is_same(expected: Decimal, got: Decimal) -> bool:
    """Whether two totals agree to 9 digits."""
    return abs(expected - got) <= max(abs(expected), abs(got)) * PRECISION


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
