"""Operations of the tag Contracts, but for the import."""

from __future__ import annotations

from collections.abc import Callable

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import contracts as wire
from metronome_sandbox.api.wire.common import JsonObject, utc
from metronome_sandbox.api.wire.contracts import ContractListing
from metronome_sandbox.api.wire.rate_schedules import tagged_selector
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import contracts, packages
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_history import history_of
from metronome_sandbox.services.packages import NewContractOnPackage


def create_contract(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/create``"""
    command = wire.parse_create(request.body)
    if isinstance(command, NewContractOnPackage):
        contract = packages.create_contract_on_package(context, command)
    else:
        contract = contracts.create_contract(context, command)
    return Reply({"data": wire.render_created(context, contract)})


def get_contract_v1(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/get``"""
    asked = wire.parse_reference(request.body)
    contract = contracts.get_contract(context, asked.customer, asked.contract)
    return Reply({"data": wire.render_v1(context, contract, asked)})


def get_contract_v2(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/get``"""
    asked = wire.parse_reference(request.body)
    contract = contracts.get_contract(context, asked.customer, asked.contract)
    if asked.as_of_date is not None:
        version = history_of(context, contract.id).version_at(utc(asked.as_of_date))
        if version is not None:
            return Reply({"data": wire.render_v2(context, version.contract, asked, version.balances)})
    return Reply({"data": wire.render_v2(context, contract, asked)})


def list_contracts_v1(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/list``"""
    return _list(context, request, wire.render_v1)


def list_contracts_v2(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/list``"""
    return _list(context, request, wire.render_v2)


def _list(
    context: Context, request: Request, render: Callable[[Context, Contract, ContractListing], JsonObject]
) -> Reply:
    """Answer a page. Source: SDK for ``cursor`` and ``limit``, which the published document lacks."""
    asked = wire.parse_list(request.body)
    found = contracts.list_contracts(
        context,
        CustomerId(asked.customer_id.lower()),
        include_archived=asked.include_archived,
        covering_date=None if asked.covering_date is None else utc(asked.covering_date),
        starting_at=None if asked.starting_at is None else utc(asked.starting_at),
    )
    filters = f"{asked.customer_id} {asked.starting_at} {asked.covering_date} {asked.include_archived}"
    items, cursor = page(found, asked.limit, asked.cursor, f"contracts {filters}", "cursor")
    answer: JsonObject = {"data": [render(context, contract, asked) for contract in items]}
    if cursor is not None:
        answer["cursor"] = cursor
    return Reply(answer)


def archive_contract(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/archive``"""
    asked = wire.parse_reference(request.body)
    contract = contracts.archive_contract(context, asked.customer, asked.contract, void_invoices=asked.void_invoices)
    return Reply({"data": {"id": contract.id}})


def update_contract_end_date(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/updateEndDate``; no date leaves the contract without an end."""
    asked = wire.parse_reference(request.body)
    contract = contracts.update_contract_end_date(
        context,
        asked.customer,
        asked.contract,
        None if asked.ending_before is None else utc(asked.ending_before),
        allow_ending_before_finalized_invoice=asked.allow_ending_before_finalized_invoice,
    )
    return Reply({"data": {"id": contract.id}})


def get_contract_rate_schedule(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/getContractRateSchedule``"""
    asked = wire.parse_reference(request.body)
    at = context.now if asked.at is None else utc(asked.at)
    rows = contracts.get_contract_rate_schedule(context, asked.customer, asked.contract, at)
    selectors = [tagged_selector(item) for item in asked.selectors]
    chosen = [row for row in rows if not selectors or any(item.selects(row.key, row.product) for item in selectors)]
    query = request.query
    items, cursor = page(chosen, query["limit"], query.get("next_page"), f"contract rates {asked.contract} {selectors}")
    return Reply({"data": [wire.render_rate_row(context.store, row) for row in items], "next_page": cursor})
