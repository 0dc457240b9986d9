"""Operations of the tag Rate cards."""

from __future__ import annotations

from collections.abc import Sequence

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import product_order as order_wire
from metronome_sandbox.api.wire import rate_cards as wire
from metronome_sandbox.api.wire import rate_schedules as schedules_wire
from metronome_sandbox.api.wire import rates as rates_wire
from metronome_sandbox.api.wire.common import JsonObject, scope
from metronome_sandbox.domain.rate_cards import RateCard
from metronome_sandbox.services import product_order, rate_cards, rate_schedules, rates
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.rate_schedules import RateRow


def create_rate_card(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/create``"""
    return Reply({"data": {"id": rate_cards.create_rate_card(context, wire.parse_create(request.body)).id}})


def get_rate_card(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/get``"""
    return Reply({"data": _render(context, rate_cards.get_rate_card(context, wire.parse_get(request.body)))})


def list_rate_cards(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/list``"""
    query = request.query
    found = rate_cards.list_rate_cards(context)
    items, cursor = page(found, query["limit"], query.get("next_page"), scope(request.operation.operation_id, query))
    return Reply({"data": [_render(context, card) for card in items], "next_page": cursor})


def _render(context: Context, card: RateCard) -> JsonObject:
    return wire.render(card, context.store.credit_types)


def update_rate_card(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/update``"""
    rate_card_id, change = wire.parse_update(request.body)
    return _id(rate_cards.update_rate_card(context, rate_card_id, change))


def archive_rate_card(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/archive``"""
    return _id(rate_cards.archive_rate_card(context, wire.parse_get(request.body)))


def set_product_order(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/setRateCardProductsOrder``"""
    return _id(product_order.set_product_order(context, *order_wire.parse_set_order(request.body)))


def move_products(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/moveRateCardProducts``"""
    return _id(product_order.move_products(context, *order_wire.parse_move(request.body)))


def _id(card: RateCard) -> Reply:
    return Reply({"data": {"id": card.id}})


def add_rate(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/addRate``"""
    rate_card_id, rate = rates_wire.parse_add_rate(request.body)
    return Reply({"data": rates_wire.render_added(rates.add_rate(context, rate_card_id, rate))})


def add_rates(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/addRates``"""
    rate_card_id, new = rates_wire.parse_add_rates(request.body)
    rates.add_rates(context, rate_card_id, new)
    return Reply({"data": {"id": rate_card_id}})


def get_rates(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/getRates``"""
    asked = schedules_wire.parse_get_rates(request.body)
    return _page(rate_schedules.get_rates(context, asked), request, asked)


def get_rate_schedule(context: Context, request: Request) -> Reply:
    """``POST /v1/contract-pricing/rate-cards/getRateSchedule``"""
    asked = schedules_wire.parse_get_rate_schedule(request.body)
    return _page(rate_schedules.get_rate_schedule(context, asked), request, asked)


def _page(rows: Sequence[RateRow], request: Request, asked: object) -> Reply:
    """Return a page of rows; ``asked``, the filters of the body, belongs to the cursor's scope."""
    query = request.query
    items, cursor = page(
        rows,
        query["limit"],
        query.get("next_page"),
        scope(request.operation.operation_id, {**query, "asked": asked}),
    )
    return Reply({"data": [schedules_wire.render_row(row) for row in items], "next_page": cursor})
