"""Operations of the tag Credits and commits."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import balances as wire
from metronome_sandbox.api.wire.common import number
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import balances
from metronome_sandbox.services.context import Context


def create_customer_commit(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCommits/create``"""
    customer_id, new = wire.parse_create(request.body, is_credit=False)
    return Reply({"data": {"id": balances.create_customer_balance(context, customer_id, new).id}})


def create_customer_credit(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCredits/create``"""
    customer_id, new = wire.parse_create(request.body, is_credit=True)
    return Reply({"data": {"id": balances.create_customer_balance(context, customer_id, new).id}})


def list_customer_commits(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCommits/list``"""
    return _list(context, request, wire.COMMITS)


def list_customer_credits(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerCredits/list``"""
    return _list(context, request, wire.CREDITS)


def list_customer_balances(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerBalances/list``"""
    return _list(context, request, None)


def _list(context: Context, request: Request, types: frozenset[BalanceType] | None) -> Reply:
    asked = wire.parse_list(request.body)
    chosen = wire.balance_filter(asked, types)
    found = balances.list_balances(context, CustomerId(asked.customer_id.lower()), chosen)
    list_scope = f"{request.operation.operation_id} {asked.customer_id} {chosen}"
    items, cursor = page(found, asked.limit, asked.next_page, list_scope)
    return Reply({"data": wire.render_all(context, items, asked), "next_page": cursor})


def get_net_balance(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/customerBalances/getNetBalance``"""
    customer_id, credit_type_id, filters, with_drafts = wire.parse_net_balance(request.body)
    balance = balances.get_net_balance(context, customer_id, credit_type_id, filters, with_drafts=with_drafts)
    return Reply({"data": {"balance": number(balance), "credit_type_id": credit_type_id}})
