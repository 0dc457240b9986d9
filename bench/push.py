"""``python -m bench.push``: a thousand customers of each profile into a sandbox, with equal totals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.report import WIDTH
from bench.servers import SANDBOX, running, take_second_core
from metronome_sandbox.cli.generating import PROFILES


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--customers", default=1000, show_default=True, type=click.IntRange(1), help="Of each profile.")
@click.option("--months", default=12, show_default=True, type=click.IntRange(1), help="Of each customer.")
@click.option("--profile", "profiles", multiple=True, type=click.Choice(PROFILES), help="Only this one.")
def main(customers: int, months: int, profiles: tuple[str, ...]) -> None:
    """Push generated worlds into sandboxes that are started for it; exit status 1 means that a total differs."""
    take_second_core()
    title = f"{customers:,} customers, {months} months, pushed into a sandbox"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, width=WIDTH)
    table.add_column("profile")
    for heading in ("invoices", "lines", "seconds", "lines/s", "server MB", "totals"):
        table.add_column(heading, justify="right")
    is_fine = True
    for profile in profiles or PROFILES:
        with TemporaryDirectory() as folder, running(SANDBOX) as (server, _):
            out = Path(folder) / "world"
            command = [sys.executable, "-m", "metronome_sandbox", "generate", "--profile", profile, "--out", str(out)]
            command += ["--customers", str(customers), "--months", str(months)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            began = perf_counter()
            pushed = subprocess.run(
                [*command, "--push", f"http://127.0.0.1:{server.port}", "--token", profile],
                stdout=subprocess.PIPE,
                encoding="utf-8",
                check=False,
            )
            seconds = perf_counter() - began
            if pushed.returncode:
                is_fine = False
                click.echo(pushed.stdout)
            counts = json.loads((out / "manifest.json").read_bytes())["counts"]
            table.add_row(
                profile,
                f"{counts['invoices']:,}",
                f"{counts['lines']:,}",
                f"{seconds:,.0f}",
                f"{counts['lines'] / seconds:,.0f}",
                f"{server.megabytes:,.0f}",
                "differ" if pushed.returncode else "equal",
            )
    Console(width=WIDTH, highlight=False).print(table)
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main(prog_name="python -m bench.push")
