"""What a request tells about its sender, beyond what a validator refuses.

The real API ignores a property that it does not know, takes a deprecated one, and believes an amount whatever its unit.
So the body is walked beside its schema:

*Unknown*: no branch of the schema has a property of this name. An object that lists no properties, or allows others, is
a map, and takes any name.

*Deprecated*: the document marks the property, or every form that it may have.

*Dollars*: USD is counted in cents, so three things look wrong. They are guesses and say so:

1. An amount (see ``AMOUNTS``) with a fraction of one or two digits, 49.99: nobody is charged part of a cent. More
   digits come from a division, and are taken for that.
2. A price (see ``PRICES``) of 1 or more that is written with two decimals, 19.99 or 20.00. A price below 1 is not
   asked: a thousandth of a cent for a token is common.
3. Access and payment of one commit that differ by exactly 100: one of them is in cents and the other in dollars.

None is raised where a ``credit_type_id`` on the way down names something else than US cents, or for percentages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

from metronome_sandbox.spec.document import Document, JsonObject
from metronome_sandbox.spec.findings import Finding, json_path, shortened

UNKNOWN, DEPRECATED, DOLLARS = "unknown", "deprecated", "dollars"

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""The credit type "USD (cents)", the same everywhere. Source: schema ``CreditType``."""

AMOUNTS = {
    *("amount", "threshold_amount", "recharge_to_amount", "max_amount", "tax_amount"),
    *("total_contract_value", "reseller_contract_value"),
}
"""Properties that hold money that is charged or granted as a whole."""

PRICES = {"price", "unit_price"}
"""Properties that hold what one unit costs."""

UNITS = ("credit_type_id", "fiat_credit_type_id", "custom_credit_type_id")
PAIRS = (("access_schedule", "invoice_schedule"), ("access_amount", "invoice_amount"))
CENTS = 100
MAX_FINDINGS = 40
"""Different ones for each body; the same place in another item of a list is not different."""

NEAR = 0.72
"""How much two names share before one is suggested for the other."""

Step = str | int
Parts = tuple[JsonObject, ...]


class _Shape:
    """What the schemas that may stand in one place say together."""

    def __init__(self, schemas: Iterable[JsonObject], document: Document) -> None:
        parts = [part for schema in schemas for part in _parts(schema, document)]
        properties: dict[str, list[JsonObject]] = {}
        for part in parts:
            for name, child in part.get("properties", {}).items():
                properties.setdefault(name, []).append(child)
        self.properties: dict[str, Parts] = {name: tuple(found) for name, found in properties.items()}
        self.items: Parts = tuple(part["items"] for part in parts if "items" in part)
        others = [part.get("additionalProperties") for part in parts]
        self.others: Parts = tuple(one for one in others if isinstance(one, dict))
        is_closed = any(one is False for one in others)
        self.is_map = any(one is True or isinstance(one, dict) for one in others) or not (properties or is_closed)
        self.deprecated = {
            name
            for name, found in self.properties.items()
            if all(one.get("deprecated") or document.resolve(one).get("deprecated") for one in found)
        }


def _parts(schema: JsonObject, document: Document, seen: frozenset[int] = frozenset()) -> Iterator[JsonObject]:
    """Yield a schema and all that it is composed of."""
    schema = document.resolve(schema)
    if id(schema) in seen:
        return
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from _parts(part, document, seen | {id(schema)})


class Bodies:
    """Reads bodies beside their schemas. What it learns about a schema it keeps."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._shapes: dict[tuple[int, ...], _Shape] = {}

    def findings(self, body: bytes, schema: JsonObject) -> list[Finding]:
        """Return what is to be said about a body that is JSON; nothing about one that is not."""
        try:
            tree = json.loads(body, parse_float=Decimal)
            return list(_Walk(self).all(tree, schema))
        except (ValueError, RecursionError):
            return []

    def shape(self, schemas: Parts) -> _Shape:
        """Return what schemas of the document say together."""
        key = tuple(id(schema) for schema in schemas)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _Shape(schemas, self._document)
        return shape


class _Walk:
    """One body on its way through its schema."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._found: dict[tuple[str, str], Finding] = {}

    def all(self, tree: Any, schema: JsonObject) -> Iterable[Finding]:
        self._walk(tree, (schema,), (), is_cents=True)
        return self._found.values()

    def _note(self, steps: Sequence[Step], rule: str, expected: str, received: Any) -> None:
        key = (rule, ".".join("" if isinstance(step, int) else step for step in steps))
        if key not in self._found and len(self._found) < MAX_FINDINGS:
            shown = str(received) if isinstance(received, Decimal) else shortened(received)
            self._found[key] = Finding(json_path(steps), rule, expected, shown)

    def _walk(self, value: Any, schemas: Parts, steps: tuple[Step, ...], *, is_cents: bool) -> None:
        if not schemas:
            return
        if isinstance(value, list):
            items = self._bodies.shape(schemas).items
            for index, one in enumerate(value):
                self._walk(one, items, (*steps, index), is_cents=is_cents)
        elif isinstance(value, dict):
            self._object(value, self._bodies.shape(schemas), steps, is_cents=is_cents)

    def _object(self, value: JsonObject, shape: _Shape, steps: tuple[Step, ...], *, is_cents: bool) -> None:
        unit = next((value[name] for name in UNITS if isinstance(value.get(name), str)), None)
        is_cents = is_cents if unit is None else unit == USD
        is_money = is_cents and value.get("rate_type", "") not in ("PERCENTAGE", "percentage")
        for name, one in value.items():
            here = (*steps, name)
            if name in shape.properties:
                if name in shape.deprecated and one is not None:
                    self._note(here, DEPRECATED, "deprecated, move away from it", one)
                number = _number(one) if is_money else None
                if number is not None:
                    self._money(name, number, here)
                self._walk(one, shape.properties[name], here, is_cents=is_cents)
            elif shape.is_map:
                self._walk(one, shape.others, here, is_cents=is_cents)
            else:
                self._note(here, UNKNOWN, f"unknown here and ignored by the API{meant(name, shape.properties)}", one)
        if is_money:
            self._pairs(value, steps)

    def _money(self, name: str, number: Decimal, steps: Sequence[Step]) -> None:
        exponent = number.as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        is_dollars = (
            (name in AMOUNTS and decimals in (1, 2) and number != int(number))
            or (name in AMOUNTS and decimals == 2 and number != 0)
            or (name in PRICES and decimals == 2 and abs(number) >= 1)
        )
        if is_dollars:
            cents = format((number * CENTS).normalize(), "f")
            self._note(steps, DOLLARS, f"looks like dollars, USD is counted in cents: {cents} if so", number)

    def _pairs(self, value: JsonObject, steps: tuple[Step, ...]) -> None:
        for access_name, invoice_name in PAIRS:
            access, invoice = value.get(access_name), value.get(invoice_name)
            if not isinstance(access, dict) or not isinstance(invoice, dict):
                continue
            if any(one.get("credit_type_id", USD) != USD for one in (access, invoice)):
                continue
            granted, paid = _total(access), _total(invoice)
            if not granted or not paid:
                continue
            if granted == CENTS * paid or paid == CENTS * granted:
                small, number, other = (invoice_name, paid, granted) if paid < granted else (access_name, granted, paid)
                self._note(
                    (*steps, small),
                    DOLLARS,
                    f"looks like dollars, USD is counted in cents: exactly a hundredth of the {other} beside it",
                    number,
                )


def _total(holder: JsonObject) -> Decimal | None:
    """Return the sum of a schedule or of one amount; None where the request does not tell it."""
    items = holder.get("schedule_items", [holder])
    if not isinstance(items, list) or "recurring_schedule" in holder:
        return None
    total = Decimal(0)
    for item in items:
        if not isinstance(item, dict):
            return None
        amount, price, quantity = (_number(item.get(name)) for name in ("amount", "unit_price", "quantity"))
        if amount is None:
            if price is None:
                return None
            amount = price if quantity is None else price * quantity
        total += amount
    return total


def _number(value: Any) -> Decimal | None:
    return Decimal(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def unknown_parameters(query: str, declared: Iterable[str]) -> list[Finding]:
    """Return what is to be said about the parameters of a query that the document does not declare."""
    known = set(declared)
    return [
        Finding(f"query parameter {name}", UNKNOWN, f"unknown here and ignored by the API{meant(name, known)}")
        for name in dict.fromkeys(name for name, _ in parse_qsl(query, keep_blank_values=True))
        if name not in known
    ]


def meant(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` when a known name is near, else nothing."""
    by_letters: dict[str, str] = {}
    for one in known:
        by_letters.setdefault(_letters(one), one)
    exact = by_letters.get(_letters(name))
    near = [exact] if exact else [by_letters[one] for one in get_close_matches(_letters(name), by_letters, 1, NEAR)]
    return f"; did you mean {near[0]}?" if near else ""


def _letters(name: str) -> str:
    """Return what is left of a name when ``uniquenessKey`` and ``uniqueness_key`` are to be the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
