"""Subscriptions on the wire: what is read from bodies, and what contracts, invoices, edits and histories show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import orjson
import pytest

from metronome_sandbox.api.errors import answer
from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.requests import Request, encode
from metronome_sandbox.domain.errors import DomainError
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

Call = Callable[..., Any]
START, AUGUST, SEPTEMBER = (f"2024-{month}-01T00:00:00Z" for month in ("06", "08", "09"))
NOW = datetime(2024, 8, 15, tzinfo=UTC)


@cache
def operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load())}


@pytest.fixture
def call() -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""
    context = Context(MemoryStore(), lambda: NOW, IdFactory())
    seed(context)

    def call(operation_id: str, query: dict[str, Any] | None = None, **body: Any) -> Any:
        operation = operations()[operation_id]
        assert query is not None or operation.body_is_valid(body), operation.body_findings(body)
        path = {name: value for name, value in (query or {}).items() if name.endswith("_id")}
        request = Request(operation, cast(Any, None), cast(Any, None), path, query or {}, orjson.dumps(body), [])
        try:
            reply = HANDLERS[operation_id](context, request)
            status, data = reply.status, reply.data
        except DomainError as error:
            status, data = answer(operation, error)
        assert operation.response_findings(status, data) == []
        return orjson.loads(encode(data))

    return call


class Shop:
    """A customer and a card with a subscription product at 2000 a month."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.customer = call("createCustomer-v1", name="Acme")["data"]["id"]
        self.seat = call("createProduct-v1", name="Seat", type="subscription")["data"]["id"]
        self.card = call("createRateCard-v1", name="List prices")["data"]["id"]
        rate = {"starting_at": "2020-01-01T00:00:00Z", "entitled": True, "rate_type": "flat", "price": 2000}
        call("addRate-v1", rate_card_id=self.card, product_id=self.seat, billing_frequency="monthly", **rate)

    def subscription(self, **terms: Any) -> dict[str, Any]:
        return {
            "subscription_rate": {"product_id": self.seat, "billing_frequency": "MONTHLY"},
            "collection_schedule": "advance",
            "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
            "initial_quantity": 8,
            **terms,
        }

    def contract(self, *subscriptions: dict[str, Any], **terms: Any) -> Any:
        body = {"customer_id": self.customer, "rate_card_id": self.card, "starting_at": START, **terms}
        return self.call("createContract-v1", **body, subscriptions=list(subscriptions))


@pytest.fixture
def shop(call: Call) -> Shop:
    return Shop(call)


def test_a_contract_shows_its_subscriptions_in_both_shapes_as_they_are_seen_from_now(shop: Shop) -> None:
    made = shop.contract(
        shop.subscription(
            name="Seats",
            description="Of the team",
            custom_fields={"team": "red"},
            proration={"rounding": {"rounding_method": "HALF_UP", "decimal_places": 0}},
        )
    )["data"]

    (shown,) = made["contract"]["subscriptions"]
    assert shown == {
        "id": shown["id"],
        "subscription_rate": {"product": {"id": shop.seat, "name": "Seat"}, "billing_frequency": "MONTHLY"},
        "name": "Seats",
        "description": "Of the team",
        "collection_schedule": "ADVANCE",
        "proration": {
            "is_prorated": False,
            "invoice_behavior": "BILL_ON_NEXT_COLLECTION_DATE",
            "rounding": {"rounding_method": "HALF_UP", "decimal_places": 0},
        },
        "billing_cycle_config": {"anchor_date": "2024-06-01T00:00:00.000Z", "invoice_placement": "ON_USAGE_INVOICE"},
        "billing_periods": {
            "previous": {"starting_at": "2024-07-01T00:00:00.000Z", "ending_before": "2024-08-01T00:00:00.000Z"},
            "current": {"starting_at": "2024-08-01T00:00:00.000Z", "ending_before": "2024-09-01T00:00:00.000Z"},
            "next": {"starting_at": "2024-09-01T00:00:00.000Z", "ending_before": "2024-10-01T00:00:00.000Z"},
        },
        "quantity_management_mode": "QUANTITY_ONLY",
        "quantity_schedule": [{"quantity": 8, "starting_at": "2024-06-01T00:00:00.000Z"}],
        "starting_at": "2024-06-01T00:00:00.000Z",
        "fiat_credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
        "custom_fields": {"team": "red"},
        "product_custom_fields": {},
        "created_at": "2024-08-15T00:00:00.000Z",
    }
    named = {"customer_id": shop.customer, "contract_id": made["id"]}
    assert shop.call("getContract-v1", **named)["data"]["subscriptions"] == [shown]
    assert shop.call("getContract-v2", **named)["data"]["subscriptions"] == [shown]
    (listed,) = shop.call("listContracts-v2", customer_id=shop.customer)["data"]
    assert listed["subscriptions"] == [shown]


def test_an_invoice_line_names_its_subscription(shop: Shop) -> None:
    made = shop.contract(shop.subscription(starting_at="2024-08-11T00:00:00Z", custom_fields={"team": "red"}))["data"]

    page = {"customer_id": shop.customer, "limit": 100, "sort": "date_asc"}
    invoices = shop.call("listInvoices-v1", page)["data"]
    (line,) = next(one["line_items"] for one in invoices if one["type"] == "SCHEDULED")
    # August 11 to 31 are 21 of 31 days: 2000 * 21 / 31 = 1354.838709..., times 8.
    assert line == {
        "type": "subscription",
        "name": "Seat",
        "product_id": shop.seat,
        "product_type": "SubscriptionProductListItem",
        "product_custom_fields": {},
        "credit_type": {"id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "name": "USD (cents)"},
        "quantity": 8,
        "unit_price": 1354.83870967742,
        "total": 10838.7096774194,
        "starting_at": "2024-08-11T00:00:00+00:00",
        "ending_before": "2024-09-01T00:00:00+00:00",
        "subscription_id": made["contract"]["subscriptions"][0]["id"],
        "subscription_custom_fields": {"team": "red"},
        "is_prorated": True,
    }


def test_an_edit_changes_a_subscription_and_its_history_says_how(shop: Shop) -> None:
    made = shop.contract(shop.subscription())["data"]
    named = {"customer_id": shop.customer, "contract_id": made["id"]}
    subscription_id = made["contract"]["subscriptions"][0]["id"]
    update = {
        "subscription_id": subscription_id.upper(),
        "name": "Chairs",
        "ending_before": "2025-01-01T00:00:00Z",
        "proration_rounding": {"rounding_method": "FLOOR", "decimal_places": -2},
        "quantity_updates": [{"quantity": 10, "starting_at": SEPTEMBER}],
    }

    edited = shop.call(
        "editContract-v2",
        **named,
        update_subscriptions=[update],
        add_subscriptions=[shop.subscription(starting_at=SEPTEMBER)],
    )["data"]["edit"]

    shown = "2024-09-01T00:00:00.000Z"
    (changed,) = edited["update_subscriptions"]
    assert changed == {
        "id": subscription_id,
        "name": "Chairs",
        "ending_before": "2025-01-01T00:00:00.000Z",
        "quantity_updates": [{"quantity": 10, "starting_at": shown}],
    }
    first, second = shop.call("getContract-v2", **named)["data"]["subscriptions"]
    assert edited["add_subscriptions"] == [second]
    assert (first["name"], first["ending_before"]) == ("Chairs", "2025-01-01T00:00:00.000Z")
    assert first["proration"]["rounding"] == {"rounding_method": "FLOOR", "decimal_places": -2}
    assert first["quantity_schedule"] == [
        {"quantity": 8, "starting_at": "2024-06-01T00:00:00.000Z", "ending_before": shown},
        {"quantity": 10, "starting_at": shown, "ending_before": "2025-01-01T00:00:00.000Z"},
    ]
    cleared = {"subscription_id": subscription_id, "ending_before": None, "proration_rounding": None}
    (again,) = shop.call("editContract-v2", **named, update_subscriptions=[cleared])["data"]["edit"][
        "update_subscriptions"
    ]
    assert again == {"id": subscription_id}
    first, _ = shop.call("getContract-v2", **named)["data"]["subscriptions"]
    assert "ending_before" not in first
    assert "rounding" not in first["proration"]


def test_seats_keep_the_spelling_of_their_names_and_have_a_history(shop: Shop) -> None:
    seats = {"seat_group_key": "user", "initial_seat_ids": ["Ada"], "initial_unassigned_seats": 1}
    terms = shop.subscription(quantity_management_mode="SEAT_BASED", seat_config=seats)
    del terms["initial_quantity"]
    made = shop.contract(terms)["data"]
    named = {"customer_id": shop.customer, "contract_id": made["id"]}
    (shown,) = made["contract"]["subscriptions"]
    assert (shown["quantity_management_mode"], shown["seat_config"]) == ("SEAT_BASED", {"seat_group_key": "user"})

    changes = {
        "add_seat_ids": [{"seat_ids": ["Grace"], "starting_at": "2024-08-10T00:00:00Z"}],
        "remove_seat_ids": [{"seat_ids": ["Ada"], "starting_at": SEPTEMBER}],
        "add_unassigned_seats": [{"quantity": 3, "starting_at": SEPTEMBER}],
        "remove_unassigned_seats": [{"quantity": 1, "starting_at": SEPTEMBER}],
    }
    update = {"subscription_id": shown["id"], "seat_updates": changes}
    edited = shop.call("editContract-v2", **named, update_subscriptions=[update])["data"]["edit"]
    assert edited["update_subscriptions"][0]["seat_updates"]["add_seat_ids"][0]["seat_ids"] == ["Grace"]

    history = shop.call("getSubscriptionSeatsHistory-v1", **named, subscription_id=shown["id"], limit=2)
    assert history["data"] == [
        {
            "starting_at": "2024-06-01T00:00:00.000Z",
            "ending_before": "2024-08-10T00:00:00.000Z",
            "total_quantity": 2,
            "assigned_seat_ids": ["Ada"],
        },
        {
            "starting_at": "2024-08-10T00:00:00.000Z",
            "ending_before": "2024-09-01T00:00:00.000Z",
            "total_quantity": 2,
            "assigned_seat_ids": ["Ada", "Grace"],
        },
    ]
    rest = shop.call(
        "getSubscriptionSeatsHistory-v1",
        **named,
        subscription_id=shown["id"],
        limit=2,
        cursor=history["next_page"],
    )
    assert [(one["total_quantity"], one["ending_before"]) for one in rest["data"]] == [(3, None)]
    assert rest["next_page"] is None


def test_a_number_becomes_seats(shop: Shop) -> None:
    made = shop.contract(shop.subscription())["data"]
    named = {"customer_id": shop.customer, "contract_id": made["id"]}
    mode = {"quantity_management_mode": "SEAT_BASED", "seat_config": {"seat_group_key": "user"}}
    update = {
        "subscription_id": made["contract"]["subscriptions"][0]["id"],
        "quantity_management_mode_update": mode,
    }

    shop.call("editContract-v2", **named, update_subscriptions=[update])

    (shown,) = shop.call("getContract-v2", **named)["data"]["subscriptions"]
    assert (shown["quantity_management_mode"], shown["seat_config"]) == ("SEAT_BASED", {"seat_group_key": "user"})


def test_the_history_of_a_quantity_multiplies_it_with_its_price(shop: Shop) -> None:
    made = shop.contract(shop.subscription())["data"]
    asked = {
        "customer_id": shop.customer,
        "contract_id": made["id"],
        "subscription_id": made["contract"]["subscriptions"][0]["id"],
    }

    assert shop.call("getSubscriptionQuantityHistory-v1", **asked)["data"] == {
        "subscription_id": asked["subscription_id"],
        "fiat_credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
        "history": [
            {
                "starting_at": "2024-06-01T00:00:00.000Z",
                "data": [{"quantity": 8, "unit_price": 2000, "total": 16000}],
            }
        ],
    }


@pytest.mark.parametrize("operation_id", ["getSubscriptionQuantityHistory-v1", "getSubscriptionSeatsHistory-v1"])
def test_what_does_not_exist_has_a_code(shop: Shop, operation_id: str) -> None:
    made = shop.contract(shop.subscription())["data"]
    missing = "00000000-0000-4000-8000-000000000000"
    asked = {"customer_id": shop.customer, "contract_id": made["id"], "subscription_id": missing}

    def code(**changed: str) -> str:
        return shop.call(operation_id, **{**asked, **changed})["code"]

    assert code() == "SubscriptionNotFound"
    assert code(contract_id=missing) == "ContractNotFound"
    assert code(customer_id=missing) == "CustomerNotFound"


def test_a_seats_history_of_a_number_is_an_invalid_argument(shop: Shop) -> None:
    made = shop.contract(shop.subscription())["data"]
    asked = {
        "customer_id": shop.customer,
        "contract_id": made["id"],
        "subscription_id": made["contract"]["subscriptions"][0]["id"],
    }

    assert shop.call("getSubscriptionSeatsHistory-v1", **asked)["code"] == "InvalidArgument"


def test_rates_and_overrides_name_the_frequency(shop: Shop) -> None:
    specifier = {"product_id": shop.seat, "billing_frequency": "monthly"}
    half = {"starting_at": START, "type": "MULTIPLIER", "multiplier": 0.5, "override_specifiers": [specifier]}
    made = shop.contract(overrides=[half])["data"]

    (shown,) = made["contract"]["overrides"]
    assert shown["override_specifiers"] == [{"product_id": shop.seat, "billing_frequency": "MONTHLY"}]
    asked = {"customer_id": shop.customer, "contract_id": made["id"]}
    (row,) = shop.call("getContractRateSchedule-v1", {"limit": 10}, **asked)["data"]
    assert (row["billing_frequency"], row["list_rate"]["price"], row["override_rate"]["price"]) == (
        "MONTHLY",
        2000,
        1000,
    )


SEATS = {"seat_group_key": "user", "initial_seat_ids": ["Ada", "Grace"]}


def seated(shop: Shop, *, recurring: str = "recurring_credits", **terms: Any) -> Any:
    """A contract with two seats, and 100 for each of them."""
    team = shop.subscription(quantity_management_mode="SEAT_BASED", seat_config=SEATS, temporary_id="team")
    del team["initial_quantity"]
    config = {"subscription_id": "team", "apply_seat_increase_config": {"is_prorated": True}, **terms}
    linked = {
        "product_id": shop.call("createProduct-v1", name="Credit", type="FIXED")["data"]["id"],
        "priority": 1,
        "starting_at": START,
        "commit_duration": {"value": 1},
        "access_amount": {"unit_price": 100, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"},
        "subscription_config": config,
    }
    return shop.contract(team, **{recurring: [linked]})["data"]


@pytest.mark.parametrize("recurring", ["recurring_commits", "recurring_credits"])
def test_a_grant_names_the_subscription_that_it_is_made_for(shop: Shop, recurring: str) -> None:
    made = seated(shop, recurring=recurring)
    subscription_id = made["contract"]["subscriptions"][0]["id"]

    (shown,) = made["contract"][recurring]
    config = {
        "subscription_id": subscription_id,
        "allocation": "POOLED",
        "apply_seat_increase_config": {"is_prorated": True},
    }
    assert shown["subscription_config"] == config
    assert shown["access_amount"] == {"unit_price": 100, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}
    grants = made["contract"][recurring.removeprefix("recurring_")]
    assert [one["subscription_config"] for one in grants] == [config] * 3
    assert [one["access_schedule"]["schedule_items"][0]["amount"] for one in grants] == [200] * 3


def test_seats_are_listed_with_what_they_can_spend(shop: Shop) -> None:
    made = seated(shop, allocation="INDIVIDUAL")
    named = {"customer_id": shop.customer, "contract_id": made["id"]}

    plain = shop.call("listSeatBalances-v1", **named, limit=1)
    usd = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
    # Neither pays for the subscription, which is the usage of no seat.
    sums = [{"credit_type_id": usd, "access_type": "SPEND", "balance": 100, "starting_balance": 100}]
    assert plain["data"] == [{"seat_id": "Ada", "balances": sums}]
    assert plain["pagination"]["seats_included"] == plain["pagination"]["seats_available_for_next_page"] == 1
    rest = shop.call("listSeatBalances-v1", **named, limit=1, cursor=plain["pagination"]["next_page"])
    assert [one["seat_id"] for one in rest["data"]] == ["Grace"]
    assert rest["pagination"] == {"seats_included": 1, "seats_available_for_next_page": 0, "next_page": None}

    asked = {"include_credits_and_commits": True, "include_ledgers": True, "seat_ids": ["Grace"]}
    (whole,) = shop.call("listSeatBalances-v1", **named, **asked)["data"]
    (credit,) = whole["credits"]
    assert whole["commits"] == []
    assert credit == {
        "id": made["contract"]["credits"][2]["id"],
        "credit_type_id": usd,
        "access_type": "SPEND",
        "balance": 100,
        "start_date": "2024-08-01T00:00:00.000Z",
        "end_date": "2024-09-01T00:00:00.000Z",
        "ledger_entries": [
            {"type": "CREDIT_SEGMENT_START", "amount": 100, "timestamp": "2024-08-01T00:00:00+00:00"},
        ],
    }


def test_a_page_of_seats_ends_where_it_has_a_hundred_balances(shop: Shop) -> None:
    made = seated(shop, allocation="INDIVIDUAL")
    named = {"customer_id": shop.customer, "contract_id": made["id"]}
    (recurring,) = made["contract"]["recurring_credits"]
    more = {key: recurring[key] for key in ("priority", "starting_at", "commit_duration", "subscription_config")}
    more |= {"product_id": recurring["product"]["id"], "access_amount": recurring["access_amount"]}
    shop.call("editContract-v2", **named, add_recurring_credits=[more] * 99)

    # A hundred credits of the month for Ada: Grace is on the next page.
    page = shop.call("listSeatBalances-v1", **named, include_credits_and_commits=True)
    assert [(one["seat_id"], len(one["credits"])) for one in page["data"]] == [("Ada", 100)]
    assert page["pagination"]["seats_available_for_next_page"] == 1
    assert shop.call("listSeatBalances-v1", **named)["pagination"]["seats_included"] == 2
