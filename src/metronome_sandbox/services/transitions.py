"""How one contract follows another."""

from __future__ import annotations

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.contracts import Contract, Transition, TransitionType
from metronome_sandbox.domain.errors import ContractNotFound, InvalidRequest, NotAllowedNow
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services import true_ups
from metronome_sandbox.services.charges import store_invoice
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_ends import balances_on, set_end
from metronome_sandbox.services.contract_history import remember
from metronome_sandbox.services.drafts import usage_invoice_id
from metronome_sandbox.services.pricing import fiat_credit_type
from metronome_sandbox.services.rollovers import roll_over


class NewTransition(msgspec.Struct, frozen=True):
    """``transition`` of a request. ``keeps_true_ups``: postpaid commits of the earlier contract are still trued up."""

    type: TransitionType
    from_contract_id: ContractId
    keeps_true_ups: bool = True


def follow(context: Context, contract: Contract, new: NewTransition) -> None:
    """Let a new contract, already stored, follow an earlier one; to be called inside of an open transaction.

    The earlier one ends where the new one starts, and what its invoices would carry afterwards goes; both link to each
    other. A RENEWAL takes what may roll over along.

    Raises:
        ContractNotFound: The customer has no such contract.
        InvalidRequest: The new contract starts before the earlier one does.
        NotAllowedNow: The earlier one is archived.

    Source: guides "Create a contract" and "Manage the customer lifecycle"; reference, pricing section 4.10.
    Assumed: SUPERSEDE does the same without a rollover; a contract that ended before is linked and stays as it is
    (questions 40 and 41).  [A-transition]
    """
    store = context.store
    path = "transition.from_contract_id"
    old = store.contracts.get(new.from_contract_id)
    if old is None or old.customer_id != contract.customer_id:
        raise ContractNotFound(new.from_contract_id, path)
    if old.archived_at is not None:
        raise NotAllowedNow(path, f"contract {old.id} is archived")
    if contract.starting_at < old.starting_at:
        raise InvalidRequest(
            "starting_at",
            f"{contract.starting_at.isoformat()} is before contract {old.id} starts, {old.starting_at.isoformat()}",
        )
    remember(context, old)
    link = Transition(new.type, old.id, contract.id)
    for each in (old, contract):
        linked = msgspec.structs.replace(each, transitions=(*each.transitions, link))
        store.contracts.put(each.id, linked)
    if old.ending_before is not None and old.ending_before < contract.starting_at:
        return
    if new.type is TransitionType.RENEWAL:
        roll_over(context, store.contracts[old.id], store.contracts[contract.id], keeps_true_ups=new.keeps_true_ups)
    elif not new.keeps_true_ups:
        for balance in balances_on(context, old):
            if balance.contract_id == old.id and balance.is_trued_up:
                true_ups.disable(context, balance)
    _leave_empty(context, store.contracts[old.id], contract)
    set_end(context, store.contracts[old.id], contract.starting_at, keeps_true_ups=True)


def _leave_empty(context: Context, old: Contract, new: Contract) -> None:
    """Make the draft of the earlier contract final without time and usage, when the new one takes its whole period.

    Source: guide "Create a pre-paid commit", renewal at the start of the running period.
    """
    period = old.next_period
    if period is None or period.starting_at != new.starting_at or period.starting_at > context.now:
        return
    invoice = Invoice(
        id=usage_invoice_id(context, old.id, period),
        customer_id=old.customer_id,
        contract_id=old.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.FINALIZED,
        credit_type_id=fiat_credit_type(context, old),
        issued_at=context.now,
        lines=(),
        total=ZERO,
        period=BoundedPeriod(period.starting_at, period.starting_at),
        window_size=WindowSize.HOUR,
    )
    store_invoice(context, invoice)
