"""Customers, billable metrics and products: what a contract refers to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from metronome_sandbox.domain.ids import BillableMetricId, CustomerId, ProductId
from metronome_sandbox.domain.periods import BoundedPeriod


class Customer(msgspec.Struct, frozen=True, gc=False):
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


class ValueFilter(msgspec.Struct, frozen=True, gc=False):
    """Values that pass and values that don't; None means that the list was not given."""

    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None

    def passes(self, value: str) -> bool:
        """Whether the value is in the first list and not in the second."""
        return (self.in_values is None or value in self.in_values) and (
            self.not_in_values is None or value not in self.not_in_values
        )


class PropertyFilter(msgspec.Struct, frozen=True, gc=False):
    """A condition on one property of an event. ``exists``: True present, False absent, None either."""

    name: str
    exists: bool | None = None
    values: ValueFilter = ValueFilter()


class BillableMetric(msgspec.Struct, frozen=True, gc=False):
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


class QuantityConversion(msgspec.Struct, frozen=True, gc=False):
    """Turns a metered quantity into the one that is priced, for example bytes into gigabytes."""

    operation: str
    """``MULTIPLY`` or ``DIVIDE``."""
    conversion_factor: Decimal
    name: str | None = None


class QuantityRounding(msgspec.Struct, frozen=True, gc=False):
    """Rounds a converted quantity."""

    rounding_method: str
    """``ROUND_UP``, ``ROUND_DOWN`` or ``ROUND_HALF_UP``."""
    decimal_places: int


class ProductUpdate(msgspec.Struct, frozen=True, gc=False):
    """What changes about a product from ``starting_at`` on; what it leaves unset stays. Source: ``ProductUpdate``."""

    created_at: datetime
    starting_at: datetime
    name: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    billable_metric_id: BillableMetricId | UnsetType = UNSET
    composite_product_ids: tuple[ProductId, ...] | UnsetType = UNSET
    composite_tags: tuple[str, ...] | UnsetType = UNSET
    exclude_free_usage: bool | UnsetType = UNSET
    include_composite_spend: bool | UnsetType = UNSET
    is_refundable: bool | UnsetType = UNSET
    pricing_group_key: tuple[str, ...] | UnsetType = UNSET
    presentation_group_key: tuple[str, ...] | UnsetType = UNSET
    quantity_conversion: QuantityConversion | UnsetType | None = UNSET
    quantity_rounding: QuantityRounding | UnsetType | None = UNSET
    netsuite_internal_item_id: str | UnsetType = UNSET
    netsuite_overage_item_id: str | UnsetType = UNSET
    sql_breakdown_granularity: str | UnsetType = UNSET

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that are set, by their names on :class:`Product`."""
        values = ((name, getattr(self, name)) for name in CHANGEABLE)
        return {name: value for name, value in values if value is not UNSET}


CHANGEABLE = tuple(name for name in ProductUpdate.__struct_fields__ if name not in ("created_at", "starting_at"))
"""Fields of a product that can change in time."""


class Product(msgspec.Struct, frozen=True, gc=False):
    """What an invoice line is for. It carries no price. Source: schema ``ProductListItemState``.

    A stored product is as it was created, with all its updates; :meth:`at` gives it as it is at an instant. What is
    priced, named or targeted asks for the instant first.

    Attributes:
        updates: In the order of creation.
    """

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
    updates: tuple[ProductUpdate, ...] = ()

    def at(self, instant: datetime) -> Product:
        """Return the product as it is at ``instant``: its first state and every update that has begun, the last
        created one on top.

        Source: observed on the real API for the state now.
        Assumed: usage meets the state of its own time, found in the same way (section 1.6).  [A-product-version]
        """
        if not self.updates:
            return self
        changed: dict[str, Any] = {}
        for update in self.updates:
            if update.starting_at <= instant:
                changed |= update.changes
        return msgspec.structs.replace(self, updates=(), **changed)

    def group_keys(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the properties that split its price and its lines."""
        return frozenset(self.pricing_group_key), frozenset(self.presentation_group_key)

    def versions(
        self, period: BoundedPeriod, by: Callable[[Product], Any] | None = None
    ) -> list[tuple[BoundedPeriod, Product]]:
        """Return the states of a period with the time of each, in order; neighbours differ.

        Args:
            by: What counts as a difference; anything unless it is given.
        """
        if not self.updates:
            return [(period, self)]
        inside = {update.starting_at for update in self.updates if period.starting_at < update.starting_at}
        edges = sorted({period.starting_at, *(at for at in inside if at < period.ending_before), period.ending_before})
        found: list[tuple[BoundedPeriod, Product]] = []
        for start, end in pairwise(edges):
            version = self.at(start)
            before = found[-1][1] if found else None
            if before is not None and (before == version if by is None else by(before) == by(version)):
                start, version = found.pop()[0].starting_at, before
            found.append((BoundedPeriod(start, end), version))
        return found
