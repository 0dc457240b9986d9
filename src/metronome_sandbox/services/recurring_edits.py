"""Recurring commits and credits changed by an edit: what they grant from now on."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType, SpendingRate
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest, NotFound
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.recurring import Recurring, Rounding, UnitAmount, next_grant
from metronome_sandbox.domain.seat_grants import check_number_of_seats
from metronome_sandbox.services.context import Context


class AmountChange(msgspec.Struct, frozen=True):
    """What an edit changes on an amount; None leaves it."""

    unit_price: Decimal | None = None
    quantity: Decimal | None = None

    def of(self, amount: UnitAmount) -> UnitAmount:
        """Return the amount after the change."""
        return msgspec.structs.replace(
            amount,
            unit_price=amount.unit_price if self.unit_price is None else self.unit_price,
            quantity=amount.quantity if self.quantity is None else self.quantity,
        )


class RecurringChange(msgspec.Struct, frozen=True):
    """What an edit changes on a recurring commit or credit. None or UNSET leaves a field as it is.

    Source: schemas ``UpdateRecurringCommitInput`` and ``UpdateRecurringCreditInput``.
    """

    id: RecurringId
    access: AmountChange | None = None
    price: AmountChange | None = None
    ending_before: datetime | UnsetType | None = UNSET
    rate_type: SpendingRate | None = None
    access_rounding: Rounding | UnsetType | None = UNSET
    price_rounding: Rounding | UnsetType | None = UNSET


def with_change(context: Context, contract: Contract, change: RecurringChange, *, is_credit: bool) -> Contract:
    """Return the contract with one recurring commit or credit changed. What it has granted already stays.

    Raises:
        NotFound: The contract has no such recurring commit or credit.
        InvalidRequest: What would come out breaks a rule; the path is relative to the item.

    Source: schema ``EditContractPayload``: an edit reaches the grants whose access has not started.
    """
    changed = _changed(context, contract, _own(contract, change.id, is_credit=is_credit), change)
    return contract.with_recurring(tuple(changed if item.id == changed.id else item for item in contract.recurring))


def _own(contract: Contract, recurring_id: RecurringId, *, is_credit: bool) -> Recurring:
    for item in contract.recurring:
        if item.id == recurring_id and (item.type is BalanceType.CREDIT) is is_credit:
            return item
    kind = "credit" if is_credit else "commit"
    raise NotFound(f"recurring {kind}", recurring_id, f"recurring_{kind}_id")


def _changed(context: Context, contract: Contract, recurring: Recurring, change: RecurringChange) -> Recurring:
    """Return a recurring commit or credit after a change.

    Assumed: a price for one that was free is in USD; where the end is moved after it was reached, periods that have
    begun in the meantime are not granted.  [A-recurring-change]
    """
    access = recurring.access if change.access is None else change.access.of(recurring.access)
    price = recurring.price
    if change.price is not None:
        if price is None and None in (change.price.unit_price, change.price.quantity):
            raise InvalidRequest("invoice_amount", "needs unit_price and quantity, as nothing was paid for it so far")
        price = change.price.of(price or UnitAmount(Decimal(0), Decimal(0), USD_CENTS))
    for path, amount in (("access_amount", access), ("invoice_amount", price)):
        if amount is not None and amount.amount < 0:
            raise InvalidRequest(path, f"{amount.unit_price} * {amount.quantity} is less than 0")
    changed = msgspec.structs.replace(
        recurring,
        access=access,
        price=price,
        rate_type=recurring.rate_type if change.rate_type is None else change.rate_type,
        access_rounding=recurring.access_rounding if change.access_rounding is UNSET else change.access_rounding,
        price_rounding=recurring.price_rounding if change.price_rounding is UNSET else change.price_rounding,
    )
    if change.ending_before is UNSET:
        return changed
    end = change.ending_before
    if end is not None and require_hour(end, "ending_before") <= recurring.starting_at:
        raise InvalidRequest("ending_before", f"{end.isoformat()} is not after {recurring.starting_at.isoformat()}")
    changed = msgspec.structs.replace(changed, ending_before=end)
    if changed.seats is not None:
        check_number_of_seats(changed, contract.subscription(changed.seats.subscription_id), "ending_before")
    return _without_missed(context, contract, changed)


def _without_missed(context: Context, contract: Contract, recurring: Recurring) -> Recurring:
    """Return a recurring commit or credit that does not grant the periods that have begun already."""
    now, statements = context.now, contract.statement_schedule
    while (grant := next_grant(recurring, statements, contract.period)) is not None and grant.access.starting_at <= now:
        recurring = msgspec.structs.replace(recurring, granted_until=grant.until)
    return recurring
