"""The verb that brings old invoices in: import."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from metronome_sandbox.cli.parts import BASE_URL, FILE, TOKEN, extra


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--mapping", "mapping_file", metavar="FILE", type=FILE, required=True, help="What the columns mean, in YAML."
)
@BASE_URL
@TOKEN
@click.option(
    "--work-dir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the work in hand is kept. A temporary folder, unless given.",
)
def import_(file: Path, mapping_file: Path, base_url: str, token: str, work_dir: Path | None) -> None:
    """Read legacy invoices from FILE: CSV, NDJSON, Parquet, or an invoice export of Stripe in JSON.

    Exit status: 0 when all is well, 1 with findings, 2 when something could not be read or asked.
    """
    with extra("import"):
        from metronome_sandbox.importer import command
    sys.exit(command.run(file, mapping_file, base_url, token, work_dir=work_dir))


VERBS = (import_,)
