"""Invoices and their lines. Source: schemas ``Invoice`` and ``InvoiceLineItem``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CreditTypeId,
    CustomerId,
    GroupValues,
    InvoiceId,
    ProductId,
    SegmentId,
    SubscriptionId,
)
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.trace import Pricing, Shortfall, Trace
from metronome_sandbox.domain.usage import UsageLine, WindowSize


class InvoiceStatus(StrEnum):
    """DRAFT follows its contract live, FINALIZED stands, VOID stood once. Source: guide "How invoicing works"."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    VOID = "VOID"


class InvoiceType(StrEnum):
    """USAGE bills a period, SCHEDULED bills what falls due at an instant."""

    USAGE = "USAGE"
    SCHEDULED = "SCHEDULED"


class LineType(StrEnum):
    """Of a line item; lower case on the wire as well."""

    USAGE = "usage"
    SUBSCRIPTION = "subscription"
    APPLIED_COMMIT_OR_CREDIT = "applied_commit_or_credit"
    COMMIT_PURCHASE = "commit_purchase"
    CPU_CONVERSION = "cpu_conversion"
    SCHEDULED = "scheduled"


class TermKind(StrEnum):
    """Which term of a contract a scheduled line bills, as the line's ``..._id`` calls it."""

    SCHEDULED_CHARGE = "scheduled_charge"
    DISCOUNT = "discount"
    PROFESSIONAL_SERVICE = "professional_service"


class BilledTerm(msgspec.Struct, frozen=True, gc=False):
    """The term of the contract that a scheduled line bills; ``metadata`` is the caller's own."""

    kind: TermKind
    id: str
    metadata: str | None = None


class BilledSubscription(msgspec.Struct, frozen=True, gc=False):
    """The subscription that a line bills.

    Attributes:
        is_prorated: Whether the price is that of a part of its period.
        paid_at: When a commit or credit has to be open to pay for it.
        number: Tells what is billed from one instant on apart.
    """

    id: SubscriptionId
    is_prorated: bool
    paid_at: datetime
    number: int = 0


class TierPlace(msgspec.Struct, frozen=True, gc=False):
    """Which tier of a tiered price a line is in. Source: schema ``TierMetadata``."""

    level: int
    starting_at: Decimal
    size: Decimal | None = None


class AppliedBalance(msgspec.Struct, frozen=True, gc=False):
    """The commit or credit that a line is paid by, or pays for."""

    id: BalanceId
    type: BalanceType
    segment_id: SegmentId | None = None


class LineItem(msgspec.Struct, frozen=True, gc=False):
    """One line of an invoice.

    Attributes:
        product_id: None where custom units are converted, of whatever product.
        total: In the line's credit type; negative where a balance is applied.
        quantity, unit_price: None on a line that applies a balance.
        tier: Only under a tiered price.
        credit_type_id: The custom unit that it counts in; None is the invoice's currency.
        converted_credit_type_id: The custom unit that it converts into the currency.
        term: What a scheduled line bills.
        subscription: What a subscription line bills.
        pricing: How the unit price came about, where a rate made it.
        shortfall: How the total of a true-up came about.
    """

    type: LineType
    name: str
    product_id: ProductId | None
    total: Decimal
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()
    tier: TierPlace | None = None
    applied: AppliedBalance | None = None
    term: BilledTerm | None = None
    credit_type_id: CreditTypeId | None = None
    converted_credit_type_id: CreditTypeId | None = None
    pricing: Pricing | None = None
    subscription: BilledSubscription | None = None
    shortfall: Shortfall | None = None

    @property
    def counts(self) -> bool:
        """Whether the line is part of the invoice's total.

        A postpaid commit is applied for show: the usage it covers is billed. What is counted in a custom unit is billed
        by the line that converts what is left of it. Source: field ``InvoiceLineItem.type``.
        """
        is_for_show = (
            self.type is LineType.APPLIED_COMMIT_OR_CREDIT
            and self.applied is not None
            and self.applied.type is BalanceType.POSTPAID
        )
        return self.credit_type_id is None and not is_for_show


class Draw(msgspec.Struct, frozen=True, gc=False):
    """What one invoice takes from one segment; the ledger's deduction.

    Attributes:
        amount: Positive, in units of the balance.
        timestamp: When the ledger says it happened.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    amount: Decimal
    timestamp: datetime


def total_of(lines: Iterable[LineItem]) -> Decimal:
    """Return what lines in the invoice's currency add up to, without the applications of postpaid commits."""
    return sum((line.total for line in lines if line.counts), ZERO)


class BillableStatus(StrEnum):
    """Unbillable invoices are made but sent nowhere; lower case on the wire."""

    BILLABLE = "billable"
    UNBILLABLE = "unbillable"


class Invoice(msgspec.Struct, frozen=True, gc=False):
    """One invoice; drafts are values of this type that nothing stores.

    Attributes:
        period: Of usage; None on a scheduled invoice.
        issued_at: Also set, in the future, on a draft.
        usage: The quantities that the lines were priced from; a regenerated import is priced from them again.
        window_size: The granularity of the windows in ``usage``; None when there are none.
        is_imported: Whether ``createHistoricalInvoices`` made it. Such an invoice is sent to no billing provider.
        sequence: Running number over all of a tenant's stored invoices; 0 on a draft that is computed when read.
        trace: What pricing noted; None on a scheduled invoice.
    """

    id: InvoiceId
    customer_id: CustomerId
    contract_id: ContractId
    type: InvoiceType
    status: InvoiceStatus
    credit_type_id: CreditTypeId
    issued_at: datetime
    lines: tuple[LineItem, ...]
    total: Decimal
    period: BoundedPeriod | None = None
    draws: tuple[Draw, ...] = ()
    usage: tuple[UsageLine, ...] = ()
    window_size: WindowSize | None = None
    is_imported: bool = False
    billable_status: BillableStatus = BillableStatus.BILLABLE
    custom_fields: dict[str, str] = {}
    regenerated_from_invoice_id: InvoiceId | None = None
    sequence: int = 0
    trace: Trace | None = None

    @property
    def order(self) -> tuple[datetime, datetime, bool, int, str]:
        """The key of the default order of a list: by issue time, then start, then id (question Q14).

        Assumed: a void invoice comes before what bills the same again; several void ones in the order in which they
        were made.  [A-void-first]
        """
        is_void = self.status is InvoiceStatus.VOID
        start = self.period.starting_at if self.period else self.issued_at
        return self.issued_at, start, not is_void, self.sequence if is_void else 0, self.id
