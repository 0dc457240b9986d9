"""The pytest plugin of one run: disturbs the call of each test that it is told, and writes down how the test ended.

The plugin ``metronome_sandbox`` registers it where the environment names a plan. What it saw goes to a file of each
process, a JSON value on each line; an empty one says that it was there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest

from metronome_sandbox.toolkit.pytest_plugin import COVERAGE, EXACTLY_ONCE_PLAN, RECORD, TARGET

if TYPE_CHECKING:
    from metronome_sandbox.toolkit.sandboxes import Sandbox

PATIENCE_SECONDS = 5
"""How much longer than its delay a delayed call may take."""


class ExactlyOnce:
    """What happens in one process of one run.

    Args:
        file: The plan. It has a ``fault`` (``kind`` and ``more``, or null for none) and ``calls``: by test the
            operation and the number of the call that is disturbed, or null to run all tests. Results go to its folder.

    Raises:
        pytest.UsageError: The tests are to talk to something else, or to count what is disturbed here.
    """

    def __init__(self, config: pytest.Config, file: str) -> None:
        target = config.getoption(TARGET)
        if target != "sandbox":
            raise pytest.UsageError(f"{TARGET} {target}: calls are disturbed in a sandbox of this run; leave it out")
        for option in (COVERAGE, RECORD):
            if config.getoption(option):
                raise pytest.UsageError(f"{option} would keep what is disturbed here; leave it out")
        plan = json.loads(Path(file).read_text(encoding="utf-8"))
        self._plan = file
        self._file = Path(file).with_name(f"{os.getpid()}.jsonl")
        self._file.touch()
        self._fault = plan["fault"]
        self._calls = plan["calls"]
        self._began_at: dict[str, datetime] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give the plan to a worker of xdist."""
        node.workerinput[EXACTLY_ONCE_PLAN] = self._plan

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Run nothing but the tests of the plan."""
        if self._calls is None:
            return
        others = [item for item in items if item.nodeid not in self._calls]
        items[:] = [item for item in items if item.nodeid in self._calls]
        config.hook.pytest_deselected(items=others)

    def pytest_metronome_sandbox_begins(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Let the call go wrong that is to."""
        sandbox.own_calls = set()
        self._began_at[item.nodeid] = datetime.now(UTC)
        if self._fault is not None:
            operation_id, call = self._calls[item.nodeid]
            sandbox.faults.last(self._fault["kind"], operation_id, call=call, **self._fault["more"])

    def pytest_metronome_sandbox_ends(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Write down what the tenant was asked and what it has."""
        if self._fault is not None and self._fault["kind"] == "delay":
            self._wait(sandbox)
        calls = [
            {
                "operation_id": call.operation_id,
                "fault": call.fault,
                "is_own": call.is_own,
                "changes": call.is_write and call.status < 400,
            }
            for call in sandbox.requests
        ]
        self._write(
            test=item.nodeid,
            calls=calls,
            snapshot=json.loads(sandbox.snapshot()),
            things=sandbox.things(),
            began_at=self._began_at[item.nodeid].isoformat(),
            ended_at=datetime.now(UTC).isoformat(),
        )

    def _wait(self, sandbox: Sandbox) -> None:
        """Wait for a call that the client did not wait for: it is executed all the same."""
        until = monotonic() + self._fault["more"]["delay_seconds"] + PATIENCE_SECONDS
        while any(fault["disturbed"] for fault in sandbox.faults.list()) and monotonic() < until:
            if any(call.fault for call in sandbox.requests):
                return
            sleep(0.02)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Write down how each phase of a test ended, and what was raised."""
        report = yield
        error = call.excinfo
        self._write(
            test=item.nodeid,
            phase=report.when,
            outcome=report.outcome,
            raised=None if error is None or not report.failed else error.exconly(tryshort=True),
            is_claim=error is not None and isinstance(error.value, AssertionError | pytest.fail.Exception),
        )
        return report

    def _write(self, **told: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
