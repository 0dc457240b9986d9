"""Figures beside what they should be, as tables for people and as JSON for comparing runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.cases import CASES, Compared, Effort, Sandbox
from bench.generator import Generator
from bench.load import CONNECTIONS, GENERATOR
from bench.servers import IS_PINNED
from metronome_sandbox import __version__

WIDTH = 80
RESULTS = Path(__file__).with_name("results")
BARE, OURS = "bare ASGI", "sandbox"

OF_BARE = {"import": 0.35, "get": 0.6}
"""What bare ASGI answers is 1."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    Attributes:
        target: None where there is none.
        at_least: Whether more is better.
    """

    what: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def is_short(self) -> bool:
        """Whether the target was missed."""
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target


def figures_of(compared: Mapping[str, Compared], sandbox: Sandbox | None, generator: Generator | None) -> list[Figure]:
    """Return what has a target or should be watched."""
    ours = compared[OURS]
    found: list[Figure] = []
    for case, target in OF_BARE.items():
        part = of_bare_cpu(compared, OURS, case)
        found.append(Figure(f"{CASES[case]}: CPU time, bare ASGI is 1", part, "", target, at_least=True))
    if sandbox is not None:
        for lines, rates in sandbox.batches.items():
            what = f"lines in a CPU second, 1,000 invoices of {lines}"
            found.append(Figure(what, median([cpu for _, cpu in rates]), "", 30_000, at_least=True))
    # Starting is the same work each time, and neighbours only ever make it longer: the best is the truest.
    found.append(Figure("start to health, best", min(start.health for start in ours.starts), "s", 0.6))
    found.append(Figure("start to billing call, best", min(start.billing_call for start in ours.starts), "s", 0.6))
    if sandbox is None:
        return found
    found.append(Figure("first call of a new token, on top", median(sandbox.first_call_ms), "ms", 1))
    found.append(Figure("a new world, in-process", median(sandbox.new_world_ms), "ms", 1))
    found.append(Figure("pytest fixture, with a call", median(sandbox.fixture_ms), "ms", 5))
    found.append(Figure("import of the pytest plugin, best", min(sandbox.plugin_import_ms), "ms", 50))
    pages = {name: median(figures) for name, figures in sandbox.page_ms.items()}
    found += (Figure(f"page of 100, {name}: CPU time", cost, "ms") for name, cost in pages.items())
    found.append(Figure("dearest page : cheapest page", max(pages.values()) / min(pages.values()), "", 1.3))
    for change, costs in sandbox.draft_ms.items():
        found.append(Figure(f"draft of a large contract, {change}: CPU", median(costs), "ms"))
    found.append(Figure("memory for each stored invoice", sandbox.bytes_an_invoice / 1e3, "kB", 3))
    return found if generator is None else [*found, *_generating(generator)]


def _generating(generator: Generator) -> Iterator[Figure]:
    """Yield what ``generate`` is held to. A run is the same work each time, so the best is the truest."""
    for profile, rates in generator.lines.items():
        yield Figure(f"lines generated in a CPU second, {profile}", max(rates), "", 50_000, at_least=True)
    (few, little), (many, much) = sorted(generator.megabytes.items())
    yield Figure(f"memory of generating {many:,} customers", much, "MB")
    yield Figure(f"the same for {many:,} and {few:,} customers", much / little, "times", 1.1)


def of_bare(compared: Mapping[str, Compared], name: str, case: str) -> float:
    """Return how much of bare ASGI's rate a server reaches: the median over the rounds, each with its own ratio."""
    pairs = zip(compared[name].turns[case], compared[BARE].turns[case], strict=True)
    return median([turn.load.rate / ceiling.load.rate for turn, ceiling in pairs])


def best_cpu_us(compared: Mapping[str, Compared], name: str, case: str) -> float:
    """Return microseconds of CPU time for a request in the round that neighbours disturbed least."""
    return min(turn.cpu_us for turn in compared[name].turns[case])


def of_bare_cpu(compared: Mapping[str, Compared], name: str, case: str) -> float:
    """Return what :func:`of_bare` comes to on a machine without neighbours."""
    return best_cpu_us(compared, BARE, case) / best_cpu_us(compared, name, case)


def print_report(console: Console, compared: Mapping[str, Compared], figures: list[Figure], effort: Effort) -> None:
    """Print the tables."""
    cores = "the servers on one core, the load on another" if IS_PINNED else "servers and load share the only core"
    turns = f"{effort.rounds} rounds of {effort.seconds} s in turns"
    console.print(
        f"{GENERATOR}, {CONNECTIONS} connections, {turns}; {cores}. Rates and latencies are medians. "
        "Neighbours on the machine eat into them, so the server's CPU time for a request is there too, of the best "
        "round; targets are held against that."
    )
    console.print()
    console.print(_requests(compared))
    for refusal in _refusals(compared):
        console.print(refusal)
    console.print(_servers(compared))
    console.print(_figures(figures))


def _requests(compared: Mapping[str, Compared]) -> Table:
    table = _table("Requests", ("server",), ("requests/s", "p50 ms", "p99 ms", "of bare", "CPU µs", "of bare"))
    for case, title in CASES.items():
        table.add_row(f"[bold]{title}")
        for name, measured in compared.items():
            turns = measured.turns[case]
            table.add_row(
                f"  {name}",
                f"{median([turn.load.rate for turn in turns]):,.0f}",
                f"{median([turn.load.p50 for turn in turns]):.2f}",
                f"{median([turn.load.p99 for turn in turns]):.2f}",
                f"{of_bare(compared, name, case):.3f}",
                f"{best_cpu_us(compared, name, case):,.0f}",
                f"{of_bare_cpu(compared, name, case):.3f}",
            )
        table.add_section()
    return table


def _refusals(compared: Mapping[str, Compared]) -> Iterator[str]:
    for name, measured in compared.items():
        for case, turns in measured.turns.items():
            refused, asked = sum(turn.load.refused for turn in turns), sum(turn.load.requests for turn in turns)
            if refused:
                yield f"{name} answered {refused:,} of {asked:,} requests with an error: {CASES[case]}."


def _servers(compared: Mapping[str, Compared]) -> Table:
    table = _table("Starting", ("server",), ("health s", "billing call s", "memory MB"))
    for name, measured in compared.items():
        starts = measured.starts
        table.add_row(
            name,
            f"{median([start.health for start in starts]):.2f}",
            f"{median([start.billing_call for start in starts]):.2f}",
            f"{median([start.megabytes for start in starts]):.0f}",
        )
    return table


def _figures(figures: list[Figure]) -> Table:
    table = _table("Targets", ("the sandbox",), ("measured", "target", ""))
    for figure in figures:
        target = "" if figure.target is None else f"{'≥' if figure.at_least else '≤'} {_number(figure.target)}"
        verdict = "" if figure.target is None else "short" if figure.is_short else "met"
        table.add_row(figure.what, f"{_number(figure.value)} {figure.unit}".rstrip(), target, verdict)
    return table


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", width=WIDTH, box=SIMPLE_HEAD)
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def save(
    compared: Mapping[str, Compared],
    sandbox: Sandbox | None,
    generator: Generator | None,
    figures: list[Figure],
    effort: Effort,
) -> Path:
    """Write every single measurement as JSON and return the file."""
    now = datetime.now(UTC)
    content = {
        "taken_at": now,
        "version": __version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "generator": GENERATOR,
        "effort": asdict(effort),
        "compared": {name: asdict(measured) for name, measured in compared.items()},
        "sandbox": None if sandbox is None else asdict(sandbox),
        "generating": None if generator is None else asdict(generator),
        "figures": [{**asdict(figure), "is_short": figure.is_short} for figure in figures],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
    return path
