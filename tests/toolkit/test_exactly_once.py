"""``check --exactly-once``: what becomes of a client's calls when a network does what networks do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toolkit.runs import ALONE, PLUGIN

from metronome_sandbox.cli import main
from metronome_sandbox.serving import BackgroundServer
from metronome_sandbox.toolkit.exactly_once.judgement import Ending, Verdict, judge
from metronome_sandbox.toolkit.exactly_once.runs import Run, Runner, Told
from metronome_sandbox.toolkit.exactly_once.worlds import World, told, world_of
from metronome_sandbox.toolkit.sandboxes import Sandbox, start_server

# Worlds


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    server = start_server()
    yield server
    server.stop()


class Tenant:
    """A tenant, and what it has when it is asked for."""

    def __init__(self, server: BackgroundServer) -> None:
        self.sandbox = Sandbox.of(server)
        self._began_at = datetime.now(UTC)

    def create(self, path: str, **body: Any) -> str:
        made: str = self.sandbox.call("POST", path, body)["data"]["id"]
        return made

    def customer(self, name: str) -> str:
        return self.create("/v1/customers", name=name)

    @property
    def world(self) -> World:
        return world_of(
            {
                "snapshot": json.loads(self.sandbox.snapshot()),
                "things": self.sandbox.things(),
                "began_at": self._began_at.isoformat(),
                "ended_at": datetime.now(UTC).isoformat(),
            }
        )


@pytest.fixture
def tenants(server: BackgroundServer) -> Iterator[tuple[Tenant, Tenant]]:
    one, other = Tenant(server), Tenant(server)
    yield one, other
    one.sandbox.close()
    other.sandbox.close()


def test_other_ids_and_another_order_make_no_other_world(tenants):
    one, other = tenants
    one.customer("Acme")
    one.sandbox.priced_contract(name="Hooli")
    other.sandbox.priced_contract(name="Hooli")
    other.customer("Acme")

    assert told(one.world, other.world) == []
    assert one.world == other.world


def test_a_real_clock_makes_no_other_world(tenants):
    one, other = tenants
    for tenant in tenants:
        tenant.sandbox.use(tenant.sandbox.priced_contract(prepaid=500), 3)

    assert one.world == other.world


def test_a_clock_that_was_set_elsewhere_makes_another_world(tenants):
    one, other = tenants
    one.sandbox.clock.set("2024-08-15")
    other.sandbox.clock.set("2024-08-16")
    for tenant in tenants:
        tenant.customer("Acme")

    assert told(one.world, other.world) == ["customers: 1 otherwise"]


def test_what_belongs_to_somebody_else_makes_another_world(tenants):
    for tenant, owner in zip(tenants, ("Acme", "Hooli"), strict=True):
        owners = {name: tenant.customer(name) for name in ("Acme", "Hooli")}
        tenant.create("/v1/contracts/create", customer_id=owners[owner], starting_at="2024-08-01T00:00:00Z")

    one, other = tenants
    assert "contracts: 1 otherwise" in told(one.world, other.world)


def test_a_second_commit_is_told_in_money_and_in_rows(tenants):
    one, other = tenants
    for tenant, times in ((one, 1), (other, 2)):
        tenant.sandbox.clock.set("2024-08-15")
        deal = tenant.sandbox.priced_contract(price=20, prepaid=500)
        product = tenant.create("/v1/contract-pricing/products/create", name="Top-up", type="FIXED")
        schedule = {"amount": 300, "starting_at": "2024-08-15T00:00:00Z", "ending_before": "2025-08-15T00:00:00Z"}
        for _ in range(times):
            tenant.create(
                "/v1/contracts/customerCommits/create",
                customer_id=deal.customer_id,
                type="PREPAID",
                priority=1,
                product_id=product,
                access_schedule={"schedule_items": [schedule]},
                invoice_contract_id=deal.contract_id,
                invoice_schedule={"schedule_items": [{"timestamp": "2024-08-15T00:00:00Z", "amount": 300}]},
            )

    lines = told(one.world, other.world)

    # 500 of the contract's own commit and 300 for each top-up; each top-up is billed.
    assert lines[:2] == ["sum of balances: 800 -> 1100", "sum of invoices: 300 -> 600"]
    assert {"balances: 1 more", "invoices: 1 more"} <= set(lines)


def test_money_is_added_up_in_each_unit_and_void_invoices_are_none():
    now = datetime.now(UTC).isoformat()
    things = {
        "usage invoice 1": {"status": "DRAFT", "total": "5"},
        "usage invoice 2": {"status": "FINALIZED", "total": "0.1", "unit": "AUD"},
        "scheduled invoice 3": {"status": "FINALIZED", "total": "7"},
        "usage invoice 4": {"status": "VOID", "total": "100"},
        "credit balance 5": {"balance": "20", "unit": "AUD"},
        "customer 6": {"name": "Acme"},
    }

    world = world_of({"snapshot": {"state": {"store": {}}}, "things": things, "began_at": now, "ended_at": now})

    assert world.money == {"invoices": 12, "invoices in AUD": Decimal("0.1"), "balances in AUD": 20}


# Judgement

BEFORE = World({"invoices": Decimal(500)}, Counter({("commits", "a"): 1, ("customers", "a"): 1}))
TWICE = World({"invoices": Decimal(1000)}, Counter({("commits", "a"): 2, ("customers", "a"): 1}))
TWO_CUSTOMERS = World(BEFORE.money, Counter({("commits", "a"): 1, ("customers", "a"): 2}))
NO_COMMIT = World({"invoices": Decimal(900)}, Counter({("customers", "a"): 1}))
OTHERWISE = World(BEFORE.money, Counter({("commits", "b"): 1, ("customers", "a"): 1}))
OTHER_SUM = World({"invoices": Decimal(400)}, OTHERWISE.rows)


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [
        (Verdict.SURVIVES, Ending(BEFORE)),
        (Verdict.DOUBLE_BILLS, Ending(TWICE)),
        (Verdict.DOUBLE_BILLS, Ending(TWICE, "AssertionError", is_claim=True)),
        (Verdict.DOUBLES, Ending(TWO_CUSTOMERS)),
        (Verdict.LOSES, Ending(NO_COMMIT)),  # although more is billed: nothing was paid in advance
        (Verdict.LOSES, Ending(NO_COMMIT, "AssertionError", is_claim=True)),
        (Verdict.FAILS, Ending(NO_COMMIT, "ConnectionError")),
        (Verdict.FAILS, Ending(BEFORE, "ConnectionError")),
        (Verdict.FAILS, Ending(BEFORE, "AssertionError", is_claim=True)),
        (Verdict.DIFFERS, Ending(OTHERWISE, executed=1)),
        (Verdict.DOUBLES, Ending(OTHERWISE, executed=2)),
        (Verdict.DOUBLE_BILLS, Ending(OTHER_SUM, executed=2)),  # a second debit of a balance
        (Verdict.LOSES, Ending(OTHERWISE, executed=0)),
        (Verdict.NO_RESULT, Ending(None)),
    ],
)
def test_each_ending_has_its_verdict(verdict: Verdict, ending: Ending):
    executed = ending.executed if ending.world in (OTHERWISE, OTHER_SUM) else 1
    met = Ending(ending.world, ending.raised, ending.is_claim, is_disturbed=True, executed=executed)

    assert judge(Ending(BEFORE, executed=1), met).verdict is verdict


def test_a_call_that_was_not_made_this_time_proves_nothing():
    assert judge(Ending(BEFORE), Ending(BEFORE, is_disturbed=False)).verdict is Verdict.NOT_REACHED


# The command

CLIENT = """
import json
import os
from http.client import HTTPConnection, HTTPException
from random import random
from urllib.parse import urlsplit

import pytest


def create(name, key=None, tries=2, timeout=None):
    headers = {"Authorization": f"Bearer {os.environ['METRONOME_BEARER_TOKEN']}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    for left in reversed(range(tries)):
        connection = HTTPConnection(urlsplit(os.environ["METRONOME_BASE_URL"]).netloc, timeout=timeout)
        try:
            connection.request("POST", "/v1/customers", json.dumps({"name": name}), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            return
        except (HTTPException, OSError):
            if not left:
                raise
        finally:
            connection.close()
"""

TESTS = (
    CLIENT
    + """
def test_repeats(metronome_sandbox):
    metronome_sandbox.load("acme")
    metronome_sandbox.call("POST", "/v1/customers", {"name": "the fixture's own"})
    create("Acme", timeout=0.2)


def test_repeats_with_a_key(metronome_sandbox):
    metronome_sandbox.restore(metronome_sandbox.snapshot())
    create("Acme", key="1", timeout=0.2)


def test_gives_up(metronome_sandbox):
    create("Acme", tries=1)


def test_says_nothing(metronome_sandbox):
    try:
        create("Acme", tries=1)
    except (HTTPException, OSError):
        pass


def test_notices(metronome_sandbox):
    create("Acme")
    assert len(metronome_sandbox.call("GET", "/v1/customers")["data"]) == 1


def test_disturbs_calls_itself(metronome_sandbox):
    metronome_sandbox.faults.delay(0.001)
    create("Acme")


def test_is_never_the_same(metronome_sandbox):
    create(f"Acme {random()}", key="1")


def test_makes_no_call_of_its_own(metronome_sandbox):
    metronome_sandbox.priced_contract()


def test_has_no_sandbox():
    pass
"""
)


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Any:
    for name, value in {**ALONE, "PYTEST_PLUGINS": PLUGIN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, ["check", "--exactly-once", *arguments])


def test_each_call_is_disturbed_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "test_client.py").write_text(TESTS)
    ways = ("--fault", "lost-answer", "--fault", "dropped", "--fault", "delayed", "--delay-seconds", "0.5")

    done = check(monkeypatch, tmp_path, *ways, "--json", "report.json", "--", "test_client.py")

    assert done.exit_code == 1, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    verdicts: dict[str, list[str]] = {}
    for one in report["outcomes"]:
        verdicts.setdefault(one["test"].partition("::")[2], []).append(one["verdict"])
    assert verdicts == {
        # lost-answer, dropped, delayed
        "test_repeats": ["doubles", "survives", "doubles"],
        "test_repeats_with_a_key": ["survives", "survives", "survives"],
        "test_gives_up": ["fails loudly", "fails loudly", "survives"],
        "test_says_nothing": ["survives", "loses", "survives"],
        "test_notices": ["doubles", "survives", "survives"],
        "test_is_never_the_same": ["not comparable"] * 3,
    }
    assert report["left_out"] == {"test_client.py::test_disturbs_calls_itself": "it disturbs calls itself"}
    assert {one["call"] for one in report["outcomes"] if one["test"].endswith("test_repeats")} == {2}
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Call", "lost-answer", "dropped", "delayed"]
    assert lines[1].startswith("createCustomer-v1  doubles (2 of 6)")
    assert "    the client gave up: http.client.IncompleteRead: " in done.stdout
    assert "    the test noticed: AssertionError: assert 2 == 1" in done.stdout
    assert "    two undisturbed runs end differently, by a real clock or by random values perhaps" in lines
    assert lines[-1].startswith("6 calls of 6 tests, each under 3 faults: 1 loses, 3 doubles, ")


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("", (), "pytest found no tests"),
        ("def test_it(): assert 1 == 2", (), "fail although nothing disturbs them:\ntest_client.py::test_it: assert 1"),
        ("def test_it(): pass", (), "none of the 1 tests that were found uses the fixture metronome_sandbox"),
        ("def test_it(): pass", ("-p", "no:metronome_sandbox.toolkit.pytest_plugin"), "plugin metronome_sandbox"),
        ("def test_it(): pass", ("--metronome-target", "http://127.0.0.1:9"), "in a sandbox of this run; leave it out"),
        ("def test_it(): pass", ("--no-such-option",), "unrecognized arguments: --no-such-option"),
        ("import nothing_of_this_name", (), "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_disturbed_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, arguments: tuple[str, ...], said: str
):
    (tmp_path / "test_client.py").write_text(text)

    done = check(monkeypatch, tmp_path, "--", *arguments, "test_client.py")

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback (most recent" not in done.stderr


def test_an_operation_that_nobody_calls_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "test_client.py").write_text(CLIENT + "\ndef test_it(metronome_sandbox): create('Acme')\n")

    done = check(monkeypatch, tmp_path, "--operation", "createCustomers-v1", "--", "test_client.py")

    assert done.exit_code == 2
    assert "did you mean createCustomer-v1?" in done.stderr


def test_a_run_that_hangs_is_stopped_and_has_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "test_client.py").write_text("from time import sleep\n\ndef test_it(): sleep(60)\n")
    for name, value in {**ALONE, "PYTEST_PLUGINS": PLUGIN}.items():
        monkeypatch.setenv(name, value)
    runner = Runner([str(tmp_path)], jobs=1)
    runner.limit_seconds = 1

    result = runner.one(Run(None, None))

    assert result.status < 0
    assert result.tests.get("test_client.py::test_it", Told()).ending("createCustomer-v1").world is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--exactly-once", "--assumptions"), "--assumptions and --exactly-once are two things to do"),
        (("--exactly-once", "--profile", "smoke"), "--profile does not go with --exactly-once"),
        (("--assumptions", "--suite", "workflows"), "--suite does not go with --assumptions"),
        (("--jobs", "2"), "--jobs goes with --exactly-once"),
        (("--only", "A-void"), "--only goes with --assumptions"),
        (("--", "tests"), "PYTEST_ARGS goes with --exactly-once"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(arguments: tuple[str, ...], said: str):
    done = CliRunner().invoke(main, ["check", *arguments])

    assert done.exit_code == 2
    assert said in done.stderr
