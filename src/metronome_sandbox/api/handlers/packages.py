"""Operations of the tag Packages."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import packages as wire
from metronome_sandbox.api.wire.common import utc
from metronome_sandbox.services import packages
from metronome_sandbox.services.context import Context


def create_package(context: Context, request: Request) -> Reply:
    """``POST /v1/packages/create``"""
    return Reply({"data": {"id": packages.create_package(context, wire.parse_create(request.body)).id}})


def get_package(context: Context, request: Request) -> Reply:
    """``POST /v1/packages/get``"""
    package = packages.get_package(context, wire.parse_reference(request.body).package)
    return Reply({"data": wire.render(context, package)})


def list_packages(context: Context, request: Request) -> Reply:
    """``POST /v1/packages/list``"""
    chosen, query = wire.parse_list(request.body), request.query
    found = packages.list_packages(context, chosen)
    items, cursor = page(found, query["limit"], query.get("next_page"), f"packages {chosen}")
    return Reply({"data": [wire.render(context, package) for package in items], "next_page": cursor})


def archive_package(context: Context, request: Request) -> Reply:
    """``POST /v1/packages/archive``"""
    package = packages.archive_package(context, wire.parse_reference(request.body).package)
    return Reply({"data": {"id": package.id}})


def list_contracts_on_package(context: Context, request: Request) -> Reply:
    """``POST /v1/packages/listContractsOnPackage``"""
    asked, query = wire.parse_reference(request.body), request.query
    found = packages.list_contracts_on_package(
        context,
        asked.package,
        include_archived=asked.include_archived,
        covering_date=None if asked.covering_date is None else utc(asked.covering_date),
        starting_at=None if asked.starting_at is None else utc(asked.starting_at),
    )
    filters = f"{asked.package} {asked.starting_at} {asked.covering_date} {asked.include_archived}"
    items, cursor = page(found, query["limit"], query.get("next_page"), f"contracts on package {filters}")
    return Reply({"data": [wire.render_contract(contract) for contract in items], "next_page": cursor})
