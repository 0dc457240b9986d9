"""From method and path to an operation: a dictionary for literal paths, one for each shape of the others."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from metronome_sandbox.api.errors import Refusal
from metronome_sandbox.api.requests import Handler
from metronome_sandbox.spec.operations import Operation

SHOWN_PATH = 200


class Route(NamedTuple):
    """What one method of one path leads to.

    Attributes:
        operation: None when the contract only names the operation (``x-not-imitated``).
        handler: None when nobody wrote one yet.
        is_open: Needs no bearer token.
        is_control: Belongs to the control plane, which may want a token of its own.
        max_body: Bytes of a request body.
    """

    operation_id: str
    method: str
    path: str
    operation: Operation | None = None
    handler: Handler | None = None
    is_open: bool = False
    is_control: bool = False
    max_body: int = 0


class Template(NamedTuple):
    """A path with parameters: their names with the segments they stand for, and its routes by method."""

    parameters: tuple[tuple[str, int], ...]
    routes: dict[str, Route]


class Shape:
    """The templates that have as many segments and their parameters in the same places, by their other segments."""

    __slots__ = ("literals_of", "places", "templates")

    def __init__(self, places: tuple[int, ...], length: int) -> None:
        self.places = places
        self.literals_of = itemgetter(*(place for place in range(length) if place not in places))
        self.templates: dict[Any, Template] = {}


class Routes:
    """The routing table.

    A literal path wins over a template, and a template with more literal segments over one with fewer.

    Attributes:
        literal: Routes by path, then by method. The gateway looks here first, since most paths have no parameters.
    """

    def __init__(self) -> None:
        self.literal: dict[str, dict[str, Route]] = {}
        self._shapes: dict[int, list[Shape]] = {}  # by number of segments

    def add(self, route: Route) -> None:
        """Add a route; one that is there already stays."""
        if "{" not in route.path:
            self.literal.setdefault(route.path, {}).setdefault(route.method, route)
            return
        parts = route.path.split("/")
        places = tuple(place for place, part in enumerate(parts) if part.startswith("{"))
        shapes = self._shapes.setdefault(len(parts), [])
        shape = next((known for known in shapes if known.places == places), None)
        if shape is None:
            shape = Shape(places, len(parts))
            shapes.append(shape)
            shapes.sort(key=lambda one: len(one.places))
        parameters = tuple((parts[place][1:-1], place) for place in places)
        template = shape.templates.setdefault(shape.literals_of(parts), Template(parameters, {}))
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
        values: dict[str, str] = {}
        if routes is None:
            parts = path.split("/")
            for shape in self._shapes.get(len(parts), ()):
                template = shape.templates.get(shape.literals_of(parts))
                if template is not None:
                    routes = template.routes
                    values = {name: parts[place] for name, place in template.parameters}
                    break
        if routes is None:
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
        for shapes in self._shapes.values():
            for shape in shapes:
                for template in shape.templates.values():
                    yield from template.routes.values()
