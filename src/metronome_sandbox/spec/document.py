"""The contract as the package ships it: one prepared JSON document for each API, loaded in milliseconds.

Nothing here reads YAML, renders templates or follows a reference out of the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

JsonObject = dict[str, Any]

BILLING = "openapi.json"
"""The imitated API."""

CONTROL = "sandbox-openapi.json"
"""The control plane, ``/sandbox/*``."""

METHODS = ("get", "put", "post", "delete", "patch", "options", "head")


@dataclass(frozen=True, slots=True)
class Described:
    """One operation as the document writes it: path-level parameters joined to its own, references resolved."""

    operation_id: str
    method: str  # upper case
    path: str  # templated, "/v1/customers/{customer_id}"
    node: JsonObject
    parameters: tuple[JsonObject, ...]
    is_open: bool  # needs no bearer token: ``security: []``


@dataclass(frozen=True, slots=True)
class NamedOnly:
    """An operation of the vendor that the document names but does not describe: extension ``x-not-imitated``."""

    operation_id: str
    method: str
    path: str


class Document:
    """An OpenAPI 3.0 document.

    Args:
        tree: The parsed document. It is kept, not copied; leave it alone.
        raw: The same as bytes, for those who ask for it.
    """

    def __init__(self, tree: JsonObject, raw: bytes | None = None) -> None:
        self.tree = tree
        self._raw = raw

    @classmethod
    def load(cls, name: str = BILLING) -> Document:
        """Load a document of the package.

        Raises:
            FileNotFoundError: The bundle was not built; ``make spec`` builds it.
        """
        raw = (Path(__file__).parent / name).read_bytes()
        return cls(orjson.loads(raw), raw)

    @cached_property
    def raw(self) -> bytes:
        """The document as JSON bytes."""
        return self._raw if self._raw is not None else orjson.dumps(self.tree)

    @cached_property
    def etag(self) -> str:
        """A strong entity tag of :attr:`raw`, with its quotation marks."""
        return f'"{sha256(self.raw).hexdigest()[:32]}"'

    @property
    def title(self) -> str:
        """``info.title``."""
        return str(self.tree.get("info", {}).get("title", ""))

    def resolve(self, node: Any) -> Any:
        """Follow the references at ``node`` until something else stands there.

        Raises:
            ValueError: A reference leaves the document.
            KeyError: A reference points at nothing.
        """
        while isinstance(node, dict) and "$ref" in node:
            reference: str = node["$ref"]
            if not reference.startswith("#/"):
                raise ValueError(f"reference {reference} leaves the document; bundle it first")
            node = self.tree
            for step in reference[2:].split("/"):
                node = node[step.replace("~1", "/").replace("~0", "~")]
        return node

    def operations(self) -> Iterator[Described]:
        """Yield every operation in the order of the document."""
        secured = bool(self.tree.get("security"))
        for path, item in self.tree.get("paths", {}).items():
            item = self.resolve(item)
            for method in METHODS:
                node = item.get(method)
                if node is None:
                    continue
                declared = (self.resolve(one) for one in (*item.get("parameters", ()), *node.get("parameters", ())))
                by_name = {(one["in"], one["name"]): one for one in declared}  # an operation's own replaces the path's
                security = node.get("security")
                yield Described(
                    operation_id=node.get("operationId", f"{method} {path}"),
                    method=method.upper(),
                    path=path,
                    node=node,
                    parameters=tuple(by_name.values()),
                    is_open=not secured if security is None else not security,
                )

    def not_imitated(self) -> Iterator[NamedOnly]:
        """Yield what the document only names, so that a call can be answered with its name."""
        for entry in self.tree.get("x-not-imitated", ()):
            yield NamedOnly(entry["operationId"], entry["method"].upper(), entry["path"])
