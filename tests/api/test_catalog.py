"""Bodies of the catalog operations: what is read from them, and that every answer keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import msgspec
import orjson
import pytest

from metronome_sandbox.api.handlers import billable_metrics, credit_types, products, rate_cards, usage
from metronome_sandbox.api.requests import Handler, Request, encode
from metronome_sandbox.domain.errors import DomainError, InvalidRequest
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

HANDLERS: dict[str, Handler] = {
    "createBillableMetricV1-v1": billable_metrics.create_billable_metric,
    "getBillableMetric-v1": billable_metrics.get_billable_metric,
    "listAllBillableMetrics-v1": billable_metrics.list_billable_metrics,
    "listCreditTypes-v1": credit_types.list_credit_types,
    "createProduct-v1": products.create_product,
    "getProduct-v1": products.get_product,
    "listProducts-v1": products.list_products,
    "createRateCard-v1": rate_cards.create_rate_card,
    "getRateCard-v1": rate_cards.get_rate_card,
    "listRateCards-v1": rate_cards.list_rate_cards,
    "addRate-v1": rate_cards.add_rate,
    "addRates-v1": rate_cards.add_rates,
    "getRates-v1": rate_cards.get_rates,
    "getRateSchedule-v1": rate_cards.get_rate_schedule,
    "ingest-v1": usage.ingest,
}

USD = {"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "name": "USD (cents)"}


@cache
def operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load())}


Call = Callable[..., Any]


@pytest.fixture
def context() -> Context:
    tenant = Context(MemoryStore(), lambda: datetime(2024, 8, 15, tzinfo=UTC), IdFactory())
    seed(tenant)
    return tenant


@pytest.fixture
def call(context: Context) -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""

    def call(operation_id: str, body: Any = None, query: str = "", **path_parameters: str) -> Any:
        operation = operations()[operation_id]
        raw = body if isinstance(body, bytes) else orjson.dumps({} if body is None else body)
        parsed = orjson.loads(raw)
        assert operation.body_is_valid(parsed), operation.body_findings(parsed)
        parameters, findings = operation.read_query(query.encode())
        assert not findings
        request = Request(operation, cast(Any, None), cast(Any, None), path_parameters, parameters, raw, [])
        reply = HANDLERS[operation_id](context, request)
        assert operation.response_findings(reply.status, reply.data) == []
        return orjson.loads(encode(reply.data))

    return call


METRIC = {
    "name": "Compute seconds",
    "aggregation_type": "sum",
    "aggregation_key": "seconds",
    "event_type_filter": {"in_values": ["compute"]},
    "property_filters": [
        {"name": "seconds", "exists": True},
        {"name": "region", "exists": True},
        {"name": "cluster", "in_values": ["blue", "green"]},
        {"name": "test", "exists": False},
    ],
    "group_keys": [["region", "cluster"]],
    "custom_fields": {"team": "core"},
}


@pytest.fixture
def metric_id(call: Call) -> str:
    return str(call("createBillableMetricV1-v1", METRIC)["data"]["id"])


@pytest.fixture
def product_id(call: Call, metric_id: str) -> str:
    body = {
        "name": "Compute hours",
        "type": "usage",
        "billable_metric_id": metric_id.upper(),
        "tags": ["compute"],
        "pricing_group_key": ["region"],
        "presentation_group_key": ["cluster"],
        "quantity_conversion": {"name": "seconds to hours", "operation": "divide", "conversion_factor": 3600},
        "quantity_rounding": {"rounding_method": "round_half_up", "decimal_places": 4},
        "custom_fields": {"sku": "C-1"},
    }
    return str(call("createProduct-v1", body)["data"]["id"])


@pytest.fixture
def card_id(call: Call) -> str:
    return str(call("createRateCard-v1", {"name": "List prices"})["data"]["id"])


# Billable metrics ----------------------------------------------------------------------------------------------------


def test_a_metric_comes_back_as_it_was_sent_with_its_enum_in_capitals(call: Call, metric_id: str) -> None:
    expected = {**METRIC, "id": metric_id, "aggregation_type": "SUM"}

    assert call("getBillableMetric-v1", billable_metric_id=metric_id) == {"data": expected}
    assert call("listAllBillableMetrics-v1") == {"data": [expected], "next_page": None}


@pytest.mark.parametrize("spelling", ["UNIQUE", "Unique", "unique"])
def test_every_spelling_of_an_aggregation_is_read(call: Call, spelling: str) -> None:
    body = {
        "name": "Users",
        "aggregation_type": spelling,
        "aggregation_key": "user",
        "property_filters": [{"name": "user", "exists": True}],
    }
    metric_id = call("createBillableMetricV1-v1", body)["data"]["id"]

    assert call("getBillableMetric-v1", billable_metric_id=metric_id)["data"]["aggregation_type"] == "UNIQUE"


def test_a_metric_of_sql_has_no_streaming_fields(call: Call) -> None:
    metric_id = call("createBillableMetricV1-v1", {"name": "Query", "sql": "SELECT COUNT(*) FROM events"})["data"]["id"]

    assert call("getBillableMetric-v1", billable_metric_id=metric_id)["data"] == {
        "id": metric_id,
        "name": "Query",
        "sql": "SELECT COUNT(*) FROM events",
        "custom_fields": {},
    }


def test_metrics_come_in_pages(call: Call) -> None:
    for name in ("a", "b", "c"):
        call("createBillableMetricV1-v1", {"name": name, "aggregation_type": "COUNT"})

    first = call("listAllBillableMetrics-v1", query="limit=2")
    second = call("listAllBillableMetrics-v1", query=f"limit=2&next_page={first['next_page']}")

    assert [[one["name"] for one in page["data"]] for page in (first, second)] == [["a", "b"], ["c"]]
    assert second["next_page"] is None


# Credit types --------------------------------------------------------------------------------------------------------


def test_credit_types_say_which_are_currencies(call: Call) -> None:
    answer = call("listCreditTypes-v1")

    assert answer["data"][0] == {**USD, "is_currency": True}
    assert len(answer["data"]) == 20


# Products ------------------------------------------------------------------------------------------------------------


def test_a_product_shows_its_initial_and_its_current_state(call: Call, product_id: str, metric_id: str) -> None:
    state = {
        "name": "Compute hours",
        "created_at": "2024-08-15T00:00:00.000Z",
        "created_by": "metronome-sandbox",
        "tags": ["compute"],
        "billable_metric_id": metric_id,
        "pricing_group_key": ["region"],
        "presentation_group_key": ["cluster"],
        "quantity_conversion": {"name": "seconds to hours", "operation": "DIVIDE", "conversion_factor": 3600},
        "quantity_rounding": {"rounding_method": "ROUND_HALF_UP", "decimal_places": 4},
    }
    expected: dict[str, Any] = {
        "id": product_id,
        "type": "USAGE",
        "archived_at": None,
        "initial": state,
        "current": state,
        "updates": [],
        "custom_fields": {"sku": "C-1"},
    }

    assert call("getProduct-v1", {"id": product_id.upper()}) == {"data": expected}
    assert call("listProducts-v1") == {"data": [expected], "next_page": None}
    assert call("listProducts-v1", {"archive_filter": "ARCHIVED"}) == {"data": [], "next_page": None}


@pytest.mark.parametrize("spelling", ["PROFESSIONAL_SERVICE", "professional_service", "PRO_SERVICE", "pro_service"])
def test_a_professional_service_reads_as_pro_service(call: Call, spelling: str) -> None:
    product_id = call("createProduct-v1", {"name": "Onboarding", "type": spelling})["data"]["id"]

    assert call("getProduct-v1", {"id": product_id})["data"]["type"] == "PRO_SERVICE"


def test_a_composite_product_shows_what_it_is_composed_of(call: Call, product_id: str) -> None:
    body = {
        "name": "Support",
        "type": "COMPOSITE",
        "composite_product_ids": [product_id],
        "composite_tags": ["compute"],
        "composite_scope": "customer",
        "exclude_free_usage": False,
        "is_refundable": True,
        "netsuite_internal_item_id": "N-1",
    }
    composite_id = call("createProduct-v1", body)["data"]["id"]

    state = call("getProduct-v1", {"id": composite_id})["data"]["current"]
    assert {name: state.get(name) for name in body if name != "type"} == {
        **{name: value for name, value in body.items() if name != "type"},
        "composite_scope": "CUSTOMER",
    }


@pytest.mark.parametrize("places", ["1.5", "19", "1e300"])
def test_decimal_places_are_a_small_whole_number(call: Call, metric_id: str, places: str) -> None:
    body = (
        f'{{"name": "x", "type": "USAGE", "billable_metric_id": "{metric_id}", '
        f'"quantity_rounding": {{"rounding_method": "ROUND_UP", "decimal_places": {places}}}}}'
    )

    with pytest.raises(InvalidRequest, match=r"^quantity_rounding\.decimal_places: expected .* 0 to 18, received"):
        call("createProduct-v1", body.encode())


# Rate cards ----------------------------------------------------------------------------------------------------------


def test_a_card_shows_its_currency_and_its_aliases(call: Call) -> None:
    body = {
        "name": "2024",
        "description": "Self-serve",
        "aliases": [{"name": "standard", "starting_at": "2024-01-01T01:00:00+01:00"}, {"name": "default"}],
        "custom_fields": {"region": "eu"},
    }
    card_id = call("createRateCard-v1", body)["data"]["id"]
    expected = {
        "id": card_id,
        "name": "2024",
        "created_at": "2024-08-15T00:00:00.000Z",
        "created_by": "metronome-sandbox",
        "description": "Self-serve",
        "fiat_credit_type": USD,
        "credit_type_conversions": [],
        "aliases": [{"name": "standard", "starting_at": "2024-01-01T00:00:00.000Z"}, {"name": "default"}],
        "custom_fields": {"region": "eu"},
    }

    assert call("getRateCard-v1", {"id": card_id}) == {"data": expected}
    assert call("listRateCards-v1") == {"data": [expected], "next_page": None}


def test_a_rate_just_added_is_answered_without_an_id(call: Call, card_id: str, product_id: str) -> None:
    body = {
        "rate_card_id": card_id,
        "product_id": product_id,
        "starting_at": "2024-01-01T00:00:00Z",
        "entitled": True,
        "rate_type": "tiered",
        "tiers": [{"size": 100, "price": 10}, {"size": None, "price": 7.5}],
        "pricing_group_values": {"region": "eu"},
        "commit_rate": {"rate_type": "flat", "price": 6},
    }

    assert call("addRate-v1", body)["data"] == {
        "rate_type": "TIERED",
        "tiers": [{"size": 100, "price": 10}, {"price": 7.5}],
        "credit_type": USD,
        "pricing_group_values": {"region": "eu"},
        "commit_rate": {"rate_type": "FLAT", "price": 6},
    }


def test_a_price_keeps_every_digit_until_it_is_printed(
    call: Call, context: Context, card_id: str, product_id: str
) -> None:
    body = (
        f'{{"rate_card_id": "{card_id}", "product_id": "{product_id}", "pricing_group_values": {{"region": "eu"}}, '
        '"starting_at": "2024-01-01T00:00:00Z", "entitled": true, "rate_type": "FLAT", "price": 0.123456789012345678}'
    )
    call("addRate-v1", body.encode())

    (schedule,) = context.store.rate_schedules.values()
    assert str(schedule.rates[0].price.tiers[0].price) == "0.123456789012345678"


def test_rates_are_read_at_an_instant_and_over_time(call: Call, card_id: str, product_id: str) -> None:
    rates = [
        {
            "product_id": product_id,
            "starting_at": start,
            "entitled": entitled,
            "rate_type": "FLAT",
            "price": price,
            "pricing_group_values": {"region": "eu"},
        }
        for start, entitled, price in (("2024-01-01T00:00:00Z", False, 10), ("2025-01-01T00:00:00Z", True, 12))
    ]
    assert call("addRates-v1", {"rate_card_id": card_id, "rates": rates}) == {"data": {"id": card_id}}

    product = {
        "product_id": product_id,
        "product_name": "Compute hours",
        "product_tags": ["compute"],
        "product_custom_fields": {"sku": "C-1"},
        "pricing_group_values": {"region": "eu"},
    }
    first = {
        **product,
        "starting_at": "2024-01-01T00:00:00.000Z",
        "ending_before": "2025-01-01T00:00:00.000Z",
        "entitled": False,
        "rate": {"rate_type": "FLAT", "price": 10, "credit_type": USD},
    }
    second = {
        **product,
        "starting_at": "2025-01-01T00:00:00.000Z",
        "entitled": True,
        "rate": {"rate_type": "FLAT", "price": 12, "credit_type": USD},
    }
    at = {"rate_card_id": card_id, "at": "2024-08-15T00:00:00Z"}
    since = {"rate_card_id": card_id, "starting_at": "2024-08-15T00:00:00Z"}
    assert call("getRates-v1", at) == {"data": [first], "next_page": None}
    assert call("getRates-v1", {**at, "selectors": [{"product_tags": ["other"]}]})["data"] == []
    assert call("getRates-v1", {**at, "selectors": [{"product_id": product_id.upper()}]})["data"] == [first]
    assert call("getRateSchedule-v1", since) == {"data": [first, second], "next_page": None}
    assert call("getRateSchedule-v1", {**since, "selectors": [{"billing_frequency": "Monthly"}]})["data"] == []


def test_a_cursor_belongs_to_the_body_it_was_answered_for(call: Call, card_id: str, product_id: str) -> None:
    rates = [
        {
            "product_id": product_id,
            "starting_at": "2024-01-01T00:00:00Z",
            "entitled": True,
            "rate_type": "FLAT",
            "price": 10,
            "pricing_group_values": {"region": region},
        }
        for region in ("eu", "us", "ap")
    ]
    call("addRates-v1", {"rate_card_id": card_id, "rates": rates})
    body = {"rate_card_id": card_id, "at": "2024-08-15T00:00:00Z"}

    first = call("getRates-v1", body, "limit=2")
    query = f"limit=2&next_page={first['next_page']}"
    second = call("getRates-v1", body, query)

    assert [one["pricing_group_values"]["region"] for one in first["data"] + second["data"]] == ["eu", "us", "ap"]
    with pytest.raises(InvalidRequest, match=r"^next_page: "):
        call("getRates-v1", {**body, "at": "2024-08-16T00:00:00Z"}, query)


# Usage ---------------------------------------------------------------------------------------------------------------


def ingested(context: Context, call: Call, properties: str) -> dict[str, str]:
    body = (
        '[{"transaction_id": "t", "customer_id": "acme", "event_type": "compute", '
        f'"timestamp": "2024-08-14T10:00:00Z", "properties": {properties}}}]'
    )
    assert call("ingest-v1", body.encode()) is None
    return context.store.events["t"].properties


def test_properties_are_kept_as_text_just_as_they_were_written(call: Call, context: Context) -> None:
    properties = r'{"a": "1.50", "b": 1.50, "c": 1e3, "d": true, "e": null, "f": {"x": [1, "y"]}, "g": "\"\u00e9\""}'

    assert ingested(context, call, properties) == {
        "a": "1.50",
        "b": "1.50",
        "c": "1e3",
        "d": "true",
        "f": '{"x": [1, "y"]}',
        "g": '"é"',
    }


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-08-14T10:00:00Z", "2024-08-14T10:00:00+00:00"),
        ("2024-08-14T12:00:00+02:00", "2024-08-14T10:00:00+00:00"),
        ("2024-08-14T10:00:00.123456+00:00", "2024-08-14T10:00:00.123456+00:00"),
        ("2024-08-14t10:00:00z", "2024-08-14T10:00:00+00:00"),
    ],
)
def test_a_timestamp_is_read_in_any_form_of_rfc_3339(call: Call, context: Context, text: str, instant: str) -> None:
    event = {"transaction_id": "t", "customer_id": "acme", "event_type": "compute", "timestamp": text}
    call("ingest-v1", [event])

    assert context.store.events["t"].timestamp.isoformat() == instant
    assert context.store.events["t"].properties == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-08-14",
        "2024-08-14T10:00:00",
        "2024-08-14T10:00:00+0200",
        "2024-02-30T10:00:00Z",
        "2024-08-14T25:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "1723629600",
    ],
)
def test_anything_else_refuses_the_batch_and_is_named(call: Call, context: Context, text: str) -> None:
    event = {"transaction_id": "t-1", "customer_id": "acme", "event_type": "c", "timestamp": "2024-08-14T10:00:00Z"}

    with pytest.raises(InvalidRequest, match=r"^\[1\]\.timestamp: .* is not RFC 3339; expected a date-time"):
        call("ingest-v1", [event, {**event, "transaction_id": "t-2", "timestamp": text}])
    assert not len(context.store.events)


# All of them ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation_id", "body"),
    [
        ("createProduct-v1", b'{"name": "x", "type": "USAGE"}'),
        ("createRateCard-v1", b'{"name": "x", "fiat_credit_type_id": "00000000-0000-0000-0000-000000000000"}'),
        ("getProduct-v1", b'{"id": "00000000-0000-0000-0000-000000000000"}'),
        ("getRateCard-v1", b'{"id": "00000000-0000-0000-0000-000000000000"}'),
        ("addRates-v1", b'{"rate_card_id": "00000000-0000-0000-0000-000000000000", "rates": []}'),
        ("getRates-v1", b'{"rate_card_id": "00000000-0000-0000-0000-000000000000", "at": "2024-08-15T00:00:00Z"}'),
    ],
)
def test_a_refused_request_changes_nothing(call: Call, context: Context, operation_id: str, body: bytes) -> None:
    before = msgspec.json.encode(cast(MemoryStore, context.store).dump())

    with pytest.raises(DomainError):
        call(operation_id, body)
    assert msgspec.json.encode(cast(MemoryStore, context.store).dump()) == before
