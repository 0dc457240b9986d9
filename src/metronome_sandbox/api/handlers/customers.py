"""Operations of the tag Customers."""

from __future__ import annotations

from metronome_sandbox.api.pagination import page
from metronome_sandbox.api.requests import Reply, Request
from metronome_sandbox.api.wire import customers as wire
from metronome_sandbox.api.wire.common import scope
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import contracts, customers
from metronome_sandbox.services.context import Context


def create_customer(context: Context, request: Request) -> Reply:
    """``POST /v1/customers``"""
    return Reply({"data": wire.render(customers.create_customer(context, wire.parse_create(request.body)))})


def get_customer(context: Context, request: Request) -> Reply:
    """``GET /v1/customers/{customer_id}``"""
    customer = customers.get_customer(context, CustomerId(request.path_parameters["customer_id"]))
    return Reply({"data": wire.render_detail(customer)})


def set_customer_name(context: Context, request: Request) -> Reply:
    """``POST /v1/customers/{customer_id}/setName``"""
    customer_id = CustomerId(request.path_parameters["customer_id"])
    customer = customers.set_customer_name(context, customer_id, wire.parse_set_name(request.body))
    return Reply({"data": wire.render(customer)})


def set_ingest_aliases(context: Context, request: Request) -> Reply:
    """``POST /v1/customers/{customer_id}/setIngestAliases``. The contract describes no body."""
    customer_id = CustomerId(request.path_parameters["customer_id"])
    customers.set_ingest_aliases(context, customer_id, wire.parse_set_ingest_aliases(request.body))
    return Reply()


def archive_customer(context: Context, request: Request) -> Reply:
    """``POST /v1/customers/archive``"""
    customer_id = wire.parse_archive(request.body)
    contracts.archive_customer(context, customer_id)
    return Reply({"data": {"id": customer_id}})


def list_customers(context: Context, request: Request) -> Reply:
    """``GET /v1/customers``. Nobody has a Salesforce account here, so that filter finds nothing."""
    query = request.query
    found = (
        []
        if query.get("salesforce_account_ids")
        else customers.list_customers(
            context,
            only_archived=query.get("only_archived", False),
            ingest_alias=query.get("ingest_alias"),
            customer_ids=query.get("customer_ids"),
        )
    )
    items, cursor = page(found, query["limit"], query.get("next_page"), scope(request.operation.operation_id, query))
    return Reply({"data": [wire.render_detail(customer) for customer in items], "next_page": cursor})
