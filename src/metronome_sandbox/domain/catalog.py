"""Customers, billable metrics and products: what a contract refers to."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from metronome_sandbox.domain.ids import BillableMetricId, CustomerId, ProductId


class Customer(msgspec.Struct, frozen=True):
    """Who is billed. Source: schema ``CustomerDetail``."""

    id: CustomerId
    name: str
    ingest_aliases: tuple[str, ...]
    custom_fields: dict[str, str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


class AggregationType(StrEnum):
    """How events become a quantity. Source: schema ``CreateBillableMetricV1Payload``."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    LATEST = "LATEST"
    UNIQUE = "UNIQUE"


class ValueFilter(msgspec.Struct, frozen=True):
    """Values that pass and values that don't; None means that the list was not given."""

    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None

    def passes(self, value: str) -> bool:
        """Whether the value is in the first list and not in the second."""
        return (self.in_values is None or value in self.in_values) and (
            self.not_in_values is None or value not in self.not_in_values
        )


class PropertyFilter(msgspec.Struct, frozen=True):
    """A condition on one property of an event. ``exists``: True present, False absent, None either."""

    name: str
    exists: bool | None = None
    values: ValueFilter = ValueFilter()


class BillableMetric(msgspec.Struct, frozen=True):
    """What is counted in usage events. Immutable but for its name."""

    id: BillableMetricId
    name: str
    created_at: datetime
    aggregation_type: AggregationType | None = None
    aggregation_key: str | None = None
    event_type_filter: ValueFilter | None = None
    property_filters: tuple[PropertyFilter, ...] = ()
    group_keys: tuple[tuple[str, ...], ...] = ()
    sql: str | None = None
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None


class ProductType(StrEnum):
    """What a product bills. Source: schema ``ProductListItem``."""

    USAGE = "USAGE"
    SUBSCRIPTION = "SUBSCRIPTION"
    COMPOSITE = "COMPOSITE"
    FIXED = "FIXED"
    PRO_SERVICE = "PRO_SERVICE"


class QuantityConversion(msgspec.Struct, frozen=True):
    """Turns a metered quantity into the one that is priced, for example bytes into gigabytes."""

    operation: str
    """``MULTIPLY`` or ``DIVIDE``."""
    conversion_factor: Decimal
    name: str | None = None


class QuantityRounding(msgspec.Struct, frozen=True):
    """Rounds a converted quantity."""

    rounding_method: str
    """``ROUND_UP``, ``ROUND_DOWN`` or ``ROUND_HALF_UP``."""
    decimal_places: int


class Product(msgspec.Struct, frozen=True):
    """What an invoice line is for. It carries no price. Source: schema ``ProductListItemState``."""

    id: ProductId
    name: str
    type: ProductType
    created_at: datetime
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
    archived_at: datetime | None = None
