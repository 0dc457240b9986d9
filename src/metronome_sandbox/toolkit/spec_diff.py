"""``spec diff`` and ``spec drift``: what changed between two OpenAPI documents, and whom it hits.

A change is *breaking* when a client that kept the old document can fail, *risky* when a careful one does not, and
*additive* when it has nothing to do. The same change weighs differently in what is sent and in what is read: a new enum
value may be sent, but a client that reads it may not know it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from metronome_sandbox.spec.document import Described, Document
from metronome_sandbox.toolkit.schemas import CannotRead, Json, Shape, Shapes, joined, json_schema

DEEPEST = 40
"""Levels of a schema that are compared: more than any API has, fewer than a circle."""

MOST_STEPS = 3_000_000
"""Pairs of schemas that are compared before it is given up; the vendor's whole document needs some 20,000."""


class Level(StrEnum):
    """How much a change weighs."""

    BREAKING = "breaking"
    RISKY = "risky"
    ADDITIVE = "additive"


class Touch(StrEnum):
    """Who is hit by a change of an operation that a client uses."""

    ALL = "everybody"
    FIELD = "who sends or reads the field"
    PARENT = "who sends the object around the field, and not always the field"
    VALUE = "who sends the value"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        operation: Method and path, ``POST /v1/contracts/create``.
        side: ``operation``, ``request``, or ``response 200``.
        where: The field's path, or ``query limit``; empty for the whole.
        rule: A short name of the kind of change.
        what: The change in words.
        value: The enum value that it is about.
    """

    level: Level
    operation: str
    side: str
    where: str
    rule: str
    what: str
    touch: Touch = Touch.FIELD
    value: Any = None

    def __str__(self) -> str:
        where = f" {self.where}" if self.where else ""
        side = "" if self.side == "operation" else f" {self.side}"
        return f"{self.level.value:<9} {self.operation}{side}{where}: {self.what}"


def compare(old: Document, new: Document) -> list[Change]:
    """Return what is different, operation by operation in the order of the old document."""
    before, after = _operations(old), _operations(new)
    comparison = _Comparison(Shapes(old), Shapes(new))
    found: list[Change] = []
    for key, operation in before.items():
        name = f"{operation.method} {operation.path}"
        if key not in after:
            found.append(Change(Level.BREAKING, name, "operation", "", "operation removed", "is gone", Touch.ALL))
        else:
            found += comparison.operation(name, operation, after[key])
    for key, operation in after.items():
        if key not in before:
            name = f"{operation.method} {operation.path}"
            found.append(Change(Level.ADDITIVE, name, "operation", "", "operation added", "is new", Touch.ALL))
    return found


def _operations(document: Document) -> dict[tuple[str, str], Described]:
    """Return the operations by method and path; how a path names its parameters is no difference."""
    return {(one.method, re.sub(r"\{[^}]*\}", "{}", one.path)): one for one in document.operations()}


@dataclass
class _Comparison:
    old: Shapes
    new: Shapes
    _same: set[tuple[int, int, bool]] = field(default_factory=set)
    """Pairs of schemas without a difference, and whether they are sent."""
    _steps: int = 0

    def operation(self, name: str, old: Described, new: Described) -> Iterator[Change]:
        if new.node.get("deprecated") and not old.node.get("deprecated"):
            yield Change(Level.RISKY, name, "operation", "", "operation deprecated", "is deprecated", Touch.ALL)
        yield from self._parameters(name, old, new)
        yield from self._body(name, old, new)
        yield from self._responses(name, old, new)

    def _parameters(self, name: str, old: Described, new: Described) -> Iterator[Change]:
        before = {(one["in"], one["name"]): one for one in old.parameters if one["in"] != "path"}
        after = {(one["in"], one["name"]): one for one in new.parameters if one["in"] != "path"}
        for key in [*before, *(key for key in after if key not in before)]:
            where = " ".join(key)
            if key not in after:
                yield Change(Level.RISKY, name, "request", where, "parameter removed", "is gone")
                continue
            required = bool(after[key].get("required"))
            if key not in before:
                level = Level.BREAKING if required else Level.ADDITIVE
                kind = "is new and required" if required else "is new"
                yield Change(level, name, "request", where, "parameter added", kind, Touch.ALL)
                continue
            if required != bool(before[key].get("required")):
                yield _requirement(name, "request", where, required, is_sent=True)
            schemas = before[key].get("schema"), after[key].get("schema")
            if isinstance(schemas[0], dict) and isinstance(schemas[1], dict):
                yield from self._schema(name, "request", where, schemas[0], schemas[1], is_sent=True)

    def _body(self, name: str, old: Described, new: Described) -> Iterator[Change]:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        required = [bool((shapes.document.resolve(one) or {}).get("required")) for shapes, one in
                    ((self.old, before), (self.new, after))]  # fmt: skip
        schemas = json_schema(self.old.document, before), json_schema(self.new.document, after)
        if before is not None and after is None:
            yield Change(Level.RISKY, name, "request", "", "body removed", "takes no body any more", Touch.ALL)
        elif before is None and after is not None:
            level = Level.BREAKING if required[1] else Level.ADDITIVE
            yield Change(level, name, "request", "", "body added", "takes a body", Touch.ALL)
        elif required == [False, True]:
            yield Change(Level.RISKY, name, "request", "", "body required", "the body is required", Touch.ALL)
        if schemas[0] is not None and schemas[1] is not None:
            yield from self._schema(name, "request", "", schemas[0], schemas[1], is_sent=True)

    def _responses(self, name: str, old: Described, new: Described) -> Iterator[Change]:
        before = {str(status): one for status, one in old.node.get("responses", {}).items()}
        after = {str(status): one for status, one in new.node.get("responses", {}).items()}
        for status in sorted({*before, *after}):
            side = f"response {status}"
            is_success = status.startswith("2")
            if status not in after:
                level = Level.BREAKING if is_success else Level.ADDITIVE
                yield Change(level, name, side, "", "status removed", "is not answered any more", Touch.ALL)
            elif status not in before:
                yield Change(Level.RISKY, name, side, "", "status added", "may be answered now", Touch.ALL)
            else:
                schemas = (
                    json_schema(self.old.document, before[status]),
                    json_schema(self.new.document, after[status]),
                )
                if schemas[0] is not None and schemas[1] is not None:
                    yield from self._schema(name, side, "", schemas[0], schemas[1], is_sent=False)
                elif schemas[0] is not None and is_success:
                    yield Change(Level.BREAKING, name, side, "", "body removed", "has no JSON any more", Touch.ALL)

    def _schema(
        self, name: str, side: str, where: str, old: Json, new: Json, *, is_sent: bool, depth: int = 0
    ) -> list[Change]:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise CannotRead("the documents differ in more places than can be told; are they of the same API?")
        old, new = self.old.document.resolve(old), self.new.document.resolve(new)
        key = (id(old), id(new), is_sent)
        if key in self._same or depth > DEEPEST:
            return []
        self._same.add(key)  # a circle that leads here again has no difference of its own
        found = list(self._shape(name, side, where, self.old.of(old), self.new.of(new), is_sent=is_sent, depth=depth))
        if found:
            self._same.discard(key)  # the same schema at another place is another change
        return found

    def _shape(
        self, name: str, side: str, where: str, old: Shape, new: Shape, *, is_sent: bool, depth: int
    ) -> Iterator[Change]:
        yield from _value_changes(name, side, where, old, new, is_sent=is_sent)
        yield from self._properties(name, side, where, old, new, is_sent=is_sent, depth=depth)
        for inner, place in ((("items"), "[]"), (("values"), "{}")):
            before, after = getattr(old, inner), getattr(new, inner)
            if before is not None and after is not None:
                yield from self._schema(name, side, where + place, before, after, is_sent=is_sent, depth=depth + 1)
        yield from self._choices(name, side, where, old, new, is_sent=is_sent, depth=depth)

    def _properties(
        self, name: str, side: str, where: str, old: Shape, new: Shape, *, is_sent: bool, depth: int
    ) -> Iterator[Change]:
        for field_name in [*old.properties, *(one for one in new.properties if one not in old.properties)]:
            place = joined(where, field_name)
            required = field_name in new.required
            if field_name not in new.properties:
                if new.values is None or is_sent:
                    level = Level.RISKY if is_sent else Level.BREAKING
                    yield Change(level, name, side, place, "property removed", "is gone")
            elif field_name not in old.properties:
                if is_sent and required:
                    yield Change(
                        Level.BREAKING, name, side, place, "property added", "is new and required", Touch.PARENT
                    )
                else:
                    yield Change(Level.ADDITIVE, name, side, place, "property added", "is new")
            else:
                if required != (field_name in old.required):
                    yield _requirement(name, side, place, required, is_sent=is_sent)
                yield from self._schema(
                    name,
                    side,
                    place,
                    old.properties[field_name],
                    new.properties[field_name],
                    is_sent=is_sent,
                    depth=depth + 1,
                )

    def _choices(
        self, name: str, side: str, where: str, old: Shape, new: Shape, *, is_sent: bool, depth: int
    ) -> Iterator[Change]:
        """Compare the branches of a union: those with the same tag or name, else those at the same place."""
        if not old.choices or not new.choices:
            return
        before, after = _named(self.old, old.choices), _named(self.new, new.choices)
        if not before.keys() & after.keys():
            before = {str(place): one for place, one in enumerate(before.values())}
            after = {str(place): one for place, one in enumerate(after.values())}
        for label in [*before, *(one for one in after if one not in before)]:
            if label not in after:
                level = Level.BREAKING if is_sent else Level.ADDITIVE
                yield Change(level, name, side, where, "form removed", f"the form {label} is gone")
            elif label not in before:
                level = Level.ADDITIVE if is_sent else Level.RISKY
                yield Change(level, name, side, where, "form added", f"may have the form {label}")
            else:
                yield from self._schema(
                    name, side, where, before[label], after[label], is_sent=is_sent, depth=depth + 1
                )


def _named(shapes: Shapes, choices: Sequence[Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for place, choice in enumerate(choices):
        shape = shapes.of(choice)
        tags = [one.enum for tag in ("type", "kind") if (one := shapes.of(shape.properties.get(tag, {}))).enum]
        reference = choice.get("$ref", "")
        label = "/".join(map(str, tags[0])) if tags else reference.rpartition("/")[2] or choice.get("title")
        label = label or "/".join(sorted(shape.types)) or str(place)
        found[label if label not in found else f"{label} {place}"] = choice
    return found


def _requirement(name: str, side: str, where: str, required: bool, *, is_sent: bool) -> Change:
    if is_sent:
        level = Level.BREAKING if required else Level.ADDITIVE
    else:
        level = Level.ADDITIVE if required else Level.BREAKING
    rule = "became required" if required else "became optional"
    touch = Touch.PARENT if is_sent and required else Touch.FIELD
    return Change(level, name, side, where, rule, rule.replace("became", "is now"), touch)


def _value_changes(name: str, side: str, where: str, old: Shape, new: Shape, *, is_sent: bool) -> Iterator[Change]:
    """Yield how the values differ that a field may have: types, null, enum, limits."""

    def change(level: Level, rule: str, what: str, touch: Touch = Touch.FIELD, value: Any = None) -> Change:
        return Change(level, name, side, where, rule, what, touch, value)

    if old.types and new.types and old.types != new.types:
        said = f"is {_or(new.types)} now, was {_or(old.types)}"
        wider = _admits(new.types, old.types)
        kind = "integer" if {*old.types, *new.types} == {"integer", "number"} else None
        if is_sent:
            yield change(Level.ADDITIVE if wider else Level.BREAKING, "type changed", said, value=kind)
        else:
            level = Level.ADDITIVE if _admits(old.types, new.types) else Level.BREAKING
            yield change(level, "type changed", said, value=kind)
    if old.is_nullable != new.is_nullable:
        if new.is_nullable:
            yield change(Level.ADDITIVE if is_sent else Level.RISKY, "became nullable", "may be null now")
        else:
            yield change(Level.BREAKING if is_sent else Level.ADDITIVE, "not nullable", "may not be null any more")
    yield from _enum_changes(change, old, new, is_sent=is_sent)
    for keyword in sorted({*old.rest, *new.rest}):
        before, after = old.rest.get(keyword), new.rest.get(keyword)
        if before == after:
            continue
        level = _limit_level(keyword, before, after, is_sent=is_sent)
        yield change(level, f"{keyword} changed", f"{keyword} is {_shown(after)} now, was {_shown(before)}")


def _enum_changes(change: Any, old: Shape, new: Shape, *, is_sent: bool) -> Iterator[Change]:
    if old.enum is None and new.enum is None:
        return
    if old.enum is None:
        level = Level.BREAKING if is_sent else Level.ADDITIVE
        yield change(level, "enum added", f"is one of {', '.join(map(str, new.enum or ()))} now")
    elif new.enum is None:
        yield change(Level.ADDITIVE if is_sent else Level.RISKY, "enum removed", "may be any value now")
    else:
        for value in old.enum:
            if value not in new.enum:
                level = Level.BREAKING if is_sent else Level.ADDITIVE
                yield change(level, "value removed", f"{value} is gone", Touch.VALUE, value)
        for value in new.enum:
            if value not in old.enum:
                level = Level.ADDITIVE if is_sent else Level.RISKY
                yield change(level, "value added", f"may be {value} now", Touch.FIELD, value)


def _limit_level(keyword: str, before: Any, after: Any, *, is_sent: bool) -> Level:
    """Return how much a changed limit weighs: a narrower one hurts who sends, a wider one who reads."""
    if keyword in ("format", "pattern", "default", "multipleOf") or isinstance(before or after, bool):
        return Level.RISKY
    if not all(one is None or isinstance(one, int | float) for one in (before, after)):
        return Level.RISKY
    is_narrower = before is None
    if before is not None and after is not None:
        is_floor = keyword.lower().startswith(("min", "exclusivemin"))
        is_narrower = after > before if is_floor else after < before
    if is_sent:
        return Level.BREAKING if is_narrower else Level.ADDITIVE
    return Level.ADDITIVE if is_narrower else Level.RISKY


def _admits(wide: Iterable[str], narrow: Iterable[str]) -> bool:
    return all(one in wide or (one == "integer" and "number" in wide) for one in narrow)


def _or(types: Iterable[str]) -> str:
    return " or ".join(sorted(types))


def _shown(value: Any) -> str:
    return "open" if value is None else str(value)


# --- whom it hits


@dataclass(frozen=True, slots=True)
class Hit:
    """A change that meets a client.

    Attributes:
        tests: Which of its tests use what changed; empty where the coverage names none.
    """

    change: Change
    tests: tuple[str, ...]


def hits(changes: Iterable[Change], coverage: Mapping[str, Any]) -> list[Hit]:
    """Return the breaking and risky changes that meet what a client used.

    Args:
        coverage: What :mod:`metronome_sandbox.toolkit.usage_coverage` wrote.
    """
    used = {
        re.sub(r"\{[^}]*\}", "{}", f"{one['method']} {one['path']}"): one for one in coverage["operations"].values()
    }
    found = []
    for change in changes:
        operation = used.get(re.sub(r"\{[^}]*\}", "{}", change.operation))
        if operation is None or change.level is Level.ADDITIVE:
            continue
        tests = _touched(change, operation)
        if tests is not None:
            found.append(Hit(change, tests))
    return found


def _touched(change: Change, operation: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the tests that a change meets; None where it meets nothing."""
    if change.touch is Touch.ALL:
        return tuple(operation["tests"])
    if change.side == "request":
        fields = operation["sent"]
    else:
        fields = operation["read"].get(change.side.removeprefix("response "), {})
    if change.touch is Touch.PARENT:
        parent, _, _ = change.where.rpartition(".")
        around = fields.get("" if " " in change.where else parent)
        own = fields.get(change.where)
        if around is None or (own is not None and own["times"] >= around["times"]):
            return None
        return tuple(around["tests"])
    entry = fields.get(change.where)
    if entry is None:
        return None
    if change.touch is Touch.VALUE:
        value = entry.get("values", {}).get(str(change.value))
        return None if value is None else tuple(value["tests"])
    return tuple(entry["tests"])


# --- drift


DRIFT: Mapping[str, str] = {
    "operation removed": "the sandbox has it, the vendor has not",
    "operation added": "the vendor has it, the sandbox has not",
    "property removed": "the sandbox has it, the vendor has not",
    "property added": "the vendor has it, the sandbox has not",
    "parameter removed": "the sandbox has it, the vendor has not",
    "parameter added": "the vendor has it, the sandbox has not",
    "value removed": "{} is a value of the sandbox only",
    "value added": "{} is a value of the vendor only",
    "type changed": "{what}",
    "form added": "the vendor {what}",
}
"""The changes that are drift: names, values and types. Statuses and limits are not: our document says more of them."""


def drift(ours: Document, theirs: Document) -> list[Change]:
    """Return where the sandbox's document and the vendor's differ in names, enum values and types.

    An operation that ours names without imitating it is no difference.
    """
    named = {(one.method, re.sub(r"\{[^}]*\}", "{}", one.path)) for one in ours.not_imitated()}
    changes = compare(ours, theirs)
    only_ours = {(one.operation, one.side, one.where, one.value) for one in changes if one.rule == "value removed"}
    found = []
    for change in changes:
        in_capitals = (change.operation, change.side, change.where, str(change.value).upper())
        if change.rule == "value removed" and in_capitals not in only_ours:
            continue  # it is taken and written in both cases of letters, and the vendor lists one
        method, _, path = change.operation.partition(" ")
        is_named = change.rule == "operation added" and (method, re.sub(r"\{[^}]*\}", "{}", path)) in named
        is_page = change.where in ("next_page", "query next_page", "query limit")  # the SDK does that behind the scenes
        is_count = change.rule == "type changed" and change.value == "integer"  # float and int are one to the SDK
        if change.rule in DRIFT and not (is_named or is_page or is_count or change.where.startswith("header ")):
            found.append(change)
    return found


def told_as_drift(change: Change) -> str:
    """Return the line that tells a difference between sandbox and vendor."""
    where = f" {change.where}" if change.where else ""
    side = "" if change.side == "operation" else f" {change.side}"
    return f"{change.operation}{side}{where}: {DRIFT[change.rule].format(change.value, what=change.what)}"
