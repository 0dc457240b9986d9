"""What the control plane's document promises in words, where no schema can say it."""

from __future__ import annotations

import json

from hostile.sandbox import Sandbox

EMPTY = {"name": "x" * 100}


def test_a_scenario_takes_the_place_of_everything_the_tenant_has() -> None:
    sandbox = Sandbox(scenario=None)
    sandbox.call("POST", "/v1/customers", {"name": "Old Inc"})

    made = sandbox.call("POST", "/sandbox/scenarios/acme")

    customers = sandbox.call("GET", "/v1/customers")["data"]
    assert [customer["name"] for customer in customers] == ["Acme Inc"]
    assert made["ids"]["customers"] == {"Acme Inc": customers[0]["id"]}
    assert sandbox.call("GET", "/sandbox/clock")["now"] == "2024-08-15T00:00:00.000Z"


def test_a_scenario_can_be_loaded_over_a_tenant_with_contracts() -> None:
    sandbox = Sandbox(scenario="acme")

    assert sandbox.send("POST", "/sandbox/scenarios/acme").status == 200


def test_a_reset_goes_back_to_the_scenario_that_was_loaded_last() -> None:
    sandbox = Sandbox(scenario=None)
    sandbox.call("POST", "/sandbox/scenarios/acme")
    loaded = sandbox.snapshot()
    sandbox.call("POST", "/v1/customers", {"name": "New Inc"})

    assert sandbox.call("POST", "/sandbox/reset") == {"scenario": "acme"}
    assert sandbox.snapshot() == loaded


def test_a_reset_makes_the_same_calls_get_the_same_answers() -> None:
    sandbox = Sandbox(scenario="acme")
    first = sandbox.post("/v1/customers", {"name": "New Inc"})
    sandbox.call("POST", "/sandbox/reset")

    assert sandbox.post("/v1/customers", {"name": "New Inc"}).body == first.body


def test_a_reset_keeps_the_journal() -> None:
    sandbox = Sandbox(scenario="acme")
    sandbox.call("POST", "/v1/customers", {"name": "New Inc"})
    sandbox.call("POST", "/sandbox/reset")

    [entry] = sandbox.call("GET", "/sandbox/requests")["data"]
    assert entry["operation_id"] == "createCustomer-v1"


def test_a_snapshot_that_was_taken_can_be_restored_however_large_it_is() -> None:
    sandbox = Sandbox(scenario=None, max_body=20_000)
    while len(snapshot := sandbox.snapshot()) < 30_000:
        for _ in range(20):
            sandbox.call("POST", "/v1/customers", EMPTY)

    assert sandbox.send("PUT", "/sandbox/snapshot", snapshot).status == 200


def test_a_snapshot_goes_to_another_tenant() -> None:
    sandbox = Sandbox(scenario="acme")
    sandbox.call("POST", "/v1/customers", {"name": "New Inc"})
    other = [(b"authorization", b"Bearer other"), (b"content-type", b"application/json")]

    assert sandbox.send("PUT", "/sandbox/snapshot", sandbox.snapshot(), headers=other).status == 200
    assert sandbox.send("GET", "/sandbox/snapshot", headers=other).body == sandbox.snapshot()


def test_a_restored_tenant_goes_on_as_the_old_one_would() -> None:
    one, other = Sandbox(scenario="acme"), Sandbox(scenario=None)
    assert other.send("PUT", "/sandbox/snapshot", one.snapshot()).status == 200

    for path, body in (
        ("/v1/customers", {"name": "New Inc"}),
        ("/sandbox/clock/advance", {"by": "P3M"}),
        ("/v1/contract-pricing/rate-cards/create", {"name": "New card"}),
    ):
        assert other.post(path, body) == one.post(path, body)
    assert other.snapshot() == one.snapshot()


def test_the_journal_is_bounded_and_shows_the_newest_first() -> None:
    sandbox = Sandbox(scenario=None, journal_size=10)
    for number in range(30):
        sandbox.send("POST", "/v1/customers", json.dumps({"name": str(number)}).encode())

    entries = sandbox.call("GET", "/sandbox/requests", query="limit=1000")["data"]

    assert [entry["request_body"]["name"] for entry in entries] == [str(number) for number in range(29, 19, -1)]
