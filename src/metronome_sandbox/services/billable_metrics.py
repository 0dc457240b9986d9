"""Billable metrics: how usage events become a quantity."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metronome_sandbox.domain.catalog import AggregationType, BillableMetric, PropertyFilter, ValueFilter
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId
from metronome_sandbox.services.context import Context


class NewBillableMetric(msgspec.Struct, frozen=True):
    """What ``createBillableMetricV1-v1`` asks for."""

    name: str
    sql: str | None = None
    aggregation_type: AggregationType | None = None
    aggregation_key: str | None = None
    event_type_filter: ValueFilter | None = None
    property_filters: tuple[PropertyFilter, ...] = ()
    group_keys: tuple[tuple[str, ...], ...] = ()
    custom_fields: dict[str, str] = {}


STREAMING_FIELDS = ("aggregation_type", "aggregation_key", "event_type_filter", "property_filters", "group_keys")


def create_billable_metric(context: Context, new: NewBillableMetric) -> BillableMetric:
    """Create a metric: a streaming aggregation, or an SQL query that is kept and meters nothing.

    Raises:
        InvalidRequest: The fields do not make one metric.
    """
    if new.sql is not None:
        _check_sql(new)
    else:
        _check_filters(new)
        _check_aggregation(new)
        _check_group_keys(new)
    with context.transaction():
        metric = BillableMetric(
            id=BillableMetricId(context.ids.next("billable_metric")),
            created_at=context.now,
            **msgspec.structs.asdict(new),
        )
        context.store.billable_metrics.put(metric.id, metric)
    return metric


def _check_sql(new: NewBillableMetric) -> None:
    """Source: field ``sql`` of ``CreateBillableMetricV1Payload``, which stands instead of the streaming fields."""
    for field in STREAMING_FIELDS:
        if getattr(new, field):
            raise InvalidRequest(field, "cannot be combined with sql; leave one of the two out")


def _check_aggregation(new: NewBillableMetric) -> None:
    """Source: field ``aggregation_key``, which must be the name of a property filter and is not for COUNT.

    Assumed: a metric without ``sql`` and ``aggregation_type`` is refused, and so is a key beside COUNT (section 4.2 of
    the API conventions).  [A-metric-fields]
    """
    if new.aggregation_type is None:
        raise InvalidRequest("aggregation_type", f"missing; expected one of {', '.join(AggregationType)}, or send sql")
    if new.aggregation_type is AggregationType.COUNT:
        if new.aggregation_key is not None:
            raise InvalidRequest(
                "aggregation_key", f"received {new.aggregation_key!r}, but COUNT has no key; leave it out"
            )
        return
    if new.aggregation_key is None:
        raise InvalidRequest("aggregation_key", f"missing; {new.aggregation_type} needs the property to aggregate")
    if all(condition.name != new.aggregation_key for condition in new.property_filters):
        raise InvalidRequest(
            "aggregation_key",
            f"{new.aggregation_key!r} is not the name of a property filter; "
            f"add {{name: {new.aggregation_key}, exists: true}} to property_filters",
        )


def _check_filters(new: NewBillableMetric) -> None:
    """Source: fields ``in_values`` and ``not_in_values``, which are not empty if given."""
    rows = [(f"property_filters[{index}]", condition.values) for index, condition in enumerate(new.property_filters)]
    if new.event_type_filter is not None:
        rows.append(("event_type_filter", new.event_type_filter))
    for path, values in rows:
        for field, listed in (("in_values", values.in_values), ("not_in_values", values.not_in_values)):
            if listed == ():
                raise InvalidRequest(f"{path}.{field}", "empty; expected at least one value, or leave it out")


def _check_group_keys(new: NewBillableMetric) -> None:
    """Every property of a group key is sure to be there. Source: field ``group_keys``.

    Assumed: a filter makes sure with ``exists: true`` or with ``in_values`` (section 4.2 of the API conventions).
    [A-group-key-filter]
    """
    required = {
        condition.name
        for condition in new.property_filters
        if condition.exists or (condition.exists is None and condition.values.in_values is not None)
    }
    for index, key in enumerate(new.group_keys):
        path = f"group_keys[{index}]"
        if not key:
            raise InvalidRequest(path, "empty; expected the names of one or more properties")
        for place, name in enumerate(key):
            if name in key[:place]:
                raise InvalidRequest(f"{path}[{place}]", f"{name!r} is there twice; name each property once")
            if name not in required:
                raise InvalidRequest(
                    f"{path}[{place}]",
                    f"no property filter requires {name!r}; add {{name: {name}, exists: true}} to property_filters",
                )


def get_billable_metric(context: Context, metric_id: BillableMetricId, path: str = "") -> BillableMetric:
    """Return a metric, archived or not; ``path`` is that of the field that names it.

    Raises:
        NotFound: There is none.
    """
    metric = context.store.billable_metrics.get(metric_id)
    if metric is None:
        raise NotFound("billable metric", metric_id, path)
    return metric


def active_billable_metric(context: Context, metric_id: BillableMetricId, path: str) -> BillableMetric:
    """Return a metric that something new can refer to.

    Source: operation ``archiveBillableMetric-v1``: products keep an archived metric, new ones may not take it.
    """
    metric = get_billable_metric(context, metric_id, path)
    if metric.archived_at is not None:
        raise NotAllowedNow(path, f"billable metric {metric_id} is archived; name an active one")
    return metric


def archive_billable_metric(context: Context, metric_id: BillableMetricId) -> BillableMetric:
    """Archive a metric: products that bill it go on, new ones may not take it.

    Raises:
        NotFound: There is none.
        NotAllowedNow: It is archived already (question 25).

    Source: operation ``archiveBillableMetric-v1``.
    """
    metric = get_billable_metric(context, metric_id)
    if metric.archived_at is not None:
        raise NotAllowedNow("id", f"billable metric {metric_id} is archived already")
    archived = msgspec.structs.replace(metric, archived_at=context.now)
    with context.transaction():
        context.store.billable_metrics.put(metric_id, archived)
    return archived


def list_billable_metrics(context: Context, *, include_archived: bool = False) -> Sequence[BillableMetric]:
    """Return metrics in the order of creation; archived ones only when they are asked for."""
    metrics = context.store.billable_metrics.values()
    return [metric for metric in metrics if include_archived or metric.archived_at is None]
