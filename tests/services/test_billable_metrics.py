from __future__ import annotations

from typing import Any

import msgspec
import pytest
from builders import utc

from metronome_sandbox.domain.catalog import AggregationType, PropertyFilter, ValueFilter
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound
from metronome_sandbox.domain.ids import BillableMetricId
from metronome_sandbox.services import billable_metrics
from metronome_sandbox.services.billable_metrics import NewBillableMetric
from metronome_sandbox.services.context import Context


def summing(**changes: Any) -> NewBillableMetric:
    """A sum of ``seconds``, grouped by region and cluster, with some of it changed."""
    metric = NewBillableMetric(
        name="Compute seconds",
        aggregation_type=AggregationType.SUM,
        aggregation_key="seconds",
        event_type_filter=ValueFilter(in_values=("compute",)),
        property_filters=(
            PropertyFilter("seconds", exists=True),
            PropertyFilter("region", exists=True),
            PropertyFilter("cluster", values=ValueFilter(in_values=("blue", "green"))),
        ),
        group_keys=(("region", "cluster"),),
    )
    return msgspec.structs.replace(metric, **changes)


def refused(context: Context, new: NewBillableMetric) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        billable_metrics.create_billable_metric(context, new)
    assert not context.store.billable_metrics
    return caught.value


def test_a_metric_can_be_read_back(context: Context) -> None:
    created = billable_metrics.create_billable_metric(context, summing())

    assert billable_metrics.get_billable_metric(context, created.id) is created
    assert created.created_at == utc("2024-08-15")
    assert created.group_keys == (("region", "cluster"),)


def test_a_count_needs_no_key(context: Context) -> None:
    counting = NewBillableMetric("Calls", aggregation_type=AggregationType.COUNT)

    assert billable_metrics.create_billable_metric(context, counting).aggregation_key is None


def test_a_count_with_a_key_is_refused(context: Context) -> None:
    assert refused(context, summing(aggregation_type=AggregationType.COUNT)).path == "aggregation_key"


@pytest.mark.parametrize("aggregation", [one for one in AggregationType if one is not AggregationType.COUNT])
def test_every_other_aggregation_needs_a_key(context: Context, aggregation: AggregationType) -> None:
    error = refused(context, summing(aggregation_type=aggregation, aggregation_key=None))

    assert str(error) == f"aggregation_key: missing; {aggregation} needs the property to aggregate"


def test_the_key_must_be_named_by_a_property_filter(context: Context) -> None:
    error = refused(context, summing(aggregation_key="minutes"))

    assert error.path == "aggregation_key"
    assert "'minutes' is not the name of a property filter" in error.problem


def test_a_metric_without_aggregation_and_without_sql_is_refused(context: Context) -> None:
    assert refused(context, NewBillableMetric("Nothing")).path == "aggregation_type"


def test_sql_stands_alone(context: Context) -> None:
    query = NewBillableMetric("Query", sql="SELECT COUNT(*) FROM events")

    assert billable_metrics.create_billable_metric(context, query).sql == "SELECT COUNT(*) FROM events"


@pytest.mark.parametrize("field", billable_metrics.STREAMING_FIELDS)
def test_sql_is_not_combined_with_any_field_of_a_streaming_metric(context: Context, field: str) -> None:
    query = NewBillableMetric("Query", sql="SELECT 1", **{field: getattr(summing(), field)})

    assert refused(context, query).path == field


@pytest.mark.parametrize("exists", [None, False])
def test_a_group_key_needs_a_filter_that_requires_its_property(context: Context, exists: bool | None) -> None:
    filters = (PropertyFilter("seconds", exists=True), PropertyFilter("region", exists=exists))
    error = refused(context, summing(property_filters=filters, group_keys=(("region",),)))

    assert error.path == "group_keys[0][0]"
    assert "no property filter requires 'region'" in error.problem


def test_a_group_key_names_each_property_once(context: Context) -> None:
    assert refused(context, summing(group_keys=(("region",), ("cluster", "cluster")))).path == "group_keys[1][1]"


def test_a_group_key_names_at_least_one_property(context: Context) -> None:
    assert refused(context, summing(group_keys=((),))).path == "group_keys[0]"


def test_an_empty_list_of_values_is_refused_where_it_stands(context: Context) -> None:
    filters = (PropertyFilter("seconds", exists=True), PropertyFilter("region", values=ValueFilter(not_in_values=())))

    assert refused(context, summing(property_filters=filters)).path == "property_filters[1].not_in_values"
    assert refused(context, summing(event_type_filter=ValueFilter(in_values=()))).path == "event_type_filter.in_values"


def test_archived_metrics_are_listed_only_when_asked_for(context: Context) -> None:
    first = billable_metrics.create_billable_metric(context, summing(name="first"))
    second = billable_metrics.create_billable_metric(context, summing(name="second"))
    archived = msgspec.structs.replace(first, archived_at=context.now)
    with context.transaction():
        context.store.billable_metrics.put(first.id, archived)

    assert billable_metrics.list_billable_metrics(context) == [second]
    assert billable_metrics.list_billable_metrics(context, include_archived=True) == [archived, second]
    assert billable_metrics.get_billable_metric(context, first.id) == archived
    with pytest.raises(NotAllowedNow, match=r"billable_metric_id: billable metric .* is archived"):
        billable_metrics.active_billable_metric(context, first.id, "billable_metric_id")


def test_an_unknown_metric_is_not_found(context: Context) -> None:
    with pytest.raises(NotFound, match="no billable metric nowhere in this tenant"):
        billable_metrics.get_billable_metric(context, BillableMetricId("nowhere"))
