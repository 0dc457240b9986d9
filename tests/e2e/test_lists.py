"""Filters, and the SDK's automatic paging over every kind of cursor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from e2e.sdk import AUGUST, JULY, JUNE, SEPTEMBER, USD, Acme, StrictClient
from metronome import BadRequestError, NotFoundError


def test_the_sdk_pages_through_customers_by_query(client: StrictClient):
    made = [client.v1.customers.create(name=f"Customer {number}").data.id for number in range(7)]

    first = client.v1.customers.list(limit=3)
    assert len(first.data) == 3
    assert first.next_page is not None

    found = [customer.id for customer in client.v1.customers.list(limit=3)]
    assert sorted(found) == sorted(made)
    assert found == [customer.id for customer in client.v1.customers.list()]


def test_the_sdk_pages_through_balances_by_body(acme: Acme):
    for number in range(4):
        acme.client.v1.customers.credits.create(
            customer_id=acme.customer_id,
            product_id=acme.prepaid_usage,
            priority=number,
            name=f"Credit {number}",
            access_schedule={"schedule_items": [{"amount": 1, "starting_at": JUNE, "ending_before": JULY}]},
        )

    def listed(**options: Any) -> list[str | None]:
        balances = acme.client.v1.contracts.list_balances(customer_id=acme.customer_id, **options)
        return [balance.name for balance in balances]

    credits = [f"Credit {number}" for number in range(4)]
    assert listed(limit=2) == credits
    assert listed(limit=2, include_contract_balances=True) == ["Prepaid Commit", *credits]
    assert [credit.name for credit in acme.client.v1.customers.credits.list(customer_id=acme.customer_id, limit=1)] == (
        credits
    )


def test_the_sdk_pages_through_contracts_by_their_cursor_field(acme: Acme):
    for month in (JULY, AUGUST, SEPTEMBER):
        acme.client.v1.contracts.create(customer_id=acme.customer_id, rate_card_id=acme.rate_card_id, starting_at=month)

    for contracts in (acme.client.v1.contracts, acme.client.v2.contracts):
        whole = [contract.id for contract in contracts.list(customer_id=acme.customer_id)]
        assert len(set(whole)) == 4
        assert [contract.id for contract in contracts.list(customer_id=acme.customer_id, limit=1)] == whole


def test_the_sdk_pages_through_rates_products_and_metrics(acme: Acme):
    client = acme.client
    assert len(list(client.v1.contracts.rate_cards.rates.list(rate_card_id=acme.rate_card_id, at=AUGUST, limit=1))) == 2
    assert len(list(client.v1.contracts.products.list(limit=1))) == 3
    assert len(list(client.v1.billable_metrics.list(limit=1))) == 2
    assert [card.name for card in client.v1.contracts.rate_cards.list(limit=1, body={})] == ["Acme list prices"]


def test_invoices_come_by_issue_time_and_the_other_way_round(acme: Acme):
    acme.import_june_and_july()

    oldest = acme.invoices(sort="date_asc")

    assert all(one.issued_at <= other.issued_at for one, other in pairwise(oldest))
    assert acme.invoices(sort="date_desc") == oldest[::-1]
    assert acme.invoices(limit=1) == oldest


@pytest.mark.parametrize(
    ("filters", "months"),
    [
        ({}, ["06", "07", "08"]),
        ({"status": "FINALIZED"}, ["06", "07"]),
        ({"status": "DRAFT"}, ["08"]),
        ({"status": "VOID"}, []),
        ({"type": "USAGE"}, ["06", "07", "08"]),
        ({"type": "SCHEDULED"}, []),
        ({"credit_type_id": USD}, ["06", "07", "08"]),
        ({"starting_on": JULY}, ["07", "08"]),
        ({"ending_before": AUGUST}, ["06", "07"]),
        ({"starting_on": JULY, "ending_before": AUGUST}, ["07"]),
        ({"contract_id": "00000000-0000-4000-8000-000000000000"}, []),
    ],
)
def test_invoices_are_filtered(acme: Acme, filters: dict[str, Any], months: list[str]):
    acme.import_june_and_july()

    assert [f"{invoice.start_timestamp:%m}" for invoice in acme.invoices(**filters)] == months
    assert [f"{invoice.start_timestamp:%m}" for invoice in acme.invoices(**filters, limit=1)] == months


def test_lines_without_a_quantity_are_left_out_when_one_asks_for_it(acme: Acme):
    [whole] = acme.invoices()
    [short] = acme.invoices(skip_zero_qty_line_items=True)

    assert [line.name for line in whole.line_items] == ["API calls", "Prepaid Commit applied", "Storage - Tier 1"]
    assert [line.name for line in short.line_items] == ["API calls", "Prepaid Commit applied"]


def test_customers_are_found_by_alias(acme: Acme):
    acme.client.v1.customers.create(name="Globex", ingest_aliases=["globex"])

    assert [customer.name for customer in acme.client.v1.customers.list(ingest_alias="acme")] == ["Acme Inc"]
    assert [customer.name for customer in acme.client.v1.customers.list(ingest_alias="nobody")] == []


def test_balances_are_filtered_by_time_and_by_what_is_left(acme: Acme):
    def listed(**filters: Any) -> int:
        balances = acme.client.v1.contracts.list_balances(
            customer_id=acme.customer_id, include_contract_balances=True, **filters
        )
        return len(list(balances))

    assert listed(covering_date=AUGUST) == 1
    assert listed(covering_date="2025-06-01T00:00:00Z") == 0  # the commit ends exactly then
    assert listed(effective_before=JUNE) == 0
    assert listed(exclude_zero_balances=True) == 1
    acme.import_june_and_july()
    assert listed(exclude_zero_balances=True) == 0


def test_a_cursor_of_another_list_is_refused(acme: Acme):
    acme.client.v1.customers.create(name="Globex")
    cursor = acme.client.v1.customers.list(limit=1).next_page

    with pytest.raises(BadRequestError, match="next_page"):
        acme.client.v1.customers.invoices.list(customer_id=acme.customer_id, next_page=cursor or "")


def test_the_invoices_of_nobody_are_not_found(client: StrictClient):
    with pytest.raises(NotFoundError):
        client.v1.customers.invoices.list(customer_id="00000000-0000-4000-8000-000000000000")
