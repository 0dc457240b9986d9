"""What changed between two documents, how much it weighs, and whom it hits."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit import sdk_document
from metronome_sandbox.toolkit.spec_diff import Change, Level, compare, drift, hits, told_as_drift
from metronome_sandbox.toolkit.usage_coverage import Call, Coverage

OLD: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Things", "version": "1"},
    "paths": {
        "/v1/things": {
            "post": {
                "operationId": "createThing-v1",
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {
                    "200": {
                        "description": "",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "400": {"description": ""},
                },
            }
        },
        "/v1/things/{thing_id}": {"get": {"operationId": "getThing-v1", "responses": {"200": {"description": ""}}}},
    },
    "components": {
        "schemas": {
            "New": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 10},
                    "color": {"type": "string", "enum": ["RED", "BLUE"]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                },
            },
            "Part": {
                "type": "object",
                "properties": {"size": {"type": "integer"}, "part": {"$ref": "#/components/schemas/Part"}},
            },
            "Thing": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "color": {"type": "string", "enum": ["RED", "BLUE"]},
                    "form": {
                        "oneOf": [
                            {"type": "object", "properties": {"type": {"enum": ["A"]}, "a": {"type": "string"}}},
                            {"type": "object", "properties": {"type": {"enum": ["B"]}, "b": {"type": "string"}}},
                        ]
                    },
                },
            },
        }
    },
}

OPERATION = ("paths", "/v1/things", "post")
NEW, PART, THING = (("components", "schemas", name) for name in ("New", "Part", "Thing"))
DELETE = object()
FORMS = OLD["components"]["schemas"]["Thing"]["properties"]["form"]["oneOf"]


def changed(*edits: tuple[tuple[Any, ...], Any]) -> Document:
    """The old document with other values at some places."""
    tree = deepcopy(OLD)
    for path, value in edits:
        node: Any = tree
        for step in path[:-1]:
            node = node[step]
        if value is DELETE:
            del node[path[-1]]
        else:
            node[path[-1]] = value
    return Document(tree)


def found(*edits: tuple[tuple[Any, ...], Any]) -> list[tuple[str, str, str, str]]:
    return [(one.level.value, one.side, one.where, one.rule) for one in compare(Document(OLD), changed(*edits))]


CHANGES: dict[str, tuple[tuple[tuple[Any, ...], Any], tuple[str, str, str, str]]] = {
    "an operation goes": (
        (("paths", "/v1/things/{thing_id}"), DELETE),
        ("breaking", "operation", "", "operation removed"),
    ),
    "an operation comes": (
        (("paths", "/v1/more"), {"get": {"responses": {}}}),
        ("additive", "operation", "", "operation added"),
    ),
    "an operation is deprecated": (
        ((*OPERATION, "deprecated"), True),
        ("risky", "operation", "", "operation deprecated"),
    ),
    "a field must be sent": (
        ((*NEW, "required"), ["name", "color"]),
        ("breaking", "request", "color", "became required"),
    ),
    "a field need not be sent": (((*NEW, "required"), []), ("additive", "request", "name", "became optional")),
    "a field is not taken": (
        ((*NEW, "properties", "color"), DELETE),
        ("risky", "request", "color", "property removed"),
    ),
    "a field may be sent": (((*NEW, "properties", "more"), {}), ("additive", "request", "more", "property added")),
    "a value is not taken": (
        ((*NEW, "properties", "color", "enum"), ["RED"]),
        ("breaking", "request", "color", "value removed"),
    ),
    "a value may be sent": (
        ((*NEW, "properties", "color", "enum"), ["RED", "BLUE", "GREEN"]),
        ("additive", "request", "color", "value added"),
    ),
    "a text must be shorter": (
        ((*NEW, "properties", "name", "maxLength"), 5),
        ("breaking", "request", "name", "maxLength changed"),
    ),
    "a text may be longer": (
        ((*NEW, "properties", "name", "maxLength"), DELETE),
        ("additive", "request", "name", "maxLength changed"),
    ),
    "a number has another type": (
        ((*PART, "properties", "size", "type"), "string"),
        ("breaking", "request", "parts[].size", "type changed"),
    ),
    "a whole number may be any": (
        ((*PART, "properties", "size", "type"), "number"),
        ("additive", "request", "parts[].size", "type changed"),
    ),
    "null may be sent": (
        ((*NEW, "properties", "name", "nullable"), True),
        ("additive", "request", "name", "became nullable"),
    ),
    "a field is not answered": (
        ((*THING, "properties", "color"), DELETE),
        ("breaking", "response 200", "color", "property removed"),
    ),
    "a field may be missing": (((*THING, "required"), []), ("breaking", "response 200", "id", "became optional")),
    "a value may be answered": (
        ((*THING, "properties", "color", "enum"), ["RED", "BLUE", "GREEN"]),
        ("risky", "response 200", "color", "value added"),
    ),
    "a value is not answered": (
        ((*THING, "properties", "color", "enum"), ["RED"]),
        ("additive", "response 200", "color", "value removed"),
    ),
    "null may be answered": (
        ((*THING, "properties", "id", "nullable"), True),
        ("risky", "response 200", "id", "became nullable"),
    ),
    "another form may be answered": (
        (
            (*THING, "properties", "form", "oneOf"),
            [*FORMS, {"type": "object", "properties": {"type": {"enum": ["C"]}}}],
        ),
        ("risky", "response 200", "form", "form added"),
    ),
    "a field of one form goes": (
        ((*THING, "properties", "form", "oneOf", 1, "properties", "b"), DELETE),
        ("breaking", "response 200", "form.b", "property removed"),
    ),
    "a status may be answered": (
        ((*OPERATION, "responses", "409"), {"description": ""}),
        ("risky", "response 409", "", "status added"),
    ),
    "a parameter must be sent": (
        ((*OPERATION, "parameters", 0, "required"), True),
        ("breaking", "request", "query limit", "became required"),
    ),
    "a parameter's limit sinks": (
        ((*OPERATION, "parameters", 0, "schema", "maximum"), 50),
        ("breaking", "request", "query limit", "maximum changed"),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_found_and_weighed(edit: Any, expected: tuple[str, str, str, str]):
    assert found(edit) == [expected]


def test_a_document_does_not_differ_from_itself_and_names_of_path_parameters_are_none():
    renamed = json.loads(json.dumps(OLD).replace("{thing_id}", "{id}"))

    assert compare(Document(OLD), Document(renamed)) == []
    assert compare(Document.load(), Document.load()) == []


def test_a_schema_that_holds_itself_is_compared_once():
    where = [one[2] for one in found(((*PART, "properties", "size", "type"), "string"))]

    assert where == ["parts[].size"]


def test_null_is_written_in_two_ways():
    both = changed(((*NEW, "properties", "name"), {"type": ["string", "null"], "maxLength": 10}))

    assert [one.rule for one in compare(Document(OLD), both)] == ["became nullable"]


# --- whom it hits


def used(*calls: Call) -> dict[str, Any]:
    coverage = Coverage(Document(OLD))
    for call in calls:
        coverage.add(call)
    return coverage.tree()


RED = Call("POST", "/v1/things", 200, {"name": "x", "color": "RED"}, {"id": "1", "color": "BLUE"}, "test_red")
PLAIN = Call("POST", "/v1/things", 200, {"name": "x"}, {"id": "1"}, "test_plain")


def hit_by(edit: Any, *calls: Call) -> list[tuple[str, ...]]:
    return [hit.tests for hit in hits(compare(Document(OLD), changed(edit)), used(*calls))]


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("an operation is deprecated", [("test_plain", "test_red")]),
        ("an operation goes", []),  # nobody called it
        ("a field must be sent", [("test_plain", "test_red")]),  # of two calls one lacks it
        ("a field is not taken", [("test_red",)]),
        ("a value is not taken", []),  # BLUE was never sent
        ("a field is not answered", [("test_red",)]),
        ("a value may be answered", [("test_red",)]),
        ("a value may be sent", []),  # additive
        ("a number has another type", []),  # nobody sent parts
        ("a status may be answered", [("test_plain", "test_red")]),
    ],
)
def test_a_change_hits_who_uses_what_changed(name: str, tests: list[tuple[str, ...]]):
    assert hit_by(CHANGES[name][0], RED, PLAIN) == tests


def test_a_field_that_is_required_now_hits_nobody_who_always_sends_it():
    assert hit_by(CHANGES["a field must be sent"][0], RED) == []


def test_a_value_that_goes_hits_who_sends_it():
    assert hit_by(((*NEW, "properties", "color", "enum"), ["BLUE"]), RED, PLAIN) == [("test_red",)]


# --- the command


def write(folder: Path, name: str, document: Document | str | bytes) -> str:
    file = folder / name
    if isinstance(document, bytes):
        file.write_bytes(document)
    else:
        file.write_text(document if isinstance(document, str) else json.dumps(document.tree), encoding="utf-8")
    return str(file)


def spec(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["spec", *arguments])


def test_the_command_tells_changes_and_whom_they_hit(tmp_path: Path):
    edits = [CHANGES[name][0] for name in ("a field is not taken", "a number has another type", "a field may be sent")]
    old, new = write(tmp_path, "old.json", Document(OLD)), write(tmp_path, "new.json", changed(*edits))
    coverage = tmp_path / "coverage.json"
    coverage.write_text(json.dumps(used(RED)))

    alone = spec("diff", old, new, "--json", str(tmp_path / "changes.json"))
    with_coverage = spec("diff", old, new, "--coverage", str(coverage))

    assert (alone.exit_code, with_coverage.exit_code) == (1, 1)
    assert "breaking  POST /v1/things request parts[].size: is string now, was integer" in alone.output
    assert alone.output.endswith("1 breaking, 1 risky, 1 additive\n")
    assert "HITS YOU  risky     POST /v1/things request color: is gone (tests: test_red)" in with_coverage.output
    assert with_coverage.output.endswith("; 1 of them hit this client\n")
    assert len(json.loads((tmp_path / "changes.json").read_text())["changes"]) == 3


def test_nothing_that_hurts_is_fine(tmp_path: Path):
    old = write(tmp_path, "old.json", Document(OLD))
    new = write(tmp_path, "new.json", changed(CHANGES["a field may be sent"][0]))

    assert spec("diff", old, old).exit_code == 0
    assert spec("diff", old, new).output == "0 breaking, 0 risky, 1 additive\n"
    assert "more: is new" in spec("diff", old, new, "--all").output


def remote() -> Document:
    return changed(((*NEW, "properties", "name"), {"$ref": "https://example.com/name.json"}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("new.json", remote(), "refers to https://example.com/name.json, which is outside of it"),
        ("new.json", changed(((*PART, "properties", "size"), {"$ref": "#/nowhere"})), "and nothing is there"),
        ("new.json", changed((PART, {"$ref": "#/components/schemas/Part"})), "refers to itself"),
        ("new.yaml", "openapi: 3.0.3\npaths: {}\n", "is YAML; convert it to JSON first"),
        ("new.json", "<html></html>", "is no JSON"),
        ("new.json", b"\xff\xfe\x00", "is no text in UTF-8"),
        ("new.json", "[" * 100_000, "nested too deeply"),
        ("new.json", '{"swagger": "2.0"}', "found Swagger 2"),
        ("new.json", "[]", "found something else"),
        ("new.json", '{"openapi": "3.0.0"}', "has no paths"),
        ("new.json", '{"openapi": "3.0.0", "paths": {"/x": 3}}', "not written as OpenAPI wants it"),
        ("missing.json", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_compared_is_one_sentence(tmp_path: Path, name: str, content: Any, message: str):
    old = write(tmp_path, "old.json", Document(OLD))
    new = str(tmp_path / name) if content is None else write(tmp_path, name, content)

    done = spec("diff", old, new)

    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_coverage_is_told(tmp_path: Path):
    old = write(tmp_path, "old.json", Document(OLD))

    done = spec("diff", old, old, "--coverage", old)

    assert (done.exit_code, "is no coverage file" in done.stderr) == (2, True)


# --- drift


def test_drift_is_about_names_values_and_types_only():
    edits = [CHANGES[name][0] for name in ("a status may be answered", "a text must be shorter", "a field may be sent")]

    assert [told_as_drift(one) for one in drift(Document(OLD), changed(*edits))] == [
        "POST /v1/things request more: the vendor has it, the sandbox has not"
    ]


def test_a_value_in_both_cases_of_letters_is_one_value():
    ours = changed(((*NEW, "properties", "color", "enum"), ["RED", "red", "BLUE", "blue", "GREEN"]))

    assert [told_as_drift(one) for one in drift(ours, Document(OLD))] == [
        "POST /v1/things request color: GREEN is a value of the sandbox only"
    ]


def test_an_operation_that_is_only_named_is_no_drift():
    named = [{"method": "GET", "path": "/v1/things/{id}", "operationId": "getThing-v1"}]
    ours = changed((("paths", "/v1/things/{thing_id}"), DELETE), (("x-not-imitated",), named))

    assert drift(ours, Document(OLD)) == []


def sdk_drift() -> list[Change]:
    return drift(Document.load(), sdk_document.document())


def test_the_installed_sdk_is_read_with_its_fields_and_values():
    document = sdk_document.document()
    operations = {(one.method, one.path): one for one in document.operations()}

    created = operations["POST", "/v1/contracts/create"].node["requestBody"]["content"]["application/json"]["schema"]
    assert {"customer_id", "starting_at", "rate_card_id", "commits"} <= created["properties"].keys()
    listed = operations["GET", "/v1/customers/{id}/invoices"]
    assert "starting_on" in {one["name"] for one in listed.parameters}
    assert len(operations) > 100


def test_the_vendors_sdk_has_no_field_in_a_request_that_the_sandbox_does_not_know():
    unknown = [one for one in sdk_drift() if one.rule in ("property added", "parameter added")]

    assert [told_as_drift(one) for one in unknown] == []


def test_the_command_finds_a_field_of_the_vendor(tmp_path: Path):
    tree = deepcopy(Document.load().tree)
    tree["components"]["schemas"]["Error"]["properties"]["hint"] = {"type": "string"}
    vendor = write(tmp_path, "vendor.json", Document(tree))

    done = spec("drift", "--vendor", vendor)

    assert done.exit_code == 1
    assert "POST /v1/customers response 400 hint: the vendor has it, the sandbox has not" in done.output
    assert spec("drift", "--vendor", write(tmp_path, "same.json", Document.load())).exit_code == 0
    assert "differences between this sandbox and metronome-sdk" in spec("drift").output


def test_levels_are_printed_worst_first():
    assert list(Level) == [Level.BREAKING, Level.RISKY, Level.ADDITIVE]
