"""The calls that a test made, as the sandbox saw them, for tests and for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
"""The rule of a finding about a name that the API ignores."""

SHOWN_CALLS = 40
SHOWN_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        id: Running number within the tenant.
        operation_id: None for a path or a method that no operation has.
        path: With its query.
        status: Of the answer, also of one that a fault kept back.
        request_body, response_body: JSON; text where it is none or too long to be kept whole; None for nothing.
        findings: Where request or answer broke the contract, or the request has a name that the API ignores (rule
            ``unknown``): ``where``, ``rule``, ``expected``, ``received``.
        fault: Which kind of fault disturbed it; None for nearly all calls.
        is_own: The test's fixture made it and not the client, as far as that is noted.
    """

    id: int
    operation_id: str | None
    method: str
    path: str
    status: int
    duration_ms: float
    request_body: Any
    response_body: Any
    findings: Sequence[Mapping[str, Any]]
    fault: str | None
    is_own: bool = False

    @property
    def is_write(self) -> bool:
        """Whether it may change something. Many reads of this API are POSTs; they are named by their operations."""
        if self.method in ("GET", "HEAD", "OPTIONS"):
            return False
        name = self.operation_id or ""
        if name in CHANGE_NOTHING or name.startswith(READS):
            return False
        return not (name == IMPORT and isinstance(self.request_body, dict) and self.request_body.get("preview") is True)


READS = ("get", "list", "search", "preview")
"""How the ids of operations begin that change nothing, and the last parts of their paths, whatever their method."""

CHANGE_NOTHING = frozenset(("embeddableDashboard-v1",))
IMPORT = "createHistoricalContractUsageInvoices-v1"


def read_entry(entry: Mapping[str, Any], own: Collection[int] = ()) -> Call:
    """Return an entry of ``GET /sandbox/requests``; ``own`` are the ids of those that the fixture made."""
    fault = entry.get("fault")
    return Call(
        id=int(entry["id"]),
        operation_id=entry["operation_id"],
        method=entry["method"],
        path=entry["path"],
        status=entry["status"],
        duration_ms=entry["duration_ms"],
        request_body=entry["request_body"],
        response_body=entry["response_body"],
        findings=tuple(entry["findings"]),
        fault=None if fault is None else fault["kind"],
        is_own=int(entry["id"]) in own,
    )


def told(calls: Sequence[Call]) -> Iterator[str]:
    """Yield the lines that tell a person about calls, the oldest first; of many, the last ones."""
    if len(calls) > SHOWN_CALLS:
        yield f"({len(calls) - SHOWN_CALLS} earlier calls are left out)"
    for call in calls[-SHOWN_CALLS:]:
        fault = f"  fault: {call.fault}" if call.fault else ""
        yield f"{call.status} {call.method} {call.path}  {call.operation_id or 'no operation'}{fault}"
        if call.status >= 400:
            yield f"    {_message(call.response_body)}"
        for finding in call.findings:
            if finding["rule"] == UNKNOWN:  # the answer does not tell it
                yield f"    {finding['where']}: {finding['expected']}"


def _message(body: Any) -> str:
    text = str(body["message"]) if isinstance(body, Mapping) and "message" in body else str(body)
    return text if len(text) <= SHOWN_MESSAGE else text[:SHOWN_MESSAGE] + "…"
