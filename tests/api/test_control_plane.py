"""The control plane, called as any client would call it: clock, reset, snapshots, scenarios, journal, health."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from metronome_sandbox import __version__
from metronome_sandbox.api.app import SandboxApp, create_app
from metronome_sandbox.api.settings import Settings

MARCH = "2024-03-31T00:00:00.000Z"


class Api:
    """One tenant's client of a server in this process."""

    def __init__(self, app: SandboxApp, token: str | None = "alice") -> None:
        self.app = app
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Make one call. A body that is no text is sent as JSON."""
        if self.token is not None:
            headers = {"authorization": f"Bearer {self.token}", **headers}
        if body is not None:
            headers = {"content-type": "application/json", **headers}
        content = body if body is None or isinstance(body, str) else json.dumps(body)

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=self.app), base_url="http://sandbox"
            ) as client:
                return await client.request(
                    method,
                    path,
                    content=content,
                    headers={name.replace("_", "-"): text for name, text in headers.items()},
                )

        return asyncio.run(call())

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a call that goes well and return what it answers."""
        answer = self(method, path, body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None, status: int = 400) -> str:
        """Make a call that is refused and return the message."""
        answer = self(method, path, body)
        assert answer.status_code == status, answer.text
        return str(answer.json()["message"])

    def clock(self) -> str:
        return str(self.ok("GET", "/sandbox/clock")["now"])

    def acme(self) -> dict[str, Any]:
        """Load the company of the guide and return its ids."""
        ids: dict[str, Any] = self.ok("POST", "/sandbox/scenarios/acme")["ids"]
        return ids

    def invoices(self, customer_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("GET", f"/v1/customers/{customer_id}/invoices")["data"]
        return found


@pytest.fixture
def serve() -> Iterator[Callable[..., Api]]:
    """Make servers with settings of one's own. An answer that breaks a contract fails the test."""
    made: list[SandboxApp] = []

    def make(**settings: Any) -> Api:
        made.append(create_app(Settings(**settings)))
        return Api(made[-1])

    yield make
    assert [list(app.server.contract_breaks) for app in made] == [[] for _ in made]


@pytest.fixture
def api(serve: Callable[..., Api]) -> Api:
    return serve()


# Clock ---------------------------------------------------------------------------------------------------------------


def test_the_clock_is_real_until_it_is_set(api: Api) -> None:
    clock = api.ok("GET", "/sandbox/clock")

    assert clock["is_frozen"] is False
    assert abs(datetime.fromisoformat(clock["now"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_setting_the_clock_freezes_it(api: Api) -> None:
    answer = api.ok("PUT", "/sandbox/clock", {"now": "2024-08-15T00:00:00Z"})

    assert answer == {"now": "2024-08-15T00:00:00.000Z", "is_frozen": True, "events": []}
    assert api.ok("GET", "/sandbox/clock") == {"now": "2024-08-15T00:00:00.000Z", "is_frozen": True}


def test_an_instant_may_be_written_in_any_offset(api: Api) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": "2024-08-15T02:30:00+02:30"})

    assert api.clock() == "2024-08-15T00:00:00.000Z"


@pytest.mark.parametrize("now", ["yesterday", "2024-08-15", "2024-13-01T00:00:00Z", "2024-08-15T00:00:00", None, 5])
def test_what_is_no_instant_is_refused(api: Api, now: Any) -> None:
    assert api.refused("PUT", "/sandbox/clock", {"now": now}).startswith("now: ")
    assert api.ok("GET", "/sandbox/clock")["is_frozen"] is False


def test_without_a_contract_the_clock_goes_anywhere(api: Api) -> None:
    customer = {"name": "Hooli"}
    for now in ("2024-08-15T00:00:00.000Z", "1990-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"):
        api.ok("PUT", "/sandbox/clock", {"now": now})
        api.ok("POST", "/v1/customers", customer)
        assert api.clock() == now


def test_with_a_contract_it_goes_forward_only(api: Api) -> None:
    api.acme()

    message = api.refused("PUT", "/sandbox/clock", {"now": "2024-08-14T23:59:59Z"})

    assert message.startswith("now: 2024-08-14T23:59:59+00:00 is before the tenant's time 2024-08-15T00:00:00+00:00")
    assert "reset the tenant first" in message
    assert api.clock() == "2024-08-15T00:00:00.000Z"
    api.ok("PUT", "/sandbox/clock", {"now": "2024-08-15T00:00:00Z"})  # where it stands
    api.ok("PUT", "/sandbox/clock", {"now": "2024-08-16T00:00:00Z"})
    assert api.clock() == "2024-08-16T00:00:00.000Z"


def test_an_archived_contract_holds_the_clock_too(api: Api) -> None:
    ids = api.acme()
    contract = {
        "customer_id": ids["customers"]["Acme Inc"],
        "contract_id": ids["contracts"]["Acme 2024"],
        "void_invoices": True,
    }
    api.ok("POST", "/v1/contracts/archive", contract)

    api.refused("PUT", "/sandbox/clock", {"now": "2024-08-14T00:00:00Z"})


@pytest.mark.parametrize(
    ("by", "now"),
    [
        ("P1M", "2024-04-30T00:00:00.000Z"),  # the last day of a shorter month
        ("P2M", "2024-05-31T00:00:00.000Z"),
        ("P11M", "2025-02-28T00:00:00.000Z"),
        ("P1Y", "2025-03-31T00:00:00.000Z"),
        ("P14D", "2024-04-14T00:00:00.000Z"),
        ("P2W", "2024-04-14T00:00:00.000Z"),
        ("PT36H", "2024-04-01T12:00:00.000Z"),
        ("P1DT1H30M", "2024-04-01T01:30:00.000Z"),
        ("P0D", MARCH),
        ("PT0S", MARCH),
    ],
)
def test_time_goes_on_by_a_duration(api: Api, by: str, now: str) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    answer = api.ok("POST", "/sandbox/clock/advance", {"by": by})

    assert (answer["now"], answer["is_frozen"]) == (now, True)
    assert api.clock() == now


@pytest.mark.parametrize(
    "by",
    ["1 month", "P", "PT", "P1", "1D", "P1M2W3", "", "P-", "P1000000Y", "P99999999999999999999D", "PT1e9H", "P1.5M"],
)
def test_what_is_no_duration_is_refused(api: Api, by: str) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    assert api.refused("POST", "/sandbox/clock/advance", {"by": by}).startswith("by: ")
    assert api.clock() == MARCH


def test_time_does_not_go_back(api: Api) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    assert "goes forward only" in api.refused("POST", "/sandbox/clock/advance", {"by": "-P1D"})
    message = api.refused("POST", "/sandbox/clock/advance", {"to": "2024-03-30T23:59:59Z"})
    assert message.startswith("to: 2024-03-30T23:59:59+00:00 is before")
    assert api.clock() == MARCH


def test_time_goes_to_an_instant(api: Api) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    assert (
        api.ok("POST", "/sandbox/clock/advance", {"to": "2024-04-02T01:00:00+01:00"})["now"]
        == "2024-04-02T00:00:00.000Z"
    )


def test_advancing_a_running_clock_freezes_it(api: Api) -> None:
    before = datetime.now(UTC)

    answer = api.ok("POST", "/sandbox/clock/advance", {"by": "P1D"})

    assert answer["is_frozen"] is True
    assert timedelta(0) <= datetime.fromisoformat(answer["now"]) - before - timedelta(days=1) < timedelta(minutes=1)
    assert api.clock() == api.clock()


@pytest.mark.parametrize(
    ("body", "received"), [({}, "neither"), ({"by": "P1D", "to": "2100-01-01T00:00:00Z"}, "both")], ids=["none", "both"]
)
def test_an_advance_says_one_thing(api: Api, body: Any, received: str) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    message = api.refused("POST", "/sandbox/clock/advance", body)

    assert message.startswith("exactly one of by (a duration such as P1M) and to (an instant) is needed")
    assert message.endswith(f", received {received}")
    assert api.clock() == MARCH


@pytest.mark.parametrize("body", [{"until": "P1D"}, {"by": "P1D", "until": "P1D"}, []])
def test_an_advance_knows_no_other_field(api: Api, body: Any) -> None:
    assert api.refused("POST", "/sandbox/clock/advance", body).startswith(("until: unknown", "body: expected"))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/sandbox/clock", {"now": "2201-01-01T00:00:00Z"}),
        ("POST", "/sandbox/clock/advance", {"to": "9999-12-31T23:59:59Z"}),
        ("POST", "/sandbox/clock/advance", {"by": "P500Y"}),
    ],
)
def test_time_ends_with_the_year_2200(api: Api, method: str, path: str, body: Any) -> None:
    api.acme()

    assert "years 1900 to 2200" in api.refused(method, path, body)
    assert api.clock() == "2024-08-15T00:00:00.000Z"


def test_a_journey_tells_what_happened_in_the_order_of_time(api: Api) -> None:
    ids = api.acme()
    customer, contract = ids["customers"]["Acme Inc"], ids["contracts"]["Acme 2024"]
    api.ok(
        "POST",
        "/v1/contracts/customerCredits/create",
        {
            "customer_id": customer,
            "product_id": ids["products"]["Prepaid usage"],
            "priority": 1,
            "access_schedule": {
                "schedule_items": [
                    {
                        "amount": 100,
                        "starting_at": "2024-08-20T00:00:00Z",
                        "ending_before": "2024-09-01T12:00:00Z",
                    }
                ]
            },
        },
    )

    events = api.ok("POST", "/sandbox/clock/advance", {"to": "2024-10-02T00:00:00Z"})["events"]

    assert [(event["timestamp"][:13], event["type"]) for event in events] == [
        ("2024-08-20T00", "credit.segment.start"),
        ("2024-09-01T00", "invoice.draft_created"),
        ("2024-09-01T12", "credit.segment.end"),
        ("2024-09-02T00", "invoice.finalized"),
        ("2024-10-01T00", "invoice.draft_created"),
        ("2024-10-02T00", "invoice.finalized"),
    ]
    assert {event["customer_id"] for event in events} == {customer}
    assert {event.get("contract_id") for event in events if event["type"].startswith("invoice")} == {contract}
    assert "credit_id" in events[0]
    assert "commit_id" not in events[0]
    invoices = api.invoices(customer)
    finalized = [event["invoice_id"] for event in events if event["type"] == "invoice.finalized"]
    assert finalized == [one["id"] for one in invoices if one["status"] == "FINALIZED"]
    assert events[1]["invoice_id"] == finalized[1]  # September's draft is the invoice that became final later


def test_every_tenant_has_a_clock_of_its_own(api: Api) -> None:
    other = Api(api.app, "bob")
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})
    other.ok("PUT", "/sandbox/clock", {"now": "2025-01-01T00:00:00Z"})

    assert (api.clock(), other.clock()) == (MARCH, "2025-01-01T00:00:00.000Z")


# Reset ---------------------------------------------------------------------------------------------------------------


def test_a_reset_forgets_everything_but_the_journal(api: Api) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})
    first = api.ok("POST", "/v1/customers", {"name": "Hooli", "ingest_aliases": ["hooli"]})

    assert api.ok("POST", "/sandbox/reset") == {"scenario": None}

    assert api.ok("GET", "/sandbox/clock")["is_frozen"] is False
    assert api.ok("GET", "/v1/customers")["data"] == []
    assert [entry["path"] for entry in api.ok("GET", "/sandbox/requests")["data"]] == ["/v1/customers", "/v1/customers"]
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})
    assert api.ok("POST", "/v1/customers", {"name": "Hooli", "ingest_aliases": ["hooli"]}) == first


def test_a_reset_goes_back_to_the_scenario_of_the_server(serve: Callable[..., Api]) -> None:
    api = serve(scenario="acme")
    before = api.ok("GET", "/v1/customers")
    assert [one["name"] for one in before["data"]] == ["Acme Inc"]
    api.ok("POST", "/v1/customers", {"name": "Hooli"})
    api.ok("POST", "/sandbox/clock/advance", {"by": "P1M"})

    assert api.ok("POST", "/sandbox/reset") == {"scenario": "acme"}

    assert api.ok("GET", "/v1/customers") == before
    assert api.clock() == "2024-08-15T00:00:00.000Z"


def test_a_reset_forgets_idempotency_keys(api: Api) -> None:
    first = api("POST", "/v1/customers", {"name": "Hooli"}, idempotency_key="k")
    api.ok("POST", "/sandbox/reset")

    again = api("POST", "/v1/customers", {"name": "Pied Piper"}, idempotency_key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["data"]["name"] == "Pied Piper"


def test_a_reset_is_one_tenants(api: Api) -> None:
    other = Api(api.app, "bob")
    other.ok("POST", "/v1/customers", {"name": "Hooli"})

    api.ok("POST", "/sandbox/reset")

    assert len(other.ok("GET", "/v1/customers")["data"]) == 1


# Snapshots -----------------------------------------------------------------------------------------------------------


def test_a_snapshot_brings_everything_back(api: Api) -> None:
    ids = api.acme()
    customer = ids["customers"]["Acme Inc"]
    invoices, snapshot = api.invoices(customer), api.ok("GET", "/sandbox/snapshot")
    api.ok("POST", "/sandbox/clock/advance", {"by": "P3M"})
    api.ok("POST", "/v1/customers", {"name": "Hooli"})

    answer = api.ok("PUT", "/sandbox/snapshot", snapshot)

    assert answer == {"checksum": snapshot["checksum"]}
    assert api.clock() == "2024-08-15T00:00:00.000Z"
    assert api.invoices(customer) == invoices
    assert api.ok("GET", "/sandbox/snapshot") == snapshot


def test_a_snapshot_can_be_written_by_any_json_library(api: Api) -> None:
    api.acme()
    snapshot = api.ok("GET", "/sandbox/snapshot")

    api.ok("PUT", "/sandbox/snapshot", json.dumps(snapshot, indent=2, sort_keys=True))

    assert api.ok("GET", "/sandbox/snapshot") == snapshot


def test_a_snapshot_moves_a_world_to_another_tenant_and_another_server(api: Api, serve: Callable[..., Api]) -> None:
    customer = api.acme()["customers"]["Acme Inc"]
    snapshot = api.ok("GET", "/sandbox/snapshot")

    for other in (Api(api.app, "bob"), serve()):
        other.ok("PUT", "/sandbox/snapshot", snapshot)
        assert other.invoices(customer) == api.invoices(customer)
        new = other.ok("POST", "/v1/customers", {"name": "next"})["data"]["id"]
        assert new != customer


def test_a_world_that_was_restored_goes_on_with_the_same_ids(api: Api) -> None:
    api.acme()
    snapshot = api.ok("GET", "/sandbox/snapshot")
    first = api.ok("POST", "/v1/customers", {"name": "Hooli"})

    api.ok("PUT", "/sandbox/snapshot", snapshot)

    assert api.ok("POST", "/v1/customers", {"name": "Hooli"}) == first


def test_taking_a_snapshot_changes_nothing(api: Api) -> None:
    api.acme()

    assert api.ok("GET", "/sandbox/snapshot") == api.ok("GET", "/sandbox/snapshot")


def test_a_running_clock_runs_on_after_a_restore(api: Api) -> None:
    api.ok("POST", "/v1/customers", {"name": "Hooli"})
    snapshot = api.ok("GET", "/sandbox/snapshot")
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})

    api.ok("PUT", "/sandbox/snapshot", snapshot)

    assert api.ok("GET", "/sandbox/clock")["is_frozen"] is False


def tampered(snapshot: dict[str, Any], where: str) -> dict[str, Any]:
    """A copy with one thing changed."""
    copy: dict[str, Any] = json.loads(json.dumps(snapshot))
    state = copy["state"]
    if where == "a balance":
        state["store"]["balances"][0][1]["segments"][0]["amount"] = "25001"
    elif where == "the clock":
        state["frozen_at"] = "2024-08-16T00:00:00Z"
    elif where == "an id count":
        state["id_counts"]["customer"] = 7
    elif where == "a row less":
        state["store"]["contracts"].pop()
    elif where == "the checksum":
        copy["checksum"] = "sha256:" + "0" * 64
    return copy


@pytest.mark.parametrize("where", ["a balance", "the clock", "an id count", "a row less", "the checksum"])
def test_a_snapshot_that_was_changed_is_refused_and_nothing_happens(api: Api, where: str) -> None:
    api.acme()
    snapshot = api.ok("GET", "/sandbox/snapshot")
    api.ok("POST", "/sandbox/clock/advance", {"by": "P1M"})

    message = api.refused("PUT", "/sandbox/snapshot", tampered(snapshot, where))

    assert message.startswith("checksum: does not belong to this state")
    assert api.clock() == "2024-09-15T00:00:00.000Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("version", 0),
        ("version", "1"),
        ("format", "somebody-elses/snapshot"),
        ("checksum", "md5:0"),
        ("checksum", None),
        ("state", {}),
        ("state", []),
        ("state", {"frozen_at": "soon", "id_seed": "s", "id_counts": {}, "store": {}}),
    ],
)
def test_what_is_no_snapshot_of_this_version_is_refused_by_its_field(api: Api, field: str, value: Any) -> None:
    api.acme()
    snapshot = api.ok("GET", "/sandbox/snapshot")

    message = api.refused("PUT", "/sandbox/snapshot", {**snapshot, field: value})

    assert message.startswith(f"{field}")
    assert api.ok("GET", "/sandbox/snapshot") == snapshot


@pytest.mark.parametrize("missing", ["format", "version", "checksum", "state"])
def test_a_snapshot_is_whole(api: Api, missing: str) -> None:
    snapshot = api.ok("GET", "/sandbox/snapshot")
    del snapshot[missing]

    assert missing in api.refused("PUT", "/sandbox/snapshot", snapshot)


def test_a_snapshot_with_a_number_of_another_kind_is_refused(api: Api) -> None:
    api.acme()
    snapshot = api.ok("GET", "/sandbox/snapshot")
    snapshot["state"]["store"]["balances"][0][1]["segments"][0]["amount"] = "many"

    assert api.refused("PUT", "/sandbox/snapshot", snapshot).startswith("state: is no snapshot of version 1")


def test_a_restore_forgets_idempotency_keys(api: Api) -> None:
    snapshot = api.ok("GET", "/sandbox/snapshot")
    api("POST", "/v1/customers", {"name": "Hooli"}, idempotency_key="k")

    api.ok("PUT", "/sandbox/snapshot", snapshot)

    again = api("POST", "/v1/customers", {"name": "Pied Piper"}, idempotency_key="k")
    assert again.json()["data"]["name"] == "Pied Piper"


def test_what_a_draft_answers_to_is_the_same_after_a_restore(api: Api) -> None:
    customer = api.acme()["customers"]["Acme Inc"]
    (draft,) = api.invoices(customer)
    before = api("POST", "/v1/invoices/void", {"id": draft["id"]})

    api.ok("PUT", "/sandbox/snapshot", api.ok("GET", "/sandbox/snapshot"))

    after = api("POST", "/v1/invoices/void", {"id": draft["id"]})
    assert before.status_code == 400
    assert (after.status_code, after.json()) == (before.status_code, before.json())


# Scenarios -----------------------------------------------------------------------------------------------------------


def test_a_scenario_answers_the_ids_it_made_by_name(api: Api) -> None:
    answer = api.ok("POST", "/sandbox/scenarios/acme")

    assert answer["name"] == "acme"
    ids = answer["ids"]
    assert api.clock() == "2024-08-15T00:00:00.000Z"
    customers = api.ok("GET", "/v1/customers")["data"]
    assert {one["name"]: one["id"] for one in customers} == ids["customers"]
    contract = {"customer_id": ids["customers"]["Acme Inc"], "contract_id": ids["contracts"]["Acme 2024"]}
    assert api.ok("POST", "/v2/contracts/get", contract)["data"]["name"] == "Acme 2024"


def test_the_company_of_the_guide_begins_with_a_draft_for_august(api: Api) -> None:
    customer = api.acme()["customers"]["Acme Inc"]

    (draft,) = api.invoices(customer)

    # Three API calls at 1000, paid by the commit.
    assert (draft["status"], draft["start_timestamp"][:10], draft["total"]) == ("DRAFT", "2024-08-01", 0)
    lines = [(line["type"], line["total"]) for line in draft["line_items"] if line["total"]]
    assert lines == [("usage", 3000), ("applied_commit_or_credit", -3000)]


def test_a_scenario_that_does_not_exist_names_those_there_are(api: Api) -> None:
    api.ok("POST", "/v1/customers", {"name": "Hooli"})

    message = api.refused("POST", "/sandbox/scenarios/initech", status=404)

    assert message.startswith("no scenario 'initech' (there are: acme")
    assert message.endswith(")")  # no tenant has scenarios of its own
    assert len(api.ok("GET", "/v1/customers")["data"]) == 1


@pytest.mark.parametrize("name", ["ACME", "..%2Facme", "acme.yaml", "-acme", "a" * 65])
def test_a_scenarios_name_is_plain(api: Api, name: str) -> None:
    answer = api("POST", f"/sandbox/scenarios/{name}")

    assert answer.status_code in (400, 404)
    assert "Hooli" not in answer.text


def test_a_scenario_takes_the_place_of_everything(api: Api) -> None:
    api.ok("POST", "/v1/customers", {"name": "Hooli"})
    first = api.ok("POST", "/sandbox/scenarios/acme")
    api.ok("POST", "/sandbox/clock/advance", {"by": "P6M"})

    second = api.ok("POST", "/sandbox/scenarios/acme")

    assert second == first
    assert api.clock() == "2024-08-15T00:00:00.000Z"
    assert [one["name"] for one in api.ok("GET", "/v1/customers")["data"]] == ["Acme Inc"]


def test_a_reset_goes_back_to_the_scenario_that_was_loaded_last(api: Api) -> None:
    customer = api.acme()["customers"]["Acme Inc"]
    invoices = api.invoices(customer)
    api.ok("POST", "/sandbox/clock/advance", {"by": "P1M"})

    assert api.ok("POST", "/sandbox/reset") == {"scenario": "acme"}

    assert api.invoices(customer) == invoices


def test_random_ids_differ_from_one_scenario_to_the_next(serve: Callable[..., Api]) -> None:
    api = serve(random_ids=True)

    assert api.acme()["customers"] != api.acme()["customers"]


# Journal -------------------------------------------------------------------------------------------------------------


def test_the_journal_has_calls_of_the_billing_api_newest_first(api: Api) -> None:
    api.ok("PUT", "/sandbox/clock", {"now": MARCH})
    api.ok("POST", "/v1/customers", {"name": "Hooli"})
    api.ok("GET", "/v1/customers?limit=5")

    newest, oldest = api.ok("GET", "/sandbox/requests")["data"]

    assert (newest["method"], newest["path"], newest["operation_id"]) == (
        "GET",
        "/v1/customers?limit=5",
        "listCustomers-v1",
    )
    assert (oldest["method"], oldest["status"], oldest["timestamp"]) == ("POST", 200, MARCH)
    assert oldest["request_body"] == {"name": "Hooli"}
    assert oldest["response_body"]["data"]["name"] == "Hooli"
    assert oldest["duration_ms"] >= 0
    assert oldest["findings"] == []


def test_the_journal_says_what_was_wrong(api: Api) -> None:
    api.refused("POST", "/v1/customers", {"name": 5})
    api.refused("GET", "/v1/no/such/path", status=404)

    unknown, wrong = api.ok("GET", "/sandbox/requests")["data"]

    assert (unknown["status"], unknown["operation_id"]) == (404, None)
    assert (wrong["status"], wrong["findings"][0]["where"]) == (400, "name")


def test_the_journal_tells_what_was_ignored_and_what_was_probably_meant(api: Api) -> None:
    api.ok("POST", "/v1/customers", {"name": "Hooli", "ingestAliases": ["hooli"], "zzz": 1})
    api.ok("GET", "/v1/customers?limt=5")
    api.refused("POST", "/v1/customers", {"naem": "Hooli"})

    refused, listed, created = (entry["findings"] for entry in api.ok("GET", "/sandbox/requests")["data"])

    ignored = "unknown here and ignored by the API"
    assert created == [
        {
            "where": "ingestAliases",
            "rule": "unknown",
            "expected": f"{ignored}; did you mean ingest_aliases?",
            "received": "an array of 1 item",
        },
        {"where": "zzz", "rule": "unknown", "expected": ignored, "received": "1"},
    ]
    assert [(one["where"], one["expected"]) for one in listed] == [
        ("query parameter limt", f"{ignored}; did you mean limit?")
    ]
    assert [(one["where"], one["rule"]) for one in refused] == [("name", "required"), ("naem", "unknown")]


def test_a_name_that_was_refused_is_not_told_again(api: Api) -> None:
    api.refused("POST", f"/v1/customers/{UUID(int=1)}/previewEvents", {"events": [{"event_type": "e"}], "mod": "merge"})

    [entry] = api.ok("GET", "/sandbox/requests")["data"]

    assert [one["where"] for one in entry["findings"]] == ["mod"]


def test_the_journal_is_read_in_parts_and_emptied(api: Api) -> None:
    for name in "abc":
        api.ok("POST", "/v1/customers", {"name": name})
    entries = api.ok("GET", "/sandbox/requests")["data"]

    assert api.ok("GET", "/sandbox/requests?limit=2")["data"] == entries[:2]
    api.refused("GET", "/sandbox/requests?limit=0")
    assert api.ok("DELETE", "/sandbox/requests") == {"cleared": 3}
    assert api.ok("GET", "/sandbox/requests")["data"] == []
    api.ok("GET", "/v1/customers")
    (after,) = api.ok("GET", "/sandbox/requests")["data"]
    assert after["id"] not in {entry["id"] for entry in entries}


def test_the_journal_is_bounded(serve: Callable[..., Api]) -> None:
    api = serve(journal_size=2)
    for name in "abc":
        api.ok("POST", "/v1/customers", {"name": name})

    kept = [entry["request_body"]["name"] for entry in api.ok("GET", "/sandbox/requests")["data"]]

    assert kept == ["c", "b"]


def test_the_journal_is_one_tenants_and_never_has_a_token(api: Api) -> None:
    other = Api(api.app, "secret-token")
    other.ok("POST", "/v1/customers", {"name": "Hooli"})

    assert api.ok("GET", "/sandbox/requests")["data"] == []
    assert "secret-token" not in other("GET", "/sandbox/requests").text


# Health --------------------------------------------------------------------------------------------------------------


def test_health_needs_no_token_and_makes_no_tenant(api: Api) -> None:
    nobody = Api(api.app, token=None)

    health = nobody.ok("GET", "/sandbox/health")

    assert (health["status"], health["version"], health["tenants"]) == ("ok", __version__, 0)
    assert health["uptime_seconds"] >= 0
    api.clock()
    assert nobody.ok("GET", "/sandbox/health")["tenants"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sandbox/clock"),
        ("POST", "/sandbox/reset"),
        ("GET", "/sandbox/snapshot"),
        ("POST", "/sandbox/scenarios/acme"),
        ("GET", "/sandbox/requests"),
    ],
)
def test_everything_else_needs_a_token(api: Api, method: str, path: str) -> None:
    assert Api(api.app, token=None).refused(method, path, status=401).startswith("Unauthorized")


def test_a_control_token_guards_the_control_plane_only(serve: Callable[..., Api]) -> None:
    api = serve(control_token="open sesame")

    assert api("GET", "/sandbox/clock").status_code == 401
    assert api("GET", "/sandbox/clock", x_sandbox_control_token="guess").status_code == 401
    assert api("GET", "/sandbox/clock", x_sandbox_control_token="open sesame").status_code == 200
    api.ok("GET", "/v1/customers")
