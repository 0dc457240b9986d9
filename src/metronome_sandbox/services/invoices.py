"""Invoices: read, cut into windows, voided, made again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.breakdowns import Breakdown, break_down
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services.charges import (
    charges_billed_by,
    scheduled_invoice,
    scheduled_invoice_id,
    settle,
    store_invoice,
)
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.customers import get_customer
from metronome_sandbox.services.drafts import (
    draft,
    drafts_of,
    events_of,
    find_invoice,
    price_events,
    reprice,
    taken_before,
    usage_invoice_id,
)
from metronome_sandbox.services.historical_invoices import overlapping
from metronome_sandbox.services.passage import check_thresholds
from metronome_sandbox.services.payment_gates import waiting_on


class InvoiceList(Sequence[Invoice]):
    """A customer's invoices by issue time, stored ones and drafts merged. Reading one costs the same for any length."""

    def __init__(self, context: Context, customer_id: CustomerId, *, newest_first: bool = False) -> None:
        store = context.store
        drafts = drafts_of(context, customer_id)
        self._invoices = store.invoices
        self._stored = store.invoices_of.ids(customer_id)
        self._repriced = {invoice.id: invoice for invoice in drafts if invoice.sequence}
        self._drafts = [invoice for invoice in drafts if not invoice.sequence]
        # Where each draft stands among the merged ones: the stored before it, and the drafts before it.
        self._places = [
            number + bisect_left(self._stored, draft.order, key=lambda invoice_id: self._invoices[invoice_id].order)
            for number, draft in enumerate(self._drafts)
        ]
        self._newest_first = newest_first

    def __len__(self) -> int:
        return len(self._stored) + len(self._drafts)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        if self._newest_first:
            place = len(self) - 1 - place
        draft_number = bisect_left(self._places, place)
        if draft_number < len(self._places) and self._places[draft_number] == place:
            return self._drafts[draft_number]
        invoice_id = self._stored[place - draft_number]
        return self._repriced.get(invoice_id) or self._invoices[invoice_id]


class InvoiceFilter(msgspec.Struct, frozen=True, gc=False):
    """What a list of invoices may be narrowed by; the conditions are ANDed, None is any.

    Attributes:
        starting_on: The period starts then or later.
        ending_before: The period ends then or earlier.
    """

    status: InvoiceStatus | None = None
    type: str | None = None
    credit_type_id: CreditTypeId | None = None
    contract_id: ContractId | None = None
    starting_on: datetime | None = None
    ending_before: datetime | None = None

    def admits(self, invoice: Invoice) -> bool:
        """Whether an invoice passes.

        Assumed: an end equal to the filter's passes, as every sample asks for whole months; a scheduled invoice is
        filtered by its issue time.  [A-invoice-filters]
        """
        start = invoice.period.starting_at if invoice.period else invoice.issued_at
        end = invoice.period.ending_before if invoice.period else invoice.issued_at
        return (
            (self.status is None or invoice.status is self.status)
            and (self.type is None or invoice.type == self.type)
            and (self.credit_type_id is None or invoice.credit_type_id == self.credit_type_id)
            and (self.contract_id is None or invoice.contract_id == self.contract_id)
            and (self.starting_on is None or start >= self.starting_on)
            and (self.ending_before is None or end <= self.ending_before)
        )


def list_invoices(context: Context, customer_id: CustomerId, *, newest_first: bool = False) -> InvoiceList:
    """Return a customer's invoices by issue time, then start, then id (question Q14).

    Raises:
        CustomerNotFound: There is no such customer.
    """
    get_customer(context, customer_id)
    return InvoiceList(context, customer_id, newest_first=newest_first)


def get_invoice(context: Context, customer_id: CustomerId, invoice_id: InvoiceId) -> Invoice:
    """Return one invoice of a customer, a draft as it is now.

    Raises:
        CustomerNotFound, NotFound: There is none; also when it is another customer's.
    """
    stored = context.store.invoices.get(invoice_id)
    if stored is not None and stored.customer_id == customer_id and stored.status is not InvoiceStatus.DRAFT:
        return stored
    get_customer(context, customer_id)
    for invoice in drafts_of(context, customer_id):
        if invoice.id == invoice_id:
            return invoice
    raise NotFound("invoice", invoice_id)


def list_breakdowns(
    context: Context, customer_id: CustomerId, size: WindowSize, chosen: InvoiceFilter, *, newest_first: bool = False
) -> Iterator[tuple[Invoice, Breakdown]]:
    """Yield the windows between ``chosen.starting_on`` and ``chosen.ending_before`` of a customer's usage invoices.

    Windows come in the order of time (the latest first with ``newest_first``), in one window the invoices by contract.

    Raises:
        CustomerNotFound: There is no such customer.
        InvalidRequest: A date is missing, they are the wrong way round, or the status is VOID.
    """
    get_customer(context, customer_id)
    start, end = chosen.starting_on, chosen.ending_before
    if start is None or end is None:
        raise InvalidRequest("starting_on" if start is None else "ending_before", "is missing; both dates are needed")
    if start >= end:
        raise InvalidRequest("ending_before", f"{end.isoformat()} is not after starting_on {start.isoformat()}")
    if chosen.status is InvoiceStatus.VOID:
        raise InvalidRequest("status", "VOID has no breakdowns; send DRAFT or FINALIZED")
    wanted = InvoiceFilter(chosen.status, InvoiceType.USAGE, chosen.credit_type_id)
    found: list[tuple[datetime, int, Invoice, Breakdown]] = []
    for number, invoice in enumerate(list_invoices(context, customer_id)):
        period = invoice.period
        if invoice.status is InvoiceStatus.VOID or period is None or not wanted.admits(invoice):
            continue
        if period.starting_at < end and start < period.ending_before:
            found += (
                (item.window.starting_at, number, invoice, item)
                for item in break_down(_with_late_usage(context, invoice), size, context.now)
                if start <= item.window.starting_at and item.window.ending_before <= end
            )
    found.sort(key=lambda entry: entry[:2], reverse=newest_first)
    return ((invoice, item) for _, _, invoice, item in found)


def _with_late_usage(context: Context, invoice: Invoice) -> Invoice:
    """Return a generated invoice with all usage of its period, also what arrived when it was final.

    Source: "Get breakdowns": late usage shows there although the invoice stays as it is.
    Assumed: then the period's usage is priced as a draft of that period would be now.  [A-late-usage]
    """
    if invoice.status is not InvoiceStatus.FINALIZED or invoice.is_imported or invoice.period is None:
        return invoice
    contract, period = context.store.contracts[invoice.contract_id], invoice.period
    events = events_of(context, contract.customer_id, period)
    taken = taken_before(context, contract, period.starting_at)
    now = price_events(context, contract, period, events, taken, charges_billed_by(context, contract, invoice))
    if now.usage == invoice.usage:
        return invoice
    return msgspec.structs.replace(invoice, lines=now.lines, usage=now.usage, total=now.total)


def void_invoice(context: Context, invoice_id: InvoiceId) -> Invoice:
    """Void a finalized invoice and give back what it drew.

    Assumed: its deductions leave the ledger at once, without an entry of their own (Q6); a draft cannot be voided
    (Q10). [A-void]

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is a draft, void already, or waits for a payment.
    """
    invoice = find_invoice(context, invoice_id)
    if invoice.status is not InvoiceStatus.FINALIZED:
        raise NotAllowedNow("id", f"invoice {invoice_id} is {invoice.status}; only FINALIZED invoices can be voided")
    for workflow in waiting_on(context, invoice.contract_id):
        if workflow.invoice_id == invoice_id:
            raise NotAllowedNow(
                "id", f"invoice {invoice_id} waits for its payment; report the outcome of workflow {workflow.id}"
            )
    with context.transaction():
        voided = msgspec.structs.replace(invoice, status=InvoiceStatus.VOID)
        context.store.invoices.put(invoice.id, voided)
        check_thresholds(context)
    return voided


def regenerate_invoice(context: Context, invoice_id: InvoiceId) -> Invoice:
    """Make a voided invoice again, under a new id, with today's rates, balances and usage.

    Assumed: an import is priced again from the quantities of its request; the new invoice keeps the issue time and is
    final at once when that is over (Q8); while a successor stands there is no second one (Q9).  [A-regenerate]

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is not void, its contract is archived, its period was billed again already, or an imported
            quantity has no rate any more.
    """
    voided = find_invoice(context, invoice_id)
    store = context.store
    if voided.status is not InvoiceStatus.VOID:
        raise NotAllowedNow("id", f"invoice {invoice_id} is {voided.status}; only VOID invoices can be regenerated")
    contract = store.contracts[voided.contract_id]
    if contract.archived_at is not None:
        raise NotAllowedNow("id", f"contract {contract.id} of invoice {invoice_id} is archived")
    successor = _successor(context, voided)
    if successor is not None:
        raise NotAllowedNow("id", f"invoice {successor.id} ({successor.status}) bills this period again already")
    charges = charges_billed_by(context, contract, voided)
    if voided.period is None and not charges:
        raise NotAllowedNow("id", f"nothing that invoice {invoice_id} billed is left on contract {contract.id}")
    with context.transaction():
        again = _again(context, voided)
        is_due = again.issued_at <= context.now
        regenerated = store_invoice(
            context,
            msgspec.structs.replace(
                again,
                status=InvoiceStatus.FINALIZED if is_due else InvoiceStatus.DRAFT,
                regenerated_from_invoice_id=voided.id,
            ),
        )
        settle(context, charges, regenerated.id)
        check_thresholds(context)
    return regenerated


def _again(context: Context, voided: Invoice) -> Invoice:
    contract = context.store.contracts[voided.contract_id]
    if voided.period is None:
        taken = taken_before(context, contract, voided.issued_at)
        again = scheduled_invoice(context, charges_billed_by(context, contract, voided), taken)
        again_id = scheduled_invoice_id(context, contract.id, voided.issued_at, voided.credit_type_id)
        return msgspec.structs.replace(
            voided, id=again_id, lines=again.lines, total=again.total, draws=again.draws, trace=again.trace
        )
    taken = taken_before(context, contract, voided.period.starting_at)
    if voided.is_imported:
        again_id = usage_invoice_id(context, contract.id, voided.period)
        try:
            return msgspec.structs.replace(reprice(context, voided, taken), id=again_id)
        except InvalidRequest as error:
            raise NotAllowedNow("id", error.problem) from None
    fresh = draft(context, contract, _inside(contract, voided.period, voided.id), taken)
    return msgspec.structs.replace(fresh, issued_at=voided.issued_at)


def _inside(contract: Contract, period: BoundedPeriod, invoice_id: InvoiceId) -> BoundedPeriod:
    """Return what a contract covers of a period; its end may have moved since an invoice was made for it.

    Source: guide "Edit a contract": finalized invoices pick up an edit when they are voided and regenerated.
    """
    end = contract.ending_before
    if end is None or end >= period.ending_before:
        return period
    if end <= period.starting_at:
        raise NotAllowedNow("id", f"contract {contract.id} ends before the period of invoice {invoice_id} by now")
    return BoundedPeriod(period.starting_at, end)


def _successor(context: Context, voided: Invoice) -> Invoice | None:
    if voided.period is not None:
        return overlapping(context, voided.contract_id, voided.period)
    store = context.store
    line = {voided.id}
    for other in store.invoices_on.starting_with(voided.contract_id, voided.issued_at):  # the oldest first
        invoice = store.invoices[other]
        if invoice.regenerated_from_invoice_id in line:
            if invoice.status is not InvoiceStatus.VOID:
                return invoice
            line.add(invoice.id)
    return None
