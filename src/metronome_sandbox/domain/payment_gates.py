"""Payment gates: balances that are released when they are paid. Source: schemas ``CommitPaymentGateConfig`` and
``PaymentGateConfig``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.ids import ContractId, CustomerId, InvoiceId


class GateType(StrEnum):
    """Who collects the payment: nobody, the vendor through Stripe, or the caller."""

    NONE = "NONE"
    STRIPE = "STRIPE"
    EXTERNAL = "EXTERNAL"


class TaxType(StrEnum):
    """Who works out the tax."""

    NONE = "NONE"
    STRIPE = "STRIPE"
    ANROK = "ANROK"
    PRECALCULATED = "PRECALCULATED"


class StripePaymentType(StrEnum):
    """How Stripe collects."""

    INVOICE = "INVOICE"
    PAYMENT_INTENT = "PAYMENT_INTENT"


class StripePayment(msgspec.Struct, frozen=True, gc=False):
    """``stripe_config``."""

    payment_type: StripePaymentType
    invoice_metadata: dict[str, str] | None = None
    on_session_payment: bool = False


class PrecalculatedTax(msgspec.Struct, frozen=True, gc=False):
    """``precalculated_tax_config``; the amount is in the unit of the invoice."""

    tax_amount: Decimal
    tax_name: str | None = None


class PaymentGate(msgspec.Struct, frozen=True, gc=False):
    """What has to be paid before a balance is released.

    Assumed: STRIPE is paid at once, as there is nobody to ask; taxes are kept and put on no invoice.
    [A-payment-gate]
    """

    type: GateType = GateType.NONE
    tax_type: TaxType | None = None
    stripe: StripePayment | None = None
    tax: PrecalculatedTax | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody has to say that it was paid."""
        return self.type is GateType.EXTERNAL


class Outcome(StrEnum):
    """How a payment ended. Source: schema ``ExternalPaymentGateThresholdCommitPayload``."""

    PAID = "PAID"
    FAILED = "FAILED"


class WorkflowType(StrEnum):
    """What a payment is for, in the words of the vendor's webhooks as far as they are known."""

    MANUAL_COMMIT = "manual_commit"
    SPEND = "spend"
    PREPAID_BALANCE = "prepaid_balance"


class PaymentWorkflow(msgspec.Struct, frozen=True, gc=False):
    """A payment that somebody else collects, and the commit that waits for it.

    Attributes:
        invoice_id: Of the invoice that is to be paid: final from the start, void when the payment fails.
        balance: The commit, which comes into being when it is paid.
        outcome: None while it waits.
    """

    id: str
    type: WorkflowType
    customer_id: CustomerId
    contract_id: ContractId
    invoice_id: InvoiceId
    balance: Balance
    started_at: datetime
    outcome: Outcome | None = None
