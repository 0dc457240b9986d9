"""Bodies of threshold configurations: what is read from them, what contracts and the history show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import msgspec
import orjson
import pytest

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.requests import Request, encode
from metronome_sandbox.api.wire.thresholds import CommitEdit, CommitInput, PrepaidInput, SpendInput, ThresholdEdit
from metronome_sandbox.domain.errors import InvalidRequest, NotImitated
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

START = "2024-08-01T00:00:00Z"
Call = Callable[..., Any]


@cache
def operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load())}


@pytest.fixture
def call() -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""
    context = Context(MemoryStore(), lambda: datetime(2024, 8, 15, tzinfo=UTC), IdFactory())
    seed(context)

    def call(operation_id: str, **body: Any) -> Any:
        operation = operations()[operation_id]
        assert operation.body_is_valid(body), operation.body_findings(body)
        request = Request(operation, cast(Any, None), cast(Any, None), {}, {"limit": 10}, orjson.dumps(body), [])
        reply = HANDLERS[operation_id](context, request)
        assert operation.response_findings(reply.status, reply.data) == []
        return orjson.loads(encode(reply.data))

    return call


@pytest.fixture
def product(call: Call) -> str:
    return call("createProduct-v1", name="Fee", type="FIXED")["data"]["id"]


@pytest.fixture
def customer(call: Call) -> str:
    return call("createCustomer-v1", name="Acme")["data"]["id"]


def spend(product: str, **others: Any) -> dict[str, Any]:
    return {
        "is_enabled": True,
        "threshold_amount": 5000.5,
        "commit": {"product_id": product, "name": "Automatic", "description": "for us", "priority": 7},
        "payment_gate_config": {
            "payment_gate_type": "STRIPE",
            "tax_type": "PRECALCULATED",
            "stripe_config": {"payment_type": "INVOICE", "invoice_metadata": {"a": "b"}},
            "precalculated_tax_config": {"tax_amount": 1.5, "tax_name": "VAT"},
        },
        "discount_configuration": {"payment_fraction": 0.85},
        **others,
    }


def prepaid(product: str, **others: Any) -> dict[str, Any]:
    kind = {"entity": "ContractCredit", "key": "kind", "value": "gift"}
    commit = {
        "product_id": product,
        "priority": 100,
        "duration": {"value": 6, "unit": "MONTHS"},
        "rate_type": "COMMIT_RATE",
        "rollover_fraction": 0.5,
        "specifiers": [{"product_tags": ["ai"]}],
    }
    return {
        **spend(product),
        "commit": commit,
        "recharge_to_amount": 20000,
        "threshold_balance_specifiers": [{"exclude": [{"custom_field_filters": [kind]}]}],
        **others,
    }


@pytest.mark.parametrize(
    ("schema", "read"),
    [
        ("SpendThreshold", SpendInput),
        ("PrepaidThreshold", PrepaidInput),
        ("PrepaidThresholdCommit", CommitInput),
        ("PrepaidThresholdChange", ThresholdEdit),
        ("PrepaidThresholdCommitChange", CommitEdit),
    ],
)
def test_every_field_is_read(schema: str, read: type[msgspec.Struct]) -> None:
    properties = Document.load().tree["components"]["schemas"][schema]["properties"]

    assert set(properties) == set(read.__struct_fields__)


def test_thresholds_read_back_as_they_were_sent(call: Call, customer: str, product: str) -> None:
    configured = {
        "spend_threshold_configuration": spend(product),
        "prepaid_balance_threshold_configuration": prepaid(product, is_enabled=False),
    }
    made = call("createContract-v1", customer_id=customer, starting_at=START, **configured)["data"]
    of_this = {"customer_id": customer, "contract_id": made["id"]}

    for answer in (made["contract"], call("getContract-v2", **of_this)["data"]):
        assert {name: answer[name] for name in configured} == configured
    assert configured.items() <= call("getContract-v1", **of_this)["data"]["current"].items()
    package = call("createPackage-v1", name="P", **configured)["data"]["id"]
    assert configured.items() <= call("getPackage-v1", package_id=package)["data"].items()


def test_the_history_shows_what_edits_said_of_thresholds(call: Call, customer: str, product: str) -> None:
    made = call("createContract-v1", customer_id=customer, starting_at=START)["data"]["id"]
    of_this = {"customer_id": customer, "contract_id": made}
    added = {
        "add_spend_threshold_configuration": spend(product),
        "add_prepaid_balance_threshold_configuration": prepaid(product, is_enabled=False),
    }
    assert added.items() <= call("editContract-v2", **of_this, **added)["data"]["edit"].items()

    changed = {
        "update_spend_threshold_configuration": {
            "is_enabled": False,
            "commit": {"name": "", "priority": None},
            "discount_configuration": {"payment_fraction": None},
        },
        "update_prepaid_balance_threshold_configuration": {
            "threshold_amount": 600.5,
            "recharge_to_amount": 3000,
            "custom_credit_type_id": None,
            "commit": {"specifiers": None, "applicable_product_ids": [product], "duration": None, "rate_type": None},
            "payment_gate_config": {"payment_gate_type": "NONE"},
            "discount_configuration": None,
            "threshold_balance_specifiers": None,
        },
    }
    assert changed.items() <= call("editContract-v2", **of_this, **changed)["data"]["edit"].items()
    now = call("getContract-v2", **of_this)["data"]
    assert now["spend_threshold_configuration"]["commit"] == {
        "product_id": product,
        "description": "for us",
        "priority": 100,
    }
    assert now["prepaid_balance_threshold_configuration"] == {
        "is_enabled": False,
        "threshold_amount": 600.5,
        "recharge_to_amount": 3000,
        "commit": {
            "product_id": product,
            "priority": 100,
            "rate_type": "LIST_RATE",
            "rollover_fraction": 0.5,
            "applicable_product_ids": [product],
        },
        "payment_gate_config": {"payment_gate_type": "NONE"},
    }


def test_what_is_bought_at_once_is_on_the_contract_that_is_answered(call: Call, customer: str, product: str) -> None:
    threshold = prepaid(product, payment_gate_config={"payment_gate_type": "NONE"})
    made = call(
        "createContract-v1", customer_id=customer, starting_at=START, prepaid_balance_threshold_configuration=threshold
    )["data"]["contract"]

    [commit] = made["commits"]
    [item] = commit["access_schedule"]["schedule_items"]
    assert (item["amount"], item["starting_at"]) == (20000, "2024-08-15T00:00:00.000Z")
    [payment] = commit["invoice_schedule"]["schedule_items"]
    assert (payment["amount"], payment["invoice_id"] is not None) == (17000, True)  # 20000 * 0.85


@pytest.mark.parametrize(
    ("operation_id", "field"),
    [
        ("createContract-v1", "spend_threshold_configuration"),
        ("editContract-v2", "add_spend_threshold_configuration"),
        ("editContract-v2", "update_spend_threshold_configuration"),
        ("createPackage-v1", "spend_threshold_configuration"),
    ],
)
def test_a_discount_that_ends_by_a_spend_tracker_comes_later(
    call: Call, customer: str, product: str, operation_id: str, field: str
) -> None:
    cap = {"payment_fraction": 0.5, "cap": {"amount": 1, "spend_tracker_alias": "a"}}
    body = {"customer_id": customer, "starting_at": START, "contract_id": customer, "name": "P"}

    with pytest.raises(NotImitated, match=rf"^{field}\.discount_configuration\.cap: "):
        call(operation_id, **body, **{field: spend(product, discount_configuration=cap)})


def test_a_duration_of_none_is_refused(call: Call, customer: str, product: str) -> None:
    commit = {"product_id": product, "duration": {"value": 0, "unit": "DAYS"}}

    with pytest.raises(InvalidRequest) as refused:
        call(
            "createContract-v1",
            customer_id=customer,
            starting_at=START,
            prepaid_balance_threshold_configuration=prepaid(product, commit=commit),
        )

    assert refused.value.path == "prepaid_balance_threshold_configuration.commit.duration.value"
