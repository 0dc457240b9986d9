"""How a probe is written down: a function under the mark of its assumption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from metronome_sandbox.toolkit.probes.lab import Figure, Shop

Ask = Callable[[Shop], Iterator[Figure]]


class Probe(NamedTuple):
    """The test of one assumption.

    Attributes:
        slug: The mark, ``A-last-tier``.
        ask: Makes the calls and yields what it looked at.
        needs_clock: It moves time, so it runs where there is a control plane only.
    """

    slug: str
    ask: Ask
    needs_clock: bool = False


class Table:
    """The probes of one subject, in the order in which they are written."""

    def __init__(self) -> None:
        self.rows: list[Probe] = []

    def probe(self, slug: str, *, needs_clock: bool = False) -> Callable[[Ask], Ask]:
        """Put a function in the table."""

        def add(ask: Ask) -> Ask:
            self.rows.append(Probe(slug, ask, needs_clock))
            return ask

        return add
