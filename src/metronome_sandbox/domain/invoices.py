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
)
from metronome_sandbox.domain.periods import BoundedPeriod
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
    APPLIED_COMMIT_OR_CREDIT = "applied_commit_or_credit"
    COMMIT_PURCHASE = "commit_purchase"


class TierPlace(msgspec.Struct, frozen=True):
    """Which tier of a tiered price a line is in. Source: schema ``TierMetadata``."""

    level: int
    starting_at: Decimal
    size: Decimal | None = None


class AppliedBalance(msgspec.Struct, frozen=True):
    """The commit or credit that a line is paid by, or pays for."""

    id: BalanceId
    type: BalanceType
    segment_id: SegmentId | None = None


class LineItem(msgspec.Struct, frozen=True):
    """One line of an invoice.

    Attributes:
        total: In the invoice's credit type; negative where a balance is applied.
        quantity, unit_price: None on a line that applies a balance.
        tier: Only under a tiered price.
    """

    type: LineType
    name: str
    product_id: ProductId
    total: Decimal
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    pricing_group_values: GroupValues = ()
    presentation_group_values: GroupValues = ()
    tier: TierPlace | None = None
    applied: AppliedBalance | None = None

    @property
    def counts(self) -> bool:
        """Whether the line is part of the invoice's total.

        A postpaid commit is applied for show: the usage it covers is billed. Source: field ``InvoiceLineItem.type``.
        """
        return (
            self.type is not LineType.APPLIED_COMMIT_OR_CREDIT
            or self.applied is None
            or self.applied.type is not BalanceType.POSTPAID
        )


class Draw(msgspec.Struct, frozen=True):
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
    """Return what lines add up to, without the applications of postpaid commits."""
    return sum((line.total for line in lines if line.counts), ZERO)


class BillableStatus(StrEnum):
    """Unbillable invoices are made but sent nowhere; lower case on the wire."""

    BILLABLE = "billable"
    UNBILLABLE = "unbillable"


class Invoice(msgspec.Struct, frozen=True):
    """One invoice; drafts are values of this type that nothing stores.

    Attributes:
        period: Of usage; None on a scheduled invoice.
        issued_at: Also set, in the future, on a draft.
        usage: The quantities that the lines were priced from; a regenerated import is priced from them again.
        window_size: The granularity of the windows in ``usage``; None when there are none.
        is_imported: Whether ``createHistoricalInvoices`` made it. Such an invoice is sent to no billing provider.
        sequence: Running number over all of a tenant's stored invoices; 0 on a draft that is computed when read.
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

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """The key of the default order of a list: by issue time, then start, then id (question Q14)."""
        return self.issued_at, self.period.starting_at if self.period else self.issued_at, self.id
