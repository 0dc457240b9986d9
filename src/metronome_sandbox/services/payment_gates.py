"""Payments that somebody else collects: begun, and given up with their contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType, total_of
from metronome_sandbox.domain.payment_gates import (
    GateType,
    Outcome,
    PaymentGate,
    PaymentWorkflow,
    TaxType,
    WorkflowType,
)
from metronome_sandbox.services.charges import scheduled_invoice_id, store_invoice
from metronome_sandbox.services.context import Context

if TYPE_CHECKING:
    from metronome_sandbox.services.balances import NewBalance


def check_gate(gate: PaymentGate, path: str = "payment_gate_config") -> None:
    """Hold a payment gate against the rules.

    Raises:
        InvalidRequest: The tax lacks its amount, or Stripe is to work it out and does not collect.

    Source: schema ``CommitPaymentGateConfig``.
    """
    if gate.tax_type is TaxType.PRECALCULATED and gate.tax is None:
        raise InvalidRequest(f"{path}.precalculated_tax_config", "is missing; tax_type PRECALCULATED needs it")
    if gate.tax_type is TaxType.STRIPE and gate.type is not GateType.STRIPE:
        raise InvalidRequest(f"{path}.tax_type", "STRIPE needs payment_gate_type STRIPE")


def check_gated(context: Context, new: NewBalance) -> None:
    """Hold a commit that has a payment gate against the rules; paths are relative to it.

    Raises:
        InvalidRequest: It is no prepaid commit with exactly one payment that is due.

    Source: guide "Manual payment gated commits", which adds them to a contract that exists.
    Assumed: what waits for its payment has one payment, which is due when the commit is added.  [A-gated-commit]
    """
    gate = new.gate
    if gate is None:
        return
    check_gate(gate)
    if gate.type is GateType.NONE:
        return
    if new.type is not BalanceType.PREPAID:
        raise InvalidRequest("payment_gate_config", f"is for PREPAID commits; this one is {new.type}")
    items = new.payments.items if new.payments is not None and not new.payments.do_not_invoice else ()
    if len(items) != 1:
        raise InvalidRequest(
            "invoice_schedule", f"has {len(items)} payments to collect; a commit with a payment gate has exactly one"
        )
    if items[0].timestamp > context.now:
        raise InvalidRequest(
            "invoice_schedule.schedule_items[0].timestamp",
            f"{items[0].timestamp.isoformat()} is ahead; a commit with a payment gate is paid when it is added, "
            f"{context.now.isoformat()}",
        )


def initiate(context: Context, contract: Contract, balance: Balance, kind: WorkflowType) -> PaymentWorkflow:
    """Make the invoice of a commit that waits for its payment, inside of an open transaction.

    The commit itself comes into being when it is paid; until then its invoice names none.

    Assumed: the invoice is final at once and has no other line.  [A-gated-invoice]
    """
    schedule = balance.invoice_schedule
    assert schedule is not None, "what waits has something to pay"
    now = context.now
    lines = tuple(
        LineItem(
            type=LineType.COMMIT_PURCHASE,
            name=balance.name or context.store.products[balance.product_id].at(now).name,
            product_id=balance.product_id,
            total=item.amount,
            quantity=item.quantity,
            unit_price=item.unit_price,
        )
        for item in schedule.items
    )
    invoice = store_invoice(
        context,
        Invoice(
            id=scheduled_invoice_id(context, contract.id, now, schedule.credit_type_id),
            customer_id=contract.customer_id,
            contract_id=contract.id,
            type=InvoiceType.SCHEDULED,
            status=InvoiceStatus.FINALIZED,
            credit_type_id=schedule.credit_type_id,
            issued_at=now,
            lines=lines,
            total=total_of(lines),
        ),
    )
    workflow = PaymentWorkflow(
        id=context.ids.derived("payment workflow", balance.id),
        type=kind,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        invoice_id=invoice.id,
        balance=balance,
        started_at=now,
    )
    context.store.payment_workflows.put(workflow.id, workflow)
    return workflow


def waiting_on(context: Context, contract_id: ContractId) -> list[PaymentWorkflow]:
    """Return the payments of a contract that wait for their outcome, the oldest first."""
    store = context.store
    return [store.payment_workflows[workflow_id] for workflow_id in store.payments_waiting.ids(contract_id)]


def fail(context: Context, workflow: PaymentWorkflow) -> None:
    """End a payment without a commit, inside of an open transaction; its invoice is void."""
    store = context.store
    invoice = store.invoices[workflow.invoice_id]
    store.invoices.put(invoice.id, msgspec.structs.replace(invoice, status=InvoiceStatus.VOID))
    store.payment_workflows.put(workflow.id, msgspec.structs.replace(workflow, outcome=Outcome.FAILED))
