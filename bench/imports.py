"""``python -m bench.imports``: a legacy file of a million lines into a sandbox, with flat memory and equal totals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click

from bench.servers import SANDBOX, running, take_second_core

CUSTOMERS, MONTHS = 6_000, 24
"""Of ``infrastructure``: about a million lines."""

TOKEN = "import"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--customers", default=CUSTOMERS, show_default=True, type=click.IntRange(1))
@click.option("--months", default=MONTHS, show_default=True, type=click.IntRange(1), help="Of each customer.")
def main(customers: int, months: int) -> None:
    """Generate old invoices, import them into a sandbox that is started for it, and tell time and memory.

    Exit status 1 means that a total differs, or that something is not there in the end.
    """
    take_second_core()
    command = [sys.executable, "-m", "metronome_sandbox"]
    with TemporaryDirectory() as folder, running(SANDBOX) as (server, _):
        world = Path(folder) / "world"
        to_server = [f"http://127.0.0.1:{server.port}", "--token", TOKEN]
        size = ["--profile", "infrastructure", "--customers", str(customers), "--months", str(months)]
        generate = [*command, "generate", *size, "--out", str(world), "--legacy", "--without-invoices", "--push"]
        subprocess.run([*generate, *to_server], check=True, stdout=subprocess.DEVNULL)
        legacy = world / "legacy"
        lines = sum(1 for _ in (legacy / "legacy.csv").open("rb")) - 1
        files = [str(legacy / "legacy.csv"), "--mapping", str(legacy / "mapping.yaml")]
        began = perf_counter()
        process = subprocess.Popen([*command, "import", *files, "--base-url", *to_server, "--apply"])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = perf_counter() - began
        rate = f"{lines:,} lines imported and read back in {seconds:,.0f} s, {lines / seconds:,.0f} lines/s"
        click.echo(f"{rate}; {usage.ru_maxrss / 1024:,.0f} MiB at most, the server {server.megabytes:,.0f} MB")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main(prog_name="python -m bench.imports")
