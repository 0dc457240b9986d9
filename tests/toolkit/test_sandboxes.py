"""What a test holds: a tenant with its clock, its faults, its journal and its short ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from metronome import APIConnectionError, AsyncMetronome, Metronome

from metronome_sandbox.listening import CONNECTIONS_LOG, CannotServe, ConnectionDropped
from metronome_sandbox.serving import BackgroundServer
from metronome_sandbox.toolkit.connection import CallFailed, Connection
from metronome_sandbox.toolkit.sandboxes import MayNotWrite, NeedsSandbox, Sandbox, is_sandbox, start_server

AUGUST = "2024-08-15"


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def sandbox(server) -> Iterator[Sandbox]:
    sandbox = Sandbox.of(server)
    yield sandbox
    sandbox.close()


def names(sandbox: Sandbox) -> list[str]:
    return [customer["name"] for customer in sandbox.call("GET", "/v1/customers")["data"]]


# A world of its own


def test_two_sandboxes_of_one_server_share_nothing(server, sandbox):
    sandbox.priced_contract(name="Acme")

    with closing(Sandbox.of(server)) as other:
        assert names(other) == []


def test_a_closed_sandbox_leaves_nothing_on_the_server(server):
    sandbox = Sandbox.of(server)
    sandbox.priced_contract()
    sandbox.close()

    with closing(Sandbox(server.url, sandbox.token, server=server)) as again:
        assert names(again) == []


def test_the_port_and_the_application_are_the_same_tenant(sandbox):
    async def create() -> None:
        transport = httpx.ASGITransport(app=sandbox.asgi)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            AsyncMetronome(base_url="http://sandbox", bearer_token=sandbox.token, http_client=http_client) as client,
        ):
            await client.v1.customers.create(name="By the application")

    asyncio.run(create())
    with Metronome(base_url=sandbox.base_url, bearer_token=sandbox.token) as client:
        client.v1.customers.create(name="By the port")

    assert names(sandbox) == ["By the application", "By the port"]


def test_an_answer_that_is_lost_is_lost_to_a_client_of_the_application_too(sandbox):
    sandbox.faults.lose_answer("createCustomer-v1")

    async def create() -> None:
        transport = httpx.ASGITransport(app=sandbox.asgi)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            AsyncMetronome(
                base_url="http://sandbox", bearer_token=sandbox.token, http_client=http_client, max_retries=0
            ) as client,
        ):
            await client.v1.customers.create(name="Acme")

    with pytest.raises(APIConnectionError) as failed:
        asyncio.run(create())

    assert isinstance(failed.value.__cause__, ConnectionDropped)
    assert names(sandbox) == ["Acme"]


def test_a_fault_may_last_through_a_scenario_and_a_snapshot(sandbox):
    sandbox.faults.last("status", "createCustomer-v1", call=3, status=503)
    sandbox.call("POST", "/v1/customers", {"name": "first"})
    sandbox.load("acme")
    sandbox.call("POST", "/v1/customers", {"name": "second"})
    sandbox.restore(sandbox.snapshot())

    with pytest.raises(CallFailed, match="503"):
        sandbox.call("POST", "/v1/customers", {"name": "third"})
    sandbox.restore(sandbox.snapshot())

    sandbox.call("POST", "/v1/customers", {"name": "fourth"})


def test_calls_of_the_fixture_are_told_from_those_of_the_client_where_that_is_asked_for(sandbox):
    sandbox.own_calls = set()
    client = Connection(sandbox.base_url, sandbox.token)
    for made_by in (sandbox.call, client.ok, sandbox.call):
        made_by("POST", "/v1/customers", {"name": "Acme"})
    client.close()

    assert [call.is_own for call in sandbox.requests] == [True, False, True]


def test_a_dropped_connection_is_no_error_in_anybodys_log(sandbox, caplog):
    sandbox.faults.drop()

    with pytest.raises(CallFailed):
        sandbox.call("POST", "/v1/customers", {"name": "Acme"})
    assert names(sandbox) == []

    assert [record for record in caplog.records if record.name in ("uvicorn.error", CONNECTIONS_LOG)] == []


def test_a_server_that_was_stopped_answers_no_more():
    server = start_server()
    assert is_sandbox(server.url)
    server.stop()

    with pytest.raises(CallFailed):
        is_sandbox(server.url)


def test_the_application_answers_http_and_nothing_else(sandbox):
    async def open_a_websocket() -> None:
        await sandbox.asgi({"type": "websocket"}, None, None)

    with pytest.raises(CannotServe, match="HTTP requests only, received 'websocket'"):
        asyncio.run(open_a_websocket())


def test_a_body_in_pieces_reaches_the_application_whole(sandbox):
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"na', b'me": "Acme"}'):
            yield piece

    async def create() -> int:
        headers = {"authorization": f"Bearer {sandbox.token}", "content-type": "application/json"}
        transport = httpx.ASGITransport(app=sandbox.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as client:
            return (await client.post("/v1/customers", content=pieces())).status_code

    assert asyncio.run(create()) == 200
    assert names(sandbox) == ["Acme"]


def test_calls_of_many_threads_all_arrive(sandbox):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: sandbox.call("POST", "/v1/customers", {"name": str(number)}), range(40)))

    assert sorted(map(int, names(sandbox))) == list(range(40))


# Time, state, journal


def test_the_clock_is_set_and_advanced(sandbox):
    assert sandbox.clock.set(AUGUST).now == datetime(2024, 8, 15, tzinfo=UTC)
    assert sandbox.clock.advance(timedelta(hours=36)).now == datetime(2024, 8, 16, 12, tzinfo=UTC)
    assert sandbox.clock.advance("P1M").now == datetime(2024, 9, 16, 12, tzinfo=UTC)
    assert sandbox.clock.advance(to=datetime(2024, 10, 1, tzinfo=UTC)).events == []
    assert sandbox.clock.now == datetime(2024, 10, 1, tzinfo=UTC)


def test_time_that_passes_tells_what_happened(sandbox):
    sandbox.load("acme")

    events = sandbox.clock.advance(to="2024-09-02T00:00:00Z").events

    assert [event["type"] for event in events] == ["invoice.draft_created", "invoice.finalized"]


def test_a_datetime_without_a_zone_is_refused(sandbox):
    with pytest.raises(ValueError, match="has no time zone"):
        sandbox.clock.set(datetime(2024, 8, 15))


@pytest.mark.parametrize("text", ["15.08.2024", "08/15/2024", "2024-08", "2024-13-01", "tomorrow", ""])
def test_a_text_that_is_no_day_is_named_as_it_was_given(sandbox, text):
    for call in (sandbox.clock.set, lambda to: sandbox.clock.advance(to=to)):
        with pytest.raises(ValueError, match=r'such as "2024-08-15".* or a datetime') as caught:
            call(text)

        assert str(caught.value).endswith(f"received {text!r}")


@pytest.mark.parametrize("arguments", [{}, {"by": "P1D", "to": AUGUST}])
def test_an_advance_is_by_a_duration_or_to_an_instant(sandbox, arguments):
    with pytest.raises(ValueError, match="expected one of a duration and to="):
        sandbox.clock.advance(**arguments)


def test_what_the_control_plane_refuses_is_raised_with_its_message(sandbox):
    with pytest.raises(CallFailed, match="POST /sandbox/clock/advance answered 400: by: 'soon' is no ISO 8601"):
        sandbox.clock.advance("soon")
    with pytest.raises(CallFailed, match="answered 404"):
        sandbox.load("atlantis")


def test_a_restored_tenant_is_what_it_was(sandbox):
    sandbox.priced_contract(name="Acme")
    snapshot = sandbox.snapshot()
    sandbox.call("POST", "/v1/customers", {"name": "Later Inc"})

    sandbox.restore(snapshot)

    assert names(sandbox) == ["Acme"]


def test_the_journal_is_told_in_order_with_faults(sandbox):
    sandbox.faults.status(503, "createCustomer-v1", message="later")
    with pytest.raises(CallFailed, match="answered 503: later"):
        sandbox.call("POST", "/v1/customers", {"name": "Acme"})
    names(sandbox)

    refused, read = sandbox.requests

    assert (refused.operation_id, refused.status, refused.fault) == ("createCustomer-v1", 503, "status")
    assert refused.request_body == {"name": "Acme"}
    assert (read.operation_id, read.status, read.fault) == ("listCustomers-v1", 200, None)
    assert (refused.is_write, read.is_write) == (True, False)


def test_a_read_is_a_read_whatever_its_method_and_so_is_a_preview(sandbox):
    deal = sandbox.priced_contract()
    before = len(sandbox.requests)
    customer = {"customer_id": deal.customer_id}
    sandbox.call("POST", "/v1/contracts/list", customer)
    sandbox.call("POST", "/v1/contracts/customerBalances/getNetBalance", {**customer})
    month = {"inclusive_start_date": "2024-07-01T00:00:00Z", "exclusive_end_date": "2024-08-01T00:00:00Z"}
    for preview in (True, False):
        sandbox._connection.send(
            "POST",
            "/v1/contracts/createHistoricalInvoices",
            {
                "preview": preview,
                "invoices": [
                    {
                        **customer,
                        **month,
                        "contract_id": deal.contract_id,
                        "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
                        "issue_date": "2024-08-01T00:00:00Z",
                        "usage_line_items": [{"product_id": deal.product_id, "quantity": 1, **month}],
                    }
                ],
            },
        )

    assert [call.is_write for call in sandbox.requests[before:]] == [False, False, False, True]


def test_faults_are_listed_and_taken_away(sandbox):
    sandbox.faults.delay(0.01)
    sandbox.faults.broken_json("createCustomer-v1", call=2)
    sandbox.faults.truncated_page("listCustomers-v1", probability=0.5, seed=3)
    names(sandbox)

    assert [(fault["kind"], fault["seen"]) for fault in sandbox.faults.list()] == [
        ("delay", 1),
        ("broken_json", 0),
        ("truncated_page", 1),
    ]
    sandbox.faults.clear()
    assert sandbox.faults.list() == []


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("createCustomer-v1",), "503, 'createCustomer-v1'"),
        (("createCustomer-v1", 429), "429, 'createCustomer-v1'"),
    ],
)
def test_a_fault_with_its_arguments_in_the_wrong_order_shows_the_right_call(sandbox, arguments, meant):
    with pytest.raises(TypeError) as caught:
        sandbox.faults.status(*arguments)
    assert str(caught.value).endswith(f": faults.status({meant})")

    with pytest.raises(TypeError, match=r"number of seconds first .*: faults\.delay\(2\.5, 'createCustomer-v1'\)$"):
        sandbox.faults.delay("createCustomer-v1")
    assert sandbox.faults.list() == []


# In one line


def test_a_priced_contract_bills_what_is_used(sandbox):
    sandbox.clock.set(AUGUST)
    deal = sandbox.priced_contract(price=1000)
    sandbox.use(deal, 3)
    sandbox.use(deal, 0.5, at="2024-08-02T12:00:00Z")

    [draft] = sandbox.invoices(deal)

    assert (draft["status"], draft["total"]) == ("DRAFT", 3500)  # (3 + 0.5) * 1000


def test_a_prepaid_commit_pays_first(sandbox):
    sandbox.clock.set(AUGUST)
    deal = sandbox.priced_contract(price=1000, prepaid=2000)
    sandbox.use(deal, 3)

    [draft] = sandbox.invoices(deal, status="DRAFT")

    assert draft["total"] == 1000  # 3 * 1000 - 2000
    assert sandbox.explain(draft["id"])["balances"][0]["id"] == deal.commit_id


def test_a_contract_begins_when_it_is_told_to(sandbox):
    sandbox.clock.set(AUGUST)
    deal = sandbox.priced_contract(starting_at="2024-08-10")
    sandbox.use(deal, 1, at="2024-08-09T23:59:59Z")
    sandbox.use(deal, 2, at=datetime(2024, 8, 10, tzinfo=UTC))

    [draft] = sandbox.invoices(deal.customer_id)

    assert (draft["start_timestamp"], draft["total"]) == ("2024-08-10T00:00:00+00:00", 2000)  # 2 * 1000


# What changed


def test_the_difference_is_since_the_beginning(sandbox):
    sandbox.clock.set(AUGUST)
    deal = sandbox.priced_contract(price=1000, prepaid=2000)
    sandbox.use(deal, 3)

    said = sandbox.difference()

    assert [line.partition(": ")[0].rpartition(" ")[0] for line in said] == [
        "+ customer",
        "+ contract",
        "+ prepaid balance",
        "+ usage invoice",
    ]
    assert "total 1000" in said[3]


def test_what_a_scenario_brought_is_no_difference_and_what_changed_of_it_is(sandbox):
    ids = sandbox.load("acme")
    assert sandbox.difference() == ()

    event = {"transaction_id": "x", "customer_id": "acme", "event_type": "api_call", "properties": {"calls": "23"}}
    sandbox.call("POST", "/v1/ingest", [{**event, "timestamp": "2024-08-14T00:00:00Z"}], has_answer=False)

    balance, invoice = sandbox.difference()
    # 3 calls before and 26 after, 1000 each; the commit has 25000.
    assert balance.endswith("balance 22000 -> 0")
    assert invoice.startswith("~ usage invoice ")
    assert "total 0 -> 1000" in invoice
    sandbox.call("POST", "/v1/customers/archive", {"id": ids["customers"]["Acme Inc"]})
    assert any(line.startswith("- customer") for line in sandbox.difference())


def test_looking_at_the_difference_shows_in_no_journal(server, sandbox):
    sandbox.priced_contract()
    before = len(sandbox.requests), server_tenants(server)

    sandbox.difference()

    assert (len(sandbox.requests), server_tenants(server)) == before


def server_tenants(server: BackgroundServer) -> int:
    count = httpx.get(f"{server.url}/sandbox/health", trust_env=False).json()["tenants"]
    assert isinstance(count, int)
    return count


# Elsewhere


def test_a_test_that_only_reads_cannot_write(server):
    with closing(Sandbox.of(server, may_write=False)) as sandbox:
        sandbox.load("acme")

        with pytest.raises(MayNotWrite, match=r"POST /v1/customers: .*writes=True"):
            sandbox.priced_contract()
        assert names(sandbox) == ["Acme Inc"]
        assert sandbox.call("POST", "/v1/contract-pricing/rate-cards/list", {})["data"]


def test_a_sandbox_that_runs_already_is_left_empty(server):
    sandbox = Sandbox.at(server.url)
    sandbox.priced_contract()
    sandbox.close()

    with closing(sandbox):  # opened again
        assert names(sandbox) == []
        with pytest.raises(NeedsSandbox, match="an ASGI application"):
            _ = sandbox.asgi


def test_what_only_a_sandbox_can_do_is_named_elsewhere(server):
    real = Sandbox(server.url, "an-account", has_control=False)

    assert real.priced_contract().customer_id in {one["id"] for one in real.call("GET", "/v1/customers")["data"]}
    with pytest.raises(NeedsSandbox, match=r"PUT /sandbox/clock needs a sandbox, and http://.* is none"):
        real.clock.set(AUGUST)
    real.close()
