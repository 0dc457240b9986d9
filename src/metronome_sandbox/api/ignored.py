"""What a client sent and the API ignored without a word: a misspelt property, an unknown parameter.

It is looked for when somebody reads the journal, so that a request costs nothing for it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from metronome_sandbox.api.journal import Entry
from metronome_sandbox.spec.bodies import UNKNOWN, Bodies, unknown_parameters
from metronome_sandbox.spec.document import Document, JsonObject
from metronome_sandbox.spec.findings import Finding


class _Takes(NamedTuple):
    """What an operation takes: the schema of its body, if it has one, and the names of its query parameters."""

    schema: JsonObject | None
    parameters: frozenset[str]


def ignored_in(entry: Entry) -> list[Finding]:
    """Return the names of a call that the document does not know, with those that were probably meant.

    A body that was too long to be kept whole is not looked at.
    """
    bodies, operations = _billing()
    takes = operations.get(entry.operation_id or "")
    if takes is None:
        return []
    found = unknown_parameters(entry.query.decode("utf-8", "replace"), takes.parameters)
    if takes.schema is not None and entry.request_body:
        found += [one for one in bodies.findings(entry.request_body, takes.schema) if one.rule == UNKNOWN]
    noted = {one.where for one in entry.findings}
    return [one for one in found if one.where not in noted]  # what a closed object refused is told already


@cache
def _billing() -> tuple[Bodies, dict[str, _Takes]]:
    document = Document.load()
    return Bodies(document), {
        one.operation_id: _takes(document, one.node, one.parameters) for one in document.operations()
    }


def _takes(document: Document, node: JsonObject, parameters: tuple[JsonObject, ...]) -> _Takes:
    body = document.resolve(node.get("requestBody")) or {}
    return _Takes(
        body.get("content", {}).get("application/json", {}).get("schema"),
        frozenset(one["name"] for one in parameters if one["in"] == "query"),
    )
