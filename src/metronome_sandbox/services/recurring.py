"""Recurring commits and credits: added to a contract, and granted as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import (
    Balance,
    BalanceType,
    InvoiceSchedule,
    InvoiceScheduleItem,
    SeatAdjustment,
    Segment,
)
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, ContractId, RecurringId, SegmentId
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.recurring import Allocation, Grant, Recurring
from metronome_sandbox.domain.seat_grants import SeatsAdded, check_number_of_seats, pooled, shares
from metronome_sandbox.domain.subscriptions import Occupancy, QuantityManagement
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import active_credit_type, require_currency
from metronome_sandbox.services.rollovers import roll_over_grant

MAX_PAST_GRANTS = 1200
"""How many grants one contract may bring at once. Ours; the vendor states no bound."""


class NewRecurring(msgspec.Struct, frozen=True):
    """A recurring commit or credit as a request describes it.

    Attributes:
        terms: With an empty id.
        temporary_id: Name by which overrides of the same request may call it.
    """

    terms: Recurring
    temporary_id: str | None = None


def check_recurring(context: Context, contract: Contract, terms: Recurring) -> None:
    """Hold a new recurring commit or credit against the rules; paths are relative to it.

    Whether it can be sold as its product and what it pays for is checked as for any balance.

    Raises:
        NotFound: A currency does not exist.
        InvalidRequest: It starts before its contract, ends before it starts, or brings too many grants at once.

    Source: reference, pricing section 4.7.
    """
    require_hour(terms.starting_at, "starting_at")
    if terms.starting_at < contract.starting_at:
        raise InvalidRequest(
            "starting_at",
            f"{terms.starting_at.isoformat()} is before the contract's start, {contract.starting_at.isoformat()}",
        )
    if terms.ending_before is not None:
        require_hour(terms.ending_before, "ending_before")
        if terms.ending_before <= terms.starting_at:
            raise InvalidRequest(
                "ending_before",
                f"{terms.ending_before.isoformat()} is not after starting_at {terms.starting_at.isoformat()}",
            )
    for path, amount in (("access_amount", terms.access), ("invoice_amount", terms.price)):
        if amount is not None:
            active_credit_type(context, amount.credit_type_id, f"{path}.credit_type_id")
        if amount is not None and amount.amount < 0:
            raise InvalidRequest(path, f"{amount.unit_price} * {amount.quantity} is less than 0")
    _check_seats(contract, terms)
    if terms.price is not None:
        require_currency(context, terms.price.credit_type_id, "invoice_amount.credit_type_id")
    _check_number(context, contract.with_recurring((terms,)))


def _check_seats(contract: Contract, terms: Recurring) -> None:
    """Source: SDK, field ``quantity_management_mode`` for what seats with balances of their own need."""
    if terms.seats is None:
        return
    path = "subscription_config"
    subscription = next((each for each in contract.subscriptions if each.id == terms.seats.subscription_id), None)
    if subscription is None:
        raise InvalidRequest(
            f"{path}.subscription_id",
            f"{terms.seats.subscription_id!r} is neither a temporary_id of this request nor a subscription of the "
            "contract",
        )
    is_number = subscription.management is QuantityManagement.QUANTITY_ONLY
    if terms.seats.allocation is Allocation.INDIVIDUAL and is_number:
        raise InvalidRequest(f"{path}.allocation", "INDIVIDUAL needs a SEAT_BASED subscription; send POOLED")
    check_number_of_seats(terms, subscription, f"{path}.allocation")


def _check_number(context: Context, contract: Contract) -> None:
    now = context.now
    for _ in range(MAX_PAST_GRANTS):
        upcoming = contract.upcoming_grant
        if upcoming is None or upcoming.starting_at > now:
            return
        contract = contract.with_granted(upcoming)
    raise InvalidRequest("starting_at", f"would bring more than {MAX_PAST_GRANTS} grants at once; send a later one")


def made(context: Context, new: Sequence[NewRecurring], source_id: str) -> list[Recurring]:
    """Return recurring commits and credits with ids that derive from what adds them."""
    return [
        msgspec.structs.replace(
            item.terms, id=RecurringId(context.ids.derived("recurring", source_id, item.terms.type, str(index)))
        )
        for index, item in enumerate(new)
    ]


def grant_next(context: Context, contract_id: ContractId) -> Balance | None:
    """Make the grant that a contract has next, or add to the one it made; inside of an open transaction.

    Returns:
        The new commit or credit, if there is one.
    """
    store = context.store
    contract = store.contracts[contract_id]
    upcoming = contract.upcoming_grant
    if upcoming is None:
        return None
    if upcoming.added is not None:
        _add_seats(context, contract, upcoming.recurring, upcoming.added)
        store.contracts.put(contract.id, contract.with_granted(upcoming))
        return None
    if upcoming.grant is None:
        return None
    balance = _balance(context, contract, upcoming.recurring, upcoming.grant, upcoming.seats)
    store.balances.put(balance.id, balance)
    granted = contract.with_granted(upcoming)
    store.contracts.put(contract.id, msgspec.structs.replace(granted, balance_ids=(*granted.balance_ids, balance.id)))
    roll_over_grant(context, granted, balance)
    reschedule(context, contract.id)
    return balance


def _grant_id(context: Context, recurring: Recurring, starting_at: datetime) -> BalanceId:
    return BalanceId(context.ids.derived("grant", recurring.id, starting_at.isoformat()))


def _segments(
    context: Context, contract: Contract, recurring: Recurring, grant: Grant, seats: Occupancy | None, balance_id: str
) -> tuple[Segment, ...]:
    """Return what a grant can be spent on: one amount, or one for each seat.

    Assumed: seats with balances of their own have a segment each, under their names; one without a name gets none
    before somebody takes it.  [A-seat-segments]
    """
    derived, start, end = context.ids.derived, grant.access.starting_at, grant.access.ending_before
    config = recurring.seats
    if config is not None and seats is not None and config.allocation is Allocation.INDIVIDUAL:
        key = contract.subscription(config.subscription_id).seat_group_key or ""
        return tuple(
            Segment(SegmentId(derived("segment", balance_id, "seat", seat)), amount, start, end, (key, seat))
            for seat, amount in shares(grant, seats)
        )
    amount = grant.amount if seats is None else pooled(grant, seats)
    return (Segment(SegmentId(derived("segment", balance_id, "0")), amount, start, end),)


def _add_seats(context: Context, contract: Contract, recurring: Recurring, added: SeatsAdded) -> None:
    """Add to the grant of the running period what new seats bring."""
    store, derived = context.store, context.ids.derived
    if recurring.seats is None or recurring.seats_granted is None:
        return
    balance = store.balances[_grant_id(context, recurring, recurring.seats_granted.starting_at)]
    replace = msgspec.structs.replace
    if recurring.seats.allocation is Allocation.INDIVIDUAL:
        key = contract.subscription(recurring.seats.subscription_id).seat_group_key or ""
        new = (
            Segment(
                SegmentId(derived("segment", balance.id, "seat", seat)),
                amount,
                added.starting_at,
                added.ending_before,
                (key, seat),
            )
            for seat, amount in added.seat_amounts
        )
        store.balances.put(balance.id, replace(balance, segments=(*balance.segments, *new)))
        return
    entry = SeatAdjustment(balance.segments[0].id, added.amount, added.starting_at)
    store.balances.put(balance.id, replace(balance, seat_adjustments=(*balance.seat_adjustments, entry)))


def _balance(
    context: Context, contract: Contract, recurring: Recurring, grant: Grant, seats: Occupancy | None
) -> Balance:
    """Return a grant as a commit or credit of its own.

    Source: guide "Create a pre-paid commit" (recurring commits) and field ``Commit.created_at``.
    Assumed: it is paid at the start of its period.  [A-grant-payment]
    """
    derived, start = context.ids.derived, grant.access.starting_at
    balance_id = _grant_id(context, recurring, start)
    schedule = None
    if recurring.price is not None and grant.unit_price is not None:
        item = InvoiceScheduleItem(derived("payment", balance_id, "0"), start, grant.unit_price, grant.quantity)
        schedule = InvoiceSchedule(recurring.price.credit_type_id, (item,))
    return Balance(
        id=balance_id,
        type=recurring.type,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        product_id=recurring.product_id,
        credit_type_id=recurring.access.credit_type_id,
        segments=_segments(context, contract, recurring, grant, seats, balance_id),
        created_at=start,
        sequence=len(context.store.balances) + 1,
        name=recurring.name,
        description=recurring.description,
        priority=recurring.priority,
        rate_type=recurring.rate_type,
        invoice_schedule=schedule,
        invoice_contract_id=None if recurring.type is BalanceType.CREDIT else contract.id,
        applicable_product_ids=recurring.applicable_product_ids,
        applicable_product_tags=recurring.applicable_product_tags,
        specifiers=recurring.specifiers,
        rollover_fraction=recurring.rollover_fraction,
        netsuite_sales_order_id=recurring.netsuite_sales_order_id,
        recurring_id=recurring.id,
        child_access=recurring.child_access,
    )
