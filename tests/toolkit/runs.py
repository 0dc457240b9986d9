"""Runs of pytest as a user has them: with our plugin, and without the settings of this project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PLUGIN = "metronome_sandbox.toolkit.pytest_plugin"

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""For the environment: other plugins that are installed here take longer to load than the tests to run."""

OPTIONS = ("-p", PLUGIN, "-p", "no:cacheprovider")

Run = Callable[..., pytest.RunResult]


def runner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs the text of a test file with options, as a process; no token in the environment.

    In this process pytest would forget what it imported, and other tests would find two of some modules.
    """
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    for name in ("METRONOME_BASE_URL", "METRONOME_BEARER_TOKEN", "METRONOME_SANDBOX_CONTROL_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(text: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess(*OPTIONS, "--strict-markers", "-W", "error", *options)

    return run
