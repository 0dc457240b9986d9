"""The contract documents are sound: fresh, resolvable, tidy, and every example in them is what they say it is."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from metronome_sandbox.spec import bundle
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.findings import findings_of
from metronome_sandbox.spec.schemas import Reading, Schemas

METHODS = ("get", "put", "post", "delete", "patch")
PUBLISHED_OPERATIONS = 133  # the published OpenAPI of the imitated API, counted when the document was written
SDK_ONLY = {"createCreditType-v1", "archiveCreditType-v1"}  # the vendor's SDK calls them, its OpenAPI leaves them out
CONNEXION = importlib.util.find_spec("connexion")  # found and not imported: importing it warns
assert CONNEXION is not None
assert CONNEXION.origin is not None
META_SCHEMA = Path(CONNEXION.origin).parent / "resources" / "schemas" / "v3.0" / "schema.json"

BILLING = json.loads(bundle.BUNDLES["openapi.yaml"].read_text("utf-8"))
CONTROL = json.loads(bundle.BUNDLES["openapi-sandbox.yaml"].read_text("utf-8"))
DOCUMENTS = pytest.mark.parametrize("document", [BILLING, CONTROL], ids=["openapi.json", "sandbox-openapi.json"])


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def nodes(node: Any, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in ``node`` with its place."""
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            yield from nodes(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{where}/{index}")


def target(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def parameters(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    given = operation.get("parameters", [])
    return [target(document, parameter["$ref"]) if "$ref" in parameter else parameter for parameter in given]


def examples(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield place, schema and value of every example: of media types and parameters, and of schemas themselves."""
    for where, node in nodes(document):
        if "example" in node and ("schema" in node or isinstance(node.get("type"), str)):
            yield where, node.get("schema", node), node["example"]
        if "schema" in node and isinstance(node.get("examples"), dict):
            for name, example in node["examples"].items():
                yield f"{where}/examples/{name}", node["schema"], example["value"]


@pytest.mark.parametrize("file", bundle.BUNDLES.values(), ids=lambda file: file.name)
def test_the_bundle_is_what_the_yaml_files_say(file: Path) -> None:
    assert file.read_text("utf-8") == bundle.bundles()[file], "run python -m metronome_sandbox.spec.bundle"


@DOCUMENTS
def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    errors = jsonschema.Draft4Validator(json.loads(META_SCHEMA.read_text("utf-8"))).iter_errors(document)

    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@DOCUMENTS
def test_every_reference_resolves_inside_the_document(document: dict[str, Any]) -> None:
    for where, node in nodes(document):
        if "$ref" in node:
            assert node["$ref"].startswith("#/components/"), where
            assert target(document, node["$ref"]) is not None, where


@DOCUMENTS
def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    schemas = Schemas(Document(document))
    misfits = [
        f"{where}: {finding}"
        for where, schema, example in examples(document)
        for error in schemas.compile(schema, Reading.CLOSED).iter_errors(example)
        for finding in findings_of(error)
    ]

    assert misfits == []


@DOCUMENTS
def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert sorted(ids) == sorted(set(ids))


@DOCUMENTS
def test_every_operation_explains_itself(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        assert operation["summary"], f"{method} {path}"
        assert operation["description"], f"{method} {path}"
        assert set(operation["tags"]) <= tags, f"{method} {path}"


@DOCUMENTS
def test_every_json_request_body_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in media or media["examples"], f"{method} {path}"


@DOCUMENTS
def test_a_body_with_required_properties_is_required(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if body := operation.get("requestBody"):
            schema = body["content"]["application/json"]["schema"]
            schema = target(document, schema["$ref"]) if "$ref" in schema else schema
            if schema.get("required") or schema.get("minProperties") or schema["type"] == "array":
                assert body.get("required") is True, f"{method} {path}"


def test_every_billing_operation_declares_the_errors_any_call_can_meet() -> None:
    for method, path, operation in operations(BILLING):
        everywhere = {"200", "400", "401", "429"} | ({"409"} if method == "POST" else set())
        assert everywhere <= set(operation["responses"]), f"{method} {path}"


def test_every_billing_post_takes_an_idempotency_key() -> None:
    for method, path, operation in operations(BILLING):
        headers = [parameter["name"] for parameter in parameters(BILLING, operation) if parameter["in"] == "header"]
        assert headers == (["Idempotency-Key"] if method == "POST" else []), f"{method} {path}"


@DOCUMENTS
def test_no_answer_is_put_together_with_all_of(document: dict[str, Any]) -> None:
    """The server closes objects to unknown properties, and two closed halves refuse each other's."""
    reached: set[str] = set()
    queue = [
        (f"{method} {path} {status}", response)
        for method, path, operation in operations(document)
        for status, response in operation["responses"].items()
    ]
    while queue:
        origin, part = queue.pop()
        for where, node in nodes(part, origin):
            assert "allOf" not in node, where
            if "$ref" in node and node["$ref"] not in reached:
                reached.add(node["$ref"])
                queue.append((node["$ref"], target(document, node["$ref"])))


@DOCUMENTS
def test_links_name_operations_and_parameters_that_exist(document: dict[str, Any]) -> None:
    known = {operation["operationId"]: operation for _, _, operation in operations(document)}
    for where, node in nodes(document["paths"]):
        for name, link in (node.get("links") or {}).items():
            assert link["operationId"] in known, f"{where}/links/{name}"
            linked = known[link["operationId"]]
            names = {parameter["name"] for parameter in parameters(document, linked)}
            assert set(link.get("parameters", {})) <= names, f"{where}/links/{name}"
            assert "requestBody" in linked or "requestBody" not in link, f"{where}/links/{name}"


def test_what_is_imitated_and_what_is_not_make_up_the_published_api() -> None:
    imitated = {(method, path): operation["operationId"] for method, path, operation in operations(BILLING)}
    left = {(entry["method"], entry["path"]): entry["operationId"] for entry in BILLING["x-not-imitated"]}

    assert len(left) == len(BILLING["x-not-imitated"])
    assert not imitated.keys() & left.keys()
    assert not set(imitated.values()) & set(left.values())
    assert set(imitated.values()) >= SDK_ONLY
    assert len(imitated) - len(SDK_ONLY) + len(left) == PUBLISHED_OPERATIONS


FRAGMENT = """
paths:
  /things:
    get: {responses: {"200": {$ref: "#/components/responses/Things"}}}
components:
  responses:
    Things: {description: All of them}
"""


def bundled(folder: Path, root: str, **fragments: str) -> tuple[dict[str, Any], list[str]]:
    """Return the bundle of the path items in ``root``, and the parts of the fragments it leaves unused."""
    (folder / "openapi.yaml").write_text(f"paths: {{{root}}}")
    for name, text in fragments.items():
        (folder / f"{name}.yaml").write_text(text)
    files = bundle.Fragments(folder)
    return bundle.Bundler(files).bundle(Path("openapi.yaml")), files.unused()


def test_a_fragment_moves_into_the_bundle(tmp_path: Path) -> None:
    document, unused = bundled(tmp_path, "/things: {$ref: 'things.yaml#/paths/~1things'}", things=FRAGMENT)

    assert document["paths"]["/things"]["get"]["responses"]["200"] == {"$ref": "#/components/responses/Things"}
    assert document["components"] == {"responses": {"Things": {"description": "All of them"}}}
    assert unused == []


def test_a_component_that_nothing_uses_is_named(tmp_path: Path) -> None:
    spare = FRAGMENT + "    Spare: {description: None of them}"
    _, unused = bundled(tmp_path, "/things: {$ref: 'things.yaml#/paths/~1things'}", things=spare)

    assert unused == ["things.yaml: components/responses/Spare"]


@pytest.mark.parametrize("file", ["https://example.com/things.yaml", "//example.com/things.yaml", "../things.yaml"])
def test_a_reference_out_of_the_checkout_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(bundle.BundleError, match="leaves the checkout"):
        bundled(tmp_path, f"/things: {{$ref: '{file}#/paths/~1things'}}")


def test_a_reference_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError, match=r"there is no '/nothing' in things\.yaml"):
        bundled(tmp_path, "/things: {$ref: 'things.yaml#/paths/~1nothing'}", things=FRAGMENT)


def test_one_name_for_two_components_is_refused(tmp_path: Path) -> None:
    root = "/a: {$ref: 'a.yaml#/paths/~1things'}, /b: {$ref: 'b.yaml#/paths/~1things'}"

    with pytest.raises(bundle.BundleError, match=r"Things: a\.yaml and b\.yaml"):
        bundled(tmp_path, root, a=FRAGMENT, b=FRAGMENT.replace("All of them", "Others"))
