"""The contract as checks: compiled once for each operation, on its first use, then a microsecond a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from jsonschema_rs import ValidationError, Validator

from metronome_sandbox.spec.document import Described, Document, JsonObject
from metronome_sandbox.spec.findings import SHOWN_FINDINGS, Finding, findings_of
from metronome_sandbox.spec.parameters import Parameter
from metronome_sandbox.spec.schemas import Reading, Schemas

Check: TypeAlias = Callable[[Any], bool]

MAX_QUERY_FIELDS = 1000


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
