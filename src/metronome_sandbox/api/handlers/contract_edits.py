"""Operations of the tag Contracts that change one after it was made."""

from __future__ import annotations

from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import contract_edits as wire
from metronome_sandbox.api.wire import contracts as contracts_wire
from metronome_sandbox.api.wire import invoices as invoices_wire
from metronome_sandbox.services import contract_edits
from metronome_sandbox.services.context import Context


def edit_contract(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/edit``"""
    new = wire.parse_edit(request.body)
    edit = contract_edits.edit_contract(context, new)
    contract = context.store.contracts[new.contract_id]
    return Reply({"data": {"id": edit.id, "edit": wire.render_edit(context, contract, edit)}})


def get_edit_history(context: Context, request: Request) -> Reply:
    """``POST /v2/contracts/getEditHistory``"""
    asked = contracts_wire.parse_reference(request.body)
    edits = contract_edits.get_edit_history(context, asked.customer, asked.contract)
    contract = context.store.contracts[asked.contract]
    return Reply({"data": [wire.render_edit(context, contract, edit) for edit in edits]})


def amend_contract(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/amend``"""
    amendment = contract_edits.amend_contract(context, wire.parse_amend(request.body))
    return Reply({"data": {"id": amendment.id}})


def set_usage_filter(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/setUsageFilter``. The contract describes no body; ``null``, as ``ingest-v1`` answers."""
    contract_edits.set_usage_filter(context, *wire.parse_set_usage_filter(request.body))
    return Reply()


def update_invoice_issue_date(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/updateInvoiceIssueDate``"""
    invoice_id, issue_date = wire.parse_issue_date(request.body)
    contract_edits.update_invoice_issue_date(context, invoice_id, issue_date)
    return Reply({"data": {"id": invoice_id}})


def schedule_pro_services_invoice(context: Context, request: Request) -> Reply:
    """``POST /v1/contracts/scheduleProServicesInvoice``"""
    invoice = contract_edits.schedule_pro_services_invoice(context, *wire.parse_service_invoice(request.body))
    return Reply({"data": [invoices_wire.render(context, invoice)]})
