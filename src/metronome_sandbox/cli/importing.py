"""The verb that brings old invoices in: import."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from metronome_sandbox.cli.parts import BASE_URL, FILE, TOKEN, extra


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--mapping", "mapping_file", metavar="FILE", type=FILE, help="What the columns mean, in YAML.")
@click.option("--init", "is_init", is_flag=True, help="Print a mapping for FILE, with a reason beside each guess.")
@BASE_URL
@TOKEN
@click.option(
    "--work-dir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the work in hand is kept. A temporary folder, unless given.",
)
def import_(
    file: Path, mapping_file: Path | None, is_init: bool, base_url: str, token: str, work_dir: Path | None
) -> None:
    """Read legacy invoices from FILE: CSV, NDJSON, Parquet, or an invoice export of Stripe in JSON.

    Exit status: 0 when all is well, 1 with findings, 2 when something could not be read or asked.
    """
    if is_init == (mapping_file is not None):
        raise click.UsageError("give --mapping FILE, or --init to have one proposed")
    with extra("import"):
        from metronome_sandbox.importer import command
    if mapping_file is None:
        sys.exit(command.propose(file, base_url, token))
    sys.exit(command.run(file, mapping_file, base_url, token, work_dir=work_dir))


VERBS = (import_,)
