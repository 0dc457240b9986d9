"""Names that stand for something during a time: of rate cards and of packages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from metronome_sandbox.domain.periods import Period


class Alias(msgspec.Struct, frozen=True, gc=False):
    """A name, usable at contract creation while its window holds the contract's start."""

    name: str
    starting_at: datetime | None = None
    ending_before: datetime | None = None

    def holds(self, instant: datetime) -> bool:
        """Whether the alias points to what has it at ``instant``."""
        return (self.starting_at is None or self.starting_at <= instant) and (
            self.ending_before is None or instant < self.ending_before
        )


A = TypeVar("A", bound=Alias)
T = TypeVar("T")


def without_claim(aliases: Iterable[A], claimed: Alias, now: datetime) -> tuple[A, ...]:
    """Return the aliases of something after another thing was given one of their names.

    Source: operation ``createRateCard-v1``: an alias names one card at a time, and the newest assignment wins.
    Assumed: a new alias without start claims the time from now on and leaves the past to who held it; after the end of
    the new one the older one holds again (question 23).  [A-alias-takeover]
    """
    claim = Period(claimed.starting_at or now, claimed.ending_before)
    return tuple(part for held in aliases for part in (_left_of(held, claim) if held.name == claimed.name else (held,)))


def _left_of(held: A, claim: Period) -> tuple[A, ...]:
    """Return what an alias keeps when ``claim`` is taken from it: the time before, the time after, both or neither."""
    start, end = held.starting_at, held.ending_before
    if claim.ending_before is not None and claim.ending_before <= claim.starting_at:
        return (held,)  # an alias that ended before now, without a start: it claims nothing
    left: list[A] = []
    if start is None or start < claim.starting_at:
        until = claim.starting_at if end is None else min(end, claim.starting_at)
        left.append(msgspec.structs.replace(held, ending_before=until))
    if claim.ending_before is not None and (end is None or claim.ending_before < end):
        since = claim.ending_before if start is None else max(start, claim.ending_before)
        left.append(msgspec.structs.replace(held, starting_at=since))
    return tuple(left)


def named_at(named: Iterable[tuple[Alias, T]], name: str, instant: datetime) -> T | None:
    """Return what a name stands for at ``instant``, or None.

    Where two hold the name, one of them is without start and has taken it from the other: then the one that ends first,
    the older one, is meant.
    """
    holding = [(alias, thing) for alias, thing in named if alias.name == name and alias.holds(instant)]
    if not holding:
        return None
    return min(holding, key=lambda row: (row[0].ending_before is None, row[0].ending_before or instant))[1]
