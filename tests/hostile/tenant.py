"""A tenant that has one of everything, and a good request for every operation: what the hostile ones are made from."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from hostile.sandbox import Sandbox

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"

Ids = dict[str, list[str]]
"""Ids by kind, those first that most requests should name."""


def settle(sandbox: Sandbox) -> Ids:
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
    listing = {"customer_id": acme, "include_contract_balances": True}
    balances = call("POST", "/v1/contracts/customerBalances/list", listing)["data"]
    return {
        "customers": [acme] * 9 + [other, archived],
        "contracts": [contract],
        "products": [products["API calls"], products["Storage"], products["Compute"]],
        "fixed products": [products["Prepaid usage"]],
        "rate_cards": [card],
        "billable_metrics": [metric["id"] for metric in call("GET", "/v1/billable-metrics")["data"]],
        "invoices": invoices,
        "credit_types": [USD] * 9 + [unit["id"] for unit in call("GET", "/v1/credit-types/list")["data"]],
        "balances": [balance["id"] for balance in balances],
    }


class Good(NamedTuple):
    """A request that is answered with 200.

    Attributes:
        body: None on an operation that takes none.
    """

    method: str
    path: str
    body: Any = None
    query: str = ""


def good_requests(ids: Ids) -> dict[str, Good]:
    """Return one good request for every operation of both documents, by operation id.

    The one that restores a snapshot is not there: it has tests of its own.
    """
    customer, contract, card = ids["customers"][0], ids["contracts"][0], ids["rate_cards"][0]
    product, fixed, metric = ids["products"][0], ids["fixed products"][0], ids["billable_metrics"][0]
    balance = ids["balances"][0]
    finalized, voided = ids["invoices"][:2]
    start, end = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"
    access = {
        "schedule_items": [{"amount": 25000, "starting_at": start, "ending_before": end}],
        "credit_type_id": USD,
    }
    payments = {"schedule_items": [{"timestamp": "2024-09-01T00:00:00Z", "unit_price": 10, "quantity": 2}]}
    of_contract = {"customer_id": customer, "contract_id": contract}
    of_customer = {"customer_id": customer}
    rate = {
        "product_id": product,
        "starting_at": start,
        "ending_before": end,
        "entitled": True,
        "rate_type": "TIERED",
        "tiers": [{"size": 10, "price": 5}, {"price": 3}],
        "credit_type_id": USD,
    }
    line = {
        "product_id": product,
        "inclusive_start_date": start,
        "exclusive_end_date": end,
        "subtotals_with_quantity": [
            {"inclusive_start_date": start, "exclusive_end_date": "2024-07-02T00:00:00Z", "quantity": 3}
        ],
    }
    invoice = {
        **of_contract,
        "credit_type_id": USD,
        "inclusive_start_date": start,
        "exclusive_end_date": end,
        "issue_date": end,
        "breakdown_granularity": "DAY",
        "usage_line_items": [line],
    }
    override = {
        "starting_at": start,
        "ending_before": end,
        "type": "MULTIPLIER",
        "multiplier": 0.5,
        "priority": 1,
        "product_id": product,
    }
    grant = {"product_id": fixed, "access_schedule": access, "priority": 10}
    dated = "starting_on=2024-06-01T00:00:00Z&ending_before=2024-09-01T00:00:00Z"
    rates = "/v1/contract-pricing/rate-cards"
    products = "/v1/contract-pricing/products"
    return {
        "createCustomer-v1": Good("POST", "/v1/customers", {"name": "New Inc", "ingest_aliases": ["new"]}),
        "listCustomers-v1": Good("GET", "/v1/customers", query=f"limit=10&customer_ids={customer}"),
        "archiveCustomer-v1": Good("POST", "/v1/customers/archive", {"id": customer}),
        "getCustomer-v1": Good("GET", f"/v1/customers/{customer}"),
        "listAllBillableMetrics-v1": Good("GET", "/v1/billable-metrics", query="limit=10"),
        "createBillableMetricV1-v1": Good(
            "POST",
            "/v1/billable-metrics/create",
            {"name": "Calls", "aggregation_type": "COUNT", "event_type_filter": {"in_values": ["call"]}},
        ),
        "getBillableMetric-v1": Good("GET", f"/v1/billable-metrics/{metric}"),
        "listCreditTypes-v1": Good("GET", "/v1/credit-types/list", query="limit=10"),
        "createProduct-v1": Good(
            "POST", f"{products}/create", {"name": "Calls", "type": "USAGE", "billable_metric_id": metric}
        ),
        "getProduct-v1": Good("POST", f"{products}/get", {"id": product}),
        "listProducts-v1": Good("POST", f"{products}/list", {"archive_filter": "ALL"}, "limit=10"),
        "createRateCard-v1": Good(
            "POST",
            f"{rates}/create",
            {
                "name": "Card",
                "fiat_credit_type_id": USD,
                "aliases": [{"name": "card", "starting_at": start, "ending_before": end}],
            },
        ),
        "getRateCard-v1": Good("POST", f"{rates}/get", {"id": card}),
        "listRateCards-v1": Good("POST", f"{rates}/list", {}, "limit=10"),
        "addRate-v1": Good("POST", f"{rates}/addRate", {"rate_card_id": card, **rate}),
        "addRates-v1": Good("POST", f"{rates}/addRates", {"rate_card_id": card, "rates": [rate]}),
        "getRates-v1": Good("POST", f"{rates}/getRates", {"rate_card_id": card, "at": start}, "limit=10"),
        "getRateSchedule-v1": Good(
            "POST",
            f"{rates}/getRateSchedule",
            {"rate_card_id": card, "starting_at": start, "ending_before": end, "selectors": [{"product_id": product}]},
            "limit=10",
        ),
        "createContract-v1": Good(
            "POST",
            "/v1/contracts/create",
            {
                **of_customer,
                "rate_card_id": card,
                "starting_at": "2024-06-01T00:00:00Z",
                "ending_before": "2025-06-01T00:00:00Z",
                "net_payment_terms_days": 30,
                "total_contract_value": 12,
                "usage_statement_schedule": {
                    "frequency": "MONTHLY",
                    "day": "CUSTOM_DATE",
                    "billing_anchor_date": "2024-06-01T00:00:00Z",
                    "invoice_generation_starting_at": "2024-08-01T00:00:00Z",
                },
                "commits": [{**grant, "type": "PREPAID", "invoice_schedule": payments}],
                "credits": [grant],
                "overrides": [override],
            },
        ),
        "getContract-v1": Good("POST", "/v1/contracts/get", of_contract),
        "listContracts-v1": Good("POST", "/v1/contracts/list", {**of_customer, "covering_date": start, "limit": 10}),
        "archiveContract-v1": Good("POST", "/v1/contracts/archive", {**of_contract, "void_invoices": True}),
        "updateContractEndDate-v1": Good("POST", "/v1/contracts/updateEndDate", {**of_contract, "ending_before": end}),
        "getContractRateSchedule-v1": Good(
            "POST", "/v1/contracts/getContractRateSchedule", {**of_contract, "at": start}, "limit=10"
        ),
        "getContract-v2": Good("POST", "/v2/contracts/get", {**of_contract, "as_of_date": start}),
        "listContracts-v2": Good("POST", "/v2/contracts/list", {**of_customer, "starting_at": start, "limit": 10}),
        "listCustomerBalances-v1": Good(
            "POST",
            "/v1/contracts/customerBalances/list",
            {**of_customer, "id": balance, "starting_at": start, "effective_before": end, "limit": 10},
        ),
        "getNetBalance-v1": Good(
            "POST", "/v1/contracts/customerBalances/getNetBalance", {**of_customer, "credit_type_id": USD}
        ),
        "createCustomerCommit-v1": Good(
            "POST",
            "/v1/contracts/customerCommits/create",
            {
                **of_customer,
                **grant,
                "type": "PREPAID",
                "invoice_contract_id": contract,
                "applicable_product_ids": [product],
                "invoice_schedule": payments,
            },
        ),
        "listCustomerCommits-v1": Good(
            "POST", "/v1/contracts/customerCommits/list", {**of_customer, "covering_date": start, "limit": 10}
        ),
        "createCustomerCredit-v1": Good("POST", "/v1/contracts/customerCredits/create", {**of_customer, **grant}),
        "listCustomerCredits-v1": Good(
            "POST", "/v1/contracts/customerCredits/list", {**of_customer, "effective_before": end, "limit": 10}
        ),
        "createHistoricalContractUsageInvoices-v1": Good(
            "POST", "/v1/contracts/createHistoricalInvoices", {"preview": False, "invoices": [invoice]}
        ),
        "listInvoices-v1": Good("GET", f"/v1/customers/{customer}/invoices", query=f"limit=10&{dated}"),
        "listBreakdownInvoices-v1": Good(
            "GET", f"/v1/customers/{customer}/invoices/breakdowns", query=f"limit=10&window_size=DAY&{dated}"
        ),
        "getInvoice-v1": Good("GET", f"/v1/customers/{customer}/invoices/{finalized}"),
        "voidInvoice-v1": Good("POST", "/v1/invoices/void", {"id": finalized}),
        "regenerateInvoice-v1": Good("POST", "/v1/invoices/regenerate", {"id": voided}),
        "ingest-v1": Good(
            "POST",
            "/v1/ingest",
            [
                {
                    "transaction_id": "hostile-1",
                    "customer_id": "acme",
                    "event_type": "api_call",
                    "timestamp": "2024-08-14T00:00:00Z",
                    "properties": {"calls": "1"},
                }
            ],
        ),
        "getHealth": Good("GET", "/sandbox/health"),
        "getClock": Good("GET", "/sandbox/clock"),
        "setClock": Good("PUT", "/sandbox/clock", {"now": "2024-09-15T00:00:00Z"}),
        "advanceClock": Good("POST", "/sandbox/clock/advance", {"to": "2024-09-15T00:00:00Z"}),
        "resetTenant": Good("POST", "/sandbox/reset"),
        "getSnapshot": Good("GET", "/sandbox/snapshot"),
        "loadScenario": Good("POST", "/sandbox/scenarios/acme"),
        "listRequests": Good("GET", "/sandbox/requests", query="limit=10"),
        "clearRequests": Good("DELETE", "/sandbox/requests"),
    }


COVERED = frozenset(good_requests(defaultdict(lambda: [""] * 20))) | {"restoreSnapshot"}
"""The operations that hostile input is tried on: those that have a good request to spoil."""
