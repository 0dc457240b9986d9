"""Commits and credits: what a customer has paid for or was given.

The API calls the two together *balances*. A prepaid commit and a credit make usage free until they are spent; a
postpaid commit counts usage that is billed as it happens.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Hashable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.hierarchies import AccessType, ChildAccess, all_children_of
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CreditTypeId,
    CustomerId,
    ProductId,
    RecurringId,
    SegmentId,
)
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.targeting import Specifier, Target, has_any


class BalanceType(StrEnum):
    """Of a commit (PREPAID, POSTPAID) or a credit."""

    PREPAID = "PREPAID"
    POSTPAID = "POSTPAID"
    CREDIT = "CREDIT"


class SpendingRate(StrEnum):
    """Which of a product's rates a balance pays. Source: field ``rate_type`` of ``CommitInput``."""

    COMMIT_RATE = "COMMIT_RATE"
    LIST_RATE = "LIST_RATE"


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One item of an access schedule: an amount that can be spent on usage inside ``[starting_at, ending_before)``.

    Attributes:
        seat: The group key and the value of the only seat whose usage it pays for; None is any usage.
    """

    id: SegmentId
    amount: Decimal
    starting_at: datetime
    ending_before: datetime
    seat: tuple[str, str] | None = None

    def is_for(self, target: Target) -> bool:
        """Whether it may pay the usage of this seat."""
        seat = self.seat
        return seat is None or seat in target.pricing_group_values or seat in target.presentation_group_values

    @property
    def period(self) -> BoundedPeriod:
        """When it can be spent."""
        return BoundedPeriod(self.starting_at, self.ending_before)


class ManualEntry(msgspec.Struct, frozen=True, gc=False):
    """An amount that somebody entered into the ledger for one segment; negative takes from it."""

    segment_id: SegmentId
    amount: Decimal
    reason: str
    timestamp: datetime


class SeatAdjustment(msgspec.Struct, frozen=True, gc=False):
    """What seats added to a segment that they share."""

    segment_id: SegmentId
    amount: Decimal
    timestamp: datetime


class TrueUp(StrEnum):
    """Whether the rest of a postpaid commit is billed: still to come or billed, settled without a rest, or given up."""

    EXPECTED = "EXPECTED"
    FULFILLED = "FULFILLED"
    DISABLED = "DISABLED"


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The balance whose rest a rolled-over one consists of."""

    balance_id: BalanceId
    contract_id: ContractId


class Rollover(msgspec.Struct, frozen=True, gc=False):
    """The passage of a segment's rest to the contract that renews this one, at ``timestamp``.

    Attributes:
        new_segment_id: Of the balance that the rest goes to.
    """

    segment_id: SegmentId
    timestamp: datetime
    new_contract_id: ContractId
    new_balance_id: BalanceId
    new_segment_id: SegmentId


class InvoiceScheduleItem(msgspec.Struct, frozen=True, gc=False):
    """One payment of a commit, at ``timestamp``."""

    id: str
    timestamp: datetime
    unit_price: Decimal
    quantity: Decimal

    @property
    def amount(self) -> Decimal:
        """What is billed."""
        return self.unit_price * self.quantity


class InvoiceSchedule(msgspec.Struct, frozen=True, gc=False):
    """How a commit is paid. ``do_not_invoice`` keeps the sums as cost basis and bills nothing."""

    credit_type_id: CreditTypeId
    items: tuple[InvoiceScheduleItem, ...]
    do_not_invoice: bool = False


DEFAULT_PRIORITY = Decimal(100)
"""Assumed from samples (Q23).  [A-default-priority]"""

ENDLESS = sys.maxsize
"""Sorts after every count."""


class Balance(msgspec.Struct, frozen=True, gc=False):
    """A commit or a credit. Source: schemas ``Commit`` and ``Credit``.

    Attributes:
        contract_id: The contract it was created on; None on customer level.
        product_id: The FIXED product it is sold as; names it where it has no name of its own.
        credit_type_id: Unit of every segment's amount.
        sequence: Running number over all of a tenant's balances; the last tie-break of the order of spending.
        manual_entries: What was entered by hand, in the order of entering.
        true_up: Of a postpaid commit.
        recurring_id: The recurring commit or credit that granted it.
        rolled_over_from: Where its amount comes from; its segments' own amounts stand for nothing then.
        rollovers: Where the rest of its segments goes.
        seat_adjustments: Of a grant for seats, in the order of time.
        is_withdrawn: It was archived by itself and not with its contract or customer: it has no ledger any more.
        child_access: Which children of its contract may draw on it as well.
    """

    id: BalanceId
    type: BalanceType
    customer_id: CustomerId
    product_id: ProductId
    credit_type_id: CreditTypeId
    segments: tuple[Segment, ...]
    created_at: datetime
    sequence: int
    contract_id: ContractId | None = None
    name: str | None = None
    description: str | None = None
    priority: Decimal = DEFAULT_PRIORITY
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    invoice_schedule: InvoiceSchedule | None = None
    invoice_contract_id: ContractId | None = None
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    applicable_contract_ids: tuple[ContractId, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rollover_fraction: Decimal | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    archived_at: datetime | None = None
    manual_entries: tuple[ManualEntry, ...] = ()
    true_up: TrueUp = TrueUp.EXPECTED
    recurring_id: RecurringId | None = None
    rolled_over_from: Origin | None = None
    rollovers: tuple[Rollover, ...] = ()
    is_withdrawn: bool = False
    seat_adjustments: tuple[SeatAdjustment, ...] = ()
    child_access: ChildAccess | None = None

    @property
    def is_paid(self) -> bool:
        """Whether the customer pays for it: its cost basis is not zero.

        Source: guide "Understand prioritization rules" for free before paid.
        Assumed: sums that are not invoiced count as paid.  [A-cost-basis]
        """
        return self.invoice_schedule is not None and any(item.amount for item in self.invoice_schedule.items)

    @property
    def names(self) -> tuple[str, ...]:
        """The ids by which an override may name it: its own, and that of the recurring commit or credit behind it."""
        return (self.id,) if self.recurring_id is None else (self.id, self.recurring_id)

    @property
    def is_trued_up(self) -> bool:
        """Whether an invoice bills, or will bill, what is missing to the commitment.

        Assumed: sums that are not invoiced bring no true-up, and neither does a rest that rolled over.
        [A-true-up-without-invoice]
        """
        schedule = self.invoice_schedule
        return (
            self.type is BalanceType.POSTPAID
            and schedule is not None
            and bool(schedule.items)
            and not schedule.do_not_invoice
            and self.true_up is TrueUp.EXPECTED
        )

    def worth(self, segment: Segment) -> Decimal:
        """Return what a segment grants, manual entries included; what invoices took is not counted.

        Source: schema ``BalanceForCommitsAndCredits``: entries count with their segment, also when dated ahead.
        """
        if not self.manual_entries and not self.seat_adjustments:
            return segment.amount
        entered = [entry.amount for entry in self.manual_entries if entry.segment_id == segment.id]
        entered += (entry.amount for entry in self.seat_adjustments if entry.segment_id == segment.id)
        return sum(entered, segment.amount)

    def segment(self, segment_id: SegmentId) -> Segment | None:
        """Return the segment of that id, or None."""
        return next((segment for segment in self.segments if segment.id == segment_id), None)

    @property
    def open_to(self) -> Collection[Hashable]:
        """Whose usage may draw on it: its contract's and its children's, that of the contracts it is kept for, or the
        customer's.

        Assumed: children of a contract may not draw on a balance that says nothing of them.  [A-child-access-default]
        """
        if self.contract_id is None:
            return frozenset(self.applicable_contract_ids) or (self.customer_id,)
        access = self.child_access
        if access is None:
            return (self.contract_id,)
        everybody = (all_children_of(self.contract_id),) if access.type is AccessType.ALL else ()
        return {self.contract_id, *access.contract_ids, *everybody}

    def is_open_to(self, contract_id: ContractId, parent_id: ContractId | None = None) -> bool:
        """Whether usage of this contract may draw on it.

        Args:
            parent_id: Of the contract, in a hierarchy.
        """
        if self.contract_id is None:
            return not self.applicable_contract_ids or contract_id in self.applicable_contract_ids
        groups: tuple[Hashable, ...] = (contract_id,)
        if parent_id is not None:
            groups = (contract_id, all_children_of(parent_id))
        return any(group in self.open_to for group in groups)

    @property
    def contracts_open_to(self) -> int:
        """How many contracts' usage may draw on it; endless for all contracts of a customer."""
        if self.contract_id is None:
            return len(self.applicable_contract_ids) or ENDLESS
        return 1 if self.child_access is None else 1 + self.child_access.children

    def covers(self, target: Target) -> bool:
        """Whether it may pay this usage.

        Source: guide "Target credits and commits"; products and tags are alternatives, and so are specifiers.
        """
        if self.specifiers:
            return any(specifier.matches(target) for specifier in self.specifiers)
        if not self.applicable_product_ids and not self.applicable_product_tags:
            return True
        return has_any(target.product, self.applicable_product_ids, self.applicable_product_tags)
