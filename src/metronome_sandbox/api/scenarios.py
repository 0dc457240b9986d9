"""Scenarios: worlds written down as YAML, made by the operations that a client would call.

A scenario has a clock and one section for each kind of thing; a section maps a name to the body of the create call. A
text ``$section.name`` stands for the id of something made before. See ``fixtures/acme.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from metronome_sandbox.api.requests import Handler, Request
from metronome_sandbox.api.wire.common import JsonObject, instant
from metronome_sandbox.domain.errors import InvalidRequest, ScenarioNotFound
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.spec.document import BILLING, Document
from metronome_sandbox.spec.findings import summary
from metronome_sandbox.spec.operations import Operation, operations_of

Ids = dict[str, dict[str, str]]
"""By section, then by name."""


class Section(NamedTuple):
    """One kind of thing: which operation makes it, and whether the name is a field of its body."""

    name: str
    operation_id: str
    takes_name: bool


SECTIONS = (
    Section("billable_metrics", "createBillableMetricV1-v1", True),
    Section("products", "createProduct-v1", True),
    Section("rate_cards", "createRateCard-v1", True),
    Section("customers", "createCustomer-v1", True),
    Section("contracts", "createContract-v1", True),
    Section("customer_commits", "createCustomerCommit-v1", True),
    Section("customer_credits", "createCustomerCredit-v1", True),
)
"""In the order in which they are made, so that a thing can name those of earlier sections."""

PACKAGED = Path(str(files("metronome_sandbox"))) / "fixtures"
CHECKOUT = Path(__file__).parents[3] / "fixtures"


def scenario_files() -> dict[str, Path]:
    """Return the scenarios there are, by name."""
    folder = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


@cache
def scenario(name: str) -> JsonObject:
    """Return a scenario's content.

    Raises:
        ScenarioNotFound: There is none of that name; the message lists those there are.
    """
    import yaml

    path = scenario_files().get(name)
    if path is None:
        raise ScenarioNotFound(name, scenario_files())
    content: JsonObject = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@cache
def _operations() -> dict[str, Operation]:
    return {operation.operation_id: operation for operation in operations_of(Document.load(BILLING))}


def play(context: Context, clock: Clock, content: JsonObject, handlers: Mapping[str, Handler]) -> Ids:
    """Set the clock and make everything a scenario says; return the ids, by section and name.

    Args:
        handlers: operationId to handler, as the server has them.

    Raises:
        InvalidRequest: A body breaks the contract or a rule; the path begins with section and name.
    """
    if "clock" in content:
        clock.freeze(instant(content["clock"], "clock"))
    ids: Ids = {}
    call = partial(_call, context, handlers)
    for section in SECTIONS:
        for name, body in (content.get(section.name) or {}).items():
            where = f"{section.name}.{name}"
            rates = body.get("rates") if section.name == "rate_cards" else None
            fields = {key: value for key, value in body.items() if key != "rates"}
            made = call(section.operation_id, _body(section, name, fields, ids, where), where)
            ids.setdefault(section.name, {})[name] = made["data"]["id"]
            if rates:
                card = {"rate_card_id": made["data"]["id"], "rates": _resolved(rates, ids, where)}
                call("addRates-v1", card, f"{where}.rates")
    if content.get("usage"):
        call("ingest-v1", _resolved(content["usage"], ids, "usage"), "usage")
    return ids


def _body(section: Section, name: str, body: JsonObject, ids: Ids, where: str) -> JsonObject:
    named = {"name": name, **body} if section.takes_name else body
    resolved: JsonObject = _resolved(named, ids, where)
    return resolved


def _resolved(value: Any, ids: Ids, where: str) -> Any:
    """Return a body with every ``$section.name`` replaced by its id."""
    if isinstance(value, dict):
        return {key: _resolved(item, ids, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, ids, where) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        section, _, name = value[1:].partition(".")
        found = ids.get(section, {}).get(name)
        if found is None:
            raise InvalidRequest(where, f"{value!r} names nothing that was made before")
        return found
    return value


def _call(context: Context, handlers: Mapping[str, Handler], operation_id: str, body: Any, where: str) -> JsonObject:
    """Call an operation as the gateway would, and return its answer."""
    operation = _operations()[operation_id]
    findings = operation.body_findings(body)
    if findings:
        raise InvalidRequest(where, summary(findings))
    request = Request(operation, None, None, {}, {}, msgspec.json.encode(body), [])  # type: ignore[arg-type]
    try:
        answer: JsonObject = handlers[operation_id](context, request).data
    except InvalidRequest as error:
        raise error.below(where) from None
    return answer
