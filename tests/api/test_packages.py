"""Bodies of the package operations: what is read from them, what comes back, and contracts made from packages."""

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
from metronome_sandbox.api.wire.packages import (
    LATER_TEMPLATES,
    BalanceTemplateInput,
    CreatePackage,
    OverrideTemplateInput,
    RecurringTemplateInput,
)
from metronome_sandbox.api.wire.relative_dates import LONGEST
from metronome_sandbox.api.wire.subscription_templates import SubscriptionTemplateInput
from metronome_sandbox.domain.errors import AlreadyArchived, InvalidRequest, NotFound, NotImitated
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

NOBODY = "00000000-0000-5000-8000-000000000000"
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
SEATS: dict[str, Any] = {
    "subscription_rate": {"product_id": NOBODY, "billing_frequency": "MONTHLY"},
    "collection_schedule": "ADVANCE",
    "proration": {},
    "initial_quantity": 1,
}
Call = Callable[..., Any]


@cache
def operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load())}


@pytest.fixture
def call() -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""
    context = Context(MemoryStore(), lambda: datetime(2024, 8, 15, tzinfo=UTC), IdFactory())
    seed(context)

    def call(operation_id: str, query: dict[str, Any] | None = None, **body: Any) -> Any:
        operation = operations()[operation_id]
        assert operation.body_is_valid(body), operation.body_findings(body)
        given = {"limit": 10, **(query or {})}
        request = Request(operation, cast(Any, None), cast(Any, None), {}, given, orjson.dumps(body), [])
        reply = HANDLERS[operation_id](context, request)
        assert operation.response_findings(reply.status, reply.data) == []
        return orjson.loads(encode(reply.data))

    return call


@pytest.fixture
def product(call: Call) -> str:
    return call("createProduct-v1", name="Fee", type="FIXED")["data"]["id"]


def months(value: int) -> dict[str, Any]:
    return {"value": value, "unit": "MONTHS"}


def access(amount: float = 100) -> dict[str, Any]:
    return {"schedule_items": [{"amount": amount, "starting_at_offset": months(0), "duration": months(1)}]}


@pytest.mark.parametrize(
    ("schema", "read"),
    [
        ("CreatePackageRequest", {*CreatePackage.__struct_fields__, *LATER_TEMPLATES}),
        ("CommitTemplateInput", set(BalanceTemplateInput.__struct_fields__)),
        ("RecurringCommitTemplateInput", set(RecurringTemplateInput.__struct_fields__)),
        ("OverrideTemplateInput", set(OverrideTemplateInput.__struct_fields__)),
        ("SubscriptionTemplateInput", set(SubscriptionTemplateInput.__struct_fields__)),
    ],
)
def test_every_field_is_read_or_refused(schema: str, read: set[str]) -> None:
    assert set(Document.load().tree["components"]["schemas"][schema]["properties"]) <= read


def test_a_package_reads_back_as_it_was_sent(call: Call, product: str) -> None:
    sent = {
        "name": "Starter 2024",
        "contract_name": "Starter",
        "aliases": [{"name": "starter", "starting_at": "2024-01-01T00:00:00.000Z"}],
        "duration": months(12),
        "net_payment_terms_days": 30,
        "multiplier_override_prioritization": "EXPLICIT",
        "scheduled_charges_on_usage_invoices": "ALL",
    }
    package_id = call("createPackage-v1", **sent, uniqueness_key="k" * 128)["data"]["id"]

    package = call("getPackage-v1", package_id=package_id.upper())["data"]
    assert {name: package[name] for name in sent} == sent
    assert package["uniqueness_key"] == "package:" + "k" * 128
    assert package["usage_statement_schedule"] == {"frequency": "MONTHLY", "day": "FIRST_OF_MONTH"}
    assert package["created_at"] == "2024-08-15T00:00:00.000Z"
    assert "archived_at" not in package


def test_overrides_name_templates_where_the_request_named_temporary_ids(call: Call, product: str) -> None:
    commit = {"type": "PREPAID", "product_id": product, "access_schedule": access(), "temporary_id": "c"}
    override = {
        "starting_at_offset": months(1),
        "type": "MULTIPLIER",
        "multiplier": 0.5,
        "is_commit_specific": True,
        "override_specifiers": [{"commit_ids": ["c"], "product_tags": ["ai"]}],
    }
    package_id = call("createPackage-v1", name="P", commits=[commit], overrides=[override])["data"]["id"]

    package = call("getPackage-v1", package_id=package_id)["data"]
    [made] = package["overrides"]
    assert made["override_specifiers"] == [
        {"product_tags": ["ai"], "commit_template_ids": [package["commits"][0]["id"]]}
    ]
    assert (made["starting_at_offset"], made["multiplier"], made["target"]) == (months(1), 0.5, "LIST_RATE")
    assert not {"duration", "starting_at", "ending_before", "created_at"} & made.keys()


def subscribed(call: Call, **others: Any) -> dict[str, Any]:
    """A package with a subscription at 2000 a month, ``others`` beside what that needs."""
    product = call("createProduct-v1", name="Seat", type="SUBSCRIPTION")["data"]["id"]
    card = call("createRateCard-v1", name="List", aliases=[{"name": "list"}])["data"]["id"]
    rate = {"product_id": product, "billing_frequency": "MONTHLY"}
    start = {"starting_at": "2024-01-01T00:00:00Z", "entitled": True}
    call("addRate-v1", rate_card_id=card, **rate, **start, rate_type="FLAT", price=2000)
    seats = {
        "subscription_rate": rate,
        "collection_schedule": "arrears",
        "proration": {"is_prorated": True, "rounding": {"rounding_method": "FLOOR", "decimal_places": -2}},
        "temporary_id": "team",
        **others.pop("seats", {"initial_quantity": 2.5}),
    }
    return {"name": "P", "rate_card_id": card, "subscriptions": [seats], **others}


def test_a_subscription_of_a_package_reads_back_as_it_was_sent(call: Call) -> None:
    sent = {
        "name": "Seats",
        "description": "Of the team",
        "quantity_management_mode": "SEAT_BASED",
        "seat_config": {"seat_group_key": "user", "initial_unassigned_seats": 3},
        "billing_cycle_config": {"invoice_placement": "ON_SCHEDULED_INVOICE"},
        "starting_at_offset": months(1),
        "duration": {"value": 30, "unit": "DAYS"},
        "custom_fields": {"tier": "one"},
    }
    package_id = call("createPackage-v1", **subscribed(call, seats=sent))["data"]["id"]

    [made] = call("getPackage-v1", package_id=package_id)["data"]["subscriptions"]
    assert {name: made[name] for name in sent} == {**sent, "seat_config": {"seat_group_key": "user"}}
    assert made["subscription_rate"]["product"]["name"] == "Seat"
    assert made["subscription_rate"]["billing_frequency"] == "MONTHLY"
    assert (made["collection_schedule"], made["fiat_credit_type_id"]) == ("ARREARS", USD)
    assert made["proration"] == {
        "is_prorated": True,
        "invoice_behavior": "BILL_ON_NEXT_COLLECTION_DATE",
        "rounding": {"rounding_method": "FLOOR", "decimal_places": -2},
    }
    assert not {"initial_quantity", "custom_credit_type_id", "temporary_id"} & made.keys()


def test_the_currency_of_a_subscription_is_unknown_where_an_alias_names_the_card(call: Call) -> None:
    body = {**subscribed(call), "rate_card_alias": "list"}
    del body["rate_card_id"]
    package_id = call("createPackage-v1", **body)["data"]["id"]

    [made] = call("getPackage-v1", package_id=package_id)["data"]["subscriptions"]
    assert "fiat_credit_type_id" not in made
    assert (made["initial_quantity"], made["quantity_management_mode"]) == (2.5, "QUANTITY_ONLY")


def test_grants_for_seats_name_the_template_in_the_package_and_the_subscription_in_the_contract(
    call: Call, product: str
) -> None:
    grant = {
        "product_id": product,
        "priority": 1,
        "starting_at_offset": months(0),
        "commit_duration": {"value": 1},
        "access_amount": {"unit_price": 10, "credit_type_id": USD},
        "subscription_config": {
            "subscription_id": "team",
            "allocation": "POOLED",
            "apply_seat_increase_config": {"is_prorated": False},
        },
    }
    body = subscribed(call, recurring_credits=[grant], recurring_commits=[grant])
    package_id = call("createPackage-v1", **body)["data"]["id"]
    package = call("getPackage-v1", package_id=package_id)["data"]
    template = package["subscriptions"][0]["id"]
    for field in ("recurring_credits", "recurring_commits"):
        [made] = package[field]
        assert made["subscription_config"] == {
            "subscription_template_id": template,
            "allocation": "POOLED",
            "apply_seat_increase_config": {"is_prorated": False},
        }
        assert "quantity" not in made["access_amount"]

    customer = call("createCustomer-v1", name="Acme")["data"]["id"]
    start = "2024-08-01T00:00:00Z"
    new = call("createContract-v1", customer_id=customer, starting_at=start, package_id=package_id)["data"]["id"]
    contract = call("getContract-v2", customer_id=customer, contract_id=new)["data"]
    [subscription] = contract["subscriptions"]
    assert subscription["id"] != template
    assert contract["recurring_credits"][0]["subscription_config"]["subscription_id"] == subscription["id"]
    # 10 for each of 2.5.
    assert [each["access_schedule"]["schedule_items"][0]["amount"] for each in contract["credits"]] == [25]


def test_a_grant_for_seats_has_no_quantity_of_its_own(call: Call, product: str) -> None:
    grant = {
        "product_id": product,
        "priority": 1,
        "starting_at_offset": months(0),
        "commit_duration": {"value": 1},
        "access_amount": {"unit_price": 10, "quantity": 1, "credit_type_id": USD},
        "subscription_config": {"subscription_id": "team", "apply_seat_increase_config": {"is_prorated": False}},
    }

    with pytest.raises(InvalidRequest) as refused:
        call("createPackage-v1", **subscribed(call, recurring_credits=[grant]))

    assert refused.value.path == "recurring_credits[0].access_amount.quantity"


def test_lists_are_paged_and_filtered(call: Call) -> None:
    made = [call("createPackage-v1", name=name)["data"]["id"] for name in "abc"]
    call("archivePackage-v1", package_id=made[1])

    first = call("listPackages-v1", {"limit": 1})
    second = call("listPackages-v1", {"limit": 1, "next_page": first["next_page"]})
    assert [first["data"][0]["id"], second["data"][0]["id"], second["next_page"]] == [made[0], made[2], None]
    [archived] = call("listPackages-v1", archive_filter="archived")["data"]
    assert (archived["id"], archived["archived_at"]) == (made[1], "2024-08-15T00:00:00.000Z")


def test_a_contract_says_which_package_it_came_from(call: Call) -> None:
    package_id = call("createPackage-v1", name="P", duration=months(2), contract_name="Starter")["data"]["id"]
    customer = call("createCustomer-v1", name="Acme")["data"]["id"]
    start = "2024-08-01T00:00:00Z"
    made = call("createContract-v1", customer_id=customer, starting_at=start, package_id=package_id.upper())["data"]

    of_this = {"customer_id": customer, "contract_id": made["id"]}
    assert made["contract"]["package_id"] == package_id
    assert call("getContract-v2", **of_this)["data"]["package_id"] == package_id
    old = call("getContract-v1", **of_this)["data"]
    assert (old["package_id"], old["current"]["name"]) == (package_id, "Starter")
    assert call("listContractsOnPackage-v1", package_id=package_id)["data"] == [
        {**of_this, "starting_at": "2024-08-01T00:00:00.000Z", "ending_before": "2024-10-01T00:00:00.000Z"}
    ]
    call("archiveContract-v1", **of_this, void_invoices=False)
    assert call("listContractsOnPackage-v1", package_id=package_id)["data"] == []
    [archived] = call("listContractsOnPackage-v1", package_id=package_id, include_archived=True)["data"]
    assert archived["archived_at"] == "2024-08-15T00:00:00.000Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Mine"),
        ("ending_before", "2025-08-01T00:00:00Z"),
        ("credits", []),
        ("rate_card_alias", "list"),
        ("spend_trackers", []),
        ("hierarchy_configuration", {"parent": {"customer_id": NOBODY, "contract_id": NOBODY}}),
    ],
)
def test_nothing_else_may_stand_beside_a_package(call: Call, field: str, value: Any) -> None:
    package_id = call("createPackage-v1", name="P")["data"]["id"]
    customer = call("createCustomer-v1", name="Acme")["data"]["id"]
    body = {"customer_id": customer, "starting_at": "2024-08-01T00:00:00Z", "package_id": package_id}

    with pytest.raises(InvalidRequest) as refused:
        call("createContract-v1", **body, **{field: value})

    assert refused.value.path == field


@pytest.mark.parametrize(
    ("path", "terms"),
    [
        ("duration.value", {"duration": months(0)}),
        ("duration.value", {"duration": {"value": LONGEST["YEARS"] + 1, "unit": "YEARS"}}),  # type: ignore[index]
        ("subscriptions[0].starting_at_offset.value", {"subscriptions": [{**SEATS, "starting_at_offset": months(-1)}]}),
        ("subscriptions[0].duration.value", {"subscriptions": [{**SEATS, "duration": months(0)}]}),
        (
            "usage_statement_schedule.invoice_generation_starting_at_offset.value",
            {"usage_statement_schedule": {"frequency": "MONTHLY", "invoice_generation_starting_at_offset": months(-1)}},
        ),
    ],
)
def test_dates_out_of_range_are_refused(call: Call, path: str, terms: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        call("createPackage-v1", name="P", **terms)

    assert refused.value.path == path


@pytest.mark.parametrize("field", LATER_TEMPLATES)
def test_what_comes_later_is_refused_by_name(field: str) -> None:
    schema = Document.load().tree["components"]["schemas"]["CreatePackageRequest"]["properties"]
    assert field in schema
    context, operation = cast(Any, None), operations()["createPackage-v1"]
    body = orjson.dumps({"name": "P", field: {"any": "thing"}})

    with pytest.raises(NotImitated, match=field):
        HANDLERS["createPackage-v1"](context, Request(operation, context, context, {}, {}, body, []))


def test_refusals_have_the_statuses_that_were_seen() -> None:
    found, gone = NotFound("package", NOBODY), AlreadyArchived("package_id", "is already archived")

    assert answer(operations()["getPackage-v1"], found)[0] == 404
    assert answer(operations()["listContractsOnPackage-v1"], found) == (
        400,
        {"code": "PackageNotFound", "message": str(found)},
    )
    assert answer(operations()["archivePackage-v1"], gone)[0] == 422
