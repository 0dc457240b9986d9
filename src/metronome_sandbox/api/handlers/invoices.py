"""Operations of the tag Invoices, and the import of historical invoices."""

from __future__ import annotations

from datetime import datetime, timedelta

from metronome_sandbox.api.pagination import page, scan
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import invoices as wire
from metronome_sandbox.api.wire import usage as usage_wire
from metronome_sandbox.api.wire.common import JsonObject, canonical, instant, scope
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, InvoiceId
from metronome_sandbox.domain.invoices import InvoiceStatus
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services import historical_invoices, invoices, previews
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.invoices import InvoiceFilter
from metronome_sandbox.spec.findings import shortened


def create_historical_invoices(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/createHistoricalInvoices``"""
    batch, preview = wire.parse_create_historical(request.body)
    created = historical_invoices.create_historical_invoices(context, batch, preview=preview)
    return Reply({"data": [wire.render(context, invoice) for invoice in created]})


def get_invoice(context: Context, request: Request) -> Reply:
    """``GET /v1/customers/{customer_id}/invoices/{invoice_id}``"""
    path = request.path_parameters
    invoice = invoices.get_invoice(context, CustomerId(path["customer_id"]), InvoiceId(path["invoice_id"]))
    skip = request.query.get("skip_zero_qty_line_items", False)
    return Reply({"data": wire.render(context, invoice, skip_zero_quantities=skip)})


def list_invoices(context: Context, request: Request) -> Reply:
    """``GET /v1/customers/{customer_id}/invoices``"""
    query = request.query
    chosen = _filter(request)
    found = invoices.list_invoices(
        context, CustomerId(request.path_parameters["customer_id"]), newest_first=query.get("sort") == "date_desc"
    )
    list_scope = scope(request.operation.operation_id, {**query, **request.path_parameters})
    if chosen == InvoiceFilter():
        items, cursor = page(found, query["limit"], query.get("next_page"), list_scope)
    else:
        items, cursor = scan(found, chosen.admits, query["limit"], query.get("next_page"), list_scope)
    skip = query.get("skip_zero_qty_line_items", False)
    data = [wire.render(context, invoice, skip_zero_quantities=skip) for invoice in items]
    return Reply({"data": data, "next_page": cursor})


DAYS_A_PAGE = 35
HOURS_A_PAGE = 24


def list_breakdowns(context: Context, request: Request) -> Reply:
    """``GET /v1/customers/{customer_id}/invoices/breakdowns``

    A page holds at most 35 days or 24 hours of windows. Source: guide "Customer dashboards and reporting".
    """
    query = request.query
    size = canonical(query.get("window_size", "DAY"), WindowSize)
    found = list(
        invoices.list_breakdowns(
            context,
            CustomerId(request.path_parameters["customer_id"]),
            size,
            _filter(request),
            newest_first=query.get("sort") == "date_desc",
        )
    )
    span = timedelta(days=DAYS_A_PAGE) if size is WindowSize.DAY else timedelta(hours=HOURS_A_PAGE)
    list_scope = scope(request.operation.operation_id, {**query, **request.path_parameters})
    items, _ = page(found, query["limit"], query.get("next_page"), list_scope)
    if items:
        first = items[0][1].window.starting_at
        fitting = sum(1 for _, item in items if abs(item.window.starting_at - first) < span)
        items, cursor = page(found, fitting, query.get("next_page"), list_scope)
    else:
        cursor = None
    skip = query.get("skip_zero_qty_line_items", False)
    data = [wire.render_breakdown(context, invoice, item, skip_zero_quantities=skip) for invoice, item in items]
    return Reply({"data": data, "next_page": cursor})


def preview_events(context: Context, request: Request) -> Reply:
    """``POST /v1/customers/{customer_id}/previewEvents``"""
    customer_id = CustomerId(request.path_parameters["customer_id"])
    events, mode, skip = usage_wire.parse_preview(request.body, customer_id, context.now)
    found = previews.preview_events(context, customer_id, events, mode)
    return Reply({"data": [wire.render(context, invoice, skip_zero_quantities=skip) for invoice in found]})


def void_invoice(context: Context, request: Request) -> Reply:
    """``POST /v1/invoices/void``"""
    return Reply({"data": {"id": invoices.void_invoice(context, wire.parse_reference(request.body)).id}})


def regenerate_invoice(context: Context, request: Request) -> Reply:
    """``POST /v1/invoices/regenerate``"""
    return Reply({"data": {"id": invoices.regenerate_invoice(context, wire.parse_reference(request.body)).id}})


def _filter(request: Request) -> InvoiceFilter:
    query = request.query
    credit_type_id, contract_id = query.get("credit_type_id"), query.get("contract_id")
    return InvoiceFilter(
        status=_status(query.get("status")),
        type=query.get("type"),
        credit_type_id=None if credit_type_id is None else CreditTypeId(credit_type_id.lower()),
        contract_id=None if contract_id is None else ContractId(contract_id.lower()),
        starting_on=_instant(query, "starting_on"),
        ending_before=_instant(query, "ending_before"),
    )


def _status(value: str | None) -> InvoiceStatus | None:
    """Return the status in any spelling; the contract leaves it a plain string."""
    if value is None:
        return None
    try:
        return canonical(value, InvoiceStatus)
    except ValueError:
        raise InvalidRequest("status", f"{shortened(value)} is none of DRAFT, FINALIZED and VOID") from None


def _instant(query: JsonObject, name: str) -> datetime | None:
    return instant(query[name], name) if name in query else None
