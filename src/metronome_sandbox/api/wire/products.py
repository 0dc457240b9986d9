"""Products on the wire. Source: schemas ``CreateProductListItemPayload`` and ``ProductListItem``."""

from __future__ import annotations

from decimal import Decimal

from metronome_sandbox.api.wire.common import (
    ACTOR,
    JsonObject,
    WireType,
    canonical,
    decode,
    decoder,
    number,
    present,
    time,
)
from metronome_sandbox.domain.amounts import MAX_DECIMAL_PLACES
from metronome_sandbox.domain.catalog import Product, ProductType, QuantityConversion, QuantityRounding
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BillableMetricId, ProductId
from metronome_sandbox.services.products import ArchiveFilter, NewProduct


class WireConversion(WireType):
    """How a metered quantity becomes the one that is priced."""

    conversion_factor: Decimal
    operation: str
    name: str | None = None


class WireRounding(WireType):
    """How a converted quantity is rounded."""

    rounding_method: str
    decimal_places: Decimal


class CreateProduct(WireType):
    """Body of ``createProduct-v1``."""

    name: str
    type: str
    billable_metric_id: str | None = None
    composite_product_ids: tuple[str, ...] = ()
    composite_tags: tuple[str, ...] = ()
    composite_scope: str | None = None
    exclude_free_usage: bool | None = None
    include_composite_spend: bool | None = None
    is_refundable: bool | None = None
    tags: tuple[str, ...] = ()
    pricing_group_key: tuple[str, ...] = ()
    presentation_group_key: tuple[str, ...] = ()
    quantity_conversion: WireConversion | None = None
    quantity_rounding: WireRounding | None = None
    sql_breakdown_granularity: str | None = None
    netsuite_internal_item_id: str | None = None
    netsuite_overage_item_id: str | None = None
    custom_fields: dict[str, str] = {}


class GetProduct(WireType):
    """Body of ``getProduct-v1``."""

    id: str


class ListProducts(WireType):
    """Body of ``listProducts-v1``."""

    archive_filter: ArchiveFilter = ArchiveFilter.NOT_ARCHIVED


_CREATE = decoder(CreateProduct)
_GET = decoder(GetProduct)
_LIST = decoder(ListProducts)


def parse_create(body: bytes) -> NewProduct:
    """Return the command."""
    wire = decode(_CREATE, body)
    metric_id = wire.billable_metric_id
    return NewProduct(
        name=wire.name,
        type=product_type(wire.type),
        tags=wire.tags,
        billable_metric_id=None if metric_id is None else BillableMetricId(metric_id.lower()),
        composite_product_ids=tuple(ProductId(product_id.lower()) for product_id in wire.composite_product_ids),
        composite_tags=wire.composite_tags,
        composite_scope=None if wire.composite_scope is None else wire.composite_scope.upper(),
        exclude_free_usage=wire.exclude_free_usage,
        include_composite_spend=wire.include_composite_spend,
        is_refundable=wire.is_refundable,
        pricing_group_key=wire.pricing_group_key,
        presentation_group_key=wire.presentation_group_key,
        quantity_conversion=None if wire.quantity_conversion is None else _conversion(wire.quantity_conversion),
        quantity_rounding=None if wire.quantity_rounding is None else _rounding(wire.quantity_rounding),
        netsuite_internal_item_id=wire.netsuite_internal_item_id,
        netsuite_overage_item_id=wire.netsuite_overage_item_id,
        sql_breakdown_granularity=wire.sql_breakdown_granularity,
        custom_fields=wire.custom_fields,
    )


def product_type(spelling: str) -> ProductType:
    """Return the type of any of the spellings that a request may use. Source: enum of ``ProductListItem`` on read.

    Assumed: PROFESSIONAL_SERVICE and PRO_SERVICE are one type, for only the latter is read (section 1.1).
    [A-pro-service]
    """
    if spelling.upper() == "PROFESSIONAL_SERVICE":
        return ProductType.PRO_SERVICE
    return canonical(spelling, ProductType)


def _conversion(wire: WireConversion) -> QuantityConversion:
    return QuantityConversion(wire.operation.upper(), wire.conversion_factor, wire.name)


def _rounding(wire: WireRounding) -> QuantityRounding:
    """Decimal places are a number on the wire and a count inside. More places than a number may have round nothing."""
    places = wire.decimal_places
    if not 0 <= places <= MAX_DECIMAL_PLACES or places != places.to_integral_value():
        raise InvalidRequest(
            "quantity_rounding.decimal_places",
            f"expected a whole number from 0 to {MAX_DECIMAL_PLACES}, received {places:.6g}",
        )
    return QuantityRounding(wire.rounding_method.upper(), int(places))


def parse_get(body: bytes) -> ProductId:
    """Return the id."""
    return ProductId(decode(_GET, body).id.lower())


def parse_list(body: bytes) -> ArchiveFilter:
    """Return which products are asked for."""
    return decode(_LIST, body).archive_filter


def render(product: Product) -> JsonObject:
    """Return a product. Nothing changes a product yet, so it is now what it was in the beginning.

    Assumed: a state that holds from the beginning has no ``starting_at`` (question 53).  [A-initial-state]
    """
    return {
        "id": product.id,
        "type": product.type,
        "archived_at": None if product.archived_at is None else time(product.archived_at),
        "initial": _render_state(product),
        "current": _render_state(product),
        "updates": [],
        "custom_fields": product.custom_fields,
    }


def _render_state(product: Product) -> JsonObject:
    """Return what can change of a product; fields that other types have are left out."""
    return present(
        name=product.name,
        created_at=time(product.created_at),
        created_by=ACTOR,
        tags=list(product.tags),
        billable_metric_id=product.billable_metric_id,
        composite_product_ids=list(product.composite_product_ids) or None,
        composite_tags=list(product.composite_tags) or None,
        composite_scope=product.composite_scope,
        exclude_free_usage=product.exclude_free_usage,
        include_composite_spend=product.include_composite_spend,
        is_refundable=product.is_refundable,
        pricing_group_key=list(product.pricing_group_key) or None,
        presentation_group_key=list(product.presentation_group_key) or None,
        quantity_conversion=_render_conversion(product.quantity_conversion),
        quantity_rounding=_render_rounding(product.quantity_rounding),
        netsuite_internal_item_id=product.netsuite_internal_item_id,
        netsuite_overage_item_id=product.netsuite_overage_item_id,
    )


def _render_conversion(conversion: QuantityConversion | None) -> JsonObject | None:
    if conversion is None:
        return None
    return present(
        name=conversion.name, conversion_factor=number(conversion.conversion_factor), operation=conversion.operation
    )


def _render_rounding(rounding: QuantityRounding | None) -> JsonObject | None:
    if rounding is None:
        return None
    return {"rounding_method": rounding.rounding_method, "decimal_places": rounding.decimal_places}
