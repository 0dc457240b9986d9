"""Tests of a user that are recorded and played again: what replays, what does not, and what is said of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from toolkit.live import Live
from toolkit.runs import Run, runner

from metronome_sandbox.api.app import create_app
from metronome_sandbox.listening import ConnectionDropped
from metronome_sandbox.toolkit import har
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent
from metronome_sandbox.toolkit.recording import named_by
from metronome_sandbox.toolkit.suite_recording import Recorder, Tee, put_together
from metronome_sandbox.toolkit.suite_replay import Player

TOKEN = "live-token-0123456789"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(pytester, monkeypatch)


SUITE = """
    import asyncio

    import httpx
    import pytest
    from metronome import Metronome


    @pytest.mark.parametrize("quantity", [2, 3])
    def test_usage_is_billed(metronome_sandbox, quantity):
        metronome_sandbox.clock.set("2024-08-15")
        deal = metronome_sandbox.priced_contract(price=20)
        metronome_sandbox.use(deal, quantity)
        [draft] = metronome_sandbox.invoices(deal)
        assert (draft["status"], draft["total"]) == ("DRAFT", 20 * quantity)
        metronome_sandbox.clock.advance(to="2024-09-02")
        [final] = metronome_sandbox.invoices(deal, status="FINALIZED")
        assert final["total"] == 20 * quantity
        assert metronome_sandbox.explain(final["id"])["lines"][0]["quantity"] == quantity


    def test_a_world_comes_back(metronome_sandbox):
        ids = metronome_sandbox.load("acme")
        before = metronome_sandbox.snapshot()
        metronome_sandbox.call("POST", "/v1/customers/archive", {"id": ids["customers"]["Acme Inc"]})
        assert [line for line in metronome_sandbox.difference() if line.startswith("- customer")]
        metronome_sandbox.restore(before)
        assert metronome_sandbox.difference() == ()


    def test_a_lost_answer_makes_two(metronome_sandbox):
        metronome_sandbox.faults.lose_answer("createCustomer-v1")
        with Metronome() as client:
            client.v1.customers.create(name="Acme")
            assert len(client.v1.customers.list().data) == 2
        assert [call.fault for call in metronome_sandbox.requests][:2] == ["lose_answer", None]


    def test_without_a_port(metronome_sandbox):
        async def created():
            transport = httpx.ASGITransport(app=metronome_sandbox.asgi)
            headers = {"Authorization": f"Bearer {metronome_sandbox.token}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
                return (await client.post("/v1/customers", json={"name": metronome_sandbox.token})).json()

        assert asyncio.run(created())["data"]["id"]


    @pytest.mark.metronome(writes=False)
    def test_reads(metronome_sandbox):
        assert metronome_sandbox.call("GET", "/v1/customers")["data"] == []
"""


def test_a_suite_passes_against_its_own_recording_in_any_order(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"

    recorded = run(SUITE, "--metronome-record", str(file))
    replayed = run(SUITE, f"--metronome-target={file}", "-k", "not world")

    recorded.assert_outcomes(passed=6)
    recorded.stdout.fnmatch_lines([f"metronome recording: * calls of 6 tests that passed: {file}"])
    replayed.assert_outcomes(passed=5, deselected=1)
    replayed.stdout.fnmatch_lines([f"metronome target: {file}", "metronome recording: * recorded calls"])
    tree = json.loads(file.read_text())["log"]
    assert {page["title"] for page in tree["pages"]} == {entry["pageref"] for entry in tree["entries"]}
    assert "test_suite_recording" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("*.part")) == []


def test_workers_of_xdist_record_into_one_file(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"

    recorded = run(SUITE, "--metronome-record", str(file), "-p", "xdist", "-n", "2")
    replayed = run(SUITE, f"--metronome-target={file}", "-p", "xdist", "-n", "2")

    recorded.assert_outcomes(passed=6)
    recorded.stdout.fnmatch_lines([f"metronome recording: * calls of 6 tests that passed: {file}"])
    replayed.assert_outcomes(passed=6)
    assert list(tmp_path.glob("*.part")) == []


TROUBLE = """
    import pytest

    def create(sandbox, **customer):
        return sandbox.call("POST", "/v1/customers", customer)["data"]

    def test_fine(metronome_sandbox):
        create(metronome_sandbox, name="Acme")

    def test_swallows(metronome_sandbox):
        try:
            create(metronome_sandbox, name="Acme")
        except Exception:
            pass

    def test_fails(metronome_sandbox):
        create(metronome_sandbox, name="Acme")
        assert FINE

    def test_is_skipped(metronome_sandbox):
        create(metronome_sandbox, name="Acme")
        if not FINE:
            pytest.skip("not on a Sunday")

    @pytest.mark.xfail(strict=True)
    def test_is_not_there_yet(metronome_sandbox):
        assert not create(metronome_sandbox, name="Acme")

    @pytest.mark.metronome(replays=False)
    def test_by_chance(metronome_sandbox):
        create(metronome_sandbox, name="Acme")

    FINE = False
"""


def test_what_the_recording_lacks_fails_the_test_and_names_the_nearest_call(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"
    recorded = run(TROUBLE, "--metronome-record", str(file))
    as_it_was = run(TROUBLE, f"--metronome-target={file}", "-k", "fine or swallows or not_there")
    changed = TROUBLE.replace('name="Acme"', 'name="Globex"').replace("FINE = False", "FINE = True")

    replayed = run(changed, f"--metronome-target={file}", "-rs")

    recorded.assert_outcomes(passed=3, failed=1, skipped=1, xfailed=1)
    as_it_was.assert_outcomes(passed=2, xfailed=1, deselected=3)
    # What swallows the refusal passes, and is an error when it ends; what is expected to fail is so at both.
    replayed.assert_outcomes(failed=2, passed=1, errors=1, skipped=2, xfailed=2)
    nearest = 'the recording has no such call of createCustomer-v1; the nearest of 1 differs at name: recorded "Acme"*'
    replayed.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_swallows*",
            f"{file} lacks 1 call of this test:",
            f"  {nearest}",
            f"If that is what the test should ask, record it again: --metronome-record {file}",
            "*_ test_fine _*",
            f"E *501: {nearest}",
            "*- metronome: the recording -*",
            "*_ test_fails _*",
            "  it holds no call of this test, which was not there, or failed, when *",
            "SKIPPED*it was skipped when it was recorded: not on a Sunday",
            "SKIPPED*it is kept out of recordings by metronome(replays=False)",
        ]
    )


def test_an_interrupted_run_leaves_the_earlier_recording(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"
    file.write_text("the earlier one")

    result = run(
        """
        import pytest

        def test_fine(metronome_sandbox):
            metronome_sandbox.call("GET", "/v1/customers")

        def test_the_end():
            pytest.exit("enough")
        """,
        *("--metronome-record", str(file)),
    )

    result.stdout.fnmatch_lines(["metronome recording: the run was not finished, so * was not written"])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the earlier one"]


def test_a_run_without_calls_leaves_it_too(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"
    file.write_text("the earlier one")

    result = run("def test_fine(metronome_sandbox): pass", "--metronome-record", str(file))

    result.stdout.fnmatch_lines(["metronome recording: no test that passed made a call, so * was not written"])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the earlier one"]


def test_a_recording_that_cannot_be_written_ends_the_run_with_a_sentence(run: Run, tmp_path: Path):
    file = tmp_path / "calls.har"

    result = run(
        f"""
        import pathlib

        def test_in_the_way(metronome_sandbox):
            pathlib.Path({str(file)!r} + ".main.part").mkdir()
            metronome_sandbox.call("GET", "/v1/customers")
        """,
        *("--metronome-record", str(file)),
    )
    again = run("def test_fine(metronome_sandbox): pass", "--metronome-record", str(file))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*Exit: --metronome-record: {file}.main.part: Is a directory*"])
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    again.stderr.fnmatch_lines([f"ERROR: --metronome-record: {file}.main.part: *"])


def test_a_test_that_is_run_again_is_recorded_when_it_passes(run: Run, tmp_path: Path, pytester: pytest.Pytester):
    file = tmp_path / "calls.har"
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                runtestprotocol(item, nextitem=nextitem)
            return True
        """
    )

    result = run(
        """
        TIMES = []

        def test_unsteady(metronome_sandbox):
            TIMES.append(1)
            metronome_sandbox.call("GET", f"/v1/customers?limit={len(TIMES)}")
            assert len(TIMES) == 2
        """,
        *("--metronome-record", str(file)),
    )

    result.assert_outcomes(passed=1, failed=1)
    assert [one.exchange.sent.query for one in har.read(file).entries] == ["limit=2"]


# The real API

REAL = """
    import pytest

    @pytest.mark.metronome(writes=True)
    def test_writes(metronome_sandbox):
        made = metronome_sandbox.call("POST", "/v1/customers", {"name": "Acme"})["data"]
        assert metronome_sandbox.call("GET", f"/v1/customers/{made['id']}")["data"]["name"] == "Acme"

    @pytest.mark.metronome(writes=False)
    def test_travels(metronome_sandbox):
        metronome_sandbox.clock.advance("P1M")
"""


@contextmanager
def real() -> Iterator[str]:
    """An API without a control plane."""
    sandbox = create_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path", "").startswith("/sandbox/"):
            scope = {**scope, "path": "/nothing", "raw_path": b"/nothing"}
        await sandbox(scope, receive, send)

    with Live(app) as live:
        yield live.url


def test_what_the_real_api_answered_replays_without_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "calls.har"
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", TOKEN)
    with real() as url:
        options = ("--metronome-target", url, "--metronome-allow-writes", "yes, write to 127.0.0.1")
        recorded = run(REAL, *options, "--metronome-record", str(file))
    monkeypatch.delenv("METRONOME_BEARER_TOKEN")

    replayed = run(REAL, f"--metronome-target={file}", "-rs")

    recorded.assert_outcomes(passed=1, skipped=1)
    recorded.stdout.fnmatch_lines(["metronome recording: 2 calls of 1 test that passed: *"])
    replayed.assert_outcomes(passed=1, skipped=1)
    replayed.stdout.fnmatch_lines(["SKIPPED*it was skipped when it was recorded: *needs a sandbox*"])
    assert TOKEN not in file.read_text()
    assert {one.origin for one in har.read(file).entries} == {url}


def test_what_only_a_sandbox_can_do_is_skipped_where_none_was_recorded(run: Run, tmp_path: Path):
    har.write(tmp_path / "calls.har", [CALL], "https://api.example.com")

    result = run(
        """
        def test_reads(metronome_sandbox):
            assert metronome_sandbox.call("GET", "/v1/customers")["data"] == []

        def test_travels(metronome_sandbox):
            metronome_sandbox.clock.advance("P1M")
        """,
        *(f"--metronome-target={tmp_path / 'calls.har'}", "-rs"),
    )

    # A recording that knows no tests, of the proxy for example, is played to all of them.
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*POST /sandbox/clock/advance needs a sandbox, and * is none"])


# What is wrong with an option

CALL = Exchange(
    Sent("GET", "/v1/customers"),
    Answered(200, (("content-type", "application/json"),), b'{"data": [], "next_page": null}'),
    datetime(2024, 8, 1, tzinfo=UTC),
)
ENTRY = {
    "request": {"method": "GET", "url": "https://www.example.com/", "headers": []},
    "response": {"status": 200, "headers": [], "content": {"text": "<html>"}},
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "is no HAR file, which is JSON"),
        (json.dumps({"log": {"entries": [ENTRY]}}), "holds 1 calls, and none of them is a call of the billing API"),
        (json.dumps({"log": {"entries": [], "_suite": []}}), "log._suite: expected an object, received list"),
        (300 * 1024 * 1024, "has 300 MB; a recording may have 256"),
    ],
    ids=["html", "browser", "suite", "300 MB"],
)
def test_a_target_that_is_no_recording_is_wrong_usage(run: Run, tmp_path: Path, text: str | int, said: str):
    with (tmp_path / "calls.har").open("w") as file:
        _ = file.truncate(text) if isinstance(text, int) else file.write(text)

    result = run(REAL, f"--metronome-target={tmp_path / 'calls.har'}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --metronome-target: {tmp_path}/calls.har *{said.replace('[', '[[]')}*"])
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize("file", ["calls.txt", "nowhere/calls.har"])
def test_a_recording_goes_into_a_har_file_in_a_directory(run: Run, file: str):
    result = run(REAL, "--metronome-record", file)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --metronome-record *: expected a file FILE.har in a directory that is there"])


def test_a_recording_is_counted_by_another_command(run: Run, tmp_path: Path):
    har.write(tmp_path / "calls.har", [CALL], "https://api.example.com")

    result = run(REAL, f"--metronome-target={tmp_path / 'calls.har'}", "--metronome-coverage", "used.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*counted by metronome-sandbox coverage --har *calls.har"])


def test_a_recording_is_not_recorded_again(run: Run, tmp_path: Path):
    har.write(tmp_path / "calls.har", [CALL], "https://api.example.com")

    result = run(REAL, f"--metronome-target={tmp_path / 'calls.har'}", "--metronome-record", "more.har")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --metronome-record: what a recording answers is recorded already*"])


def test_today_s_document_is_held_against_a_recording(tmp_path: Path):
    file = tmp_path / "calls.har"
    stale = Exchange(
        CALL.sent, Answered(200, CALL.answered.headers, b'{"data": 5, "next_page": null}'), CALL.started_at
    )
    har.write(file, [CALL, stale], "https://api.example.com")

    told = list(Player(file).told())

    assert told[0] == "2 recorded calls"
    assert told[1].startswith(
        "today's document disagrees with recorded answers in 1 place, the first: listCustomers-v1"
    )


# The parts


@pytest.mark.parametrize(
    ("test", "names", "name"),
    [
        ("tests/test_a.py::test", {"tests/test_a.py::test", "test_a.py::test"}, "tests/test_a.py::test"),
        ("test_a.py::test", {"tests/test_a.py::test"}, "tests/test_a.py::test"),
        ("app/tests/test_a.py::test", {"tests/test_a.py::test"}, "tests/test_a.py::test"),
        ("test_a.py::test", {"one/test_a.py::test", "two/test_a.py::test"}, None),
        ("a.py::test", {"test_a.py::test"}, None),
    ],
)
def test_a_test_is_known_by_its_name_wherever_pytest_is_started(test: str, names: set[str], name: str | None):
    assert named_by(test, names) == name


def heard(app: Any, **request: Any) -> tuple[list[Exchange], list[Any]]:
    """Return what a tee tells and what the client gets of one call, each item with how much of the other is there."""
    exchanges: list[Exchange] = []
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append((message["type"], len(exchanges)))

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "headers": [], **request}
    asyncio.run(Tee(app, exchanges.append)(scope, receive, send))
    return exchanges, sent


def test_a_call_is_noted_before_its_client_knows_that_it_is_over():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await send({"type": "http.response.body", "body": b"2"})

    [exchange], sent = heard(app)

    assert (exchange.sent.body, exchange.answered) == (b"{}", Answered(200, (), b"12"))
    assert sent == [("http.response.start", 0), ("http.response.body", 0), ("http.response.body", 1)]


def test_a_client_that_counts_bytes_knows_it_earlier():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"12", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    [exchange], sent = heard(app)

    assert exchange.answered.body == b"12"
    assert sent == [("http.response.start", 0), ("http.response.body", 1), ("http.response.body", 1)]


def test_a_call_that_is_broken_off_is_noted_as_one():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    [exchange], _ = heard(app)

    assert exchange.answered.is_dropped


def recorded(file: Path, *calls: Exchange) -> Path:
    recorder = Recorder(file, "")
    recorder.keep("test_a.py::test", list(calls), TOKEN, is_sandbox=True)
    recorder.close()
    put_together(file)
    return file


def test_a_worker_that_crashes_loses_only_the_test_that_it_ran(tmp_path: Path):
    file = tmp_path / "calls.har"
    recorder = Recorder(file, "gw0")
    recorder.keep("test_a.py::test", [CALL], TOKEN, is_sandbox=True)
    (tmp_path / "calls.har.gw1.part").write_text('{"test": "test_a.py::test_half", "entr')

    assert put_together(file) == (1, 1)
    assert [one.exchange.test for one in har.read(file).entries] == ["test_a.py::test"]
    recorder.close()


def test_a_dropped_connection_is_dropped_again(tmp_path: Path):
    dropped = Exchange(CALL.sent, Answered(200, is_dropped=True), CALL.started_at)
    player = Player(recorded(tmp_path / "calls.har", dropped, CALL))
    player.begin("test_a.py::test")
    with httpx.Client(base_url=player.url, trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/v1/customers")
        assert client.get("/v1/customers").json()["data"] == []
    player.stop()


def test_without_a_port_a_dropped_connection_raises(tmp_path: Path):
    player = Player(
        recorded(tmp_path / "calls.har", CALL, Exchange(CALL.sent, Answered(200, is_dropped=True), CALL.started_at))
    )
    player.begin("test_a.py::test")

    async def ask() -> Any:
        transport = httpx.ASGITransport(app=player.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get("/v1/customers")).status_code == 200
            await client.get("/v1/customers")

    with pytest.raises(ConnectionDropped):
        asyncio.run(ask())


def test_the_token_is_no_difference(tmp_path: Path):
    headers = (("Authorization", f"Bearer {TOKEN}"),)
    event = Sent("POST", "/v1/ingest", "", headers, json.dumps([{"transaction_id": f"{TOKEN}-1"}]).encode())
    player = Player(recorded(tmp_path / "calls.har", Exchange(event, Answered(200), CALL.started_at)))
    player.begin("test_a.py::test")

    other = "another-token-9876543210"
    with httpx.Client(base_url=player.url, trust_env=False, headers={"Authorization": f"Bearer {other}"}) as client:
        assert client.post("/v1/ingest", json=[{"transaction_id": f"{other}-1"}]).status_code == 200
        assert client.post("/v1/ingest", json=[{"transaction_id": f"{other}-2"}]).status_code == 501
    player.stop()

    assert "lacks 1 call" in player.missing()
    assert TOKEN not in (tmp_path / "calls.har").read_text()
