"""From a reconciliation to a verified import: what may be sent, under which journal, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from metronome_sandbox.client.asking import CannotAsk, value_of
from metronome_sandbox.client.hosts import is_loopback
from metronome_sandbox.client.progress import watched
from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer.apply import Applied, apply
from metronome_sandbox.importer.batches import BATCH_SIZE, Item, Packed, pack
from metronome_sandbox.importer.journal import Header, Journal, sha256_of
from metronome_sandbox.importer.legacy import Finding, LegacyInvoice
from metronome_sandbox.importer.on_target import TargetInvoice, differences, place_of, usage_invoices
from metronome_sandbox.importer.reconcile import Reconciliation, State
from metronome_sandbox.importer.request import content_key
from metronome_sandbox.importer.staging import Staging
from metronome_sandbox.importer.target_catalog import TargetInvoice as Occupant
from metronome_sandbox.importer.text_lines import unusable
from metronome_sandbox.importer.verify import Verified, verify

SUFFIX = ".import-journal"
RECONCILED = frozenset({State.EQUAL.value, State.WITHIN.value, State.NOTHING.value})


@dataclass(frozen=True, slots=True)
class Choice:
    """How an import is applied.

    Args:
        journal: Its file; beside the old invoices, unless given.
        accept_differences: Send what is out of tolerance as well.
        batch_size: Invoices of one request.
        yes_write_to: Host that may be written to although it is no sandbox on this machine.
    """

    journal: Path | None = None
    accept_differences: bool = False
    batch_size: int = BATCH_SIZE
    yes_write_to: str | None = None


@dataclass(slots=True)
class Conclusion:
    """What became of an import.

    Attributes:
        held_back: Invoices that could be sent, of customers with one that did not reconcile.
        refused: Invoices that cannot be sent, because the target would not preview them.
    """

    applied: Applied = field(default_factory=Applied)
    verified: Verified = field(default_factory=Verified)
    held_back: int = 0
    refused: int = 0

    @property
    def findings(self) -> list[Finding]:
        """All of both steps."""
        return [*self.applied.findings, *self.verified.findings]


class Present:
    """Tells old invoices that the target has already from others that are in their place.

    Asked for one customer after the other. An invoice counts as ours when it has the same period, issue date and
    quantities, whoever made it: it must not be made again.

    Args:
        on_found: Told of each old invoice that is there, once.
    """

    def __init__(
        self, sender: Sender, staging: Staging, on_found: Callable[[LegacyInvoice, TargetInvoice], None]
    ) -> None:
        self._sender = sender
        self._staging = staging
        self._on_found = on_found
        self._customer: str | None = None
        self._there: dict[str, TargetInvoice] = {}
        self._keys: set[str] = set()

    def is_ours(self, invoice: LegacyInvoice, occupant: Occupant) -> bool:
        """Whether what takes the time of an old invoice is that invoice."""
        if invoice.customer_id != self._customer:
            self._customer = invoice.customer_id
            places = (place_of(legacy) for _, legacy in self._staging.of_customer(invoice.customer_id))
            self._there = {one.id: one for one in usage_invoices(self._sender, invoice.customer_id, places)}
        there = self._there.get(occupant.id)
        if there is None or differences(invoice, there):
            return False
        key = content_key(invoice)
        if key not in self._keys:
            self._keys.add(key)
            self._on_found(invoice, there)
        return True

    def __contains__(self, invoice: LegacyInvoice) -> bool:
        return bool(self._keys) and content_key(invoice) in self._keys

    def __len__(self) -> int:
        return len(self._keys)


def may_write(sender: Sender, yes_write_to: str | None) -> None:
    """Make sure that the target is a sandbox on this machine, or that it was named on purpose.

    Raises:
        CannotAsk: It is neither.
    """
    if yes_write_to == sender.name:
        return
    if is_loopback(sender.name):
        clock = sender.send("GET", "/sandbox/clock")
        if clock.status != 404 and isinstance(value_of(clock), dict):
            return
    raise CannotAsk(
        f"{sender.name} is no sandbox on this machine, and --apply makes invoices there that count: add "
        f"--yes-write-to {sender.name} if that is what you want"
    )


def journal_file(path: Path, journal: Path | None) -> Path:
    """Return where the journal of an import is, unless another file is named for it."""
    return journal or path.with_name(path.name + SUFFIX)


def open_journal(path: Path, mapping_file: Path, base_url: str, journal: Path | None) -> Journal:
    """Return the journal of an import.

    Raises:
        CannotUseJournal: It is another one's, in use, or cannot be written.
        Unusable: The old file cannot be read.
        OSError: The mapping cannot be read.
    """
    address = urlsplit(base_url)
    host = f"{address.hostname}{'' if address.port is None else f':{address.port}'}{address.path.rstrip('/')}"
    try:
        rows = sha256_of(path)
    except OSError as error:
        raise unusable(path, f"cannot be read: {error.strerror or error}") from None
    header = Header(rows, sha256_of(mapping_file), host)
    return Journal(journal_file(path, journal), header)


def groups_of(
    staging: Staging,
    reconciliation: Reconciliation,
    families: Iterable[frozenset[str]],
    conclusion: Conclusion,
    *,
    accept_differences: bool,
) -> Iterator[list[Item]]:
    """Yield what may be sent, customers that share balances together; count in the conclusion what is held back.

    Where one invoice did not reconcile, its whole customer waits: what it draws from balances changes the others.
    """
    family_of = {customer_id: family for family in families for customer_id in family}
    seen: set[str] = set()
    for customer_id in staging.customers():
        if customer_id in seen:
            continue
        family = family_of.get(customer_id, frozenset())
        seen |= family
        planned: list[Item] = []
        held = refused = 0
        for member in sorted(family | {customer_id}):
            decided = {(row["contract_id"], row["starting_at"]): row for row in reconciliation.of_customer(member)}
            for _, invoice in staging.of_customer(member):
                row = decided.get((invoice.contract_id, invoice.starting_at.isoformat()))
                total = None if row is None else row["total"]
                if row is not None and total is not None and (accept_differences or row["state"] in RECONCILED):
                    planned.append(Item(pack(invoice), Decimal(total)))
                elif total is None:
                    refused += 1
                else:
                    held += 1
        conclusion.refused += refused
        if (held or refused) and not accept_differences:
            conclusion.held_back += held + len(planned)
        elif planned:
            yield planned


def carry_out(
    staging: Staging,
    reconciliation: Reconciliation,
    families: Iterable[frozenset[str]],
    sender: Sender,
    journal: Journal,
    choice: Choice,
    conclusion: Conclusion,
) -> None:
    """Send what reconciled, and read it back; what became of it is in the conclusion, as far as it came.

    Raises:
        CannotAsk: The target cannot be asked; the same import goes on where this one ended.
        CannotUseJournal: The journal cannot be written.
    """
    file = str(staging.path)
    accepts = choice.accept_differences
    groups = groups_of(staging, reconciliation, families, conclusion, accept_differences=accepts)
    with watched("importing", staging.counts.invoices, "invoices") as advance:

        def imported(done: Applied) -> None:
            conclusion.applied.add(done)
            advance(done.sent + done.found + done.known + done.left)

        apply(
            groups,
            sender,
            journal,
            file=file,
            accept_differences=accepts,
            batch_size=choice.batch_size,
            on_progress=imported,
        )
    with watched("verifying", len(journal), "invoices") as advance:

        def checked(done: Verified) -> None:
            conclusion.verified.add(done)
            advance(done.invoices)

        verify(_by_customer(staging), sender, journal, file=file, on_progress=checked)


def _by_customer(staging: Staging) -> Iterator[Sequence[Packed]]:
    for customer_id in staging.customers():
        yield [pack(invoice) for _, invoice in staging.of_customer(customer_id)]


def lines_of(conclusion: Conclusion, host: str) -> list[str]:
    """Return what became of an import, as sentences."""
    applied, verified = conclusion.applied, conclusion.verified
    there = applied.found + applied.known
    if applied.sent or applied.left or conclusion.held_back or conclusion.refused or not there:
        lines = [f"{applied.sent:,} invoices imported into {host}, {there:,} were there already"]
    else:
        lines = [f"all {there:,} invoices were imported before; nothing was sent"]
    if applied.left:
        lines.append(f"{applied.left:,} invoices were not sent, because something is wrong with their customers")
    if conclusion.held_back:
        lines.append(
            f"{conclusion.held_back:,} invoices of customers that did not reconcile were held back; "
            "--accept-differences sends them as well"
        )
    if conclusion.refused:
        lines.append(f"{conclusion.refused:,} invoices were not sent, because the API refused their previews")
    if verified.invoices:
        what = "as they were sent" if not verified.findings else f"{len(verified.findings):,} findings"
        lines.append(
            f"verified: {verified.invoices:,} invoices and {verified.draws:,} draws from balances read back, {what}"
        )
    return lines
