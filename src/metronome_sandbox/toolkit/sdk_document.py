"""The installed ``metronome-sdk`` as an OpenAPI document: what its methods send and what their models read.

The SDK is looked at, not run: paths are read from the source of its methods, fields from their types.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
import types
import typing
from collections.abc import Iterator
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit.schemas import CannotRead, Json

CALLS = {"_get": "get", "_get_api_list": "get", "_post": "post", "_put": "put", "_delete": "delete", "_patch": "patch"}
SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    float: {"type": "number"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    datetime: {"type": "string"},
    date: {"type": "string"},
}
SEQUENCES = ("Iterable", "SequenceNotStr", "Sequence", "list", "List")
MAPS = ("dict", "Dict", "Mapping")


def version() -> str:
    """Return the installed version.

    Raises:
        CannotRead: There is none.
    """
    try:
        return version_of("metronome-sdk")
    except PackageNotFoundError:
        raise CannotRead("metronome-sdk is not installed: pip install metronome-sdk, or name a document") from None


def document() -> Document:
    """Return what the SDK says of each operation that it calls.

    Raises:
        CannotRead: It is not installed.
    """
    version()
    reader = _Reader()
    paths: dict[str, Json] = {}
    for owner, method in _methods():
        for verb, path, node in reader.operations(owner, method):
            known = paths.setdefault(path, {})
            known.setdefault(verb, node)
    return Document({"openapi": "3.1.0", "info": {"title": "metronome-sdk"}, "paths": paths, "components": reader.made})


def _methods() -> Iterator[tuple[Any, Any]]:
    """Yield the methods of the synchronous resources, with their module."""
    resources = importlib.import_module("metronome.resources")
    for found in pkgutil.walk_packages(resources.__path__, "metronome.resources."):
        module = importlib.import_module(found.name)
        for name, resource in inspect.getmembers(module, inspect.isclass):
            is_here = resource.__module__ == module.__name__
            if is_here and name.endswith("Resource") and not name.startswith("Async"):
                for method_name, method in inspect.getmembers(resource, inspect.isfunction):
                    if not method_name.startswith("_"):
                        yield module, method


class _Reader:
    """Turns types into schemas. Models become components, so that one that holds itself ends."""

    def __init__(self) -> None:
        self._schemas: dict[str, Json] = {}
        self._names: dict[Any, str] = {}
        self.made = {"schemas": self._schemas}

    def operations(self, module: Any, method: Any) -> Iterator[tuple[str, str, Json]]:
        """Yield verb, path and operation for each call that a method makes."""
        source = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(method))))
        for node in ast.walk(source):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS):
                continue
            path = next((one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)), None)
            if not isinstance(path, str) or not path.startswith("/"):
                continue
            keywords = {one.arg: one.value for one in node.keywords}
            model = keywords.get("model") or keywords.get("cast_to")
            answer = self._answer(module, model, is_list="model" in keywords)
            operation: Json = {"responses": {"200": {"content": {"application/json": {"schema": answer}}}}}
            if "body" in keywords:
                fields = dict(self._sent(module, keywords["body"]))
                body = {"type": "object", "properties": fields} if fields else {}  # else a list, or anything
                operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
            options = keywords.get("options")
            queries = [one.value for one in getattr(options, "keywords", ()) if one.arg == "query"]
            operation["parameters"] = [
                {"in": "query", "name": name, "schema": schema}
                for query in queries
                for name, schema in self._sent(module, query)
            ]
            verb = _text(keywords.get("method")) or CALLS[node.func.attr]
            yield verb, re.sub(r"\{[^}]*\}", "{id}", path), operation

    def _answer(self, module: Any, model: ast.expr | None, *, is_list: bool) -> Json:
        name = model.id if isinstance(model, ast.Name) else None
        if isinstance(model, ast.Call):  # cast(Any, X)
            name = next((one.id for one in reversed(model.args) if isinstance(one, ast.Name)), None)
        found = None if name is None else getattr(module, name, None)
        schema = {} if found is None or found is type(None) else self.schema(found)
        if is_list:
            page: Json = {"data": {"type": "array", "items": schema}, "next_page": {}}
            return {"type": "object", "properties": page}
        return schema

    def _sent(self, module: Any, node: ast.expr) -> Iterator[tuple[str, Json]]:
        """Yield name and schema of what ``maybe_transform({...}, some_params.SomeParams)`` sends."""
        params = _params(module, node)
        names = next(([_text(key) for key in one.keys] for one in ast.walk(node) if isinstance(one, ast.Dict)), [])
        if params is not None:
            hints = typing.get_type_hints(params, include_extras=True)
            for name in names:
                if name in hints:
                    yield _alias(hints[name]) or name, self.schema(hints[name])

    def schema(self, annotation: Any) -> Json:
        """Return the schema of a type; what it does not know may be anything."""
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        name = getattr(origin, "__name__", "")
        if name in ("Annotated", "Required", "NotRequired") or origin in (typing.Annotated, typing.Required):
            return self.schema(arguments[0])
        if annotation in SCALARS:
            return SCALARS[annotation]
        if origin is typing.Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin in (typing.Union, types.UnionType):
            return self._union([one for one in arguments if one is not type(None)], is_nullable=type(None) in arguments)
        if name in SEQUENCES:
            return {"type": "array", "items": self.schema(arguments[0])}
        if name in MAPS:
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        if isinstance(annotation, type) and (
            hasattr(annotation, "model_fields") or hasattr(annotation, "__required_keys__")
        ):
            return {"$ref": f"#/components/schemas/{self._named(annotation)}"}
        return self.schema(annotation.__value__) if hasattr(annotation, "__value__") else {}

    def _union(self, options: list[Any], *, is_nullable: bool) -> Json:
        schemas = [self.schema(one) for one in options]
        texts = [one for one in schemas if one.get("type") == "string"]
        if len(texts) == len(schemas):  # Union[str, datetime], or text and the values that are usual
            return {"type": "string"}
        found: Json = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        return found if not is_nullable else {"anyOf": [found]}

    def _named(self, model: Any) -> str:
        if model in self._names:
            return self._names[model]
        label = f"{model.__module__.rpartition('.')[2]}.{model.__qualname__}"
        self._names[model] = label = label if label not in self._schemas else f"{label}.{len(self._schemas)}"
        made: Json = {"type": "object", "properties": {}}
        self._schemas[label] = made
        if hasattr(model, "model_fields"):
            fields = {one.alias or name: one.annotation for name, one in model.model_fields.items()}
        else:
            fields = {
                _alias(one) or name: one for name, one in typing.get_type_hints(model, include_extras=True).items()
            }
        made["properties"] = {name: self.schema(one) for name, one in fields.items()}
        return label


def _alias(annotation: Any) -> str | None:
    """Return the name under which a TypedDict's field is sent, where it is another one."""
    while typing.get_origin(annotation) is not None:
        for extra in getattr(annotation, "__metadata__", ()):
            if getattr(extra, "alias", None):
                return str(extra.alias)
        arguments = typing.get_args(annotation)
        if not arguments or getattr(typing.get_origin(annotation), "__name__", "") in (*SEQUENCES, *MAPS):
            return None
        annotation = arguments[0]
    return None


def _text(node: ast.expr | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def _params(module: Any, node: ast.expr | None) -> Any:
    """Return the TypedDict that a call names for what it sends: ``some_params.SomeParams``."""
    for one in ast.walk(node) if node is not None else ():
        if isinstance(one, ast.Attribute) and one.attr.endswith("Params") and isinstance(one.value, ast.Name):
            return getattr(getattr(module, one.value.id, None), one.attr, None)
    return None
