"""The one middleware that matters: routes, authenticates, checks, calls the handler, checks again, answers.

Problem: Connexion's stock middlewares cost about 580 microseconds a request (a validator built each time, two regex
routers, introspection of the handler). Observation: its stack is open, and what a middleware needs to know it learns
from ``add_api``. Choice: one middleware in place of five, with tables that are built once: (method, path) to operation,
and from the operation to its compiled checks and its handler.

Everything between the last byte of the request and the first byte of the answer runs without an await, so a request is
atomic: no other one can see it half done.
"""

from __future__ import annotations

import logging
from asyncio import sleep
from collections.abc import Mapping
from decimal import DecimalException
from time import perf_counter_ns
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from metronome_sandbox.api import errors
from metronome_sandbox.api.auth import CONTROL_HEADER, authenticate, check_control_token
from metronome_sandbox.api.connexion_parts import Specification, SpecMiddleware
from metronome_sandbox.api.docs import Pages
from metronome_sandbox.api.errors import NOT_RETRIED, Refusal
from metronome_sandbox.api.idempotency import IDEMPOTENCY_KEY, Kept, fingerprint_of, key_of
from metronome_sandbox.api.reading import (
    CONTENT_TYPE,
    AgainstContract,
    Disconnected,
    check_body,
    check_length,
    check_parameters,
    read_on,
)
from metronome_sandbox.api.requests import JSON, ContractBroken, Fault, Handler, Reply, Request, encode
from metronome_sandbox.api.routing import Route, Routes
from metronome_sandbox.api.tenants import Server, Tenant
from metronome_sandbox.domain.errors import DomainError, InvalidRequest
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.findings import Finding, summary
from metronome_sandbox.spec.operations import Operation, operations_of

logger = logging.getLogger("metronome_sandbox")

AUTHORIZATION = b"authorization"
CONTENT_LENGTH = b"content-length"
IF_NONE_MATCH = b"if-none-match"
JSON_HEADER = (CONTENT_TYPE, JSON.encode())

CONTROL_PREFIX = "/sandbox/"
RESTORE = "restoreSnapshot"


class Gateway(SpecMiddleware):  # type: ignore[misc]
    """Answers every request of every contract that is added; only lifespan messages go further down.

    Args:
        app: What comes after, as Connexion stacks it.
        server: Settings and tenants.
        handlers: operationId to handler, the table of ``api/operations.py``.
        pages: What is served beside the contracts.
    """

    def __init__(self, app: ASGIApp, *, server: Server, handlers: Mapping[str, Handler], pages: Pages) -> None:
        self.app = app
        self.routes = Routes()
        self._literal = self.routes.literal
        self._server = server
        self._settings = server.settings
        self._max_body_digits = len(str(server.settings.max_body))
        self._tenants = server.tenants
        self._by_header = server.tenants.by_header
        self._handlers = handlers
        self._pages = pages

    def add_api(self, specification: Specification, **_: Any) -> None:
        """Register the operations of a contract, described and merely named ones."""
        document = Document(specification.raw)
        settings = self._settings
        for operation in operations_of(document):
            self.routes.add(
                Route(
                    operation.operation_id,
                    operation.method,
                    operation.path,
                    operation,
                    self._handlers.get(operation.operation_id),
                    is_open=operation.is_open,
                    is_control=operation.path.startswith(CONTROL_PREFIX),
                    max_body=settings.max_snapshot if operation.operation_id == RESTORE else settings.max_body,
                )
            )
            if operation.operation_id in self._handlers and not operation.path.startswith(CONTROL_PREFIX):
                self._server.operation_ids.add(operation.operation_id)
        for named in document.not_imitated():
            self.routes.add(Route(named.operation_id, named.method, named.path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter_ns()
        method: str = scope["method"]
        path: str = scope["path"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        route: Route | None = None
        tenant: Tenant | None = None
        fault: Fault | None = None
        body = b""
        try:
            literal = self._literal.get(path)
            if literal is not None and method in literal:
                route = literal[method]
                path_values: dict[str, str] = {}
            else:
                page = self._pages.find(path, headers.get(IF_NONE_MATCH)) if method in ("GET", "HEAD") else None
                if page is not None:
                    await _send(page, method, send)
                    return
                # A mistyped path is what a journal is read for, but it makes no tenant.
                tenant = self._by_header.get(headers.get(AUTHORIZATION, b""))
                route, path_values = self.routes.find(method, path)
            if route.is_open:
                tenant = self._tenants.nobody
            else:
                tenant = self._by_header.get(headers.get(AUTHORIZATION, b""))
                if tenant is None:
                    tenant = authenticate(headers.get(AUTHORIZATION), self._tenants, self._settings)
                if route.is_control:
                    check_control_token(headers.get(CONTROL_HEADER), self._settings)
            if route.operation is None or route.handler is None:
                raise Refusal(
                    501,
                    f"{route.operation_id} ({route.method} {route.path}) is not imitated by this sandbox yet",
                    NOT_RETRIED,
                )
            if len(headers.get(CONTENT_LENGTH, b"")) >= self._max_body_digits:
                check_length(headers[CONTENT_LENGTH], route.max_body)
            message = await receive()
            body = message.get("body", b"")
            if message.get("more_body", False) or len(body) > route.max_body or message["type"] == "http.disconnect":
                body = await read_on(message, receive, route.max_body)
            if tenant.next_fault is not None and not route.is_control:  # what takes a fault away always works
                fault = tenant.next_fault(route.operation)
                if fault is not None and fault.delay_seconds > 0:
                    await sleep(fault.delay_seconds)
            if fault is not None and (fault.reply is not None or fault.drop == "before"):
                reply = _encoded(fault.reply or Reply())
            else:
                reply = self._answer(route.operation, route.handler, tenant, path_values, scope, headers, body)
            if fault is not None and fault.corrupt is not None:
                reply = reply.with_body(fault.corrupt(reply.body or b""))
        except Refusal as refusal:
            reply = _message(refusal.status, str(refusal))
            reply.headers = refusal.headers
        except Disconnected:
            return
        except Exception as error:
            # Nothing above this middleware turns an exception into an answer that clients of this API can read.
            logger.exception("%s %s failed outside its handler", method, path)
            reply = _bug(f"{type(error).__name__} at {method} {path}")
        if tenant is not None and (route is None or not route.is_control):
            tenant.journal.add(
                tenant.clock.now(),
                None if route is None else route.operation_id,
                method,
                path,
                scope["query_string"],
                reply.status,
                perf_counter_ns() - started,
                body,
                reply.body or b"",
                reply.findings,
                fault,
            )
        await _send(reply, method, send, is_dropped=fault is not None and fault.drop is not None)

    def _answer(
        self,
        operation: Operation,
        handler: Handler,
        tenant: Tenant,
        path_values: dict[str, str],
        scope: Scope,
        headers: dict[bytes, bytes],
        body: bytes,
    ) -> Reply:
        """Check a request and execute it, or repeat the answer it got before. Never awaits; the reply has its body."""
        raw_query: bytes = scope["query_string"]
        try:
            body = check_body(operation, body, headers)
            if raw_query or path_values or operation.required_query:
                query = check_parameters(operation, path_values, raw_query)
            else:
                query = operation.query_defaults.copy()
            request = Request(operation, tenant, self._server, path_values, query, body, scope["headers"])
            key = headers.get(IDEMPOTENCY_KEY)
            if key is None or operation.method != "POST":
                return self._execute(operation, handler, tenant, request)
            slot = (operation.method, scope["path"], key_of(key))
            fingerprint = fingerprint_of(raw_query, body)
            kept = tenant.idempotency.recall(slot, fingerprint, tenant.clock.now())
        except AgainstContract as error:
            reply = self._error(operation, error)
            reply.findings += error.findings
            return reply
        except DomainError as error:
            return self._error(operation, error)
        if kept is not None:
            replayed = (*kept.headers, (b"idempotency-replayed", b"true"))
            return Reply(None, kept.status, kept.body, kept.content_type, replayed)
        reply = self._execute(operation, handler, tenant, request)
        stored_at = tenant.clock.now()
        tenant.idempotency.remember(
            slot, Kept(fingerprint, stored_at, reply.status, reply.body or b"", reply.content_type, reply.headers)
        )
        return reply

    def _execute(self, operation: Operation, handler: Handler, tenant: Tenant, request: Request) -> Reply:
        """Let time catch up, call the handler, check and encode what it says."""
        try:
            if not operation.path.startswith(CONTROL_PREFIX):
                tenant.catch_up()  # a reset, a snapshot, a scenario must help whatever state a world is in
            reply = handler(tenant.context, request)
            if reply.body is None:
                if not operation.response_is_valid(reply.status, reply.data):
                    findings = self._note_break(operation, reply.status, reply.data)
                    what = f"its answer to {operation.operation_id} breaks the contract: {summary(findings)}"
                    return _bug(what, findings)
                reply.body = encode(reply.data)
            return reply
        except DomainError as error:
            return self._error(operation, error)
        except msgspec.DecodeError as error:
            return self._error(operation, errors.from_decoding(error))
        except (OverflowError, DecimalException) as error:
            logger.debug("%s: %r", operation.operation_id, error)
            return self._error(operation, errors.from_overflow(request.body))
        except RecursionError:
            return self._error(operation, InvalidRequest("", "the body is nested too deeply"))
        except Exception as error:
            logger.exception("%s (%s %s) failed", operation.operation_id, operation.method, operation.path)
            return _bug(f"{type(error).__name__} in {operation.operation_id}")

    def _error(self, operation: Operation, error: DomainError) -> Reply:
        status, data = errors.answer(operation, error)
        reply = Reply(data, status, encode(data), headers=NOT_RETRIED if status == 501 else ())
        if not operation.response_is_valid(status, data):
            # The caller is better off with the message than without it: noted as our bug, sent all the same.
            reply.findings = self._note_break(operation, status, data)
        return reply

    def _note_break(self, operation: Operation, status: int, data: Any) -> tuple[Finding, ...]:
        broken = ContractBroken(operation, status, operation.response_findings(status, data))
        logger.error("%s", broken)
        self._server.contract_breaks.append(str(broken))
        return tuple(broken.findings)


def _message(status: int, text: str) -> Reply:
    return _encoded(Reply({"message": text}, status))


def _encoded(reply: Reply) -> Reply:
    if reply.body is None:
        reply.body = encode(reply.data)
    return reply


def _bug(what: str, findings: tuple[Finding, ...] = ()) -> Reply:
    reply = _message(500, f"Internal error of the sandbox, not of your request: {what}. Please report it.")
    reply.findings = findings
    return reply


async def _send(reply: Reply, method: str, send: Send, is_dropped: bool = False) -> None:
    body = reply.body or b""
    headers = [
        JSON_HEADER if reply.content_type is JSON else (CONTENT_TYPE, reply.content_type.encode("latin-1")),
        (CONTENT_LENGTH, b"%d" % len(body)),
    ]
    if reply.headers:
        headers += reply.headers
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if is_dropped:
        return  # the server below closes a connection whose answer stays incomplete
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
