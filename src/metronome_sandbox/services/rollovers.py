"""What a renewal takes along: the rest of the old contract's commits and credits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, Origin, Rollover, Segment, TrueUp
from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.ids import BalanceId, SegmentId
from metronome_sandbox.domain.rollovers import with_rolled_amounts
from metronome_sandbox.services.context import Context


def as_it_stands(context: Context, balance: Balance, taken: Mapping[SegmentId, Decimal]) -> Balance:
    """Return a balance with the amounts that it has now: those of a rolled-over one follow what it came from.

    Args:
        taken: What drafts draw from each segment.
    """
    origin = balance.rolled_over_from
    if origin is None:
        return balance
    source = context.store.balances[origin.balance_id]
    drawn = {
        segment.id: context.store.drawn.get(segment.id, ZERO) + taken.get(segment.id, ZERO)
        for segment in source.segments
    }
    return with_rolled_amounts(balance, source, drawn)


def spent_after_rollover(
    context: Context, balance: Balance, segment: Segment, taken: Mapping[SegmentId, Decimal]
) -> Decimal:
    """Return what renewals took of a segment's rest: invoices that come to the old contract later cannot take it again.

    Args:
        taken: What drafts draw from each segment.
    """
    drawn = context.store.drawn
    return sum(
        (
            drawn.get(rollover.new_segment_id, ZERO) + taken.get(rollover.new_segment_id, ZERO)
            for rollover in balance.rollovers
            if rollover.segment_id == segment.id
        ),
        ZERO,
    )


def roll_over(
    context: Context, old_contract: Contract, new_contract: Contract, *, keeps_true_ups: bool = True
) -> tuple[Balance, ...]:
    """Let what is left on the old contract go to the one that renews it, at the new one's start.

    To be called inside of an open transaction, when the new contract is stored and before the old one is ended. Each
    commit or credit with a fraction and a segment in force at the new contract's start becomes a new one there, which
    is stored, and is added to the new contract's ``balance_ids``. Ending the old contract (which cuts the segments) is
    the caller's part; so is ``reschedule`` of the old contract when true-ups are given up.

    Args:
        keeps_true_ups: Whether postpaid commits of the old contract are trued up at their date (``AS_IS``) or not at
            all (``REMOVE``).

    Returns:
        The new commits and credits. Their amounts follow the old contract's invoices, so that a renewal may be agreed
        ahead of its start, and usage of the old contract that is billed later counts.

    Source: guide "Manage the customer lifecycle" and reference section 3.9.
    Assumed: each segment in force rolls over on its own, until the end of the new contract, or for as long as it would
    have lasted itself where that has none (Q26); name, priority, rate type, targets and child access go along.
    [A-rollover-terms]
    """
    store = context.store
    made: list[Balance] = []
    for balance_id in old_contract.balance_ids:
        balance = store.balances[balance_id]
        if balance.is_trued_up and not keeps_true_ups and balance.archived_at is None:
            balance = msgspec.structs.replace(balance, true_up=TrueUp.DISABLED)
            store.balances.put(balance.id, balance)
        new = _roll(context, balance, old_contract, new_contract)
        if new is not None:
            made.append(new)
    return tuple(made)


def roll_over_grant(context: Context, contract: Contract, grant: Balance) -> None:
    """Let what a contract grants after its renewal was agreed roll over as well, inside of an open transaction."""
    for transition in contract.transitions:
        if transition.type is TransitionType.RENEWAL and transition.from_contract_id == contract.id:
            _roll(context, grant, contract, context.store.contracts[transition.to_contract_id])


def _roll(context: Context, balance: Balance, old_contract: Contract, new_contract: Contract) -> Balance | None:
    """Store and return what a commit or credit becomes on the new contract; None when nothing of it can roll over."""
    store, instant = context.store, new_contract.starting_at
    gone = {rollover.segment_id for rollover in balance.rollovers}  # to an earlier renewal of the same contract
    live = [
        segment
        for segment in balance.segments
        if segment.starting_at < instant <= segment.ending_before and segment.id not in gone
    ]
    if not balance.rollover_fraction or balance.rolled_over_from is not None or balance.archived_at is not None:
        return None
    if not live:
        return None
    new = _rolled(context, balance, live, old_contract, new_contract)
    store.balances.put(new.id, new)
    made = tuple(
        Rollover(source.id, instant, new_contract.id, new.id, target.id)
        for source, target in zip(live, new.segments, strict=True)
    )
    store.balances.put(balance.id, msgspec.structs.replace(balance, rollovers=balance.rollovers + made))
    stored = store.contracts[new_contract.id]
    store.contracts.put(stored.id, msgspec.structs.replace(stored, balance_ids=(*stored.balance_ids, new.id)))
    return new


def _rolled(
    context: Context, balance: Balance, live: list[Segment], old_contract: Contract, new_contract: Contract
) -> Balance:
    derived = context.ids.derived
    new_id = BalanceId(derived("rollover", balance.id, new_contract.id))
    return Balance(
        id=new_id,
        type=balance.type,
        customer_id=balance.customer_id,
        contract_id=new_contract.id,
        product_id=balance.product_id,
        credit_type_id=balance.credit_type_id,
        segments=tuple(
            Segment(
                SegmentId(derived("segment", new_id, str(index))),
                ZERO,
                new_contract.starting_at,
                _end(segment, new_contract),
            )
            for index, segment in enumerate(live)
        ),
        created_at=new_contract.starting_at,
        sequence=len(context.store.balances) + 1,
        name=balance.name,
        description=balance.description,
        priority=balance.priority,
        rate_type=balance.rate_type,
        applicable_product_ids=balance.applicable_product_ids,
        applicable_product_tags=balance.applicable_product_tags,
        specifiers=balance.specifiers,
        child_access=balance.child_access,
        rolled_over_from=Origin(balance.id, old_contract.id),
    )


def _end(segment: Segment, new_contract: Contract) -> datetime:
    if new_contract.ending_before is not None:
        return new_contract.ending_before
    return new_contract.starting_at + (segment.ending_before - segment.starting_at)
