"""Which customer or product a cell names. Names are compared letter by letter; what is only near is a suggestion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Generic, TypeVar

from metronome_sandbox.importer.findings import Wrong, shortened
from metronome_sandbox.importer.mapping import By, Entry, Lookup
from metronome_sandbox.importer.row import Cell
from metronome_sandbox.importer.row import text as shown_text
from metronome_sandbox.importer.target_catalog import USAGE, TargetCustomer, TargetProduct

MAX_TEXT = 500
CACHED = 100_000
SEARCHED = 5_000
"""Names among which a near one is looked for; among more it takes too long."""

SEARCHES = 50

Thing = TypeVar("Thing", TargetCustomer, TargetProduct)


def text_of(cell: Cell) -> str:
    """Return a cell as a text that may be a name.

    Raises:
        Wrong: It holds what no name has: a formula, a line end or another letter that steers a terminal.
    """
    said = shown_text(cell)
    if said.isprintable() and len(said) <= MAX_TEXT and said[:1] != "=":
        return said
    if said[:1] == "=":
        raise Wrong("is a formula; export values, and no formulas")
    if len(said) > MAX_TEXT:
        raise Wrong(f"is longer than {MAX_TEXT} letters; is this the right column?")
    raise Wrong("holds a line end or another letter that cannot be printed")


class Things(Generic[Thing]):
    """The customers or products of the target by what the mapping names them by.

    Args:
        what: "customer" or "product".
        things: All there are.
        lookup: How a cell names one.
    """

    def __init__(self, what: str, things: Iterable[Thing], lookup: Lookup) -> None:
        self._what = what
        self._by = lookup.by.replace("_", " ") if lookup.field is None else f"custom field {lookup.field}"
        self._found: dict[str, list[Thing]] = {}
        self._is_id = lookup.by is By.ID
        self._searches = 0
        for thing in things:
            for key in _keys(thing, lookup):
                self._found.setdefault(key, []).append(thing)

    def named(self, text: str) -> Thing:
        """Return the one that a text names.

        Raises:
            Wrong: There is none, or more than one.
        """
        found = self._found.get(text.lower() if self._is_id else text, ())
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(thing.id for thing in found[:3])
            raise Wrong(f"is the {self._by} of {len(found)} {self._what}s ({ids}); name them by id")
        if not text:
            raise Wrong(f"is empty; expected the {self._by} of a {self._what}")
        raise Wrong(f"is the {self._by} of no {self._what} of the target{self._near(text)}")

    def _near(self, text: str) -> str:
        if self._is_id or self._searches >= SEARCHES:
            return ""
        self._searches += 1
        near = near_names(text, self._found, most=1)
        return f" (did you mean {shortened(near[0])!r}?)" if near else ""


def near_names(text: str, names: Collection[str], most: int = 3) -> list[str]:
    """Return the names that somebody may have meant by a text, the nearest first; capitals do not count."""
    if len(names) > SEARCHED:
        return []
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    return [folded[near] for near in get_close_matches(text.casefold(), folded, n=most)]


def _keys(thing: TargetCustomer | TargetProduct, lookup: Lookup) -> Iterable[str]:
    if lookup.by is By.ID:
        return (thing.id.lower(),)
    if lookup.by is By.NAME:
        return (thing.name.strip(),)
    if lookup.by is By.INGEST_ALIAS and isinstance(thing, TargetCustomer):
        return thing.ingest_aliases
    value = thing.custom_fields.get(lookup.field or "")
    return () if value is None else (value.strip(),)


class Products:
    """The product that a cell names, and what its quantities are multiplied by: by the mapping's table, then as it is.

    Args:
        products: Of the target, by id.
        lookup: How a product is named, in a cell and in the table.
        table: What legacy names stand for.
    """

    def __init__(self, products: Mapping[str, TargetProduct], lookup: Lookup, table: Mapping[str, Entry]) -> None:
        self._things = Things("product", products.values(), lookup)
        self._table = table

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """Yield what is wrong with the table: legacy name, product, problem."""
        for name, entry in self._table.items():
            try:
                self._usable(entry.product)
            except Wrong as wrong:
                yield name, entry.product, str(wrong)

    def named(self, text: str) -> tuple[TargetProduct, Decimal]:
        """Return the product that a text names, and its multiplier.

        Raises:
            Wrong: There is none, or one that bills no usage.
        """
        entry = self._table.get(text)
        if entry is not None:
            return self._usable(entry.product), entry.multiply_by
        return self._usable(text), Decimal(1)

    def _usable(self, text: str) -> TargetProduct:
        product = self._things.named(text)
        if product.type != USAGE:
            raise Wrong(
                f"names a {product.type} product; only USAGE can be imported, so leave these rows out with skip"
            )
        return product
