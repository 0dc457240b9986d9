"""A good request for every operation: what the hostile ones are made from."""

from __future__ import annotations

from typing import Any, NamedTuple

from metronome_sandbox.toolkit.suites.tenant import USD, Ids, subscription


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
    """Return one good request for every operation that works, by operation id.

    The one that restores a snapshot is not there: it has tests of its own.
    """
    customer, contract, card = ids["customers"][0], ids["contracts"][0], ids["rate_cards"][0]
    product, fixed, metric = ids["products"][0], ids["fixed products"][0], ids["billable_metrics"][0]
    balance = ids["balances"][0]
    seat = ids["subscription products"][0]
    finalized, voided = ids["invoices"][:2]
    start, end = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"
    access = {
        "schedule_items": [{"amount": 25000, "starting_at": start, "ending_before": end}],
        "credit_type_id": USD,
    }
    payments = {"schedule_items": [{"timestamp": "2024-09-01T00:00:00Z", "unit_price": 10, "quantity": 2}]}
    of_contract = {"customer_id": customer, "contract_id": contract}
    of_customer = {"customer_id": customer}
    of_terms = {"customer_id": customer, "contract_id": ids["contracts"][1]}
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
        "createPackage-v1": Good(
            "POST",
            "/v1/packages/create",
            {
                "name": "Enterprise",
                "aliases": [{"name": "enterprise", "starting_at": start, "ending_before": end}],
                "rate_card_id": card,
                "duration": {"unit": "YEARS", "value": 1},
                "net_payment_terms_days": 30,
            },
        ),
        "getPackage-v1": Good("POST", "/v1/packages/get", {"package_id": ids["packages"][0]}),
        "listPackages-v1": Good("POST", "/v1/packages/list", {"archive_filter": "ALL"}, "limit=10"),
        "archivePackage-v1": Good("POST", "/v1/packages/archive", {"package_id": ids["packages"][0]}),
        "listContractsOnPackage-v1": Good(
            "POST", "/v1/packages/listContractsOnPackage", {"package_id": ids["packages"][0]}, "limit=10"
        ),
        "setCustomerName-v1": Good("POST", f"/v1/customers/{customer}/setName", {"name": "Acme GmbH"}),
        "setIngestAliases-v1": Good(
            "POST", f"/v1/customers/{customer}/setIngestAliases", {"ingest_aliases": ["acme", "acme-eu"]}
        ),
        "archiveBillableMetric-v1": Good("POST", "/v1/billable-metrics/archive", {"id": metric}),
        "createCreditType-v1": Good("POST", "/v1/credit-types/create", {"name": "Tokens"}),
        "archiveCreditType-v1": Good("POST", "/v1/credit-types/archive", {"id": ids["units"][0]}),
        "updateProduct-v1": Good(
            "POST", f"{products}/update", {"product_id": product, "starting_at": start, "name": "Calls", "tags": ["ai"]}
        ),
        "archiveProductListItem-v1": Good("POST", f"{products}/archive", {"product_id": product}),
        "updateRateCard-v1": Good(
            "POST",
            f"{rates}/update",
            {
                "rate_card_id": card,
                "name": "Renamed",
                "aliases": [{"name": "standard", "starting_at": start, "ending_before": end}],
                "add_credit_type_conversions": [
                    {"custom_credit_type_id": ids["units"][0], "fiat_per_custom_credit": 10}
                ],
            },
        ),
        "archiveRateCard-v1": Good("POST", f"{rates}/archive", {"id": card}),
        "setRateCardProductsOrder-v1": Good(
            "POST", f"{rates}/setRateCardProductsOrder", {"rate_card_id": card, "product_order": [product]}
        ),
        "moveRateCardProducts-v1": Good(
            "POST",
            f"{rates}/moveRateCardProducts",
            {"rate_card_id": card, "product_moves": [{"product_id": product, "position": 0}]},
        ),
        "editContract-v2": Good(
            "POST",
            "/v2/contracts/edit",
            {
                **of_terms,
                "update_contract_name": "Terms",
                "update_contract_end_date": "2025-12-01T00:00:00Z",
                "update_net_payment_terms_days": 45,
                "add_commits": [{**grant, "type": "PREPAID", "invoice_schedule": payments}],
                "add_credits": [grant],
                "add_overrides": [override],
                "add_scheduled_charges": [{"product_id": fixed, "schedule": payments}],
                "add_discounts": [{"product_id": fixed, "schedule": payments, "name": "Off"}],
                "add_professional_services": [{"product_id": fixed, "unit_price": 10, "quantity": 2, "max_amount": 20}],
                "update_commits": [{"commit_id": ids["agreed commits"][0], "priority": 5}],
                "update_credits": [{"credit_id": ids["agreed credits"][0], "name": "Thanks"}],
                "update_scheduled_charges": [
                    {
                        "scheduled_charge_id": ids["scheduled_charges"][0],
                        "invoice_schedule": {
                            "add_schedule_items": [
                                {"timestamp": "2024-10-01T00:00:00Z", "unit_price": 1.5, "quantity": 2}
                            ],
                            "update_schedule_items": [{"id": ids["payments"][0], "amount": 9}],
                            "remove_schedule_items": [{"id": ids["payments"][1]}],
                        },
                    }
                ],
                "remove_overrides": [{"id": ids["overrides"][0]}],
                "add_subscriptions": [subscription(seat, initial_quantity=3)],
                "update_subscriptions": [
                    {
                        "subscription_id": ids["subscriptions"][0],
                        "quantity_updates": [{"quantity": 5, "starting_at": "2024-09-01T00:00:00Z"}],
                    },
                    {
                        "subscription_id": ids["subscriptions"][1],
                        "seat_updates": {
                            "add_seat_ids": [{"seat_ids": ["grace"], "starting_at": "2024-09-01T00:00:00Z"}]
                        },
                    },
                ],
            },
        ),
        "getContractEditHistory-v2": Good("POST", "/v2/contracts/getEditHistory", of_terms),
        "amendContract-v1": Good(
            "POST",
            "/v1/contracts/amend",
            {
                **of_terms,
                "starting_at": "2024-08-01T00:00:00Z",
                "total_contract_value": 10,
                "credits": [grant],
                "overrides": [{**override, "starting_at": end, "ending_before": "2024-09-01T00:00:00Z"}],
                "scheduled_charges": [{"product_id": fixed, "schedule": payments}],
            },
        ),
        "setUsageFilter-v1": Good(
            "POST",
            "/v1/contracts/setUsageFilter",
            {
                "customer_id": ids["customers"][9],
                "contract_id": ids["unfiltered contracts"][0],
                "group_key": "project",
                "group_values": ["atlas"],
                "starting_at": "2024-09-01T00:00:00Z",
            },
        ),
        "updateInvoiceIssueDate-v1": Good(
            "POST",
            "/v1/contracts/updateInvoiceIssueDate",
            {"invoice_id": ids["scheduled drafts"][0], "issue_date": "2024-10-01T00:00:00Z"},
        ),
        "scheduleProServicesInvoice-v1": Good(
            "POST",
            "/v1/contracts/scheduleProServicesInvoice",
            {
                **of_terms,
                "issued_at": "2024-09-01T00:00:00Z",
                "line_items": [
                    {"professional_service_id": ids["professional_services"][0], "unit_price": 5, "quantity": 2}
                ],
            },
        ),
        "editCommit-v2": Good(
            "POST",
            "/v2/contracts/commits/edit",
            {
                **of_customer,
                "commit_id": ids["agreed commits"][0],
                "name": "Renamed",
                "priority": 3,
                "applicable_product_ids": [product],
                "access_schedule": {
                    "add_schedule_items": [{"amount": 5, "starting_at": end, "ending_before": "2024-09-01T00:00:00Z"}],
                    "update_schedule_items": [{"id": ids["segments"][0], "amount": 900}],
                },
            },
        ),
        "editCredit-v2": Good(
            "POST",
            "/v2/contracts/credits/edit",
            {
                **of_customer,
                "credit_id": ids["agreed credits"][0],
                "name": "Thanks",
                "rate_type": "LIST_RATE",
                "applicable_product_ids": [product],
            },
        ),
        "archiveCommit-v2": Good(
            "POST", "/v2/contracts/commits/archive", {**of_customer, "commit_id": ids["agreed commits"][0]}
        ),
        "archiveCredit-v2": Good(
            "POST", "/v2/contracts/credits/archive", {**of_customer, "credit_id": ids["agreed credits"][0]}
        ),
        "updateCommitEndDate-v1": Good(
            "POST",
            "/v1/contracts/customerCommits/updateEndDate",
            {
                **of_customer,
                "commit_id": ids["agreed commits"][0],
                "access_ending_before": "2024-12-01T00:00:00Z",
            },
        ),
        "updateCreditEndDate-v1": Good(
            "POST",
            "/v1/contracts/customerCredits/updateEndDate",
            {
                **of_customer,
                "credit_id": ids["agreed credits"][0],
                "access_ending_before": "2024-12-01T00:00:00Z",
            },
        ),
        "disableCommitTrueup-v1": Good(
            "POST", "/v1/contracts/commits/disableTrueup", {**of_terms, "commit_id": ids["agreed commits"][1]}
        ),
        "addManualBalanceLedgerEntry-v1": Good(
            "POST",
            "/v1/contracts/addManualBalanceLedgerEntry",
            {
                **of_terms,
                "id": ids["agreed commits"][0],
                "segment_id": ids["segments"][0],
                "amount": -100,
                "reason": "An outage",
                "timestamp": "2024-08-10T00:00:00Z",
            },
        ),
        "releaseExternalPaymentGateThresholdCommit-v1": Good(
            "POST",
            "/v1/contracts/commits/threshold-billing/release",
            {"workflow_id": ids["workflows"][0], "outcome": "PAID"},
        ),
        "listFaults": Good("GET", "/sandbox/faults"),
        "createFault": Good(
            "POST",
            "/sandbox/faults",
            {
                "kind": "status",
                "operation_id": "addRate-v1",
                "status": 429,
                "rate_limit_type": "client",
                "probability": 0.5,
            },
        ),
        "clearFaults": Good("DELETE", "/sandbox/faults"),
        "listPayments": Good("GET", "/sandbox/payments"),
        "getSubscriptionQuantityHistory-v1": Good(
            "POST",
            "/v1/contracts/getSubscriptionQuantityHistory",
            {**of_terms, "subscription_id": ids["subscriptions"][0]},
        ),
        "getSubscriptionSeatsHistory-v1": Good(
            "POST",
            "/v1/contracts/getSubscriptionSeatsHistory",
            {**of_terms, "subscription_id": ids["subscriptions"][1], "limit": 10},
        ),
        "listSeatBalances-v1": Good("POST", "/v1/contracts/seatBalances/list", of_terms),
        "previewCustomerEvents-v1": Good(
            "POST",
            f"/v1/customers/{customer}/previewEvents",
            {
                "mode": "merge",
                "events": [
                    {
                        "transaction_id": "hostile-2",
                        "event_type": "api_call",
                        "timestamp": "2024-08-14T00:00:00Z",
                        "properties": {"calls": "7"},
                    }
                ],
            },
        ),
        "explainInvoice": Good("GET", f"/sandbox/invoices/{finalized}/explanation"),
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
