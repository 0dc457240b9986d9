"""``generate --push``: everything arrives once, in order, and every total is the one that was worked out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from generator.generating import generate
from toolkit.servers import answering, says

from metronome_sandbox.generator import push, push_customer
from metronome_sandbox.generator.customers import number_of
from metronome_sandbox.generator.worlds import World
from metronome_sandbox.serving import BackgroundServer
from metronome_sandbox.toolkit.sandboxes import Sandbox

SMALL = {"customers": 8, "months": 14}


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    started = BackgroundServer(journal_size=1000)
    yield started
    started.stop()


@pytest.fixture
def tenant(server: BackgroundServer) -> Iterator[Sandbox]:
    one = Sandbox.of(server)
    yield one
    one.close()


def pushed(folder: Path, tenant: Sandbox, *arguments: str, **values: object) -> Any:
    return generate(folder, "--push", tenant.base_url, "--token", tenant.token, *arguments, **{**SMALL, **values})


def world_of(tenant: Sandbox) -> list[Any]:
    """Return what a tenant has, without the ids, which depend on the order of calls."""
    found = []
    for customer in tenant.call("GET", "/v1/customers?limit=100")["data"]:
        contracts = tenant.call("POST", "/v1/contracts/list", {"customer_id": customer["id"]})["data"]
        balances = tenant.call(
            "POST", "/v1/contracts/customerBalances/list", {"customer_id": customer["id"], "include_balance": True}
        )["data"]
        invoices = tenant.call("GET", f"/v1/customers/{customer['id']}/invoices?type=USAGE&limit=100")["data"]
        billed = sorted((one["start_timestamp"], one["status"], one["total"], one["issued_at"]) for one in invoices)
        left = sorted((one["name"], one["balance"]) for one in balances)
        found.append((customer["ingest_aliases"], customer["name"], len(contracts), left, billed))
    return sorted(found)


def writes(tenant: Sandbox) -> list[str]:
    return [call.path for call in tenant.requests if call.method == "POST" and not call.path.endswith("list")]


def test_every_total_is_the_one_that_was_worked_out(tmp_path: Path, tenant: Sandbox):
    done = pushed(tmp_path, tenant)

    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "manifest.json").read_bytes(), parse_float=Decimal)
    there = world_of(tenant)
    assert len(there) == SMALL["customers"]
    standing = [one for _, _, _, _, billed in there for one in billed if one[1] == "FINALIZED"]
    assert len(standing) == manifest["counts"]["invoices"] - manifest["counts"]["voids"]
    total = sum(Decimal(str(one[2])) for one in standing)
    assert abs(total - manifest["sums"]["total"]) < Decimal("0.001")
    assert f"total by the answers {manifest['sums']['total'] / 100:,.2f}" in " ".join(
        done.output.replace("$", "").split()
    )
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_hours_are_pushed_as_days_are(tmp_path: Path, tenant: Sandbox, server: BackgroundServer):
    with closing(Sandbox.of(server)) as other:
        by_day = pushed(tmp_path / "day", other, customers=4, months=6)
        by_hour = pushed(tmp_path / "hour", tenant, "--granularity", "hour", customers=4, months=6)

        assert (by_day.exit_code, by_hour.exit_code) == (0, 0), by_hour.output
        assert world_of(tenant) == world_of(other)


def test_corrected_invoices_are_voided_first(tmp_path: Path, tenant: Sandbox):
    done = pushed(tmp_path, tenant, customers=30, months=14)

    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    voided = [one for _, _, _, _, billed in world_of(tenant) for one in billed if one[1] == "VOID"]
    assert len(voided) == manifest["counts"]["voids"] > 0


def test_pushed_again_nothing_is_sent(tmp_path: Path, tenant: Sandbox):
    pushed(tmp_path, tenant)
    before = world_of(tenant)
    tenant.call("GET", "/v1/customers")
    sent = len(writes(tenant))

    again = pushed(tmp_path, tenant)

    assert again.exit_code == 0, again.output
    assert "customers that were there already 8" in " ".join(again.output.split())
    assert len(writes(tenant)) == sent
    assert world_of(tenant) == before


@pytest.fixture(scope="module")
def undisturbed(server: BackgroundServer, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return what a push that nobody stops leads to."""
    with closing(Sandbox.of(server)) as tenant:
        assert pushed(tmp_path_factory.mktemp("undisturbed"), tenant).exit_code == 0
        return world_of(tenant)


@pytest.mark.parametrize("keeps_journal", [True, False])
@pytest.mark.parametrize("calls", [1, 12, 26, 31, 38])
def test_stopped_after_any_call_it_ends_as_undisturbed(
    tmp_path: Path,
    tenant: Sandbox,
    undisturbed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    calls: int,
    keeps_journal: bool,
):
    """The push ends after so many answers, and goes on with what it noted or without."""
    with monkeypatch.context() as patched:
        stop_after(patched, calls)
        assert pushed(tmp_path, tenant).exit_code == 130
    if not keeps_journal:
        for file in (tmp_path / "pushed").iterdir():
            file.unlink()

    again = pushed(tmp_path, tenant)

    assert again.exit_code == 0, again.output
    assert world_of(tenant) == undisturbed


def stop_after(patched: pytest.MonkeyPatch, calls: int) -> None:
    """Let the push end right after so many answered calls."""
    send = push.Sender.send
    left = calls

    def counted(self: push.Sender, *arguments: Any) -> Any:
        nonlocal left
        left -= 1
        answer = send(self, *arguments)
        if left <= 0:
            raise KeyboardInterrupt
        return answer

    patched.setattr(push.Sender, "send", counted)


def test_what_was_left_half_done_is_found_without_idempotency_keys(
    tmp_path: Path, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """A day later a host has forgotten them. Names are taken then, and the invoices that are there are left alone."""
    with monkeypatch.context() as patched:
        stop_after(patched, 45)
        assert pushed(tmp_path, tenant).exit_code == 130
    send = push.Sender.send
    monkeypatch.setattr(
        push.Sender,
        "send",
        lambda self, method, path, body=None, key=None: send(self, method, path, body, key and f"new{key[3:]}"),
    )

    again = pushed(tmp_path, tenant)

    assert again.exit_code == 0, again.output
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    there = [one for _, _, _, _, billed in world_of(tenant) for one in billed if one[1] in ("FINALIZED", "VOID")]
    assert len(there) == manifest["counts"]["invoices"]


def test_lost_answers_change_nothing(tmp_path: Path, tenant: Sandbox, undisturbed: list[Any]):
    """The work is done and the answer never comes; what is sent again is not done again."""
    for operation in ("createCustomer-v1", "createContract-v1", "createHistoricalContractUsageInvoices-v1"):
        tenant.faults.lose_answer(operation, call=2, count=2)

    done = pushed(tmp_path, tenant)

    assert done.exit_code == 0, done.output
    assert sum(fault["disturbed"] for fault in tenant.faults.list()) == 6
    assert world_of(tenant) == undisturbed


def test_a_control_plane_that_does_not_know_us_is_told(tmp_path: Path):
    with answering(says(b'{"message": "wrong control token"}', status=401)) as url:
        done = generate(tmp_path, "--push", url, "--token", "t", **SMALL)

    assert done.exit_code == 2
    assert "GET /sandbox/clock answered 401: wrong control token" in done.stderr


def test_an_account_is_not_billed_in_its_future(tmp_path: Path):
    """No control plane, so time is what it is."""
    with answering(says(b"{}", status=404)) as url:
        done = generate(tmp_path, "--push", url, "--token", "t", **{**SMALL, "start": "2199-01"})

    assert done.exit_code == 2
    assert "and the last invoice is issued by 2200-03-26T00:00:00Z; choose an earlier --start" in done.stderr


def test_contracts_alone_are_pushed_for_an_import(tmp_path: Path, tenant: Sandbox):
    done = pushed(tmp_path, tenant, "--without-invoices")
    again = pushed(tmp_path, tenant, "--without-invoices")

    assert (done.exit_code, again.exit_code) == (0, 0), done.output
    there = world_of(tenant)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert len(there) == SMALL["customers"]
    assert sum(contracts for _, _, contracts, _, _ in there) == manifest["counts"]["contracts"]
    assert [one for _, _, _, _, billed in there for one in billed if one[1] != "DRAFT"] == []


def test_another_total_is_a_finding(tmp_path: Path, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """A server whose prices are a tenth higher."""
    rates = World.rates

    def dearer(self: World) -> list[Any]:
        found = rates(self)
        for one in found:
            for rate in one["rates"]:
                if "price" in rate:
                    rate["price"] *= Decimal("1.1")
        return found

    make = generate(tmp_path, **SMALL)
    assert make.exit_code == 0
    monkeypatch.setattr(World, "rates", dearer)
    monkeypatch.setattr(World, "catalog_json", lambda self: json.loads((tmp_path / "catalog.json").read_bytes()))
    done = pushed(tmp_path, tenant)

    assert done.exit_code == 1, done.output
    assert "Totals that differ, in cents" in done.stdout
    assert "customer-000" in done.stdout


def test_a_sandbox_that_was_reset_gets_everything_again(tmp_path: Path, tenant: Sandbox):
    pushed(tmp_path, tenant)
    before = world_of(tenant)
    tenant._control("POST", "/sandbox/reset")

    again = pushed(tmp_path, tenant)

    assert again.exit_code == 0, again.output
    assert "has nothing of the earlier push; all is pushed again" in again.stderr
    assert world_of(tenant) == before


def test_another_host_is_not_written_to_without_a_word(tmp_path: Path):
    done = generate(tmp_path, "--push", "http://billing.example", "--token", "t", **SMALL)

    assert done.exit_code == 2
    assert "add --yes-write-to billing.example" in done.stderr
    assert list(tmp_path.iterdir()) == []  # it is told before anything is made


@pytest.mark.parametrize("url", ["127.0.0.1:4010", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://[::1", ""])
def test_what_is_no_address_is_told(tmp_path: Path, url: str):
    done = generate(tmp_path, "--push", url, "--token", "t", **SMALL)

    assert done.exit_code == 2
    assert f"--push: {url!r} is no address such as http://127.0.0.1:4010" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_one_sentence(tmp_path: Path):
    done = generate(tmp_path, "--push", "http://127.0.0.1:9", "--token", "t", **SMALL)

    assert done.exit_code == 2
    assert "nobody answers at 127.0.0.1" in done.stderr


def test_a_clock_that_is_too_early_is_told(tmp_path: Path, tenant: Sandbox):
    tenant.clock.set("2023-06-01")

    done = pushed(tmp_path, tenant)

    assert done.exit_code == 2
    assert "it is 2023-06-01T00:00:00Z, and the last invoice is issued by 2024-03-26T00:00:00Z" in done.stderr


def test_a_customer_of_somebody_else_is_not_taken(tmp_path: Path, tenant: Sandbox):
    tenant.call("POST", "/v1/customers", {"name": "Somebody", "ingest_aliases": ["customer-000005"]})

    done = pushed(tmp_path, tenant)

    assert done.exit_code == 2
    assert "customer-000005: this ingest alias belongs to another customer" in done.stderr
    assert writes(tenant) == ["/v1/customers"]  # theirs
    assert tenant._control("GET", "/sandbox/clock")["is_frozen"] is False


def test_another_world_in_the_same_tenant_is_refused_before_anything_is_made(tmp_path: Path, tenant: Sandbox):
    assert pushed(tmp_path / "first", tenant).exit_code == 0
    before, made = world_of(tenant), len(writes(tenant))

    done = pushed(tmp_path / "second", tenant, seed=8)

    assert done.exit_code == 2
    assert "this ingest alias belongs to another customer" in done.stderr  # of the one that was made first
    assert len(writes(tenant)) == made
    assert world_of(tenant) == before


def test_an_alias_of_an_archived_customer_is_refused_before_anything_is_made(tmp_path: Path, tenant: Sandbox):
    """It is found on the second page of the archived ones."""
    for number in range(120, 0, -1):
        alias = f"customer-{number:06d}" if number in (1, 120) else f"somebody-{number}"
        made = tenant.call("POST", "/v1/customers", {"name": "Somebody", "ingest_aliases": [alias]})
        tenant.call("POST", "/v1/customers/archive", {"id": made["data"]["id"]})
    before = len(writes(tenant))

    done = pushed(tmp_path, tenant)

    assert done.exit_code == 2
    assert "customer-000001: this ingest alias belongs to another customer" in done.stderr
    assert len(writes(tenant)) == before


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("customer-000001", 1),
        ("customer-1234567", 1234567),
        ("customer-000000", None),
        ("customer-1", None),
        ("customer-", None),
        ("customer-\u0661", None),
        ("customer-" + "9" * 5000, None),
        ("000001", None),
    ],
)
def test_only_a_key_as_it_is_written_is_a_customer_of_ours(key: str, number: int | None):
    assert number_of(key) == number


def test_the_token_is_in_no_file(tmp_path: Path, tenant: Sandbox):
    pushed(tmp_path, tenant)

    assert all(tenant.token.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_batch_is_no_larger_than_it_may_be(tmp_path: Path, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(push_customer, "MAX_BATCH_BYTES", 60_000)

    done = pushed(tmp_path, tenant)

    assert done.exit_code == 0, done.output
    imports = [call for call in tenant.requests if call.path.endswith("createHistoricalInvoices")]
    assert len(imports) > 2 * SMALL["customers"]
