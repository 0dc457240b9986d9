"""What ``generate`` is measured at: lines for a second of CPU time, and memory for few and for many customers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Effort, Say
from metronome_sandbox.cli.generating import PROFILES

START = 10
"""Customers of a run that does little but start."""

MONTHS = 24
SHORT_MONTHS = 2
"""For memory: how many months there are changes nothing, and what is written has to fit on the disk."""


@dataclass(frozen=True)
class Generator:
    """What ``generate`` was measured at.

    Attributes:
        lines: By profile: line items as ndjson for a second of CPU time, once the process has started.
        megabytes: By the number of customers: the most that a process had resident.
    """

    lines: dict[str, list[float]]
    megabytes: dict[int, float]


def measure_generator(effort: Effort, folder: Path, say: Say) -> Generator:
    """Run the command in processes of its own."""
    lines: dict[str, list[float]] = {profile: [] for profile in PROFILES}
    for number in range(effort.repeats):
        say(f"generating, {number + 1} of {effort.repeats}")
        for profile in PROFILES:
            few, many = (_lines_and_seconds(folder, profile, size) for size in (START, effort.generated))
            lines[profile].append((many[0] - few[0]) / (many[1] - few[1]))
    megabytes: dict[int, float] = {}
    for customers in (1_000, 10_000):
        say(f"memory of {customers:,} customers")
        out = folder / f"memory-{customers}"
        megabytes[customers] = _run("ai-api", customers, SHORT_MONTHS, out)[1]
        shutil.rmtree(out)
    return Generator(lines, megabytes)


def _run(profile: str, customers: int, months: int, out: Path) -> tuple[float, float]:
    """Return seconds of CPU time and megabytes of a run."""
    command = [sys.executable, "-m", "metronome_sandbox", "generate", "--profile", profile, "--out", str(out)]
    size = ["--customers", str(customers), "--months", str(months)]
    process = subprocess.Popen([*command, *size], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"generate ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def _lines_and_seconds(folder: Path, profile: str, customers: int) -> tuple[int, float]:
    out = folder / f"{profile}-{customers}"
    seconds, _ = _run(profile, customers, MONTHS, out)
    lines = json.loads((out / "manifest.json").read_bytes())["counts"]["lines"]
    shutil.rmtree(out)
    return lines, seconds
