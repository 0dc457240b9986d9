"""Sending what reconciled, so that each invoice is on the target once, whenever and however often the import ends.

Problem: between "the target did it" and "we know it" there is always an instant at which either may die, and the keys
under which a target answers a repeated request with its first answer are kept for a day only. Observation: an invoice
can be found again by its contract and period. Choice: before anything is sent for customers, what the target has of
theirs is looked at; a request is announced in the journal before it is sent; and what is in doubt is looked for again
rather than believed. The idempotency key covers what a look cannot see: a request that is still under way.

Customers that share balances are one sequence, in the order of their periods; others are sent at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from metronome_sandbox.client.asking import Answer, CannotAsk, message_of
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.batches import (
    BATCH_SIZE,
    Batch,
    Item,
    Packed,
    batches,
    idempotency_key,
    in_order,
)
from metronome_sandbox.importer.comparison import are_equal
from metronome_sandbox.importer.journal import Found, Imported, Journal, Refused, Result
from metronome_sandbox.importer.legacy import Finding
from metronome_sandbox.importer.on_target import VOID, Place, differences, made, usage_invoices

PATH = "/v1/contracts/createHistoricalInvoices"
ATTEMPTS = 3
"""Of a request that the target answers with an error of its own (500), each under a key of its own."""

NOT_ALLOWED = (401, 403)
TOO_LARGE = 413
SERVER_ERRORS = 500


class NotThisTarget(CannotAsk):
    """The journal tells of invoices that the target does not have."""


@dataclass(slots=True)
class Applied:
    """What became of customers that share balances, or of all.

    Attributes:
        sent: Invoices that were made by this run.
        found: Those that were on the target, though the journal did not know.
        known: Those that the journal knew.
        left: Those that were not sent, for what is in ``findings``.
    """

    sent: int = 0
    found: int = 0
    known: int = 0
    left: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Applied) -> None:
        """Count what became of others as well."""
        self.sent += other.sent
        self.found += other.found
        self.known += other.known
        self.left += other.left
        self.findings += other.findings


def apply(
    groups: Iterable[Sequence[Item]],
    sender: Sender,
    journal: Journal,
    *,
    file: str,
    accept_differences: bool = False,
    batch_size: int = BATCH_SIZE,
    on_progress: Callable[[Applied], None] = lambda _: None,
) -> Applied:
    """Import what is planned and not there yet, and return what became of it.

    Args:
        groups: Customers that share balances are one group; each invoice is in one group only.
        file: Name of the legacy file, for findings.
        accept_differences: Go on with customers of whom an invoice came to another total than its preview.
        batch_size: Invoices of one request.
        on_progress: Told of each group that is done, in this thread.

    Raises:
        CannotAsk: The target cannot be asked; the same call goes on where this one ended.
        CannotUseJournal: The journal cannot be written.
    """
    summary = Applied()

    def run(group: Sequence[Item]) -> Applied:
        return _Group(group, sender, journal, file, accept_differences, batch_size).apply()

    for done in sender.in_order(groups, run):
        summary.add(done)
        on_progress(done)
    return summary


@dataclass(frozen=True, slots=True)
class _There:
    """What is needed of an invoice of the target; ``differences`` from the old one in whose place it is."""

    id: str
    status: str
    total: Decimal
    draws: dict[str, Decimal]
    differences: tuple[str, ...]


class _Stop(Exception):
    """Nothing more is sent for a group; the finding is why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.problem)
        self.finding = finding


class _Group:
    """Customers that share balances."""

    def __init__(
        self,
        items: Iterable[Item],
        sender: Sender,
        journal: Journal,
        file: str,
        accept_differences: bool,
        batch_size: int,
    ) -> None:
        self._items = in_order(items)
        self._sender = sender
        self._journal = journal
        self._file = file
        self._accepts = accept_differences
        self._batch_size = batch_size
        self._voided: dict[str, int] = {}
        self.done = Applied()

    def apply(self) -> Applied:
        """Import what is not there yet."""
        absent: list[Item] = []
        try:
            absent = self._look(self._items)
            for batch in self._requests(absent):
                self._send(batch)
        except _Stop as stop:
            self.done.findings.append(stop.finding)
        known = self.done.sent + self.done.found + self.done.known
        self.done.left = len(self._items) - known
        return self.done

    # Looking --------------------------------------------------------------------------------------------------------

    def _look(self, items: Sequence[Item]) -> list[Item]:
        """Note what the target has and return the items that it has not.

        Raises:
            _Stop: It has something else in the place of one.
        """
        there, voided = self._on_target(items)
        found: list[Imported] = []
        absent: list[Item] = []
        stop: _Stop | None = None
        for item in items:
            known = self._journal.imported(item.key)
            self._voided[item.key] = len(voided.get(item.key, ()))
            invoice = there.get(item.key)
            if invoice is None and known is not None:
                self._refuse_lost(item, known, voided.get(item.key, ()))
            if invoice is None:
                absent.append(item)
            elif invoice.differences:
                others = "; ".join(invoice.differences)
                stop = stop or self._stop(
                    item.packed, f"the target has invoice {invoice.id} for this period, and {others}"
                )
            elif known is not None and known.id == invoice.id:
                self.done.known += 1
                stop = stop or self._other_total(item.packed, known)
            else:
                imported = self._imported(item, invoice)
                found.append(imported)
                stop = stop or self._other_total(item.packed, imported)
        if found:
            self._journal.add(Found(found))
            self.done.found += len(found)
        if stop is not None:
            raise stop
        return absent

    def _on_target(self, items: Sequence[Item]) -> tuple[dict[str, _There], dict[str, list[str]]]:
        """Return what is in the place of items by their keys, and the ids of what was and is void."""
        by_place = {item.packed.place: item.packed for item in items}
        customers: dict[str, list[Place]] = {}
        for item in items:
            customers.setdefault(item.packed.customer_id, []).append(item.packed.place)
        there: dict[str, _There] = {}
        voided: dict[str, list[str]] = {}
        for customer_id, places in customers.items():
            for invoice in usage_invoices(self._sender, customer_id, places):
                packed = by_place.get(invoice.place)
                if packed is not None and invoice.status == VOID:
                    voided.setdefault(packed.key, []).append(invoice.id)
                elif packed is not None:
                    others = tuple(differences(packed.unpacked(), invoice))
                    there[packed.key] = _There(invoice.id, invoice.status, invoice.total, invoice.draws, others)
        return there, voided

    def _refuse_lost(self, item: Item, known: Imported, voided: Sequence[str]) -> None:
        number = item.packed.number
        if known.id in voided:
            raise self._stop(
                item.packed,
                f"invoice {known.id} was imported and is void by now; name another --journal to import it again",
            )
        raise NotThisTarget(
            f"the journal {self._journal.path} says that invoice {number} is {known.id} on {self._sender.name}, which "
            "does not have it: the token is another account's, or the sandbox was reset; name another --journal to "
            "import into it"
        )

    def _imported(self, item: Item, invoice: _There) -> Imported:
        expected = next(
            (
                announced.expected
                for intent in self._journal.in_doubt([item.key])
                for announced in intent.invoices
                if announced.key == item.key
            ),
            item.total,
        )
        return Imported(item.key, invoice.id, invoice.total, expected, invoice.draws, invoice.status)

    def _other_total(self, invoice: Packed, imported: Imported) -> _Stop | None:
        if are_equal(imported.expected, imported.total):
            return None
        problem = (
            f"invoice {imported.id} was imported with a total of {imported.total:f}, its preview had "
            f"{imported.expected:f}: balances, rates or the contract changed in between"
        )
        if self._accepts:
            self.done.findings.append(_finding(self._file, invoice, problem))
            return None
        return self._stop(invoice, f"{problem}; nothing more was sent for this customer")

    # Sending --------------------------------------------------------------------------------------------------------

    def _requests(self, absent: Sequence[Item]) -> list[Batch]:
        """Return what is to be sent.

        What was announced and is not there may be under way still: it is the same request as before, under the same
        key, so that the target does it once.
        """
        by_key = {item.key: item for item in absent}
        again = [
            Batch(tuple(by_key.pop(each.key) for each in intent.invoices))
            for intent in self._journal.in_doubt(by_key)
            if all(each.key in by_key for each in intent.invoices)
        ]
        return [*again, *batches([item for item in absent if item.key in by_key], self._batch_size)]

    def _send(self, batch: Batch) -> None:
        """Import a batch.

        Raises:
            _Stop: The target refused it, or did something else.
        """
        body = batch.body
        voided = sum(self._voided[item.key] for item in batch.items)
        for attempt in range(ATTEMPTS):
            key = idempotency_key(body, voided, attempt)
            self._journal.announce(key, batch.items)
            answer = self._sender.send("POST", PATH, body, key)
            if self._take(batch, key, answer):
                return
            if answer.status in NOT_ALLOWED:
                raise CannotAsk(f"{PATH} answered {answer.status}: {message_of(answer)}")
            absent = self._look(batch.items)
            self._journal.add(Refused(key, answer.status, message_of(answer)))
            if not absent:
                return
            if answer.status == TOO_LARGE and len(batch.items) > 1:
                for half in batch.halves():
                    self._send(half)
                return
            if answer.status < SERVER_ERRORS:
                break
        raise self._stop(
            batch.items[0].packed,
            f"the target answered {_named(batch)} with {answer.status}: {message_of(answer)}; nothing more was sent "
            "for this customer",
        )

    def _take(self, batch: Batch, key: str, answer: Answer) -> bool:
        """Note what an answer says was made; return whether it says that of each invoice."""
        by_place = {invoice.place: invoice for invoice in made(answer) or ()}
        invoices = [by_place.get(item.packed.place) for item in batch.items]
        if any(invoice is None or invoice.status == VOID for invoice in invoices):
            return False
        results = [
            Imported(item.key, invoice.id, invoice.total, item.total, invoice.draws, invoice.status)
            for item, invoice in zip(batch.items, invoices, strict=True)
            if invoice is not None
        ]
        self._journal.add(Result(key, results))
        self.done.sent += len(results)
        for item, imported in zip(batch.items, results, strict=True):
            if (stop := self._other_total(item.packed, imported)) is not None:
                raise stop
        return True

    def _stop(self, invoice: Packed, problem: str) -> _Stop:
        return _Stop(_finding(self._file, invoice, problem))


def _finding(file: str, invoice: Packed, problem: str) -> Finding:
    return Finding(file, invoice.row, None, invoice.number, f"{problem} (customer {invoice.customer_name})")


def _named(batch: Batch) -> str:
    numbers = [item.packed.number for item in batch.items]
    return numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} ({len(numbers)} invoices)"
