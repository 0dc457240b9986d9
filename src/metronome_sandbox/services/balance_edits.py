"""Commits and credits changed after they were made.

``edit_balance`` works inside of an open transaction, so that an edit of a contract can change several of them at once;
the operations below open one themselves.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.services.balance_changes import BalanceChange
from metronome_sandbox.services.balances import (
    check_commitment,
    check_product,
    check_targets,
    find_balance,
    kind_of,
    own_contract,
)
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_history import remember
from metronome_sandbox.services.hierarchies import check_child_access
from metronome_sandbox.services.passage import catch_up
from metronome_sandbox.services.schedule_edits import edited_payments, edited_segments

PLAIN_FIELDS = (
    *("name", "description", "product_id", "priority", "rate_type", "applicable_product_ids"),
    *("applicable_product_tags", "applicable_contract_ids", "specifiers", "invoice_contract_id"),
    "child_access",
)


def edit_balance(context: Context, balance: Balance, change: BalanceChange) -> Balance:
    """Change a commit or credit inside of an open transaction and return it as stored.

    Drafts follow by themselves and the charges of the contracts that invoice it are scheduled again; the operation that
    opened the transaction lets time pass afterwards (``catch_up``), because a payment may now be due.

    Raises:
        NotAllowedNow: It is archived, came from a rollover, or a finalized invoice holds what would change.
        NotFound: It names a segment, payment, product or contract that is not there.
        InvalidRequest: What would come out breaks a rule. Paths are relative to the commit or credit, as in
            ``access_schedule.update_schedule_items[0].amount``.

    Source: guide "Edit a contract" and reference section 3.13.
    Assumed: a payment on a void invoice may be changed and not removed, what finalized invoices took of a segment may
    not be cut off: neither its amount, nor its time up to the deduction.  [A-edit-used-segment]
    """
    _refuse_uneditable(context, balance, change)
    fields = {name: value for name in PLAIN_FIELDS if (value := getattr(change, name)) is not None}
    for name in ("rollover_fraction", "netsuite_sales_order_id"):
        if getattr(change, name) is not UNSET:
            fields[name] = getattr(change, name)
    changed = msgspec.structs.replace(
        balance,
        **fields,
        segments=edited_segments(context, balance, change),
        invoice_schedule=edited_payments(context, balance, change),
        manual_entries=tuple(
            entry for entry in balance.manual_entries if entry.segment_id not in change.removed_segments
        ),
    )
    _check_outcome(context, changed, change)
    context.store.balances.put(changed.id, changed)
    for contract_id in dict.fromkeys((balance.invoice_contract_id, changed.invoice_contract_id)):
        if contract_id is not None:
            reschedule(context, contract_id)
    return changed


def _refuse_uneditable(context: Context, balance: Balance, change: BalanceChange) -> None:
    if balance.archived_at is not None:
        raise NotAllowedNow("", f"{kind_of(balance)} {balance.id} is archived and can no longer be changed")
    if balance.rolled_over_from is not None:
        raise NotAllowedNow(
            "", f"{kind_of(balance)} {balance.id} came from a rollover; change {balance.rolled_over_from.balance_id}"
        )
    for rollover in balance.rollovers:
        if change.touches_access:
            final = _finalized_on(context, rollover.new_contract_id)
            if final is not None:
                raise NotAllowedNow(
                    "access_schedule",
                    f"can no longer be changed: the rest went to contract {rollover.new_contract_id}, "
                    f"which has finalized invoice {final.id}",
                )
        if change.touches_payments and rollover.timestamp <= context.now:
            raise NotAllowedNow(
                "invoice_schedule", f"can no longer be changed: its contract ended on {rollover.timestamp.isoformat()}"
            )


def _finalized_on(context: Context, contract_id: ContractId) -> Invoice | None:
    store = context.store
    found = (store.invoices[invoice_id] for invoice_id in store.invoices_on.ids(contract_id))
    return next((invoice for invoice in found if invoice.status is InvoiceStatus.FINALIZED), None)


def _check_outcome(context: Context, changed: Balance, change: BalanceChange) -> None:
    """Hold a changed commit or credit against the rules that a new one is held against."""
    if change.product_id is not None:
        check_product(context, change.product_id)
    check_targets(context, changed.applicable_product_ids, changed.applicable_product_tags, changed.specifiers)
    schedule = changed.invoice_schedule
    items = () if schedule is None else schedule.items
    if changed.type is BalanceType.POSTPAID and (change.touches_access or change.touches_payments):
        check_commitment(changed.segments, items)
    check_child_access(context, changed.contract_id, change.child_access)
    if change.applicable_contract_ids is not None:
        if changed.contract_id is not None:
            raise InvalidRequest(
                "applicable_contract_ids",
                f"is for balances of the customer; this one is contract {changed.contract_id}'s",
            )
        if changed.type is BalanceType.POSTPAID:
            raise InvalidRequest("applicable_contract_ids", "cannot be changed on a POSTPAID commit")
        for index, contract_id in enumerate(change.applicable_contract_ids):
            own_contract(context, changed.customer_id, contract_id, f"applicable_contract_ids[{index}]")
    if change.invoice_contract_id is not None:
        if changed.type is BalanceType.CREDIT:
            raise InvalidRequest("invoice_contract_id", "is for commits; a credit is not paid")
        own_contract(context, changed.customer_id, change.invoice_contract_id, "invoice_contract_id")
    is_invoiced = bool(items) and schedule is not None and not schedule.do_not_invoice
    if is_invoiced and changed.invoice_contract_id is None:
        raise InvalidRequest(
            "invoice_contract_id", "is missing; name the contract whose invoices carry the payments of this commit"
        )


def edit_commit(context: Context, customer_id: CustomerId, commit_id: BalanceId, change: BalanceChange) -> Balance:
    """Change a commit. Raises what :func:`edit_balance` and :func:`find_balance` raise."""
    return _edit(context, find_balance(context, customer_id, commit_id, is_credit=False), change)


def edit_credit(context: Context, customer_id: CustomerId, credit_id: BalanceId, change: BalanceChange) -> Balance:
    """Change a credit. Raises what :func:`edit_balance` and :func:`find_balance` raise."""
    return _edit(context, find_balance(context, customer_id, credit_id, is_credit=True), change)


def _edit(context: Context, balance: Balance, change: BalanceChange) -> Balance:
    with context.transaction():
        remember_contract(context, balance)
        edit_balance(context, balance, change)
        catch_up(context)
    return context.store.balances[balance.id]


def remember_contract(context: Context, balance: Balance) -> None:
    """Keep how the contract of a balance is before the balance changes, inside of an open transaction.

    Assumed: such a change shows in what a contract was at a date, and is no edit in its history (pricing, section
    4.21).  [A-balance-history]
    """
    if balance.contract_id is not None:
        remember(context, context.store.contracts[balance.contract_id])
