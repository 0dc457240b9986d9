"""The commits and credits of a customer: listed, and summed up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, CustomerId
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.ledgers import balance_now, drawn_by_drafts
from metronome_sandbox.services.rollovers import as_it_stands


class BalanceFilter(msgspec.Struct, frozen=True):
    """What a list of balances may be narrowed by; the conditions are ANDed.

    Attributes:
        types: None is all of them.
        covering_date: A segment holds it.
        starting_at: A segment ends after it.
        effective_before: A segment starts before it.
    """

    types: Collection[BalanceType] | None = None
    id: BalanceId | None = None
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None
    include_contract_balances: bool = False
    include_archived: bool = False
    exclude_zero_balances: bool = False

    def admits(self, balance: Balance) -> bool:
        """Whether a balance passes, but for ``exclude_zero_balances``.

        Assumed: the date filters follow the half-open reading of the reference, section 4.2.  [A-balance-filters]
        """
        if self.types is not None and balance.type not in self.types:
            return False
        if self.id is not None and balance.id != self.id:
            return False
        if balance.contract_id is not None and not self.include_contract_balances:
            return False
        if balance.archived_at is not None and not self.include_archived:
            return False
        if self.covering_date is not None and not any(self.covering_date in item.period for item in balance.segments):
            return False
        if self.starting_at is not None and not any(item.ending_before > self.starting_at for item in balance.segments):
            return False
        before = self.effective_before
        return before is None or any(item.starting_at < before for item in balance.segments)


def list_balances(context: Context, customer_id: CustomerId, chosen: BalanceFilter) -> list[Balance]:
    """Return a customer's commits and credits in the order of creation; none for a customer that does not exist.

    Assumed: an unknown customer has no balances, as no 404 is declared (Q30).  [A-unknown-customer-balances]
    """
    store = context.store
    found = [store.balances[balance_id] for balance_id in store.balances_of.ids(customer_id)]
    admitted = [balance for balance in found if chosen.admits(balance)]
    if not chosen.exclude_zero_balances:
        return admitted
    return [balance for balance in admitted if balance_now(context, balance)]


class NetBalanceFilter(msgspec.Struct, frozen=True):
    """Conditions that are ANDed; a request's filters are ORed. None means any."""

    types: Collection[BalanceType] | None = None
    ids: Collection[str] | None = None
    custom_fields: Mapping[str, str] | None = None

    def admits(self, balance: Balance) -> bool:
        """Whether a balance meets all of the conditions."""
        return (
            (self.types is None or balance.type in self.types)
            and (self.ids is None or balance.id in self.ids)
            and (
                self.custom_fields is None
                or all(balance.custom_fields.get(key) == value for key, value in self.custom_fields.items())
            )
        )


def get_net_balance(
    context: Context,
    customer_id: CustomerId,
    credit_type_id: CreditTypeId,
    filters: Sequence[NetBalanceFilter],
    *,
    with_drafts: bool,
) -> Decimal:
    """Return what a customer can spend now in one unit, contract level included.

    Raises:
        InvalidRequest: There is no such customer.

    Assumed: an unknown customer is a 400, the one error declared; postpaid obligations count (Q29).  [A-net-balance]
    """
    store = context.store
    if customer_id not in store.customers:
        raise InvalidRequest("customer_id", f"no customer {customer_id} in this tenant")
    now = context.now
    drafts = drawn_by_drafts(context, customer_id) if with_drafts else {}
    total = ZERO
    for balance_id in store.balances_of.ids(customer_id):
        balance = as_it_stands(context, store.balances[balance_id], drafts)
        if balance.archived_at is not None or balance.credit_type_id != credit_type_id:
            continue
        if filters and not any(item.admits(balance) for item in filters):
            continue
        for segment in balance.segments:
            if now in segment.period:
                left = balance.worth(segment) - store.drawn.get(segment.id, ZERO) - drafts.get(segment.id, ZERO)
                total += max(left, ZERO)
    return total
