"""Acme's billing against a sandbox. Nothing here starts a server or cleans up; the plugin does."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from figures import AUGUST, CENTS_PER_CALL, TODAY
from metronome import AsyncMetronome

import acme_billing

pytestmark = pytest.mark.metronome(writes=True)


def test_a_month_of_calls_is_billed_a_day_after_its_end(client, subscriber, metronome_sandbox):
    acme_billing.report(client, subscriber, [("a", AUGUST, 3), ("b", TODAY, 4)])
    assert acme_billing.owed(client, subscriber) == {"DRAFT": 140}  # 7 calls of 20 cents

    metronome_sandbox.clock.advance(to="2024-09-02")

    assert acme_billing.owed(client, subscriber) == {"DRAFT": 0, "FINALIZED": 140}


def test_an_event_counts_once(client, subscriber):
    for _ in range(2):
        acme_billing.report(client, subscriber, [("a", AUGUST, 3)])

    assert acme_billing.owed(client, subscriber) == {"DRAFT": 60}  # 3 calls of 20 cents


def test_what_is_paid_in_advance_is_used_first(client, subscriber):
    acme_billing.report(client, subscriber, [("a", TODAY, 30)])
    acme_billing.top_up(client, subscriber, 500, TODAY, order="order-2")

    # The top-up is billed at once; of 30 calls of 20 cents it pays 500.
    assert acme_billing.owed(client, subscriber) == {"FINALIZED": 500, "DRAFT": 100}


def test_every_figure_can_be_explained(client, subscriber, metronome_sandbox):
    acme_billing.report(client, subscriber, [("a", TODAY, 2)])
    [draft] = client.v1.customers.invoices.list(customer_id=subscriber.customer_id).data

    [line] = metronome_sandbox.explain(draft.id)["lines"]

    assert (line["quantity"], line["rate"]["price"], line["total"]) == (2, CENTS_PER_CALL, 40)


# What the network does


def test_the_sdk_repeats_a_post_whose_answer_was_lost_and_so_bills_twice_without_a_key(
    client, subscriber, metronome_sandbox
):
    metronome_sandbox.faults.lose_answer("createCustomerCommit-v1")

    acme_billing.top_up(client, subscriber, 500, TODAY, order=None)

    sent = [call for call in metronome_sandbox.requests if call.operation_id == "createCustomerCommit-v1"]
    assert [call.fault for call in sent] == ["lose_answer", None]
    assert acme_billing.owed(client, subscriber)["FINALIZED"] == 1000  # one top-up of 500, billed twice


def test_with_a_key_the_repetition_is_harmless(client, subscriber, metronome_sandbox):
    metronome_sandbox.faults.lose_answer("createCustomerCommit-v1")

    acme_billing.top_up(client, subscriber, 500, TODAY, order="order-2")

    assert acme_billing.owed(client, subscriber)["FINALIZED"] == 500


@pytest.mark.parametrize("operation", ["createCustomer-v1", "createContract-v1"])
def test_a_lost_answer_signs_nobody_up_twice(client, price, metronome_sandbox, operation):
    metronome_sandbox.faults.lose_answer(operation)

    subscriber = acme_billing.sign_up(client, "Globex", price, AUGUST, order="order-1")

    assert [customer.id for customer in client.v1.customers.list()] == [subscriber.customer_id]
    [contract] = client.v2.contracts.list(customer_id=subscriber.customer_id).data
    assert contract.id == subscriber.contract_id


def test_a_rate_limit_is_waited_for(client, subscriber, metronome_sandbox):
    metronome_sandbox.faults.status(429, "ingest-v1", retry_after_seconds=1)

    acme_billing.report(client, subscriber, [("a", TODAY, 1)])

    assert acme_billing.owed(client, subscriber) == {"DRAFT": 20}


# Other ways


def test_an_asynchronous_client_needs_no_port(client, subscriber, metronome_sandbox):
    async def names() -> list[str]:
        transport = httpx.ASGITransport(app=metronome_sandbox.asgi)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            AsyncMetronome(http_client=http_client) as client,
        ):
            return [customer.name async for customer in client.v1.customers.list()]

    assert asyncio.run(names()) == ["Globex"]


def test_a_contract_in_one_line_is_enough_for_small_things(metronome_sandbox):
    metronome_sandbox.clock.set(TODAY)
    deal = metronome_sandbox.priced_contract(price=20, prepaid=500)
    metronome_sandbox.use(deal, 30)

    [draft] = metronome_sandbox.invoices(deal)

    assert draft["total"] == 100  # 30 * 20 - 500
