"""What a person reads of a failing test: its calls and what they changed, in few lines."""

from __future__ import annotations

from typing import Any

from metronome_sandbox.toolkit.differences import difference
from metronome_sandbox.toolkit.journal import read_entry, told


def call(number: int = 1, **others: Any) -> Any:
    entry = {
        "id": str(number),
        "operation_id": "createCustomer-v1",
        "method": "POST",
        "path": f"/v1/customers?n={number}",
        "status": 200,
        "duration_ms": 0.5,
        "request_body": {},
        "response_body": {},
        "findings": [],
        "fault": None,
    }
    return read_entry({**entry, **others})


def test_a_call_is_a_line():
    assert list(told([call()])) == ["200 POST /v1/customers?n=1  createCustomer-v1"]


def test_a_call_of_nothing_says_so():
    assert list(told([call(operation_id=None, status=404, response_body="gone")])) == [
        "404 POST /v1/customers?n=1  no operation",
        "    gone",
    ]


def test_a_fault_and_a_refusal_are_told():
    fault = {"id": "1", "kind": "status"}

    assert list(told([call(status=503, fault=fault, response_body={"message": "later"})])) == [
        "503 POST /v1/customers?n=1  createCustomer-v1  fault: status",
        "    later",
    ]


def test_a_long_message_is_cut():
    [_, message] = told([call(status=400, response_body={"message": "x" * 5000})])

    assert message == "    " + "x" * 200 + "…"


def test_of_many_calls_the_last_ones_are_told():
    lines = list(told([call(number) for number in range(1, 101)]))

    assert lines[0] == "(60 earlier calls are left out)"
    assert len(lines) == 41
    assert lines[-1].startswith("200 POST /v1/customers?n=100 ")


def test_an_older_sandbox_names_no_fault():
    entry = dict.fromkeys(("operation_id", "method", "path", "status", "request_body", "response_body"))

    assert read_entry({**entry, "id": "1", "duration_ms": 0, "findings": []}).fault is None


def test_new_changed_and_gone_things_are_told_apart():
    before = {"customer a": {"name": "A"}, "invoice b": {"status": "DRAFT", "total": "5"}, "invoice c": {"total": "1"}}
    after = {"invoice b": {"status": "VOID", "total": "5"}, "invoice c": {"total": "1"}, "customer d": {"name": "D"}}

    assert list(difference(before, after)) == [
        "~ invoice b: status DRAFT -> VOID",
        "+ customer d: name D",
        "- customer a",
    ]


def test_a_fact_that_comes_or_goes_is_a_change():
    assert list(difference({"x": {"a": "1"}}, {"x": {"b": "2"}})) == ["~ x: a 1 -> none; b none -> 2"]


def test_of_many_differences_the_first_ones_are_told():
    lines = list(difference({}, {f"customer {number}": {"name": "x"} for number in range(100)}))

    assert len(lines) == 61
    assert lines[-1] == "(and 40 more)"
