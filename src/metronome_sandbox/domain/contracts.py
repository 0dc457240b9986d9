"""Contracts: what a customer agreed to. Source: schemas ``Contract`` and ``ContractV2``, two renderings of this."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId, RateCardId
from metronome_sandbox.domain.overrides import Override, Prioritization
from metronome_sandbox.domain.periods import BoundedPeriod, Period, StatementSchedule, next_billing_period


class Contract(msgspec.Struct, frozen=True):
    """One agreement.

    Attributes:
        ending_before: Exclusive; None is open-ended.
        balance_ids: Its own commits and credits in the order of the request.
        generated_until: Where the next generated usage invoice starts.
        next_period: The billing period of that invoice; None when the contract has no more.
        next_charge_at: When the first charge that no invoice holds yet falls due; None when there is none.
        sequence: Running number over all of a tenant's contracts.
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

    @property
    def period(self) -> Period:
        """When it is in force."""
        return Period(self.starting_at, self.ending_before)

    def with_generated_until(self, instant: datetime) -> Contract:
        """Return the contract with its next generated invoice starting at ``instant``."""
        return msgspec.structs.replace(
            self,
            generated_until=instant,
            next_period=next_billing_period(self.statement_schedule, self.period, instant),
        )
