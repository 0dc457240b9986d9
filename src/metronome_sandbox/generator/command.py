"""``metronome-sandbox generate``: make the files of a world, push it to a host, and tell what it came to."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from metronome_sandbox.client.asking import CannotAsk
from metronome_sandbox.client.progress import watched
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.generator import making
from metronome_sandbox.generator.aside import CannotWrite
from metronome_sandbox.generator.legacy import FOLDER as LEGACY_FOLDER
from metronome_sandbox.generator.legacy import write_legacy
from metronome_sandbox.generator.plan import Plan, Shard, WrongUse, month_of, versions_for
from metronome_sandbox.generator.plants import Gardener
from metronome_sandbox.generator.push import Target, may_push, push
from metronome_sandbox.generator.push_customer import Difference, is_same
from metronome_sandbox.generator.sums import COUNTS, Sums
from metronome_sandbox.generator.worlds import World

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2
WIDTH = 80
MOST_DIFFERENCES = 50
"""Shown in a table; one reason makes thousands."""


def run(
    *,
    profile: str,
    customers: int,
    months: int,
    seed: int,
    start: str,
    format: str,
    granularity: str,
    out: Path,
    shard: str,
    legacy: bool = False,
    plants: bool = False,
    target: Target | None = None,
    reports: bool = False,
) -> int:
    """Do what ``generate`` is asked for; return the exit status.

    Raises:
        KeyboardInterrupt: What is complete stays, and the same run goes on from there.
    """
    try:
        if target is not None:
            may_push(target)  # before hours of work
        plan = Plan(profile, seed, month_of(start), months, customers, format, granularity, versions_for(format))
        world = World(plan)
        sums = _files(world, out, Shard.parse(shard))
        if reports:
            _report(world, out)
        if sums is None and (legacy or target is not None):
            option = "--legacy" if legacy else "--push"
            raise WrongUse(f"{option}: parts of other shards are missing; wait until all of them are in --out")
        if legacy:
            _legacy(world, out, plants=plants)
        return FINE if target is None or sums is None else _push(world, out, target, sums.money.total)
    except (WrongUse, CannotWrite, CannotAsk) as error:
        print(f"metronome-sandbox: {error}", file=sys.stderr)
        return WRONG_USAGE


def _files(world: World, folder: Path, shard: Shard) -> Sums | None:
    """Make the files of a shard and tell what they came to; return the sums of the world if it is whole."""
    plan = world.plan
    ours = [part for part in range(plan.parts) if shard.has(part)]
    sums, made = Sums(), 0
    began = time.monotonic()
    with watched("generate", sum(len(plan.numbers(part)) for part in ours), "customers", rated="lines") as advance:
        for step in making.make(world, folder, shard):
            is_made = step.did is not making.Did.FOUND
            if step.did is making.Did.MADE_AGAIN:
                print(f"part {step.part} was not as it had been written, and was made again", file=sys.stderr)
            made += step.sums.lines if is_made else 0
            sums.add(step.sums)
            advance(len(plan.numbers(step.part)), more=step.sums.lines if is_made else 0)
    seconds = time.monotonic() - began
    missing = plan.parts - len(ours) - sum(1 for _ in making.others(world, folder, shard))
    if missing == 0:
        sums = making.complete(world, folder)
    _tell(world, folder, shard if missing else None, sums)
    if made:
        print(f"{made:,} lines in {seconds:.1f} s, {made / max(seconds, 1e-9):,.0f} lines/s", file=sys.stderr)
    if missing:
        print(f"{missing} of {plan.parts} parts are missing; the run that finds all of them writes the manifest")
    return None if missing else sums


def _tell(world: World, folder: Path, shard: Shard | None, sums: Sums) -> None:
    plan = world.plan
    title = f"{plan.profile}, seed {plan.seed}, {plan.months} months from {plan.start:%Y-%m}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, width=WIDTH)
    table.add_column(f"{folder}" if shard is None else f"{folder}, shard {shard}", overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    for name in COUNTS:
        table.add_row(name, f"{getattr(sums, name):,}")
    table.add_section()
    money = sums.money.to_json()
    for name, amount in money.items():
        table.add_row(name.replace("_", " "), dollars(amount))
    _console().print(table)


def _report(world: World, folder: Path) -> None:
    """Measure a world, whichever parts of it are there, and tell how real it looks."""
    from metronome_sandbox.generator import realism_report  # drawing takes a second to import

    realism = realism_report.measured(world)
    realism_report.write(folder, world.plan, realism)
    _console().print(realism_report.table(world.plan, realism.figures(), WIDTH))
    print(f"pictures: {folder / realism_report.PAGE}, {folder / realism_report.PICTURE}")


def _legacy(world: World, folder: Path, *, plants: bool) -> None:
    gardener = Gardener(world.catalog) if plants else None
    with watched("legacy", world.plan.customers, "customers") as advance:
        for _ in write_legacy(world, folder, gardener):
            advance()
    print(f"{folder / LEGACY_FOLDER} holds the same invoices as an old system would export them, with a mapping")
    if gardener is not None:
        print("planted:", ", ".join(f"{kind} {count}" for kind, count in gardener.count.items()))


def _push(world: World, folder: Path, target: Target, expected: Decimal) -> int:
    """Push a world whose files are all there, and tell whether the totals agree."""
    began = time.monotonic()
    outcome = push(world, folder, target)
    seconds = max(time.monotonic() - began, 1e-9)
    table = Table(title=f"Pushed to {plain(target.url)}", title_justify="left", box=SIMPLE_HEAD, width=WIDTH)
    table.add_column("")
    table.add_column("", justify="right", no_wrap=True)
    table.add_row("customers", f"{outcome.customers:,}")
    if outcome.found:
        table.add_row("customers that were there already", f"{outcome.found:,}")
    if target.without_invoices:
        _console().print(table)
        return FINE
    table.add_row("invoices", f"{outcome.invoices:,}")
    table.add_row("invoices with another total than expected", f"{len(outcome.differences):,}")
    table.add_section()
    table.add_row("total by the files", dollars(expected))
    table.add_row("total by the answers", dollars(outcome.total))
    console = _console()
    console.print(table)
    if outcome.invoices:
        rates = f"{outcome.invoices / seconds:,.0f} invoices/s, {outcome.lines / seconds:,.0f} lines/s"
        print(f"{outcome.invoices:,} invoices in {seconds:.1f} s, {rates}", file=sys.stderr)
    if outcome.differences:
        console.print(_differences(outcome.differences))
    return FINE if not outcome.differences and is_same(expected, outcome.total) else FINDINGS


def _differences(differences: list[Difference]) -> Table:
    shown = differences[:MOST_DIFFERENCES]
    table = Table(title="Totals that differ, in cents", title_justify="left", box=SIMPLE_HEAD, width=WIDTH)
    for heading in ("invoice", "id"):
        table.add_column(heading, overflow="fold")
    for heading in ("expected", "got"):
        table.add_column(heading, justify="right", overflow="fold")
    for one in shown:
        table.add_row(one.invoice, plain(one.invoice_id), f"{one.expected:f}", f"{one.got:f}")
    if len(differences) > len(shown):
        table.caption = f"and {len(differences) - len(shown):,} more"
    return table


def _console() -> Console:
    return Console(width=WIDTH, highlight=False, markup=False, emoji=False)


def dollars(cents: Decimal) -> str:
    """Return cents as dollars, to the cent."""
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.2f}"
