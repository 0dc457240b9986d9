"""Operations of the tag Settings."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import credit_types as wire
from metronome_sandbox.api.wire.common import scope
from metronome_sandbox.services import credit_types
from metronome_sandbox.services.context import Context


def list_credit_types(context: Context, request: Request) -> Reply:
    """``GET /v1/credit-types/list``"""
    query = request.query
    found = credit_types.list_credit_types(context)
    items, cursor = page(found, query["limit"], query.get("next_page"), scope(request.operation.operation_id, query))
    return Reply({"data": [wire.render(credit_type) for credit_type in items], "next_page": cursor})


def create_credit_type(context: Context, request: Request) -> Reply:
    """``POST /v1/credit-types/create``"""
    return Reply({"data": {"id": credit_types.create_credit_type(context, wire.parse_create(request.body)).id}})


def archive_credit_type(context: Context, request: Request) -> Reply:
    """``POST /v1/credit-types/archive``"""
    return Reply({"data": {"id": credit_types.archive_credit_type(context, wire.parse_archive(request.body)).id}})
