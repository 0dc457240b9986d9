"""What became of a subscription: its quantity with its price, and its seats."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotFound
from metronome_sandbox.domain.ids import ContractId, CustomerId, SubscriptionId
from metronome_sandbox.domain.subscription_billing import price_of
from metronome_sandbox.domain.subscriptions import Occupancy, QuantityManagement, Subscription, subscription_periods
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contracts import get_contract
from metronome_sandbox.services.pricing import price_book


class SubscriptionReference(msgspec.Struct, frozen=True):
    """Which subscription is meant."""

    customer_id: CustomerId
    contract_id: ContractId
    subscription_id: SubscriptionId


class PricedQuantity(msgspec.Struct, frozen=True):
    """The quantity from an instant on, and what one costs for a whole period."""

    starting_at: datetime
    quantity: Decimal
    unit_price: Decimal


class SeatsEntry(msgspec.Struct, frozen=True):
    """The seats from an instant on; no end is for ever."""

    starting_at: datetime
    ending_before: datetime | None
    occupancy: Occupancy


class SeatsFilter(msgspec.Struct, frozen=True):
    """Which stretches of time are asked for: that of a date, or those that touch a time."""

    covering_date: datetime | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None

    def admits(self, entry: SeatsEntry) -> bool:
        """Whether a stretch is asked for. Source: SDK, parameters of ``getSubscriptionSeatsHistory-v1``."""
        end = entry.ending_before
        if self.covering_date is not None:
            return entry.starting_at <= self.covering_date and (end is None or self.covering_date < end)
        return (self.starting_at is None or end is None or end > self.starting_at) and (
            self.ending_before is None or entry.starting_at <= self.ending_before
        )


def find_subscription(context: Context, asked: SubscriptionReference) -> tuple[Contract, Subscription]:
    """Return a subscription with its contract.

    Raises:
        CustomerNotFound, ContractNotFound, NotFound: There is none.
    """
    contract = get_contract(context, asked.customer_id, asked.contract_id)
    for subscription in contract.subscriptions:
        if subscription.id == asked.subscription_id:
            return contract, subscription
    raise NotFound("subscription", asked.subscription_id, "subscription_id")


def get_quantity_history(
    context: Context, asked: SubscriptionReference
) -> tuple[Contract, Subscription, list[PricedQuantity]]:
    """Return a subscription and its quantity from its start until now, an entry where it or its price changed.

    Raises:
        CustomerNotFound, ContractNotFound, NotFound: There is none.

    Source: operation ``getSubscriptionQuantityHistory-v1``.
    Assumed: the price is that of a whole period, 0 while the contract has no rate that it may use; a quantity that
    falls within a period shows from the date of its change on.  [A-quantity-history]
    """
    contract, subscription = find_subscription(context, asked)
    book, now = price_book(context, contract), context.now
    steps = [(step.starting_at, 1, step.quantity) for step in subscription.occupancies()]
    prices: list[tuple[datetime, int, Decimal]] = []
    for period in subscription_periods(subscription, contract.statement_schedule, contract.period):
        if period.starting_at > now:
            break
        found = price_of(contract, book, subscription, period.starting_at)
        prices.append((period.starting_at, 0, ZERO if found is None else found.price.tiers[0].price))
    quantity = unit_price = ZERO
    history: list[PricedQuantity] = []
    for starting_at, is_quantity, value in sorted(steps + prices, key=lambda entry: entry[:2]):
        if starting_at > now:
            break
        quantity, unit_price = (value, unit_price) if is_quantity else (quantity, value)
        if history and history[-1].starting_at == starting_at:
            history.pop()
        if not history or (history[-1].quantity, history[-1].unit_price) != (quantity, unit_price):
            history.append(PricedQuantity(starting_at, quantity, unit_price))
    return contract, subscription, history


def get_seats_history(context: Context, asked: SubscriptionReference, chosen: SeatsFilter) -> list[SeatsEntry]:
    """Return the seats of a subscription through time, what is to come included.

    Raises:
        CustomerNotFound, ContractNotFound, NotFound: There is none.
        InvalidRequest: It has no seats, or ``covering_date`` stands beside another date.

    Source: operation ``getSubscriptionSeatsHistory-v1``.
    """
    contract, subscription = find_subscription(context, asked)
    if subscription.management is not QuantityManagement.SEAT_BASED:
        raise InvalidRequest("subscription_id", f"{subscription.id} is QUANTITY_ONLY; name a SEAT_BASED subscription")
    if chosen.covering_date is not None and (chosen.starting_at is not None or chosen.ending_before is not None):
        raise InvalidRequest("covering_date", "cannot stand beside starting_at or ending_before; send one or the other")
    steps = subscription.occupancies()
    last = subscription.during(contract.period).ending_before
    ends = [*(following.starting_at for _, following in pairwise(steps)), last]
    entries = [SeatsEntry(step.starting_at, end, step) for step, end in zip(steps, ends, strict=True)]
    return [entry for entry in entries if entry.starting_at != entry.ending_before and chosen.admits(entry)]
