"""Bodies of the operations that change contracts: what is read from them, and what the history shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import msgspec
import orjson
import pytest

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.requests import Request, encode
from metronome_sandbox.api.wire.contract_edits import LATER_EDITS, AmendBody, EditBody, ServiceInvoiceBody, ServiceLine
from metronome_sandbox.api.wire.contracts import LATER_FEATURES, CreateContract
from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import TrueUp
from metronome_sandbox.domain.errors import InvalidRequest, NotFound, NotImitated
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore, StoreState

NOWHERE = "00000000-0000-4000-8000-000000000000"
JULY, AUGUST, SEPTEMBER, END = (f"2024-{month}-01T00:00:00Z" for month in ("07", "08", "09", "12"))
Call = Callable[..., Any]


@cache
def operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load())}


@pytest.fixture
def clock() -> Clock:
    return Clock(frozen_at=datetime(2024, 8, 15, tzinfo=UTC))


@pytest.fixture
def context(clock: Clock) -> Context:
    tenant = Context(MemoryStore(), clock.now, IdFactory())
    seed(tenant)
    return tenant


@pytest.fixture
def call(context: Context) -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""

    def call(operation_id: str, **body: Any) -> Any:
        operation = operations()[operation_id]
        raw = orjson.dumps(body)
        assert operation.body_is_valid(body), operation.body_findings(body)
        request = Request(operation, cast(Any, None), cast(Any, None), {}, {}, raw, [])
        reply = HANDLERS[operation_id](context, request)
        assert operation.response_findings(reply.status, reply.data) == []
        return orjson.loads(encode(reply.data))

    return call


@pytest.fixture
def product(call: Call) -> str:
    return call("createProduct-v1", name="Fee", type="FIXED")["data"]["id"]


@pytest.fixture
def contract(call: Call) -> dict[str, str]:
    """The customer and contract that a call names."""
    customer = call("createCustomer-v1", name="Acme")["data"]["id"]
    made = call("createContract-v1", customer_id=customer, starting_at=JULY, name="first")["data"]["id"]
    return {"customer_id": customer, "contract_id": made}


def fee(product: str, *items: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    return {"product_id": product, "schedule": {"schedule_items": list(items)}, **others}


def access(amount: float = 100) -> dict[str, Any]:
    return {"schedule_items": [{"amount": amount, "starting_at": AUGUST, "ending_before": SEPTEMBER}]}


@pytest.mark.parametrize(
    ("operation_id", "decoded", "later"),
    [
        ("createContract-v1", CreateContract, LATER_FEATURES),
        ("editContract-v2", EditBody, LATER_EDITS),
        ("amendContract-v1", AmendBody, {}),
        ("scheduleProServicesInvoice-v1", ServiceInvoiceBody, {}),
    ],
)
def test_every_field_of_a_body_is_read_or_refused(
    operation_id: str, decoded: type[msgspec.Struct], later: Mapping[str, str]
) -> None:
    document = Document.load()
    path = operations()[operation_id].path
    body = document.resolve(document.tree["paths"][path])["post"]["requestBody"]
    schema = document.resolve(document.resolve(body)["content"]["application/json"]["schema"])

    assert set(schema["properties"]) == {*decoded.__struct_fields__, *later}


def test_every_field_of_a_service_line_is_read() -> None:
    schema = Document.load().tree["components"]["schemas"]["ProServicesLineItemInput"]

    assert set(schema["properties"]) == set(ServiceLine.__struct_fields__)


def test_an_edit_answers_what_it_added_and_the_history_says_the_same(
    call: Call, contract: dict[str, str], product: str
) -> None:
    answer = call(
        "editContract-v2",
        **contract,
        uniqueness_key="sweetened",
        update_contract_name="second",
        update_contract_end_date=END,
        add_credits=[{"product_id": product, "name": "Goodwill", "access_schedule": access(0.5), "priority": 1}],
        add_scheduled_charges=[fee(product, {"timestamp": SEPTEMBER, "unit_price": 2, "quantity": 3})],
    )["data"]

    edit = answer["edit"]
    [charge] = edit["add_scheduled_charges"]
    [item] = charge["schedule"]["schedule_items"]
    assert (item["unit_price"], item["quantity"], item["amount"], item["invoice_id"]) == (2, 3, 6, None)
    [credit] = edit["add_credits"]
    assert (credit["type"], credit["name"], credit["priority"], credit["rate_type"]) == (
        "CREDIT",
        "Goodwill",
        1,
        "LIST_RATE",
    )
    assert credit["access_schedule"]["schedule_items"][0]["amount"] == 0.5
    assert {key: edit[key] for key in sorted(edit) if not key.startswith("add_")} == {
        "id": answer["id"],
        "timestamp": "2024-08-15T00:00:00.000Z",
        "uniqueness_key": "sweetened",
        "update_contract_end_date": "2024-12-01T00:00:00.000Z",
        "update_contract_name": "second",
    }
    assert call("getContractEditHistory-v2", **contract)["data"] == [edit]


def test_the_history_shows_changes_as_they_were_sent(call: Call, contract: dict[str, str], product: str) -> None:
    added = call(
        "editContract-v2",
        **contract,
        add_commits=[{"type": "prepaid", "product_id": product, "access_schedule": access()}],
        add_scheduled_charges=[fee(product, {"timestamp": SEPTEMBER, "amount": 6}, {"timestamp": END, "amount": 6})],
    )["data"]["edit"]
    [commit], [charge] = added["add_commits"], added["add_scheduled_charges"]
    first, second = (item["id"] for item in charge["schedule"]["schedule_items"])

    edit = call(
        "editContract-v2",
        **contract,
        update_commits=[
            {
                "commit_id": commit["id"].upper(),
                "priority": None,
                "rate_type": "list_rate",
                "access_schedule": {
                    "update_schedule_items": [
                        {"id": commit["access_schedule"]["schedule_items"][0]["id"], "amount": 99.5}
                    ]
                },
            }
        ],
        update_scheduled_charges=[
            {
                "scheduled_charge_id": charge["id"],
                "invoice_schedule": {
                    "add_schedule_items": [{"timestamp": "2024-10-01T02:00:00+02:00", "amount": 1}],
                    "update_schedule_items": [{"id": first, "unit_price": 2, "quantity": 4}],
                    "remove_schedule_items": [{"id": second}],
                },
            }
        ],
    )["data"]["edit"]

    assert edit["update_commits"] == [
        {
            "id": commit["id"],
            "priority": None,
            "rate_type": "LIST_RATE",
            "access_schedule": {
                "update_schedule_items": [{"id": commit["access_schedule"]["schedule_items"][0]["id"], "amount": 99.5}]
            },
        }
    ]
    assert edit["update_scheduled_charges"] == [
        {
            "id": charge["id"],
            "invoice_schedule": {
                "add_schedule_items": [{"timestamp": "2024-10-01T00:00:00.000Z", "amount": 1}],
                "update_schedule_items": [{"id": first, "unit_price": 2, "quantity": 4}],
                "remove_schedule_items": [{"id": second}],
            },
        }
    ]
    [shown] = call("getContract-v2", **contract)["data"]["scheduled_charges"]
    assert [(item["timestamp"], item["amount"]) for item in shown["schedule"]["schedule_items"]] == [
        ("2024-09-01T00:00:00.000Z", 8),  # 2 * 4
        ("2024-10-01T00:00:00.000Z", 1),
    ]


def test_v1_tells_what_was_agreed_first_from_what_holds_now(call: Call, contract: dict[str, str], product: str) -> None:
    amendment = call(
        "amendContract-v1",
        **contract,
        starting_at=AUGUST,
        credits=[{"product_id": product, "access_schedule": access()}],
        scheduled_charges=[fee(product, {"timestamp": SEPTEMBER, "amount": 6}, name="Fee")],
        netsuite_sales_order_id="7",
    )["data"]["id"]
    call("editContract-v2", **contract, update_contract_name=None)

    shown = call("getContract-v1", **contract)["data"]

    assert (shown["initial"]["name"], shown["current"].get("name")) == ("first", None)
    assert [len(shown[each]["scheduled_charges"]) for each in ("initial", "current")] == [0, 1]
    [amended] = shown["amendments"]
    assert (amended["id"], amended["starting_at"], amended["netsuite_sales_order_id"]) == (
        amendment,
        "2024-08-01T00:00:00.000Z",
        "7",
    )
    assert amended["scheduled_charges"] == shown["current"]["scheduled_charges"]
    assert amended["credits"] == shown["current"]["credits"]


def test_v2_reads_a_contract_as_of_a_date(call: Call, contract: dict[str, str], product: str) -> None:
    call(
        "editContract-v2",
        **contract,
        update_contract_name="second",
        add_credits=[{"product_id": product, "access_schedule": access()}],
    )

    before = call("getContract-v2", **contract, as_of_date="2024-08-14T23:00:00Z")["data"]
    after = call("getContract-v2", **contract, as_of_date="2024-08-15T00:00:00Z", include_balance=True)["data"]

    assert (before["name"], before["credits"]) == ("first", [])
    assert (after["name"], [credit["balance"] for credit in after["credits"]]) == ("second", [100])


CHANGES_ALONE: dict[str, dict[str, Any]] = {
    "editCommit-v2": {"name": "renamed"},
    "archiveCommit-v2": {},
    "updateCommitEndDate-v1": {"access_ending_before": "2024-08-20T00:00:00Z"},
    "editCredit-v2": {"name": "renamed"},
    "archiveCredit-v2": {},
    "updateCreditEndDate-v1": {"access_ending_before": "2024-08-20T00:00:00Z"},
}


@pytest.mark.parametrize("operation_id", CHANGES_ALONE)
def test_a_balance_that_is_changed_by_itself_was_different_before(
    call: Call, clock: Clock, contract: dict[str, str], product: str, operation_id: str
) -> None:
    field = "credits" if "Credit" in operation_id else "commits"
    new = {"product_id": product, "name": "first", "access_schedule": access()}
    kind = {} if field == "credits" else {"type": "PREPAID"}
    call("editContract-v2", **contract, **{f"add_{field}": [{**new, **kind}]})
    [made] = call("getContract-v2", **contract)["data"][field]
    edits = call("getContractEditHistory-v2", **contract)["data"]

    clock.freeze(datetime(2024, 8, 16, tzinfo=UTC))
    name = {"credits": "credit_id", "commits": "commit_id"}[field]
    call(operation_id, customer_id=contract["customer_id"], **{name: made["id"]}, **CHANGES_ALONE[operation_id])

    [now] = call("getContract-v2", **contract)["data"][field]
    [before] = call("getContract-v2", **contract, as_of_date="2024-08-15T12:00:00Z")["data"][field]
    assert before == made != now
    assert call("getContractEditHistory-v2", **contract)["data"] == edits


def test_a_true_up_that_is_given_up_was_there_before(
    context: Context, call: Call, contract: dict[str, str], product: str
) -> None:
    payment = {"schedule_items": [{"timestamp": SEPTEMBER, "amount": 100}]}
    promise = {"product_id": product, "type": "POSTPAID", "access_schedule": access(), "invoice_schedule": payment}
    call("editContract-v2", **contract, add_commits=[promise])
    [made] = call("getContract-v2", **contract)["data"]["commits"]

    call("disableCommitTrueup-v1", **contract, commit_id=made["id"])

    history = context.store.contract_histories[ContractId(contract["contract_id"])]
    kept = [balance.true_up for version in history.versions for balance in version.balances]
    assert kept == [TrueUp.EXPECTED]
    assert context.store.balances[made["id"]].true_up is TrueUp.DISABLED


def test_terms_show_the_name_that_their_product_has_now(
    call: Call, clock: Clock, contract: dict[str, str], product: str
) -> None:
    amount = {"unit_price": 1, "quantity": 5, "credit_type_id": USD_CENTS}
    grants = {"access_amount": amount, "priority": 1, "starting_at": AUGUST, "product_id": product}
    charge = fee(product, {"timestamp": SEPTEMBER, "amount": 2})
    call(
        "editContract-v2",
        **contract,
        add_credits=[{"product_id": product, "access_schedule": access()}],
        add_recurring_credits=[{**grants, "commit_duration": {"value": 1, "unit": "PERIODS"}}],
        add_scheduled_charges=[charge],
        add_discounts=[charge],
    )
    card = call("createRateCard-v1", name="Card")["data"]["id"]
    counted = call("createBillableMetricV1-v1", name="Calls", aggregation_type="COUNT")["data"]["id"]
    metered = call("createProduct-v1", name="Fee", type="USAGE", billable_metric_id=counted)["data"]["id"]
    new_rate = {"product_id": metered, "starting_at": JULY, "entitled": True, "rate_type": "FLAT", "price": 1}
    call("addRate-v1", rate_card_id=card, **new_rate)
    half = {"starting_at": JULY, "type": "MULTIPLIER", "multiplier": 0.5, "product_id": metered}
    of = {"customer_id": contract["customer_id"]}
    other = call("createContract-v1", **of, starting_at=JULY, rate_card_id=card, overrides=[half])["data"]["id"]

    for product_id in (product, metered):
        call("updateProduct-v1", product_id=product_id, starting_at="2024-08-16T00:00:00Z", name="Charge")

    for now, name in ((15, "Fee"), (16, "Charge")):
        clock.freeze(datetime(2024, 8, now, tzinfo=UTC))
        for version in ("v1", "v2"):
            shown = call(f"getContract-{version}", **contract)["data"]
            shown = shown["current"] if version == "v1" else shown
            fields = ("credits", "recurring_credits", "scheduled_charges", "discounts")
            assert {one["product"]["name"] for field in fields for one in shown[field]} == {name}
            shown = call(f"getContract-{version}", **of, contract_id=other)["data"]
            shown = shown["current"] if version == "v1" else shown
            assert [one["product"]["name"] for one in shown["overrides"]] == [name]


def test_usage_filters_read_back_in_both_shapes(call: Call, contract: dict[str, str]) -> None:
    assert call("getContract-v2", **contract)["data"]["usage_filter"] == []
    for start, values in ((JULY, ["atlas"]), (SEPTEMBER, ["atlas", "borealis"])):
        assert (
            call("setUsageFilter-v1", **contract, group_key="project", group_values=values, starting_at=start) is None
        )

    first = {"group_key": "project", "group_values": ["atlas"], "starting_at": "2024-07-01T00:00:00.000Z"}
    second = {**first, "group_values": ["atlas", "borealis"], "starting_at": "2024-09-01T00:00:00.000Z"}
    shown = call("getContract-v1", **contract)["data"]
    assert shown["current"]["usage_filter"] == {"initial": first, "current": first, "updates": [second]}
    assert "usage_filter" not in shown["initial"]
    assert call("getContract-v2", **contract)["data"]["usage_filter"] == [
        {**first, "ending_before": second["starting_at"]},
        second,
    ]
    history = call("getContractEditHistory-v2", **contract)["data"]
    assert [entry["add_usage_filters"] for entry in history] == [[first], [second]]


def test_an_invoice_names_the_charge_the_discount_and_the_royalty(
    call: Call, contract: dict[str, str], product: str
) -> None:
    call(
        "editContract-v2",
        **contract,
        add_scheduled_charges=[fee(product, {"timestamp": AUGUST, "amount": 6}, custom_fields={"po": "1"})],
        add_discounts=[fee(product, {"timestamp": AUGUST, "amount": 2}, name="Off")],
        add_reseller_royalties=[
            {
                "reseller_type": "AWS",
                "fraction": 0.25,
                "netsuite_reseller_id": "ns-7",
                "starting_at": JULY,
                "applicable_product_ids": [product],
                "aws_options": {"aws_offer_id": "o-1"},
            }
        ],
        add_professional_services=[
            {"product_id": product, "unit_price": 5, "quantity": 2, "max_amount": 10, "description": "Work"}
        ],
    )
    now = call("getContract-v2", **contract)["data"]
    [service] = now["professional_services"]

    [invoice] = call(
        "scheduleProServicesInvoice-v1",
        **contract,
        issued_at=AUGUST,
        line_items=[{"professional_service_id": service["id"], "amount": 10, "metadata": "July"}],
    )["data"]

    [line] = invoice["line_items"]
    assert (line["type"], line["professional_service_id"], line["metadata"]) == ("scheduled", service["id"], "July")
    assert (invoice["type"], invoice["status"], invoice["total"]) == ("SCHEDULED", "FINALIZED", 10)
    assert invoice["reseller_royalty"] == {
        "reseller_type": "AWS",
        "netsuite_reseller_id": "ns-7",
        "fraction": "0.25",
        "aws_options": {"aws_offer_id": "o-1"},
    }
    [royalty] = now["reseller_royalties"]
    assert (royalty["reseller_type"], royalty["segments"][0]["aws_offer_id"]) == ("AWS", "o-1")
    billed = now["scheduled_charges"][0]["schedule"]["schedule_items"][0]["invoice_id"]
    assert billed == now["discounts"][0]["schedule"]["schedule_items"][0]["invoice_id"] != invoice["id"]


def test_a_transition_reads_back_on_both_contracts(call: Call, contract: dict[str, str]) -> None:
    transition = {
        "type": "renewal",
        "from_contract_id": contract["contract_id"],
        "future_invoice_behavior": {"trueup": "REMOVE"},
    }
    new = call("createContract-v1", customer_id=contract["customer_id"], starting_at=SEPTEMBER, transition=transition)[
        "data"
    ]

    link = {"type": "RENEWAL", "from_contract_id": contract["contract_id"], "to_contract_id": new["id"]}
    assert new["contract"]["transitions"] == [link]
    old = call("getContract-v1", **contract)["data"]
    assert (old["initial"]["transitions"], old["current"]["transitions"]) == ([], [link])
    assert old["current"]["ending_before"] == "2024-09-01T00:00:00.000Z"


def test_what_an_edit_cannot_do_yet_is_refused_by_name(call: Call, contract: dict[str, str], product: str) -> None:
    with pytest.raises(NotImitated, match=r"^archive_spend_trackers: "):
        call("editContract-v2", **contract, archive_spend_trackers=["a"])
    with pytest.raises(NotImitated, match=r"^custom_fields: "):
        call("amendContract-v1", **contract, starting_at=AUGUST, custom_fields={"a": "b"})


UNKNOWN_IN_A_CONTRACT: list[tuple[str, dict[str, Any]]] = [
    ("customer_id", {"customer_id": NOWHERE}),
    ("rate_card_id", {"rate_card_id": NOWHERE}),
    ("package_id", {"package_id": NOWHERE}),
    (
        "credits[1].applicable_product_ids[1]",
        {
            "credits": [
                {"product_id": "FEE", "access_schedule": access()},
                {"product_id": "FEE", "access_schedule": access(), "applicable_product_ids": ["FEE", NOWHERE]},
            ]
        },
    ),
    (
        "commits[0].product_id",
        {"commits": [{"product_id": NOWHERE, "type": "PREPAID", "access_schedule": access()}]},
    ),
    (
        "commits[0].specifiers[1].product_id",
        {
            "commits": [
                {
                    "product_id": "FEE",
                    "type": "PREPAID",
                    "access_schedule": access(),
                    "specifiers": [{"product_tags": ["a"]}, {"product_id": NOWHERE}],
                }
            ]
        },
    ),
    (
        "credits[0].access_schedule.credit_type_id",
        {"credits": [{"product_id": "FEE", "access_schedule": {**access(), "credit_type_id": NOWHERE}}]},
    ),
    (
        "scheduled_charges[0].product_id",
        {"scheduled_charges": [fee(NOWHERE, {"timestamp": AUGUST, "amount": 5})]},
    ),
    (
        "reseller_royalties[0].applicable_product_ids[0]",
        {
            "reseller_royalties": [
                {
                    "reseller_type": "AWS",
                    "fraction": 0.1,
                    "netsuite_reseller_id": "n",
                    "starting_at": JULY,
                    "applicable_product_ids": [NOWHERE],
                }
            ]
        },
    ),
    (
        "hierarchy_configuration.parent.customer_id",
        {"hierarchy_configuration": {"parent": {"customer_id": NOWHERE, "contract_id": NOWHERE}}},
    ),
    (
        "transition.from_contract_id",
        {"transition": {"type": "RENEWAL", "from_contract_id": NOWHERE}},
    ),
]


def with_fee(tree: Any, product: str) -> Any:
    """Return a body with the id of a product in place of the word FEE."""
    return orjson.loads(orjson.dumps(tree).replace(b"FEE", product.encode()))


@pytest.mark.parametrize(("path", "fields"), UNKNOWN_IN_A_CONTRACT, ids=[row[0] for row in UNKNOWN_IN_A_CONTRACT])
def test_what_a_new_contract_names_and_is_not_there_is_told_with_its_place(
    call: Call, contract: dict[str, str], product: str, path: str, fields: dict[str, Any]
) -> None:
    body = {"customer_id": contract["customer_id"], "starting_at": JULY, **with_fee(fields, product)}

    with pytest.raises(NotFound) as caught:
        call("createContract-v1", **body)

    assert str(caught.value) == f"{path}: no {caught.value.kind} {NOWHERE} in this tenant"


UNKNOWN_IN_AN_EDIT: list[tuple[str, dict[str, Any]]] = [
    ("customer_id", {"customer_id": NOWHERE}),
    ("contract_id", {"contract_id": NOWHERE}),
    (
        "add_credits[0].applicable_product_ids[0]",
        {"add_credits": [{"product_id": "FEE", "access_schedule": access(), "applicable_product_ids": [NOWHERE]}]},
    ),
    ("archive_commits[0].id", {"archive_commits": [{"id": NOWHERE}]}),
    ("archive_credits[0].id", {"archive_credits": [{"id": NOWHERE}]}),
    ("archive_scheduled_charges[0].id", {"archive_scheduled_charges": [{"id": NOWHERE}]}),
    ("remove_overrides[0].id", {"remove_overrides": [{"id": NOWHERE}]}),
    ("update_commits[0].commit_id", {"update_commits": [{"commit_id": NOWHERE}]}),
    ("update_credits[0].credit_id", {"update_credits": [{"credit_id": NOWHERE}]}),
    (
        "update_scheduled_charges[0].scheduled_charge_id",
        {"update_scheduled_charges": [{"scheduled_charge_id": NOWHERE}]},
    ),
    (
        "update_recurring_commits[0].recurring_commit_id",
        {"update_recurring_commits": [{"recurring_commit_id": NOWHERE}]},
    ),
    (
        "update_recurring_credits[0].recurring_credit_id",
        {"update_recurring_credits": [{"recurring_credit_id": NOWHERE}]},
    ),
    (
        "update_credits[0].access_schedule.remove_schedule_items[0].id",
        {"update_credits": [{"credit_id": "CREDIT", "access_schedule": {"remove_schedule_items": [{"id": NOWHERE}]}}]},
    ),
]


@pytest.mark.parametrize(("path", "fields"), UNKNOWN_IN_AN_EDIT, ids=[row[0] for row in UNKNOWN_IN_AN_EDIT])
def test_what_an_edit_names_and_is_not_there_is_told_with_its_place(
    call: Call, contract: dict[str, str], product: str, path: str, fields: dict[str, Any]
) -> None:
    call("editContract-v2", **contract, add_credits=[{"product_id": product, "access_schedule": access()}])
    before = call("getContract-v2", **contract)
    credit = before["data"]["credits"][0]["id"]
    body = orjson.loads(orjson.dumps(with_fee(fields, product)).replace(b"CREDIT", credit.encode()))

    with pytest.raises(NotFound) as caught:
        call("editContract-v2", **{**contract, **body})

    assert str(caught.value) == f"{path}: no {caught.value.kind} {NOWHERE} in this tenant"
    assert call("getContract-v2", **contract) == before


def test_a_service_line_has_one_price(call: Call, contract: dict[str, str]) -> None:
    service = {"professional_service_id": contract["contract_id"]}
    for line, message in (
        ({**service, "amount": 1, "quantity": 1}, r"^line_items\[0\]\.amount: cannot stand beside"),
        ({**service, "unit_price": 1}, r"^line_items\[0\]\.amount: is missing"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            call("scheduleProServicesInvoice-v1", **contract, issued_at=AUGUST, line_items=[line])


def test_a_changed_contract_survives_a_snapshot(
    context: Context, call: Call, contract: dict[str, str], product: str
) -> None:
    call(
        "editContract-v2",
        **contract,
        update_contract_name=None,
        add_scheduled_charges=[fee(product, {"timestamp": SEPTEMBER, "amount": 1 / 3})],
        add_reseller_royalties=[
            {
                "reseller_type": "GCP",
                "fraction": 0.25,
                "netsuite_reseller_id": "ns-7",
                "starting_at": JULY,
                "ending_before": None,
                "applicable_product_tags": ["ai"],
            }
        ],
    )
    call("amendContract-v1", **contract, starting_at=AUGUST)
    before = call("getContract-v1", **contract), call("getContractEditHistory-v2", **contract)
    saved = msgspec.json.encode(context.store.dump())

    context.store = MemoryStore(msgspec.json.decode(saved, type=StoreState))

    assert msgspec.json.encode(context.store.dump()) == saved
    assert (call("getContract-v1", **contract), call("getContractEditHistory-v2", **contract)) == before


def test_changes_of_recurring_commits_are_read_and_shown(call: Call, contract: dict[str, str], product: str) -> None:
    grant = {
        "product_id": product,
        "access_amount": {"unit_price": 5, "quantity": 2, "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"},
        "priority": 1,
        "starting_at": AUGUST,
        "ending_before": END,
        "commit_duration": {"value": 1},
        "proration_rounding": {"access": {"rounding_method": "FLOOR", "decimal_places": 0}},
    }
    added = call("editContract-v2", **contract, add_recurring_commits=[grant], add_recurring_credits=[grant])
    [commit] = added["data"]["edit"]["add_recurring_commits"]
    [credit] = added["data"]["edit"]["add_recurring_credits"]

    edit = call(
        "editContract-v2",
        **contract,
        update_recurring_commits=[
            {
                "recurring_commit_id": commit["id"].upper(),
                "access_amount": {"unit_price": 7.5},
                "rate_type": "commit_rate",
                "ending_before": None,
                "proration_rounding": None,
            }
        ],
        update_recurring_credits=[
            {
                "recurring_credit_id": credit["id"],
                "ending_before": SEPTEMBER,
                "proration_rounding": {"access": {"rounding_method": "CEILING", "decimal_places": -2}},
            }
        ],
    )["data"]["edit"]

    assert edit["update_recurring_commits"] == [
        {
            "id": commit["id"],
            "access_amount": {"unit_price": 7.5},
            "rate_type": "COMMIT_RATE",
            "proration_rounding": None,
        }
    ]
    [change] = edit["update_recurring_credits"]
    assert (change["id"], change["ending_before"]) == (credit["id"], "2024-09-01T00:00:00.000Z")
    now = call("getContract-v2", **contract)["data"]
    [commit] = now["recurring_commits"]
    [credit] = now["recurring_credits"]
    assert commit["access_amount"]["unit_price"] == 7.5
    assert not {"ending_before", "proration_rounding"} & commit.keys()
    assert credit["proration_rounding"] == {"access": {"rounding_method": "CEILING", "decimal_places": -2}}
