"""The rules about a single call, on answers small enough to check by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from metronome_sandbox.toolkit.checks import RULES, Call, findings_of

USD = {"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "name": "USD (cents)"}
UNITS = {"id": "0b8d2f2e-5f0c-4f7e-9c1c-5c1f0a0f9d11", "name": "Credits"}


def call(data: Any, operation_id: str = "getInvoice-v1", status: int = 200, **asked: Any) -> Call:
    return Call(
        operation_id,
        asked.get("parameters", {}),
        asked.get("query", {}),
        asked.get("body"),
        status,
        asked.get("content_type", "application/json"),
        data,
    )


def invoice(total: Any, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"data": {"id": "i-1", "total": total, "credit_type": USD, "line_items": list(lines), **fields}}


def line(total: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "A line", "type": "usage", "total": total, "credit_type": USD, **fields}


def rules(one: Call) -> list[str]:
    return [finding.rule for finding in findings_of(one)]


def test_lines_and_what_is_applied_of_a_prepaid_commit_add_up():
    applied = line(-300, type="applied_commit_or_credit", commit_type="PrepaidCommit")

    assert rules(call(invoice(700, line(1000), applied))) == []  # 1000 - 300
    assert rules(call(invoice(1000, line(1000), applied))) == ["lines add up"]


def test_what_is_applied_of_a_postpaid_commit_is_not_counted():
    applied = line(-300, type="applied_commit_or_credit", commit_type="PostpaidCommit")

    assert rules(call(invoice(1000, line(1000), applied))) == []
    assert rules(call(invoice(700, line(1000), applied))) == ["lines add up"]


def test_units_count_by_the_line_that_converts_them():
    units = line(50, credit_type=UNITS)
    converted = line(250, type="cpu_conversion", quantity=50, unit_price=5)  # 50 credits at 5 cents

    assert rules(call(invoice(250, units, converted))) == []
    assert rules(call(invoice(0, units))) == ["one currency"]


def test_a_line_is_its_quantity_at_its_price():
    assert rules(call(invoice(30, line(30, quantity=Decimal("0.0333333333333333"), unit_price=900)))) == []  # 15 digits
    assert rules(call(invoice(31, line(31, quantity=3, unit_price=10)))) == ["price times quantity"]


@pytest.mark.parametrize(
    ("balance", "amounts", "found"),
    [
        (700, [1000, -300], []),
        (701, [1000, -300], ["ledger adds up"]),
        (0, [1000, -1300], []),  # never less than nothing
        (-300, [1000, -1300], ["ledger adds up"]),
        (0, [], []),
    ],
)
def test_a_balance_is_the_sum_of_its_ledger(balance: int, amounts: list[int], found: list[str]):
    ledger = [{"type": "PREPAID_COMMIT_SEGMENT_START", "amount": amount} for amount in amounts]
    body = {"data": [{"id": "b-1", "balance": balance, "ledger": ledger}]}

    assert rules(call(body, "listCustomerBalances-v1")) == found


def test_a_manual_entry_counts_where_there_is_one_segment_alone():
    ledger = [{"type": "CREDIT_SEGMENT_START", "amount": 10}, {"type": "CREDIT_MANUAL", "amount": 5}]
    for segments, found in ((1, ["ledger adds up"]), (2, [])):
        schedule = {"schedule_items": [{}] * segments}
        body = {"data": [{"id": "b-1", "balance": 10, "ledger": ledger, "access_schedule": schedule}]}

        assert rules(call(body, "listCustomerBalances-v1")) == found


def test_who_asks_for_one_gets_that_one():
    for name, found in (("i-1", []), ("i-2", ["what was asked"])):
        assert rules(call(invoice(0), parameters={"customer_id": "c-1", "invoice_id": name})) == found


def test_every_item_of_a_list_passes_the_filter():
    body = {"data": [{"id": "1", "status": "DRAFT"}, {"id": "2", "status": "VOID"}]}

    assert rules(call(body, "listInvoices-v1", query={"status": "VOID"})) == ["filters hold"]
    assert rules(call(body, "listInvoices-v1")) == []


def test_invoices_lie_in_the_time_that_was_asked_for():
    june = {"id": "1", "start_timestamp": "2024-06-01T00:00:00Z", "end_timestamp": "2024-07-01T00:00:00Z"}
    for start, end, found in (
        ("2024-06-30T00:00:00Z", "2024-08-01T00:00:00Z", []),
        ("2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z", ["filters hold"]),  # the end is exclusive
        ("2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z", ["filters hold"]),
    ):
        query = {"starting_on": start, "ending_before": end}
        assert rules(call({"data": [june]}, "listInvoices-v1", query=query)) == found


def test_a_page_has_each_item_once_and_no_more_than_were_asked_for():
    body = {"data": [{"id": "1"}, {"id": "1"}]}

    assert rules(call(body, "listCustomers-v1", query={"limit": "2"})) == ["pages are pages"]
    assert rules(call({"data": [{"id": "1"}, {"id": "2"}]}, "listCustomers-v1", query={"limit": "1"})) == [
        "pages are pages"
    ]


@pytest.mark.parametrize(
    ("data", "content_type", "is_fine"),
    [
        ({"message": "no such customer"}, "application/json", True),
        ({"code": "NOT_FOUND", "message": "no such customer"}, "application/json; charset=utf-8", True),
        ({"message": "no such customer"}, "text/html", False),
        ({"message": " "}, "application/json", False),
        ({"error": "no"}, "application/json", False),
        (["no"], "application/json", False),
        (None, "application/json", False),
    ],
)
def test_a_refusal_has_a_message(data: Any, content_type: str, is_fine: bool):
    found = rules(call(data, status=404, content_type=content_type))

    assert found == ([] if is_fine else ["errors have a message"])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    "data",
    [
        *(None, [], {}, {"data": None}, {"data": [None, 1, "x"]}, {"data": {"line_items": [None], "total": None}}),
        {"data": {"line_items": [{"total": "1", "quantity": True, "unit_price": []}], "total": "1"}},
        {"data": [{"balance": "1", "ledger": [None]}, {"balance": 1, "ledger": {}}]},
        {"data": [{"id": []}, {"id": {}}]},
    ],
    ids=str,
)
def test_no_rule_stumbles_over_an_answer_of_any_form(name: str, data: Any):
    for operation_id in ("listInvoices-v1", "getCustomer-v1", "listBreakdownInvoices-v1"):
        for status in (200, 404):
            query = {"limit": "many", "starting_on": "yesterday", "status": "VOID"}
            list(RULES[name](call(data, operation_id, status, query=query, body=[], parameters={"customer_id": "x"})))
