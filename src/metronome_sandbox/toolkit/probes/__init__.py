"""Self-verifying fidelity: what we assume about the real API, as calls with the figures that our reading predicts.

A probe belongs to one row of ``docs/assumptions.md``. On the sandbox all of them agree; on an account of the vendor
each says whether the rule *agrees*, *differs*, or *cannot be checked there*. What they make has a name that begins
with ``msbx-`` and is archived afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from metronome_sandbox.client.asking import CannotAsk, HeaderChannel, message_of, value_of
from metronome_sandbox.toolkit.probes import (
    balances,
    catalog,
    contracts,
    ends,
    grants,
    imports,
    invoices,
    payments,
    pricing,
    seats,
    subscriptions,
    usage,
)
from metronome_sandbox.toolkit.probes.lab import Figure, Lab, Refused
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Probe

_SUBJECTS = (
    *(imports, invoices, pricing, balances, ends, grants, subscriptions, seats),
    *(catalog, usage, contracts, payments),
)
PROBES: Sequence[Probe] = tuple(probe for subject in _SUBJECTS for probe in subject.TABLE.rows)
"""All probes, by subject."""

PATIENCE_SECONDS = 60.0
"""How long an account that is no sandbox may take to work through what it was sent."""

MID_JUNE = datetime(2024, 6, 15, tzinfo=UTC)
"""When the world of a probe begins that moves time."""

Connect = Callable[[str], HeaderChannel]


class Verdict(StrEnum):
    """What a probe says about its assumption."""

    AGREES = "agrees"
    DIFFERS = "differs"
    CANNOT_BE_CHECKED = "can't be checked there"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a probe.

    Attributes:
        slug: The mark of the assumption.
        question: What the probe asked, in words.
        verdict: What it says.
        figures: All that it looked at before it ended.
        reason: Why it could not ask; empty unless that is the verdict.
        left_behind: Why a thing could not be archived, for each such thing.
        ends_run: The target stopped answering; there is no use in asking it more.
    """

    slug: str
    question: str
    verdict: Verdict
    figures: tuple[Figure, ...] = ()
    reason: str = ""
    left_behind: tuple[str, ...] = ()
    ends_run: bool = False

    @property
    def differences(self) -> list[Figure]:
        """The figures that are not as predicted."""
        return [figure for figure in self.figures if not figure.agrees]


@dataclass(frozen=True, slots=True)
class Ground:
    """What the probes stand on.

    Attributes:
        sender: Reaches the target with the given token.
        is_sandbox: It has a control plane.
        now: Its time.
        fresh: Reaches an empty world of the same sandbox, for a probe that moves time; None on other targets.
    """

    sender: HeaderChannel
    is_sandbox: bool
    now: datetime
    fresh: Callable[[], HeaderChannel] | None = None


def explore(connect: Connect, token: str) -> Ground:
    """Return what answers, once it is sure that it does.

    Args:
        connect: Makes a sender for a token.

    Raises:
        CannotAsk: It does not answer as the API does, or does not know the token.
    """
    sender = connect(token)
    answer = sender.send("GET", "/v1/credit-types/list?limit=1")
    if answer.status in (401, 403):
        raise CannotAsk(f"the token is not accepted ({answer.status}): {message_of(answer)}")
    value = value_of(answer)
    if answer.status != 200 or not isinstance(value, dict) or "data" not in value:
        raise CannotAsk(f"what answers is no billing API: GET /v1/credit-types/list answered {answer.status}")
    clock = sender.send("GET", "/sandbox/clock")
    told = value_of(clock)
    if clock.status == 200 and isinstance(told, dict) and "now" in told:
        now = datetime.fromisoformat(told["now"])
        return Ground(sender, True, now, lambda: connect(f"{token}-{uuid4().hex[:12]}"))
    return Ground(sender, False, datetime.now(UTC))


def run(ground: Ground, probes: Iterable[Probe] = PROBES) -> Iterator[Outcome]:
    """Run probes one after the other and yield what becomes of each.

    Raises:
        CannotAsk: The target stopped answering.
    """
    run_id = uuid4().hex[:8]
    for number, probe in enumerate(probes):
        outcome = run_one(ground, probe, f"msbx-{run_id}-{number}")
        yield outcome
        if outcome.ends_run:
            raise CannotAsk(outcome.reason)


def run_one(ground: Ground, probe: Probe, prefix: str) -> Outcome:
    """Run one probe and archive what it made."""
    question = " ".join((probe.ask.__doc__ or "").split())
    if probe.needs and ground.fresh is None:
        return Outcome(probe.slug, question, Verdict.CANNOT_BE_CHECKED, reason=f"needs {probe.needs}")
    lab = Lab(ground.sender, prefix, ground.now, 0 if ground.is_sandbox else PATIENCE_SECONDS)
    figures: list[Figure] = []
    reason, ends_run = "", False
    try:
        if probe.needs and ground.fresh is not None:
            lab = Lab(ground.fresh(), prefix, MID_JUNE)
            lab.ask("PUT", "/sandbox/clock", {"now": MID_JUNE.isoformat()})
        figures.extend(probe.ask(Shop(lab)))
    except Refused as error:
        reason = str(error)
    except CannotAsk as error:
        reason, ends_run = str(error), True
    except (KeyError, IndexError, TypeError, ValueError, StopIteration, AttributeError, RuntimeError) as error:
        # The answer lacks what the probe reads: a difference of shape, told as such, without a line of the probe.
        figures.append(Figure("the shape of an answer", "as documented", f"{type(error).__name__}: {error}"))
    finally:
        left = lab.tidy()
    return Outcome(probe.slug, question, _verdict(figures, reason), tuple(figures), reason, left, ends_run)


def _verdict(figures: Sequence[Figure], reason: str) -> Verdict:
    if not all(figure.agrees for figure in figures):
        return Verdict.DIFFERS
    return Verdict.CANNOT_BE_CHECKED if reason else Verdict.AGREES


def by_slug(slugs: Iterable[str]) -> list[Probe]:
    """Return the probes of some assumptions.

    Raises:
        KeyError: There is none for one of them.
    """
    table: dict[str, Any] = {probe.slug: probe for probe in PROBES}
    return [table[slug] for slug in slugs]
