"""Packages: the terms of a contract made ready, with dates that count from the contract's start.

What does not depend on a date is kept as the contract will have it; where such a value wants a date, it has
:data:`UNDATED`, and the offset beside it says when it will be.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.aliases import Alias
from metronome_sandbox.domain.amounts import USD_CENTS, ZERO
from metronome_sandbox.domain.balances import DEFAULT_PRIORITY, BalanceType, SpendingRate
from metronome_sandbox.domain.ids import CreditTypeId, PackageId, ProductId, RateCardId
from metronome_sandbox.domain.overrides import Override, Prioritization
from metronome_sandbox.domain.periods import Frequency, StatementDay
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.domain.recurring import Recurring, Rounding
from metronome_sandbox.domain.relative_dates import RelativeDate
from metronome_sandbox.domain.subscriptions import Collection, IncreaseBilling, InvoicePlacement, QuantityManagement
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.domain.thresholds import PrepaidThreshold, SpendThreshold

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


class SegmentTemplate(msgspec.Struct, frozen=True, gc=False):
    """An item of an access schedule; ``duration`` counts from its own start."""

    id: str
    amount: Decimal
    starting_at_offset: RelativeDate
    duration: RelativeDate


class PaymentTemplate(msgspec.Struct, frozen=True, gc=False):
    """An item of an invoice schedule."""

    id: str
    unit_price: Decimal
    quantity: Decimal
    date_offset: RelativeDate


class PaymentsTemplate(msgspec.Struct, frozen=True, gc=False):
    """An invoice schedule."""

    items: tuple[PaymentTemplate, ...]
    credit_type_id: CreditTypeId = USD_CENTS
    do_not_invoice: bool = False


class BalanceTemplate(msgspec.Struct, frozen=True, gc=False):
    """A commit or credit of each contract. Source: schemas ``CommitTemplate`` and ``CreditTemplate``.

    Attributes:
        temporary_id: Name by which overrides of the package call it.
    """

    id: str
    type: BalanceType
    product_id: ProductId
    segments: tuple[SegmentTemplate, ...]
    credit_type_id: CreditTypeId = USD_CENTS
    payments: PaymentsTemplate | None = None
    name: str | None = None
    description: str | None = None
    priority: Decimal = DEFAULT_PRIORITY
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rollover_fraction: Decimal | None = None
    temporary_id: str | None = None
    custom_fields: dict[str, str] = {}


class RecurringTemplate(msgspec.Struct, frozen=True, gc=False):
    """A recurring commit or credit of each contract; without ``duration`` it goes on to the contract's end.

    Attributes:
        terms: Undated; its id is the template's, and it names a subscription by its temporary id.
    """

    terms: Recurring
    starting_at_offset: RelativeDate
    duration: RelativeDate | None = None
    temporary_id: str | None = None

    def dated(self, contract_start: datetime) -> Recurring:
        """Return the recurring commit or credit of a contract, with an empty id."""
        start = self.starting_at_offset.after(contract_start)
        end = None if self.duration is None else self.duration.after(start)
        return msgspec.structs.replace(self.terms, id="", starting_at=start, ending_before=end)


class OverrideTemplate(msgspec.Struct, frozen=True, gc=False):
    """An override of each contract; without ``duration`` it holds to the contract's end.

    Attributes:
        terms: Undated; its id is the template's, and it names commits by their temporary ids.
    """

    terms: Override
    starting_at_offset: RelativeDate
    duration: RelativeDate | None = None

    def dated(self, contract_start: datetime) -> Override:
        """Return the override of a contract, with an empty id."""
        start = self.starting_at_offset.after(contract_start)
        end = None if self.duration is None else self.duration.after(start)
        return msgspec.structs.replace(self.terms, id="", starting_at=start, ending_before=end)


class ChargeTemplate(msgspec.Struct, frozen=True, gc=False):
    """A scheduled charge of each contract. Source: schema ``ScheduledChargeTemplate``."""

    id: str
    product_id: ProductId
    payments: PaymentsTemplate
    name: str | None = None
    custom_fields: dict[str, str] = {}


class SubscriptionTemplate(msgspec.Struct, frozen=True, gc=False):
    """A subscription of each contract. Source: schema ``SubscriptionTemplate``.

    Attributes:
        starting_at_offset: None is the start of the contract.
        duration: From its own start; without it a subscription goes on to the contract's end.
        quantity: What QUANTITY_ONLY needs.
        seat_group_key: What SEAT_BASED needs.
        unassigned_seats: Seats without a name at the start; names belong to each contract.
        temporary_id: Name by which recurring commits and credits of the package call it.
    """

    id: str
    product_id: ProductId
    frequency: BillingFrequency
    collection: Collection
    starting_at_offset: RelativeDate | None = None
    duration: RelativeDate | None = None
    quantity: Decimal | None = None
    seat_group_key: str | None = None
    unassigned_seats: Decimal = ZERO
    management: QuantityManagement = QuantityManagement.QUANTITY_ONLY
    is_prorated: bool = False
    increase_billing: IncreaseBilling = IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
    rounding: Rounding | None = None
    placement: InvoicePlacement = InvoicePlacement.ON_USAGE_INVOICE
    name: str | None = None
    description: str | None = None
    custom_fields: dict[str, str] = {}
    temporary_id: str | None = None


class StatementTemplate(msgspec.Struct, frozen=True, gc=False):
    """The billing periods of each contract. Source: schema ``UsageStatementScheduleTemplate``."""

    frequency: Frequency = Frequency.MONTHLY
    day: StatementDay = StatementDay.FIRST_OF_MONTH
    generation_offset: RelativeDate | None = None


class PackageAlias(Alias, frozen=True, gc=False):
    """A name for a package, usable at contract creation while its window holds the contract's start."""


class Package(msgspec.Struct, frozen=True, gc=False):
    """Terms to be sold many times. Source: schema ``Package``.

    Attributes:
        contract_name: The name of each contract.
        duration: From the start of a contract to its end; None is no end.
        rate_card_alias: Names the card at the start of each contract. A package has this, ``rate_card_id`` or neither.
    """

    id: PackageId
    name: str
    created_at: datetime
    contract_name: str | None = None
    uniqueness_key: str | None = None
    aliases: tuple[PackageAlias, ...] = ()
    duration: RelativeDate | None = None
    rate_card_id: RateCardId | None = None
    rate_card_alias: str | None = None
    net_payment_terms_days: Decimal | None = None
    statements: StatementTemplate = StatementTemplate()
    commits: tuple[BalanceTemplate, ...] = ()
    credits: tuple[BalanceTemplate, ...] = ()
    recurring_commits: tuple[RecurringTemplate, ...] = ()
    recurring_credits: tuple[RecurringTemplate, ...] = ()
    overrides: tuple[OverrideTemplate, ...] = ()
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    scheduled_charges: tuple[ChargeTemplate, ...] = ()
    charges_on_usage_invoices: bool = False
    subscriptions: tuple[SubscriptionTemplate, ...] = ()
    spend_threshold: SpendThreshold | None = None
    prepaid_threshold: PrepaidThreshold | None = None
    archived_at: datetime | None = None
