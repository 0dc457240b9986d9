"""How payments ended that somebody else collected."""

from __future__ import annotations

import msgspec

from metronome_sandbox.domain.errors import NotAllowedNow, NotFound
from metronome_sandbox.domain.invoices import AppliedBalance
from metronome_sandbox.domain.payment_gates import Outcome, PaymentWorkflow
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_history import remember
from metronome_sandbox.services.passage import catch_up, pass_time
from metronome_sandbox.services.payment_gates import fail
from metronome_sandbox.services.thresholds import disabled


def list_waiting_payments(context: Context) -> list[PaymentWorkflow]:
    """Return the payments of a tenant that wait for their outcome, the oldest first."""
    pass_time(context)
    store = context.store
    return [store.payment_workflows[workflow_id] for workflow_id in store.payments_waiting.ids("")]


def release_payment(context: Context, workflow_id: str, outcome: Outcome) -> PaymentWorkflow:
    """Take the outcome of a payment: paid makes the commit, failed voids its invoice and makes none.

    Raises:
        NotFound: There is no such workflow.
        NotAllowedNow: It has an outcome already.

    Source: operation ``releaseExternalPaymentGateThresholdCommit-v1`` and guide "Manual payment gated commits".
    Assumed: an outcome is reported once, the second time is a 400.  [A-payment-outcome]
    """
    workflow = context.store.payment_workflows.get(workflow_id)
    if workflow is None:
        raise NotFound("workflow", workflow_id)
    if workflow.outcome is not None:
        raise NotAllowedNow("workflow_id", f"the payment of {workflow_id} is {workflow.outcome} already")
    with context.transaction():
        if outcome is Outcome.PAID:
            _pay(context, workflow)
        else:
            fail(context, workflow)
            _disable(context, workflow)
        catch_up(context)
    return context.store.payment_workflows[workflow_id]


def _disable(context: Context, workflow: PaymentWorkflow) -> None:
    """Let the threshold that asked for the payment buy no more."""
    contract = context.store.contracts[workflow.contract_id]
    changed = disabled(contract, workflow.type)
    if changed is not contract:
        remember(context, contract)
        context.store.contracts.put(contract.id, changed)


def _pay(context: Context, workflow: PaymentWorkflow) -> None:
    """Make the commit that waited; its invoice names it from now on, and bills its payments."""
    store = context.store
    contract = store.contracts[workflow.contract_id]
    remember(context, contract)
    balance = msgspec.structs.replace(workflow.balance, created_at=context.now, sequence=len(store.balances) + 1)
    store.balances.put(balance.id, balance)
    store.contracts.put(contract.id, msgspec.structs.replace(contract, balance_ids=(*contract.balance_ids, balance.id)))
    invoice = store.invoices[workflow.invoice_id]
    applied = AppliedBalance(balance.id, balance.type)
    lines = tuple(msgspec.structs.replace(line, applied=applied) for line in invoice.lines)
    store.invoices.put(invoice.id, msgspec.structs.replace(invoice, lines=lines))
    for item in balance.invoice_schedule.items if balance.invoice_schedule is not None else ():
        store.settled.put(item.id, invoice.id)
    store.payment_workflows.put(workflow.id, msgspec.structs.replace(workflow, outcome=Outcome.PAID))
    reschedule(context, contract.id)
