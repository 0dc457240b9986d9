"""How an OpenAPI 3.0 schema is read: as written for requests, closed for answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.schemas import Reading, Schemas

COMPONENTS: dict[str, Any] = {
    "Name": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    "Tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}}},
    "Free": {"type": "object"},
    "Kind": {"type": "string", "enum": ["A"]},
}


def check(schema: dict[str, Any], value: Any, reading: Reading = Reading.AS_WRITTEN) -> bool:
    document = Document({"components": {"schemas": COMPONENTS}})
    return Schemas(document).compile(schema, reading).is_valid(value)


def closed(schema: dict[str, Any], value: Any) -> bool:
    return check(schema, value, Reading.CLOSED)


NAME = {"$ref": "#/components/schemas/Name"}
TREE = {"$ref": "#/components/schemas/Tree"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "nullable": True},
        {"type": "string", "enum": ["A"], "nullable": True},
        {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Kind"}]},
        {"type": "string", "nullable": True, "allOf": [{"$ref": "#/components/schemas/Kind"}]},
        {"nullable": True, "oneOf": [{"$ref": "#/components/schemas/Kind"}]},
        {"nullable": True, "enum": ["A"]},
        {"nullable": True},
    ],
)
def test_nullable_lets_null_through_beside_the_value(schema):
    assert check(schema, None)
    assert check(schema, "A")
    assert "enum" not in schema or not check(schema, "B")


@pytest.mark.parametrize(("value", "is_valid"), [(0, False), (0.1, True), (10, True), (10.1, False)])
def test_exclusive_bounds_are_those_of_openapi(value, is_valid):
    schema = {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 10, "exclusiveMaximum": False}

    assert check(schema, value) is is_valid


def test_a_request_may_carry_what_the_contract_does_not_name():
    assert check(NAME, {"name": "x", "colour": "red"})


def test_an_answer_may_not():
    assert closed(NAME, {"name": "x"})
    assert not closed(NAME, {"name": "x", "colour": "red"})


def test_a_reference_to_itself_is_closed_at_every_depth():
    assert closed(TREE, {"left": {"left": {}}})
    assert not closed(TREE, {"left": {"left": {"right": {}}}})


def test_the_parts_of_a_whole_are_closed_as_a_whole():
    schema = {"allOf": [NAME, {"type": "object", "properties": {"age": {"type": "integer"}}}]}

    assert closed(schema, {"name": "x", "age": 1})
    assert not closed(schema, {"name": "x", "age": 1, "colour": "red"})


def test_properties_beside_a_union_are_closed_as_a_whole():
    schema = {"properties": {"id": {"type": "string"}}, "anyOf": [NAME, TREE]}

    assert closed(schema, {"id": "1", "name": "x"})
    assert not closed(schema, {"id": "1", "name": "x", "colour": "red"})


def test_each_branch_of_a_union_is_closed():
    schema = {"oneOf": [NAME, TREE]}

    assert closed(schema, {"name": "x"})
    assert closed(schema, {"left": {}})
    assert not closed(schema, {"name": "x", "left": {}})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
        {"allOf": [{"$ref": "#/components/schemas/Free"}]},
        {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Free"}]},
        {"type": "object", "additionalProperties": {"type": "string"}},
    ],
)
def test_what_the_contract_leaves_open_stays_open(schema):
    assert closed(schema, {"anything": "goes"})


def test_the_values_of_a_map_are_closed():
    schema = {"type": "object", "additionalProperties": NAME}

    assert not closed(schema, {"a": {"name": "x", "colour": "red"}})


def test_decimals_are_numbers():
    assert closed({"type": "number", "minimum": 0}, Decimal("0.1"))
    assert closed({"type": "integer"}, Decimal("2"))
    assert not closed({"type": "integer"}, Decimal("2.5"))


def test_a_reference_out_of_the_document_is_refused():
    with pytest.raises(ValueError, match="names no schema component"):
        check({"$ref": "https://example.com/schema.json"}, {})
