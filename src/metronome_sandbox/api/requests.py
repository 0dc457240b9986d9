"""What a handler gets and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from metronome_sandbox.services.context import Context
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.spec.operations import Operation

if TYPE_CHECKING:
    from metronome_sandbox.api.tenants import Server, Tenant

JSON = "application/json"

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Builtins with ``Decimal`` to JSON bytes. Every digit of a ``Decimal`` is kept; no float comes in between."""


class Request(msgspec.Struct, eq=False):
    """One call that passed routing, authentication and the contract.

    Attributes:
        operation: The operation of the contract, with its compiled checks.
        tenant: The world that the bearer token names. On an operation without security it is a world nobody shares.
        server: What all tenants have in common, for the control plane.
        path_parameters: Text by name; a UUID is in lower case.
        query: Values by name, converted to the type that the contract declares, its defaults filled in. An optional
            parameter without default is absent. Date-times stay text that is known to be RFC 3339.
        body: The bytes as they came, ``{}`` when there were none. Decode them with msgspec into a wire type, so that
            numbers become ``Decimal`` without passing through a float.
        headers: As ASGI gives them: lower-case name and value, bytes, in the order received.
    """

    operation: Operation
    tenant: Tenant
    server: Server
    path_parameters: dict[str, str]
    query: dict[str, Any]
    body: bytes
    headers: list[tuple[bytes, bytes]]

    def header(self, name: str) -> str | None:
        """Return a header's value, or None. ``name`` in any case; of several, the first."""
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)


class Reply(msgspec.Struct, eq=False):
    """An answer: either ``data``, which is checked against the contract and encoded, or a ``body`` that already is.

    Args:
        data: Builtins (dict, list, str, int, bool, None) and ``Decimal``; nothing at all answers ``null``.
        status: HTTP status.
        body: Bytes to send as they are. Make them with :func:`prepare`, which checks them once.
        content_type: Of ``body``; JSON unless it says otherwise.
        headers: Further headers, lower-case names, bytes.
        findings: The gateway's, for the journal.
    """

    data: Any = None
    status: int = 200
    body: bytes | None = None
    content_type: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    findings: tuple[Finding, ...] = ()

    def with_body(self, body: bytes) -> Reply:
        """Return the same answer with other bytes."""
        return Reply(None, self.status, body, self.content_type, self.headers, self.findings)


Handler: TypeAlias = Callable[[Context, Request], Reply]
"""Parse, call the service, render. Synchronous, so that nothing else runs between its reads and its writes."""


class ContractBroken(Exception):
    """An answer of ours disagrees with the contract: our bug, never the caller's.

    Args:
        operation: What was called.
        status: The status that was about to be sent.
        findings: Where the answer and the contract differ.
    """

    def __init__(self, operation: Operation, status: int, findings: list[Finding]) -> None:
        places = "; ".join(str(finding) for finding in findings)
        super().__init__(f"{operation.operation_id} would answer {status} against its contract: {places}")
        self.findings = findings


def prepare(operation: Operation, data: Any, status: int = 200) -> Reply:
    """Check and encode an answer that never changes, once; the reply may be sent any number of times.

    Raises:
        ContractBroken: The contract does not allow this answer.
    """
    findings = operation.response_findings(status, data)
    if findings:
        raise ContractBroken(operation, status, findings)
    return Reply(status=status, body=encode(data))


class Fault:
    """What to do to one request on purpose. A tenant's ``next_fault`` gives one, or None.

    Attributes:
        delay_seconds: Wait this long, before anything happens.
        reply: Answer this in place of the operation; nothing is executed.
        drop: Close the connection ``"before"`` the operation is executed, or ``"after"`` it was, its answer lost.
        corrupt: Changes the bytes of the answer, for example cuts them.
        rule_id, kind: For the journal: the rule that gave it, and its word for what goes wrong.
    """

    __slots__ = ("corrupt", "delay_seconds", "drop", "kind", "reply", "rule_id")

    def __init__(
        self,
        delay_seconds: float = 0,
        reply: Reply | None = None,
        drop: str | None = None,
        corrupt: Callable[[bytes], bytes] | None = None,
        rule_id: str = "",
        kind: str = "",
    ) -> None:
        self.delay_seconds = delay_seconds
        self.reply = reply
        self.drop = drop
        self.corrupt = corrupt
        self.rule_id = rule_id
        self.kind = kind
