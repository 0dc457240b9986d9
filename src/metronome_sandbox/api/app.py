"""Where the parts are chosen and put together: contracts, handlers, store, tenants, and Connexion around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from metronome_sandbox.api.connexion_parts import (
    API,
    AsyncApp,
    LifespanMiddleware,
    OpenAPISpecification,
)
from metronome_sandbox.api.docs import Pages
from metronome_sandbox.api.gateway import Gateway
from metronome_sandbox.api.requests import Handler
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import Server, Tenants, WorldFactory
from metronome_sandbox.api.worlds import Worlds
from metronome_sandbox.spec.document import BILLING, CONTROL, Document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

Hook = Callable[[Server], object]


class PreparedSpecification(OpenAPISpecification):  # type: ignore[misc]
    """A contract that was checked when it was bundled, as Connexion wants to hold it.

    Connexion's own loading copies the document twice, validates it against OpenAPI's schema in pure Python and resolves
    every reference: seconds, for a document that a test has validated before it was shipped.
    """

    def __init__(self, document: Document) -> None:
        self._raw_spec = document.tree
        # The stock application behind the gateway is never reached, so it needs no path of ours.
        self._spec = {**document.tree, "paths": {}}
        self._base_uri = ""


class SandboxApp(AsyncApp):  # type: ignore[misc]
    """Connexion's application with our gateway in its middleware stack.

    Attributes:
        server: Settings and tenants, for the command line and for tests.
    """

    server: Server

    def add_document(self, document: Document) -> None:
        """Add a prepared contract, where ``add_api`` would read and check a file."""
        options = self.middleware.options.__dict__
        self.middleware.apis.append(API(PreparedSpecification(document), base_path=None, name=None, **options))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, by the outermost middleware once there is a stack: two calls fewer a request."""
        stack = self.middleware.middleware_stack
        await (self.middleware if stack is None else stack[0])(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    handlers: Mapping[str, Handler] | None = None,
    documents: Sequence[Document] | None = None,
    make_world: WorldFactory | None = None,
    on_start: Sequence[Hook] = (),
    on_stop: Sequence[Hook] = (),
) -> SandboxApp:
    """Return an ASGI application that is ready to serve.

    Args:
        settings: The operator's choices; defaults for tests.
        handlers: operationId to handler; those of ``api/operations.py`` by default.
        documents: The billing contract and the control plane's; those of the package by default.
        make_world: Makes a tenant's world; by default as the settings say.
        on_start: Called in order before the first request, when the server below speaks the lifespan protocol.
        on_stop: Called in order after the last one.
    """
    settings = settings or Settings()
    if documents is None:
        documents = [Document.load(BILLING), Document.load(CONTROL)]
    if handlers is None:
        from metronome_sandbox.api.operations import HANDLERS

        handlers = HANDLERS
    worlds = Worlds(settings, handlers)
    server = Server(settings, Tenants(settings, make_world or worlds), worlds)
    pages = Pages(list(zip(("/openapi.json", "/openapi-sandbox.json"), documents, strict=False)))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        for hook in on_start:
            hook(server)
        yield
        for hook in on_stop:
            hook(server)

    app = SandboxApp(
        __name__,
        lifespan=lifespan,
        # Starlette's two error middlewares would cost 3 microseconds a request for nothing: the gateway answers each
        # request itself, whatever happens, and passes only the server's lifespan messages on.
        middlewares=[partial(Gateway, server=server, handlers=handlers, pages=pages), LifespanMiddleware],
    )
    app.server = server
    for document in documents:
        app.add_document(document)
    return app
