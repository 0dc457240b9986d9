"""The last step: everything that was imported is read back, and must be what was sent and what was answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from metronome_sandbox.client.asking import CannotAsk, message_of
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.batches import Packed
from metronome_sandbox.importer.comparison import are_equal
from metronome_sandbox.importer.journal import FINALIZED, Imported, Journal
from metronome_sandbox.importer.legacy import Finding, LegacyInvoice
from metronome_sandbox.importer.on_target import VOID, Place, TargetInvoice, differences, usage_invoices
from metronome_sandbox.importer.preview import ask, relatives_of

BALANCES = "/v1/contracts/customerBalances/list"
PAGE = 25
DEDUCTION = "_AUTOMATED_INVOICE_DEDUCTION"
ZERO = Decimal(0)


@dataclass(slots=True)
class Verified:
    """What was read back.

    Attributes:
        invoices: How many were.
        totals: Of them, by the id of the credit type.
        draws: Ledger entries that were compared.
    """

    invoices: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    draws: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Verified) -> None:
        """Count what was read back of others as well."""
        self.invoices += other.invoices
        self.draws += other.draws
        self.findings += other.findings
        for credit_type, total in other.totals.items():
            self.totals[credit_type] = self.totals.get(credit_type, ZERO) + total


class _Entry(msgspec.Struct, frozen=True, gc=False):
    type: str
    amount: Decimal
    invoice_id: str | None = None


class _Balance(msgspec.Struct, frozen=True, gc=False):
    id: str
    ledger: list[_Entry] = []


class _Page(msgspec.Struct, frozen=True, gc=False):
    data: list[_Balance]
    next_page: str | None = None


_PAGES = msgspec.json.Decoder(_Page)


def verify(
    customers: Iterable[Iterable[Packed]],
    sender: Sender,
    journal: Journal,
    *,
    file: str,
    on_progress: Callable[[Verified], None] = lambda _: None,
) -> Verified:
    """Read back what the journal says was imported.

    Each invoice is there once, not void, with the period, the date of issue, the quantities and the currency of the old
    one and the total that was answered; and what the ledgers say that it drew is what it said itself.

    Args:
        customers: The old invoices, those of one customer together.

    Raises:
        CannotAsk: The target cannot be asked.
    """
    summary = Verified()

    def run(invoices: Iterable[Packed]) -> Verified:
        return _Customer(invoices, sender, journal, file).verify()

    for done in sender.in_order(customers, run):
        summary.add(done)
        on_progress(done)
    return summary


class _Customer:
    def __init__(self, invoices: Iterable[Packed], sender: Sender, journal: Journal, file: str) -> None:
        known = ((invoice, journal.imported(invoice.key)) for invoice in invoices)
        self._imported = [(invoice, imported) for invoice, imported in known if imported is not None]
        self._sender = sender
        self._file = file
        self.result = Verified()

    def verify(self) -> Verified:
        """Read back what was imported of one customer."""
        if self._imported:
            self._check_invoices()
            self._check_ledgers()
        return self.result

    def _check_invoices(self) -> None:
        missing = {imported.id: (invoice, imported) for invoice, imported in self._imported}
        in_place: dict[Place, list[str]] = {}
        places = [invoice.place for invoice, _ in self._imported]
        totals = self.result.totals
        for there in usage_invoices(self._sender, self._imported[0][0].customer_id, places):
            if there.status != VOID:
                in_place.setdefault(there.place, []).append(there.id)
            if there.id in missing:
                invoice, imported = missing.pop(there.id)
                totals[there.credit_type.id] = totals.get(there.credit_type.id, ZERO) + there.total
                for problem in _problems(invoice.unpacked(), imported, there):
                    self._tell(invoice, f"invoice {imported.id}: {problem}")
        for invoice, imported in self._imported:
            self.result.invoices += 1
            if imported.id in missing:
                self._tell(invoice, f"invoice {imported.id} was imported and is not there any more")
            if len(others := in_place.get(invoice.place, [])) > 1:
                self._tell(invoice, f"this period was invoiced more than once: {', '.join(others)}")

    def _check_ledgers(self) -> None:
        """Hold what ledgers say that our invoices drew to what the invoices said when they were made."""
        said = {
            (balance, imported.id): amount
            for _, imported in self._imported
            for balance, amount in imported.draws.items()
        }
        if not said:
            return
        by_id = {imported.id: invoice for invoice, imported in self._imported}
        customer_id = self._imported[0][0].customer_id
        balances = self._balances(customer_id)
        if any(balance not in balances for balance, _ in said):  # a relative's pays
            for other in sorted(relatives_of(self._sender, customer_id) - {customer_id}):
                balances.update(self._balances(other))
        drawn: dict[tuple[str, str], Decimal] = {}
        for balance, entries in balances.items():
            for entry in entries:
                if entry.type.endswith(DEDUCTION) and entry.invoice_id in by_id:
                    key = balance, entry.invoice_id or ""
                    drawn[key] = drawn.get(key, ZERO) - entry.amount
        for key in dict.fromkeys((*said, *drawn)):
            balance, invoice_id = key
            took, says = said.get(key, ZERO), drawn.get(key, ZERO)
            self.result.draws += 1
            if not are_equal(took, says):
                self._tell(
                    by_id[invoice_id],
                    f"invoice {invoice_id} took {took:f} from balance {balance}, whose ledger says {says:f}",
                )

    def _balances(self, customer_id: str) -> dict[str, list[_Entry]]:
        found: dict[str, list[_Entry]] = {}
        body = {
            "customer_id": customer_id,
            "include_ledgers": True,
            "include_contract_balances": True,
            "include_archived": True,
            "limit": PAGE,
        }
        page: str | None = ""
        while page is not None:
            answer = ask(self._sender, BALANCES, {**body, "next_page": page} if page else body)
            if answer.status != 200:
                raise CannotAsk(f"{BALANCES} answered {answer.status}: {message_of(answer)}")
            try:
                read = _PAGES.decode(answer.body)
            except msgspec.DecodeError as error:
                raise CannotAsk(f"{BALANCES}: the answer is not what the document says: {error}") from None
            found.update((balance.id, balance.ledger) for balance in read.data)
            if read.next_page == page:
                raise CannotAsk(f"{BALANCES}: a page names itself as the next one")
            page = read.next_page
        return found

    def _tell(self, invoice: Packed, problem: str) -> None:
        self.result.findings.append(Finding(self._file, invoice.row, None, invoice.number, problem))


def _problems(invoice: LegacyInvoice, imported: Imported, found: TargetInvoice) -> list[str]:
    if found.status == VOID:
        return ["it is void by now"]
    problems = differences(invoice, found)
    if found.status not in (imported.status, FINALIZED):
        problems.append(f"its status is {found.status} and was {imported.status} when it was imported")
    if not are_equal(imported.total, found.total):
        problems.append(f"its total is {found.total:f} and was {imported.total:f} when it was imported")
    if not are_equal(imported.expected, found.total):
        problems.append(f"its total is {found.total:f} and its preview had {imported.expected:f}")
    return problems
