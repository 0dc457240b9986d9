"""``metronome-sandbox check --exactly-once``: the runs, the table, the report."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any

from metronome_sandbox import __version__
from metronome_sandbox.toolkit.exactly_once import worlds
from metronome_sandbox.toolkit.exactly_once.faults import Disturbance, disturbances
from metronome_sandbox.toolkit.exactly_once.judgement import Judged, Verdict, judge
from metronome_sandbox.toolkit.exactly_once.runs import (
    PATIENCE,
    PATIENCE_SECONDS,
    CannotRun,
    Result,
    Run,
    Runner,
    Told,
    undisturbed,
)
from metronome_sandbox.toolkit.sandboxes import MAX_JOURNAL

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2
DELAY_SECONDS = 1.0
MOST_JOBS = 8
SHOWN_TESTS = 5
SHOWN_LETTERS = 300


@dataclass(frozen=True, slots=True)
class Mutation:
    """A call of a test that changes something.

    Attributes:
        number: Of the test's calls of this operation, from 1; what a fault counts.
    """

    test: str
    operation_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call under a fault."""

    mutation: Mutation
    fault: Disturbance
    judged: Judged
    is_repeated: bool


def run(
    arguments: Sequence[str],
    *,
    faults: Collection[str] = (),
    operations: Collection[str] = (),
    delay_seconds: float = DELAY_SECONDS,
    jobs: int | None = None,
    json_file: Path | None = None,
) -> int:
    """Disturb the calls of tests one by one, print what became of them, and return the exit status.

    Args:
        arguments: For pytest; they select the tests.
        faults: Names of those to try; all, unless given.
        operations: Disturb the calls of these only.
        delay_seconds: Of the fault that delays.
        jobs: Runs side by side; two for each processor, and no more than :data:`MOST_JOBS`, unless given.
    """
    chosen = [one for name, one in disturbances(delay_seconds).items() if not faults or name in faults]
    try:
        if json_file is not None and not json_file.parent.is_dir():
            raise CannotRun(f"{json_file} cannot be written: there is no directory {json_file.parent}")
        outcomes, left_out = _outcomes(arguments, chosen, operations, jobs or min(2 * (os.cpu_count() or 1), MOST_JOBS))
        if json_file is not None:
            json_file.write_text(json.dumps(_tree(outcomes, chosen, left_out), indent=2) + "\n", encoding="utf-8")
    except CannotRun as error:
        print(f"metronome-sandbox check --exactly-once: {error}", file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:
        print(f"metronome-sandbox check --exactly-once: {error.filename}: {error.strerror}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        return WRONG_USAGE
    print(*_told(outcomes, chosen, left_out), sep="\n")
    return FINE if all(one.judged.verdict is Verdict.SURVIVES for one in outcomes) else FINDINGS


def _outcomes(
    arguments: Sequence[str], faults: Sequence[Disturbance], operations: Collection[str], jobs: int
) -> tuple[list[Outcome], dict[str, str]]:
    """Return what became of every call, and the tests that were left out with the reason.

    Raises:
        CannotRun: There is no call to disturb.
    """
    runner = Runner(arguments, jobs)
    _say("running the tests undisturbed")
    began = monotonic()
    known = undisturbed(runner)
    runner.limit_seconds = PATIENCE_SECONDS + PATIENCE * (monotonic() - began)
    left_out = {name: why for name, test in known.items() if (why := _why_not(test))}
    mutations = {name: list(_mutations(name, test, operations)) for name, test in known.items() if name not in left_out}
    mutations = {name: found for name, found in mutations.items() if found}
    if not mutations:
        raise CannotRun(_nothing(known, left_out, operations))
    runs = [Run(None, dict.fromkeys(mutations, ("", 0))), *_runs(mutations, faults)]
    unsteady: dict[str, list[str]] = {}
    outcomes: list[Outcome] = []
    for place, (one, result) in enumerate(runner.all(runs), 1):
        _say(f"{place} of {len(runs)} runs of the tests are done")
        if one.fault is None:
            compared = {name: _compared(known[name], result.tests.get(name, Told())) for name in mutations}
            unsteady = {name: why for name, why in compared.items() if why}
        else:
            outcomes += _judged(one, one.fault, result, known)
    outcomes = [_judged_unsteady(one, unsteady.get(one.mutation.test)) for one in outcomes]
    order = {mutation: place for place, mutation in enumerate(one for found in mutations.values() for one in found)}
    outcomes.sort(key=lambda one: (order[one.mutation], faults.index(one.fault)))
    return outcomes, left_out


def _why_not(test: Told) -> str | None:
    """Return why the calls of a test are left as they are, None if they need not be."""
    if any(call["fault"] for call in test.calls):
        return "it disturbs calls itself"
    if len(test.calls) >= MAX_JOURNAL:
        return f"it makes more than {MAX_JOURNAL} calls, and no more are kept"
    return None


def _mutations(name: str, test: Told, operations: Collection[str]) -> Iterator[Mutation]:
    """Yield the calls of a test's client that changed something, in order."""
    seen = Counter[str]()
    for call in test.calls:
        operation_id = call["operation_id"]
        if operation_id is None:
            continue
        seen[operation_id] += 1
        if call["changes"] and not call["is_own"] and (not operations or operation_id in operations):
            yield Mutation(name, operation_id, seen[operation_id])


def _runs(mutations: Mapping[str, Sequence[Mutation]], faults: Sequence[Disturbance]) -> Iterator[Run]:
    """Yield a run for each place and fault: every test that makes so many mutating calls has that one disturbed."""
    for place in range(max(map(len, mutations.values()))):
        calls = {
            name: (found[place].operation_id, found[place].number)
            for name, found in mutations.items()
            if place < len(found)
        }
        for fault in faults:
            yield Run(fault, calls)


def _judged(run: Run, fault: Disturbance, result: Result, known: Mapping[str, Told]) -> Iterator[Outcome]:
    for name, (operation_id, number) in (run.calls or {}).items():
        before, after = known[name], result.tests.get(name, Told(raised=f"pytest ended with status {result.status}"))
        yield Outcome(
            Mutation(name, operation_id, number),
            fault,
            judge(before.ending(operation_id), after.ending(operation_id)),
            is_repeated=_number(after, operation_id) > _number(before, operation_id),
        )


def _compared(before: Told, again: Told) -> list[str]:
    """Return where two undisturbed runs of a test differ."""
    if again.raised is not None or before.world is None or again.world is None:
        return [f"the second of two undisturbed runs fails: {again.raised or 'it did not end'}"]
    if before.world == again.world:
        return []
    return [
        "two undisturbed runs end differently, by a real clock or by random values perhaps",
        *worlds.told(before.world, again.world),
    ]


def _judged_unsteady(one: Outcome, why: Sequence[str] | None) -> Outcome:
    return one if why is None else replace(one, judged=Judged(Verdict.UNSTEADY, why))


def _number(test: Told, operation_id: str) -> int:
    return sum(call["operation_id"] == operation_id for call in test.calls)


def _nothing(known: Mapping[str, Told], left_out: Mapping[str, str], operations: Collection[str]) -> str:
    if left_out and len(left_out) == len(known):
        listed = "".join(f"\n{name}: {why}" for name, why in left_out.items())
        return f"there is nothing to disturb:{listed}"
    made = sorted({one.operation_id for name, test in known.items() for one in _mutations(name, test, ())})
    if not operations or not made:
        return f"the client of these tests makes no call that changes anything ({len(known)} tests)"
    near = [f"; did you mean {one}?" for name in operations for one in get_close_matches(name, made, 1)]
    return (
        f"--operation {', '.join(operations)}: these tests make no such call that changes anything{''.join(near[:1])}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- telling

_Kind = tuple[str, Disturbance | None, Verdict, Sequence[str]]
"""Operation, fault (None where it has nothing to do with it), verdict, and why."""


def _told(outcomes: Sequence[Outcome], faults: Sequence[Disturbance], left_out: Mapping[str, str]) -> Iterator[str]:
    yield from _table(outcomes, faults)
    yield ""
    for kind, group in _groups(outcomes):
        operation_id, fault, verdict, why = kind
        yield f"{verdict}: {operation_id}" + ("" if fault is None else f", {fault.name}: {fault.what}")
        yield from (f"    {line}" for line in why)
        names = list(dict.fromkeys(one.mutation.test for one in group))
        yield from (f"    in {name}" for name in names[:SHOWN_TESTS])
        if len(names) > SHOWN_TESTS:
            yield f"    in {len(names) - SHOWN_TESTS} more tests"
    for name, reason in left_out.items():
        yield f"left out: {name}: {reason}"
    delayed = [one for one in outcomes if one.fault.kind == "delay"]
    if delayed and not any(one.is_repeated for one in delayed):
        seconds = delayed[0].fault.more["delay_seconds"]
        yield f"no client gave up within {seconds:g} s; a delay longer than its timeout shows what a timeout does"
    counted = Counter(one.judged.verdict for one in outcomes)
    mutations = {one.mutation for one in outcomes}
    number = len({one.test for one in mutations})
    summed = ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
    calls, tests, ways = _count(len(mutations), "call"), _count(number, "test"), _count(len(faults), "fault")
    yield f"{calls} of {tests}, each under {ways}: {summed}"


def _count(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else one + 's'}"


def _table(outcomes: Sequence[Outcome], faults: Sequence[Disturbance]) -> Iterator[str]:
    """Yield a row for each operation with the worst that became of its calls."""
    rows = [["Call", *(fault.name for fault in faults)]]
    for operation_id in dict.fromkeys(one.mutation.operation_id for one in outcomes):
        row = [operation_id]
        for fault in faults:
            met = [
                one.judged.verdict
                for one in outcomes
                if (one.mutation.operation_id, one.fault) == (operation_id, fault)
            ]
            worst = next(verdict for verdict in Verdict if verdict in met)
            number = met.count(worst)
            row.append(str(worst) if number == len(met) else f"{worst} ({number} of {len(met)})")
        rows.append(row)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _groups(outcomes: Sequence[Outcome]) -> Iterator[tuple[_Kind, list[Outcome]]]:
    """Yield what did not survive, what looks the same to a reader once, the worst first."""
    verdicts = list(Verdict)

    def key(one: Outcome) -> tuple[int, str, str, tuple[str, ...]]:
        fault = "" if one.judged.verdict is Verdict.UNSTEADY else one.fault.name
        why = tuple(_short(line) for line in one.judged.why)
        return verdicts.index(one.judged.verdict), one.mutation.operation_id, fault, why

    bad = sorted((one for one in outcomes if one.judged.verdict is not Verdict.SURVIVES), key=key)
    for (_, operation_id, name, why), found in groupby(bad, key):
        group = list(found)
        yield (operation_id, group[0].fault if name else None, group[0].judged.verdict, why), group


def _short(line: str) -> str:
    first = line.strip().splitlines()[0] if line.strip() else ""
    return first if len(first) <= SHOWN_LETTERS else first[:SHOWN_LETTERS] + "…"


def _tree(outcomes: Sequence[Outcome], faults: Sequence[Disturbance], left_out: Mapping[str, str]) -> Any:
    return {
        "version": __version__,
        "faults": {fault.name: fault.what for fault in faults},
        "summary": dict(Counter(one.judged.verdict.value for one in outcomes)),
        "outcomes": [
            {
                "test": one.mutation.test,
                "operation_id": one.mutation.operation_id,
                "call": one.mutation.number,
                "fault": one.fault.name,
                "verdict": one.judged.verdict.value,
                "why": list(one.judged.why),
                "is_repeated": one.is_repeated,
            }
            for one in outcomes
        ],
        "left_out": dict(left_out),
    }
