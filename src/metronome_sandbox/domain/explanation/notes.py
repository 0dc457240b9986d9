"""What is to be known about an invoice as a whole: its state, usage that is on no line, changes since."""

from __future__ import annotations

from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.composite import composites_on_offer
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.explanation.surroundings import Surroundings
from metronome_sandbox.domain.explanation.words import day, shown
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, LineItem, LineType
from metronome_sandbox.domain.invoicing import build_invoice
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.domain.subscription_billing import parts_behind
from metronome_sandbox.domain.trace import Unbilled


def notes_on(invoice: Invoice, around: Surroundings) -> list[str]:
    """Return the notes on an invoice, in the order in which they are read."""
    notes: list[str] = []
    if invoice.status is InvoiceStatus.DRAFT:
        if invoice.period is None:
            notes.append(f"The invoice is a draft; it becomes final on {day(invoice.issued_at)}.")
        else:
            what = "rates and balances" if invoice.is_imported else "usage, rates and balances"
            notes.append(f"The invoice is a draft; {what} can still change it until {day(invoice.issued_at)}.")
    elif invoice.status is InvoiceStatus.VOID:
        notes.append("The invoice is void; what it drew was given back.")
    if invoice.is_imported:
        notes.append("The quantities are those of the import, which are not converted and not rounded.")
    if any(line.credit_type_id is not None for line in invoice.lines):
        notes.append("Lines in custom units are no part of the total; the line that converts what is left of them is.")
    notes += _unbilled(invoice, around)
    if invoice.period is not None and invoice.trace is None:
        notes.append("The invoice was made before notes on prices were kept; only its figures can be shown.")
    elif invoice.period is not None and invoice.status is InvoiceStatus.FINALIZED:
        notes += _changed_since(invoice, invoice.period, around)
    return notes


UNBILLED = {
    Unbilled.NO_RATE: "the rate card has no rate for it",
    Unbilled.NOT_ENTITLED: "the contract is not entitled to it",
    Unbilled.NO_PRICING_KEY: "its events lack a key that the price depends on",
}


def _unbilled(invoice: Invoice, around: Surroundings) -> list[str]:
    """Return which usage of the period is on no line, and why."""
    notes: list[str] = []
    for each in () if invoice.trace is None else invoice.trace.unbilled:
        name = around.book.products[each.product_id].at(around.instant).name
        values = ", ".join(f"{key} {'(none)' if value is None else value}" for key, value in each.pricing_group_values)
        of = f" with {values}" if values else ""
        notes.append(f"{shown(each.quantity)} of {name}{of} are on no line: {UNBILLED[each.reason]}.")
    return notes


PRICED_HERE = (LineType.USAGE, LineType.SUBSCRIPTION, LineType.APPLIED_COMMIT_OR_CREDIT, LineType.CPU_CONVERSION)


def _changed_since(invoice: Invoice, period: BoundedPeriod, around: Surroundings) -> list[str]:
    """Return whether the same usage would cost something else today, if balances had what they had then."""
    contract, book = around.contract, around.book
    assert invoice.trace is not None
    candidates = [
        OpenSegment(balance, segment, queued.before)
        for queued in invoice.trace.queue
        if (balance := around.balances[queued.balance_id]).archived_at is None
        and balance.is_open_to(contract.id, contract.parent_id)
        and (segment := balance.segment(queued.segment_id)) is not None
    ]
    usage = [line for line in invoice.usage if book.products[line.product_id].type is ProductType.USAGE]
    subscriptions = parts_behind(contract, book, invoice.lines)
    offers = [] if invoice.is_imported else composites_on_offer(contract, book, period)
    try:
        again = build_invoice(contract, book, usage, candidates, period, (), offers, subscriptions, around.beside)
    except InvalidRequest:
        return ["A rate that made the invoice is on the rate card no longer; the invoice keeps its figures."]
    before = [_figures(line) for line in invoice.lines if line.type in PRICED_HERE]
    if before == [_figures(line) for line in again.lines if line.type in PRICED_HERE]:
        return []
    return [
        "Rates, overrides, products or balances were changed after the invoice was made; priced now, the same usage "
        "would have other lines. The invoice keeps its figures."
    ]


def _figures(line: LineItem) -> tuple[object, ...]:
    paying = None if line.applied is None else line.applied.segment_id
    return line.type, line.product_id, line.quantity, line.unit_price, line.total, paying
