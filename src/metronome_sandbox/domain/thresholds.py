"""Thresholds: commits that a contract buys by itself when its spend or its balance reaches an amount."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ONE, ZERO
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.ids import CreditTypeId, ProductId
from metronome_sandbox.domain.invoices import Invoice, LineType
from metronome_sandbox.domain.payment_gates import PaymentGate
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit
from metronome_sandbox.domain.targeting import Specifier

A_YEAR = RelativeDate(1, RelativeUnit.YEARS)
LEAST_THRESHOLD = Decimal(500)
LEAST_RECHARGE = Decimal(1000)
"""In cents, above the threshold. Source: guide "Prepaid balance thresholds"."""


class ThresholdCommit(msgspec.Struct, frozen=True, gc=False):
    """What each purchase adds. Source: schemas ``BaseThresholdCommit`` and ``PrepaidBalanceThresholdCommit``.

    Attributes:
        name: None is the product's name.
        duration: How long a recharge can be spent.
    """

    product_id: ProductId
    name: str | None = None
    description: str | None = None
    priority: Decimal = DEFAULT_PRIORITY
    duration: RelativeDate | None = None
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    rollover_fraction: Decimal | None = None
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()


class SpendThreshold(msgspec.Struct, frozen=True, gc=False):
    """Charges the customer each time unpaid usage reaches an amount. Source: schema ``SpendThresholdConfiguration``.

    Attributes:
        threshold_amount: In the currency of the contract's usage invoices.
        payment_fraction: The part of a purchase that the customer pays; None is all of it.
    """

    threshold_amount: Decimal
    commit: ThresholdCommit
    gate: PaymentGate
    is_enabled: bool = True
    payment_fraction: Decimal | None = None

    def price_of(self, worth: Decimal) -> Decimal:
        """Return what the customer pays for a purchase. Source: schema ``DiscountConfiguration``."""
        return worth * (ONE if self.payment_fraction is None else self.payment_fraction)


class FieldCondition(msgspec.Struct, frozen=True, gc=False):
    """A custom field that a balance has. Source: ``custom_field_filters``."""

    entity: str
    key: str
    value: str

    def holds_for(self, balance: Balance) -> bool:
        """Whether a balance is of this kind and has the field."""
        is_credit = balance.type is BalanceType.CREDIT
        is_meant = self.entity == "ContractCreditOrCommit" or (self.entity == "ContractCredit") is is_credit
        return is_meant and balance.custom_fields.get(self.key) == self.value


Exclusion = tuple[FieldCondition, ...]
"""Conditions that a balance must meet all of, to be left out."""


class PrepaidThreshold(SpendThreshold, frozen=True):
    """Buys a commit each time the balance falls to an amount.

    Source: schema ``PrepaidBalanceThresholdConfiguration``.

    Attributes:
        threshold_amount, recharge_to_amount: In the custom unit, or in the currency when there is none.
        excluded: Balances that meet one of these do not count.
    """

    recharge_to_amount: Decimal = ZERO
    custom_credit_type_id: CreditTypeId | None = None
    excluded: tuple[Exclusion, ...] = ()

    def counts(self, balance: Balance) -> bool:
        """Whether a balance is watched: prepaid, and not left out."""
        is_excluded = any(all(one.holds_for(balance) for one in conditions) for conditions in self.excluded)
        return balance.type is not BalanceType.POSTPAID and not is_excluded


def unpaid_spend(invoice: Invoice) -> Decimal:
    """Return what usage on a draft comes to that no prepaid commit or credit pays.

    Source: guide "Set customer spend control". Assumed: charges by date that share the invoice do not count, and what
    a postpaid commit covers does.  [A-unpaid-spend]
    """
    by_date = (LineType.COMMIT_PURCHASE, LineType.SCHEDULED)
    return sum((line.total for line in invoice.lines if line.counts and line.type not in by_date), ZERO)


def next_boundary(balances: Iterable[Balance], others: Iterable[datetime], instant: datetime) -> datetime | None:
    """Return when time alone changes what a threshold sees: a segment begins or ends, or another instant comes."""
    segments = (segment for balance in balances if balance.archived_at is None for segment in balance.segments)
    instants = [at for segment in segments for at in (segment.starting_at, segment.ending_before)]
    return min((at for at in (*instants, *others) if at > instant), default=None)
