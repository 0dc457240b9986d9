"""The verb that brings old invoices in: import."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from metronome_sandbox.cli.parts import BASE_URL, CONTROL_TOKEN, FILE, TOKEN, extra, stoppable


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--mapping", "mapping_file", metavar="FILE", type=FILE, help="What the columns mean, in YAML.")
@click.option("--init", "is_init", is_flag=True, help="Print a mapping for FILE, with a reason beside each guess.")
@BASE_URL
@TOKEN
@CONTROL_TOKEN
@click.option(
    "--tolerance",
    default="0.01",
    show_default=True,
    metavar="AMOUNT",
    help="How far a line or a total may be off, in the currency's unit: dollars for USD.",
)
@click.option("--html", metavar="FILE", type=FILE, help="Write what differs, and why, as one page.")
@click.option("--csv", metavar="FILE", type=FILE, help="Write each figure that differs as a row.")
@click.option("--json", metavar="FILE", type=FILE, help="Write all that was found.")
@click.option("--apply", "is_apply", is_flag=True, help="Import what reconciled, and read it back.")
@click.option("--accept-differences", is_flag=True, help="Import what is out of tolerance as well.")
@click.option(
    "--journal",
    metavar="FILE",
    type=FILE,
    help="What an import did so far, so that it can go on. FILE.import-journal beside the old invoices, unless given.",
)
@click.option(
    "--concurrency",
    default=4,
    show_default=True,
    metavar="CALLS",
    type=click.IntRange(1, 64),
    help="Calls at the same time, each for another customer.",
)
@click.option(
    "--batch-size",
    default=25,
    show_default=True,
    metavar="INVOICES",
    type=click.IntRange(1, 1000),
    help="Invoices of one customer that are sent together.",
)
@click.option("--yes-write-to", metavar="HOST", help="Import into this host although it is no sandbox on this machine.")
@click.option(
    "--work-dir",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the work in hand of one import is kept. A temporary folder, unless given.",
)
def import_(
    file: Path,
    mapping_file: Path | None,
    is_init: bool,
    base_url: str,
    token: str,
    control_token: str | None,
    tolerance: str,
    html: Path | None,
    csv: Path | None,
    json: Path | None,
    is_apply: bool,
    accept_differences: bool,
    journal: Path | None,
    concurrency: int,
    batch_size: int,
    yes_write_to: str | None,
    work_dir: Path | None,
) -> None:
    """Bring legacy invoices in from FILE: CSV, NDJSON, Parquet, or an invoice export of Stripe in JSON.

    They are read, previewed on the target and held to their old totals; with --apply, those that reconcile are
    imported. An import that was stopped goes on when the same command is given again.

    Exit status: 0 when all is well, 1 with findings, 2 when something could not be read or asked,
    130 when Ctrl-C stopped it.
    """
    if is_init and mapping_file is not None:
        raise click.UsageError("--init proposes a mapping and --mapping names one; choose one")
    if is_init and is_apply:
        raise click.UsageError("--init only proposes a mapping, and --apply imports by one; choose one")
    if not is_init and mapping_file is None:
        raise click.UsageError("give --mapping FILE, or --init to have one proposed")
    if not is_apply and (accept_differences or journal is not None or yes_write_to is not None):
        raise click.UsageError("--accept-differences, --journal and --yes-write-to are for --apply")
    allowed = _amount(tolerance)
    with stoppable("stopped; nothing was sent"):  # once it sends something, it tells itself
        with extra("import"):
            from metronome_sandbox.importer import command
            from metronome_sandbox.importer.applying import Choice
        if mapping_file is None:
            sys.exit(command.propose(file, base_url, token))
        choice = Choice(journal, accept_differences, batch_size, yes_write_to) if is_apply else None
        status = command.run(
            file,
            mapping_file,
            base_url,
            token,
            control_token=control_token,
            work_dir=work_dir,
            tolerance=allowed,
            concurrency=concurrency,
            choice=choice,
            reports={"html": html, "csv": csv, "json": json},
        )
    sys.exit(status)


def _amount(text: str) -> Decimal:
    """Return an amount of money that is not negative."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise click.UsageError(f"--tolerance: {text!r} is no amount such as 0.01")
    return amount


VERBS = (import_,)
