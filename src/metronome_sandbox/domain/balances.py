"""Commits and credits: what a customer has paid for or was given, and the order in which it is spent.

The API calls the two together *balances*. A prepaid commit and a credit make usage free until they are spent; a
postpaid commit counts usage that is billed as it happens.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.catalog import Product
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
    def open_to(self) -> Collection[ContractId | CustomerId]:
        """Whose usage may draw on it: its contract's, that of the contracts it is kept for, or the customer's."""
        if self.contract_id is not None:
            return (self.contract_id,)
        return frozenset(self.applicable_contract_ids) or (self.customer_id,)

    def is_open_to(self, contract_id: ContractId) -> bool:
        """Whether usage of this contract may draw on it."""
        if self.contract_id is not None:
            return self.contract_id == contract_id
        return not self.applicable_contract_ids or contract_id in self.applicable_contract_ids

    def covers(self, target: Target) -> bool:
        """Whether it may pay this usage.

        Source: guide "Target credits and commits"; products and tags are alternatives, and so are specifiers.
        """
        if self.specifiers:
            return any(specifier.matches(target) for specifier in self.specifiers)
        if not self.applicable_product_ids and not self.applicable_product_tags:
            return True
        return has_any(target.product, self.applicable_product_ids, self.applicable_product_tags)


def product_applicability(balance: Balance, products: Collection[Product]) -> int:
    """Return how many products a balance names; endless when it names none.

    Assumed: tags are expanded to the products that carry them now (Q24).  [A-product-applicability]
    """
    if balance.specifiers:
        if not any(specifier.product_id or specifier.product_tags for specifier in balance.specifiers):
            return ENDLESS
        named = {
            product.id
            for product in products
            for specifier in balance.specifiers
            if (specifier.product_id or specifier.product_tags)
            and (specifier.product_id in (None, product.id))
            and all(tag in product.tags for tag in specifier.product_tags)
        }
        return len(named)
    if not balance.applicable_product_ids and not balance.applicable_product_tags:
        return ENDLESS
    ids = set(balance.applicable_product_ids)
    tagged = {product.id for product in products if any(tag in product.tags for tag in balance.applicable_product_tags)}
    return len(ids | tagged)


def usage_applicability(balance: Balance) -> int:
    """Return how many specifiers of a balance name group values; none without specifiers.

    Source: guide "Understand prioritization rules".
    Assumed: a specifier counts whether or not it names a product as well; the guide's worked order (its commits C and
    D) asks for it.  [A-usage-applicability]
    """
    return sum(
        1 for specifier in balance.specifiers if specifier.pricing_group_values or specifier.presentation_group_values
    )


class OpenSegment(msgspec.Struct, frozen=True, gc=False):
    """A segment with what is left of it."""

    balance: Balance
    segment: Segment
    remaining: Decimal

    def covers(self, target: Target) -> bool:
        """Whether it may pay this usage."""
        return self.balance.covers(target) and self.segment.is_for(target)


SpendingOrder = tuple[int, bool, Decimal, bool, int, int, datetime, datetime, int, int, str]


def spending_order(candidate: OpenSegment, products: Collection[Product]) -> SpendingOrder:
    """Return the key that sorts segments into the order in which they are spent.

    Source: guide "Understand prioritization rules".
    Assumed: contract level before customer level is the last of the published steps (Q25); creation breaks what is
    still a tie, so that the order is total and a run repeats; segments of one commit go by end, then start.
    [A-spending-order]
    """
    balance, segment = candidate.balance, candidate.segment
    is_postpaid = balance.type is BalanceType.POSTPAID
    is_rolled_over = balance.rolled_over_from is not None
    contracts = 1 if balance.contract_id is not None else len(balance.applicable_contract_ids) or ENDLESS
    return (
        0 if is_rolled_over else 2 if is_postpaid else 1,
        is_rolled_over and not is_postpaid,  # of rollovers the postpaid ones first
        balance.priority,  # lower first
        balance.is_paid,  # free before paid; a rollover is never paid
        product_applicability(balance, products),  # narrow before broad
        usage_applicability(balance) if is_rolled_over or not is_postpaid else 0,
        segment.ending_before,
        segment.starting_at,
        contracts,
        balance.sequence,
        segment.id,
    )


def rolling_over(balance: Balance, segment: Segment, drawn: Decimal) -> Decimal:
    """Return what of a segment goes to the contract that renews this one, or would go if it were renewed now.

    Args:
        drawn: What invoices took from the segment, drafts included.

    Source: guide "Manage the customer lifecycle": what is left, at most the fraction of the original amount.
    Assumed: manual entries count for what is left and not for the original amount (Q27); without a fraction nothing
    rolls over, and neither does what rolled over before.  [A-rollover-amount]
    """
    fraction = balance.rollover_fraction
    if fraction is None or balance.rolled_over_from is not None or balance.is_withdrawn:
        return ZERO
    return max(min(balance.worth(segment) - drawn, fraction * segment.amount), ZERO)


def with_rolled_amounts(balance: Balance, source: Balance, drawn: Mapping[SegmentId, Decimal]) -> Balance:
    """Return a rolled-over balance with the amounts that its source leaves to it.

    Args:
        drawn: What invoices took from the source's segments, drafts included.

    Assumed: the amount follows the old contract's invoices, whenever one of them changes.  [A-rollover-follows]
    """
    amounts = {
        rollover.new_segment_id: rolling_over(source, segment, drawn.get(segment.id, ZERO))
        for rollover in source.rollovers
        if rollover.new_balance_id == balance.id and (segment := source.segment(rollover.segment_id)) is not None
    }
    segments = tuple(
        msgspec.structs.replace(segment, amount=amounts.get(segment.id, ZERO)) for segment in balance.segments
    )
    return msgspec.structs.replace(balance, segments=segments)
