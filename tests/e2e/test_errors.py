"""What a client of the SDK sees when it is refused, and when it repeats itself."""

from __future__ import annotations

from typing import Any

import pytest
from e2e.sdk import AUGUST, JULY, JUNE, Acme, StrictClient, connect
from metronome import APIStatusError, AuthenticationError, BadRequestError, ConflictError, NotFoundError

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_a_uniqueness_key_is_taken_once(acme: Acme):
    def create() -> Any:
        return acme.client.v1.contracts.create(
            customer_id=acme.customer_id,
            rate_card_id=acme.rate_card_id,
            starting_at=JULY,
            uniqueness_key="migration-42",
        )

    create()
    with pytest.raises(ConflictError) as refused:
        create()

    assert refused.value.body == {"message": "This uniqueness key has already been used."}
    assert len(list(acme.client.v1.contracts.list(customer_id=acme.customer_id))) == 2


def test_an_ingest_alias_belongs_to_one_customer(acme: Acme):
    with pytest.raises(ConflictError, match="already belongs to customer"):
        acme.client.v1.customers.create(name="Acme again", ingest_aliases=["acme"])


def test_a_repeated_idempotency_key_gets_the_first_answer_again(acme: Acme):
    def send(quantity: float) -> Any:
        return acme.client.v1.contracts.with_raw_response.create_historical_invoices(
            invoices=[acme.historical(JUNE, JULY, quantity)],
            preview=False,
            extra_headers={"Idempotency-Key": "june"},
        )

    first, second = send(10), send(10)

    assert first.http_response.content == second.http_response.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(acme.invoices()) == 2  # June once, and the draft of August
    with pytest.raises(ConflictError, match="was already used with other parameters"):
        send(11)


def test_an_idempotency_key_repeats_a_refusal_too(acme: Acme):
    def send() -> Any:
        return acme.client.v1.contracts.create_historical_invoices(
            invoices=[acme.historical(AUGUST, "2024-09-01T00:00:00Z", 1)],
            preview=False,
            extra_headers={"Idempotency-Key": "august"},
        )

    with pytest.raises(BadRequestError) as first:
        send()
    with pytest.raises(BadRequestError) as second:
        send()

    assert first.value.response.content == second.value.response.content
    assert second.value.response.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "ask",
    [
        lambda acme: acme.client.v1.customers.retrieve(customer_id=NOBODY),
        lambda acme: acme.client.v1.customers.invoices.retrieve(customer_id=acme.customer_id, invoice_id=NOBODY),
        lambda acme: acme.client.v1.billable_metrics.retrieve(billable_metric_id=NOBODY),
        lambda acme: acme.client.v1.contracts.products.retrieve(id=NOBODY),
        lambda acme: acme.client.v1.contracts.rate_cards.retrieve(id=NOBODY),
        lambda acme: acme.client.v1.contracts.retrieve(customer_id=acme.customer_id, contract_id=NOBODY),
        lambda acme: acme.client.v1.invoices.void(id=NOBODY),
    ],
)
def test_what_is_not_there_is_not_found_and_named(acme: Acme, ask: Any):
    with pytest.raises(NotFoundError) as refused:
        ask(acme)

    assert refused.value.body == {"message": refused.value.body["message"]}  # and nothing else
    assert NOBODY in refused.value.body["message"]


@pytest.mark.parametrize(
    ("customer", "contract", "code"),
    [("acme", NOBODY, "ContractNotFound"), (NOBODY, NOBODY, "CustomerNotFound")],
)
def test_v2_answers_with_a_code(acme: Acme, customer: str, contract: str, code: str):
    customer_id = acme.customer_id if customer == "acme" else customer

    with pytest.raises(BadRequestError) as refused:
        acme.client.v2.contracts.retrieve(customer_id=customer_id, contract_id=contract)

    body: Any = refused.value.body
    assert body.keys() == {"code", "message"}
    assert body["code"] == code


def test_a_broken_field_is_named_by_its_path(acme: Acme):
    invoice = acme.historical(JUNE, JULY, 1) | {"issue_date": "yesterday"}

    with pytest.raises(BadRequestError, match=r"invoices\[0\]\.issue_date"):
        acme.client.v1.contracts.create_historical_invoices(invoices=[invoice], preview=True)


def test_a_draft_cannot_be_voided_and_a_final_invoice_not_regenerated(acme: Acme):
    [june, _] = acme.import_june_and_july()
    draft = acme.invoices()[-1]

    with pytest.raises(BadRequestError, match="DRAFT"):
        acme.client.v1.invoices.void(id=draft.id)
    with pytest.raises(BadRequestError, match="FINALIZED"):
        acme.client.v1.invoices.regenerate(id=june.id)


def test_two_words_are_no_token(url: str):
    with connect(url, "two words") as client, pytest.raises(AuthenticationError, match="more than one word"):
        client.v1.customers.list()


def test_what_is_not_imitated_says_so_by_name(acme: Acme):
    with pytest.raises(APIStatusError, match="createAlert-v1") as refused:
        acme.client.v1.alerts.create(alert_type="spend_threshold_reached", name="Alert", threshold=1)

    assert refused.value.status_code == 501


def test_every_refusal_is_in_the_journal(client: StrictClient):
    with pytest.raises(NotFoundError):
        client.v1.customers.retrieve(customer_id=NOBODY)

    journal: Any = client.get("/sandbox/requests", cast_to=object)

    [entry] = journal["data"]
    assert (entry["operation_id"], entry["status"]) == ("getCustomer-v1", 404)
