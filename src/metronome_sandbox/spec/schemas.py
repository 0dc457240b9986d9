"""An OpenAPI 3.0 schema as JSON Schema, compiled.

Problem: an OpenAPI 3.0 schema is not quite JSON Schema (``nullable``, boolean bounds), and an answer should be held to
more than the schema says, since a schema without ``additionalProperties`` lets every misspelt field through.

Choice: schemas are translated to JSON Schema 2020-12 in three readings. *As written* is for requests: what the contract
does not name is ignored. *Closed* is for answers: an object that lists properties has no others. *Member* is for the
parts of an ``allOf`` in a closed answer: each part lists some of the properties only, so not the part but the whole is
closed, with ``unevaluatedProperties``.
"""

from __future__ import annotations

from enum import Enum

from jsonschema_rs import Draft202012Validator, Validator

from metronome_sandbox.spec.document import Document, JsonObject


class Reading(Enum):
    """How strictly a schema is read. The value ends the name of a component's definition in that reading."""

    AS_WRITTEN = ""
    CLOSED = "@closed"
    MEMBER = "@member"


_UNION = ("anyOf", "oneOf")
_COPIED = (
    *("format", "minLength", "maxLength", "pattern"),
    *("minimum", "maximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "required"),
)
"""Keywords that mean the same in both dialects."""


class Schemas:
    """Compiles the schemas of one document.

    Translations of components are kept, since most operations share them.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._definitions: dict[str, JsonObject] = {}
        self._reached: dict[str, set[str]] = {}

    def compile(self, schema: JsonObject, reading: Reading) -> Validator:
        """Return the validator of a schema of the document."""
        reached: set[str] = set()
        root = self._translate(schema, reading, reached)
        waiting = list(reached)
        while waiting:
            for further in self._define(waiting.pop()) - reached:
                reached.add(further)
                waiting.append(further)
        if reached:
            root = {**root, "$defs": {name: self._definitions[name] for name in reached}}
        return Draft202012Validator(root, validate_formats=True)

    def _define(self, name: str) -> set[str]:
        """Translate a component once; return the definitions that it refers to."""
        if name not in self._reached:
            component, mark, suffix = name.partition("@")
            reached: set[str] = set()
            schema = self._document.tree["components"]["schemas"][component]
            self._definitions[name] = self._translate(schema, Reading(mark + suffix), reached)
            self._reached[name] = reached
        return self._reached[name]

    def _translate(self, schema: JsonObject, reading: Reading, reached: set[str]) -> JsonObject:
        if "$ref" in schema:
            prefix, _, component = schema["$ref"].rpartition("/")
            if prefix != "#/components/schemas":
                raise ValueError(f"reference {schema['$ref']} names no schema component of the document")
            name = component + reading.value
            reached.add(name)
            return {"$ref": f"#/$defs/{name}"}

        below = Reading.AS_WRITTEN if reading is Reading.AS_WRITTEN else Reading.CLOSED
        out: JsonObject = {key: schema[key] for key in _COPIED if key in schema}
        self._translate_bounds(schema, out)
        if "type" in schema:
            out["type"] = schema["type"]
        if "enum" in schema:
            out["enum"] = list(schema["enum"])
        if "properties" in schema:
            out["properties"] = {
                name: self._translate(child, below, reached) for name, child in schema["properties"].items()
            }
        if "items" in schema:
            out["items"] = self._translate(schema["items"], below, reached)
        if "not" in schema:
            out["not"] = self._translate(schema["not"], Reading.AS_WRITTEN, reached)
        extra = schema.get("additionalProperties")
        if extra is not None:
            out["additionalProperties"] = extra if isinstance(extra, bool) else self._translate(extra, below, reached)

        whole = reading is Reading.CLOSED and extra is None and self._lists_properties_in_parts(schema)
        if whole:
            out["unevaluatedProperties"] = False
        elif reading is Reading.CLOSED and extra is None and "properties" in schema:
            out["additionalProperties"] = False
        for keyword in ("allOf", *_UNION):
            if keyword in schema:
                inner = Reading.MEMBER if whole else reading
                out[keyword] = [self._translate(part, inner, reached) for part in schema[keyword]]
        return self._nullable(out) if schema.get("nullable") else out

    def _lists_properties_in_parts(self, schema: JsonObject) -> bool:
        """Whether no single part of a composition knows all properties, so that only the whole can be closed."""
        if "properties" in schema:
            return any(keyword in schema for keyword in ("allOf", *_UNION))
        parts = [self._document.resolve(part) for part in schema.get("allOf", ())]
        if len(parts) + sum(keyword in schema for keyword in _UNION) < 2:
            return False
        return any(self._mentions_properties(part) for part in parts)

    def _mentions_properties(self, schema: JsonObject) -> bool:
        parts = (self._document.resolve(part) for keyword in ("allOf", *_UNION) for part in schema.get(keyword, ()))
        return "properties" in schema or any(self._mentions_properties(part) for part in parts)

    @staticmethod
    def _translate_bounds(schema: JsonObject, out: JsonObject) -> None:
        """OpenAPI 3.0 says ``minimum: 0, exclusiveMinimum: true`` where JSON Schema says ``exclusiveMinimum: 0``."""
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if schema.get(exclusive) is True:
                out[exclusive] = out.pop(bound)

    @staticmethod
    def _nullable(out: JsonObject) -> JsonObject:
        """Let null through as well. With a composition or without a type only a choice around the whole does it."""
        if "type" not in out or any(keyword in out for keyword in ("allOf", "not", *_UNION)):
            return {"anyOf": [out, {"type": "null"}]} if len(out) else out
        out["type"] = [out["type"], "null"]
        if "enum" in out and None not in out["enum"]:
            out["enum"].append(None)
        return out
