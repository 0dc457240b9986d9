"""Clocks that are sent to the ends of time, and contracts that begin or end there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile.sandbox import Sandbox

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.toolkit.suites.tenant import USD, Ids

ADVANCE = "/sandbox/clock/advance"


def advanced(sandbox: Sandbox, by: str) -> Any:
    return sandbox.post(ADVANCE, {"by": by})


NO_DURATIONS = (
    *(
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1DT",
        "D",
        "month",
        "P1H",
        "PT1D",
        "P1M1Y",
        "P1D1D",
        "PT1M1H",
        "p1d",
        " P1D",
        "P1D ",
    ),
    *(
        "P1.5Y",
        "P0.5M",
        "P1e3D",
        "PNaND",
        "PInfinityD",
        "P0x1D",
        "P\u0661D",
        "P1D\n",
        "P1D\x00",
        "P--1D",
        "P-1D",
        "-P1D",
    ),
    *(
        "-P1M",
        "PT-1S",
        "P9999Y",
        "P10000M",
        "P999999999999D",
        "P" + "9" * 400 + "D",
        "PT" + "9" * 400 + "S",
        "P1D" * 1000,
    ),
)


@pytest.mark.parametrize("by", NO_DURATIONS, ids=range(len(NO_DURATIONS)))
def test_a_duration_that_leads_nowhere_is_refused_by_name(sandbox: Sandbox, by: str) -> None:
    answer = sandbox.refuses("POST", ADVANCE, json.dumps({"by": by}).encode(), naming="by")

    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    ("by", "now"),
    [
        ("PT0S", "2024-08-15T00:00:00.000Z"),
        ("P0D", "2024-08-15T00:00:00.000Z"),
        ("P1M", "2024-09-15T00:00:00.000Z"),
        ("P6M", "2025-02-15T00:00:00.000Z"),
        ("P1Y", "2025-08-15T00:00:00.000Z"),
        ("P2W", "2024-08-29T00:00:00.000Z"),
        ("P1DT12H", "2024-08-16T12:00:00.000Z"),
        ("PT36H", "2024-08-16T12:00:00.000Z"),
        ("P0.5D", "2024-08-15T12:00:00.000Z"),
        ("P1Y2M3DT4H5M6S", "2025-10-18T04:05:06.000Z"),
    ],
)
def test_a_duration_follows_the_calendar(sandbox: Sandbox, by: str, now: str) -> None:
    assert advanced(sandbox, by).json["now"] == now


@pytest.mark.parametrize(
    ("start", "by", "now"),
    [
        ("2023-01-31T00:00:00Z", "P1M", "2023-02-28T00:00:00.000Z"),
        ("2024-01-31T00:00:00Z", "P1M", "2024-02-29T00:00:00.000Z"),
        ("2024-02-29T00:00:00Z", "P1Y", "2025-02-28T00:00:00.000Z"),
        ("2024-12-31T23:00:00Z", "P2M", "2025-02-28T23:00:00.000Z"),
    ],
)
def test_a_month_after_a_month_end_is_a_month_end(start: str, by: str, now: str) -> None:
    sandbox = Sandbox(scenario=None)
    sandbox.call("PUT", "/sandbox/clock", {"now": start})

    assert advanced(sandbox, by).json["now"] == now


def test_the_time_that_is_answered_is_the_time_that_it_is(sandbox: Sandbox) -> None:
    """What a caller reads can be sent back: going to the present is no journey into the past."""
    now = advanced(sandbox, "PT0.0005S").json["now"]

    assert sandbox.post(ADVANCE, {"to": now}).status == 200


def test_a_clock_does_not_go_back_while_there_are_contracts(sandbox: Sandbox) -> None:
    for body in ({"to": "2024-08-14T23:59:59Z"}, {"to": "0001-01-01T00:00:00Z"}):
        sandbox.refuses("POST", ADVANCE, json.dumps(body).encode(), naming="to")
    sandbox.refuses("PUT", "/sandbox/clock", b'{"now": "2024-08-14T23:59:59Z"}', naming="now")
    sandbox.refuses("POST", ADVANCE, b'{"to": "2024-09-01T00:00:00Z", "by": "P1D"}')
    sandbox.refuses("POST", ADVANCE, b"{}")


@pytest.mark.parametrize("now", ["2201-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"])
def test_a_clock_does_not_go_to_the_end_of_time(sandbox: Sandbox, now: str) -> None:
    sandbox.refuses("PUT", "/sandbox/clock", json.dumps({"now": now}).encode(), naming="now")
    sandbox.refuses("POST", ADVANCE, json.dumps({"to": now}).encode(), naming="to")


@pytest.mark.parametrize(
    "now", ["0001-01-01T00:00:00Z", "0001-02-10T00:00:00Z", "1582-10-10T00:00:00Z", "2200-12-31T23:59:59Z"]
)
def test_whatever_a_clock_is_set_to_the_tenant_lives(now: str) -> None:
    sandbox = Sandbox(scenario=None)
    sandbox.survives("PUT", "/sandbox/clock", json.dumps({"now": now}).encode())
    customer = sandbox.call("POST", "/v1/customers", {"name": "x", "ingest_aliases": ["x"]})["data"]["id"]
    here = sandbox.call("GET", "/sandbox/clock")["now"]
    event = {"transaction_id": "1", "customer_id": "x", "event_type": "x", "timestamp": here}

    assert sandbox.post("/v1/ingest", [event]).status == 200
    answer = sandbox.post("/v1/contracts/create", {"customer_id": customer, "starting_at": here[:14] + "00:00Z"})
    assert answer.status in (200, 400), answer
    assert sandbox.send("GET", f"/v1/customers/{customer}/invoices").status == 200
    assert sandbox.send("POST", "/sandbox/reset").status == 200


# Contracts at the ends of time ------------------------------------------------------------------------------------

STARTS = (
    *("0001-01-01T00:00:00Z", "0001-01-31T00:00:00Z", "1600-02-29T00:00:00Z", "1970-01-01T00:00:00Z"),
    *("2100-02-28T00:00:00Z", "9000-01-01T00:00:00Z", "9899-12-01T00:00:00Z", "9950-01-01T00:00:00Z"),
    *("9999-01-01T00:00:00Z", "9999-11-30T00:00:00Z", "9999-12-01T00:00:00Z", "9999-12-24T00:00:00Z"),
    *("9999-12-31T00:00:00Z", "9999-12-31T22:00:00Z"),
)
ENDS = (None, "0001-02-01T00:00:00Z", "9999-12-31T00:00:00Z", "9999-12-31T23:00:00Z")
SCHEDULES: tuple[dict[str, Any], ...] = (
    *({"frequency": frequency} for frequency in ("WEEKLY", "MONTHLY", "QUARTERLY", "ANNUAL")),
    *({"frequency": "MONTHLY", "day": "CONTRACT_START"}, {"frequency": "ANNUAL", "day": "CONTRACT_START"}),
    *(
        {"frequency": frequency, "day": "CUSTOM_DATE", "billing_anchor_date": anchor}
        for frequency in ("WEEKLY", "QUARTERLY")
        for anchor in ("0001-01-01T00:00:00Z", "2024-01-31T00:00:00Z", "9999-12-31T00:00:00Z")
    ),
)


@pytest.mark.parametrize("starting_at", STARTS)
def test_a_contract_at_the_end_of_time_is_refused_or_harmless(sandbox: Sandbox, ids: Ids, starting_at: str) -> None:
    """Harmless even when it is the only one: what is due next is then due in the year 9999."""
    customer, others = ids["customers"][0], sandbox.snapshot()
    for schedule in SCHEDULES:
        for ending_before in ENDS:
            contract = {
                "customer_id": customer,
                "rate_card_id": ids["rate_cards"][0],
                "starting_at": starting_at,
                "usage_statement_schedule": schedule,
                **({} if ending_before is None else {"ending_before": ending_before}),
            }
            body = json.dumps(contract).encode()
            if sandbox.survives("POST", "/v1/contracts/create", body).status == 200:
                old = {"customer_id": customer, "contract_id": ids["contracts"][0], "void_invoices": True}
                assert sandbox.post("/v1/contracts/archive", old).status == 200
                assert sandbox.send("GET", "/sandbox/clock").status == 200, contract
                assert sandbox.send("GET", f"/v1/customers/{customer}/invoices").status == 200, contract
                assert advanced(sandbox, "P1M").status == 200
                assert sandbox.post("/v2/contracts/list", {"customer_id": customer}).status == 200
                assert sandbox.send("POST", "/sandbox/reset").status == 200
            assert sandbox.send("PUT", "/sandbox/snapshot", others).status == 200


@pytest.mark.parametrize("frequency", ["MONTHLY", "QUARTERLY", "SEMI_ANNUAL", "ANNUAL"])
def test_payments_at_the_end_of_time_are_refused_or_harmless(sandbox: Sandbox, ids: Ids, frequency: str) -> None:
    others = sandbox.snapshot()
    access = {"amount": 1, "starting_at": "2024-06-01T00:00:00Z", "ending_before": "9999-12-31T23:00:00Z"}
    for starting_at in (start for start in STARTS if start > "9"):
        recurring = {
            "starting_at": starting_at,
            "ending_before": "9999-12-31T23:00:00Z",
            "frequency": frequency,
            "amount_distribution": "EACH",
            "amount": 1,
        }
        commit = {
            "customer_id": ids["customers"][0],
            "type": "PREPAID",
            "priority": 1,
            "product_id": ids["fixed products"][0],
            "invoice_contract_id": ids["contracts"][0],
            "access_schedule": {"schedule_items": [access]},
            "invoice_schedule": {"recurring_schedule": recurring},
        }

        sandbox.survives("POST", "/v1/contracts/customerCommits/create", json.dumps(commit).encode())

        assert sandbox.send("GET", f"/v1/customers/{ids['customers'][0]}/invoices").status == 200
        assert advanced(sandbox, "P1Y").status == 200
        assert sandbox.send("PUT", "/sandbox/snapshot", others).status == 200


# A world that cannot go on ----------------------------------------------------------------------------------------


def test_a_rate_that_is_taken_away_from_a_waiting_import_does_not_stop_the_world(sandbox: Sandbox, ids: Ids) -> None:
    """An import whose issue date is ahead is priced again on that day, and by then its rate may be gone."""
    customer, product = ids["customers"][0], ids["products"][0]
    start, end = "2024-07-01T00:00:00Z", "2024-08-01T00:00:00Z"
    line = {"product_id": product, "inclusive_start_date": start, "exclusive_end_date": end, "quantity": 1}
    invoice = {
        "customer_id": customer,
        "contract_id": ids["contracts"][0],
        "credit_type_id": USD,
        "inclusive_start_date": start,
        "exclusive_end_date": end,
        "issue_date": "2024-10-01T00:00:00Z",
        "usage_line_items": [line],
    }
    sandbox.call("POST", "/v1/contracts/createHistoricalInvoices", {"preview": False, "invoices": [invoice]})
    rate = {
        "rate_card_id": ids["rate_cards"][0],
        "product_id": product,
        "starting_at": "2024-01-01T00:00:00Z",
        "ending_before": "2024-02-01T00:00:00Z",
        "entitled": True,
        "rate_type": "FLAT",
        "price": 1000,
    }
    ended = sandbox.post("/v1/contract-pricing/rate-cards/addRate", rate)
    listed = sandbox.send("GET", f"/v1/customers/{customer}/invoices")
    other = sandbox.send("GET", f"/v1/customers/{ids['customers'][-2]}/invoices")
    there = advanced(sandbox, "P3M")

    assert other.status == 200
    assert sandbox.send("GET", "/sandbox/clock").status == 200
    assert sandbox.send("POST", "/v1/customers", b'{"name": "another one"}').status == 200
    assert sandbox.send("POST", "/sandbox/reset").status == 200
    assert (ended.status, listed.status, there.status) in ((200, 200, 200), (400, 200, 200))


def test_a_journey_that_fails_on_the_way_has_not_begun(sandbox: Sandbox, ids: Ids, monkeypatch: Any) -> None:
    from metronome_sandbox.services import passage

    def fail(*_: object) -> None:
        raise InvalidRequest("somewhere", "something is wrong")

    monkeypatch.setitem(passage._FINALIZE, "usage", fail)

    sandbox.refuses("POST", ADVANCE, b'{"by": "P2M"}')


def test_a_reset_helps_whatever_happened(sandbox: Sandbox, ids: Ids) -> None:
    """The way out must not depend on the state that one wants to leave."""
    tenant = next(iter(sandbox.app.server.tenants.all().values()))

    def broken() -> None:
        raise RuntimeError("the world is broken")

    tenant.catch_up = broken

    assert sandbox.send("POST", "/sandbox/reset").status == 200
    assert sandbox.send("GET", f"/v1/customers/{ids['customers'][0]}").status == 200
