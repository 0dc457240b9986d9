"""The pytest plugin ``metronome_sandbox``: a fresh tenant for each test that asks, and a word on what a failed one did.

pytest imports this in every run of everybody who has the package installed, so it imports nothing but pytest: a sandbox
is started when the first test asks for one, and each xdist worker has its own.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from metronome_sandbox.toolkit.recording_plugin import Plays, Records
    from metronome_sandbox.toolkit.sandboxes import Sandbox
    from metronome_sandbox.toolkit.suite_replay import Player
    from metronome_sandbox.toolkit.target_option import TargetOption

BASE_URL = "METRONOME_BASE_URL"
BEARER_TOKEN = "METRONOME_BEARER_TOKEN"
CONTROL_TOKEN = "METRONOME_SANDBOX_CONTROL_TOKEN"
"""Of the environment; the first two are what the official SDKs read."""

EXACTLY_ONCE_PLAN = "METRONOME_EXACTLY_ONCE_PLAN"
"""Of the environment too: what ``metronome-sandbox check --exactly-once`` wants of a run that it starts."""

MARKER = "metronome"
MARKER_HELP = (
    "metronome(writes=True): what this test may do. writes=True lets it write at a target that is no sandbox; "
    "writes=False is its word that it only reads, which a sandbox checks. replays=False keeps it out of recordings."
)
WORDS = {"writes", "replays"}
ALLOW_WRITES = "--metronome-allow-writes"
TARGET = "--metronome-target"
COVERAGE = "--metronome-coverage"
RECORD = "--metronome-record"

OUR_SANDBOX = pytest.StashKey["Sandbox"]()
OUR_TARGET = pytest.StashKey["TargetOption"]()
OUR_RECORDS = pytest.StashKey["Records"]()
OUR_PLAYS = pytest.StashKey["Plays"]()


class Hooks:
    """What other plugins, and a conftest.py, may do with the sandbox of a test."""

    @staticmethod
    def pytest_metronome_sandbox_begins(item: pytest.Item, sandbox: Sandbox) -> None:
        """A test has its sandbox and has not asked it for anything yet."""

    @staticmethod
    def pytest_metronome_sandbox_ends(item: pytest.Item, sandbox: Sandbox) -> None:
        """A test is over, and its sandbox still has what it made."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hooks known."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("metronome-sandbox", "a sandbox of the Metronome billing API")
    group.addoption(
        TARGET,
        default="sandbox",
        metavar="sandbox|URL|FILE.har",
        help="What tests with the fixture metronome_sandbox talk to: a sandbox in this process (default), a sandbox or "
        "the real API at a URL, or a recording.",
    )
    group.addoption(
        ALLOW_WRITES,
        default="",
        metavar="WORDS",
        help='Lets tests write where no sandbox answers. The words are "yes, write to HOST".',
    )
    group.addoption(
        RECORD,
        default="",
        metavar="FILE.har",
        help="Record the calls of the tests that pass, for --metronome-target FILE.har. Credentials are left out.",
    )
    group.addoption(
        COVERAGE,
        action="append",
        default=[],
        metavar="FILE",
        help="Write which operations, fields, enum values and error codes each test's client used: FILE.json for "
        "`metronome-sandbox spec diff --coverage`, FILE.html to read. May be given again.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and look at the target before any test runs."""
    config.addinivalue_line("markers", MARKER_HELP)
    if files := config.getoption(COVERAGE):
        from metronome_sandbox.toolkit.coverage_plugin import CoveragePlugin

        config.pluginmanager.register(CoveragePlugin(files))
    if plan := os.environ.pop(EXACTLY_ONCE_PLAN, None) or getattr(config, "workerinput", {}).get(EXACTLY_ONCE_PLAN):
        from metronome_sandbox.toolkit.exactly_once.plugin import ExactlyOnce

        config.pluginmanager.register(ExactlyOnce(config, plan))
    text = config.getoption(TARGET)
    if text != "sandbox":
        _aim(config, text)
    if file := config.getoption(RECORD):
        from metronome_sandbox.toolkit import recording_plugin

        target = config.stash.get(OUR_TARGET, None)
        records = recording_plugin.Records(config, file, "" if target is None else target.where)
        config.stash[OUR_RECORDS] = records
        config.pluginmanager.register(records)


def _aim(config: pytest.Config, text: str) -> None:
    """Take note of a target, and read the recording if it is one."""
    from metronome_sandbox.toolkit.target_option import TargetKind, WrongTarget, parse_target

    try:
        target = parse_target(text)
    except WrongTarget as error:
        raise pytest.UsageError(f"{TARGET}: {error}") from None
    config.stash[OUR_TARGET] = target
    if target.kind is not TargetKind.RECORDING:
        return
    from metronome_sandbox.toolkit import recording_plugin
    from metronome_sandbox.toolkit.har import BadRecording

    if config.getoption(RECORD):
        raise pytest.UsageError(f"{RECORD}: what a recording answers is recorded already; leave it or the target out")
    if config.getoption(COVERAGE):
        raise pytest.UsageError(
            f"{COVERAGE}: the calls of a recording are counted by metronome-sandbox coverage --har {target.where}"
        )
    try:
        config.stash[OUR_PLAYS] = plays = recording_plugin.Plays(Path(target.where))
    except BadRecording as error:
        raise pytest.UsageError(f"{TARGET}: {error}") from None
    config.pluginmanager.register(plays)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what the tests talk to, when it is not the usual."""
    target = config.stash.get(OUR_TARGET, None)
    return None if target is None else f"metronome target: {target.where}"


@pytest.fixture(scope="session")
def _metronome_server(pytestconfig: pytest.Config) -> Iterator[Any]:
    """The sandbox of this run; only what uses it starts it."""
    from metronome_sandbox.toolkit.sandboxes import start_server

    records: Records | None = pytestconfig.stash.get(OUR_RECORDS, None)
    server = start_server() if records is None else start_server(records.recorder.around)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _metronome_address(pytestconfig: pytest.Config) -> Iterator[str]:
    """Where the URL of ``--metronome-target`` is reached: by way of a proxy where calls are recorded."""
    target, records = pytestconfig.stash[OUR_TARGET], pytestconfig.stash.get(OUR_RECORDS, None)
    if records is None:
        yield target.where
        return
    try:
        from metronome_sandbox.toolkit.proxy import recording_proxy
    except ModuleNotFoundError as error:
        pytest.fail(f'{RECORD} of a URL needs {error.name}: pip install "metronome-sandbox[toolkit]"', pytrace=False)
    server = recording_proxy(target.where, records.recorder.around)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def _metronome_target_is_sandbox(pytestconfig: pytest.Config) -> bool:
    """Whether the URL of ``--metronome-target`` is a sandbox. The vendor's hosts are not asked."""
    from metronome_sandbox.toolkit.connection import CallFailed
    from metronome_sandbox.toolkit.sandboxes import is_sandbox

    target = pytestconfig.stash[OUR_TARGET]
    try:
        return not target.is_vendor and is_sandbox(target.where)
    except CallFailed as error:
        pytest.fail(f"--metronome-target {target.where}: {error}", pytrace=False)


@pytest.fixture
def metronome_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A tenant of its own for this test, empty, and gone afterwards.

    ``METRONOME_BASE_URL`` and ``METRONOME_BEARER_TOKEN`` name it, so that code with the official SDK needs no change.
    """
    writes = _writes(request.node)
    target: TargetOption | None = request.config.stash.get(OUR_TARGET, None)
    plays: Plays | None = request.config.stash.get(OUR_PLAYS, None)
    if plays is not None:
        sandbox = _of_recording(plays.player, request, writes)
    else:
        sandbox = _of_this_run(request, writes) if target is None else _at(target, request, writes)
    request.node.stash[OUR_SANDBOX] = sandbox
    monkeypatch.setenv(BASE_URL, sandbox.base_url)
    monkeypatch.setenv(BEARER_TOKEN, sandbox.token)
    if sandbox.base_url.startswith("http://127.0.0.1:"):
        _leave_out_proxies(monkeypatch)
    request.node.ihook.pytest_metronome_sandbox_begins(item=request.node, sandbox=sandbox)
    yield sandbox
    try:
        request.node.ihook.pytest_metronome_sandbox_ends(item=request.node, sandbox=sandbox)
        if writes is False and sandbox.has_control and plays is None:
            _has_only_read(sandbox)
    finally:
        del request.node.stash[OUR_SANDBOX]
        sandbox.close()


def _of_this_run(request: pytest.FixtureRequest, writes: bool | None) -> Sandbox:
    from metronome_sandbox.toolkit.sandboxes import Sandbox

    return Sandbox.of(request.getfixturevalue("_metronome_server"), may_write=writes is not False)


def _of_recording(player: Player, request: pytest.FixtureRequest, writes: bool | None) -> Sandbox:
    """Return what a test talks to where only a recording answers, if that knows it."""
    from metronome_sandbox.toolkit.recording_plugin import is_kept_out
    from metronome_sandbox.toolkit.sandboxes import Sandbox

    if is_kept_out(request.node):
        pytest.skip(f"it is kept out of recordings by {MARKER}(replays=False)")
    why = player.why_skipped(request.node.nodeid)
    if why is not None:
        pytest.skip(f"it was skipped when it was recorded: {why}")
    player.begin(request.node.nodeid)
    return Sandbox.of(player, has_control=player.is_sandbox, may_write=writes is not False, unavailable=_skip)


def _at(target: TargetOption, request: pytest.FixtureRequest, writes: bool | None) -> Sandbox:
    """Return what a test talks to at a URL, if it may."""
    from metronome_sandbox.toolkit.sandboxes import Sandbox

    where = request.getfixturevalue("_metronome_address")
    if request.getfixturevalue("_metronome_target_is_sandbox"):
        return Sandbox.at(where, os.environ.get(CONTROL_TOKEN), may_write=writes is not False, unavailable=_skip)
    if writes is None:
        pytest.skip(f"{target.host} is no sandbox, and this test does not say what it may do; mark it: {MARKER_HELP}")
    if writes and request.config.getoption(ALLOW_WRITES) != target.words:
        pytest.fail(
            f"this test writes, and {target.host} is no sandbox; if that is what you want, say {ALLOW_WRITES} "
            f'"{target.words}", or choose those that only read: -m "{MARKER}(writes=False)"',
            pytrace=False,
        )
    token = os.environ.get(BEARER_TOKEN)
    if not token:
        pytest.fail(f"--metronome-target {target.where} needs a bearer token in {BEARER_TOKEN}", pytrace=False)
    return Sandbox(where, token, has_control=False, may_write=writes, unavailable=_skip)


def _writes(item: pytest.Item) -> bool | None:
    """Return what a test says about itself; None where it says nothing."""
    return said(item, "writes")


def said(item: pytest.Item, name: str) -> bool | None:
    """Return what the nearest marker says that has a word; None where there is none."""
    for marker in item.iter_markers(MARKER):
        words = marker.kwargs
        is_right = words and words.keys() <= WORDS and all(isinstance(value, bool) for value in words.values())
        if marker.args or not is_right:
            shown = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in words.items())])
            pytest.fail(
                f"expected {MARKER}(writes=True), {MARKER}(writes=False) or {MARKER}(replays=False), "
                f"received {MARKER}({shown})",
                pytrace=False,
            )
        if name in words:
            return bool(words[name])
    return None


def _skip(why: str) -> NoReturn:
    pytest.skip(why)


def _leave_out_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep HTTP clients from asking a proxy for a port of this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name, "")
        if "127.0.0.1" not in known:
            monkeypatch.setenv(name, f"{known},127.0.0.1" if known else "127.0.0.1")


def _has_only_read(sandbox: Sandbox) -> None:
    written = [f"{call.method} {call.path}" for call in sandbox.requests if call.is_write]
    if written:
        pytest.fail(f"this test says that it only reads, and it called {', '.join(written)}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failing test what it asked the sandbox for and what that changed."""
    report = yield
    sandbox = item.stash.get(OUR_SANDBOX, None)
    if report.failed and sandbox is not None and sandbox.has_control and OUR_PLAYS not in item.config.stash:
        report.sections.extend(_story(sandbox))
    return report


def _story(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    from metronome_sandbox.toolkit.connection import CallFailed
    from metronome_sandbox.toolkit.journal import told

    for title, lines in (
        ("metronome: requests, oldest first", lambda: told(sandbox.requests)),
        ("metronome: what this test changed", sandbox.difference),
    ):
        try:
            yield title, "\n".join(lines()) or "nothing"
        except CallFailed as error:  # the test has failed already; this is not why
            yield title, f"cannot be told: {error}"
