"""``python -m bench``: measure, print, save. Tables go to stdout, talk goes to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from bench import cases, report
from bench.generator import measure_generator
from bench.servers import CORES, mocks, take_second_core


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Less than a minute, for a first impression.")
@click.option("--only-compare", is_flag=True, help="Leave out what only the sandbox is asked.")
@click.option(
    "--document",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="OpenAPI document for prism and steady, where they are installed. Left out without one.",
)
def main(quick: bool, only_compare: bool, document: Path | None) -> None:
    """Compare the sandbox with bare ASGI and with stateless mocks, and hold it against its targets."""
    effort = cases.QUICK if quick else cases.FULL
    others = mocks(document) if document is not None else []

    def say(text: str) -> None:
        click.echo(text, err=True)

    if os.getloadavg()[0] > len(CORES) / 2:
        # Measured: each change of process empties caches, and what has more code and data fills more of them again.
        say("the machine is busy; the sandbox suffers more from that than bare ASGI does, so ratios come out low")
    take_second_core()
    with TemporaryDirectory() as folder:
        compared = cases.compare(effort, others, Path(folder), say)
        generator = None if only_compare else measure_generator(effort, Path(folder), say)
    sandbox = None if only_compare else cases.measure_sandbox(effort, say)
    figures = report.figures_of(compared, sandbox, generator)
    console = Console(width=report.WIDTH, highlight=False)
    report.print_report(console, compared, figures, effort)
    path = report.save(compared, sandbox, generator, figures, effort)
    say(f"every single figure: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    sys.exit(main(prog_name="python -m bench"))
