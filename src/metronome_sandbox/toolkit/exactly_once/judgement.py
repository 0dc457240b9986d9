"""What became of a call that was disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from metronome_sandbox.toolkit.exactly_once.worlds import World, changed, money_differs, told


class Verdict(StrEnum):
    """From the worst to the best."""

    DOUBLE_BILLS = "double-bills"
    """Something was done twice, and other sums are billed or granted for it."""

    LOSES = "loses"
    """Less is there than without the fault, and the client did not say so."""

    DOUBLES = "doubles"
    """Something was done twice that costs nothing so far: a customer, a product."""

    DIFFERS = "differs"
    """As much is there, and it is not the same."""

    FAILS = "fails loudly"
    """The client gave up and said so, or the test found something else wrong."""

    NO_RESULT = "no result"
    """The run ended before the test did."""

    NOT_REACHED = "not reached"
    """The test went another way this time and did not make the call."""

    UNSTEADY = "not comparable"
    """Two undisturbed runs of the test do not end with the same either."""

    SURVIVES = "survives"
    """Everything is as it would have been."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a test ended.

    Attributes:
        world: What its tenant had; None where the run did not come that far.
        raised: What the first phase that failed raised; None when it passed.
        is_claim: That was an assertion of a test, and no error that reached it.
        is_disturbed: The fault met its call.
        executed: How often the operation was, repetitions that an idempotency key answered among them.
    """

    world: World | None
    raised: str | None = None
    is_claim: bool = False
    is_disturbed: bool = False
    executed: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and in words what it comes from."""

    verdict: Verdict
    why: Sequence[str] = ()


def judge(undisturbed: Ending, ending: Ending) -> Judged:
    """Return what became of a call.

    An error that reached the test comes first: who is told can look, whatever has happened. Then things are counted:
    with too many of them the question is whether they cost anything, with too few something was lost, though a bill may
    be higher for it. Where as many are there as ever, the number of executions tells whether an entry of a ledger came
    twice or not at all.
    """
    why = () if ending.raised is None else (ending.raised,)
    if ending.world is None or undisturbed.world is None:
        return Judged(Verdict.NO_RESULT, why)
    if not ending.is_disturbed:
        return Judged(Verdict.NOT_REACHED, why)
    before, after = undisturbed.world, ending.world
    differs = told(before, after)
    if ending.raised is not None and not ending.is_claim:
        return Judged(Verdict.FAILS, (f"the client gave up: {ending.raised}", *differs))
    noticed = [f"the test noticed: {one}" for one in why]
    if not differs:
        return Judged(Verdict.FAILS if noticed else Verdict.SURVIVES, noticed)
    return Judged(_of_difference(undisturbed, ending, before, after), (*differs, *noticed))


def _of_difference(undisturbed: Ending, ending: Ending, before: World, after: World) -> Verdict:
    tables = changed(before, after).values()
    costs = money_differs(before, after)
    if any(more > less for more, less in tables):
        return Verdict.DOUBLE_BILLS if costs else Verdict.DOUBLES
    if any(less > more for more, less in tables) or ending.executed < undisturbed.executed:
        return Verdict.LOSES
    if ending.executed > undisturbed.executed:
        return Verdict.DOUBLE_BILLS if costs else Verdict.DOUBLES
    return Verdict.DIFFERS
