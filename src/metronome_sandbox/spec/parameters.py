"""Path and query parameters: text becomes a value of the type that the contract declares, and is then checked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import orjson
from jsonschema_rs import Validator

from metronome_sandbox.spec.document import Document, JsonObject
from metronome_sandbox.spec.findings import SHOWN_FINDINGS, Finding, findings_of
from metronome_sandbox.spec.schemas import Reading, Schemas


def _integer(text: str) -> Any:
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else text


def _number(text: str) -> Any:
    try:
        number = orjson.loads(text)  # JSON's own idea of a number: no infinity, no underscores, no blanks
    except orjson.JSONDecodeError:
        return text
    return number if isinstance(number, int | float) and not isinstance(number, bool) else text


_CONVERT: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda text: {"true": True, "false": False}.get(text, text),
}


class Parameter:
    """One path or query parameter: text in, value and findings out."""

    __slots__ = (
        "_convert",
        "_schema",
        "_schemas",
        "_validator",
        "default",
        "is_list",
        "is_required",
        "is_uuid",
        "label",
        "name",
    )

    def __init__(self, declared: JsonObject, schemas: Schemas, document: Document) -> None:
        schema = document.resolve(declared["schema"])
        self.name: str = declared["name"]
        self.label = f"{declared['in']} parameter {self.name}"
        self.is_required = bool(declared.get("required"))
        self.is_list = schema.get("type") == "array"
        self.is_uuid = schema.get("format") == "uuid"
        self.default = schema.get("default")
        element = document.resolve(schema["items"]) if self.is_list and "items" in schema else schema
        self._convert = _CONVERT.get(element.get("type", "string"))
        self._schema = schema
        self._schemas = schemas
        self._validator: Validator | None = None

    def read(self, texts: list[str]) -> tuple[Any, list[Finding]]:
        """Return the value that ``texts`` (one for each time the parameter is given) stand for.

        What cannot be converted stays text, and is then refused by the schema like any other wrong value.
        """
        if self.is_list:
            parts = [part for text in texts if text != "" for part in text.split(",")]
            value: Any = parts if self._convert is None else [self._convert(part) for part in parts]
        elif len(texts) > 1:
            return None, [Finding(self.label, "repeated", f"expected once, received {len(texts)} times")]
        else:
            value = texts[0] if self._convert is None else self._convert(texts[0])
        validator = self._validator
        if validator is None:
            validator = self._validator = self._schemas.compile(self._schema, Reading.AS_WRITTEN)
        if validator.is_valid(value):
            return value, []
        found = (finding for error in validator.iter_errors(value) for finding in findings_of(error))
        return None, [
            Finding(self.label + finding.where, finding.rule, finding.expected, finding.received)
            for finding in islice(found, SHOWN_FINDINGS + 1)
        ]
