"""The verb ``generate``: billing histories from a seed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from metronome_sandbox.cli.parts import CONTROL_TOKEN, TOKEN, extra, stoppable

PROFILES = ("ai-api", "infrastructure", "saas-seats")
MOST_MONTHS = 240


@click.command()
@click.option("--profile", required=True, type=click.Choice(PROFILES), help="What kind of company bills.")
@click.option(
    "--customers", required=True, metavar="COUNT", type=click.IntRange(1, 10_000_000), help="How many it has."
)
@click.option(
    "--months", default=24, show_default=True, type=click.IntRange(1, MOST_MONTHS), help="How many are billed."
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    metavar="NUMBER",
    type=click.IntRange(0, 2**63 - 1),
    help="The same one gives the same bytes.",
)
@click.option("--start", default="2023-01", show_default=True, metavar="YYYY-MM", help="The first month.")
@click.option(
    "--format",
    "format",
    default="ndjson",
    show_default=True,
    type=click.Choice(["ndjson", "csv", "parquet"]),
    help="ndjson has the requests of the API, csv and parquet have tables.",
)
@click.option(
    "--granularity",
    default="day",
    show_default=True,
    type=click.Choice(["day", "hour"]),
    help="What a subtotal is the quantity of. Nothing else differs.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for the files. What is complete in it is not made again.",
)
@click.option("--shard", default="1/1", metavar="N/OF", help="Make every OF-th part only; all shards make one world.")
@click.option("--report", "reports", is_flag=True, help="Tell how real the world looks, and draw it.")
@click.option("--legacy", is_flag=True, help="Also write the rows that an old billing system would export.")
@click.option("--plant", is_flag=True, help="With --legacy: plant differences of each kind into a few of its invoices.")
@click.option("--push", metavar="URL", help="Then load all of it into this sandbox or API.")
@TOKEN
@CONTROL_TOKEN
@click.option(
    "--without-invoices",
    is_flag=True,
    help="With --push: load catalog, customers and contracts only, for an import to bring the invoices.",
)
@click.option("--yes-write-to", metavar="HOST", help="Push to this host although it is not this machine.")
def generate(
    profile: str,
    customers: int,
    months: int,
    seed: int,
    start: str,
    format: str,
    granularity: str,
    out: Path,
    shard: str,
    reports: bool,
    legacy: bool,
    plant: bool,
    push: str | None,
    token: str,
    control_token: str | None,
    without_invoices: bool,
    yes_write_to: str | None,
) -> None:
    """Make years of contracts and invoices of companies that never were, from one seed.

    Exit status 1 means that what was pushed came to another total than it should, 130 that Ctrl-C stopped it.
    """
    if plant and not legacy:
        raise click.UsageError("--plant plants into what --legacy writes; give both")
    if without_invoices and push is None:
        raise click.UsageError("--without-invoices says what --push loads; give both")
    with stoppable("stopped; what is complete stays, and the same command goes on from there"):
        with extra("generate"):  # which takes a second
            from metronome_sandbox.generator import command
            from metronome_sandbox.generator.push import Target
        target = None if push is None else Target(push, token, control_token, yes_write_to, without_invoices)
        status = command.run(
            profile=profile,
            customers=customers,
            months=months,
            seed=seed,
            start=start,
            format=format,
            granularity=granularity,
            out=out,
            shard=shard,
            legacy=legacy,
            plants=plant,
            target=target,
            reports=reports,
        )
    sys.exit(status)


VERBS = (generate,)
