"""The guide "Import existing invoices" from an empty tenant to the ledger, with the official SDK.

Figures are worked out by hand from a price of 1,000 cents and a commit of 25,000 cents.
"""

from __future__ import annotations

from typing import Any

import pytest
from e2e.sdk import AUGUST, JULY, JUNE, SEPTEMBER, USD, Acme, StrictClient, bills
from metronome import BadRequestError

YEAR_END = "2025-06-01T00:00:00Z"


def from_scratch(client: StrictClient) -> Acme:
    """What the guide takes for granted, and its first call: the contract."""
    client.put("/sandbox/clock", body={"now": "2024-08-15T00:00:00Z"}, cast_to=object)
    metric = client.v1.billable_metrics.create(
        name="API calls",
        aggregation_type="SUM",
        aggregation_key="calls",
        event_type_filter={"in_values": ["api_call"]},
        property_filters=[{"name": "calls", "exists": True}],
    )
    products = client.v1.contracts.products
    api_calls = products.create(name="API calls", type="USAGE", billable_metric_id=metric.data.id).data.id
    prepaid = products.create(name="Prepaid usage", type="FIXED").data.id
    card = client.v1.contracts.rate_cards.create(name="List prices", fiat_credit_type_id=USD).data.id
    client.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=api_calls, entitled=True, rate_type="FLAT", price=1000, starting_at=JUNE
    )
    customer = client.v1.customers.create(name="Acme Inc", ingest_aliases=["acme"]).data.id
    client.v1.usage.ingest(
        usage=[
            {
                "transaction_id": "1",
                "customer_id": "acme",
                "event_type": "api_call",
                "timestamp": "2024-08-10T12:00:00Z",
                "properties": {"calls": "3"},
            }
        ]
    )
    contract = client.v1.contracts.create(
        customer_id=customer,
        rate_card_id=card,
        starting_at=JUNE,
        usage_statement_schedule={"frequency": "MONTHLY", "invoice_generation_starting_at": AUGUST},
        commits=[
            {
                "type": "PREPAID",
                "name": "Prepaid Commit",
                "product_id": prepaid,
                "access_schedule": {
                    "schedule_items": [{"amount": 25000, "starting_at": JUNE, "ending_before": YEAR_END}]
                },
            }
        ],
    )
    ids = {
        "customers": {"Acme Inc": customer},
        "contracts": {"Acme 2024": contract.data.id},
        "rate_cards": {"Acme list prices": card},
        "products": {"API calls": api_calls, "Prepaid usage": prepaid},
    }
    return Acme(client, ids)


def ledger(acme: Acme) -> list[tuple[str, float, str]]:
    return [
        (entry.type.removeprefix("PREPAID_COMMIT_"), entry.amount, f"{entry.timestamp:%m-%d}")
        for entry in acme.commit().ledger
    ]


def test_a_contract_that_bills_from_august_on_has_one_draft_and_nothing_for_june_and_july(client: StrictClient):
    acme = from_scratch(client)

    [draft] = acme.invoices()

    assert (draft.status, draft.type) == ("DRAFT", "USAGE")
    assert (draft.start_timestamp.isoformat(), draft.end_timestamp.isoformat()) == (
        "2024-08-01T00:00:00+00:00",
        "2024-09-01T00:00:00+00:00",
    )
    assert bills([draft]) == [(3, 3000, 3000, 0)]


def test_a_preview_gives_the_figures_of_the_import_and_changes_nothing(client: StrictClient):
    acme = from_scratch(client)
    invoices, commit = acme.invoices(), acme.commit()

    previewed = acme.import_june_and_july(preview=True)

    assert bills(previewed) == [(10, 10000, 10000, 0), (20, 20000, 15000, 5000)]
    assert acme.invoices() == invoices
    assert acme.commit() == commit
    assert bills(acme.import_june_and_july()) == bills(previewed)


def test_the_import_stores_the_invoices_and_moves_the_draft_of_august(client: StrictClient):
    acme = from_scratch(client)

    imported = acme.import_june_and_july()

    assert [(invoice.status, invoice.type) for invoice in imported] == [("FINALIZED", "USAGE")] * 2
    found = acme.invoices()
    assert found[:2] == imported
    assert [invoice.status for invoice in found] == ["FINALIZED", "FINALIZED", "DRAFT"]
    assert bills(found) == [(10, 10000, 10000, 0), (20, 20000, 15000, 5000), (3, 3000, 0, 3000)]
    for invoice in found:
        fetched = client.v1.customers.invoices.retrieve(customer_id=acme.customer_id, invoice_id=invoice.id)
        assert fetched.data == invoice


def test_an_imported_line_shows_what_the_commit_covers_and_what_it_leaves(client: StrictClient):
    acme = from_scratch(client)

    july = acme.import_june_and_july()[1]

    assert [(line.type, line.name, line.quantity, line.unit_price, line.total) for line in july.line_items] == [
        ("usage", "API calls", 15, 1000, 15000),
        ("applied_commit_or_credit", "Prepaid Commit applied", None, None, -15000),
        ("usage", "API calls", 5, 1000, 5000),
    ]
    commit = acme.commit()
    assert [line.commit_id for line in july.line_items] == [commit.id, commit.id, None]


def test_the_ledger_of_the_commit_has_one_deduction_for_each_import(client: StrictClient):
    acme = from_scratch(client)
    assert ledger(acme) == [
        ("SEGMENT_START", 25000, "06-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", -3000, "09-01"),  # the draft of August
    ]
    assert acme.commit().balance == 22000

    acme.import_june_and_july()

    assert ledger(acme) == [
        ("SEGMENT_START", 25000, "06-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", -10000, "07-01"),
        ("AUTOMATED_INVOICE_DEDUCTION", -15000, "08-01"),
    ]
    assert acme.commit().balance == 0


def test_the_net_balance_counts_drafts_unless_it_is_told_not_to(acme: Acme):
    def net(mode: Any) -> float:
        answer = acme.client.v1.contracts.get_net_balance(
            customer_id=acme.customer_id, credit_type_id=USD, invoice_inclusion_mode=mode
        )
        return answer.data.balance

    assert (net("FINALIZED"), net("FINALIZED_AND_DRAFT")) == (25000, 22000)
    acme.import_june_and_july()
    assert (net("FINALIZED"), net("FINALIZED_AND_DRAFT")) == (0, 0)


def test_a_batch_with_one_bad_invoice_stores_nothing_and_names_it(acme: Acme):
    good, bad = acme.historical(JUNE, JULY, 10), acme.historical(JULY, AUGUST, -1)

    with pytest.raises(BadRequestError, match=r"invoices\[1\]\.usage_line_items\[0\]\.quantity"):
        acme.client.v1.contracts.create_historical_invoices(invoices=[good, bad], preview=False)

    assert [invoice.status for invoice in acme.invoices()] == ["DRAFT"]


def test_a_period_is_not_imported_twice(acme: Acme):
    acme.import_june_and_july()

    with pytest.raises(BadRequestError, match="overlaps usage invoice"):
        acme.import_june_and_july()

    assert len(acme.invoices()) == 3


def test_a_voided_import_gives_its_money_back_and_regenerated_it_takes_it_again(acme: Acme):
    [_, july] = acme.import_june_and_july()

    acme.client.v1.invoices.void(id=july.id)
    standing = [invoice for invoice in acme.invoices() if invoice.status != "VOID"]
    assert bills(standing) == [(10, 10000, 10000, 0), (3, 3000, 3000, 0)]
    assert acme.commit().balance == 12000  # 25,000 less the 10,000 of June and the 3,000 of the August draft

    again = acme.client.v1.invoices.regenerate(id=july.id).data
    assert again.id != july.id
    standing = [invoice for invoice in acme.invoices() if invoice.status != "VOID"]
    assert bills(standing) == [(10, 10000, 10000, 0), (20, 20000, 15000, 5000), (3, 3000, 0, 3000)]
    fresh = next(invoice for invoice in standing if invoice.id == again.id)
    assert fresh.regenerated_from_invoice_id == july.id


def test_august_is_final_a_day_of_grace_after_its_end(acme: Acme):
    acme.import_june_and_july()

    events = acme.advance("2024-09-03T00:00:00Z")

    assert [(event["type"], event["timestamp"][:10]) for event in events] == [
        ("invoice.draft_created", "2024-09-01"),
        ("invoice.finalized", "2024-09-02"),
    ]
    august = acme.invoices()[2]
    assert (august.status, august.total, august.issued_at.isoformat()) == (
        "FINALIZED",
        3000,
        "2024-09-02T00:00:00+00:00",
    )


DAYS = {"2024-06-01": 1, "2024-06-02": 4, "2024-06-30": 5}
HOURS = {"2024-07-01T09": 2, "2024-07-01T23": 7, "2024-07-31T14": 11}


def by_window(acme: Acme) -> list[Any]:
    """Import June by day and July by hour."""
    days = [
        {"inclusive_start_date": f"{day}T00:00:00Z", "exclusive_end_date": _next_day(day), "quantity": quantity}
        for day, quantity in DAYS.items()
    ]
    hours = [
        {"inclusive_start_date": f"{hour}:00:00Z", "exclusive_end_date": _next_hour(hour), "quantity": quantity}
        for hour, quantity in HOURS.items()
    ]
    june = acme.historical(JUNE, JULY, subtotals_with_quantity=days) | {"breakdown_granularity": "DAY"}
    july = acme.historical(JULY, AUGUST, subtotals_with_quantity=hours) | {"breakdown_granularity": "HOUR"}
    return acme.client.v1.contracts.create_historical_invoices(invoices=[june, july], preview=False).data


def _next_day(day: str) -> str:
    return {"2024-06-01": "2024-06-02", "2024-06-02": "2024-06-03", "2024-06-30": "2024-07-01"}[day] + "T00:00:00Z"


def _next_hour(hour: str) -> str:
    return {"2024-07-01T09": "2024-07-01T10", "2024-07-01T23": "2024-07-02T00", "2024-07-31T14": "2024-07-31T15"}[
        hour
    ] + ":00:00Z"


def breakdowns(acme: Acme, size: Any, start: str, end: str, **others: Any) -> list[Any]:
    return list(
        acme.client.v1.customers.invoices.list_breakdowns(
            customer_id=acme.customer_id, starting_on=start, ending_before=end, window_size=size, **others
        )
    )


def test_an_import_by_window_adds_the_windows_up(acme: Acme):
    assert bills(by_window(acme)) == [(10, 10000, 10000, 0), (20, 20000, 15000, 5000)]


def test_days_are_read_back_as_they_were_imported(acme: Acme):
    june = by_window(acme)[0]

    found = breakdowns(acme, "DAY", JUNE, JULY)

    assert [f"{item.breakdown_start_timestamp:%Y-%m-%d}" for item in found] == list(DAYS)
    assert {item.id for item in found} == {june.id}
    assert bills(found) == [(1, 1000, 1000, 0), (4, 4000, 4000, 0), (5, 5000, 5000, 0)]


def test_hours_are_read_back_as_they_were_imported_and_spend_the_commit_in_the_order_of_time(acme: Acme):
    by_window(acme)

    found = breakdowns(acme, "HOUR", JULY, AUGUST)

    assert [f"{item.breakdown_start_timestamp:%Y-%m-%dT%H}" for item in found] == list(HOURS)
    assert [(item.breakdown_end_timestamp - item.breakdown_start_timestamp).seconds for item in found] == [3600] * 3
    # 15,000 are left for July: 2,000 and 7,000 are covered, and 6,000 of the last 11,000
    assert bills(found) == [(2, 2000, 2000, 0), (7, 7000, 7000, 0), (11, 11000, 6000, 5000)]


def test_hours_add_up_to_days(acme: Acme):
    by_window(acme)

    found = breakdowns(acme, "DAY", JULY, AUGUST)

    assert [f"{item.breakdown_start_timestamp:%m-%d}" for item in found] == ["07-01", "07-31"]
    assert bills(found) == [(9, 9000, 9000, 0), (11, 11000, 6000, 5000)]


def test_a_month_that_was_imported_by_day_has_no_hours(acme: Acme):
    by_window(acme)

    assert breakdowns(acme, "HOUR", JUNE, JULY) == []


@pytest.mark.parametrize(("size", "start", "windows"), [("DAY", JUNE, 19), ("HOUR", AUGUST, 14 * 24)])
def test_breakdowns_are_complete_however_many_pages_they_take(acme: Acme, size: Any, start: str, windows: int):
    by_window(acme)

    # Three days of June, two of July and the fourteen of August that have begun; or the hours of these fourteen days.
    whole = breakdowns(acme, size, start, SEPTEMBER)
    assert len(whole) == windows
    assert breakdowns(acme, size, start, SEPTEMBER, limit=7) == whole
    assert breakdowns(acme, size, start, SEPTEMBER, sort="date_desc", limit=5) == whole[::-1]
