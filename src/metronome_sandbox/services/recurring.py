"""Recurring commits and credits: added to a contract, and granted as time passes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metronome_sandbox.domain.balances import Balance, BalanceType, InvoiceSchedule, InvoiceScheduleItem, Segment
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, ContractId, RecurringId, SegmentId
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.recurring import Grant, Recurring
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
            raise InvalidRequest("ending_before", f"{terms.ending_before.isoformat()} is not after starting_at")
    for path, amount in (("access_amount", terms.access), ("invoice_amount", terms.price)):
        if amount is not None:
            active_credit_type(context, amount.credit_type_id, f"{path}.credit_type_id")
        if amount is not None and amount.amount < 0:
            raise InvalidRequest(path, f"{amount.unit_price} * {amount.quantity} is less than 0")
    if terms.price is not None:
        require_currency(context, terms.price.credit_type_id, "invoice_amount.credit_type_id")
    _check_number(context, contract.with_recurring((terms,)))


def _check_number(context: Context, contract: Contract) -> None:
    now = context.now
    for _ in range(MAX_PAST_GRANTS):
        upcoming = contract.upcoming_grant
        if upcoming is None or upcoming[1].access.starting_at > now:
            return
        contract = contract.with_granted(*upcoming)
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
    """Make the grant that a contract has next, inside of an open transaction, and return the new commit or credit."""
    store = context.store
    contract = store.contracts[contract_id]
    upcoming = contract.upcoming_grant
    if upcoming is None:
        return None
    recurring, grant = upcoming
    balance = _balance(context, contract, recurring, grant)
    store.balances.put(balance.id, balance)
    granted = contract.with_granted(recurring, grant)
    store.contracts.put(contract.id, msgspec.structs.replace(granted, balance_ids=(*granted.balance_ids, balance.id)))
    roll_over_grant(context, granted, balance)
    reschedule(context, contract.id)
    return balance


def _balance(context: Context, contract: Contract, recurring: Recurring, grant: Grant) -> Balance:
    """Return a grant as a commit or credit of its own.

    Source: guide "Create a pre-paid commit" (recurring commits) and field ``Commit.created_at``.
    Assumed: it is paid at the start of its period.  [A-grant-payment]
    """
    derived, start = context.ids.derived, grant.access.starting_at
    balance_id = BalanceId(derived("grant", recurring.id, start.isoformat()))
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
        segments=(
            Segment(SegmentId(derived("segment", balance_id, "0")), grant.amount, start, grant.access.ending_before),
        ),
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
