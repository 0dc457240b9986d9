"""Every operation that the sandbox has, called by the SDK, its answer held strictly against the SDK's model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from e2e.sdk import AUGUST, JULY, JUNE, SEPTEMBER, USD, Acme

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import Document

START, END = "2024-06-01T00:00:00Z", "2025-06-01T00:00:00Z"
ACCESS: Any = {"schedule_items": [{"amount": 500, "starting_at": START, "ending_before": END}]}


def create_metric(acme: Acme) -> Any:
    return acme.client.v1.billable_metrics.create(
        name="Tokens",
        aggregation_type="SUM",
        aggregation_key="tokens",
        event_type_filter={"in_values": ["completion"]},
        property_filters=[{"name": "tokens", "exists": True}, {"name": "region", "exists": True}],
        group_keys=[["region"]],
    )


def create_priced_product(acme: Acme) -> tuple[str, dict[str, str]]:
    """A product whose price depends on the region, and the pricing group values of its rate."""
    metric = create_metric(acme).data.id
    product = acme.client.v1.contracts.products.create(
        name="Tokens",
        type="USAGE",
        billable_metric_id=metric,
        pricing_group_key=["region"],
        tags=["ai"],
        quantity_conversion={"conversion_factor": 1000, "operation": "DIVIDE"},
        quantity_rounding={"decimal_places": 0, "rounding_method": "ROUND_UP"},
    )
    return product.data.id, {"region": "eu"}


def add_rate(acme: Acme) -> Any:
    product, region = create_priced_product(acme)
    return acme.client.v1.contracts.rate_cards.rates.add(
        rate_card_id=acme.rate_card_id,
        product_id=product,
        entitled=True,
        starting_at=START,
        rate_type="TIERED",
        tiers=[{"price": 3, "size": 10}, {"price": 2}],
        pricing_group_values=region,
        commit_rate={"rate_type": "FLAT", "price": 1.5},
    )


def add_rates(acme: Acme) -> Any:
    product, region = create_priced_product(acme)
    return acme.client.v1.contracts.rate_cards.rates.add_many(
        rate_card_id=acme.rate_card_id,
        rates=[
            {
                "product_id": product,
                "entitled": True,
                "starting_at": START,
                "rate_type": "FLAT",
                "price": 7,
                "pricing_group_values": region,
            }
        ],
    )


def create_contract(acme: Acme) -> Any:
    return acme.client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=JULY,
        ending_before=END,
        name="Everything",
        uniqueness_key="everything",
        net_payment_terms_days=30,
        usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"},
        commits=[
            {
                "type": "PREPAID",
                "product_id": acme.prepaid_usage,
                "name": "Paid in two",
                "access_schedule": ACCESS,
                "invoice_schedule": {
                    "schedule_items": [{"timestamp": JULY, "amount": 250}, {"timestamp": SEPTEMBER, "amount": 250}]
                },
                "applicable_product_ids": [acme.api_calls],
            },
            {
                "type": "POSTPAID",
                "product_id": acme.prepaid_usage,
                "access_schedule": ACCESS,
                "invoice_schedule": {"schedule_items": [{"timestamp": END, "amount": 500}]},
            },
        ],
        credits=[{"product_id": acme.prepaid_usage, "access_schedule": ACCESS, "priority": 1}],
        overrides=[
            {"starting_at": JULY, "type": "MULTIPLIER", "multiplier": 0.9, "product_id": acme.api_calls},
            {
                "starting_at": JULY,
                "type": "OVERWRITE",
                "overwrite_rate": {"rate_type": "FLAT", "price": 40},
                "override_specifiers": [{"product_id": acme.ids["products"]["Storage"]}],
            },
        ],
        custom_fields={},
    )


def with_everything(acme: Acme) -> Acme:
    """Add the contract with every kind of balance and override, so that the lists have something to show."""
    create_contract(acme)
    return acme


def create_commit(acme: Acme) -> Any:
    return acme.client.v1.customers.commits.create(
        customer_id=acme.customer_id,
        type="PREPAID",
        product_id=acme.prepaid_usage,
        priority=50,
        name="On customer level",
        access_schedule=ACCESS,
        invoice_contract_id=acme.contract_id,
        invoice_schedule={"schedule_items": [{"timestamp": JUNE, "amount": 400}]},
        applicable_contract_ids=[acme.contract_id],
    )


def create_credit(acme: Acme) -> Any:
    return acme.client.v1.customers.credits.create(
        customer_id=acme.customer_id,
        product_id=acme.prepaid_usage,
        priority=10,
        name="Goodwill",
        access_schedule=ACCESS,
        specifiers=[{"product_id": acme.api_calls}],
    )


def void(acme: Acme) -> Any:
    [june, _] = acme.import_june_and_july()
    return acme.client.v1.invoices.void(id=june.id)


def regenerate(acme: Acme) -> Any:
    answer = acme.client.v1.invoices.regenerate(id=void(acme).data.id)
    statuses = sorted(invoice.status for invoice in acme.invoices())
    assert statuses == ["DRAFT", "FINALIZED", "FINALIZED", "VOID"]
    return answer


def import_by_hour(acme: Acme) -> Any:
    hours = [(9, 2), (10, 7)]
    subtotals = [
        {
            "inclusive_start_date": f"2024-06-03T{hour:02}:00:00Z",
            "exclusive_end_date": f"2024-06-03T{hour + 1:02}:00:00Z",
            "quantity": quantity,
        }
        for hour, quantity in hours
    ]
    invoice = acme.historical(JUNE, JULY, subtotals_with_quantity=subtotals)
    invoice["breakdown_granularity"] = "HOUR"
    return acme.client.v1.contracts.create_historical_invoices(invoices=[invoice], preview=False)


def list_breakdowns(acme: Acme) -> Any:
    import_by_hour(acme)
    return acme.client.v1.customers.invoices.list_breakdowns(
        customer_id=acme.customer_id, starting_on=JUNE, ending_before=SEPTEMBER, window_size="HOUR"
    )


CALLS: dict[str, Callable[[Acme], Any]] = {
    "createCustomer-v1": lambda acme: acme.client.v1.customers.create(name="Globex", ingest_aliases=["globex"]),
    "getCustomer-v1": lambda acme: acme.client.v1.customers.retrieve(customer_id=acme.customer_id),
    "listCustomers-v1": lambda acme: acme.client.v1.customers.list(),
    "archiveCustomer-v1": lambda acme: acme.client.v1.customers.archive(id=acme.customer_id),
    "createBillableMetricV1-v1": create_metric,
    "getBillableMetric-v1": lambda acme: acme.client.v1.billable_metrics.retrieve(
        billable_metric_id=acme.ids["billable_metrics"]["API calls"]
    ),
    "listAllBillableMetrics-v1": lambda acme: acme.client.v1.billable_metrics.list(),
    "ingest-v1": lambda acme: acme.client.v1.usage.ingest(
        usage=[
            {
                "transaction_id": "1",
                "customer_id": "acme",
                "event_type": "api_call",
                "timestamp": "2024-08-14T00:00:00Z",
                "properties": {"calls": "5"},
            }
        ]
    ),
    "listCreditTypes-v1": lambda acme: acme.client.v1.pricing_units.list(),
    "createProduct-v1": create_priced_product,
    "getProduct-v1": lambda acme: acme.client.v1.contracts.products.retrieve(id=create_priced_product(acme)[0]),
    "listProducts-v1": lambda acme: create_priced_product(acme) and acme.client.v1.contracts.products.list(),
    "createRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.create(
        name="Enterprise", description="For the few", fiat_credit_type_id=USD, aliases=[{"name": "enterprise"}]
    ),
    "getRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.retrieve(id=acme.rate_card_id),
    "listRateCards-v1": lambda acme: acme.client.v1.contracts.rate_cards.list(body={}),
    "addRate-v1": add_rate,
    "addRates-v1": add_rates,
    "getRates-v1": lambda acme: (
        add_rate(acme) and acme.client.v1.contracts.rate_cards.rates.list(rate_card_id=acme.rate_card_id, at=AUGUST)
    ),
    "getRateSchedule-v1": lambda acme: (
        add_rate(acme)
        and acme.client.v1.contracts.rate_cards.retrieve_rate_schedule(
            rate_card_id=acme.rate_card_id, starting_at=AUGUST
        )
    ),
    "createContract-v1": create_contract,
    "getContract-v1": lambda acme: acme.client.v1.contracts.retrieve(
        customer_id=acme.customer_id,
        contract_id=create_contract(acme).data.id,
        include_balance=True,
        include_ledgers=True,
    ),
    "listContracts-v1": lambda acme: with_everything(acme).client.v1.contracts.list(
        customer_id=acme.customer_id, include_balance=True, include_ledgers=True
    ),
    "getContract-v2": lambda acme: acme.client.v2.contracts.retrieve(
        customer_id=acme.customer_id,
        contract_id=create_contract(acme).data.id,
        include_balance=True,
        include_ledgers=True,
    ),
    "listContracts-v2": lambda acme: with_everything(acme).client.v2.contracts.list(
        customer_id=acme.customer_id, include_balance=True, include_ledgers=True
    ),
    "archiveContract-v1": lambda acme: acme.client.v1.contracts.archive(
        customer_id=acme.customer_id, contract_id=acme.contract_id, void_invoices=True
    ),
    "updateContractEndDate-v1": lambda acme: acme.client.v1.contracts.update_end_date(
        customer_id=acme.customer_id, contract_id=acme.contract_id, ending_before="2024-12-01T00:00:00Z"
    ),
    "getContractRateSchedule-v1": lambda acme: (
        add_rate(acme)
        and acme.client.v1.contracts.retrieve_rate_schedule(
            customer_id=acme.customer_id, contract_id=create_contract(acme).data.id
        )
    ),
    "createHistoricalContractUsageInvoices-v1": import_by_hour,
    "listInvoices-v1": lambda acme: with_everything(acme).client.v1.customers.invoices.list(
        customer_id=acme.customer_id
    ),
    "getInvoice-v1": lambda acme: acme.client.v1.customers.invoices.retrieve(
        customer_id=acme.customer_id, invoice_id=acme.invoices()[0].id
    ),
    "listBreakdownInvoices-v1": list_breakdowns,
    "voidInvoice-v1": void,
    "regenerateInvoice-v1": regenerate,
    "createCustomerCommit-v1": create_commit,
    "listCustomerCommits-v1": lambda acme: (
        create_commit(acme)
        and acme.client.v1.customers.commits.list(
            customer_id=acme.customer_id, include_contract_commits=True, include_balance=True, include_ledgers=True
        )
    ),
    "createCustomerCredit-v1": create_credit,
    "listCustomerCredits-v1": lambda acme: (
        create_credit(acme)
        and acme.client.v1.customers.credits.list(
            customer_id=acme.customer_id, include_contract_credits=True, include_balance=True, include_ledgers=True
        )
    ),
    "listCustomerBalances-v1": lambda acme: (
        create_credit(acme)
        and create_commit(acme)
        and with_everything(acme).client.v1.contracts.list_balances(
            customer_id=acme.customer_id, include_contract_balances=True, include_balance=True, include_ledgers=True
        )
    ),
    "getNetBalance-v1": lambda acme: acme.client.v1.contracts.get_net_balance(
        customer_id=acme.customer_id,
        invoice_inclusion_mode="FINALIZED",
        filters=[{"balance_types": ["PREPAID_COMMIT"]}],
    ),
}


def billing_operations() -> set[str]:
    described = {operation.operation_id for operation in Document.load().operations()}
    return described & HANDLERS.keys()


def test_no_operation_is_left_out():
    assert CALLS.keys() == billing_operations()


@pytest.mark.parametrize("operation_id", CALLS)
def test_the_answer_fits_the_model_of_the_sdk(acme: Acme, operation_id: str):
    answer = CALLS[operation_id](acme)

    assert getattr(answer, "data", "none") != []
    journal: Any = acme.client.get("/sandbox/requests", cast_to=object)
    calls = {(call["operation_id"], call["status"]) for call in journal["data"]}
    assert (operation_id, 200) in calls
    assert {status for _, status in calls} == {200}
    assert [call for call in journal["data"] if call["findings"]] == []
