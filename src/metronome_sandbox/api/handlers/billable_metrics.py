"""Operations of the tag Billable metrics."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import billable_metrics as wire
from metronome_sandbox.api.wire.common import scope
from metronome_sandbox.domain.ids import BillableMetricId
from metronome_sandbox.services import billable_metrics
from metronome_sandbox.services.context import Context


def create_billable_metric(context: Context, request: Request) -> Reply:
    """``POST /v1/billable-metrics/create``"""
    metric = billable_metrics.create_billable_metric(context, wire.parse_create(request.body))
    return Reply({"data": {"id": metric.id}})


def get_billable_metric(context: Context, request: Request) -> Reply:
    """``GET /v1/billable-metrics/{billable_metric_id}``"""
    metric_id = BillableMetricId(request.path_parameters["billable_metric_id"])
    return Reply({"data": wire.render(billable_metrics.get_billable_metric(context, metric_id))})


def list_billable_metrics(context: Context, request: Request) -> Reply:
    """``GET /v1/billable-metrics``"""
    query = request.query
    found = billable_metrics.list_billable_metrics(context, include_archived=query["include_archived"])
    items, cursor = page(found, query["limit"], query.get("next_page"), scope(request.operation.operation_id, query))
    return Reply({"data": [wire.render(metric) for metric in items], "next_page": cursor})


def archive_billable_metric(context: Context, request: Request) -> Reply:
    """``POST /v1/billable-metrics/archive``"""
    metric_id = wire.parse_archive(request.body)
    return Reply({"data": {"id": billable_metrics.archive_billable_metric(context, metric_id).id}})
