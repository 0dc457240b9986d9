"""What a run of pytest does around its tests when it records them, and when it plays a recording to them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from metronome_sandbox.toolkit.pytest_plugin import said
from metronome_sandbox.toolkit.suite_recording import IN_PROCESS, Recorder, drop_parts
from metronome_sandbox.toolkit.suite_replay import Player

if TYPE_CHECKING:
    from metronome_sandbox.toolkit.exchanges import Exchange
    from metronome_sandbox.toolkit.sandboxes import Sandbox


class Heard(NamedTuple):
    """The calls of a test that is over, and who answered them."""

    calls: list[Exchange]
    token: str
    is_sandbox: bool


HEARD = pytest.StashKey[Heard]()
HAS_TROUBLE = pytest.StashKey[bool]()
"""Of a test that failed or was skipped."""


class Records:
    """Records the calls of tests.

    Args:
        text: Where to, as it was given.
        base_url: Of the target; empty for the sandbox of this process.

    Raises:
        pytest.UsageError: It is no place for a recording.
    """

    def __init__(self, config: pytest.Config, text: str, base_url: str) -> None:
        path = Path(text).absolute()
        if path.suffix.lower() != ".har" or not path.parent.is_dir():
            raise pytest.UsageError(f"--metronome-record {text}: expected a file FILE.har in a directory that is there")
        self._is_worker = hasattr(config, "workerinput")
        if not self._is_worker:
            try:
                drop_parts(path)  # of a run that was interrupted
            except OSError as error:
                raise pytest.UsageError(f"--metronome-record: {error.filename}: {error.strerror}") from None
        worker = config.workerinput["workerid"] if self._is_worker else ""  # type: ignore[attr-defined]
        self.recorder = Recorder(path, worker, base_url or IN_PROCESS)
        self._told = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_metronome_sandbox_begins(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Listen to a test, which may have run before."""
        item.stash[HAS_TROUBLE] = False
        self.recorder.begin()

    @pytest.hookimpl(tryfirst=True)
    def pytest_metronome_sandbox_ends(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Listen no longer, whatever others ask the sandbox now."""
        item.stash[HEARD] = Heard(self.recorder.end(), sandbox.token, sandbox.has_control)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the calls of a test that passed, or the reason why it was skipped."""
        report = yield
        _note_trouble(item, report)
        why = report.longrepr
        if report.skipped and isinstance(why, tuple) and "metronome_sandbox" in getattr(item, "fixturenames", ()):
            with _written():
                self.recorder.skip(item.nodeid, str(why[2]).removeprefix("Skipped: "))
        heard = item.stash.get(HEARD, None)
        if report.when == "teardown" and heard is not None:
            del item.stash[HEARD]
            if not item.stash.get(HAS_TROUBLE, False) and not is_kept_out(item):
                with _written():
                    self.recorder.keep(item.nodeid, heard.calls, heard.token, is_sandbox=heard.is_sandbox)
        return report

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """End the recording of this process and, where no other one does it, put the whole together."""
        self.recorder.close()
        if not self._is_worker:
            is_over = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            self._told = self.recorder.finish() if is_over else self.recorder.give_up()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was recorded."""
        terminalreporter.write_line(f"metronome recording: {self._told}")


@contextmanager
def _written() -> Iterator[None]:
    """End the run when its recording cannot be written: half of one would be taken for the whole."""
    try:
        yield
    except OSError as error:
        pytest.exit(f"--metronome-record: {error.filename}: {error.strerror}", pytest.ExitCode.INTERRUPTED)


class Plays:
    """Plays a recording to tests.

    Raises:
        BadRecording: The file is none.
    """

    def __init__(self, path: Path) -> None:
        self.player = Player(path)

    def pytest_report_header(self) -> list[str]:
        """Say what the recording holds."""
        return [f"metronome recording: {line}" for line in self.player.told()]

    def pytest_metronome_sandbox_begins(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Forget what became of the test before, if it is run again."""
        item.stash[HAS_TROUBLE] = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_metronome_sandbox_ends(self, item: pytest.Item, sandbox: Sandbox) -> None:
        """Fail a test that asked for what was not recorded and has not failed of it."""
        missing = self.player.missing()
        if missing and not item.stash.get(HAS_TROUBLE, False):
            pytest.fail(missing, pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to the report of a failing test what the recording lacks."""
        report = yield
        _note_trouble(item, report)
        missing = self.player.missing() if "metronome_sandbox" in getattr(item, "fixturenames", ()) else ""
        if report.failed and report.when != "teardown" and missing:
            report.sections.append(("metronome: the recording", missing))
        return report

    def pytest_unconfigure(self) -> None:
        """End the server."""
        self.player.stop()


def _note_trouble(item: pytest.Item, report: pytest.TestReport) -> None:
    is_skipped = report.skipped and not hasattr(report, "wasxfail")  # what fails as expected has its place
    if report.failed or is_skipped:
        item.stash[HAS_TROUBLE] = True


def is_kept_out(item: pytest.Item) -> bool:
    """Whether a test says that it has no place in recordings, because it needs the time of day, or chance."""
    return said(item, "replays") is False
