"""Runs of pytest: one undisturbed, one to compare it with, and one for each fault and each number of a call."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from metronome_sandbox.toolkit.exactly_once.faults import Disturbance
from metronome_sandbox.toolkit.exactly_once.judgement import Ending
from metronome_sandbox.toolkit.exactly_once.worlds import World, world_of
from metronome_sandbox.toolkit.pytest_plugin import EXACTLY_ONCE_PLAN

OPTIONS = ("-p", "no:cacheprovider", "--maxfail=0", "--tb=short", "-q")
"""Behind those of the user: what these runs find out is nothing for the next ``--last-failed``."""

PATIENCE_SECONDS = 120
PATIENCE = 20
"""A run that takes so many seconds, and so many times as long as the undisturbed one, hangs."""

NOTHING_COLLECTED = 5
DONE = (0, 1, NOTHING_COLLECTED)
"""Exit statuses of pytest after it ran what there was."""

SHOWN = 3000


class CannotRun(Exception):
    """There is nothing to disturb; the text is for the person who wants it."""


@dataclass(slots=True)
class Told:
    """What a run wrote down of one test.

    Attributes:
        world: What its tenant had; None without the fixture.
        calls: That its tenant was asked for, the oldest first.
        raised, is_claim: See :class:`Ending`.
        is_skipped: Wholly, or it was expected to fail and did.
    """

    world: World | None = None
    calls: Sequence[Mapping[str, Any]] = ()
    raised: str | None = None
    is_claim: bool = False
    is_skipped: bool = False

    def ending(self, operation_id: str) -> Ending:
        """Return how the test ended, as far as one operation is concerned."""
        return Ending(
            self.world,
            self.raised,
            self.is_claim,
            any(call["fault"] for call in self.calls),
            sum(call["operation_id"] == operation_id and call["changes"] for call in self.calls),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One process of pytest.

    Attributes:
        fault: None to disturb nothing.
        calls: By test the operation and the number of its call to disturb; None for all tests there are.
    """

    fault: Disturbance | None
    calls: Mapping[str, tuple[str, int]] | None


@dataclass(slots=True)
class Result:
    """What a run said.

    Attributes:
        has_plugin: Whether our pytest plugin was there.
    """

    status: int
    output: str
    has_plugin: bool
    tests: dict[str, Told] = field(default_factory=dict)


class Runner:
    """Starts runs of the same selection of tests.

    Args:
        arguments: For pytest, as the user gave them.
        jobs: How many may go side by side.
    """

    def __init__(self, arguments: Sequence[str], jobs: int) -> None:
        self._arguments = arguments
        self._jobs = jobs
        self._going: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        self._ends = False
        self.limit_seconds: float | None = None
        """After which a run is stopped; none for the first."""

    def all(self, runs: Sequence[Run]) -> Iterator[tuple[Run, Result]]:
        """Yield each run with its result, in the order in which they end."""
        with ThreadPoolExecutor(self._jobs) as pool:
            waiting = {pool.submit(self.one, run): run for run in runs}
            try:
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
            finally:
                self._stop()
                pool.shutdown(cancel_futures=True)

    def one(self, run: Run) -> Result:
        """Return the result of a run when it has ended."""
        with TemporaryDirectory(prefix="metronome-exactly-once-") as folder:
            plan = Path(folder) / "plan.json"
            fault = None if run.fault is None else {"kind": run.fault.kind, "more": dict(run.fault.more)}
            plan.write_text(json.dumps({"fault": fault, "calls": run.calls}), encoding="utf-8")
            status, output = self._run({**os.environ, EXACTLY_ONCE_PLAN: str(plan)})
            files = list(Path(folder).glob("*.jsonl"))
            return Result(status, output, bool(files), _tests(files))

    def _run(self, environment: Mapping[str, str]) -> tuple[int, str]:
        with self._lock:
            if self._ends:
                return -1, ""
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *self._arguments, *OPTIONS],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # so that what it starts can be stopped with it
            )
            self._going.add(process)
        try:
            output, _ = process.communicate(timeout=self.limit_seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            output, _ = process.communicate()
        except BaseException:  # it has a session of its own, so Ctrl-C does not reach it
            _end(process)
            process.wait()
            raise
        with self._lock:
            self._going.discard(process)
        return process.returncode, output

    def _stop(self) -> None:
        with self._lock:
            self._ends = True
            for process in self._going:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        process.kill()


def _tests(files: Sequence[Path]) -> dict[str, Told]:
    """Return what the processes of a run wrote down, by test."""
    found: dict[str, Told] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                told = json.loads(line)
            except ValueError:
                continue  # the process was stopped while it wrote
            test = found.setdefault(told["test"], Told())
            if "calls" in told:
                test.world, test.calls = world_of(told), told["calls"]
                continue
            test.is_skipped |= told["outcome"] == "skipped"
            if told["raised"] is not None and test.raised is None:
                test.raised, test.is_claim = told["raised"], told["is_claim"]
    return found


def undisturbed(runner: Runner) -> dict[str, Told]:
    """Run everything once as it is; return the tests that ran and used a sandbox.

    Raises:
        CannotRun: There are none, or some fail.
    """
    done = runner.one(Run(None, None))
    if done.status in DONE and not done.has_plugin:
        raise CannotRun(
            "the pytest plugin metronome_sandbox was not loaded; PYTEST_DISABLE_PLUGIN_AUTOLOAD keeps it out"
        )
    if done.status not in DONE:
        raise CannotRun(f"pytest ended with status {done.status}:\n{done.output[-SHOWN:].strip()}")
    if not done.tests:
        raise CannotRun(f"pytest found no tests:\n{done.output[-SHOWN:].strip()}")
    failed = {name: test.raised for name, test in done.tests.items() if test.raised is not None}
    if failed:
        listed = "\n".join(f"{name}: {raised}" for name, raised in failed.items())
        raise CannotRun(f"these tests fail although nothing disturbs them:\n{listed}")
    found = {name: test for name, test in done.tests.items() if test.world is not None and not test.is_skipped}
    if not found:
        raise CannotRun(f"none of the {len(done.tests)} tests that were found uses the fixture metronome_sandbox")
    return found
