"""Products: what is sold."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.catalog import (
    BillableMetric,
    Product,
    ProductType,
    QuantityConversion,
    QuantityRounding,
)
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId, ProductId
from metronome_sandbox.services.billable_metrics import active_billable_metric
from metronome_sandbox.services.context import Context


class NewProduct(msgspec.Struct, frozen=True):
    """What ``createProduct-v1`` asks for."""

    name: str
    type: ProductType
    tags: tuple[str, ...] = ()
    billable_metric_id: BillableMetricId | None = None
    composite_product_ids: tuple[ProductId, ...] = ()
    composite_tags: tuple[str, ...] = ()
    composite_scope: str | None = None
    exclude_free_usage: bool | None = None
    include_composite_spend: bool | None = None
    is_refundable: bool | None = None
    pricing_group_key: tuple[str, ...] = ()
    presentation_group_key: tuple[str, ...] = ()
    quantity_conversion: QuantityConversion | None = None
    quantity_rounding: QuantityRounding | None = None
    netsuite_internal_item_id: str | None = None
    netsuite_overage_item_id: str | None = None
    sql_breakdown_granularity: str | None = None
    custom_fields: dict[str, str] = {}


OWN_FIELDS = {
    ProductType.USAGE: (
        "billable_metric_id",
        "pricing_group_key",
        "presentation_group_key",
        "quantity_conversion",
        "quantity_rounding",
        "sql_breakdown_granularity",
    ),
    ProductType.COMPOSITE: (
        "composite_product_ids",
        "composite_tags",
        "composite_scope",
        "exclude_free_usage",
        "include_composite_spend",
    ),
}
"""Fields that only one type of product has."""


class ArchiveFilter(StrEnum):
    """Which products a list shows. Source: schema ``ListProductsPayload``."""

    NOT_ARCHIVED = "NOT_ARCHIVED"
    ARCHIVED = "ARCHIVED"
    ALL = "ALL"


def create_product(context: Context, new: NewProduct) -> Product:
    """Create a product.

    Raises:
        InvalidRequest: A field is missing, or is not for this type of product.
        NotFound: The metric or a product to be composed does not exist.
    """
    _check_fields_of_type(new)
    if new.type is ProductType.USAGE:
        _check_usage(context, new)
    if new.type is ProductType.COMPOSITE:
        _check_composite(context, new)
    with context.transaction():
        product = Product(
            id=ProductId(context.ids.next("product")), created_at=context.now, **msgspec.structs.asdict(new)
        )
        context.store.products.put(product.id, product)
    return product


def _check_fields_of_type(new: NewProduct) -> None:
    """Source: section 6.3 of the pricing reference for group keys, conversion and rounding.

    Assumed: the metric and the composite fields are refused on other types too (section 1.2).  [A-product-fields]
    """
    for owner, fields in OWN_FIELDS.items():
        for field in fields:
            if new.type is not owner and getattr(new, field):
                raise InvalidRequest(field, f"{new.type} products have none, only {owner} products do; leave it out")


def _check_usage(context: Context, new: NewProduct) -> None:
    """Source: schema ``CreateProductListItemPayload``, which requires a metric of USAGE products.

    Assumed: required means refused, though the real API was seen to accept a product without metric and to bill nothing
    with it (question 49).  [A-product-without-metric]
    """
    if new.billable_metric_id is None:
        raise InvalidRequest("billable_metric_id", "missing; a USAGE product bills the quantity of a billable metric")
    metric = active_billable_metric(context, new.billable_metric_id, "billable_metric_id")
    for field in ("pricing_group_key", "presentation_group_key"):
        names: tuple[str, ...] = getattr(new, field)
        for place, name in enumerate(names):
            if name in names[:place]:
                raise InvalidRequest(f"{field}[{place}]", f"{name!r} is there twice; name each property once")
    _check_group_keys(new, metric)
    if new.quantity_conversion is not None:
        _check_conversion(new.quantity_conversion)


def _check_group_keys(new: NewProduct, metric: BillableMetric) -> None:
    """Both keys of a product together are covered by one group key of its metric.

    Source: schemas ``PricingGroupKey`` and ``PresentationGroupKey``. An SQL metric has no group keys to be held to.
    Assumed: a compound key with more properties than the product uses covers it too (section 1.3).  [A-group-key-cover]
    """
    wanted = tuple(dict.fromkeys((*new.pricing_group_key, *new.presentation_group_key)))
    if not wanted or metric.sql is not None or any(set(wanted) <= set(key) for key in metric.group_keys):
        return
    there = "; ".join(f"[{', '.join(key)}]" for key in metric.group_keys) or "none"
    raise InvalidRequest(
        "pricing_group_key" if new.pricing_group_key else "presentation_group_key",
        f"pricing and presentation group keys together are [{', '.join(wanted)}], and no group key of billable metric "
        f"{metric.id} has all of them; it has {there}. A metric's group keys cannot change: create one with "
        f"[{', '.join(wanted)}] among its group_keys",
    )


def _check_conversion(conversion: QuantityConversion) -> None:
    """Assumed: the factor is more than zero (section 1.4).  [A-conversion-factor]"""
    path = "quantity_conversion.conversion_factor"
    if checked(conversion.conversion_factor, path) <= 0:
        raise InvalidRequest(path, f"expected more than 0, received {conversion.conversion_factor}")


def _check_composite(context: Context, new: NewProduct) -> None:
    """Source: schema ``CreateProductListItemPayload``, which marks ids and tags as required for COMPOSITE.

    Assumed: one of the two is enough (section 1.2).  [A-composite-parts]
    """
    if not new.composite_product_ids and not new.composite_tags:
        raise InvalidRequest(
            "composite_product_ids", "missing, and so is composite_tags; a COMPOSITE product needs one of the two"
        )
    for index, product_id in enumerate(new.composite_product_ids):
        active_product(context, product_id, f"composite_product_ids[{index}]")


def get_product(context: Context, product_id: ProductId) -> Product:
    """Return a product, archived or not.

    Raises:
        NotFound: There is none.
    """
    product = context.store.products.get(product_id)
    if product is None:
        raise NotFound("product", product_id)
    return product


def active_product(context: Context, product_id: ProductId, path: str) -> Product:
    """Return a product that something new can refer to.

    Source: operation ``archiveProductListItem-v1``: what uses an archived product keeps working, new rates may not.
    Assumed: nothing else new may either, and the answer is 400 (question 24).  [A-archived-catalog]
    """
    product = get_product(context, product_id)
    if product.archived_at is not None:
        raise NotAllowedNow(path, f"product {product_id} is archived; name an active one")
    return product


def list_products(context: Context, archive_filter: ArchiveFilter = ArchiveFilter.NOT_ARCHIVED) -> Sequence[Product]:
    """Return products in the order of creation."""
    products = context.store.products.values()
    if archive_filter is ArchiveFilter.ALL:
        return list(products)
    archived = archive_filter is ArchiveFilter.ARCHIVED
    return [product for product in products if (product.archived_at is not None) is archived]
