"""YAML as a tree that knows its lines, so that a finding can name the line and the path of a value.

Scalars are texts, whatever YAML would make of them: ``no`` is no boolean here, and ``0.1`` stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from metronome_sandbox.importer.findings import Findings, Unusable
from metronome_sandbox.importer.legacy import Finding

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 10

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

UNDECIDED = "?"
"""Stands in a proposed mapping for what nobody but its reader can know."""

Value = str | list["Node"] | dict[str, "Node"] | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file. What is read of it that is wrong goes to ``findings``, and something usable comes back."""

    path: str
    line: int
    value: Value
    findings: Findings

    def wrong(self, problem: str) -> None:
        """Note that the value cannot be used."""
        shown = self.value if isinstance(self.value, str) else None
        self.findings.add(self.line, self.path, shown, problem)

    def text(self, expected: str = "a text") -> str:
        """Return a text, ``""`` when it is none."""
        if isinstance(self.value, str) and self.value:
            if self.value == UNDECIDED:
                self.wrong(f"is not decided yet: put {expected} here, or take the line away if it can be left out")
            return self.value
        self.wrong(f"expected {expected}, found {self._kind()}")
        return ""

    def choice(self, *allowed: str) -> str:
        """Return one of the words that are allowed; the first one when it is none of them."""
        text = self.text(" or ".join(allowed))
        if text in allowed:
            return text
        if text and text != UNDECIDED:
            self.wrong(f"expected {' or '.join(allowed)}{did_you_mean(text, allowed)}")
        return allowed[0]

    def number(self, *, least: Decimal | None = None) -> Decimal:
        """Return a number, 1 when it is none."""
        text = self.text("a number such as 0.001")
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not text or text == UNDECIDED:
            return Decimal(1)
        if not number.is_finite() or (least is not None and number <= least) or abs(number.adjusted()) > 15:
            self.wrong(f"expected a number{'' if least is None else f' greater than {least}'} such as 0.001")
            return Decimal(1)
        return number

    def items(self, expected: str = "a list") -> list[Node]:
        """Return the values of a list."""
        if isinstance(self.value, list):
            return self.value
        self.wrong(f"expected {expected}, found {self._kind()}")
        return []

    def texts(self, expected: str) -> list[str]:
        """Return a list of texts; one text is a list of one."""
        if isinstance(self.value, str):
            return [self.text(expected)]
        return [item.text(expected) for item in self.items(f"{expected}, or a list of them")]

    def entries(self, expected: str = "names with values") -> dict[str, Node]:
        """Return what stands below this name, by name."""
        if isinstance(self.value, dict):
            return self.value
        self.wrong(f"expected {expected}, found {self._kind()}")
        return {}

    def fields(self, *known: str) -> dict[str, Node]:
        """Return what stands below this name, where only some names are known."""
        entries = self.entries(f"fields such as {known[0]}")
        for name, node in entries.items():
            if name not in known:
                node.findings.add(
                    node.line,
                    node.path,
                    None,
                    f"is not known here{did_you_mean(name, known)}; known: {', '.join(known)}",
                )
        return {name: node for name, node in entries.items() if name in known}

    def _kind(self) -> str:
        if self.value is None or self.value == "":
            return "nothing"
        if isinstance(self.value, str):
            return "a text"
        return "a list" if isinstance(self.value, list) else "fields"


def did_you_mean(text: str, known: tuple[str, ...] | list[str]) -> str:
    """Return a suggestion for a misspelt word, or nothing."""
    near = get_close_matches(text, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def load(path: Path) -> Node:
    """Return the tree of a file.

    Raises:
        Unusable: It cannot be read, or is no YAML that a mapping may be.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(name, None, f"cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise _unusable(name, None, f"is longer than {MAX_BYTES // 1024 // 1024} MiB; is it a mapping?")
    try:
        _check_events(name, content)
        root = yaml.compose(content, _LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise _unusable(name, line, f"is no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _unusable(name, None, f"is no YAML: {str(error).splitlines()[0]}") from None
    findings = Findings(name)
    if root is None:
        raise _unusable(name, None, "is empty; `import --init` proposes a mapping")
    tree = _node(root, "", findings)
    if not isinstance(tree.value, dict):
        raise _unusable(name, tree.line, f"expected fields such as 'format: csv', found {tree._kind()}")
    return tree


def _check_events(name: str, content: bytes) -> None:
    """Refuse what a mapping never has and what would make a tree that is larger than its text.

    Raises:
        Unusable: There is a reference, or values lie deeper than any field of a mapping.
    """
    depth = 0
    for event in yaml.parse(content, _LOADER):
        mark = event.start_mark
        line = None if mark is None else mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _unusable(name, line, "holds a reference (*name); write the value itself")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _unusable(name, line, "is nested too deeply")


def _unusable(name: str, line: int | None, problem: str) -> Unusable:
    return Unusable([Finding(name, line, None, None, problem)])


def _node(node: yaml.Node, path: str, findings: Findings) -> Node:
    line = node.start_mark.line + 1
    value: Value
    if isinstance(node, yaml.MappingNode):
        value = dict(_entries(node, path, findings))
    elif isinstance(node, yaml.SequenceNode):
        value = [_node(item, f"{path}[{place}]", findings) for place, item in enumerate(node.value)]
    else:
        is_null = node.tag == "tag:yaml.org,2002:null" and getattr(node, "style", None) is None
        value = None if is_null else str(node.value)
    return Node(path, line, value, findings)


def _entries(node: yaml.MappingNode, path: str, findings: Findings) -> Iterator[tuple[str, Node]]:
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        own = f"{path}.{name}" if path else name
        if name in seen or not isinstance(key, yaml.ScalarNode):
            problem = f"{name!r} is there twice" if name in seen else "a name must be a text"
            findings.add(key.start_mark.line + 1, own, None, problem)
            continue
        seen.add(name)
        yield name, _node(value, own, findings)
