"""Bodies of account hierarchies: what goes in, and how it reads back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import orjson
import pytest

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.requests import Request, encode
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import BILLING, Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

START, END = "2024-08-01T00:00:00Z", "2024-12-01T00:00:00Z"
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
ALL = {"child_access": {"type": "ALL"}}
Call = Callable[..., Any]
Link = dict[str, str]


@cache
def operations() -> dict[str, Operation]:
    return {one.operation_id: one for one in operations_of(Document.load(BILLING))}


@pytest.fixture
def call() -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""
    context = Context(MemoryStore(), lambda: datetime(2024, 8, 15, tzinfo=UTC), IdFactory())
    seed(context)

    def call(operation_id: str, path: dict[str, str] | None = None, **body: Any) -> Any:
        operation = operations()[operation_id]
        assert not body or operation.body_is_valid(body), operation.body_findings(body)
        query = {"limit": 100, "sort": "date_asc", "skip_zero_qty_line_items": False}
        request = Request(operation, cast(Any, None), cast(Any, None), path or {}, query, orjson.dumps(body), [])
        reply = HANDLERS[operation_id](context, request)
        assert operation.response_findings(reply.status, reply.data) == []
        return orjson.loads(encode(reply.data))

    return call


@pytest.fixture
def product(call: Call) -> str:
    return call("createProduct-v1", name="Fee", type="FIXED")["data"]["id"]


def contract(call: Call, customer: str, **terms: Any) -> Link:
    """The customer and the contract, as a call and a link name them."""
    customer_id = call("createCustomer-v1", name=customer)["data"]["id"]
    made = call("createContract-v1", customer_id=customer_id, starting_at=START, **terms)["data"]
    return {"customer_id": customer_id, "contract_id": made["id"]}


def child(call: Call, parent: Link, customer: str = "Acme", **others: Any) -> Link:
    return contract(call, customer, hierarchy_configuration={"parent": parent, **others})


def commit(product: str, hierarchy: Any, **others: Any) -> dict[str, Any]:
    access = {"schedule_items": [{"amount": 5, "starting_at": START, "ending_before": END}]}
    return {"product_id": product, "access_schedule": access, "hierarchy_configuration": hierarchy, **others}


def shapes(call: Call, of: Link) -> list[Any]:
    """``hierarchy_configuration`` of a contract as every answer has it."""
    v1, v2 = call("getContract-v1", **of)["data"], call("getContract-v2", **of)["data"]
    lists = call("listContracts-v2", customer_id=of["customer_id"])["data"]
    return [one.get("hierarchy_configuration") for one in (v1["initial"], v1["current"], v2, *lists)]


def test_parents_list_their_children_and_children_name_their_parent(call: Call) -> None:
    parent = contract(
        call, "Group", hierarchy_configuration={"parent_behavior": {"invoice_consolidation_type": "none"}}
    )
    behavior = {"invoice_consolidation_type": "NONE"}
    assert shapes(call, parent) == [{"children": [], "parent_behavior": behavior}] * 4

    paying = child(call, parent)
    paid = child(call, parent, "Beta", payer="parent", usage_statement_behavior="separate")

    assert shapes(call, parent) == [{"children": [paying, paid], "parent_behavior": behavior}] * 4
    separate = {"parent": parent, "usage_statement_behavior": "SEPARATE"}
    assert shapes(call, paying) == [{**separate, "payer": "SELF"}] * 4
    assert shapes(call, paid) == [{**separate, "payer": "PARENT"}] * 4


def test_a_contract_that_is_alone_says_nothing_of_hierarchies(call: Call) -> None:
    alone = contract(call, "Alone")
    assert shapes(call, alone) == [None] * 4

    below = child(call, alone)
    assert shapes(call, alone) == [{"children": [below]}] * 4


def test_the_answer_of_create_has_the_hierarchy(call: Call) -> None:
    parent = contract(call, "Group")
    customer_id = call("createCustomer-v1", name="Acme")["data"]["id"]

    hierarchy = {"parent": {key: value.upper() for key, value in parent.items()}}
    made = call("createContract-v1", customer_id=customer_id, starting_at=START, hierarchy_configuration=hierarchy)

    assert made["data"]["contract"]["hierarchy_configuration"]["parent"] == parent


@pytest.mark.parametrize(("payer", "who"), [("SELF", "child"), ("PARENT", "parent")])
def test_usage_invoices_of_a_child_name_their_payer(call: Call, payer: str, who: str) -> None:
    parent = contract(call, "Group")
    links = {"parent": parent, "child": child(call, parent, payer=payer)}

    [invoice] = call("listInvoices-v1", {"customer_id": links["child"]["customer_id"]})["data"]
    [of_parent] = call("listInvoices-v1", {"customer_id": parent["customer_id"]})["data"]

    assert invoice["payer"] == links[who]
    assert "payer" not in of_parent


@pytest.mark.parametrize(
    ("hierarchy", "field"),
    [
        ({"payer": "SELF"}, "payer"),
        ({"usage_statement_behavior": "SEPARATE"}, "usage_statement_behavior"),
        ({"parent": ..., "parent_behavior": {}}, "parent_behavior"),
        ({"parent": ..., "usage_statement_behavior": "CONSOLIDATE"}, "usage_statement_behavior"),
        ({"parent": ..., "payer": "self", "usage_statement_behavior": "consolidate"}, "usage_statement_behavior"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Call, hierarchy: dict[str, Any], field: str) -> None:
    parent = contract(call, "Group")
    if "parent" in hierarchy:
        hierarchy = {**hierarchy, "parent": parent}

    with pytest.raises(InvalidRequest) as refused:
        contract(call, "Acme", hierarchy_configuration=hierarchy)

    assert refused.value.path == f"hierarchy_configuration.{field}"


def test_one_invoice_for_several_contracts_is_not_imitated(call: Call) -> None:
    parent = contract(call, "Group")

    with pytest.raises(NotImitated, match="consolidated usage invoices"):
        child(call, parent, payer="PARENT", usage_statement_behavior="CONSOLIDATE")
    behavior = {"invoice_consolidation_type": "CONCATENATE"}
    with pytest.raises(NotImitated, match="concatenated invoices"):
        contract(call, "Acme", hierarchy_configuration={"parent_behavior": behavior})


def recurring(product: str) -> dict[str, Any]:
    return {
        "product_id": product,
        "access_amount": {"unit_price": 1, "quantity": 5, "credit_type_id": USD},
        "priority": 1,
        "starting_at": START,
        "commit_duration": {"value": 1, "unit": "PERIODS"},
        "hierarchy_configuration": {"child_access": {"type": "all"}},
    }


def test_the_access_of_children_reads_back_everywhere(call: Call, product: str) -> None:
    shared = {"hierarchy_configuration": ALL}
    group = contract(
        call,
        "Group",
        commits=[commit(product, ALL, type="PREPAID")],
        credits=[commit(product, ALL)],
        recurring_commits=[recurring(product)],
        recurring_credits=[recurring(product)],
    )

    v1, v2 = call("getContract-v1", **group)["data"], call("getContract-v2", **group)["data"]
    for shape in (v1["current"], v2):
        for field in ("commits", "credits", "recurring_commits", "recurring_credits"):
            assert shape[field]
            assert all(one | shared == one for one in shape[field])
    listed = call("listCustomerBalances-v1", customer_id=group["customer_id"], include_contract_balances=True)["data"]
    assert len(listed) == 4  # two grants of August
    assert all(one | shared == one for one in listed)


def test_edits_of_the_access_of_children(call: Call, product: str) -> None:
    group = contract(call, "Group", commits=[commit(product, ALL, type="PREPAID")], credits=[commit(product, ALL)])
    below = child(call, group)
    [made] = call("getContract-v2", **group)["data"]["commits"]
    [credit] = call("getContract-v2", **group)["data"]["credits"]
    only = {"child_access": {"type": "contract_ids", "contract_ids": [below["contract_id"].upper()]}}
    shown = {"child_access": {"type": "CONTRACT_IDS", "contract_ids": [below["contract_id"]]}}

    added = call("editContract-v2", **group, add_credits=[commit(product, only)])
    assert added["data"]["edit"]["add_credits"][0]["hierarchy_configuration"] == shown
    edited = call(
        "editContract-v2", **group, update_commits=[{"commit_id": made["id"], "hierarchy_configuration": only}]
    )
    assert edited["data"]["edit"]["update_commits"] == [{"id": made["id"], "hierarchy_configuration": shown}]
    nobody = {"child_access": {"type": "NONE"}}
    call("editCredit-v2", customer_id=group["customer_id"], credit_id=credit["id"], hierarchy_configuration=nobody)

    now = call("getContract-v2", **group)["data"]
    assert now["commits"][0]["hierarchy_configuration"] == shown
    assert now["credits"][0]["hierarchy_configuration"] == nobody


def test_what_a_package_grants_cannot_be_shared(call: Call, product: str) -> None:
    template = {key: value for key, value in recurring(product).items() if key != "starting_at"}
    template["starting_at_offset"] = {"value": 0, "unit": "DAYS"}

    with pytest.raises(NotImitated, match=r"recurring_commits\[0\].hierarchy_configuration"):
        call("createPackage-v1", name="P", recurring_commits=[template])
