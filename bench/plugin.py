"""What the pytest plugin costs those who have it installed, and those who use its fixture; by runs of pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory

PLUGIN = "metronome_sandbox.toolkit.pytest_plugin"
TESTS = 200

SUITE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_with(metronome_sandbox, number):
    metronome_sandbox.call("GET", "/v1/customers?limit=1")  # a tenant is made by its first call

@pytest.mark.parametrize("number", range({TESTS}))
def test_without(number):
    pass
"""

METER = """
from collections import defaultdict
from statistics import median

seconds = {"test_with": defaultdict(float), "test_without": defaultdict(float)}

def pytest_runtest_logreport(report):
    name, _, number = report.nodeid.partition("::")[2].partition("[")
    if number != "0]":  # the first test starts the server
        seconds[name][number] += report.duration

def pytest_terminal_summary():
    print("MEASURED", *(median(found.values()) for found in seconds.values()))
"""


def fixture_ms(repeats: int) -> list[float]:
    """Return what a test with the fixture and one call takes longer than an empty one: a run's median, for each run.

    Raises:
        RuntimeError: pytest did not do what it was asked to.
    """
    found: list[float] = []
    with TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(SUITE)
        Path(folder, "conftest.py").write_text(METER)
        for _ in range(repeats):
            done = _python("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *_plugin(), folder)
            measured = re.search(r"MEASURED (\S+) (\S+)", done.stdout)
            if done.returncode or measured is None:
                raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
            found.append((float(measured[1]) - float(measured[2])) * 1e3)
    return found


def import_ms(repeats: int) -> list[float]:
    """Return what the import of the plugin takes that every run of pytest pays, a figure for each process."""
    found: list[float] = []
    for _ in range(repeats):
        said = _python("-X", "importtime", "-c", f"import pytest, {PLUGIN}").stderr
        # One line for each module: its own microseconds, those with what it imports, its name further right if nested.
        times = re.findall(r"^import time: +\d+ \| +(\d+) \| {1,3}(metronome_sandbox\S*)$", said, re.MULTILINE)
        found.append({name: int(cumulative) for cumulative, name in times}[PLUGIN] / 1e3)
    return found


def _plugin() -> list[str]:
    return [] if any(entry.value == PLUGIN for entry in entry_points(group="pytest11")) else ["-p", PLUGIN]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, encoding="utf-8", check=False)
