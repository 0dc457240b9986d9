"""The play: the import of June and July as the guide tells it, and the same months by day and by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from metronome import Metronome
from metronome.types.shared import Commit
from metronome.types.v1.contract_create_historical_invoices_params import Invoice as HistoricalInvoice
from metronome.types.v1.contract_create_historical_invoices_params import InvoiceUsageLineItemSubtotalsWithQuantity
from metronome.types.v1.customers.invoice import Invoice

from metronome_sandbox.demo.company import Acme
from metronome_sandbox.demo.figures import (
    AUGUST,
    AUGUST_AFTER,
    AUGUST_BEFORE,
    BY_DAY,
    BY_HOUR,
    GRANTED,
    JULY,
    JUNE,
    LEGACY,
    Bill,
    Month,
)
from metronome_sandbox.demo.stage import Stage, cents, date, dollars


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
