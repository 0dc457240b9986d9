"""Commits and credits taken out of use early: archived, ended, left without their true-up.

``archive_balance`` works inside of an open transaction, as ``edit_balance`` does; the operations below open
one themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec

from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BalanceId, ContractId, CustomerId
from metronome_sandbox.domain.invoices import InvoiceStatus
from metronome_sandbox.domain.periods import require_hour
from metronome_sandbox.services import true_ups
from metronome_sandbox.services.balance_changes import BalanceChange, SegmentChange
from metronome_sandbox.services.balance_edits import edit_balance, remember_contract
from metronome_sandbox.services.balances import find_balance, kind_of
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.passage import catch_up


def archive_balance(context: Context, balance: Balance) -> Balance:
    """Take a commit or credit out of use inside of an open transaction and return it as stored.

    Raises:
        NotAllowedNow: It is archived already, or a finalized invoice drew on it or billed its payment.

    Source: operations ``archiveCommit-v2`` and ``archiveCredit-v2``.
    """
    if balance.archived_at is not None:
        raise NotAllowedNow("", f"{kind_of(balance)} {balance.id} is archived already")
    store = context.store
    for invoice_id in store.invoices_drawing_on.ids(balance.id):
        raise NotAllowedNow(
            "", f"finalized invoice {invoice_id} drew on {kind_of(balance)} {balance.id}; void it first"
        )
    for item in () if balance.invoice_schedule is None else balance.invoice_schedule.items:
        billed = store.settled.get(item.id)
        if billed is not None and store.invoices[billed].status is InvoiceStatus.FINALIZED:
            raise NotAllowedNow("", f"finalized invoice {billed} bills commit {balance.id}; void it first")
    archived = msgspec.structs.replace(balance, archived_at=context.now, is_withdrawn=True)
    store.balances.put(archived.id, archived)
    if archived.invoice_contract_id is not None:
        reschedule(context, archived.invoice_contract_id)
    return archived


def archive_commit(context: Context, customer_id: CustomerId, commit_id: BalanceId) -> Balance:
    """Archive a commit. Raises what :func:`archive_balance` and :func:`find_balance` raise."""
    return _archive(context, find_balance(context, customer_id, commit_id, is_credit=False))


def archive_credit(context: Context, customer_id: CustomerId, credit_id: BalanceId) -> Balance:
    """Archive a credit. Raises what :func:`archive_balance` and :func:`find_balance` raise."""
    return _archive(context, find_balance(context, customer_id, credit_id, is_credit=True))


def _archive(context: Context, balance: Balance) -> Balance:
    with context.transaction():
        remember_contract(context, balance)
        return archive_balance(context, balance)


def update_commit_end_date(
    context: Context,
    customer_id: CustomerId,
    commit_id: BalanceId,
    access_ending_before: datetime | None,
    invoices_ending_before: datetime | None,
) -> Balance:
    """End the access, the payments or both of a prepaid commit earlier.

    Raises:
        InvalidRequest: It is a postpaid commit, no date is given, or one is not earlier than the end there is.
        NotAllowedNow: A finalized invoice holds what would go.

    Source: operation ``updateCommitEndDate-v1``.
    Assumed: an end of the payments behind the last of them changes nothing.  [A-end-of-payments]
    """
    balance = find_balance(context, customer_id, commit_id, is_credit=False)
    if balance.type is BalanceType.POSTPAID:
        raise InvalidRequest("commit_id", f"{commit_id} is a POSTPAID commit; only PREPAID ones can end earlier")
    if access_ending_before is None and invoices_ending_before is None:
        raise InvalidRequest("access_ending_before", "is missing; send it, invoices_ending_before, or both")
    with context.transaction():
        remember_contract(context, balance)
        if access_ending_before is not None:
            with _at("access_ending_before"):
                balance = edit_balance(context, balance, _shorter_access(balance, access_ending_before))
        if invoices_ending_before is not None and balance.invoice_schedule is not None:
            gone = [item.id for item in balance.invoice_schedule.items if item.timestamp >= invoices_ending_before]
            with _at("invoices_ending_before"):
                edit_balance(context, balance, BalanceChange(removed_payments=tuple(gone)))
        catch_up(context)
    return context.store.balances[commit_id]


def update_credit_end_date(
    context: Context, customer_id: CustomerId, credit_id: BalanceId, access_ending_before: datetime
) -> Balance:
    """End the access of a credit earlier. Raises what :func:`update_commit_end_date` does for access."""
    balance = find_balance(context, customer_id, credit_id, is_credit=True)
    with context.transaction(), _at("access_ending_before"):
        remember_contract(context, balance)
        edit_balance(context, balance, _shorter_access(balance, access_ending_before))
    return context.store.balances[credit_id]


def _shorter_access(balance: Balance, end: datetime) -> BalanceChange:
    """Return the change that ends access at ``end``.

    Assumed: segments from then on go and the one in force is cut; an end at or before the first start is refused, and
    so is one before what a finalized invoice drew.  [A-end-of-access]
    """
    path = "access_ending_before"
    require_hour(end, path)
    if not balance.segments:
        raise NotAllowedNow(path, f"{kind_of(balance)} {balance.id} has no access left that could end")
    last = max(segment.ending_before for segment in balance.segments)
    first = min(segment.starting_at for segment in balance.segments)
    if end > last:
        raise InvalidRequest(path, f"{end.isoformat()} is later than the end there is, {last.isoformat()}")
    if end <= first:
        raise InvalidRequest(
            path, f"{end.isoformat()} is not after the start of access, {first.isoformat()}; archive it instead"
        )
    return BalanceChange(
        changed_segments=tuple(
            SegmentChange(segment.id, ending_before=end)
            for segment in balance.segments
            if segment.starting_at < end < segment.ending_before
        ),
        removed_segments=tuple(segment.id for segment in balance.segments if segment.starting_at >= end),
    )


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Let an error name the one field of the request that everything inside comes from."""
    try:
        yield
    except InvalidRequest as error:
        raise type(error)(path, error.problem) from None


def disable_true_up(
    context: Context, customer_id: CustomerId, commit_id: BalanceId, contract_id: ContractId
) -> Balance:
    """Leave out the true-up of a postpaid commit: what is missing lapses at the end of its access.

    Raises:
        NotFound: The customer has no such commit, or it is neither the contract's nor invoiced on it.
        InvalidRequest: It is a PREPAID commit.
        NotAllowedNow: It is archived, its true-up is final, or was disabled before.

    Source: operation ``disableCommitTrueup-v1``.
    """
    balance = find_balance(context, customer_id, commit_id, is_credit=False)
    if contract_id not in (balance.contract_id, balance.invoice_contract_id):
        raise NotFound(f"commit of contract {contract_id} with the id", commit_id, "commit_id")
    if balance.archived_at is not None:
        raise NotAllowedNow("commit_id", f"commit {commit_id} is archived")
    with context.transaction():
        remember_contract(context, balance)
        disabled = true_ups.disable(context, balance)
        if disabled.invoice_contract_id is not None:
            reschedule(context, disabled.invoice_contract_id)
    return disabled
