"""Faults on purpose: over a real port, as a client meets them, and in this process, where every call can be counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hostile.sandbox import Sandbox
from metronome import APIStatusError, Metronome

from metronome_sandbox.demo import running

CUSTOMERS = "/v1/customers"
FAULTS = "/sandbox/faults"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(0) as server:
        yield server.url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """One tenant over a port, by a client that never tries again."""
    headers = {"authorization": f"Bearer {uuid4()}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=10) as client:
        yield client


def inject(client: httpx.Client, kind: str, **fault: Any) -> Any:
    answer = client.post(FAULTS, json={"kind": kind, **fault})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(client: httpx.Client) -> list[str]:
    return [customer["name"] for customer in client.get(CUSTOMERS).json()["data"]]


def test_a_status_is_answered_in_place_of_the_operation(client):
    inject(client, "status", status=503, operation_id="createCustomer-v1", message="later")

    answer = client.post(CUSTOMERS, json={"name": "Acme"})

    assert (answer.status_code, answer.json()) == (503, {"message": "later"})
    assert names(client) == []
    assert client.post(CUSTOMERS, json={"name": "Acme"}).status_code == 200


def test_a_rate_limit_has_the_headers_of_one(client):
    inject(client, "status", status=429, retry_after_seconds=7, rate_limit_type="customer")

    answer = client.get(CUSTOMERS)

    assert answer.status_code == 429
    assert (answer.headers["retry-after"], answer.headers["x-metronome-rate-limit-type"]) == ("7", "customer")


def test_a_rate_limit_is_the_clients_unless_it_says_otherwise_and_promises_nothing(client):
    inject(client, "status", status=429)

    answer = client.get(CUSTOMERS)

    assert answer.headers["x-metronome-rate-limit-type"] == "client"
    assert "retry-after" not in answer.headers


def test_another_status_has_no_headers_of_a_rate_limit(client):
    inject(client, "status", status=409)

    assert "x-metronome-rate-limit-type" not in client.get(CUSTOMERS).headers


def test_a_dropped_connection_means_that_nothing_was_done(client):
    inject(client, "drop", operation_id="createCustomer-v1")

    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CUSTOMERS, json={"name": "Acme"})

    assert names(client) == []


def test_a_lost_answer_means_that_the_work_was_done(client):
    inject(client, "lose_answer", operation_id="createCustomer-v1")

    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CUSTOMERS, json={"name": "Acme"})

    assert names(client) == ["Acme"]


def test_a_lost_answer_can_be_asked_for_again_by_its_idempotency_key(client):
    inject(client, "lose_answer", operation_id="createCustomer-v1")
    call = {"json": {"name": "Acme"}, "headers": {"idempotency-key": "once"}}

    with pytest.raises(httpx.RemoteProtocolError):
        client.post(CUSTOMERS, **call)
    answer = client.post(CUSTOMERS, **call)

    assert answer.headers["idempotency-replayed"] == "true"
    assert names(client) == ["Acme"]


def test_broken_json_cannot_be_read_and_comes_after_the_work(client):
    inject(client, "broken_json", operation_id="createCustomer-v1")

    answer = client.post(CUSTOMERS, json={"name": "Acme"})

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    assert names(client) == ["Acme"]


def test_a_truncated_page_lacks_its_second_half_and_leads_on_behind_it(client):
    for number in range(6):
        client.post(CUSTOMERS, json={"name": f"c{number}"})
    inject(client, "truncated_page", operation_id="listCustomers-v1")

    page = client.get(CUSTOMERS, params={"limit": 4}).json()
    rest = client.get(CUSTOMERS, params={"limit": 4, "next_page": page["next_page"]}).json()

    assert [one["name"] for one in page["data"]] == ["c0", "c1"]
    assert [one["name"] for one in rest["data"]] == ["c4", "c5"]


def test_a_truncated_page_leaves_an_answer_alone_that_is_no_list(client):
    inject(client, "truncated_page")

    assert client.post(CUSTOMERS, json={"name": "Acme"}).json()["data"]["name"] == "Acme"


def test_a_call_that_waits_longer_than_its_client_is_executed_all_the_same(client):
    inject(client, "delay", delay_seconds=0.4, operation_id="createCustomer-v1")

    with pytest.raises(httpx.ReadTimeout):
        client.post(CUSTOMERS, json={"name": "Acme"}, timeout=0.1)
    assert names(client) == []  # others do not wait

    deadline = time.monotonic() + 10
    while names(client) != ["Acme"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_official_sdk_tries_a_lost_post_again_and_so_does_the_work_twice(url):
    with Metronome(base_url=url, bearer_token=str(uuid4()), max_retries=1) as client:
        client.post(FAULTS, body={"kind": "lose_answer", "operation_id": "createCustomer-v1"}, cast_to=object)

        client.v1.customers.create(name="Acme")

        assert [customer.name for customer in client.v1.customers.list()] == ["Acme", "Acme"]


def test_the_official_sdk_reads_the_rate_limit(url):
    with Metronome(base_url=url, bearer_token=str(uuid4()), max_retries=0) as client:
        client.post(FAULTS, body={"kind": "status", "status": 429, "rate_limit_type": "customer"}, cast_to=object)

        with pytest.raises(APIStatusError) as refused:
            client.v1.customers.create(name="Acme")

    assert refused.value.response.headers["x-metronome-rate-limit-type"] == "customer"


# Which calls


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(scenario=None)


@pytest.fixture
def statuses(sandbox: Sandbox) -> Callable[[int], list[int]]:
    """Make a number of calls and return how they were answered."""
    return lambda calls: [sandbox.send("GET", CUSTOMERS).status for _ in range(calls)]


def test_a_fault_comes_once_unless_it_says_otherwise(sandbox, statuses):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500})

    assert statuses(3) == [500, 200, 200]


def test_a_fault_begins_with_the_call_it_names_and_comes_as_often_as_it_says(sandbox, statuses):
    statuses(2)  # calls before it are not counted
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "call": 2, "count": 2})

    assert statuses(5) == [200, 500, 500, 200, 200]


def test_a_fault_of_an_operation_leaves_others_alone_and_does_not_count_them(sandbox, statuses):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "call": 2, "operation_id": "listCreditTypes-v1"})

    assert statuses(3) == [200, 200, 200]
    assert [sandbox.send("GET", "/v1/credit-types/list").status for _ in range(3)] == [200, 500, 200]


def test_a_drawn_fault_draws_the_same_calls_again(sandbox, statuses):
    fault = {"kind": "status", "status": 503, "probability": 0.3, "seed": 7}
    drawn = []
    for _ in range(2):
        sandbox.call("POST", FAULTS, fault)
        drawn.append(statuses(200))
        sandbox.call("DELETE", FAULTS)
    sandbox.call("POST", FAULTS, {**fault, "seed": 8})

    assert drawn[0] == drawn[1]
    assert 40 < drawn[0].count(503) < 80  # 60 are expected of 200; 40 and 80 are three deviations away
    assert statuses(200) != drawn[0]


def test_a_drawn_fault_ends_after_its_count(sandbox, statuses):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 503, "probability": 0.5, "count": 3})

    assert statuses(50).count(503) == 3


def test_of_two_faults_the_older_one_has_the_call_and_both_count_it(sandbox, statuses):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500})
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 502, "count": 2})

    assert statuses(4) == [500, 502, 502, 200]
    assert [(one["seen"], one["disturbed"]) for one in sandbox.call("GET", FAULTS)["data"]] == [(4, 1), (4, 2)]


# Asking, listing, taking away


def test_a_fault_is_answered_as_it_is_listed(sandbox):
    made = sandbox.call("POST", FAULTS, {"kind": "status", "status": 429, "retry_after_seconds": 2, "call": 3})

    assert made == {
        "id": "1",
        "kind": "status",
        "operation_id": None,
        "call": 3,
        "count": 1,
        "probability": None,
        "seed": 0,
        "status": 429,
        "message": "",
        "retry_after_seconds": 2,
        "rate_limit_type": "client",
        "delay_seconds": 0,
        "seen": 0,
        "disturbed": 0,
    }
    assert sandbox.call("GET", FAULTS) == {"data": [made]}


def test_the_control_plane_is_never_disturbed(sandbox):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "count": 100})

    assert sandbox.send("GET", "/sandbox/clock").status == 200
    assert sandbox.call("DELETE", FAULTS) == {"cleared": 1}


def test_without_faults_all_is_well_again(sandbox, statuses):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "count": 100})
    sandbox.call("DELETE", FAULTS)

    assert statuses(2) == [200, 200]
    assert sandbox.call("GET", FAULTS) == {"data": []}


@pytest.mark.parametrize("again", ["reset", "scenario", "snapshot"])
def test_a_tenant_that_begins_again_has_no_faults(sandbox, statuses, again):
    snapshot = sandbox.snapshot()
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "count": 100})

    if again == "reset":
        sandbox.call("POST", "/sandbox/reset")
    elif again == "scenario":
        sandbox.call("POST", "/sandbox/scenarios/acme")
    else:
        assert sandbox.send("PUT", "/sandbox/snapshot", snapshot).status == 200

    assert statuses(2) == [200, 200]
    assert sandbox.call("GET", FAULTS) == {"data": []}


def test_a_fault_is_of_one_tenant(sandbox):
    sandbox.call("POST", FAULTS, {"kind": "status", "status": 500, "count": 100})

    assert sandbox.send("GET", CUSTOMERS, headers=[(b"authorization", b"Bearer somebody-else")]).status == 200


def test_the_journal_names_the_fault_and_keeps_the_answer_that_was_lost(sandbox):
    sandbox.call("POST", FAULTS, {"kind": "lose_answer"})
    sandbox.post(CUSTOMERS, {"name": "Acme"})
    sandbox.call("GET", CUSTOMERS)

    [read, lost] = sandbox.call("GET", "/sandbox/requests")["data"]

    assert read["fault"] is None
    assert lost["fault"] == {"id": "1", "kind": "lose_answer"}
    assert (lost["status"], lost["response_body"]["data"]["name"]) == (200, "Acme")


def test_a_spoilt_answer_keeps_its_findings_in_the_journal(sandbox):
    sandbox.call("POST", FAULTS, {"kind": "broken_json"})
    sandbox.post(CUSTOMERS, {"name": 5})

    [entry] = sandbox.call("GET", "/sandbox/requests")["data"]

    assert [finding["where"] for finding in entry["findings"]] == ["name"]


REFUSED = {
    "a name that is nearly right": (
        {"kind": "drop", "operation_id": "createCustomer"},
        "operation_id: 'createCustomer' is no operation of the billing API that works here; "
        "did you mean 'createCustomer-v1'?",
    ),
    "a name that is nothing": (
        {"kind": "drop", "operation_id": "?"},
        "operation_id: '?' is no operation of the billing API that works here; the document at /openapi.json",
    ),
    "an operation of the control plane": ({"kind": "drop", "operation_id": "getClock"}, "operation_id: 'getClock' is"),
    "an operation that is not imitated": ({"kind": "drop", "operation_id": "createAlert-v1"}, "operation_id: "),
    "no status": ({"kind": "status"}, "status: missing"),
    "a success": ({"kind": "status", "status": 200}, "status: expected"),
    "a status of another kind": ({"kind": "drop", "status": 500}, "status: 500 belongs to faults of kind 'status'"),
    "a header of another kind": ({"kind": "drop", "retry_after_seconds": 0}, "retry_after_seconds: 0 belongs"),
    "a delay without one": ({"kind": "delay"}, "delay_seconds: missing"),
    "a rate limit that is none": (
        {"kind": "status", "status": 500, "rate_limit_type": "client"},
        "rate_limit_type: 'client' belongs to status 429, received 500",
    ),
    "a probability of nothing": ({"kind": "drop", "probability": 0}, "probability: expected"),
    "a call before the first": ({"kind": "drop", "call": 0}, "call: expected"),
    "a misspelt field": ({"kind": "drop", "operation": "createCustomer-v1"}, "operation"),
    "an unknown kind": ({"kind": "earthquake"}, "kind: expected"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fault_that_makes_no_sense_is_refused(sandbox, case):
    fault, message = REFUSED[case]

    answer = sandbox.post(FAULTS, fault)

    assert answer.status == 400
    assert answer.message.startswith(message)
    assert sandbox.call("GET", FAULTS) == {"data": []}


def test_a_tenant_has_at_most_a_hundred_faults(sandbox):
    for _ in range(100):
        sandbox.call("POST", FAULTS, {"kind": "drop"})

    answer = sandbox.post(FAULTS, {"kind": "drop"})

    assert answer.status == 400
    assert "100 faults already; DELETE /sandbox/faults first" in answer.message
