"""Products: what is sold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.amounts import checked
from metronome_sandbox.domain.catalog import (
    BillableMetric,
    Product,
    ProductType,
    ProductUpdate,
    QuantityConversion,
    QuantityRounding,
)
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId, ProductId
from metronome_sandbox.services.billable_metrics import active_billable_metric, get_billable_metric
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
    for field in _fields_of_other_types(new.type):
        if getattr(new, field):
            raise _not_for(new.type, field)
    if new.type is ProductType.USAGE:
        if new.billable_metric_id is None:
            raise _no_metric()
        _check_usage(new, active_billable_metric(context, new.billable_metric_id, "billable_metric_id"))
    if new.type is ProductType.COMPOSITE:
        _check_composite(context, new)
    with context.transaction():
        product = Product(
            id=ProductId(context.ids.next("product")), created_at=context.now, **msgspec.structs.asdict(new)
        )
        context.store.products.put(product.id, product)
    return product


def _fields_of_other_types(type_: ProductType) -> list[str]:
    """Return the fields that a product of this type does not have.

    Source: section 6.3 of the pricing reference for group keys, conversion and rounding.

    Assumed: the metric and the composite fields are refused on other types too (section 1.2).  [A-product-fields]
    """
    return [field for owner, fields in OWN_FIELDS.items() if owner is not type_ for field in fields]


def _not_for(type_: ProductType, field: str) -> InvalidRequest:
    (owner,) = (owner for owner, fields in OWN_FIELDS.items() if field in fields)
    return InvalidRequest(field, f"{type_} products have none, only {owner} products do; leave it out")


def _no_metric() -> InvalidRequest:
    """Return the refusal of a USAGE product without a metric.

    Source: schema ``CreateProductListItemPayload``, which requires a metric of USAGE products.

    Assumed: required means refused, though the real API was seen to accept a product without metric and to bill nothing
    with it (question 49).  [A-product-without-metric]
    """
    return InvalidRequest("billable_metric_id", "missing; a USAGE product bills the quantity of a billable metric")


def _check_usage(new: NewProduct | Product, metric: BillableMetric) -> None:
    for field in ("pricing_group_key", "presentation_group_key"):
        names: tuple[str, ...] = getattr(new, field)
        for place, name in enumerate(names):
            if name in names[:place]:
                raise InvalidRequest(f"{field}[{place}]", f"{name!r} is there twice; name each property once")
    _check_group_keys(new, metric)
    if new.quantity_conversion is not None:
        _check_conversion(new.quantity_conversion)


def _check_group_keys(new: NewProduct | Product, metric: BillableMetric) -> None:
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


def _check_composite(context: Context, new: NewProduct | Product) -> None:
    """Source: schema ``CreateProductListItemPayload``, which marks ids and tags as required for COMPOSITE.

    Assumed: one of the two is enough (section 1.2).  [A-composite-parts]
    """
    _check_has_parts(new)
    for index, product_id in enumerate(new.composite_product_ids):
        active_product(context, product_id, f"composite_product_ids[{index}]")


def _check_has_parts(new: NewProduct | Product) -> None:
    if not new.composite_product_ids and not new.composite_tags:
        raise InvalidRequest(
            "composite_product_ids", "missing, and so is composite_tags; a COMPOSITE product needs one of the two"
        )


def update_product(context: Context, product_id: ProductId, update: ProductUpdate) -> Product:
    """Change a product from ``update.starting_at`` on. Drafts follow, what is final stands.

    Returns:
        The product with all of its updates.

    Raises:
        NotFound: There is no such product, metric or product to be composed.
        InvalidRequest: The start is not on a full hour, a field is not for this type of product, or the product would
            break a rule at some time from then on. Source: schema ``UpdateProductListItemPayload``.
        NotAllowedNow: It is archived, or so is something that it would refer to.
    """
    product = active_product(context, product_id, "product_id")
    if update.starting_at != update.starting_at.replace(minute=0, second=0, microsecond=0):
        # The wording of the real API, which integrators were seen to match on.
        raise InvalidRequest("", "Product update effective at is required to be on an hour boundary")
    _check_changes(context, product, update)
    changed = msgspec.structs.replace(product, updates=(*product.updates, update))
    later = sorted({other.starting_at for other in changed.updates if other.starting_at >= update.starting_at})
    for instant in later:
        _check_state(context, changed.at(instant), instant)
    with context.transaction():
        context.store.products.put(product_id, changed)
    return changed


def _check_changes(context: Context, product: Product, update: ProductUpdate) -> None:
    """Hold what an update names against the type of its product and against what there is."""
    changes = update.changes
    for field in _fields_of_other_types(product.type):
        if changes.get(field):
            raise _not_for(product.type, field)
    if "netsuite_overage_item_id" in changes and product.type not in (ProductType.USAGE, ProductType.COMPOSITE):
        raise InvalidRequest(
            "netsuite_overage_item_id", f"{product.type} products have none, only USAGE and COMPOSITE products do"
        )
    if "billable_metric_id" in changes:
        active_billable_metric(context, changes["billable_metric_id"], "billable_metric_id")
    for index, composed in enumerate(changes.get("composite_product_ids", ())):
        active_product(context, composed, f"composite_product_ids[{index}]")


def _check_state(context: Context, product: Product, instant: datetime) -> None:
    """Hold a product as it will be from an instant on against the rules for a new one.

    Archived metrics and products stay where they are: only what an update itself names must be active.
    """
    try:
        if product.type is ProductType.USAGE and product.billable_metric_id is not None:
            _check_usage(product, get_billable_metric(context, product.billable_metric_id))
        if product.type is ProductType.COMPOSITE:
            _check_has_parts(product)
    except InvalidRequest as error:
        raise InvalidRequest(error.path, f"{error.problem} (from {instant.isoformat()} on)") from None


def archive_product(context: Context, product_id: ProductId) -> Product:
    """Archive a product: rates that it has stay in force, new ones are refused. It cannot be brought back.

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is archived already (question 25).
    """
    product = get_product(context, product_id)
    if product.archived_at is not None:
        raise NotAllowedNow("product_id", f"product {product_id} is archived already")
    archived = msgspec.structs.replace(product, archived_at=context.now)
    with context.transaction():
        context.store.products.put(product_id, archived)
    return archived


def get_product(context: Context, product_id: ProductId, path: str = "") -> Product:
    """Return a product, archived or not; ``path`` is that of the field that names it.

    Raises:
        NotFound: There is none.
    """
    product = context.store.products.get(product_id)
    if product is None:
        raise NotFound("product", product_id, path)
    return product


def active_product(context: Context, product_id: ProductId, path: str) -> Product:
    """Return a product that something new can refer to.

    Source: operation ``archiveProductListItem-v1``: what uses an archived product keeps working, new rates may not.
    Assumed: nothing else new may either, and the answer is 400 (question 24).  [A-archived-catalog]
    """
    product = get_product(context, product_id, path)
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
