"""True-ups: what of a postpaid commit was not used is billed once the usage of its time is final."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, Segment, TrueUp
from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow
from metronome_sandbox.domain.ids import CustomerId, SegmentId
from metronome_sandbox.domain.invoices import AppliedBalance, Invoice, InvoiceStatus, LineItem, LineType
from metronome_sandbox.domain.ledger import PostedTrueUp
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rollovers import rolling_over
from metronome_sandbox.domain.trace import Shortfall
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.hierarchies import relatives

NOTHING: Mapping[SegmentId, Decimal] = {}


def true_ups(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield the true-ups that a contract's invoices carry, as final invoices leave them.

    Source: guide "Create a post-paid commit" and reference section 3.9: the rest of a commitment is billed at the date
    of its invoice schedule.
    Assumed: on an invoice of its own, which is final when the date is reached and no usage invoice of the access time
    is open any more, nor missing where usage is imported; one line with quantity 1, named as the commit; nothing
    missing, no invoice.  [A-true-up]
    """
    store = context.store
    for balance_id in store.balances_paid_on.ids(contract.id):
        balance = store.balances[balance_id]
        schedule = balance.invoice_schedule
        if schedule is None or balance.archived_at is not None:
            continue
        if not balance.is_trued_up or not balance.segments:
            continue
        item, segment = schedule.items[0], balance.segments[0]
        yield Charge(
            item.id,
            contract.id,
            item.timestamp,
            schedule.credit_type_id,
            _line(context, balance, segment, NOTHING),
            holds_back=_is_usage_open(context, balance, segment.period),
            commitment=segment.id,
        )


def with_drafts(context: Context, charge: Charge, taken: Mapping[SegmentId, Decimal]) -> Charge:
    """Return a charge as it is if drafts become final as they are.

    Args:
        taken: What drafts draw from each segment.
    """
    if charge.commitment is None or charge.line.applied is None:
        return charge
    balance = context.store.balances[charge.line.applied.id]
    segment = balance.segments[0]
    return msgspec.structs.replace(charge, line=_line(context, balance, segment, taken))


def _line(context: Context, balance: Balance, segment: Segment, taken: Mapping[SegmentId, Decimal]) -> LineItem:
    drawn = context.store.drawn.get(segment.id, ZERO) + taken.get(segment.id, ZERO)
    moved = rolling_over(balance, segment, drawn) if balance.rollovers else ZERO
    shortfall = Shortfall(balance.worth(segment), drawn, moved)
    return LineItem(
        type=LineType.COMMIT_PURCHASE,
        name=balance.name or context.store.products[balance.product_id].at(segment.ending_before).name,
        product_id=balance.product_id,
        total=shortfall.missing,
        quantity=ONE,
        unit_price=shortfall.missing,
        applied=AppliedBalance(balance.id, balance.type),
        shortfall=shortfall,
    )


def _is_usage_open(context: Context, balance: Balance, access: BoundedPeriod) -> bool:
    """Whether a usage invoice that may draw on the balance is not final yet, or not imported yet."""
    store = context.store
    family = relatives(context, balance.customer_id)
    for contract_id in (contract_id for customer_id in family for contract_id in store.contracts_of.ids(customer_id)):
        contract = store.contracts[contract_id]
        if contract.archived_at is not None or not balance.is_open_to(contract_id, contract.parent_id):
            continue
        upcoming, ends = contract.next_period, contract.ending_before
        lasts_into = ends is None or ends > access.starting_at
        if upcoming is not None and upcoming.starting_at < access.ending_before and lasts_into:
            return True
        if _lacks_imports(context, contract, access):
            return True
    drafts = (invoice_id for customer_id in family for invoice_id in store.stored_drafts.ids(customer_id))
    imports = (store.invoices[invoice_id] for invoice_id in drafts)
    return any(
        invoice.period is not None
        and invoice.period.overlaps(access)
        and balance.is_open_to(invoice.contract_id, store.contracts[invoice.contract_id].parent_id)
        for invoice in imports
    )


def _lacks_imports(context: Context, contract: Contract, access: BoundedPeriod) -> bool:
    """Whether time before the system's own invoices, inside the access, is covered by no usage invoice that stands."""
    generation = contract.statement_schedule.generation_starting_at
    if generation is None:
        return False
    store = context.store
    ends = min(instant for instant in (generation, contract.ending_before, access.ending_before) if instant is not None)
    reached = max(contract.starting_at, access.starting_at)
    for invoice_id in store.invoices_on.ids(contract.id):
        invoice = store.invoices[invoice_id]
        covers = invoice.status is not InvoiceStatus.VOID and invoice.period is not None
        if covers and invoice.period is not None and invoice.period.starting_at <= reached:
            reached = max(reached, invoice.period.ending_before)
    return reached < ends


def fulfil(context: Context, charge: Charge) -> None:
    """Settle a true-up for which nothing is missing: no later change of an invoice brings it back.

    Assumed: the commitment is measured once, when its true-up is due.  [A-true-up-once]
    """
    if charge.line.applied is None:
        return
    balance = context.store.balances[charge.line.applied.id]
    context.store.balances.put(balance.id, msgspec.structs.replace(balance, true_up=TrueUp.FULFILLED))


def true_up_invoice(context: Context, balance: Balance) -> Invoice | None:
    """Return the invoice that billed the rest of a postpaid commit and stands, or None."""
    schedule = balance.invoice_schedule
    if balance.type is not BalanceType.POSTPAID or schedule is None:
        return None
    for item in schedule.items:
        invoice_id = context.store.settled.get(item.id)
        invoice = None if invoice_id is None else context.store.invoices[invoice_id]
        if invoice is not None and invoice.status is InvoiceStatus.FINALIZED:
            return invoice
    return None


def posted_true_ups(context: Context, balance: Balance) -> list[PostedTrueUp]:
    """Return what the ledger of a postpaid commit has of its true-up."""
    invoice = true_up_invoice(context, balance)
    return [
        PostedTrueUp(invoice.id, invoice.contract_id, line.total, invoice.issued_at)
        for line in (() if invoice is None else invoice.lines)
        if invoice is not None and line.applied is not None and line.applied.id == balance.id
    ]


def contracts_with_true_ups(context: Context, customer_id: CustomerId) -> list[Contract]:
    """Return the contracts whose invoices carry a true-up that is still to come and that waits for a customer's usage:
    its own, and those of its relatives in hierarchies."""
    store = context.store
    waiting = (balance_id for each in relatives(context, customer_id) for balance_id in store.true_ups_of.ids(each))
    balances = (store.balances[balance_id] for balance_id in waiting)
    carrying = dict.fromkeys(balance.invoice_contract_id for balance in balances)
    return [store.contracts[contract_id] for contract_id in carrying if contract_id is not None]


def disable(context: Context, balance: Balance) -> Balance:
    """Give up the true-up of a postpaid commit, inside of an open transaction; its rest lapses.

    To be followed by ``reschedule`` of the contract that carries it.

    Raises:
        InvalidRequest: It is not a postpaid commit.
        NotAllowedNow: The true-up is final, or was given up before.
    """
    if balance.type is not BalanceType.POSTPAID:
        raise InvalidRequest("commit_id", f"{balance.id} is a {balance.type} balance; only POSTPAID commits true up")
    billed = true_up_invoice(context, balance)
    if billed is not None:
        raise NotAllowedNow(
            "commit_id", f"the true-up of {balance.id} is on finalized invoice {billed.id}; void it first"
        )
    if balance.true_up is TrueUp.DISABLED:
        raise NotAllowedNow("commit_id", f"the true-up of {balance.id} is disabled already")
    disabled = msgspec.structs.replace(balance, true_up=TrueUp.DISABLED)
    context.store.balances.put(balance.id, disabled)
    return disabled
