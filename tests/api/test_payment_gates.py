"""Bodies of the operations about payments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import orjson
import pytest

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.requests import Request, encode
from metronome_sandbox.domain.errors import InvalidRequest, NotFound, NotImitated
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import BILLING, CONTROL, Document
from metronome_sandbox.spec.operations import Operation, operations_of
from metronome_sandbox.store.memory import MemoryStore

START, NOW, END = (f"2024-{day}T00:00:00Z" for day in ("08-01", "08-15", "12-01"))
NOBODY = "00000000-0000-5000-8000-000000000000"
Call = Callable[..., Any]


@cache
def operations() -> dict[str, Operation]:
    documents = (Document.load(BILLING), Document.load(CONTROL))
    return {one.operation_id: one for document in documents for one in operations_of(document)}


@pytest.fixture
def call() -> Call:
    """Calls an operation as the gateway does: the contract checks what goes in and what comes out."""
    context = Context(MemoryStore(), lambda: datetime(2024, 8, 15, tzinfo=UTC), IdFactory())
    seed(context)

    def call(operation_id: str, **body: Any) -> Any:
        operation = operations()[operation_id]
        assert not body or operation.body_is_valid(body), operation.body_findings(body)
        request = Request(operation, cast(Any, None), cast(Any, None), {}, {}, orjson.dumps(body), [])
        reply = HANDLERS[operation_id](context, request)
        if reply.data is not None:
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
    made = call("createContract-v1", customer_id=customer, starting_at=START)["data"]["id"]
    return {"customer_id": customer, "contract_id": made}


def commit(product: str, gate: str = "EXTERNAL", **others: Any) -> dict[str, Any]:
    return {
        "type": "PREPAID",
        "product_id": product,
        "access_schedule": {"schedule_items": [{"amount": 5, "starting_at": START, "ending_before": END}]},
        "invoice_schedule": {"schedule_items": [{"timestamp": NOW, "amount": 5}]},
        "payment_gate_config": {"payment_gate_type": gate, **others},
    }


def test_a_payment_is_listed_until_its_outcome_is_known(call: Call, contract: dict[str, str], product: str) -> None:
    stripe = {"payment_type": "PAYMENT_INTENT", "invoice_metadata": {"a": "b"}, "on_session_payment": True}
    tax = {"tax_type": "PRECALCULATED", "precalculated_tax_config": {"tax_amount": 1, "tax_name": "VAT"}}
    call(
        "editContract-v2",
        **contract,
        add_commits=[commit(product), commit(product, "STRIPE", stripe_config=stripe, **tax)],
    )

    [payment] = call("listPayments")["data"]
    [invoice_id, workflow_id] = [payment.pop("invoice_id"), payment.pop("workflow_id")]
    assert payment == {
        **contract,
        "workflow_type": "manual_commit",
        "invoice_total": 5,
        "invoice_currency": "USD (cents)",
        "timestamp": "2024-08-15T00:00:00.000Z",
    }
    assert call("releaseExternalPaymentGateThresholdCommit-v1", workflow_id=workflow_id.upper(), outcome="paid") is None
    assert call("listPayments")["data"] == []
    commits = call("getContract-v2", **contract)["data"]["commits"]
    assert invoice_id in [one["invoice_schedule"]["schedule_items"][0]["invoice_id"] for one in commits]


def test_a_workflow_that_does_not_exist(call: Call) -> None:
    with pytest.raises(NotFound):
        call("releaseExternalPaymentGateThresholdCommit-v1", workflow_id=NOBODY, outcome="FAILED")


def test_a_gate_needs_a_contract_that_exists(call: Call, contract: dict[str, str], product: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        call("createContract-v1", customer_id=contract["customer_id"], starting_at=START, commits=[commit(product)])
    assert refused.value.path == "commits[0].payment_gate_config"

    with pytest.raises(NotImitated, match="payment gates of amendments"):
        call("amendContract-v1", **contract, starting_at=START, commits=[commit(product)])
    call("createContract-v1", customer_id=contract["customer_id"], starting_at=START, commits=[commit(product, "NONE")])
