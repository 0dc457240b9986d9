"""Payment gates on the wire, and the payments that wait."""

from __future__ import annotations

from decimal import Decimal

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, decode, decoder, number, present, time
from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.payment_gates import (
    GateType,
    Outcome,
    PaymentGate,
    PaymentWorkflow,
    PrecalculatedTax,
    StripePayment,
    StripePaymentType,
    TaxType,
)
from metronome_sandbox.store.interface import Store


class StripeInput(WireType):
    """``stripe_config``."""

    payment_type: str
    invoice_metadata: dict[str, str] | None = None
    on_session_payment: bool = False


class TaxInput(WireType):
    """``precalculated_tax_config``."""

    tax_amount: Decimal
    tax_name: str | None = None


class GateInput(WireType):
    """``payment_gate_config``."""

    payment_gate_type: str
    tax_type: str | None = None
    stripe_config: StripeInput | None = None
    precalculated_tax_config: TaxInput | None = None


class ReleaseBody(WireType):
    """Body of ``releaseExternalPaymentGateThresholdCommit-v1``."""

    workflow_id: str
    outcome: str


_RELEASE = decoder(ReleaseBody)


def new_gate(wire: GateInput, path: str) -> PaymentGate:
    """Return a payment gate. ``path`` is its own."""
    stripe, tax = wire.stripe_config, wire.precalculated_tax_config
    return PaymentGate(
        GateType(wire.payment_gate_type),
        None if wire.tax_type is None else TaxType(wire.tax_type),
        None
        if stripe is None
        else StripePayment(StripePaymentType(stripe.payment_type), stripe.invoice_metadata, stripe.on_session_payment),
        None
        if tax is None
        else PrecalculatedTax(checked(tax.tax_amount, f"{path}.precalculated_tax_config.tax_amount"), tax.tax_name),
    )


def parse_release(body: bytes) -> tuple[str, Outcome]:
    """Return the workflow and the outcome of its payment."""
    wire = decode(_RELEASE, body)
    return wire.workflow_id.lower(), canonical(wire.outcome, Outcome)


def render_gate(gate: PaymentGate) -> JsonObject:
    """Return a payment gate as a threshold has it."""
    stripe, tax = gate.stripe, gate.tax
    return present(
        payment_gate_type=gate.type.value,
        tax_type=None if gate.tax_type is None else gate.tax_type.value,
        stripe_config=None
        if stripe is None
        else present(payment_type=stripe.payment_type.value, invoice_metadata=stripe.invoice_metadata),
        precalculated_tax_config=None
        if tax is None
        else present(tax_amount=number(tax.tax_amount), tax_name=tax.tax_name),
    )


def render_payment(store: Store, workflow: PaymentWorkflow) -> JsonObject:
    """Return a payment that waits. Source: webhook ``payment_gate.external_initiate``."""
    invoice = store.invoices[workflow.invoice_id]
    return {
        "workflow_id": workflow.id,
        "workflow_type": workflow.type.value,
        "customer_id": workflow.customer_id,
        "contract_id": workflow.contract_id,
        "invoice_id": workflow.invoice_id,
        "invoice_total": number(invoice.total),
        "invoice_currency": store.credit_types[invoice.credit_type_id].name,
        "timestamp": time(workflow.started_at),
    }
