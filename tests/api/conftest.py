"""A small contract, a server of it, and a way to call it without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from metronome_sandbox.api.app import SandboxApp, create_app
from metronome_sandbox.api.requests import Handler, Reply, Request
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import World
from metronome_sandbox.domain.errors import ContractNotFound, CustomerNotFound, InvalidRequest
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.spec.document import Document

THING_ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _answers(schema: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    error = {"description": "", **_json({"$ref": "#/components/schemas/Error"})}
    return {"200": {"description": "", **_json(schema)}, "400": error, "404": error, "409": error, **more}


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema}


THINGS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Things", "version": "1"},
    "security": [{"bearerAuth": []}],
    "paths": {
        "/v1/things": {
            "post": {
                "operationId": "createThing-v1",
                "requestBody": {"required": True, **_json({"$ref": "#/components/schemas/NewThing"})},
                "responses": _answers({"$ref": "#/components/schemas/ThingAnswer"}),
            },
            "get": {
                "operationId": "listThings-v1",
                "parameters": [
                    _query("limit", type="integer", minimum=1, maximum=100, default=100),
                    _query("next_page", type="string"),
                    _query("archived", type="boolean"),
                    _query("ratio", type="number", minimum=0, exclusiveMinimum=True),
                    _query("ids", type="array", maxItems=3, items={"type": "string", "format": "uuid"}),
                    _query("since", type="string", format="date-time"),
                    _query("sort", type="string", enum=["date_asc", "date_desc"]),
                    {**_query("customer_id", type="string", format="uuid"), "required": True},
                ],
                "responses": _answers({"type": "object"}),
            },
        },
        "/v1/things/{thing_id}": {
            "parameters": [
                {"in": "path", "name": "thing_id", "required": True, "schema": {"type": "string", "format": "uuid"}}
            ],
            "get": {"operationId": "getThing-v1", "responses": _answers({"$ref": "#/components/schemas/ThingAnswer"})},
        },
        "/v1/things/{thing_id}/parts": {
            "get": {
                "operationId": "listParts-v1",
                "parameters": [
                    {"in": "path", "name": "thing_id", "required": True, "schema": {"type": "string", "format": "uuid"}}
                ],
                "responses": _answers({"type": "object"}),
            },
        },
        "/v1/things/list": {
            "post": {
                "operationId": "searchThings-v1",
                "requestBody": _json({"type": "object", "properties": {"name": {"type": "string"}}}),
                "responses": _answers({"type": "object"}),
            },
        },
        "/v1/things/touch": {
            "post": {
                "operationId": "touchThing-v1",
                "requestBody": _json({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}),
                "responses": {"200": {"description": "no body declared"}},
            },
        },
        "/v1/things/forget": {"post": {"operationId": "forgetThing-v1", "responses": _answers({"type": "object"})}},
        "/v2/things/edit": {
            "post": {
                "operationId": "editThing-v2",
                "requestBody": _json({"type": "object", "properties": {"id": {"type": "string"}}}),
                "responses": _answers(
                    {"type": "object"},
                    **{"400": {"description": "", **_json({"$ref": "#/components/schemas/CodedError"})}},
                ),
            },
        },
        "/sandbox/health": {
            "get": {"operationId": "getHealth", "security": [], "responses": _answers({"type": "object"})}
        },
        "/sandbox/reset": {"post": {"operationId": "resetTenant", "responses": _answers({"type": "object"})}},
    },
    "x-not-imitated": [{"method": "POST", "path": "/v1/alerts/create", "operationId": "createAlert-v1"}],
    "components": {
        "schemas": {
            "Error": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}},
            "CodedError": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "code": {"type": "string", "enum": ["CustomerNotFound", "BadRequest"]},
                    "message": {"type": "string"},
                },
            },
            "Size": {
                "type": "object",
                "required": ["type", "size"],
                "properties": {
                    "type": {"type": "string", "enum": ["SIZE"]},
                    "size": {"type": "integer", "minimum": 1},
                },
            },
            "Label": {
                "type": "object",
                "required": ["type", "label"],
                "properties": {
                    "type": {"type": "string", "enum": ["LABEL", "label"]},
                    "label": {"type": "string", "minLength": 1},
                },
            },
            "Part": {"oneOf": [{"$ref": "#/components/schemas/Size"}, {"$ref": "#/components/schemas/Label"}]},
            "NewThing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 20},
                    "owner_id": {"type": "string", "format": "uuid"},
                    "amount": {"type": "number", "minimum": 0, "maximum": 1000},
                    "starting_at": {"type": "string", "format": "date-time"},
                    "frequency": {"type": "string", "enum": ["MONTHLY", "ANNUAL"]},
                    "note": {"type": "string", "nullable": True},
                    "custom_fields": {"type": "object", "additionalProperties": {"type": "string"}},
                    "parts": {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Part"}},
                    "closed": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"known": {"type": "string"}},
                    },
                    "anything": {},
                },
            },
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "Thing": {
                "allOf": [
                    {"$ref": "#/components/schemas/Named"},
                    {
                        "type": "object",
                        "required": ["id"],
                        "properties": {
                            "id": {"type": "string", "format": "uuid"},
                            "amount": {"type": "number"},
                            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                            "parent": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Named"}]},
                            "custom_fields": {"type": "object", "additionalProperties": {"type": "string"}},
                        },
                    },
                ],
            },
            "ThingAnswer": {
                "type": "object",
                "required": ["data"],
                "properties": {"data": {"$ref": "#/components/schemas/Thing"}},
            },
        }
    },
}


@dataclass
class Answer:
    """What a call got: status, headers by lower-case name, bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)

    @property
    def message(self) -> str:
        message = self.json["message"]
        assert isinstance(message, str)
        return message


@dataclass
class Client:
    """Calls an application in this process; speaks ASGI itself, so that a test decides how a body arrives."""

    app: SandboxApp
    token: str | None = "alice"
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        target: str,
        body: bytes | str | dict[str, Any] | list[Any] | None = None,
        headers: Mapping[str, str] | None = None,
        chunks: Iterable[bytes] | None = None,
    ) -> Answer:
        """Make one call. ``chunks`` sends a body in pieces; one that ends in None is cut off by a disconnect."""
        path, _, query = target.partition("?")
        if isinstance(body, dict | list):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        given = {"content-type": "application/json"} if body else {}
        if self.token is not None:
            given["authorization"] = f"Bearer {self.token}"
        if body is not None:
            given["content-length"] = str(len(body))
        given |= {name.lower(): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value != "-"],
        }
        messages = list(self._messages(body or b"", chunks))
        self.sent = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        asyncio.run(self.app(scope, receive, send))  # type: ignore[arg-type]
        if not self.sent:
            return Answer(0, {}, b"")
        start, *rest = self.sent
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], answered, b"".join(message.get("body", b"") for message in rest))

    @staticmethod
    def _messages(body: bytes, chunks: Iterable[bytes | None] | None) -> Iterator[dict[str, Any]]:
        pieces = [body] if chunks is None else list(chunks)
        for number, piece in enumerate(pieces):
            if piece is None:
                yield {"type": "http.disconnect"}
            else:
                yield {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)}


def create_thing(context: Context, request: Request) -> Reply:
    """Answer with a new thing. Its name says what else should happen."""
    wanted = json.loads(request.body, parse_float=Decimal)
    misbehave: dict[str, Callable[[], Any]] = {
        "invalid": lambda: (_ for _ in ()).throw(InvalidRequest("name", "expected a better name, received 'invalid'")),
        "no customer": lambda: (_ for _ in ()).throw(CustomerNotFound("c1")),
        "crash": lambda: 1 // 0,
        "overflow": lambda: Decimal(10) ** Decimal(10**9),
    }
    if wanted["name"] in misbehave:
        misbehave[wanted["name"]]()
    data = {"id": context.ids.next("thing"), "name": wanted["name"], "amount": wanted.get("amount", 0)}
    if wanted["name"] == "misspelt":
        data["ammount"] = data.pop("amount")
    return Reply({"data": data})


def edit_thing(context: Context, request: Request) -> Reply:
    """Fail as ``id`` says."""
    kind = json.loads(request.body).get("id")
    if kind == "customer":
        raise CustomerNotFound("c1")
    if kind == "contract":
        raise ContractNotFound("k1")
    raise InvalidRequest("id", "expected another one")


def echo(context: Context, request: Request) -> Reply:
    """Answer with what the request brought."""
    return Reply({"path": request.path_parameters, "query": request.query, "body": request.body.decode()})


def reset(context: Context, request: Request) -> Reply:
    """Start the tenant again."""
    request.tenant.begin(request.tenant.scenario)
    return Reply({})


HANDLERS: dict[str, Handler] = {
    "createThing-v1": create_thing,
    "listThings-v1": echo,
    "getThing-v1": lambda context, request: Reply(
        {"data": {"id": request.path_parameters["thing_id"], "name": "a thing"}}
    ),
    "listParts-v1": echo,
    "searchThings-v1": echo,
    "touchThing-v1": lambda context, request: Reply(),
    "editThing-v2": edit_thing,
    "getHealth": lambda context, request: Reply({"tenants": len(request.server.tenants)}),
    "resetTenant": reset,
}


def new_world(scenario: str | None) -> World:
    """Make a world without a store; the handlers here need none."""
    clock = Clock()
    return World(Context(None, clock.now, IdFactory()), clock)  # type: ignore[arg-type]


@pytest.fixture
def serve() -> Callable[..., Client]:
    """Make a server of the small contract, with settings of one's own."""

    def make(handlers: Mapping[str, Handler] | None = None, token: str | None = "alice", **settings: Any) -> Client:
        app = create_app(
            Settings(**settings),
            handlers={**HANDLERS, **(handlers or {})},
            documents=[Document(THINGS)],
            make_world=new_world,
        )
        return Client(app, token)

    return make


@pytest.fixture
def call(serve: Callable[..., Client]) -> Iterator[Client]:
    """Call a server of the small contract. An answer that breaks it fails the test."""
    client = serve()
    yield client
    assert not client.app.server.contract_breaks
