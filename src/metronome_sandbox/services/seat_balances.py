"""What single seats can spend: their parts of commits and credits that each seat has a balance of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, Segment
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, SubscriptionId
from metronome_sandbox.domain.ledger import LedgerEntry
from metronome_sandbox.domain.periods import Period
from metronome_sandbox.domain.subscriptions import QuantityManagement, Subscription
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_history import own_balances
from metronome_sandbox.services.contracts import get_contract
from metronome_sandbox.services.ledgers import drawn_from, ledger_now


class SeatBalanceQuery(msgspec.Struct, frozen=True):
    """What ``listSeatBalances-v1`` asks for.

    Attributes:
        subscription_ids, seat_ids: Empty is all.
        skips_missing: Whether a seat that there is not is left out and not refused.
    """

    customer_id: CustomerId
    contract_id: ContractId
    subscription_ids: tuple[SubscriptionId, ...] = ()
    seat_ids: tuple[str, ...] = ()
    skips_missing: bool = False
    covering_date: datetime | None = None
    starting_at: datetime | None = None
    effective_before: datetime | None = None

    def admits(self, period: Period, now: datetime) -> bool:
        """Whether a stretch of time is asked for; without dates what holds now."""
        if self.starting_at is None and self.effective_before is None:
            return (self.covering_date or now) in period
        end = period.ending_before
        return (self.starting_at is None or end is None or end > self.starting_at) and (
            self.effective_before is None or period.starting_at < self.effective_before
        )


class SeatShare(msgspec.Struct, frozen=True):
    """A seat's part of one commit or credit."""

    balance: Balance
    segment: Segment
    left: Decimal


class SeatBalance(msgspec.Struct, frozen=True):
    """A seat with its parts of commits and credits."""

    seat_id: str
    shares: tuple[SeatShare, ...]

    @property
    def sums(self) -> Mapping[CreditTypeId, tuple[Decimal, Decimal]]:
        """What is left and what was granted, by unit."""
        found: dict[CreditTypeId, tuple[Decimal, Decimal]] = {}
        for share in self.shares:
            left, granted = found.get(share.balance.credit_type_id, (ZERO, ZERO))
            found[share.balance.credit_type_id] = (left + share.left, granted + share.segment.amount)
        return found


def list_seat_balances(context: Context, query: SeatBalanceQuery) -> list[SeatBalance]:
    """Return the seats of a contract's SEAT_BASED subscriptions in the order in which they came.

    Raises:
        CustomerNotFound, ContractNotFound: There is none.
        InvalidRequest: ``covering_date`` stands beside another date, a subscription has no seats, or a seat is in none.

    Source: operation ``listSeatBalances-v1``.
    Assumed: without dates it is about what holds now; a seat is there while it has a name, or a balance.
    [A-seat-balances]
    """
    contract = get_contract(context, query.customer_id, query.contract_id)
    if query.covering_date is not None and (query.starting_at is not None or query.effective_before is not None):
        raise InvalidRequest(
            "covering_date", "cannot stand beside starting_at or effective_before; send one or the other"
        )
    subscriptions = _subscriptions(contract, query)
    shares = list(_shares(context, contract, subscriptions, query))
    known = dict.fromkeys(seat for each in subscriptions for seat in _ever(each))
    for index, seat in enumerate(query.seat_ids):
        if seat not in known and not query.skips_missing:
            raise InvalidRequest(f"seat_ids[{index}]", f"no subscription that is asked for has a seat {seat!r}")
    there = {seat for each in subscriptions for seat in _there(context, contract, each, query)}
    there |= {share.segment.seat[1] for share in shares if share.segment.seat is not None}
    return [
        SeatBalance(seat, tuple(share for share in shares if share.segment.seat and share.segment.seat[1] == seat))
        for seat in known
        if seat in there and (not query.seat_ids or seat in query.seat_ids)
    ]


def seat_ledger(context: Context, share: SeatShare) -> list[LedgerEntry]:
    """Return the entries of a seat's part of a commit or credit, in the order of time."""
    return [entry for entry in ledger_now(context, share.balance) if entry.segment_id == share.segment.id]


def _subscriptions(contract: Contract, query: SeatBalanceQuery) -> list[Subscription]:
    seated = {each.id: each for each in contract.subscriptions if each.management is QuantityManagement.SEAT_BASED}
    for index, subscription_id in enumerate(query.subscription_ids):
        if subscription_id not in seated:
            raise InvalidRequest(
                f"subscription_ids[{index}]", f"{subscription_id} is no SEAT_BASED subscription of the contract"
            )
    return [each for each in seated.values() if not query.subscription_ids or each.id in query.subscription_ids]


def _ever(subscription: Subscription) -> Iterator[str]:
    """Yield the names that had or will have a seat, some of them several times."""
    for step in subscription.occupancies():
        yield from step.seat_ids


def _there(context: Context, contract: Contract, subscription: Subscription, query: SeatBalanceQuery) -> Iterator[str]:
    """Yield the names that have a seat at a time that is asked for."""
    steps = subscription.occupancies()
    last = subscription.during(contract.period).ending_before
    ends = [*(step.starting_at for step in steps[1:]), last]
    for step, end in zip(steps, ends, strict=True):
        if step.starting_at != end and query.admits(Period(step.starting_at, end), context.now):
            yield from step.seat_ids


def _shares(
    context: Context, contract: Contract, subscriptions: Sequence[Subscription], query: SeatBalanceQuery
) -> Iterator[SeatShare]:
    ids = {each.id for each in subscriptions}
    granting = {each.id for each in contract.recurring if each.seats is not None and each.seats.subscription_id in ids}
    for balance in own_balances(context, contract):
        if balance.recurring_id not in granting or balance.archived_at is not None:
            continue
        drawn = drawn_from(context, balance)
        for segment in balance.segments:
            period = Period(segment.starting_at, segment.ending_before)
            if segment.seat is not None and query.admits(period, context.now):
                left = balance.worth(segment) - drawn.get(segment.id, ZERO)
                yield SeatShare(balance, segment, max(left, ZERO))
