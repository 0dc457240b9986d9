"""Operations of the tag Products."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import products as wire
from metronome_sandbox.api.wire.common import scope
from metronome_sandbox.services import products
from metronome_sandbox.services.context import Context


def create_product(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/products/create``"""
    return Reply({"data": {"id": products.create_product(context, wire.parse_create(request.body)).id}})


def get_product(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/products/get``"""
    return Reply({"data": wire.render(products.get_product(context, wire.parse_get(request.body)), context.now)})


def list_products(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/products/list``"""
    query = request.query
    archive_filter = wire.parse_list(request.body)
    items, cursor = page(
        products.list_products(context, archive_filter),
        query["limit"],
        query.get("next_page"),
        scope(request.operation.operation_id, {**query, "archive_filter": archive_filter}),
    )
    return Reply({"data": [wire.render(product, context.now) for product in items], "next_page": cursor})


def update_product(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/products/update``"""
    product_id, update = wire.parse_update(request.body, context.now)
    return Reply({"data": {"id": products.update_product(context, product_id, update).id}})


def archive_product(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/products/archive``"""
    return Reply({"data": {"id": products.archive_product(context, wire.parse_archive(request.body)).id}})
