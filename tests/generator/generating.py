"""Worlds in folders: made by the command, compared byte by byte."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.generator import making
from metronome_sandbox.generator.plan import Plan, Shard, versions_for
from metronome_sandbox.generator.worlds import World

CUSTOMERS, MONTHS = 120, 4
"""Three parts."""

WHOLE = Shard()


def world(
    *,
    customers: int = CUSTOMERS,
    months: int = MONTHS,
    seed: int = 7,
    format: str = "ndjson",
    granularity: str = "day",
) -> World:
    plan = Plan("ai-api", seed, date(2023, 1, 1), months, customers, format, granularity, versions_for(format))
    return World(plan)


def make(world: World, folder: Path, shard: Shard = WHOLE) -> list[making.Step]:
    """Make the parts of a shard, and the manifest when all parts are there."""
    steps = list(making.make(world, folder, shard))
    if len(steps) + len(list(making.others(world, folder, shard))) == world.plan.parts:
        making.complete(world, folder)
    return steps


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def generate(out: Path, *arguments: str, **values: object) -> Result:
    """Call the command; ``values`` replace what is asked for usually."""
    usual = {"profile": "ai-api", "customers": CUSTOMERS, "months": MONTHS, "seed": 7, "start": "2023-01"}
    options = [text for name, value in {**usual, **values}.items() for text in (f"--{name}", str(value))]
    return CliRunner().invoke(main, ["generate", *options, "--out", str(out), *arguments])
