"""``pytest --metronome-coverage FILE``: what each test's client used of the API, from the journal of its tenant.

A worker of xdist counts what its own tests did and sends the sum; the process that started it adds the sums and writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from metronome_sandbox.toolkit.sandboxes import Sandbox

SENT_BACK = "metronome_coverage"
"""What a worker calls its sum."""


class CoveragePlugin:
    """Counts while tests run and writes when all of them are over.

    Args:
        files: Where to write: FILE.json, FILE.html, or several of them.

    Raises:
        pytest.UsageError: They cannot be written, or the extra ``toolkit`` is not installed.
    """

    def __init__(self, files: Sequence[str]) -> None:
        try:
            from metronome_sandbox.toolkit import usage_coverage
        except ModuleNotFoundError as error:
            raise pytest.UsageError(
                f'--metronome-coverage needs {error.name}: pip install "metronome-sandbox[toolkit]"'
            ) from None
        write: Mapping[str, Callable[[Any], str]] = {
            ".json": lambda tree: json.dumps(tree, indent=2) + "\n",
            ".html": usage_coverage.page,
        }
        self._files = [Path(file) for file in files]
        for file in self._files:
            if file.suffix.lower() not in write or not file.parent.is_dir():
                raise pytest.UsageError(
                    f"--metronome-coverage {file}: expected FILE.json or FILE.html in a directory that is there"
                )
        self._write = write
        self._made_call = usage_coverage.Call
        self._coverage = usage_coverage.Coverage()
        self._said: list[str] = []
        self._without_journal = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_metronome_sandbox_begins(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Tell the client's calls from those that the test makes by the fixture."""
        sandbox.own_calls = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_metronome_sandbox_ends(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Count what the client of a test did."""
        from metronome_sandbox.toolkit.sandboxes import MAX_JOURNAL

        if not sandbox.has_control:
            self._without_journal += 1
            return
        calls = sandbox.requests
        if len(calls) == MAX_JOURNAL:
            self._said.append(f"{item.nodeid}: of more than {MAX_JOURNAL} calls the last are in it")
        for call in calls:
            if not call.is_own:
                self._coverage.add(
                    self._made_call(
                        call.method, call.path, call.status, call.request_body, call.response_body, item.nodeid
                    )
                )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Add what a worker of xdist counted."""
        sent = getattr(node, "workeroutput", {}).get(SENT_BACK)
        if sent is None:
            self._said.append(f"the tests of worker {node.gateway.id} are not in it: it ended early")
            return
        tree, said, without_journal = json.loads(sent)
        self._coverage.merge(tree)
        self._said += said
        self._without_journal += without_journal

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the sum, in a worker; write the files elsewhere."""
        tree = self._coverage.tree()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SENT_BACK] = json.dumps([tree, self._said, self._without_journal])
            return
        for file in self._files:
            try:
                file.write_text(self._write[file.suffix.lower()](tree), encoding="utf-8")
            except OSError as error:
                self._said.append(f"{file}: cannot be written: {error.strerror}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was written and what is not in it."""
        summary = self._coverage.tree()["summary"]
        counted = ", ".join(f"{one['used']} of {one['of']} {name}" for name, one in summary.items())
        terminalreporter.section("metronome: coverage")
        if self._without_journal:
            terminalreporter.line(
                f"tests that are not in it, since no sandbox tells their calls: {self._without_journal}"
            )
        for line in (*self._said, f"{counted}; written to {', '.join(map(str, self._files))}"):
            terminalreporter.line(line)
