"""What an edit changes on a commit or credit, as requests describe it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.balances import SpendingRate
from metronome_sandbox.domain.hierarchies import ChildAccess
from metronome_sandbox.domain.ids import ContractId, ProductId, SegmentId
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services.balances import NewSegment


class SegmentChange(msgspec.Struct, frozen=True):
    """What an edit changes on one segment; None leaves it."""

    id: SegmentId
    amount: Decimal | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None


class PaymentChange(msgspec.Struct, frozen=True):
    """What an edit changes on one item of an invoice schedule; None leaves it."""

    id: str
    timestamp: datetime | None = None
    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class BalanceChange(msgspec.Struct, frozen=True):
    """What an edit changes on a commit or credit. None leaves a field as it is, an empty tuple clears a list.

    Source: schemas ``EditCommitRequest``, ``EditCreditRequest``, ``CommitChangeInput`` and ``CreditChangeInput``.
    """

    name: str | None = None
    description: str | None = None
    product_id: ProductId | None = None
    priority: Decimal | None = None
    rate_type: SpendingRate | None = None
    applicable_product_ids: tuple[ProductId, ...] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    applicable_contract_ids: tuple[ContractId, ...] | None = None
    specifiers: tuple[Specifier, ...] | None = None
    rollover_fraction: Decimal | UnsetType | None = UNSET
    netsuite_sales_order_id: str | UnsetType | None = UNSET
    invoice_contract_id: ContractId | None = None
    child_access: ChildAccess | None = None
    added_segments: tuple[NewSegment, ...] = ()
    changed_segments: tuple[SegmentChange, ...] = ()
    removed_segments: tuple[SegmentId, ...] = ()
    added_payments: tuple[Payment, ...] = ()
    changed_payments: tuple[PaymentChange, ...] = ()
    removed_payments: tuple[str, ...] = ()

    @property
    def touches_access(self) -> bool:
        """Whether it changes the access schedule."""
        return bool(self.added_segments or self.changed_segments or self.removed_segments)

    @property
    def touches_payments(self) -> bool:
        """Whether it changes the invoice schedule."""
        return bool(self.added_payments or self.changed_payments or self.removed_payments)
