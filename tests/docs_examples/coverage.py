"""Writes docs/coverage.md: every operation of the imitated API, whether the sandbox has it, and which tests call it.

A test file calls an operation where it names its id, or its path with something in the place of each parameter.

    make coverage-page
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import Document

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
EVERY_OPERATION = ("tests/contract/test_schemathesis.py", "tests/hostile")
"""Tests that go through the document and so need not name what they call."""

HEAD = """# What is imitated

Every operation that the vendor's document and SDK describe. `make coverage-page` writes this page, a test holds it to
the code. *Works* means that an operation has a handler; its answers are held against `openapi.yaml`, each time. *501*
means that it is answered with its name and nothing else. Beside the tests listed here, `{every}`
call all that work.

{works} of {all} work.

| Operation | Id | State | Called by |
| --- | --- | --- | --- |
"""


class Row(NamedTuple):
    """One operation. ``tests`` are paths below ``tests/``."""

    method: str
    path: str
    operation_id: str
    works: bool
    tests: tuple[str, ...]


def rows() -> Iterator[Row]:
    """Yield the operations that work, then the others, each in the order of the document."""
    document = Document.load()
    texts = {
        str(file.relative_to(ROOT / "tests")): file.read_text()
        for file in sorted(ROOT.glob("tests/*/test_*.py"))
        if not str(file.relative_to(ROOT)).startswith(EVERY_OPERATION)
    }
    named = [*document.operations(), *document.not_imitated()]
    for one in sorted(named, key=lambda one: one.operation_id not in HANDLERS):
        works = one.operation_id in HANDLERS
        tests = tuple(name for name, text in texts.items() if calls(text, one.operation_id, one.path)) if works else ()
        yield Row(one.method, one.path, one.operation_id, works, tests)


def calls(text: str, operation_id: str, path: str) -> bool:
    """Whether a test file names an operation."""
    return f'"{operation_id}"' in text or _pattern(path).search(text) is not None


def _pattern(path: str) -> re.Pattern[str]:
    between = (re.escape(part) for part in re.split(r"\{\w+\}", path))
    return re.compile(r"[\"']" + r"\{[^}/]+\}".join(between) + r"[\"'?]")


def page() -> str:
    """Return docs/coverage.md as it has to be."""
    found = list(rows())
    head = HEAD.format(works=sum(row.works for row in found), all=len(found), every="`, `".join(EVERY_OPERATION))
    lines = (
        f"| {row.method} {row.path} | {row.operation_id} | {'works' if row.works else '501'} | {', '.join(row.tests)} |"
        for row in found
    )
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
