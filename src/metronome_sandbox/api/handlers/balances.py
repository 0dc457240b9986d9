"""Operations of the tag Credits and commits."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import balance_edits as edits_wire
from metronome_sandbox.api.wire import balance_lists as lists_wire
from metronome_sandbox.api.wire import balances as wire
from metronome_sandbox.api.wire import ledgers as ledgers_wire
from metronome_sandbox.api.wire.common import number, utc
from metronome_sandbox.domain.balances import Balance, BalanceType
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import balance_edits, balance_ends, balance_lists, balances, manual_entries
from metronome_sandbox.services.context import Context


def create_customer_commit(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCommits/create``"""
    customer_id, new = wire.parse_create(request.body, is_credit=False)
    return Reply({"data": {"id": balances.create_customer_balance(context, customer_id, new).id}})


def create_customer_credit(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCredits/create``"""
    customer_id, new = wire.parse_create(request.body, is_credit=True)
    return Reply({"data": {"id": balances.create_customer_balance(context, customer_id, new).id}})


def edit_commit(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/commits/edit``"""
    return _id(balance_edits.edit_commit(context, *edits_wire.parse_edit(request.body)))


def edit_credit(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/credits/edit``"""
    return _id(balance_edits.edit_credit(context, *edits_wire.parse_edit(request.body)))


def archive_commit(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/commits/archive``"""
    asked = edits_wire.parse_balance_reference(request.body)
    return _id(balance_ends.archive_commit(context, asked.customer, asked.balance_id))


def archive_credit(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/credits/archive``"""
    asked = edits_wire.parse_balance_reference(request.body)
    return _id(balance_ends.archive_credit(context, asked.customer, asked.balance_id))


def update_commit_end_date(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCommits/updateEndDate``"""
    asked = edits_wire.parse_balance_reference(request.body)
    access, payments = asked.access_ending_before, asked.invoices_ending_before
    return _id(
        balance_ends.update_commit_end_date(
            context,
            asked.customer,
            asked.balance_id,
            None if access is None else utc(access),
            None if payments is None else utc(payments),
        )
    )


def update_credit_end_date(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCredits/updateEndDate``"""
    asked = edits_wire.parse_credit_end(request.body)
    end = utc(asked.access_ending_before)
    return _id(balance_ends.update_credit_end_date(context, asked.customer, asked.balance_id, end))


def disable_commit_true_up(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/commits/disableTrueup``"""
    return _id(balance_ends.disable_true_up(context, *edits_wire.parse_disable_true_up(request.body)))


def add_manual_balance_ledger_entry(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/addManualBalanceLedgerEntry``. The answer has no body; see :func:`ingest` of usage."""
    manual_entries.add_manual_balance_ledger_entry(context, *ledgers_wire.parse_manual_entry(request.body))
    return Reply()


def _id(balance: Balance) -> Reply:
    return Reply({"data": {"id": balance.id}})


def list_customer_commits(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCommits/list``"""
    return _list(context, request, lists_wire.COMMITS)


def list_customer_credits(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCredits/list``"""
    return _list(context, request, lists_wire.CREDITS)


def list_customer_balances(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerBalances/list``"""
    return _list(context, request, None)


def _list(context: Context, request: Request, types: frozenset[BalanceType] | None) -> Reply:
    asked = lists_wire.parse_list(request.body)
    chosen = lists_wire.balance_filter(asked, types)
    found = balance_lists.list_balances(context, CustomerId(asked.customer_id.lower()), chosen)
    list_scope = f"{request.operation.operation_id} {asked.customer_id} {chosen}"
    items, cursor = page(found, asked.limit, asked.next_page, list_scope)
    return Reply({"data": lists_wire.render_all(context, items, asked), "next_page": cursor})


def get_net_balance(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerBalances/getNetBalance``"""
    customer_id, credit_type_id, filters, with_drafts = lists_wire.parse_net_balance(request.body)
    balance = balance_lists.get_net_balance(context, customer_id, credit_type_id, filters, with_drafts=with_drafts)
    return Reply({"data": {"balance": number(balance), "credit_type_id": credit_type_id}})
