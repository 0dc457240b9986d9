"""Products on the wire. Source: schemas ``CreateProductListItemPayload`` and ``ProductListItem``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType

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
    utc,
)
from metronome_sandbox.domain.amounts import MAX_DECIMAL_PLACES
from metronome_sandbox.domain.catalog import (
    CHANGEABLE,
    Product,
    ProductType,
    ProductUpdate,
    QuantityConversion,
    QuantityRounding,
)
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BillableMetricId, ProductId
from metronome_sandbox.services.context import Context
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


class UpdateProduct(WireType):
    """Body of ``updateProduct-v1``; what is not there stays as it is."""

    product_id: str
    starting_at: datetime
    name: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    billable_metric_id: str | UnsetType = UNSET
    composite_product_ids: tuple[str, ...] | UnsetType = UNSET
    composite_tags: tuple[str, ...] | UnsetType = UNSET
    exclude_free_usage: bool | UnsetType = UNSET
    include_composite_spend: bool | UnsetType = UNSET
    is_refundable: bool | UnsetType = UNSET
    pricing_group_key: tuple[str, ...] | UnsetType = UNSET
    presentation_group_key: tuple[str, ...] | UnsetType = UNSET
    quantity_conversion: WireConversion | UnsetType | None = UNSET
    quantity_rounding: WireRounding | UnsetType | None = UNSET
    netsuite_internal_item_id: str | UnsetType = UNSET
    netsuite_overage_item_id: str | UnsetType = UNSET
    sql_breakdown_granularity: str | UnsetType = UNSET


class ArchiveProduct(WireType):
    """Body of ``archiveProductListItem-v1``."""

    product_id: str


class GetProduct(WireType):
    """Body of ``getProduct-v1``."""

    id: str


class ListProducts(WireType):
    """Body of ``listProducts-v1``."""

    archive_filter: ArchiveFilter = ArchiveFilter.NOT_ARCHIVED


_CREATE = decoder(CreateProduct)
_UPDATE = decoder(UpdateProduct)
_ARCHIVE = decoder(ArchiveProduct)
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


def parse_update(body: bytes, now: datetime) -> tuple[ProductId, ProductUpdate]:
    """Return the product and how it changes; ``now`` is when the update is made."""
    wire = decode(_UPDATE, body)
    changes: dict[str, Any] = {name: value for name in CHANGEABLE if (value := getattr(wire, name)) is not UNSET}
    if "billable_metric_id" in changes:
        changes["billable_metric_id"] = BillableMetricId(changes["billable_metric_id"].lower())
    if "composite_product_ids" in changes:
        changes["composite_product_ids"] = tuple(
            ProductId(product_id.lower()) for product_id in changes["composite_product_ids"]
        )
    if changes.get("quantity_conversion") is not None:
        changes["quantity_conversion"] = _conversion(changes["quantity_conversion"])
    if changes.get("quantity_rounding") is not None:
        changes["quantity_rounding"] = _rounding(changes["quantity_rounding"])
    if "sql_breakdown_granularity" in changes:
        changes["sql_breakdown_granularity"] = changes["sql_breakdown_granularity"].upper()
    return ProductId(wire.product_id.lower()), ProductUpdate(now, utc(wire.starting_at), **changes)


def parse_archive(body: bytes) -> ProductId:
    """Return the id."""
    return ProductId(decode(_ARCHIVE, body).product_id.lower())


def parse_get(body: bytes) -> ProductId:
    """Return the id."""
    return ProductId(decode(_GET, body).id.lower())


def parse_list(body: bytes) -> ArchiveFilter:
    """Return which products are asked for."""
    return decode(_LIST, body).archive_filter


def render(product: Product, now: datetime) -> JsonObject:
    """Return a product: as it was created, as it is at ``now``, and what changed it in the order of making.

    Assumed: a state that holds from the beginning has no ``starting_at`` (question 53).  [A-initial-state]
    Assumed: ``current`` was made, and starts, when the update did that was made last of those that have begun.
    [A-current-state]
    """
    begun = [update for update in product.updates if update.starting_at <= now]
    made_at, starting_at = (begun[-1].created_at, begun[-1].starting_at) if begun else (product.created_at, None)
    return {
        "id": product.id,
        "type": product.type,
        "archived_at": None if product.archived_at is None else time(product.archived_at),
        "initial": _render_state(product, product.created_at, None),
        "current": _render_state(product.at(now), made_at, starting_at),
        "updates": [_render_update(update) for update in product.updates],
        "custom_fields": product.custom_fields,
    }


def render_short(context: Context, product_id: ProductId) -> JsonObject:
    """Return a product as terms name it: by the name that it has now.

    Source: reference, pricing section 1.6, for the state now.
    Assumed: terms follow a product that is renamed; the lines of invoices have the name of their own time.
    [A-product-names]
    """
    return {"id": product_id, "name": context.store.products[product_id].at(context.now).name}


_LISTS = ("composite_product_ids", "composite_tags", "pricing_group_key", "presentation_group_key")
_NOT_SHOWN = ("sql_breakdown_granularity",)


def _render_state(product: Product, made_at: datetime, starting_at: datetime | None) -> JsonObject:
    """Return what can change of a product; fields that other types have are left out."""
    fields = {name: getattr(product, name) for name in CHANGEABLE}
    fields |= {name: fields[name] or None for name in _LISTS}
    return present(
        created_at=time(made_at),
        created_by=ACTOR,
        starting_at=None if starting_at is None else time(starting_at),
        composite_scope=product.composite_scope,
        **_render_fields(fields),
    )


def _render_update(update: ProductUpdate) -> JsonObject:
    """Return an update with the fields that it changes; one that takes a conversion or rounding away shows null."""
    return {
        "created_at": time(update.created_at),
        "created_by": ACTOR,
        "starting_at": time(update.starting_at),
        **_render_fields(update.changes),
    }


def _render_fields(fields: dict[str, Any]) -> JsonObject:
    shown: JsonObject = {}
    for name, value in fields.items():
        if isinstance(value, QuantityConversion):
            shown[name] = _render_conversion(value)
        elif isinstance(value, QuantityRounding):
            shown[name] = _render_rounding(value)
        elif name not in _NOT_SHOWN:
            shown[name] = list(value) if isinstance(value, tuple) else value
    return shown


def _render_conversion(conversion: QuantityConversion) -> JsonObject:
    return present(
        name=conversion.name, conversion_factor=number(conversion.conversion_factor), operation=conversion.operation
    )


def _render_rounding(rounding: QuantityRounding) -> JsonObject:
    return {"rounding_method": rounding.rounding_method, "decimal_places": rounding.decimal_places}
