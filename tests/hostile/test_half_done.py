"""Batches with one bad member, requests that come twice, snapshots that lie: all of it or nothing of it."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hostile.good_requests import Good
from hostile.sandbox import AUTHORIZATION, JSON_TYPE, Sandbox

from metronome_sandbox.toolkit.suites.tenant import USD, Ids

IMPORT = "/v1/contracts/createHistoricalInvoices"
JULY = ("2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z")


def days(ids: Ids, count: int = 20) -> list[dict[str, Any]]:
    """Return the invoices of the first days of July, a month that is free to be imported."""
    found = []
    for day in range(1, count + 1):
        start, end = f"2024-07-{day:02}T00:00:00Z", f"2024-07-{day + 1:02}T00:00:00Z"
        line = {
            "product_id": ids["products"][0],
            "inclusive_start_date": start,
            "exclusive_end_date": end,
            "quantity": day,
        }
        found.append(
            {
                "customer_id": ids["customers"][0],
                "contract_id": ids["contracts"][0],
                "credit_type_id": USD,
                "inclusive_start_date": start,
                "exclusive_end_date": end,
                "issue_date": end,
                "usage_line_items": [line],
            }
        )
    return found


SPOILERS: dict[str, dict[str, Any]] = {
    "an unknown customer": {"customer_id": "00000000-0000-4000-8000-000000000000"},
    "an unknown contract": {"contract_id": "00000000-0000-4000-8000-000000000000"},
    "another currency": {"credit_type_id": "00000000-0000-4000-8000-000000000000"},
    "an end before its start": {"exclusive_end_date": "2024-06-30T00:00:00Z"},
    "a start before the contract": {"inclusive_start_date": "2024-01-01T00:00:00Z"},
    "a period that is generated": {
        "inclusive_start_date": "2024-08-01T00:00:00Z",
        "exclusive_end_date": "2024-09-01T00:00:00Z",
    },
    "a period that is billed": {
        "inclusive_start_date": "2024-06-10T00:00:00Z",
        "exclusive_end_date": "2024-06-11T00:00:00Z",
    },
    "the period of another one": {
        "inclusive_start_date": "2024-07-03T12:00:00Z",
        "exclusive_end_date": "2024-07-03T13:00:00Z",
    },
    "a missing field": {"issue_date": None},
    "lines that are no list": {"usage_line_items": {}},
}

LINE_SPOILERS: dict[str, dict[str, Any]] = {
    "an unknown product": {"product_id": "00000000-0000-4000-8000-000000000000"},
    "a negative quantity": {"quantity": -1},
    "an enormous quantity": {"quantity": 1e300},
    "a quantity and subtotals": {"subtotals_with_quantity": []},
    "a window outside": {"exclusive_end_date": "2024-08-01T00:00:00Z"},
    "a group that has no price": {"pricing_group_values": {"region": "mars"}},
}


@pytest.mark.parametrize("spoiler", SPOILERS)
@pytest.mark.parametrize("preview", [True, False])
def test_an_import_with_one_bad_invoice_leaves_no_trace(
    sandbox: Sandbox, ids: Ids, spoiler: str, preview: bool
) -> None:
    for position in range(20):
        batch = days(ids)
        batch[position].update(SPOILERS[spoiler])

        answer = sandbox.refuses("POST", IMPORT, json.dumps({"preview": preview, "invoices": batch}).encode())

        assert "invoices[" in answer.message


@pytest.mark.parametrize("spoiler", LINE_SPOILERS)
def test_an_import_with_one_bad_line_leaves_no_trace_and_names_it(sandbox: Sandbox, ids: Ids, spoiler: str) -> None:
    for position in range(20):
        batch = days(ids)
        batch[position]["usage_line_items"][0].update(LINE_SPOILERS[spoiler])

        sandbox.refuses(
            "POST",
            IMPORT,
            json.dumps({"preview": False, "invoices": batch}).encode(),
            naming=f"invoices[{position}].usage_line_items[0]",
        )


def test_a_preview_changes_nothing_and_promises_what_the_import_does(sandbox: Sandbox, ids: Ids) -> None:
    before = sandbox.snapshot()
    batch = days(ids)

    preview = sandbox.call("POST", IMPORT, {"preview": True, "invoices": batch})["data"]
    assert sandbox.snapshot() == before
    imported = sandbox.call("POST", IMPORT, {"preview": False, "invoices": batch})["data"]

    assert [{**one, "id": ""} for one in preview] == [{**one, "id": ""} for one in imported]
    assert {one["id"] for one in preview}.isdisjoint({one["id"] for one in imported})


def test_an_import_that_comes_twice_is_refused(sandbox: Sandbox, ids: Ids) -> None:
    body = json.dumps({"preview": False, "invoices": days(ids)}).encode()
    assert sandbox.post(IMPORT, body).status == 200

    sandbox.refuses("POST", IMPORT, body, naming="invoices[0].inclusive_start_date")


@pytest.mark.parametrize("position", range(5))
def test_rates_with_a_bad_one_leave_no_trace(sandbox: Sandbox, good: dict[str, Good], position: int) -> None:
    request = good["addRates-v1"]
    body = deepcopy(request.body)
    body["rates"] = [deepcopy(body["rates"][0]) for _ in range(5)]
    for number, rate in enumerate(body["rates"]):
        rate["starting_at"] = f"2024-07-0{number + 1}T00:00:00Z"
    body["rates"][position]["product_id"] = "00000000-0000-4000-8000-000000000000"

    sandbox.refuses("POST", request.path, json.dumps(body).encode())


@pytest.mark.parametrize("position", range(100))
def test_events_with_a_bad_one_leave_no_trace(sandbox: Sandbox, position: int) -> None:
    good = {"customer_id": "acme", "event_type": "api_call", "timestamp": "2024-08-14T00:00:00Z"}
    batch = [{**good, "transaction_id": f"new-{number}"} for number in range(100)]
    batch[position]["timestamp"] = "2023-01-01T00:00:00Z"

    sandbox.refuses("POST", "/v1/ingest", json.dumps(batch).encode(), naming=f"[{position}].timestamp")


@pytest.mark.parametrize("part", ["commits", "credits", "overrides"])
def test_a_contract_with_a_bad_last_part_leaves_no_trace(sandbox: Sandbox, good: dict[str, Good], part: str) -> None:
    request = good["createContract-v1"]
    body = deepcopy(request.body)
    body[part] = [deepcopy(body[part][0]) for _ in range(5)]
    body[part][-1]["product_id"] = "00000000-0000-4000-8000-000000000000"
    body["uniqueness_key"] = "hostile"
    sandbox.refuses("POST", request.path, json.dumps(body).encode())

    body[part].pop()

    assert sandbox.post(request.path, body).status == 200, "the refused one has taken the uniqueness key"


# Requests that come twice -----------------------------------------------------------------------------------------


def keyed(key: bytes) -> list[tuple[bytes, bytes]]:
    return [AUTHORIZATION, JSON_TYPE, (b"idempotency-key", key)]


@pytest.mark.parametrize("operation_id", ["createCustomer-v1", "createContract-v1", "voidInvoice-v1", "ingest-v1"])
def test_a_replay_gets_the_first_answer_and_does_nothing(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str
) -> None:
    request = good[operation_id]
    body = json.dumps(request.body).encode()
    first = sandbox.send("POST", request.path, body, headers=keyed(b"k"))
    after = sandbox.snapshot()

    again = sandbox.send("POST", request.path, body, headers=keyed(b"k"))

    assert (again.status, again.body) == (first.status, first.body) == (200, first.body)
    assert sandbox.snapshot() == after


def test_a_replay_of_an_error_gets_the_same_error(sandbox: Sandbox, ids: Ids) -> None:
    body = json.dumps({"id": "00000000-0000-4000-8000-000000000000"}).encode()
    first = sandbox.send("POST", "/v1/invoices/void", body, headers=keyed(b"k"))

    assert first.status == 404
    assert sandbox.send("POST", "/v1/invoices/void", body, headers=keyed(b"k")).body == first.body


def test_a_key_with_other_parameters_is_a_conflict(sandbox: Sandbox) -> None:
    assert sandbox.send("POST", "/v1/customers", b'{"name": "a"}', headers=keyed(b"k")).status == 200

    for body, query in ((b'{"name": "b"}', b""), (b'{"name":"a"}', b""), (b'{"name": "a"}', b"x=1")):
        answer = sandbox.refuses(
            "POST", "/v1/customers", body, query=query, headers=keyed(b"k"), naming="Idempotency-Key"
        )
        assert answer.status == 409


def test_a_request_that_is_malformed_keeps_no_key(sandbox: Sandbox) -> None:
    sandbox.refuses("POST", "/v1/customers", b'{"name": 1}', headers=keyed(b"k"))

    assert sandbox.send("POST", "/v1/customers", b'{"name": "a"}', headers=keyed(b"k")).status == 200


def test_a_key_belongs_to_one_path_and_one_tenant(sandbox: Sandbox, good: dict[str, Good]) -> None:
    body = b'{"name": "a"}'
    assert sandbox.send("POST", "/v1/customers", body, headers=keyed(b"k")).status == 200
    other = [(b"authorization", b"Bearer other"), JSON_TYPE, (b"idempotency-key", b"k")]

    assert sandbox.send("POST", "/v1/customers", b'{"name": "b"}', headers=other).status == 200
    assert sandbox.send("POST", "/v1/contract-pricing/rate-cards/create", body, headers=keyed(b"k")).status == 200


@pytest.mark.parametrize("key", [b"", b" ", b"x" * 256, b"x" * 1_000_000])
def test_a_key_that_is_none_is_refused(sandbox: Sandbox, key: bytes) -> None:
    sandbox.refuses("POST", "/v1/customers", b'{"name": "a"}', headers=keyed(key), naming="Idempotency-Key")


@pytest.mark.parametrize("key", [b"\xff", b"\x00", b'"', b"a,b", b"x" * 255, b"../.."])
def test_an_odd_key_is_a_key(sandbox: Sandbox, key: bytes) -> None:
    for _ in range(2):
        assert sandbox.send("POST", "/v1/customers", b'{"name": "a"}', headers=keyed(key)).status == 200
    assert len(sandbox.call("GET", "/v1/customers")["data"]) == 3


def test_keys_are_bounded() -> None:
    sandbox = Sandbox(scenario=None, max_idempotency_keys=10)
    for number in range(50):
        sandbox.send("POST", "/v1/customers", b'{"name": "a"}', headers=keyed(b"%d" % number))

    tenant = next(iter(sandbox.app.server.tenants.all().values()))
    assert len(tenant.idempotency) == 10


# Snapshots --------------------------------------------------------------------------------------------------------


def lies(snapshot: Any) -> list[Any]:
    """Return snapshots that are none."""
    found: list[Any] = [
        {},
        [],
        None,
        {**snapshot, "version": 2},
        {**snapshot, "format": "x"},
        {**snapshot, "state": {}},
    ]
    changes: tuple[dict[str, Any], ...] = (
        {"frozen_at": None},
        {"frozen_at": "x"},
        {"id_counts": {}},
        {"id_counts": {"customer": -1}},
        {"id_seed": "other"},
        {"store": {}},
        {"store": None},
    )
    found += [{**snapshot, "state": {**snapshot["state"], **change}} for change in changes]
    store = snapshot["state"]["store"]
    for table in store:
        found.append({**snapshot, "state": {**snapshot["state"], "store": {**store, table: []}}})
        found.append({**snapshot, "state": {**snapshot["state"], "store": {**store, table: [[]]}}})
        found.append({**snapshot, "state": {**snapshot["state"], "store": {**store, table: store[table] * 2}}})
    return found


def test_a_snapshot_that_was_edited_is_refused(sandbox: Sandbox) -> None:
    snapshot = json.loads(sandbox.snapshot())
    for lie in lies(snapshot):
        if lie != snapshot and not _is_same(lie, snapshot):
            sandbox.refuses("PUT", "/sandbox/snapshot", json.dumps(lie).encode())


def _is_same(one: Any, other: Any) -> bool:
    """Whether a table that is empty anyway was emptied or doubled."""
    return isinstance(one, dict) and one.get("state") == other["state"] and one.get("version") == other["version"]


def test_a_snapshot_with_a_right_checksum_and_a_wrong_inside_is_refused_or_usable(sandbox: Sandbox, ids: Ids) -> None:
    """The checksum is no secret: whoever edits the state can make it fit. Such a world must not answer 5xx for ever."""
    before = sandbox.snapshot()
    snapshot = json.loads(before)
    for lie in lies(snapshot):
        state = lie.get("state") if isinstance(lie, dict) else None
        if not isinstance(state, dict):
            continue
        answer = sandbox.send("PUT", "/sandbox/snapshot", _signed(lie))
        assert answer.status in (200, 400), answer
        for customer in ids["customers"][-2:] + ids["customers"][:1]:
            listed = sandbox.send("GET", f"/v1/customers/{customer}/invoices")
            assert listed.status < 500, (answer, listed)
        assert sandbox.send("PUT", "/sandbox/snapshot", before).status == 200


def _signed(lie: Any) -> bytes:
    """Return a snapshot with the checksum that the sandbox would compute for its state."""
    from hashlib import sha256

    import msgspec

    from metronome_sandbox.api.worlds import WorldState

    try:
        state = msgspec.convert(lie["state"], WorldState, strict=False)
    except (msgspec.ValidationError, ValueError):
        return json.dumps(lie).encode()
    checksum = f"sha256:{sha256(msgspec.json.encode(state)).hexdigest()}"
    return json.dumps({**lie, "checksum": checksum}).encode()


def test_a_snapshot_goes_round(sandbox: Sandbox) -> None:
    before = sandbox.snapshot()

    assert sandbox.send("PUT", "/sandbox/snapshot", before).status == 200
    assert sandbox.snapshot() == before
