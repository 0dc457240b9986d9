"""``metronome-sandbox demo``: a customer with the official SDK plays the guide "Import existing invoices".

Acme Inc was billed elsewhere in June and July 2024 and moves to the sandbox on 15 August. The demo previews its old
invoices, holds them against what was billed, imports them and shows what else has moved; a second tenant imports by day
and by hour. Each figure that is shown is checked as well: a demo that only looks right is worse than none.

Nothing here imports the server. It is started as a process of its own and reached by HTTP, as any customer reaches it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from time import monotonic
from typing import Any, Literal, NamedTuple

import metronome
from metronome import Metronome
from metronome.types.shared import Commit
from metronome.types.v1.contract_create_historical_invoices_params import (
    Invoice as HistoricalInvoice,
)
from metronome.types.v1.contract_create_historical_invoices_params import (
    InvoiceUsageLineItem,
    InvoiceUsageLineItemSubtotalsWithQuantity,
)
from metronome.types.v1.customers.invoice import Invoice
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

WIDTH = 80
"""Columns at most: what a terminal has when nobody made it wider."""

MAIN_TOKEN = "demo-acme"
WINDOWS_TOKEN = "demo-windows"

USD_CENTS = "USD (cents)"
CONTROL_HEADER = "X-Sandbox-Control-Token"
START_SECONDS = 30
"""How long a server may take to start, on a machine that is busy with something else."""

STOP_SECONDS = 10


class DemoFailed(Exception):
    """The demo cannot go on; the text is for the person who started it."""


class WrongFigure(DemoFailed):
    """The sandbox gave another figure than the one worked out by hand."""

    def __init__(self, what: str, expected: object, received: object) -> None:
        super().__init__(f"wrong figure: {what} should be {expected} and is {received}")


# What was billed elsewhere --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bill:
    """What one month came to, in US cents.

    Attributes:
        units: API calls.
        usage: What they cost at the price list, 1,000 cents each.
        prepaid: What the prepaid commit paid of it.
        due: What remained to be paid.
    """

    units: float
    usage: float
    prepaid: float
    due: float

    @classmethod
    def of(cls, invoice: Invoice) -> Bill:
        """Return what an invoice of the API comes to."""
        lines = invoice.line_items
        return cls(
            units=sum(line.quantity or 0 for line in lines if line.type == "usage"),
            usage=sum(line.total for line in lines if line.type == "usage"),
            prepaid=-sum(line.total for line in lines if line.type == "applied_commit_or_credit"),
            due=invoice.total,
        )


class Month(NamedTuple):
    """A calendar month, and the instant at which its old invoice was issued."""

    name: str
    starting_at: datetime
    ending_before: datetime
    issue_date: datetime


def day(month: int, number: int, hour: int = 0) -> datetime:
    """Return a UTC instant of 2024."""
    return datetime(2024, month, number, hour, tzinfo=UTC)


JUNE = Month("June", day(6, 1), day(7, 1), day(7, 3))
JULY = Month("July", day(7, 1), day(8, 1), day(8, 3))
AUGUST = Month("August", day(8, 1), day(9, 1), day(9, 2))

GRANTED = 25_000
LEGACY = {
    JUNE: Bill(units=10, usage=10_000, prepaid=10_000, due=0),
    JULY: Bill(units=20, usage=20_000, prepaid=15_000, due=5_000),  # 15,000 is what June left of the commit
}
AUGUST_BEFORE = Bill(units=3, usage=3_000, prepaid=3_000, due=0)
AUGUST_AFTER = Bill(units=3, usage=3_000, prepaid=0, due=3_000)

BY_DAY: dict[datetime, float] = {day(6, 1): 1, day(6, 2): 4, day(6, 3): 5}
BY_HOUR: dict[datetime, float] = {day(7, 1, 9): 2, day(7, 1, 10): 7, day(7, 1, 14): 11}
"""Units by the start of their window. They add up to the 10 of June and the 20 of July."""


# The stage ------------------------------------------------------------------------------------------------------------


def cents(amount: float) -> str:
    """Return an amount as the API counts it, or a quantity."""
    return f"{amount:,.0f}"


def dollars(amount: float) -> str:
    """Return an amount of cents as people read it."""
    return f"{'-' if amount < 0 else ''}${abs(amount) / 100:,.2f}"


def date(instant: datetime | None) -> str:
    """Return the day of an instant."""
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d")


@dataclass
class Stage:
    """Where steps are announced, tables shown and figures checked."""

    console: Console
    steps: int = 0
    figures: int = 0

    def act(self, title: str) -> None:
        """Begin a part."""
        self.rule(f"[bold]{title}")
        self.console.print()

    def rule(self, title: str = "") -> None:
        """Draw a line, of characters that the terminal knows."""
        characters = "-" if self.console.options.ascii_only else "\u2500"
        self.console.rule(title, align="left", characters=characters, style="dim")

    def step(self, sentence: str, *calls: str) -> None:
        """Announce a step: what happens in plain words, and the call that does it."""
        self.steps += 1
        self.console.print(f"[bold]{self.steps:>2}. {sentence}")
        for call in calls:
            self.console.print(f"    {call}", style="cyan", markup=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows. A column whose name begins with ``>`` is for numbers and stands to the right."""
        table = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print()
        self.console.print(Padding(table, (0, 0, 0, 4), expand=False))
        self.console.print()

    def check(self, what: str, expected: object, received: object) -> None:
        """Hold a figure against the one worked out by hand.

        Raises:
            WrongFigure: They differ.
        """
        self.figures += 1
        if expected != received:
            raise WrongFigure(what, expected, received)

    def check_bill(self, what: str, expected: Bill, received: Bill) -> None:
        """Hold a month against the one worked out by hand, figure by figure."""
        for name in ("units", "usage", "prepaid", "due"):
            self.check(f"{what}, {name}", getattr(expected, name), getattr(received, name))


@dataclass
class Acme:
    """Acme Inc in one tenant: a client, and the ids it works with."""

    client: Metronome
    customer_id: str
    contract_id: str
    product_id: str
    credit_type_id: str

    @classmethod
    def move_in(cls, client: Metronome) -> Acme:
        """Empty the client's tenant, load the scenario and return the company."""
        client.post("/sandbox/reset", cast_to=object)
        scenario: Any = client.post("/sandbox/scenarios/acme", cast_to=object)
        ids: Mapping[str, Mapping[str, str]] = scenario["ids"]
        usd = next(unit for unit in client.v1.pricing_units.list() if unit.name == USD_CENTS)
        return cls(
            client,
            ids["customers"]["Acme Inc"],
            ids["contracts"]["Acme 2024"],
            ids["products"]["API calls"],
            usd.id or "",
        )

    def historical(self, month: Month, line: InvoiceUsageLineItem) -> HistoricalInvoice:
        """Return the invoice of a month as the import wants it: quantities, no prices."""
        return {
            "customer_id": self.customer_id,
            "contract_id": self.contract_id,
            "credit_type_id": self.credit_type_id,
            "inclusive_start_date": month.starting_at,
            "exclusive_end_date": month.ending_before,
            "issue_date": month.issue_date,
            "usage_line_items": [line],
        }

    def line(self, month: Month) -> InvoiceUsageLineItem:
        """Return a line of API calls, still without its quantity."""
        return {
            "product_id": self.product_id,
            "inclusive_start_date": month.starting_at,
            "exclusive_end_date": month.ending_before,
        }

    def invoices(self) -> list[Invoice]:
        """Return every invoice of the company, oldest first."""
        return list(self.client.v1.customers.invoices.list(customer_id=self.customer_id))

    def commit(self) -> Commit:
        """Return the prepaid commit with balance and ledger."""
        balances = self.client.v1.contracts.list_balances(
            customer_id=self.customer_id, include_contract_balances=True, include_balance=True, include_ledgers=True
        )
        return next(balance for balance in balances if isinstance(balance, Commit))


# The play -------------------------------------------------------------------------------------------------------------


def import_guide(stage: Stage, client: Metronome) -> str:
    """Play the guide's import of June and July; return the customer's id."""
    stage.act("Acme Inc brings its old invoices")
    acme = show_contract(stage, client)
    invoices = show_invoices_before(stage, acme)
    commit = show_balance_before(stage, acme)
    old = [acme.historical(month, {**acme.line(month), "quantity": bill.units}) for month, bill in LEGACY.items()]
    preview(stage, acme, old)
    show_that_nothing_changed(stage, acme, invoices, commit)
    import_for_good(stage, acme, old)
    show_ledger(stage, acme)
    void_and_regenerate(stage, acme)
    travel(stage, acme)
    return acme.customer_id


def show_contract(stage: Stage, client: Metronome) -> Acme:
    """Load the company and show what was agreed with it."""
    stage.step(
        "15 August 2024: Acme Inc has a contract since June and was billed elsewhere.",
        'client.post("/sandbox/scenarios/acme", cast_to=object)',
        "client.v2.contracts.retrieve(customer_id=acme, contract_id=contract)",
        "client.v1.contracts.retrieve_rate_schedule(customer_id=acme, ...)",
    )
    acme = Acme.move_in(client)
    contract = client.v2.contracts.retrieve(customer_id=acme.customer_id, contract_id=acme.contract_id).data
    commit = contract.commits[0]
    granted = 0 if commit.access_schedule is None else commit.access_schedule.schedule_items[0].amount
    rates = client.v1.contracts.retrieve_rate_schedule(customer_id=acme.customer_id, contract_id=acme.contract_id)
    price = next(row.list_rate.price for row in rates.data if row.product_id == acme.product_id) or 0
    since = date(contract.starting_at)
    stage.table(
        ("Agreed", "since", ">cents", ">dollars"),
        [
            (f"Contract {contract.name}, invoices every month", since, "", ""),
            ("Price of an API call", since, cents(price), dollars(price)),
            (f"{commit.name}, paid in advance", since, cents(granted), dollars(granted)),
        ],
    )
    stage.check("the contract's start", JUNE.starting_at, contract.starting_at)
    stage.check("the price of an API call", 1_000, price)
    stage.check("the amount of the commit", GRANTED, granted)
    return acme


def show_invoices_before(stage: Stage, acme: Acme) -> list[Invoice]:
    """Show the invoices that the contract made by itself."""
    stage.step(
        "The sandbox bills from August on: one draft, and nothing for June and July.",
        "client.v1.customers.invoices.list(customer_id=acme)",
    )
    invoices = acme.invoices()
    show_invoices(stage, invoices)
    stage.check("the invoices before the import", ["DRAFT"], [invoice.status for invoice in invoices])
    stage.check("the start of the draft", AUGUST.starting_at, invoices[0].start_timestamp)
    stage.check_bill("the August draft before the import", AUGUST_BEFORE, Bill.of(invoices[0]))
    return invoices


def show_balance_before(stage: Stage, acme: Acme) -> Commit:
    """Show what is left of the commit."""
    stage.step(
        "So far only the August draft draws on the prepaid commit.",
        "client.v1.contracts.list_balances(customer_id=acme, ...)",
    )
    commit = acme.commit()
    left = commit.balance or 0
    stage.table(
        ("Balance", ">granted\ncents", ">drawn\ncents", ">left\ncents", ">left\ndollars"),
        [(commit.name or "", cents(GRANTED), cents(GRANTED - left), cents(left), dollars(left))],
    )
    stage.check("the balance before the import", GRANTED - AUGUST_BEFORE.prepaid, left)
    return commit


def preview(stage: Stage, acme: Acme, old: Sequence[HistoricalInvoice]) -> None:
    """Preview the import beside what was billed."""
    stage.step(
        "Preview June and July, and hold them against what was billed elsewhere.",
        "client.v1.contracts.create_historical_invoices(invoices=old, preview=True)",
    )
    invoices = acme.client.v1.contracts.create_historical_invoices(invoices=old, preview=True).data
    compared = [
        (month, billed, Bill.of(invoice)) for (month, billed), invoice in zip(LEGACY.items(), invoices, strict=True)
    ]
    rows = []
    for month, billed, ours in compared:
        rows.append((month.name, "units", cents(billed.units), cents(ours.units), cents(ours.units - billed.units), ""))
        for label, theirs, here in (
            ("usage", billed.usage, ours.usage),
            ("paid by the commit", billed.prepaid, ours.prepaid),
            ("due", billed.due, ours.due),
        ):
            rows.append(("", label, cents(theirs), cents(here), cents(here - theirs), dollars(here)))
    stage.table(("Invoice", "", ">billed\ncents", ">preview\ncents", ">differs\nby", ">preview\ndollars"), rows)
    for month, billed, ours in compared:
        stage.check_bill(f"{month.name} in the preview", billed, ours)


def show_that_nothing_changed(stage: Stage, acme: Acme, invoices: list[Invoice], commit: Commit) -> None:
    """Read again what was read before the preview."""
    stage.step(
        "A preview saves nothing: the same invoice and the same balance as before.",
        "client.v1.customers.invoices.list(customer_id=acme)",
        "client.v1.contracts.list_balances(customer_id=acme, ...)",
    )
    found, balance = acme.invoices(), acme.commit()
    left = balance.balance or 0
    stage.table(
        ("After the preview", ">invoices", ">left\ncents", ">left\ndollars"),
        [("as before", cents(len(found)), cents(left), dollars(left))],
    )
    stage.check("the invoices after the preview", invoices, found)
    stage.check("the commit after the preview", commit, balance)


def import_for_good(stage: Stage, acme: Acme, old: Sequence[HistoricalInvoice]) -> None:
    """Import for good, and show that the draft of August has moved."""
    stage.step(
        "Import them: the same call, for good. August has nothing left to draw on.",
        "client.v1.contracts.create_historical_invoices(invoices=old, preview=False)",
        "client.v1.customers.invoices.list(customer_id=acme)",
    )
    acme.client.v1.contracts.create_historical_invoices(invoices=old, preview=False)
    invoices = acme.invoices()
    show_invoices(stage, invoices)
    statuses = ["FINALIZED", "FINALIZED", "DRAFT"]
    stage.check("the statuses after the import", statuses, [invoice.status for invoice in invoices])
    for (month, bill), invoice in zip([*LEGACY.items(), (AUGUST, AUGUST_AFTER)], invoices, strict=True):
        stage.check(f"when {month.name} was issued", month.issue_date, invoice.issued_at)
        stage.check_bill(f"{month.name} after the import", bill, Bill.of(invoice))


def show_invoices(stage: Stage, invoices: Sequence[Invoice]) -> None:
    """Show invoices, one a row."""
    bills = [(month_of(invoice), invoice.status, Bill.of(invoice)) for invoice in invoices]
    stage.table(
        ("Invoice", "Status", *BILL_COLUMNS),
        [(name, status, *bill_cells(bill)) for name, status, bill in bills],
    )


BILL_COLUMNS = (">units", ">usage\ncents", ">by commit\ncents", ">due\ncents", ">due\ndollars")


def bill_cells(bill: Bill) -> tuple[str, ...]:
    """Return the cells of a bill under :data:`BILL_COLUMNS`."""
    return (cents(bill.units), cents(bill.usage), cents(-bill.prepaid), cents(bill.due), dollars(bill.due))


def month_of(invoice: Invoice) -> str:
    """Return the name of the month that an invoice bills."""
    return "" if invoice.start_timestamp is None else invoice.start_timestamp.strftime("%B")


def show_ledger(stage: Stage, acme: Acme) -> None:
    """Show where the commit went."""
    stage.step(
        "The ledger of the commit: June and July have used it up.",
        "client.v1.contracts.list_balances(customer_id=acme, ...)",
    )
    commit = acme.commit()
    entries = [(date(entry.timestamp), entry.type, entry.amount) for entry in commit.ledger or []]
    rows = [*entries, ("", "left", commit.balance or 0)]
    stage.table(
        ("Date", "Entry", ">cents", ">dollars"),
        [(day, kind, cents(amount), dollars(amount)) for day, kind, amount in rows],
    )
    stage.check("the ledger", [GRANTED, -10_000, -15_000], [amount for _, _, amount in entries])
    stage.check("the balance after the import", 0, commit.balance)


class Position(NamedTuple):
    """What is due and what is left at one moment, in US cents. An invoice that is void is not due at all: None."""

    july: float | None
    august: float | None
    left: float


def void_and_regenerate(stage: Stage, acme: Acme) -> None:
    """Take July back and make it again."""
    stage.step(
        "Void July: the commit has its money back. Regenerate it: it is spent again.",
        "client.v1.invoices.void(id=july)",
        "client.v1.invoices.regenerate(id=july)",
    )
    july = acme.invoices()[1].id
    as_imported = _position(acme)
    acme.client.v1.invoices.void(id=july)
    void = _position(acme)
    acme.client.v1.invoices.regenerate(id=july)
    regenerated = _position(acme)
    rows = [("as imported", as_imported), ("July is void", void), ("July is back", regenerated)]
    stage.table(
        ("", ">July due\ncents", ">August due\ncents", ">commit left\ncents", ">commit left\ndollars"),
        [
            (name, *("-" if amount is None else cents(amount) for amount in position), dollars(position.left))
            for name, position in rows
        ],
    )
    stage.check("July, August and commit as imported", Position(5_000, 3_000, 0), as_imported)
    # Of the 25,000 June keeps 10,000, and the August draft takes its 3,000 again.
    stage.check("July, August and commit while July is void", Position(None, 0, 12_000), void)
    stage.check("July, August and commit with July back", as_imported, regenerated)


def _position(acme: Acme) -> Position:
    due = {month_of(invoice): invoice.total for invoice in acme.invoices() if invoice.status != "VOID"}
    return Position(due.get(JULY.name), due.get(AUGUST.name), acme.commit().balance or 0)


def travel(stage: Stage, acme: Acme) -> None:
    """Let time pass until August is final."""
    stage.step(
        "Travel 19 days: August ends, and after a day of grace its invoice is final.",
        'client.post("/sandbox/clock/advance", body={"by": "P19D"}, cast_to=object)',
    )
    passage: Any = acme.client.post("/sandbox/clock/advance", body={"by": "P19D"}, cast_to=object)
    invoices = {invoice.id: invoice for invoice in acme.invoices()}
    events = [
        (event["timestamp"][:10], event["type"], month_of(invoices[event["invoice_id"]])) for event in passage["events"]
    ]
    stage.table(("Date", "What happened", "Invoice"), events)
    expected = [
        ("2024-09-01", "invoice.draft_created", "September"),
        ("2024-09-02", "invoice.finalized", "August"),
    ]
    stage.check("what happened on the way", expected, events)
    august = next(invoice for invoice in invoices.values() if month_of(invoice) == AUGUST.name)
    stage.check("the status of August on 3 September", "FINALIZED", august.status)
    stage.check_bill("August once it is final", AUGUST_AFTER, Bill.of(august))


Size = Literal["DAY", "HOUR"]


def import_by_window(stage: Stage, client: Metronome) -> None:
    """Import June by day and July by hour."""
    stage.act("Another token is another world: the same company, by day and by hour")
    acme = Acme.move_in(client)
    import_month(stage, acme, JUNE, "DAY", BY_DAY)
    import_month(stage, acme, JULY, "HOUR", BY_HOUR)


def import_month(stage: Stage, acme: Acme, month: Month, size: Size, units: Mapping[datetime, float]) -> None:
    """Import a month with the quantity of each of its windows, and read the windows back."""
    stage.step(
        f"Import {month.name} with a quantity for each {size.lower()}, and read the {size.lower()}s back.",
        "client.v1.contracts.create_historical_invoices(invoices=old, preview=False)",
        f'client.v1.customers.invoices.list_breakdowns(window_size="{size}", ...)',
    )
    length = timedelta(days=1) if size == "DAY" else timedelta(hours=1)
    subtotals: list[InvoiceUsageLineItemSubtotalsWithQuantity] = [
        {"inclusive_start_date": start, "exclusive_end_date": start + length, "quantity": quantity}
        for start, quantity in units.items()
    ]
    invoice = acme.historical(month, {**acme.line(month), "subtotals_with_quantity": subtotals})
    invoice["breakdown_granularity"] = size
    whole = acme.client.v1.contracts.create_historical_invoices(invoices=[invoice], preview=False).data[0]
    windows = acme.client.v1.customers.invoices.list_breakdowns(
        customer_id=acme.customer_id,
        starting_on=month.starting_at,
        ending_before=month.ending_before,
        window_size=size,
    )
    bills = {window.breakdown_start_timestamp: Bill.of(window) for window in windows}
    written = "%d %B" if size == "DAY" else "%d %B, %H:%M"
    stage.table(
        (f"{size.capitalize()} (UTC)", *BILL_COLUMNS),
        [
            *((start.strftime(written), *bill_cells(bill)) for start, bill in bills.items()),
            (f"all of {month.name}", *bill_cells(Bill.of(whole))),
        ],
    )
    stage.check(f"units by {size.lower()}", units, {start: bill.units for start, bill in bills.items()})
    stage.check(f"due by {size.lower()}, together", whole.total, sum(bill.due for bill in bills.values()))
    stage.check_bill(f"{month.name} by {size.lower()}", LEGACY[month], Bill.of(whole))


# Starting, and ending -------------------------------------------------------------------------------------------------


class RunningServer:
    """A sandbox in a process of its own, started and ready.

    Args:
        port: Where it listens; 0 takes a free one.

    Attributes:
        url: Where it is reached.

    Raises:
        DemoFailed: It ended instead of listening, or was ended because it took too long.
    """

    def __init__(self, port: int) -> None:
        # The variables that steer `serve` are for the caller's own server; this one is the demo's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("METRONOME_SANDBOX_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "metronome_sandbox", "serve", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
        self.url = ""
        self._said: deque[str] = deque(maxlen=50)
        self._is_ready = Event()
        self._is_heard = Event()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._is_ready.wait(START_SECONDS)
        if not self.url:
            self.stop()
            raise DemoFailed(f"the sandbox did not start: {''.join(self._said).strip() or 'it said nothing'}")

    def _listen(self) -> None:
        """Read what the server says until it ends, so that it never waits for a full pipe."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                announced = re.search(r"listens on (http://\S+)", line)
                if self._is_heard.is_set():
                    sys.stderr.write(line)
                elif announced is not None and not self.url:
                    self.url = announced.group(1)
                    self._is_ready.set()
                else:
                    self._said.append(line)
        self._is_ready.set()

    def stay(self) -> None:
        """Wait until the server ends or somebody presses Ctrl-C; meanwhile its complaints are heard."""
        self._is_heard.set()
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()


@contextmanager
def running(port: int) -> Iterator[RunningServer]:
    """Run a sandbox for as long as the block takes."""
    server = RunningServer(port)
    try:
        yield server
    finally:
        server.stop()


def client_of(url: str, token: str, control_token: str | None, *, is_own: bool) -> Metronome:
    """Return a client of one tenant. A server of our own is never behind the proxy that the environment names."""
    headers = {} if control_token is None else {CONTROL_HEADER: control_token}
    http_client = metronome.DefaultHttpxClient(trust_env=not is_own)
    return Metronome(base_url=url, bearer_token=token, default_headers=headers, http_client=http_client)


def run(*, port: int = 0, base_url: str | None = None, control_token: str | None = None, stays: bool = False) -> int:
    """Play the demo and return the exit status: 0 when every figure was right, else 1.

    Args:
        port: Of the server that is started; 0 takes a free one.
        base_url: A sandbox that runs already, instead of one that is started.
        control_token: What that sandbox wants for its control plane.
        stays: Leave the server running until Ctrl-C.
    """
    console = Console(width=min(WIDTH, Console().width), highlight=False, soft_wrap=False)
    try:
        with ExitStack() as stack:
            server = None if base_url else stack.enter_context(running(port))
            url = base_url or (server.url if server is not None else "")
            customer_id = _play(console, url.rstrip("/"), control_token, stack, is_own=server is not None)
            if stays and server is not None:
                _invite(console, url, customer_id)
                server.stay()
    except DemoFailed as failure:
        print(f"metronome-sandbox demo: {failure}", file=sys.stderr)
    except metronome.APIStatusError as error:
        request = f"{error.request.method} {error.request.url.path}"
        print(f"metronome-sandbox demo: {request} answered {error.status_code}: {error.message}", file=sys.stderr)
    except metronome.APIConnectionError as error:
        print(f"metronome-sandbox demo: nothing answers at {error.request.url}", file=sys.stderr)
    else:
        return 0
    return 1


def _play(console: Console, url: str, control_token: str | None, stack: ExitStack, *, is_own: bool) -> str:
    """Play both parts; return the id of the customer of the first."""
    started = monotonic()
    stage = Stage(console)
    main, other = (
        stack.enter_context(client_of(url, token, control_token, is_own=is_own))
        for token in (MAIN_TOKEN, WINDOWS_TOKEN)
    )
    console.print(f"[bold]metronome-sandbox {_version(main, url)}[/] at {url}")
    console.print(f'The guide "Import existing invoices", played with metronome-sdk {metronome.__version__}.')
    console.print("The API counts US cents; tables give the dollars beside them.\n")
    customer_id = import_guide(stage, main)
    import_by_window(stage, other)
    stage.rule()
    seconds = monotonic() - started
    console.print(
        f"[bold]All {stage.figures} figures are as worked out by hand.[/] {stage.steps} steps, {seconds:.1f} s."
    )
    return customer_id


def _version(client: Metronome, url: str) -> str:
    """Return the version of the sandbox, before anything is made in what might be something else.

    Raises:
        DemoFailed: There is no sandbox at the URL.
    """
    try:
        health: Any = client.get("/sandbox/health", cast_to=object)
    except metronome.APIStatusError as error:
        raise DemoFailed(f"{url} is no metronome-sandbox: /sandbox/health answered {error.status_code}") from error
    if not isinstance(health, dict) or "version" not in health:
        raise DemoFailed(f"{url} is no metronome-sandbox: /sandbox/health answered something else")
    return str(health["version"])


def _invite(console: Console, url: str, customer_id: str) -> None:
    """Say how to go on with the server that stays."""
    console.print(f"\nThe server stays at {url} until Ctrl-C (documentation: {url}/docs).\n")
    console.print(f"  export METRONOME_BASE_URL={url}")
    console.print(f"  export METRONOME_BEARER_TOKEN={MAIN_TOKEN}")
    console.print(f"\nThe company by day and by hour is behind the token {WINDOWS_TOKEN}. Try it:\n")
    path = f"/v1/customers/{customer_id}/invoices"
    # One line to copy, however long: no wrapping here.
    console.print(f"  curl -H 'Authorization: Bearer {MAIN_TOKEN}' {url}{path}", soft_wrap=True)
