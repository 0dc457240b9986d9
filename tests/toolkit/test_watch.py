"""What is noted about a client, call by call and over several calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from metronome_sandbox.spec.bodies import meant
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit.contract import packaged
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent
from metronome_sandbox.toolkit.watch import Watch

JSON = (("content-type", "application/json"),)
KEY = (*JSON, ("Idempotency-Key", "1"))
ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f1"
EUR = "17b08a7b-3a9f-5671-9961-ac6216751334"
AT, END = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"


def exchange(
    method: str, path: str, body: Any = None, *, headers: tuple[tuple[str, str], ...] = KEY, answer: Any = None
) -> Exchange:
    path, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    # An answer that was not kept is held to nothing.
    answered = (
        Answered(200, JSON, is_whole=False) if answer is None else Answered(200, JSON, json.dumps(answer).encode())
    )
    return Exchange(Sent(method, path, query, headers, raw), answered, datetime(2024, 8, 1, tzinfo=UTC))


def noted(*exchanges: Exchange) -> list[tuple[str, str, str, str]]:
    """Each finding as rule, place, what is expected, what was received; what was seen only at the end is in it."""
    watch = Watch()
    for one in exchanges:
        watch.see(one)
    watch.finish()
    found = (one.finding for one in watch.noted.values())
    return [(one.rule, one.where, one.expected, one.received or "") for one in found]


def rules(*exchanges: Exchange) -> list[tuple[str, str]]:
    return [(rule, where) for rule, where, _, _ in noted(*exchanges)]


def commit(**schedules: Any) -> Exchange:
    body = {"customer_id": ID, "type": "PREPAID", "product_id": ID, "priority": 1, "uniqueness_key": "k", **schedules}
    return exchange("POST", "/v1/contracts/customerCommits/create", body)


def access(amount: Any, **more: Any) -> dict[str, Any]:
    return {"schedule_items": [{"amount": amount, "starting_at": AT, "ending_before": END}], **more}


def rate(literal: str, rate_type: str = "FLAT", **more: Any) -> Exchange:
    """A rate whose price is written as given."""
    body = {"rate_card_id": ID, "product_id": ID, "starting_at": AT, "entitled": True, "rate_type": rate_type, **more}
    raw = json.dumps(body)[:-1] + f', "price": {literal}}}'
    return exchange("POST", "/v1/contract-pricing/rate-cards/addRate", raw.encode())


# --- unknown and misspelt


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ingestAliases", "; did you mean ingest_aliases?"),
        ("ingest_alias", "; did you mean ingest_aliases?"),
        ("custom_feilds", "; did you mean custom_fields?"),
        ("favourite_colour", ""),
    ],
)
def test_a_property_that_the_api_ignores_is_noted_with_the_name_that_was_meant(name: str, hint: str):
    found = noted(exchange("POST", "/v1/customers", {"name": "Acme", name: "x"}))

    assert found == [("unknown", name, f"unknown here and ignored by the API{hint}", '"x"')]


def test_properties_are_known_by_their_place():
    schedule = access(100)
    schedule["schedule_items"][0]["ends_before"] = END

    assert rules(commit(access_schedule=schedule, amonut=5)) == [
        ("unknown", "access_schedule.schedule_items[0].ends_before"),
        ("unknown", "amonut"),
    ]


def test_the_same_in_each_item_of_a_list_is_one_finding():
    items = [{"amount": 1, "starting_at": AT, "ending_before": END, "x": n} for n in range(500)]

    assert rules(commit(access_schedule={"schedule_items": items})) == [
        ("unknown", "access_schedule.schedule_items[0].x")
    ]


def test_a_map_takes_any_name():
    event = {
        "transaction_id": "1",
        "customer_id": "c",
        "event_type": "t",
        "timestamp": AT,
        "properties": {"x": {"y": 1}},
    }

    assert rules(exchange("POST", "/v1/ingest", [event])) == []
    assert rules(exchange("POST", "/v1/customers", {"name": "A", "custom_fields": {"anything": "1"}})) == []


def test_a_closed_body_names_the_meant_one_too_and_once():
    found = noted(exchange("POST", "/v1/contract-pricing/rate-cards/list", {"include_archive": True}))

    assert [(rule, where) for rule, where, _, _ in found] == [("unknown", "include_archive")]


def test_query_parameters_headers_and_paths_are_read_as_well():
    assert noted(exchange("GET", "/v1/customers?nextPage=abc"))[0][2].endswith("did you mean next_page?")
    assert rules(exchange("POST", "/v1/customers", {"name": "A"}, headers=(*JSON, ("X-Idempotency-Key", "1")))) == [
        ("unknown", "header X-Idempotency-Key"),
        ("no-key", "header Idempotency-Key"),
    ]
    [(rule, where, expected, received)] = noted(exchange("POST", "/v1/contracts/creates", {}))
    assert (rule, where, received) == ("unknown", "path", "POST /v1/contracts/creates")
    assert expected.endswith("did you mean /v1/contracts/create?")


def test_an_operation_that_is_only_named_is_not_judged():
    assert rules(exchange("POST", "/v1/alerts/create", {"anything": 1})) == []


def test_a_name_is_suggested_only_when_it_is_near():
    assert meant("uniquenessKey", ["name", "uniqueness_key"]) == "; did you mean uniqueness_key?"
    assert meant("zzz", ["name", "uniqueness_key"]) == ""


# --- deprecated


def test_what_the_document_marks_as_deprecated_is_noted():
    assert rules(exchange("POST", "/v1/customers", {"name": "A", "external_id": "x"})) == [
        ("deprecated", "external_id")
    ]
    contract = {
        "customer_id": ID,
        "starting_at": AT,
        "uniqueness_key": "k",
        "commits": [{"type": "PREPAID", "product_id": ID, "amount": 100, "access_schedule": access(100)}],
    }
    assert rules(exchange("POST", "/v1/contracts/create", contract)) == [("deprecated", "commits[0].amount")]


def test_a_deprecated_property_that_is_null_was_not_used():
    found = noted(exchange("POST", "/v1/customers", {"name": "A", "external_id": None}))

    assert [rule for rule, _, _, _ in found] == ["type"]


# --- dollars


@pytest.mark.parametrize(
    ("amount", "is_noted"),
    [
        (49.99, True),
        (49.5, True),
        (4999, False),
        (4999.0, False),
        (33.333333, False),  # a third of something: the fraction comes from a division
        (-49.99, True),
    ],
)
def test_an_amount_with_a_fraction_of_a_cent_looks_like_dollars(amount: float, is_noted: bool):
    found = rules(commit(access_schedule=access(amount)))

    assert found == ([("dollars", "access_schedule.schedule_items[0].amount")] if is_noted else [])


def test_the_finding_says_what_it_would_be_in_cents():
    [(_, _, expected, received)] = noted(commit(access_schedule=access(49.99)))

    assert (expected, received) == ("looks like dollars, USD is counted in cents: 4999 if so", "49.99")


@pytest.mark.parametrize(
    ("literal", "is_noted"),
    [
        ("19.99", True),
        ("20.00", True),  # whoever writes two zeros counts in dollars
        ("20.0", False),  # what a float looks like when it is written
        ("20", False),
        ("0.05", False),  # a twentieth of a cent for each token
        ("1.5", False),
        ("0.00002", False),
    ],
)
def test_a_price_with_two_decimals_looks_like_dollars(literal: str, is_noted: bool):
    assert rules(rate(literal)) == ([("dollars", "price")] if is_noted else [])


def test_a_percentage_is_no_money():
    assert rules(rate("19.99", "PERCENTAGE")) == []


def test_other_units_count_as_they_like():
    assert rules(rate("19.99", credit_type_id=EUR)) == []
    assert rules(commit(access_schedule=access(49.99, credit_type_id=EUR))) == []


def test_access_and_payment_that_differ_by_a_hundred_are_not_in_one_unit():
    paid = {"schedule_items": [{"timestamp": AT, "unit_price": 250, "quantity": 1}]}

    def found(granted: Any, **more: Any) -> list[tuple[str, str, str, str]]:
        return noted(commit(access_schedule=access(granted, **more), invoice_schedule=paid, invoice_contract_id=ID))

    [(rule, where, expected, received)] = found(25000)
    assert (rule, where, received) == ("dollars", "invoice_schedule", "250")
    assert "exactly a hundredth of the 25000 beside it" in expected
    assert found(300) == []  # a discount
    assert found(25000, credit_type_id=EUR) == []


# --- keys


def test_a_write_needs_a_key_of_one_kind_or_the_other():
    body = {"customer_id": ID, "starting_at": AT}
    [(rule, where, expected, _)] = noted(exchange("POST", "/v1/contracts/create", body, headers=JSON))

    assert (rule, where) == ("no-key", "uniqueness_key")
    assert expected == "a repeated call is executed again: send uniqueness_key or the header Idempotency-Key"
    assert rules(exchange("POST", "/v1/contracts/create", body, headers=KEY)) == []
    assert rules(exchange("POST", "/v1/contracts/create", {**body, "uniqueness_key": "k"}, headers=JSON)) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/contracts/list", {"customer_id": ID}),
        ("/v1/contracts/customerBalances/getNetBalance", {"customer_id": ID}),
        ("/v1/customers/archive", {"id": ID}),
        (f"/v1/customers/{ID}/setName", {"name": "A"}),
        ("/v1/invoices/void", {"id": ID}),
    ],
)
def test_reads_and_writes_that_set_a_state_need_none(path: str, body: Any):
    assert rules(exchange("POST", path, body, headers=JSON)) == []


def test_a_preview_needs_no_key_and_the_import_does():
    def historical(preview: bool) -> Exchange:
        body = {"invoices": [], "preview": preview}
        return exchange("POST", "/v1/contracts/createHistoricalInvoices", body, headers=JSON)

    assert ("no-key", "header Idempotency-Key") not in rules(historical(True))
    assert ("no-key", "header Idempotency-Key") in rules(historical(False))


def test_the_prefixes_of_reads_and_harmless_writes_leave_the_writes_that_add():
    contract = packaged()
    posts = [path for path in contract.paths if path.startswith(("/v1", "/v2"))]
    needing = set()
    for path in posts:
        call = contract.call("POST", path)
        if call.known is not None and ("no-key", "header Idempotency-Key") in {
            (rule, "header Idempotency-Key") for rule, _ in rules(exchange("POST", path, {}, headers=JSON))
        }:
            needing.add(call.name)

    assert needing == {
        "addManualBalanceLedgerEntry-v1",
        "amendContract-v1",
        "createBillableMetricV1-v1",
        "createContract-v1",
        "createCreditType-v1",
        "createCustomer-v1",
        "createCustomerCommit-v1",
        "createCustomerCredit-v1",
        "createHistoricalContractUsageInvoices-v1",
        "createPackage-v1",
        "createProduct-v1",
        "createRateCard-v1",
        "editCommit-v2",
        "editContract-v2",
        "editCredit-v2",
        "regenerateInvoice-v1",
        "scheduleProServicesInvoice-v1",
    }


# --- pages


def page(token: str | None, query: str = "") -> Exchange:
    return exchange("GET", f"/v1/customers{query}", answer={"data": [], "next_page": token})


def test_a_next_page_that_nobody_asks_for_is_noted_at_the_end():
    assert rules(page("abc")) == [("unread-pages", "next_page")]
    assert rules(page("abc"), page(None, "?next_page=abc")) == []
    assert rules(page("abc"), page("def", "?next_page=abc")) == [("unread-pages", "next_page")]


def test_pages_may_be_turned_by_a_cursor_in_the_body():
    first = exchange("POST", "/v2/contracts/list", {"customer_id": ID}, answer={"data": [], "cursor": "abc"})
    second = exchange("POST", "/v2/contracts/list", {"customer_id": ID, "cursor": "abc"}, answer={"data": []})

    assert ("unread-pages", "next_page") in rules(first)
    assert ("unread-pages", "next_page") not in rules(first, second)


def test_whoever_asks_for_one_item_wants_no_other():
    assert rules(page("abc", "?limit=1")) == []


def test_the_same_page_of_another_list_is_not_the_one_that_was_asked_for():
    other = exchange("GET", "/v1/billable-metrics?next_page=abc", answer={"data": [], "next_page": None})

    assert rules(page("abc"), other) == [("unread-pages", "next_page")]


# --- answers


def test_an_answer_is_held_to_the_document():
    found = noted(exchange("GET", "/v1/customers", answer={"data": [{"id": 5}], "next_page": None}))

    assert {rule for rule, _, _, _ in found} <= {"type", "required"}
    assert found


def test_a_body_that_is_no_json_or_is_missing_is_noted():
    assert rules(exchange("POST", "/v1/customers", b"{name: A}")) == [("not-json", "")]
    assert rules(exchange("POST", "/v1/customers", None)) == [("required", "")]


def test_equal_findings_are_said_once_and_counted_each_time():
    said: list[str] = []
    watch = Watch(lambda one: said.append(one.finding.where))
    for _ in range(3):
        watch.see(exchange("POST", "/v1/customers", {"name": "A", "x": 1}))

    assert said == ["x"]
    [finding] = watch.report()["findings"]
    assert (finding["where"], finding["count"], finding["first_call"]) == ("x", 3, 1)
    json.dumps(watch.report())


def test_deep_and_odd_bodies_are_survived():
    for body in (b"[" * 100_000, b'{"name": 1e999999999}', b'{"amount": 1e999999}', b"\xff\xfe", b'{"a":' * 5000):
        watch = Watch()
        watch.see(exchange("POST", "/v1/contracts/customerCommits/create", body))
        assert watch.calls == 1


def test_nothing_is_noted_about_the_requests_that_the_document_shows():
    document = Document.load()
    shown = 0
    for operation in document.operations():
        body = document.resolve(operation.node.get("requestBody")) or {}
        media = body.get("content", {}).get("application/json", {})
        examples = [document.resolve(one)["value"] for one in media.get("examples", {}).values()]
        examples += [media["example"]] if "example" in media else []
        for example in examples:
            shown += 1
            assert noted(exchange(operation.method, operation.path.format(customer_id=ID), example)) == []
    assert shown > 60
