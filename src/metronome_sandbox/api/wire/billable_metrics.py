"""Billable metrics on the wire. Source: schemas ``CreateBillableMetricV1Payload`` and ``BillableMetricV1``."""

from __future__ import annotations

from metronome_sandbox.api.wire.common import JsonObject, WireType, canonical, decode, decoder, present, time
from metronome_sandbox.domain.catalog import AggregationType, BillableMetric, PropertyFilter, ValueFilter
from metronome_sandbox.domain.ids import BillableMetricId
from metronome_sandbox.services.billable_metrics import NewBillableMetric


class WireValueFilter(WireType):
    """Values that pass and values that don't."""

    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


class WirePropertyFilter(WireType):
    """A condition on one property."""

    name: str
    exists: bool | None = None
    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


class CreateBillableMetric(WireType):
    """Body of ``createBillableMetricV1-v1``."""

    name: str
    sql: str | None = None
    aggregation_type: str | None = None
    aggregation_key: str | None = None
    event_type_filter: WireValueFilter | None = None
    property_filters: tuple[WirePropertyFilter, ...] = ()
    group_keys: tuple[tuple[str, ...], ...] = ()
    custom_fields: dict[str, str] = {}


class ArchiveBillableMetric(WireType):
    """Body of ``archiveBillableMetric-v1``."""

    id: str


_CREATE = decoder(CreateBillableMetric)
_ARCHIVE = decoder(ArchiveBillableMetric)


def parse_archive(body: bytes) -> BillableMetricId:
    """Return the id."""
    return BillableMetricId(decode(_ARCHIVE, body).id.lower())


def parse_create(body: bytes) -> NewBillableMetric:
    """Return the command."""
    wire = decode(_CREATE, body)
    types = wire.event_type_filter
    return NewBillableMetric(
        name=wire.name,
        sql=wire.sql,
        aggregation_type=None if wire.aggregation_type is None else canonical(wire.aggregation_type, AggregationType),
        aggregation_key=wire.aggregation_key,
        event_type_filter=None if types is None else ValueFilter(types.in_values, types.not_in_values),
        property_filters=tuple(
            PropertyFilter(one.name, one.exists, ValueFilter(one.in_values, one.not_in_values))
            for one in wire.property_filters
        ),
        group_keys=wire.group_keys,
        custom_fields=wire.custom_fields,
    )


def render(metric: BillableMetric) -> JsonObject:
    """Return a metric; what it does not have is left out."""
    filters = [
        present(name=one.name, exists=one.exists, **_render_values(one.values)) for one in metric.property_filters
    ]
    types = metric.event_type_filter
    return present(
        id=metric.id,
        name=metric.name,
        sql=metric.sql,
        aggregation_type=metric.aggregation_type,
        aggregation_key=metric.aggregation_key,
        event_type_filter=None if types is None else _render_values(types),
        property_filters=filters or None,
        group_keys=[list(key) for key in metric.group_keys] or None,
        custom_fields=metric.custom_fields,
        archived_at=None if metric.archived_at is None else time(metric.archived_at),
    )


def _render_values(values: ValueFilter) -> JsonObject:
    return {
        name: list(listed)
        for name, listed in (("in_values", values.in_values), ("not_in_values", values.not_in_values))
        if listed is not None
    }
