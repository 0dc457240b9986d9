"""Where a message and the contract disagree, and how an error of the validator becomes a sentence about it.

A broken ``anyOf`` or ``oneOf`` has one error for each branch; the person who sent the value meant one of them only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from jsonschema_rs import ValidationError

SHOWN_FINDINGS = 3
SHOWN_CHARACTERS = 60
SHOWN_CHOICES = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a message and the contract disagree.

    Attributes:
        where: JSON path of the value, ``invoices[0].issue_date``, or the name of a parameter; empty for the whole body.
        rule: The keyword of the schema that is broken, ``required`` for example.
        expected: What would be right, in words.
        received: The value, as JSON and shortened; None where there is none to show.
    """

    where: str
    rule: str
    expected: str
    received: str | None = None

    def __str__(self) -> str:
        received = "" if self.received is None else f", received {self.received}"
        return f"{self.where or 'body'}: {self.expected}{received}"


def summary(findings: Iterable[Finding]) -> str:
    """Return the first few findings as one sentence."""
    shown = list(islice(findings, SHOWN_FINDINGS + 1))
    more = "; and more" if len(shown) > SHOWN_FINDINGS else ""
    return "; ".join(str(finding) for finding in shown[:SHOWN_FINDINGS]) + more


def shortened(value: Any) -> str:
    """Return a value as a person wants to see it in a message: a scalar as JSON, cut; of the rest its kind and size."""
    if isinstance(value, dict):
        return f"an object with {_count(len(value), 'property', 'properties')}"
    if isinstance(value, list):
        return f"an array of {_count(len(value), 'item')}"
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return orjson.dumps(value[:SHOWN_CHARACTERS]).decode() + f"… ({len(value)} characters)"
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer of more than 64 bits
        return str(value)[:SHOWN_CHARACTERS]


def json_path(steps: Iterable[str | int]) -> str:
    """Return ``["invoices", 0, "id"]`` as ``invoices[0].id``."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.replace("_", "").replace("-", "").isalnum():
            path += f".{step}" if path else step
        else:
            path += f"[{orjson.dumps(step[:SHOWN_CHARACTERS]).decode()}]"
    return path


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


_TYPE_NAMES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}

_FORMAT_NAMES = {
    "uuid": "a UUID such as 2714e483-4ff1-48e4-9e25-ac732e8f24f2",
    "date-time": "a date-time with an offset such as 2024-08-01T00:00:00Z",
    "date": "a date such as 2024-08-01",
    "email": "an e-mail address",
    "uri": "a URI",
}


def _expected_types(types: Iterable[str]) -> str:
    names = sorted(types, key=lambda name: (name == "null", name))
    return "expected " + " or ".join(_TYPE_NAMES.get(name, name) for name in names)


def _expected_choice(kind: Any) -> str:
    options = [option for option in kind.options if option is not None]
    listed = ", ".join(shortened(option) for option in options[:SHOWN_CHOICES])
    more = f" or {len(options) - SHOWN_CHOICES} others" if len(options) > SHOWN_CHOICES else ""
    return f"expected {'one of ' if len(options) > 1 else ''}{listed}{more}"


_EXPECTED: dict[str, Callable[[Any], str]] = {
    "type": lambda kind: _expected_types(kind.types),
    "enum": _expected_choice,
    "format": lambda kind: "expected " + _FORMAT_NAMES.get(kind.format, f"the format {kind.format}"),
    "minimum": lambda kind: f"expected at least {shortened(kind.limit)}",
    "maximum": lambda kind: f"expected at most {shortened(kind.limit)}",
    "exclusiveMinimum": lambda kind: f"expected more than {shortened(kind.limit)}",
    "exclusiveMaximum": lambda kind: f"expected less than {shortened(kind.limit)}",
    "multipleOf": lambda kind: f"expected a multiple of {shortened(kind.multiple_of)}",
    "minLength": lambda kind: f"expected at least {_count(kind.limit, 'character')}",
    "maxLength": lambda kind: f"expected at most {_count(kind.limit, 'character')}",
    "minItems": lambda kind: f"expected at least {_count(kind.limit, 'item')}",
    "maxItems": lambda kind: f"expected at most {_count(kind.limit, 'item')}",
    "minProperties": lambda kind: f"expected at least {_count(kind.limit, 'property', 'properties')}",
    "maxProperties": lambda kind: f"expected at most {_count(kind.limit, 'property', 'properties')}",
    "uniqueItems": lambda kind: "expected items that all differ",
    "pattern": lambda kind: f"expected text that matches {kind.pattern}",
    "not": lambda kind: "has a form that is not allowed here",
}


def findings_of(error: ValidationError) -> Iterator[Finding]:
    """Yield what one error of the validator means for the person who sent the value.

    A broken ``anyOf`` or ``oneOf`` is told as the branch that the value came closest to.
    """
    kind: Any = error.kind
    rule: str = kind.name
    steps = error.instance_path
    if rule == "required":
        yield Finding(json_path([*steps, kind.property]), rule, "required, but missing")
    elif rule in ("additionalProperties", "unevaluatedProperties"):
        for name in kind.unexpected:
            yield Finding(json_path([*steps, name]), rule, "unknown here, leave it out or check its spelling")
    elif rule in ("anyOf", "oneOf"):
        yield from _findings_of_union(error, kind)
    else:
        expected = _EXPECTED.get(rule, lambda _: f"breaks the rule {rule!r}")(kind)
        yield Finding(json_path(steps), rule, expected, shortened(error.instance))


def _findings_of_union(error: ValidationError, kind: Any) -> Iterator[Finding]:
    branches: list[list[ValidationError]] = [branch for branch in kind.context if branch]
    depth = len(error.instance_path)
    if not branches or len(branches) < len(kind.context):
        yield Finding(
            json_path(error.instance_path),
            error.kind.name,
            "matches more than one of the forms that exclude each other",
            shortened(error.instance),
        )
        return
    if all(_is_of_other_type(branch, depth) for branch in branches):
        types = {name for branch in branches for name in getattr(branch[0].kind, "types", ())}
        yield Finding(json_path(error.instance_path), "type", _expected_types(types), shortened(error.instance))
        return
    if options := _choices_of_tag(branches, depth):
        where, received, names = options
        yield Finding(where, "enum", f"expected one of {names}", received)
        return

    def distance(branch: list[ValidationError]) -> tuple[bool, bool, int]:
        return _is_of_other_type(branch, depth), _wrong_tag(branch, depth) is not None, len(branch)

    for inner in min(branches, key=distance):
        yield from findings_of(inner)


def _is_of_other_type(branch: list[ValidationError], depth: int) -> bool:
    return any(error.kind.name == "type" and len(error.instance_path) == depth for error in branch)


def _wrong_tag(branch: list[ValidationError], depth: int) -> ValidationError | None:
    """Return the error of the property that tells the branches of a union apart, if the value is of another branch."""
    tags = (error for error in branch if error.kind.name in ("enum", "const") and len(error.instance_path) <= depth + 1)
    return next(tags, None)


def _choices_of_tag(branches: list[list[ValidationError]], depth: int) -> tuple[str, str, str] | None:
    """Return path, value and choices when every branch refuses the same property: its value selects no branch."""
    errors = [tag for tag in (_wrong_tag(branch, depth) for branch in branches) if tag is not None]
    if len(errors) < len(branches) or len({tuple(error.instance_path) for error in errors}) != 1:
        return None
    options = [option for error in errors for option in error.kind.as_dict().get("options", ()) if option is not None]
    distinct = list(dict.fromkeys(shortened(option) for option in options))
    return json_path(errors[0].instance_path), shortened(errors[0].instance), ", ".join(distinct[:SHOWN_CHOICES])
