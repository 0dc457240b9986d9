"""The example of an integrator's project: from a wheel, in process and from its recording; and over a port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from toolkit.runs import ALONE, OPTIONS

from metronome_sandbox.demo import running

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "integrator"
NOT_REACHED = ("Could not find a version that satisfies", "Temporary failure in name resolution")


NO_SANDBOX = """
import sys


def pytest_sessionfinish():
    assert "metronome_sandbox.api.app" not in sys.modules
"""


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of this checkout but what it is told."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METRONOME", "COV"))}
    return subprocess.run(
        command, cwd=folder, env={**own, **environment}, capture_output=True, encoding="utf-8", check=False
    )


def passed(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the numbers of pytest's last line by outcome."""
    assert done.returncode == 0, done.stdout + done.stderr
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}


def number_of_tests() -> int:
    """How many there are: the functions, and one more for the one that takes two operations."""
    return sum(len(re.findall(r"^def test_", file.read_text(), re.M)) for file in EXAMPLE.glob("tests/*.py")) + 1


def pip(python: Path | str, *arguments: str, folder: Path) -> None:
    done = run([str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], folder)
    if any(text in done.stderr for text in NOT_REACHED):
        pytest.skip("pip reaches no package index from here")
    assert done.returncode == 0, done.stderr


def test_the_example_passes_from_a_wheel_in_an_environment_that_has_nothing_else(tmp_path: Path) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", str(ROOT), folder=tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    [wheel] = (tmp_path / "dist").glob("*.whl")
    wanted = wanted - {"metronome-sandbox"} | {str(wheel)}  # this one, whatever an index has by that name
    pip(python, "install", "--constraint", str(ROOT / "constraints.txt"), *sorted(wanted), folder=tmp_path)
    shutil.copytree(EXAMPLE, tmp_path / "integrator", ignore=shutil.ignore_patterns("__pycache__", ".*"))

    pytest_q = [str(python), "-m", "pytest", "-q"]
    done = run([*pytest_q, "--metronome-record", "calls.har"], tmp_path / "integrator")

    assert passed(done)["passed"] == number_of_tests()

    # The recording alone: the sandbox is not even imported.
    (tmp_path / "integrator" / "conftest.py").write_text(NO_SANDBOX)
    done = run([*pytest_q, "--metronome-target", "calls.har"], tmp_path / "integrator")

    assert passed(done)["passed"] == number_of_tests()


def test_the_example_passes_against_a_sandbox_that_runs_already() -> None:
    with running(0) as server:
        command = [sys.executable, "-B", "-m", "pytest", "-q", *OPTIONS, "--metronome-target", server.url]
        done = run(command, EXAMPLE, PYTHONPATH=str(ROOT / "src"), **ALONE)

    # All but the one that wants an application in its own process.
    assert passed(done) == {"passed": number_of_tests() - 1, "skipped": 1}
