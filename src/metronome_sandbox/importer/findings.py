"""Findings as they are collected: all of them are counted, and as many kept as a person can use.

A mistake that is on every line of a file must not hide the one that is there once, so each kind has a bound of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from metronome_sandbox.importer.legacy import Finding

KEPT_OF_A_KIND = 200
KEPT = 10_000
KIND_LETTERS = 24
"""Findings of one column whose problems begin alike are of one kind."""

MAX_KINDS = 2_000
SHOWN_LETTERS = 80


class Unusable(Exception):
    """There is nothing to go on with; what was found says why."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{finding.file}: {finding.problem}" for finding in self.findings[:3]))


class Wrong(Exception):
    """A value cannot be used; the text says what is wrong with it and what would be right."""


class Findings:
    """What is wrong with one file, in the order in which it was seen.

    Attributes:
        file: As the user named it.
        total: All that were added.
        kept: Some of every kind.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.total = 0
        self.kept: list[Finding] = []
        self._kinds: Counter[tuple[str | None, str]] = Counter()

    def add(self, line: int | None, column: str | None, value: object, problem: str) -> None:
        """Count a finding, and keep it unless there are enough of its kind."""
        self.total += 1
        kind = column, problem[:KIND_LETTERS]
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            return
        self._kinds[kind] += 1
        if self._kinds[kind] <= KEPT_OF_A_KIND and len(self.kept) < KEPT:
            self.kept.append(Finding(self.file, line, column, None if value is None else shortened(value), problem))

    def raise_any(self) -> None:
        """Make sure that there are none.

        Raises:
            Unusable: There are.
        """
        if self.total:
            raise Unusable(self.kept)


def shortened(value: object) -> str:
    """Return a value as a finding shows it."""
    text = str(value)
    return text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS - 3]}..."
