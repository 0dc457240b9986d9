"""A tenant that has one of everything: what generated requests are sent to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"

Ids = dict[str, list[str]]
"""Ids by kind, those first that most requests should name."""


class Callee(Protocol):
    """Whoever can be called: a target, or a test's own sandbox."""

    def call(self, method: str, path: str, body: Any = None, *, query: str = "") -> Any:
        """Send JSON and return the JSON of an answer that has to be a 200."""


def settle(sandbox: Callee) -> Ids:
    """Give a tenant that holds the scenario ``acme`` one of everything; return the ids by kind.

    The clock stands at 2024-08-15. Ids that most requests should get stand in their list more than once.
    """
    call = sandbox.call
    acme = call("GET", "/v1/customers")["data"][0]["id"]
    contract = call("POST", "/v1/contracts/list", {"customer_id": acme})["data"][0]["id"]
    card = call("POST", "/v1/contract-pricing/rate-cards/list", {})["data"][0]["id"]
    products = {
        product["current"]["name"]: product["id"]
        for product in call("POST", "/v1/contract-pricing/products/list", {})["data"]
    }
    other = call("POST", "/v1/customers", {"name": "Other Inc", "ingest_aliases": ["other"]})["data"]["id"]
    archived = call("POST", "/v1/customers", {"name": "Gone Inc"})["data"]["id"]
    call("POST", "/v1/customers/archive", {"id": archived})
    metric = {
        "name": "Compute seconds",
        "aggregation_type": "SUM",
        "aggregation_key": "seconds",
        "property_filters": [{"name": name, "exists": True} for name in ("seconds", "region", "cluster")],
        "group_keys": [["region", "cluster"]],
    }
    compute = {
        "name": "Compute",
        "type": "USAGE",
        "billable_metric_id": call("POST", "/v1/billable-metrics/create", metric)["data"]["id"],
        "pricing_group_key": ["region"],
        "presentation_group_key": ["cluster"],
    }
    products["Compute"] = call("POST", "/v1/contract-pricing/products/create", compute)["data"]["id"]
    rate = {
        "rate_card_id": card,
        "product_id": products["Compute"],
        "pricing_group_values": {"region": "eu-west-1"},
        "starting_at": "2024-01-01T00:00:00Z",
        "entitled": True,
        "rate_type": "FLAT",
        "price": 25,
    }
    call("POST", "/v1/contract-pricing/rate-cards/addRate", rate)
    seat = {"name": "Seat", "type": "SUBSCRIPTION"}
    products["Seat"] = call("POST", "/v1/contract-pricing/products/create", seat)["data"]["id"]
    fee = {"rate_card_id": card, "product_id": products["Seat"], "starting_at": "2024-01-01T00:00:00Z"}
    fee = {**fee, "entitled": True, "rate_type": "FLAT", "price": 2000, "billing_frequency": "MONTHLY"}
    call("POST", "/v1/contract-pricing/rate-cards/addRate", fee)
    access = {"amount": 5000, "starting_at": "2024-06-01T00:00:00Z", "ending_before": "2024-10-01T00:00:00Z"}
    grant = {
        "customer_id": acme,
        "product_id": products["Prepaid usage"],
        "priority": 50,
        "access_schedule": {"schedule_items": [access]},
    }
    call("POST", "/v1/contracts/customerCredits/create", grant)
    payments = {"schedule_items": [{"timestamp": "2024-09-01T00:00:00Z", "amount": 5000}]}
    commit = {**grant, "type": "PREPAID", "invoice_contract_id": contract, "invoice_schedule": payments}
    call("POST", "/v1/contracts/customerCommits/create", commit)
    for month in (6, 7):
        start, end = f"2024-{month:02}-01T00:00:00Z", f"2024-{month + 1:02}-01T00:00:00Z"
        line = {"inclusive_start_date": start, "exclusive_end_date": end, "quantity": 130}
        invoice = {
            "customer_id": acme,
            "contract_id": contract,
            "credit_type_id": USD,
            "inclusive_start_date": start,
            "exclusive_end_date": end,
            "issue_date": end,
            "usage_line_items": [{**line, "product_id": products[name]} for name in ("API calls", "Storage")],
        }
        call("POST", "/v1/contracts/createHistoricalInvoices", {"preview": False, "invoices": [invoice]})
    invoices = [invoice["id"] for invoice in call("GET", f"/v1/customers/{acme}/invoices")["data"]]
    call("POST", "/v1/invoices/void", {"id": invoices[1]})
    terms = call("POST", "/v1/contracts/create", contract_with_terms(acme, card, products))["data"]["id"]
    agreed = call("POST", "/v2/contracts/get", {"customer_id": acme, "contract_id": terms})["data"]
    scheduled = call("GET", f"/v1/customers/{acme}/invoices", query="type=SCHEDULED&status=DRAFT")["data"]
    unit = call("POST", "/v1/credit-types/create", {"name": "Credits"})["data"]["id"]
    paid = {"schedule_items": [{"timestamp": "2024-08-15T00:00:00Z", "amount": 450}]}
    gated = {
        "type": "PREPAID",
        "product_id": products["Prepaid usage"],
        "access_schedule": {"schedule_items": [access]},
        "invoice_schedule": paid,
        "payment_gate_config": {"payment_gate_type": "EXTERNAL"},
    }
    call("POST", "/v2/contracts/edit", {"customer_id": acme, "contract_id": terms, "add_commits": [gated]})
    waiting = call("GET", "/sandbox/payments")["data"]
    bundle = call("POST", "/v1/packages/create", {"name": "Standard", "rate_card_id": card})["data"]["id"]
    empty_card = {"name": "Empty", "fiat_credit_type_id": USD}
    empty = call("POST", "/v1/contract-pricing/rate-cards/create", empty_card)["data"]["id"]
    bare = {"customer_id": other, "rate_card_id": empty, "starting_at": "2024-08-01T00:00:00Z"}
    unfiltered = call("POST", "/v1/contracts/create", bare)["data"]["id"]
    listing = {"customer_id": acme, "include_contract_balances": True}
    balances = call("POST", "/v1/contracts/customerBalances/list", listing)["data"]
    segments = ids_of(item for commit in agreed["commits"] for item in commit["access_schedule"]["schedule_items"])
    fees = ids_of(item for charge in agreed["scheduled_charges"] for item in charge["schedule"]["schedule_items"])
    return {
        "customers": [acme] * 9 + [other, archived],
        "contracts": [contract, terms],
        "products": [products["API calls"], products["Storage"], products["Compute"]],
        "fixed products": [products["Prepaid usage"]],
        "rate_cards": [card] * 3 + [empty],
        "billable_metrics": [metric["id"] for metric in call("GET", "/v1/billable-metrics")["data"]],
        "invoices": invoices,
        "credit_types": [USD] * 9 + [unit["id"] for unit in call("GET", "/v1/credit-types/list")["data"]],
        "unfiltered contracts": [unfiltered],
        "units": [unit],
        "packages": [bundle],
        "subscriptions": ids_of(agreed["subscriptions"]),
        "subscription products": [products["Seat"]],
        "workflows": [payment["workflow_id"] for payment in waiting],
        "balances": [balance["id"] for balance in balances],
        "prepaid": ids_of(balance for balance in balances if balance["type"] == "PREPAID"),
        "credits": ids_of(balance for balance in balances if balance["type"] == "CREDIT"),
        "agreed commits": ids_of(agreed["commits"]),
        "agreed credits": ids_of(agreed["credits"]),
        "overrides": ids_of(agreed["overrides"]),
        "scheduled_charges": ids_of(agreed["scheduled_charges"]),
        "professional_services": ids_of(agreed["professional_services"]),
        "recurring": ids_of(agreed["recurring_commits"]),
        "segments": segments,
        "payments": fees,
        "items": segments + fees,
        "scheduled drafts": ids_of(scheduled),
    }


def ids_of(things: Iterable[Any]) -> list[str]:
    """Return what an answer calls things."""
    return [thing["id"] for thing in things]


def contract_with_terms(customer: str, card: str, products: dict[str, str]) -> dict[str, Any]:
    """Return the request for a contract that has one of everything that can be agreed, and bills from August on."""
    fixed = products["Prepaid usage"]
    start, end = "2024-08-01T00:00:00Z", "2025-08-01T00:00:00Z"
    access = {"schedule_items": [{"amount": 700, "starting_at": start, "ending_before": end}]}
    fees = {"schedule_items": [{"timestamp": f"2024-{month:02}-01T00:00:00Z", "amount": 70} for month in (9, 12)]}
    balance = {"product_id": fixed, "access_schedule": access, "applicable_product_ids": [products["API calls"]]}
    return {
        "customer_id": customer,
        "rate_card_id": card,
        "starting_at": start,
        "ending_before": end,
        "commits": [
            {**balance, "type": "PREPAID", "priority": 20},
            {
                **balance,
                "type": "POSTPAID",
                "invoice_schedule": {"schedule_items": [{"timestamp": end, "amount": 700}]},
            },
        ],
        "credits": [{**balance, "priority": 30}],
        "recurring_commits": [
            {
                "product_id": fixed,
                "priority": 40,
                "access_amount": {"unit_price": 30, "quantity": 1, "credit_type_id": USD},
                "commit_duration": {"value": 1, "unit": "PERIODS"},
                "starting_at": start,
                "recurrence_frequency": "MONTHLY",
            }
        ],
        "overrides": [
            {"starting_at": start, "type": "MULTIPLIER", "multiplier": 0.9, "product_id": products["API calls"]}
        ],
        "scheduled_charges": [{"product_id": fixed, "schedule": fees}],
        "professional_services": [{"product_id": fixed, "unit_price": 10, "quantity": 2, "max_amount": 40}],
        "subscriptions": [
            subscription(products["Seat"], quantity_management_mode="QUANTITY_ONLY", initial_quantity=2),
            subscription(
                products["Seat"],
                quantity_management_mode="SEAT_BASED",
                seat_config={"seat_group_key": "user", "initial_seat_ids": ["ada"], "initial_unassigned_seats": 1},
            ),
        ],
    }


def subscription(product: str, **terms: Any) -> dict[str, Any]:
    """Return the terms of a subscription that is paid in advance, monthly and prorated."""
    return {
        "subscription_rate": {"product_id": product, "billing_frequency": "MONTHLY"},
        "collection_schedule": "ADVANCE",
        "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
        **terms,
    }
