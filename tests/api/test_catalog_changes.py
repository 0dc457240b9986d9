"""The catalog's changes on the wire: what bodies say, how answers look. An answer that breaks the contract fails."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from api.conftest import Client

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings

AUGUST, NOW = "2024-08-01T00:00:00Z", "2024-08-15T00:00:00Z"
CATALOG = "/v1/contract-pricing"


class Tenant:
    """A customer on a card with the product Tokens, which counts ``tokens`` of its events, at one credit each."""

    def __init__(self, call: Client) -> None:
        self.call = call
        assert call("PUT", "/sandbox/clock", {"now": NOW}).status == 200
        self.customer = self.id("/v1/customers", {"name": "Acme", "ingest_aliases": ["acme"]})
        self.metric = self.id(
            "/v1/billable-metrics/create",
            {
                "name": "Tokens",
                "aggregation_type": "SUM",
                "aggregation_key": "tokens",
                "event_type_filter": {"in_values": ["completion"]},
                "property_filters": [{"name": "tokens", "exists": True}],
            },
        )
        new = {"name": "Tokens", "type": "USAGE", "billable_metric_id": self.metric}
        self.product = self.id(f"{CATALOG}/products/create", new)
        self.unit = self.id("/v1/credit-types/create", {"name": "credits"})
        self.card = self.id(f"{CATALOG}/rate-cards/create", {"name": "List", "credit_type_conversions": self.worth(10)})
        self.rate(self.product, rate_type="FLAT", price=1, credit_type_id=self.unit)

    def worth(self, cents: float) -> list[dict[str, Any]]:
        return [{"custom_credit_type_id": self.unit, "fiat_per_custom_credit": cents}]

    def rate(self, product: str, **others: Any) -> Any:
        body = {"rate_card_id": self.card, "product_id": product, "starting_at": AUGUST, "entitled": True, **others}
        return self.post(f"{CATALOG}/rate-cards/addRate", body)["data"]

    def contract(self) -> str:
        terms = {"customer_id": self.customer, "starting_at": AUGUST, "rate_card_id": self.card}
        return self.id("/v1/contracts/create", terms)

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status == status, answer.json
        return answer.json

    def id(self, path: str, body: dict[str, Any]) -> str:
        return str(self.post(path, body)["data"]["id"])

    def state(self) -> Any:
        return self.post(f"{CATALOG}/products/get", {"id": self.product})["data"]

    def message(self, path: str, body: dict[str, Any], status: int = 400) -> str:
        return str(self.post(path, body, status)["message"])


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    app = create_app(Settings())
    yield Tenant(Client(app, "alice"))
    assert not app.server.contract_breaks


def test_updates_read_back_with_what_they_change_and_make_up_the_current_state(tenant: Tenant) -> None:
    update = f"{CATALOG}/products/update"
    conversion = {"operation": "divide", "conversion_factor": 1000, "name": "thousands"}
    changes: list[dict[str, Any]] = [
        {"starting_at": "2024-08-10T00:00:00Z", "name": "Thousands", "quantity_conversion": conversion},
        {"starting_at": "2024-09-01T00:00:00Z", "name": "Later"},
        {"starting_at": "2024-08-05T00:00:00Z", "tags": ["ai"], "quantity_conversion": None},
    ]
    for change in changes:
        assert tenant.id(update, {"product_id": tenant.product.upper(), **change}) == tenant.product

    state = tenant.state()

    assert (state["initial"]["name"], state["initial"]["tags"]) == ("Tokens", [])
    assert "starting_at" not in state["initial"]
    current = state["current"]
    assert (current["name"], current["tags"]) == ("Thousands", ["ai"])
    assert "quantity_conversion" not in current  # the last update that has begun took it away
    assert current["starting_at"] == "2024-08-05T00:00:00.000Z"
    made = {"created_at": "2024-08-15T00:00:00.000Z", "created_by": "metronome-sandbox"}
    assert state["updates"] == [
        {
            **made,
            "starting_at": "2024-08-10T00:00:00.000Z",
            "name": "Thousands",
            "quantity_conversion": {"operation": "DIVIDE", "conversion_factor": 1000, "name": "thousands"},
        },
        {**made, "starting_at": "2024-09-01T00:00:00.000Z", "name": "Later"},
        {**made, "starting_at": "2024-08-05T00:00:00.000Z", "tags": ["ai"], "quantity_conversion": None},
    ]


def test_an_update_off_the_hour_is_answered_in_the_words_of_the_real_api(tenant: Tenant) -> None:
    body = {"product_id": tenant.product, "starting_at": "2024-08-10T00:00:01Z", "name": "Later"}

    message = tenant.message(f"{CATALOG}/products/update", body)

    assert message == "Product update effective at is required to be on an hour boundary"


def test_an_archived_product_shows_when_and_can_be_listed(tenant: Tenant) -> None:
    body = {"product_id": tenant.product}
    assert tenant.id(f"{CATALOG}/products/archive", body) == tenant.product

    assert tenant.state()["archived_at"] == "2024-08-15T00:00:00.000Z"
    listed = tenant.post(f"{CATALOG}/products/list", {"archive_filter": "ARCHIVED"})["data"]
    assert [one["id"] for one in listed] == [tenant.product]
    assert "archived already" in tenant.message(f"{CATALOG}/products/archive", body)
    tenant.post(f"{CATALOG}/products/archive", {"product_id": tenant.customer}, 404)


def test_a_conversion_comes_in_as_a_number_and_goes_out_as_text(tenant: Tenant) -> None:
    second = tenant.id("/v1/credit-types/create", {"name": "minutes"})
    added = [{"custom_credit_type_id": second, "fiat_per_custom_credit": 0.50}]
    changes = {"rate_card_id": tenant.card, "name": "New list", "add_credit_type_conversions": added}
    assert tenant.id(f"{CATALOG}/rate-cards/update", changes) == tenant.card

    card = tenant.post(f"{CATALOG}/rate-cards/get", {"id": tenant.card})["data"]

    assert card["name"] == "New list"
    assert card["credit_type_conversions"] == [
        {"custom_credit_type": {"id": tenant.unit, "name": "credits"}, "fiat_per_custom_credit": "10"},
        {"custom_credit_type": {"id": second, "name": "minutes"}, "fiat_per_custom_credit": "0.5"},
    ]


def test_lines_in_a_unit_and_the_line_that_converts_them_say_what_they_count_in(tenant: Tenant) -> None:
    tenant.contract()
    event = {"event_type": "completion", "timestamp": "2024-08-02T00:00:00Z", "properties": {"tokens": 7}}
    body = {"events": [event], "mode": "replace", "skip_zero_qty_line_items": True}

    [invoice] = tenant.post(f"/v1/customers/{tenant.customer}/previewEvents", body)["data"]

    usage, conversion = invoice["line_items"]
    assert (usage["type"], usage["total"], usage["credit_type"]["name"]) == ("usage", 7, "credits")
    assert conversion["type"] == "cpu_conversion"
    assert conversion["credit_type"]["name"] == "USD (cents)"
    assert (conversion["quantity"], conversion["unit_price"], conversion["total"]) == (7, 10, 70)
    assert "product_id" not in conversion
    assert invoice["total"] == 70


def test_an_event_to_preview_happens_now_unless_it_says_when(tenant: Tenant) -> None:
    tenant.contract()
    path = f"/v1/customers/{tenant.customer}/previewEvents"
    event = {"event_type": "completion", "properties": {"tokens": "7"}}

    [invoice] = tenant.post(path, {"events": [event]})["data"]
    assert invoice["total"] == 70

    message = tenant.message(path, {"events": [{**event, "timestamp": "yesterday"}]})
    assert message.startswith("events[0].timestamp: 'yesterday' is not RFC 3339")
    tenant.message(path, {"events": [event], "customer_id": tenant.customer})  # the body is closed
    tenant.message(path, {"events": []})
    tenant.post(f"/v1/customers/{tenant.card}/previewEvents", {"events": [event]}, 404)


def test_a_percentage_with_a_minimum_reads_back(tenant: Tenant) -> None:
    tenant.card = tenant.id(f"{CATALOG}/rate-cards/create", {"name": "No units"})
    new = {"name": "Support", "type": "composite", "composite_product_ids": [tenant.product]}
    support = tenant.id(f"{CATALOG}/products/create", new)

    answer = tenant.rate(support, rate_type="percentage", price=0.1, minimum_config={"minimum": 500})

    assert (answer["rate_type"], answer["price"]) == ("PERCENTAGE", Decimal("0.1"))
    rates = {"rate_card_id": tenant.card, "at": NOW}
    [row] = tenant.post(f"{CATALOG}/rate-cards/getRates", rates)["data"]
    assert row["rate"]["minimum_config"] == {"minimum": 500}


def test_an_overwritten_percentage_reads_back_with_its_minimum(tenant: Tenant) -> None:
    tenant.card = tenant.id(f"{CATALOG}/rate-cards/create", {"name": "No units"})
    new = {"name": "Support", "type": "composite", "composite_product_ids": [tenant.product]}
    support = tenant.id(f"{CATALOG}/products/create", new)
    tenant.rate(support, rate_type="percentage", price=0.1)
    change = {"rate_type": "TIERED_PERCENTAGE", "tiers": [{"price": 0.2}], "minimum_config": {"minimum": 500}}
    override = {"type": "OVERWRITE", "product_id": support, "starting_at": AUGUST, "overwrite_rate": change}
    terms = {"customer_id": tenant.customer, "starting_at": AUGUST, "rate_card_id": tenant.card}

    contract = tenant.id("/v1/contracts/create", {**terms, "overrides": [override]})

    named = {"customer_id": tenant.customer, "contract_id": contract}
    v1 = tenant.post("/v1/contracts/get", named)["data"]["current"]
    for shape in (v1, tenant.post("/v2/contracts/get", named)["data"]):
        rate = shape["overrides"][0]["overwrite_rate"]
        assert (rate["rate_type"], rate["minimum_config"]) == ("TIERED_PERCENTAGE", {"minimum": 500})
    [row] = tenant.post("/v1/contracts/getContractRateSchedule", named)["data"]
    assert row["override_rate"]["minimum_config"] == {"minimum": 500}


def test_a_composite_line_is_a_usage_line_of_a_composite_product(tenant: Tenant) -> None:
    new = {"name": "Support", "type": "COMPOSITE", "composite_product_ids": [tenant.product]}
    support = tenant.id(f"{CATALOG}/products/create", new)
    tenant.rate(support, rate_type="PERCENTAGE", price=0.5)
    tenant.contract()
    event = {"event_type": "completion", "properties": {"tokens": "8"}}

    [invoice] = tenant.post(f"/v1/customers/{tenant.customer}/previewEvents", {"events": [event]})["data"]

    _, composite, conversion = invoice["line_items"]
    assert (composite["type"], composite["product_type"]) == ("usage", "CompositeProductListItem")
    assert (composite["quantity"], composite["unit_price"], composite["total"]) == (8, Decimal("0.5"), 4)
    assert conversion["quantity"] == 12  # 8 + 4 credits


def test_order_archive_names_and_aliases_answer_as_described(tenant: Tenant) -> None:
    order = {"rate_card_id": tenant.card, "product_order": [tenant.product]}
    assert tenant.id(f"{CATALOG}/rate-cards/setRateCardProductsOrder", order) == tenant.card
    moves = {"rate_card_id": tenant.card, "product_moves": [{"product_id": tenant.product, "position": 10**30}]}
    assert tenant.id(f"{CATALOG}/rate-cards/moveRateCardProducts", moves) == tenant.card
    assert tenant.id(f"{CATALOG}/rate-cards/archive", {"id": tenant.card}) == tenant.card
    card = tenant.post(f"{CATALOG}/rate-cards/get", {"id": tenant.card})["data"]
    assert card["archived_at"] == "2024-08-15T00:00:00.000Z"
    assert tenant.id("/v1/billable-metrics/archive", {"id": tenant.metric}) == tenant.metric
    assert tenant.id("/v1/credit-types/archive", {"id": tenant.unit}) == tenant.unit

    customer = f"/v1/customers/{tenant.customer}"
    assert tenant.post(f"{customer}/setName", {"name": "Acme GmbH"})["data"]["name"] == "Acme GmbH"
    assert tenant.post(f"{customer}/setIngestAliases", {"ingest_aliases": ["acme-eu"]}) is None
    detail = tenant.call("GET", customer).json["data"]
    assert (detail["name"], detail["ingest_aliases"]) == ("Acme GmbH", ["acme-eu"])


def test_a_world_with_changes_units_and_composites_survives_a_snapshot(tenant: Tenant) -> None:
    change = {"product_id": tenant.product, "starting_at": "2024-08-10T00:00:00Z", "quantity_conversion": None}
    tenant.post(f"{CATALOG}/products/update", change)
    tenant.contract()
    before = tenant.state(), tenant.call("GET", f"/v1/customers/{tenant.customer}/invoices").json

    snapshot = tenant.call("GET", "/sandbox/snapshot").json
    tenant.post("/sandbox/reset", {})
    assert tenant.call("PUT", "/sandbox/snapshot", snapshot).status == 200

    assert (tenant.state(), tenant.call("GET", f"/v1/customers/{tenant.customer}/invoices").json) == before
