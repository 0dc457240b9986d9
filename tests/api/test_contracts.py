"""The contracts of the package, as the gateway takes them."""

from __future__ import annotations

import asyncio

import pytest

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.gateway import Gateway
from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import BILLING, CONTROL, Document
from metronome_sandbox.spec.operations import operations_of

DOCUMENTS = [Document.load(BILLING), Document.load(CONTROL)]
OPERATIONS = [operation for document in DOCUMENTS for operation in operations_of(document)]


@pytest.fixture(scope="module")
def gateway():
    app = create_app(documents=DOCUMENTS)

    async def nothing(*_):
        return {"type": "lifespan.startup"}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(app(scope, nothing, nothing))  # type: ignore[arg-type]
    (found,) = (one for one in app.middleware.middleware_stack if isinstance(one, Gateway))
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
def test_all_schemas_of_an_operation_compile(operation):
    operation.compile()


def test_every_operation_is_routed_to_itself(gateway):
    uuid = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
    for operation in OPERATIONS:
        path = operation.path
        for name in operation.path_parameters:
            path = path.replace(f"{{{name}}}", uuid)
        route, values = gateway.routes.find(operation.method, path)
        assert route.operation_id == operation.operation_id
        assert values == dict.fromkeys(operation.path_parameters, uuid)


def test_every_operation_that_is_only_named_is_routed_to_its_name(gateway):
    named = [one for document in DOCUMENTS for one in document.not_imitated()]
    assert named
    for one in named:
        route, _ = gateway.routes.find(one.method, one.path.replace("{", "").replace("}", ""))
        assert route.operation_id == one.operation_id


def test_no_handler_is_left_over():
    assert set(HANDLERS) <= {operation.operation_id for operation in OPERATIONS}


def test_all_operations_but_the_health_check_need_a_token():
    assert [operation.operation_id for operation in OPERATIONS if operation.is_open] == ["getHealth"]


def examples(operation, document):
    """Yield every example of an operation's answers: status, value."""
    item = document.resolve(document.tree["paths"][operation.path])
    for status, response in item[operation.method.lower()]["responses"].items():
        media = document.resolve(response).get("content", {}).get("application/json", {})
        if "example" in media:
            yield int(status), media["example"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=[BILLING, CONTROL])
def test_every_example_of_an_answer_passes_the_strict_check(document):
    count = 0
    for operation in operations_of(document):
        for status, example in examples(operation, document):
            assert operation.response_findings(status, example) == []
            count += 1
    assert count
