"""Which operation a call is of: the packaged documents of the API and of the control plane, by method and path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from urllib.parse import unquote

from metronome_sandbox.spec.document import BILLING, CONTROL, Described, Document, NamedOnly
from metronome_sandbox.spec.operations import Operation, operations_of

ROOTS = re.compile(r"/(?:v1|v2|sandbox)/")
"""How the path of every operation begins."""

READS = ("get", "list", "preview", "explain")
"""How the id of an operation begins that changes nothing, whatever its method."""


@dataclass(frozen=True, slots=True)
class Known:
    """An operation that the document describes."""

    operation: Operation
    described: Described
    document: Document

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing. Many reads of this API are POSTs."""
        return self.operation.method in ("GET", "HEAD") or self.operation.operation_id.startswith(READS)


@dataclass(frozen=True, slots=True)
class Call:
    """What a method and a path stand for.

    Attributes:
        known: The operation; None for one that the document only names, or not even that.
        name: The operation's id, or method and path where there is none.
        path: From the root of the API on, without the folder that a gateway puts before it.
        values: The path's parameters, decoded.
    """

    known: Known | None
    name: str
    path: str
    values: Mapping[str, str]
    is_named: bool = True


class Contract:
    """The operations of documents: the packaged ones, unless given."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._literal: dict[tuple[str, str], Known | NamedOnly] = {}
        self._templates: list[tuple[str, re.Pattern[str], Known | NamedOnly]] = []
        self.paths: set[str] = set()
        for document in tuple(documents) or (Document.load(BILLING), Document.load(CONTROL)):
            for operation, described in zip(operations_of(document), document.operations(), strict=True):
                self._add(operation.method, operation.path, Known(operation, described, document))
            for named in document.not_imitated():
                self._add(named.method, named.path, named)

    def _add(self, method: str, path: str, entry: Known | NamedOnly) -> None:
        self.paths.add(path)
        if "{" in path:
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
            self._templates.append((method, re.compile(pattern), entry))
        else:
            self._literal[method, path] = entry

    def call(self, method: str, path: str) -> Call:
        """Return what a call is of. A path may have a folder before it, as behind a gateway."""
        for start in _starts(path):
            inner = path[start:]
            entry = self._literal.get((method, inner))
            values: Mapping[str, str] = {}
            if entry is None:
                entry, values = self._template(method, inner)
            if isinstance(entry, Known):
                return Call(entry, entry.operation.operation_id, inner, values)
            if entry is not None:
                return Call(None, entry.operation_id, inner, values)
        return Call(None, f"{method} {path}", path, {}, is_named=False)

    def _template(self, method: str, path: str) -> tuple[Known | NamedOnly | None, Mapping[str, str]]:
        for own, pattern, entry in self._templates:
            found = pattern.fullmatch(path) if own == method else None
            if found is not None:
                return entry, {name: unquote(text) for name, text in found.groupdict().items()}
        return None, {}

    def near(self, path: str) -> str | None:
        """Return the path of the document that a mistyped one comes closest to."""
        return next(iter(get_close_matches(path, self.paths, n=1, cutoff=0.8)), None)


@cache
def packaged() -> Contract:
    """Return the contract of the package; built once."""
    return Contract()


def _starts(path: str) -> Iterator[int]:
    yield 0
    for found in ROOTS.finditer(path):
        if found.start():
            yield found.start()
