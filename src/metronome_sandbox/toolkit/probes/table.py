"""How a probe is written down: a function under the mark of its assumption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from metronome_sandbox.toolkit.probes.lab import Figure
from metronome_sandbox.toolkit.probes.shop import Shop

Ask = Callable[[Shop], Iterator[Figure]]

CLOCK = "a clock"
WEBHOOK = "the id that a webhook brings"


class Probe(NamedTuple):
    """The test of one assumption.

    Attributes:
        slug: The mark, ``A-last-tier``.
        ask: Makes the calls and yields what it looked at.
        needs: What of a sandbox's control plane it cannot do without, such as a clock; empty where any account will do.
    """

    slug: str
    ask: Ask
    needs: str = ""


class Table:
    """The probes of one subject, in the order in which they are written."""

    def __init__(self) -> None:
        self.rows: list[Probe] = []

    def probe(self, slug: str, *, needs: str = "") -> Callable[[Ask], Ask]:
        """Put a function in the table."""

        def add(ask: Ask) -> Ask:
            self.rows.append(Probe(slug, ask, needs))
            return ask

        return add
