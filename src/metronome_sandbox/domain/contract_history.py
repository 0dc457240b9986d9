"""What became of a contract since it was made: its edits, its amendments, and how it was before each change."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import BalanceId, OverrideId
from metronome_sandbox.domain.overrides import Override
from metronome_sandbox.domain.recurring import Recurring
from metronome_sandbox.domain.reseller_royalties import RoyaltyChange
from metronome_sandbox.domain.scheduled_charges import Discount, ProfessionalService, ScheduledCharge
from metronome_sandbox.domain.subscriptions import Subscription
from metronome_sandbox.domain.usage_filters import UsageFilter


class AddedTerms(msgspec.Struct, frozen=True, gc=False):
    """What came to a contract at once, as it was then."""

    commits: tuple[Balance, ...] = ()
    credits: tuple[Balance, ...] = ()
    overrides: tuple[Override, ...] = ()
    scheduled_charges: tuple[ScheduledCharge, ...] = ()
    discounts: tuple[Discount, ...] = ()
    professional_services: tuple[ProfessionalService, ...] = ()
    reseller_royalties: tuple[RoyaltyChange, ...] = ()
    recurring: tuple[Recurring, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()


class ContractEdit(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a contract. Source: schema ``ContractEdit``.

    Attributes:
        timestamp: When it was made.
        ending_before: The new end, None for no end any more.
        updates: What it changed on things that were there: JSON text of the fields ``update_...``, as the API shows
            them.
    """

    id: str
    timestamp: datetime
    uniqueness_key: str | None = None
    added: AddedTerms = AddedTerms()
    usage_filters: tuple[UsageFilter, ...] = ()
    name: str | UnsetType | None = UNSET
    ending_before: datetime | UnsetType | None = UNSET
    updates: str = "{}"
    archived_commits: tuple[BalanceId, ...] = ()
    archived_credits: tuple[BalanceId, ...] = ()
    archived_charges: tuple[str, ...] = ()
    removed_overrides: tuple[OverrideId, ...] = ()


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """What ``amendContract-v1`` added to a contract. Source: schema ``ContractAmendment``."""

    id: str
    created_at: datetime
    starting_at: datetime
    added: AddedTerms = AddedTerms()
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None


class ContractVersion(msgspec.Struct, frozen=True, gc=False):
    """A contract with its own commits and credits, as it was until ``until``."""

    until: datetime
    contract: Contract
    balances: tuple[Balance, ...]


class ContractHistory(msgspec.Struct, frozen=True, gc=False):
    """All of it, oldest first."""

    edits: tuple[ContractEdit, ...] = ()
    amendments: tuple[Amendment, ...] = ()
    versions: tuple[ContractVersion, ...] = ()

    def version_at(self, instant: datetime) -> ContractVersion | None:
        """Return the contract as it was at an instant; None when it has not changed since.

        Assumed: before it was made, as it was made; a change counts from the instant on at which it was sent.
        [A-as-of-date]
        """
        return next((version for version in self.versions if instant < version.until), None)
