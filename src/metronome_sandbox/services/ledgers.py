"""What invoices took from commits and credits, what is left of them, and the ledgers that tell it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.ids import CustomerId, SegmentId
from metronome_sandbox.domain.ledger import LedgerEntry, PostedDraw, balance_at, ledger
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.drafts import drafts_of
from metronome_sandbox.services.hierarchies import relatives
from metronome_sandbox.services.rollovers import as_it_stands
from metronome_sandbox.services.true_ups import posted_true_ups


def drawn_by_drafts(context: Context, customer_id: CustomerId) -> dict[SegmentId, Decimal]:
    """Return what the drafts of a customer and its relatives take from each segment."""
    sums: dict[SegmentId, Decimal] = {}
    for relative in relatives(context, customer_id):
        for invoice in drafts_of(context, relative):
            for draw in invoice.draws:
                sums[draw.segment_id] = sums.get(draw.segment_id, ZERO) + draw.amount
    return sums


def current(context: Context, balance: Balance, *, with_drafts: bool = True) -> Balance:
    """Return a balance with the amounts that it has now; only those of a rolled-over one ever change by themselves."""
    if balance.rolled_over_from is None:
        return balance
    return as_it_stands(context, balance, drawn_by_drafts(context, balance.customer_id) if with_drafts else {})


def drawn_from(context: Context, balance: Balance, *, with_drafts: bool = True) -> Mapping[SegmentId, Decimal]:
    """Return what invoices took from each segment of a balance."""
    drafts = drawn_by_drafts(context, balance.customer_id) if with_drafts else {}
    drawn = context.store.drawn
    return {segment.id: drawn.get(segment.id, ZERO) + drafts.get(segment.id, ZERO) for segment in balance.segments}


def balance_now(context: Context, balance: Balance, *, with_drafts: bool = True) -> Decimal:
    """Return what can be spent now, in units of the balance."""
    balance = current(context, balance, with_drafts=with_drafts)
    return balance_at(balance, drawn_from(context, balance, with_drafts=with_drafts), context.now)


def ledger_now(context: Context, balance: Balance) -> tuple[LedgerEntry, ...]:
    """Return the ledger of a balance, with the deductions of drafts."""
    store = context.store
    finalized = (store.invoices[invoice_id] for invoice_id in store.invoices_drawing_on.ids(balance.id))
    family = relatives(context, balance.customer_id)
    drafts = (invoice for customer_id in family for invoice in drafts_of(context, customer_id))
    posted = [
        PostedDraw(invoice.id, invoice.contract_id, draw)
        for invoice in (*finalized, *drafts)
        for draw in invoice.draws
        if draw.balance_id == balance.id
    ]
    return ledger(current(context, balance), posted, context.now, posted_true_ups(context, balance))
