"""Contracts: what a customer agreed to. Source: schemas ``Contract`` and ``ContractV2``, two renderings of this."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.hierarchies import InvoiceConsolidation, Membership
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CustomerId,
    InvoiceId,
    PackageId,
    RateCardId,
    SubscriptionId,
)
from metronome_sandbox.domain.overrides import Override, Prioritization
from metronome_sandbox.domain.periods import BoundedPeriod, Period, StatementSchedule, next_billing_period
from metronome_sandbox.domain.recurring import Grant, Recurring, SeatsGranted, next_grant
from metronome_sandbox.domain.reseller_royalties import ResellerRoyalty
from metronome_sandbox.domain.scheduled_charges import Discount, ProfessionalService, ScheduledCharge, ServiceCharge
from metronome_sandbox.domain.seat_grants import SeatsAdded, next_seat_grant, next_seats
from metronome_sandbox.domain.subscriptions import Occupancy, Subscription
from metronome_sandbox.domain.thresholds import PrepaidThreshold, SpendThreshold
from metronome_sandbox.domain.usage_filters import UsageFilter


class TransitionType(StrEnum):
    """How a contract follows another: RENEWAL takes what may roll over along, SUPERSEDE nothing."""

    RENEWAL = "RENEWAL"
    SUPERSEDE = "SUPERSEDE"


class Transition(msgspec.Struct, frozen=True, gc=False):
    """The link between a contract and the one that follows it; both have it. Source: ``ContractTransition``."""

    type: TransitionType
    from_contract_id: ContractId
    to_contract_id: ContractId


class Upcoming(msgspec.Struct, frozen=True, gc=False):
    """What a recurring commit or credit does next: it makes a grant, for these seats, or adds to the one it made."""

    recurring: Recurring
    starting_at: datetime
    grant: Grant | None = None
    seats: Occupancy | None = None
    added: SeatsAdded | None = None


class Contract(msgspec.Struct, frozen=True, gc=False):
    """One agreement.

    Attributes:
        ending_before: Exclusive; None is open-ended.
        balance_ids: Its own commits and credits in the order of the request.
        generated_until: Where the next generated usage invoice starts.
        next_period: The billing period of that invoice; None when the contract has no more.
        charges_on_usage_invoices: Whether what falls due on the day a usage period ends goes on that period's invoice.
        service_charges: What of the professional services was asked to be invoiced.
        usage_filters: In the order of time.
        issue_dates: Of scheduled drafts that were moved away from the date of their charges.
        next_charge_at: When the first charge that no invoice holds yet falls due; None when there is none.
        recurring: Commits and credits that it grants anew each period, in the order they were added.
        next_grant_at: When the next of those grants is made; None when there are no more.
        subscriptions: Recurring fees, in the order they were added.
        charges_known_until: Until when their charges are looked for; None is the end of the first billing period.
        sequence: Running number over all of a tenant's contracts.
        package_id: The package that its terms came from.
        child_of: The parent in a hierarchy, which a contract has from the start or never.
        invoice_consolidation: Of a contract that was made as a parent.
        next_check_at: When time alone may next change what an enabled threshold sees; None when never.
    """

    id: ContractId
    customer_id: CustomerId
    starting_at: datetime
    created_at: datetime
    sequence: int
    statement_schedule: StatementSchedule
    generated_until: datetime
    next_period: BoundedPeriod | None = None
    ending_before: datetime | None = None
    name: str | None = None
    rate_card_id: RateCardId | None = None
    overrides: tuple[Override, ...] = ()
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    balance_ids: tuple[BalanceId, ...] = ()
    net_payment_terms_days: Decimal | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    archived_at: datetime | None = None
    next_charge_at: datetime | None = None
    scheduled_charges: tuple[ScheduledCharge, ...] = ()
    charges_on_usage_invoices: bool = False
    discounts: tuple[Discount, ...] = ()
    professional_services: tuple[ProfessionalService, ...] = ()
    service_charges: tuple[ServiceCharge, ...] = ()
    reseller_royalties: tuple[ResellerRoyalty, ...] = ()
    usage_filters: tuple[UsageFilter, ...] = ()
    transitions: tuple[Transition, ...] = ()
    issue_dates: dict[InvoiceId, datetime] = {}
    recurring: tuple[Recurring, ...] = ()
    next_grant_at: datetime | None = None
    package_id: PackageId | None = None
    subscriptions: tuple[Subscription, ...] = ()
    charges_known_until: datetime | None = None
    child_of: Membership | None = None
    invoice_consolidation: InvoiceConsolidation | None = None
    spend_threshold: SpendThreshold | None = None
    prepaid_threshold: PrepaidThreshold | None = None
    next_check_at: datetime | None = None

    @property
    def parent_id(self) -> ContractId | None:
        """Its parent in a hierarchy."""
        return None if self.child_of is None else self.child_of.parent.contract_id

    @property
    def is_watched(self) -> bool:
        """Whether one of its thresholds is enabled."""
        configured = (self.spend_threshold, self.prepaid_threshold)
        return self.archived_at is None and any(one is not None and one.is_enabled for one in configured)

    @property
    def period(self) -> Period:
        """When it is in force."""
        return Period(self.starting_at, self.ending_before)

    def periods_ahead(self, until: datetime) -> tuple[list[BoundedPeriod], datetime | None]:
        """Return the periods of the usage invoices to come that start at or before ``until``, and when the next starts.

        Without a look at the calendar for what is known: a period follows where one ends, unless the contract ends too.
        """
        found: list[BoundedPeriod] = []
        period = self.next_period
        while period is not None and period.starting_at <= until:
            found.append(period)
            after = period.ending_before
            if after > until:
                return found, after if self.ending_before is None or after < self.ending_before else None
            period = next_billing_period(self.statement_schedule, self.period, after)
        return found, None if period is None else period.starting_at

    def with_generated_until(self, instant: datetime) -> Contract:
        """Return the contract with its next generated invoice starting at ``instant``; its end may have changed."""
        contract = msgspec.structs.replace(
            self,
            generated_until=instant,
            next_period=next_billing_period(self.statement_schedule, self.period, instant),
        )
        return contract.with_recurring(self.recurring) if self.recurring else contract

    @property
    def upcoming_grant(self) -> Upcoming | None:
        """The grant that is made or added to next, of several at one time that of what was added first."""
        found = [upcoming for recurring in self.recurring for upcoming in self._upcoming(recurring)]
        return min(found, key=lambda item: item.starting_at, default=None)

    def _upcoming(self, recurring: Recurring) -> Iterator[Upcoming]:
        """Yield what a recurring commit or credit adds to its grant, and its next one, as far as there are any."""
        statements, period = self.statement_schedule, self.period
        if recurring.seats is None:
            grant = next_grant(recurring, statements, period)
            if grant is not None:
                yield Upcoming(recurring, grant.access.starting_at, grant)
            return
        subscription = self.subscription(recurring.seats.subscription_id)
        added = next_seats(recurring, subscription, statements, period)
        if added is not None:
            yield Upcoming(recurring, added.starting_at, added=added)
        granted = next_seat_grant(recurring, subscription, statements, period)
        if granted is not None:
            yield Upcoming(recurring, granted[0].access.starting_at, *granted)

    def subscription(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the contract's subscription of that id."""
        return next(each for each in self.subscriptions if each.id == subscription_id)

    def with_recurring(self, recurring: tuple[Recurring, ...]) -> Contract:
        """Return the contract with these recurring commits and credits."""
        contract = msgspec.structs.replace(self, recurring=recurring)
        upcoming = contract.upcoming_grant
        next_grant_at = None if upcoming is None else upcoming.starting_at
        return msgspec.structs.replace(contract, next_grant_at=next_grant_at)

    def with_granted(self, upcoming: Upcoming) -> Contract:
        """Return the contract after a grant was made or added to."""
        recurring, grant, added = upcoming.recurring, upcoming.grant, upcoming.added
        granted = recurring
        if grant is not None:
            seats = upcoming.seats and SeatsGranted(
                grant.access.starting_at,
                grant.access.ending_before,
                grant.amount,
                upcoming.seats.quantity,
                upcoming.seats.seat_ids,
            )
            granted = msgspec.structs.replace(recurring, granted_until=grant.until, seats_granted=seats)
        elif added is not None and recurring.seats_granted is not None:
            before = recurring.seats_granted
            seat_ids = (*before.seat_ids, *(seat for seat, _ in added.seat_amounts))
            most = max(before.quantity, added.occupancy.quantity, Decimal(len(seat_ids)))
            seats = msgspec.structs.replace(before, quantity=most, seat_ids=seat_ids)
            granted = msgspec.structs.replace(recurring, seats_granted=seats)
        return self.with_recurring(tuple(granted if item.id == recurring.id else item for item in self.recurring))
