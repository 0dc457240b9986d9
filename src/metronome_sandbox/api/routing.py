"""From method and path to an operation: a dictionary for literal paths, a short list for the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from metronome_sandbox.api.errors import Refusal
from metronome_sandbox.api.requests import Handler
from metronome_sandbox.spec.validation import Operation

SHOWN_PATH = 200


class Route(NamedTuple):
    """What one method of one path leads to.

    Attributes:
        operation: None when the contract only names the operation (``x-not-imitated``).
        handler: None when nobody wrote one yet.
        is_open: Needs no bearer token.
        is_control: Belongs to the control plane, which may want a token of its own.
    """

    operation_id: str
    method: str
    path: str
    operation: Operation | None = None
    handler: Handler | None = None
    is_open: bool = False
    is_control: bool = False


class Template(NamedTuple):
    """A path with parameters: its segments, None where a parameter stands, and the parameters' names in order."""

    segments: tuple[str | None, ...]
    names: tuple[str, ...]
    routes: dict[str, Route]

    def values(self, parts: list[str]) -> dict[str, str] | None:
        """Return the parameters' text when ``parts`` (as many as there are segments) fit, None when they don't."""
        found: list[str] = []
        for segment, part in zip(self.segments, parts, strict=True):
            if segment is None:
                found.append(part)
            elif segment != part:
                return None
        return dict(zip(self.names, found, strict=True))


class Routes:
    """The routing table.

    A literal path wins over a template, and a template with more literal segments over one with fewer.

    Attributes:
        literal: Routes by path, then by method. The gateway looks here first, since most paths have no parameters.
    """

    def __init__(self) -> None:
        self.literal: dict[str, dict[str, Route]] = {}
        self._templates: dict[int, list[Template]] = {}  # by number of segments

    def add(self, route: Route) -> None:
        """Add a route; one that is there already stays."""
        if "{" not in route.path:
            self.literal.setdefault(route.path, {}).setdefault(route.method, route)
            return
        parts = route.path.split("/")
        segments = tuple(None if part.startswith("{") else part for part in parts)
        templates = self._templates.setdefault(len(parts), [])
        template = next((known for known in templates if known.segments == segments), None)
        if template is None:
            template = Template(segments, tuple(part[1:-1] for part in parts if part.startswith("{")), {})
            templates.append(template)
            templates.sort(key=lambda one: one.segments.count(None))
        template.routes.setdefault(route.method, route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route of a path and the text of its parameters. HEAD goes where GET goes.

        Raises:
            Refusal: 404 for a path that is in no contract, 405 for a method that its path does not have.
        """
        if method == "HEAD":
            method = "GET"
        # A concrete path is matched before its templated counterparts, whatever the method. Source: OpenAPI 3.0.3,
        # "Path Templating Matching".
        routes = self.literal.get(path)
        values: dict[str, str] | None = {}
        if routes is None:
            parts = path.split("/")
            for template in self._templates.get(len(parts), ()):
                values = template.values(parts)
                if values is not None:
                    routes = template.routes
                    break
        if routes is None or values is None:
            raise Refusal(404, f"there is no path {path[:SHOWN_PATH]}; GET /docs lists those there are")
        if method in routes:
            return routes[method], values
        allowed = ", ".join(sorted({*routes, *({"HEAD"} if "GET" in routes else ())}))
        raise Refusal(
            405, f"{path[:200]} has no method {method[:20]}; it has {allowed}", ((b"allow", allowed.encode()),)
        )

    def __iter__(self) -> Iterator[Route]:
        """Every route."""
        for routes in self.literal.values():
            yield from routes.values()
        for templates in self._templates.values():
            for template in templates:
                yield from template.routes.values()
