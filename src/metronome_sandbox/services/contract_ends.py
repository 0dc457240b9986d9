"""How contracts end: at a date that is set, moved or cleared."""

from __future__ import annotations

from datetime import datetime

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.domain.subscriptions import Collection, Subscription
from metronome_sandbox.services.charges import reschedule, reschedule_true_ups
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.scheduled_charges import ending
from metronome_sandbox.services.subscription_charges import billed


def check_end(
    context: Context, contract: Contract, ending_before: datetime | None, path: str, *, allow_inside_finalized: bool
) -> None:
    """Hold a new end of a contract against the rules.

    Raises:
        InvalidRequest: It is not on the hour, not after the start, or before a finalized invoice's end although that
            was excluded.
    """
    if ending_before is None:
        return
    require_hour(ending_before, path)
    if ending_before <= contract.starting_at:
        raise InvalidRequest(
            path, f"{ending_before.isoformat()} is not after the contract's start, {contract.starting_at.isoformat()}"
        )
    for invoice in () if allow_inside_finalized else invoices_on(context, contract):
        ends_later = invoice.period is not None and invoice.period.ending_before > ending_before
        if invoice.status is InvoiceStatus.FINALIZED and ends_later and invoice.period is not None:
            raise InvalidRequest(
                path,
                f"{ending_before.isoformat()} is before the end of finalized invoice {invoice.id} "
                f"({invoice.period.ending_before.isoformat()}); void it first or allow it",
            )


def set_end(
    context: Context, contract: Contract, ending_before: datetime | None, *, keeps_true_ups: bool = False
) -> Contract:
    """Set, move or clear the end of a contract, inside of an open transaction, and return it as stored.

    Earlier cuts the draft, the access to the contract's own balances and its terms, and drops what its invoices would
    carry afterwards; later brings none of those back.

    Args:
        keeps_true_ups: Whether postpaid commits are still trued up although their date is later.

    Source: operation ``updateContractEndDate-v1`` and reference, pricing section 4.23.
    """
    store = context.store
    is_earlier = ending_before is not None and (
        contract.ending_before is None or ending_before < contract.ending_before
    )
    changed = msgspec.structs.replace(_with_ends_of_subscriptions(context, contract), ending_before=ending_before)
    if is_earlier and ending_before is not None:
        changed = _with_terms_until(ending(context, changed, ending_before), ending_before)
        for balance in balances_on(context, contract):
            kept = _ending(context, balance, ending_before) if balance.contract_id == contract.id else balance
            kept = _without_payments_from(context, kept, ending_before, keeps_true_ups=keeps_true_ups)
            store.balances.put(balance.id, kept)
    store.contracts.put(contract.id, changed.with_generated_until(contract.generated_until))
    reschedule(context, contract.id)
    reschedule_true_ups(context, contract.customer_id)
    return store.contracts[contract.id]


def _with_ends_of_subscriptions(context: Context, contract: Contract) -> Contract:
    """Return a contract, about to get another end, whose subscriptions stay ended that were billed until its old one.

    Source: operation ``updateContractEndDate-v1``: a later end does not lengthen a subscription in advance whose last
    period was billed.
    """
    end = contract.ending_before
    if end is None or not contract.subscriptions:
        return contract
    kept = tuple(
        msgspec.structs.replace(each, ending_before=end) if _is_billed_until(context, contract, each, end) else each
        for each in contract.subscriptions
    )
    return msgspec.structs.replace(contract, subscriptions=kept)


def _is_billed_until(context: Context, contract: Contract, subscription: Subscription, end: datetime) -> bool:
    return (
        subscription.collection is Collection.ADVANCE
        and subscription.during(contract.period).ending_before == end
        and any(item.due.ending_before == end for item in billed(context, contract, subscription).values())
    )


def _with_terms_until(contract: Contract, instant: datetime) -> Contract:
    """Return a contract whose overrides, recurring commits and recurring credits end at ``instant`` at the latest.

    Source: reference, pricing section 4.23: an earlier end cuts terms, a later one leaves them.
    Assumed: one without an end gets one; what would start later goes.  [A-early-end-terms]
    """

    def until(end: datetime | None) -> datetime:
        return instant if end is None else min(end, instant)

    replace = msgspec.structs.replace
    overrides = tuple(
        replace(each, ending_before=until(each.ending_before))
        for each in contract.overrides
        if each.starting_at < instant
    )
    recurring = tuple(
        replace(each, ending_before=until(each.ending_before))
        for each in contract.recurring
        if each.starting_at < instant
    )
    return replace(contract, overrides=overrides).with_recurring(recurring)


def balances_on(context: Context, contract: Contract) -> list[Balance]:
    """Return the commits and credits of a contract, and those of the customer that are paid on its invoices."""
    store = context.store
    found = (store.balances[balance_id] for balance_id in store.balances_of.ids(contract.customer_id))
    return [balance for balance in found if contract.id in (balance.contract_id, balance.invoice_contract_id)]


def _ending(context: Context, balance: Balance, instant: datetime) -> Balance:
    """Return a balance whose access ends at ``instant`` at the latest.

    Assumed: a segment that would start later goes, unless an invoice drew on it.  [A-early-end]
    """
    drawn = context.store.drawn
    segments = tuple(
        msgspec.structs.replace(segment, ending_before=min(segment.ending_before, instant))
        if segment.starting_at < instant
        else segment
        for segment in balance.segments
        if segment.starting_at < instant or drawn.get(segment.id, ZERO)
    )
    return msgspec.structs.replace(balance, segments=segments)


def _without_payments_from(context: Context, balance: Balance, instant: datetime, *, keeps_true_ups: bool) -> Balance:
    """Return a balance whose payments are made before ``instant`` or not at all; those on an invoice already stay."""
    schedule = balance.invoice_schedule
    if schedule is None or (keeps_true_ups and balance.type is BalanceType.POSTPAID):
        return balance
    settled = context.store.settled
    items = tuple(item for item in schedule.items if item.timestamp < instant or item.id in settled)
    return msgspec.structs.replace(balance, invoice_schedule=msgspec.structs.replace(schedule, items=items))


def invoices_on(context: Context, contract: Contract) -> list[Invoice]:
    """Return the stored invoices of a contract."""
    store = context.store
    return [store.invoices[invoice_id] for invoice_id in store.invoices_on.ids(contract.id)]
