"""Schemas of an OpenAPI document as the toolkit walks them: references resolved, ``allOf`` joined, null apart.

A field has a path such as ``invoices[].usage_line_items[].quantity``; the values of a map are ``custom_fields{}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metronome_sandbox.spec.document import Document

Json = dict[str, Any]
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
LONGEST_CHAIN = 100
"""References that may follow each other before they count as a circle."""


class CannotRead(Exception):
    """A file is not what was asked for; the text is for the person who named it."""


def read_json(file: Path, what: str) -> Any:
    """Return the JSON of a file.

    Raises:
        CannotRead: There is none in it.
    """
    try:
        if file.stat().st_size > MAX_DOCUMENT_BYTES:
            raise CannotRead(f"{file}: larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB, so it is no {what}")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CannotRead(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotRead(f"{file}: is no text in UTF-8, so it is no {what}") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise CannotRead(f"{file}: is nested too deeply to be a {what}") from None
    except ValueError as error:
        if file.suffix in (".yaml", ".yml") or text.lstrip().startswith(("openapi:", "---", "swagger:")):
            raise CannotRead(f"{file}: is YAML; convert it to JSON first") from None
        raise CannotRead(f"{file}: is no JSON: {error}") from None


def load(file: Path) -> Document:
    """Return the OpenAPI document in a file.

    Raises:
        CannotRead: It holds none, or one that refers to something outside of it.
    """
    tree = read_json(file, "an OpenAPI document".removeprefix("an "))
    if not isinstance(tree, dict) or not str(tree.get("openapi", "")).startswith("3."):
        kind = "Swagger 2" if isinstance(tree, dict) and "swagger" in tree else "something else"
        raise CannotRead(f"{file}: expected a document of OpenAPI 3 (openapi: 3.x), found {kind}")
    check(tree, str(file))
    return Document(tree)


def check(tree: Json, name: str) -> None:
    """Make sure that a document can be walked.

    Raises:
        CannotRead: A reference leaves it, points at nothing or at itself, or a part that has to be an object is none.
    """
    document = Document(tree)
    paths = tree.get("paths")
    if not isinstance(paths, dict):
        raise CannotRead(f"{name}: has no paths")
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                _check_reference(document, node["$ref"], name)
            waiting += node.values()
    try:
        for operation in document.operations():
            if not isinstance(operation.node.get("responses", {}), dict):
                raise TypeError("responses")
    except (AttributeError, TypeError, KeyError) as error:
        raise CannotRead(f"{name}: an operation is not written as OpenAPI wants it: {error}") from None


def _check_reference(document: Document, reference: str, name: str) -> None:
    if not reference.startswith("#/"):
        raise CannotRead(f"{name}: refers to {reference}, which is outside of it; bundle it into one file first")
    node: Any = {"$ref": reference}
    for _ in range(LONGEST_CHAIN):
        if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
            return
        reference = node["$ref"]
        node = document.tree
        for step in reference.removeprefix("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, dict) and key in node:
                node = node[key]
            else:
                raise CannotRead(f"{name}: refers to {reference}, and nothing is there")
    raise CannotRead(f"{name}: {reference} refers to itself")


@dataclass(slots=True)
class Shape:
    """A schema on one level.

    Attributes:
        types: JSON types without null; empty where any will do.
        is_nullable: Null will do.
        properties: Schemas by name.
        required: Names that have to be there.
        items: Schema of the items of an array.
        values: Schema of the values of a map; None where it is no map.
        choices: The branches of ``oneOf`` and ``anyOf``.
        enum: What the value may be, without null; None where that is open.
        rest: The other keywords.
        is_open: Properties of any name are welcome, as in an event's ``properties``.
    """

    types: frozenset[str] = frozenset()
    is_nullable: bool = False
    properties: dict[str, Json] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Json | None = None
    values: Json | None = None
    choices: list[Json] = field(default_factory=list)
    enum: tuple[Any, ...] | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)
    is_open: bool = False


class Shapes:
    """The shapes of a document; each schema is read once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._known: dict[int, tuple[Json, Shape]] = {}  # the schema is kept, so that its id is nobody else's

    def of(self, schema: Json) -> Shape:
        """Return the shape of a schema."""
        known = self._known.get(id(schema))
        if known is None:
            known = self._known[id(schema)] = (schema, self._read(schema, 0))
        return known[1]

    def _read(self, schema: Any, depth: int) -> Shape:
        node = self.document.resolve(schema)
        if not isinstance(node, dict) or depth > LONGEST_CHAIN:
            return Shape()
        said = node.get("type")
        types = frozenset([said] if isinstance(said, str) else said if isinstance(said, list) else ())
        enum = (node["const"],) if "const" in node else node.get("enum")
        values = node.get("additionalProperties")
        found = Shape(
            types - {"null"},
            bool(node.get("nullable")) or "null" in types,
            dict(node.get("properties") or {}),
            frozenset(node.get("required") or ()),
            node.get("items") if isinstance(node.get("items"), dict) else None,
            values if isinstance(values, dict) else None,
            [*(node.get("oneOf") or ()), *(node.get("anyOf") or ())],
            None if enum is None else tuple(value for value in enum if value is not None),
            {name: node[name] for name in LIMITS if name in node},
            values is True,
        )
        if found.enum is not None and None in (enum or ()):
            found.is_nullable = True
        nulls = [one for one in found.choices if self.document.resolve(one).get("type") == "null"]
        if nulls:
            found.is_nullable = True
            found.choices = [one for one in found.choices if one not in nulls]
        for part in node.get("allOf") or ():
            found = _joined(found, self._read(part, depth + 1))
        if len(found.choices) == 1:
            [only] = found.choices
            found.choices = []
            found = _joined(found, self._read(only, depth + 1))
        return found


def _joined(one: Shape, other: Shape) -> Shape:
    return Shape(
        one.types or other.types,
        one.is_nullable or other.is_nullable,
        {**other.properties, **one.properties},
        one.required | other.required,
        one.items or other.items,
        one.values or other.values,
        [*one.choices, *other.choices],
        one.enum if one.enum is not None else other.enum,
        {**other.rest, **one.rest},
        one.is_open or other.is_open,
    )


LIMITS = (
    *("format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "uniqueItems", "multipleOf", "default"),
)
"""Keywords that narrow a value, beside its type and enum."""


def json_schema(document: Document, holder: Any) -> Json | None:
    """Return the JSON schema of a request body or a response; None where it has none."""
    node = document.resolve(holder) if holder is not None else None
    content = node.get("content") if isinstance(node, dict) else None
    media = content.get("application/json") if isinstance(content, dict) else None
    schema = media.get("schema") if isinstance(media, dict) else None
    return schema if isinstance(schema, dict) else None


def kind_of(value: Any) -> str:
    """Return the JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


ANYTHING: Json = {"additionalProperties": True}
"""The schema of what is in an open object."""


def walk(shapes: Shapes, schema: Json | None, value: Any, path: str = "") -> Iterator[tuple[str, Any, Json | None]]:
    """Yield path, value and schema of every field of a value; schema None where the document does not know it.

    Keys of maps are not part of a path, so a customer's own words are not either.
    """
    waiting: list[tuple[str, Any, Json | None]] = [(path, value, schema)]
    while waiting:
        path, value, schema = waiting.pop()
        yield path, value, schema
        if isinstance(value, dict):
            fields, values = _fields(shapes, schema, value)
            for name, inner in value.items():
                if name in fields:
                    waiting.append((joined(path, name), inner, fields[name]))
                elif values is not None:
                    waiting.append((f"{path}{{}}", inner, values))
                else:
                    waiting.append((joined(path, name), inner, None))
        elif isinstance(value, list):
            items = None if schema is None else _items(shapes, schema)
            waiting += [(f"{path}[]", inner, items) for inner in value]


def joined(path: str, name: str) -> str:
    """Return the path of a field of an object."""
    return f"{path}.{name}" if path else name


def _fields(shapes: Shapes, schema: Json | None, value: Json) -> tuple[dict[str, Json], Json | None]:
    """Return the fields that a value may have by its schema, and the schema of a map's values."""
    if schema is None:
        return {}, None
    shape = shapes.of(schema)
    fields, values = dict(shape.properties), shape.values or (ANYTHING if shape.is_open else None)
    for choice in shape.choices:
        inner, more = _fields(shapes, choice, value)
        tags = (shapes.of(one).enum for name, one in inner.items() if name == "type")
        fits = all(tag is None or value.get("type") in tag for tag in tags)
        fields = {**fields, **inner} if fits else {**inner, **fields}
        values = values or more
    return fields, values


def _items(shapes: Shapes, schema: Json) -> Json | None:
    shape = shapes.of(schema)
    return shape.items or next((found for one in shape.choices if (found := _items(shapes, one)) is not None), None)
