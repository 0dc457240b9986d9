"""Commits and credits: what a customer has paid for or was given, and the order in which it is spent.

The API calls the two together *balances*. A prepaid commit and a credit make usage free until they are spent; a
postpaid commit counts usage that is billed as it happens.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.ids import BalanceId, ContractId, CreditTypeId, CustomerId, ProductId, SegmentId
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


class Segment(msgspec.Struct, frozen=True):
    """One item of an access schedule: an amount that can be spent on usage inside ``[starting_at, ending_before)``."""

    id: SegmentId
    amount: Decimal
    starting_at: datetime
    ending_before: datetime

    @property
    def period(self) -> BoundedPeriod:
        """When it can be spent."""
        return BoundedPeriod(self.starting_at, self.ending_before)


class InvoiceScheduleItem(msgspec.Struct, frozen=True):
    """One payment of a commit, at ``timestamp``."""

    id: str
    timestamp: datetime
    unit_price: Decimal
    quantity: Decimal

    @property
    def amount(self) -> Decimal:
        """What is billed."""
        return self.unit_price * self.quantity


class InvoiceSchedule(msgspec.Struct, frozen=True):
    """How a commit is paid. ``do_not_invoice`` keeps the sums as cost basis and bills nothing."""

    credit_type_id: CreditTypeId
    items: tuple[InvoiceScheduleItem, ...]
    do_not_invoice: bool = False


DEFAULT_PRIORITY = Decimal(100)
"""Assumed from samples (Q23).  [A-default-priority]"""


ENDLESS = sys.maxsize
"""Sorts after every count."""


class Balance(msgspec.Struct, frozen=True):
    """A commit or a credit. Source: schemas ``Commit`` and ``Credit``.

    Attributes:
        contract_id: The contract it was created on; None on customer level.
        product_id: The FIXED product it is sold as; names it where it has no name of its own.
        credit_type_id: Unit of every segment's amount.
        sequence: Running number over all of a tenant's balances; the last tie-break of the order of spending.
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

    @property
    def is_paid(self) -> bool:
        """Whether the customer pays for it: its cost basis is not zero.

        Source: guide "Understand prioritization rules" for free before paid.
        Assumed: sums that are not invoiced count as paid.  [A-cost-basis]
        """
        return self.invoice_schedule is not None and any(item.amount for item in self.invoice_schedule.items)

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


class OpenSegment(msgspec.Struct, frozen=True):
    """A segment with what is left of it."""

    balance: Balance
    segment: Segment
    remaining: Decimal


SpendingOrder = tuple[int, Decimal, bool, int, int, datetime, datetime, int, int, str]


def spending_order(candidate: OpenSegment, products: Collection[Product]) -> SpendingOrder:
    """Return the key that sorts segments into the order in which they are spent.

    Source: guide "Understand prioritization rules".
    Assumed: contract level before customer level is the last of the published steps (Q25); creation breaks what is
    still a tie, so that the order is total and a run repeats; segments of one commit go by end, then start.
    [A-spending-order]
    """
    balance, segment = candidate.balance, candidate.segment
    is_postpaid = balance.type is BalanceType.POSTPAID
    contracts = 1 if balance.contract_id is not None else len(balance.applicable_contract_ids) or ENDLESS
    return (
        2 if is_postpaid else 1,  # group 0 is for rollovers
        balance.priority,  # lower first
        balance.is_paid,  # free before paid
        product_applicability(balance, products),  # narrow before broad
        0 if is_postpaid else usage_applicability(balance),
        segment.ending_before,
        segment.starting_at,
        contracts,
        balance.sequence,
        segment.id,
    )


def granted(balance: Balance, instant: datetime) -> Decimal:
    """Return the sum of the segments that are open at ``instant``, spent or not."""
    return sum((segment.amount for segment in balance.segments if instant in segment.period), ZERO)
