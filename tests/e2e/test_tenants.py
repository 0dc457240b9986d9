"""Worlds apart that are alike: the same calls get byte-equal answers in each tenant and on each run."""

from __future__ import annotations

from typing import Any

import httpx
from e2e.sdk import AUGUST, JUNE, SEPTEMBER, Acme, connect
from e2e.test_every_operation import CALLS

from metronome_sandbox.demo import running


def played(url: str, token: str) -> list[tuple[str, bytes]]:
    """Play Acme's story in a tenant and return the raw bytes of every answer, beside what was asked."""
    answers: list[tuple[str, bytes]] = []

    def note(response: httpx.Response) -> None:
        response.read()
        answers.append((f"{response.request.method} {response.request.url.path}", response.content))

    with connect(url, token, event_hooks={"response": [note]}) as client:
        acme = Acme.of(client)
        acme.import_june_and_july(preview=True)
        [_, july] = acme.import_june_and_july()
        acme.invoices()
        acme.commit()
        client.v1.invoices.void(id=july.id)
        client.v1.invoices.regenerate(id=july.id)
        list(
            client.v1.customers.invoices.list_breakdowns(
                customer_id=acme.customer_id, starting_on=JUNE, ending_before=SEPTEMBER
            )
        )
        CALLS["createContract-v1"](acme)
        acme.advance("2024-10-15T00:00:00Z")
        acme.invoices()
        list(client.v2.contracts.list(customer_id=acme.customer_id, include_balance=True, include_ledgers=True))
    return answers


def test_two_tenants_and_two_runs_give_byte_equal_answers(url: str, token: str):
    here = played(url, token)

    assert len(here) > 10
    assert played(url, f"{token}-2") == here
    with running(0) as another:
        assert played(another.url, token) == here


def test_what_one_tenant_does_no_other_sees(url: str, token: str):
    with connect(url, token) as one, connect(url, f"{token}-2") as other:
        acme = Acme.of(one)
        Acme.of(other)
        acme.import_june_and_july()
        acme.advance(SEPTEMBER)

        [draft] = other.v1.customers.invoices.list(customer_id=acme.customer_id)
        clock: Any = other.get("/sandbox/clock", cast_to=object)

    assert draft.total == 0
    assert clock["now"] == "2024-08-15T00:00:00Z" or clock["now"] == "2024-08-15T00:00:00.000Z"


def test_a_reset_goes_back_to_the_scenario_and_the_same_calls_get_the_same_ids(acme: Acme):
    ids = acme.ids
    acme.client.v1.customers.create(name="Globex")

    acme.client.post("/sandbox/reset", cast_to=object)

    assert [customer.name for customer in acme.client.v1.customers.list()] == ["Acme Inc"]
    assert Acme.of(acme.client).ids == ids


def test_a_snapshot_brings_a_world_back(acme: Acme):
    acme.import_june_and_july()
    snapshot: Any = acme.client.get("/sandbox/snapshot", cast_to=object)
    before = acme.invoices()
    acme.client.v1.invoices.void(id=before[0].id)
    assert acme.invoices() != before

    acme.client.put("/sandbox/snapshot", body=snapshot, cast_to=object)

    assert acme.invoices() == before
    assert AUGUST[:10] == f"{before[2].start_timestamp:%Y-%m-%d}"
