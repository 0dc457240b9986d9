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
from metronome_sandbox.domain.errors import AlreadyArchived, InvalidRequest, NotFound, NotImitated
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

NOBODY = "00000000-0000-5000-8000-000000000000"
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
