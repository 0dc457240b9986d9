"""What comes in, read and held against the contract before anything is executed."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Message, Receive

from metronome_sandbox.api.errors import Refusal
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.spec.findings import Finding, summary
from metronome_sandbox.spec.operations import Operation

CONTENT_TYPE = b"content-type"
CONTENT_ENCODING = b"content-encoding"

JSON_TYPES = frozenset((b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"))
"""The usual spellings; others take the longer way through :func:`check_headers`."""

SHOWN_HEADER = 100

MAX_LENGTH_DIGITS = 18

MANY_FINDINGS = 8 * 1024
"""Bytes of a body that may be searched for more than its first mistake, so that no body takes long to refuse."""


class AgainstContract(InvalidRequest):
    """A request breaks the contract; the journal shows where."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("", summary(findings))
        self.findings = tuple(findings)


class Disconnected(Exception):
    """The client went away before its request was complete; nothing is done and nobody is left to answer."""


def check_length(declared: bytes, limit: int) -> None:
    """Refuse a body whose ``Content-Length`` says that it is too long, before any of it is read.

    Raises:
        Refusal: 413. The server below discards what the client sends all the same.
    """
    if not declared.isdigit():
        return
    if len(declared) > MAX_LENGTH_DIGITS:  # Python refuses to read a number of some thousand digits
        raise _too_long(f"a Content-Length of {len(declared)} digits", limit)
    if int(declared) > limit:
        raise _too_long(f"{int(declared)} bytes", limit)


async def read_on(first: Message, receive: Receive, limit: int) -> bytes:
    """Return a body that comes in pieces, or none at all.

    Args:
        first: The first message, that was not a whole request.
        receive: Gives the others.
        limit: Bytes that are allowed.

    Raises:
        Refusal: 413 as soon as it is known to be too long; the rest is not waited for.
        Disconnected: The client left.
    """
    pieces: list[bytes] = []
    length = 0
    message = first
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            raise _too_long(f"{length} bytes and more", limit)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def check_body(operation: Operation, body: bytes, headers: dict[bytes, bytes]) -> bytes:
    """Return the body that the handler gets: the bytes as they came, ``{}`` for none.

    Raises:
        InvalidRequest: It is missing, no JSON, or not what the contract asks for.
        Refusal: 415, it is not sent as JSON.
    """
    if not operation.takes_body:
        return body
    if not body:
        if operation.body_required:
            raise InvalidRequest("body", "required, but empty; send a JSON object")
        return b"{}"
    if headers.get(CONTENT_TYPE) not in JSON_TYPES or CONTENT_ENCODING in headers:
        check_headers(headers)
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    try:
        if operation.body_is_valid(tree):
            return body
        findings = operation.body_findings(tree, only_first=len(body) > MANY_FINDINGS)
    except ValueError:  # all that the validator raises it for
        raise InvalidRequest("body", "expected at most 255 levels of arrays and objects, received more") from None
    raise AgainstContract(findings)


def check_parameters(operation: Operation, path_values: dict[str, str], raw_query: bytes) -> dict[str, Any]:
    """Return the query parameters; UUIDs among ``path_values`` become lower case.

    Raises:
        AgainstContract: One of either kind is wrong.
    """
    if path_values:
        findings = operation.path_findings(path_values)
        if findings:
            raise AgainstContract(findings)
        for name, text in path_values.items():
            if operation.path_parameters[name].is_uuid:
                path_values[name] = text.lower()
    query, findings = operation.read_query(raw_query)
    if findings:
        raise AgainstContract(findings)
    return query


def check_headers(headers: dict[bytes, bytes]) -> None:
    """Let a body pass that is sent as JSON, or that says nothing about what it is.

    Raises:
        Refusal: 415.
    """
    content_type = headers.get(CONTENT_TYPE)
    if content_type is not None:
        media_type = content_type.split(b";", 1)[0].strip().lower()
        if media_type != b"application/json" and not media_type.endswith(b"+json"):
            shown = content_type.decode("latin-1")[:SHOWN_HEADER]
            raise Refusal(415, f"header Content-Type: expected application/json, received {shown!r}")
    encoding = headers.get(CONTENT_ENCODING, b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise Refusal(
            415, f"header Content-Encoding: expected none, received {encoding[:SHOWN_HEADER]!r}; send the body as it is"
        )


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    try:
        body.decode()
    except UnicodeDecodeError as undecodable:
        byte = f"{body[undecodable.start]:#04x} at position {undecodable.start}"
        return InvalidRequest("body", f"expected JSON in UTF-8, received the byte {byte}")
    return InvalidRequest("body", f"expected JSON: {error.msg} at line {error.lineno}, column {error.colno}")


def _too_long(received: str, limit: int) -> Refusal:
    return Refusal(413, f"body: expected at most {limit} bytes (--max-body), received {received}")
