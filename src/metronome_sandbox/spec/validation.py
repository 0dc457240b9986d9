"""The contract as checks: compiled once for each operation, on its first use, then a microsecond a call.

Problem: an OpenAPI 3.0 schema is not quite JSON Schema (``nullable``, boolean bounds), and an answer should be held to
more than the schema says, since a schema without ``additionalProperties`` lets every misspelt field through.

Choice: schemas are translated to JSON Schema 2020-12 in three readings. *As written* is for requests: what the contract
does not name is ignored. *Closed* is for answers: an object that lists properties has no others. *Member* is for the
parts of an ``allOf`` in a closed answer: each part lists some of the properties only, so not the part but the whole is
closed, with ``unevaluatedProperties``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError, Validator

from metronome_sandbox.spec.document import Described, Document, JsonObject

Check: TypeAlias = Callable[[Any], bool]

SHOWN_FINDINGS = 3
SHOWN_CHARACTERS = 60
SHOWN_CHOICES = 12

MAX_QUERY_FIELDS = 1000


# Findings ------------------------------------------------------------------------------------------------------------


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


# Translation ---------------------------------------------------------------------------------------------------------


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


# Parameters ----------------------------------------------------------------------------------------------------------


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


# Operations ----------------------------------------------------------------------------------------------------------


class Operation:
    """An operation of the contract, ready to check what comes in and what goes out.

    Attributes:
        operation_id: For example ``createContract-v1``.
        method: Upper case.
        path: As the contract writes it, with ``{parameters}``.
        is_open: Needs no bearer token.
        takes_body: The contract describes a body.
        body_required: An empty body is refused. Source: schemas whose requests have a required property; the published
            document marks all bodies as optional.
        error_codes: For a status whose body has a ``code``: the codes the contract lists.
        body_is_valid: Whether a parsed body (numbers as int or float) keeps the contract.
    """

    __slots__ = (
        "_body_schema",
        "_body_validator",
        "_checks",
        "_document",
        "_responses",
        "_schemas",
        "_validators",
        "body_is_valid",
        "body_required",
        "error_codes",
        "is_open",
        "method",
        "operation_id",
        "path",
        "path_parameters",
        "query_defaults",
        "query_parameters",
        "required_query",
        "takes_body",
    )

    def __init__(self, described: Described, document: Document, schemas: Schemas) -> None:
        self.operation_id = described.operation_id
        self.method = described.method
        self.path = described.path
        self.is_open = described.is_open
        self._document = document
        self._schemas = schemas

        body = document.resolve(described.node.get("requestBody"))
        self._body_schema = _json_schema(body)
        self._body_validator: Validator | None = None
        self.takes_body = body is not None
        self.body_required = body is not None and (bool(body.get("required")) or self._needs_a_property())
        self.body_is_valid: Check = _always if self._body_schema is None else self._first_body_is_valid

        self.path_parameters = {
            one["name"]: Parameter(one, schemas, document) for one in described.parameters if one["in"] == "path"
        }
        self.query_parameters = {
            one["name"]: Parameter(one, schemas, document) for one in described.parameters if one["in"] == "query"
        }
        self.query_defaults = {
            one.name: one.default for one in self.query_parameters.values() if one.default is not None
        }
        self.required_query = tuple(one for one in self.query_parameters.values() if one.is_required)

        self._responses: dict[str, JsonObject] = {
            str(status): document.resolve(response) for status, response in described.node.get("responses", {}).items()
        }
        self._checks: dict[int, Check] = {}
        self._validators: dict[int, Validator] = {}
        self.error_codes: Mapping[int, frozenset[str]] = dict(self._codes())

    # requests

    def body_findings(self, tree: Any, only_first: bool = False) -> list[Finding]:
        """Return what is wrong with a body, the first few places; empty when it is fine.

        Args:
            tree: The parsed body.
            only_first: Stop at the first place. To ask for more makes the validator collect all that there are, which
                takes 25 microseconds each: half a minute for a body of a few megabytes that is wrong all over.
        """
        if self.body_is_valid(tree) or self._body_validator is None:
            return []
        return _first_findings(self._body_validator, tree) if only_first else _findings(self._body_validator, tree)

    def read_query(self, raw: bytes) -> tuple[dict[str, Any], list[Finding]]:
        """Return the query parameters by name, converted and completed with the contract's defaults.

        Args:
            raw: The query string, without its question mark. Parameters that the contract does not know are ignored.
        """
        if not raw:
            missing = [_missing(one) for one in self.required_query]
            return self.query_defaults.copy(), missing
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError:  # bytes that are not UTF-8, or more fields than anyone needs
            expected = f"expected at most {MAX_QUERY_FIELDS} fields of percent-encoded UTF-8"
            return {}, [Finding("query", "encoding", expected)]
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            texts.setdefault(name, []).append(text)
        values = self.query_defaults.copy()
        findings: list[Finding] = []
        for name, given in texts.items():
            parameter = self.query_parameters.get(name)
            if parameter is not None:
                values[name], found = parameter.read(given)
                findings += found
        findings += [_missing(one) for one in self.required_query if one.name not in texts]
        return values, findings

    def path_findings(self, values: Mapping[str, str]) -> list[Finding]:
        """Return what is wrong with the path's parameters."""
        findings: list[Finding] = []
        for name, text in values.items():
            parameter = self.path_parameters.get(name)
            if parameter is not None:
                findings += parameter.read([text])[1]
        return findings

    # answers

    def response_is_valid(self, status: int, data: Any) -> bool:
        """Whether an answer keeps the contract, read strictly: no property that the contract does not list.

        A 4xx or 5xx that the operation does not declare is held to nothing: the contract lists the usual ones only.
        """
        check = self._checks.get(status)
        if check is None:
            check = self._checks[status] = self._compile_response(status)
        return check(data)

    def response_findings(self, status: int, data: Any) -> list[Finding]:
        """Return where an answer and the contract differ first; empty when it is fine."""
        if self.response_is_valid(status, data):
            return []
        validator = self._validators.get(status)
        if validator is None:
            declared = ", ".join(self._responses)
            return [Finding("status", "status", f"expected one of {declared}", str(status))]
        return _first_findings(validator, data)

    def compile(self) -> None:
        """Compile everything now, for a test or a benchmark that wants no first call to be slow."""
        if self._body_schema is not None:
            self._body_validator = self._schemas.compile(self._body_schema, Reading.AS_WRITTEN)
            self.body_is_valid = self._body_validator.is_valid
        for status in self._responses:
            if status.isdigit():
                self._checks[int(status)] = self._compile_response(int(status))
        for parameter in (*self.path_parameters.values(), *self.query_parameters.values()):
            parameter.read([""])

    # inside

    def _first_body_is_valid(self, tree: Any) -> bool:
        assert self._body_schema is not None
        self._body_validator = self._schemas.compile(self._body_schema, Reading.AS_WRITTEN)
        self.body_is_valid = self._body_validator.is_valid  # from now on without this detour
        return self._body_validator.is_valid(tree)

    def _declared(self, status: int) -> JsonObject | None:
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self._responses:
                return self._responses[key]
        return None

    def _compile_response(self, status: int) -> Check:
        declared = self._declared(status)
        if declared is None:
            return _never if status < 400 else _always
        schema = _json_schema(declared)
        if schema is None:
            return _always
        validator = self._validators[status] = self._schemas.compile(schema, Reading.CLOSED)
        return validator.is_valid

    def _needs_a_property(self) -> bool:
        schema = self._document.resolve(self._body_schema) if self._body_schema is not None else {}
        return bool(schema.get("required"))

    def _codes(self) -> Iterator[tuple[int, frozenset[str]]]:
        for status, response in self._responses.items():
            schema = self._document.resolve(_json_schema(response))
            if status.isdigit() and isinstance(schema, dict):
                code = self._document.resolve(schema.get("properties", {}).get("code"))
                if isinstance(code, dict):
                    yield int(status), frozenset(code.get("enum", ()))


def operations_of(document: Document) -> list[Operation]:
    """Return every operation of a document; nothing is compiled yet."""
    schemas = Schemas(document)
    return [Operation(described, document, schemas) for described in document.operations()]


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


def _missing(parameter: Parameter) -> Finding:
    return Finding(parameter.label, "required", "required, but missing")


def _json_schema(holder: JsonObject | None) -> JsonObject | None:
    """Return the JSON schema of a request body or response; None when it has no JSON form or the form says nothing."""
    media = (holder or {}).get("content", {}).get("application/json", {})
    return media.get("schema") or None


def _first_findings(validator: Validator, value: Any) -> list[Finding]:
    try:
        validator.validate(value)
    except ValidationError as error:
        return list(islice(findings_of(error), SHOWN_FINDINGS + 1))
    return []


def _findings(validator: Validator, value: Any) -> list[Finding]:
    found = (finding for error in validator.iter_errors(value) for finding in findings_of(error))
    return list(islice(found, SHOWN_FINDINGS + 1))
