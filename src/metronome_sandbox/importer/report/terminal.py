"""What a reconciliation found, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from sqlite3 import Row

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.figures import number
from metronome_sandbox.importer.reconcile import Reconciliation, State
from metronome_sandbox.importer.report.words import (
    count_of,
    lines_of,
    money_of,
    period_of,
    place_of,
    subject_of,
    verdict,
)

WIDTH = 80
"""Of what is not printed to a terminal, which knows its own."""

MOST_SHOWN = 20
MOST_CAUSES = 10


def show(found: Reconciliation) -> None:
    """Tell a person on stdout how previews and old invoices stand to each other, plainly where that is no terminal."""
    if sys.stdout.isatty():
        show_at(found, Console(highlight=False))
        return
    console = Console(file=StringIO(), highlight=False, width=WIDTH)
    with console.capture() as shown:
        show_at(found, console)
    for line in shown.get().splitlines():
        print(line.rstrip())


def show_at(found: Reconciliation, console: Console) -> None:
    """Print the same to a console."""
    console.print()
    console.print(_invoices_table(found))
    sums, kinds, refused = found.sums(), found.kinds(), found.counts[State.REFUSED]
    if sums:
        console.print()
        console.print(_sums_table(sums))
    if kinds:
        console.print()
        console.print(_kinds_table(kinds))
    causes = found.causes(MOST_CAUSES)
    if causes:
        _heading(console, "What differs, and why")
        for cause in causes:
            _show_cause(cause, console)
        _rest(console, found.causes_count() - len(causes), "cause")
        _heading(console, "By customer, period and product")
        console.print(_differences_table(found.differences(only_out=True, most=MOST_SHOWN)))
        _rest(console, found.count_out() - MOST_SHOWN, "figure")
    if refused:
        _heading(console, "Refused by the API")
        for row in found.invoices(State.REFUSED, MOST_SHOWN):
            rows = f", {lines_of(row)}" if lines_of(row) else ""
            console.print(Text(plain(f"{row['customer']}, invoice {row['number']}{rows}"), style="bold"))
            console.print(Padding(Text(plain(row["note"] or "")), (0, 0, 0, 3)))
        _rest(console, refused - MOST_SHOWN, "invoice")
    console.print()
    console.print(Text(verdict(found), style="bold red" if found.has_findings else "bold green"))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def _rest(console: Console, many: int, what: str) -> None:
    if many > 0:
        console.print(f"and {count_of(many, f'more {what}')}; --html, --csv and --json have them")


def _table(*headings: tuple[str, bool]) -> Table:
    """Return a table; each heading says whether what is below it are figures."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, is_figure in headings:
        table.add_column(heading, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure)
    return table


def _invoices_table(found: Reconciliation) -> Table:
    table = _table((f"Invoices (tolerance {number(found.tolerance)})", False), ("", True))
    for state, many in found.counts.items():
        if many or state in (State.EQUAL, State.WITHIN, State.OUT):
            table.add_row(state.value, f"{many:,}", style="red" if state in (State.OUT, State.REFUSED) and many else "")
    return table


def _sums_table(sums: Iterable[Row]) -> Table:
    table = _table(("Sums", False), ("Legacy", True), ("Preview", True), ("Difference", True))
    for row in sums:
        table.add_row(plain(row["currency"]), *(money_of(row, name) for name in ("legacy", "preview", "difference")))
    return table


def _kinds_table(kinds: Iterable[Row]) -> Table:
    table = _table(("Reason", False), ("Invoices", True), ("Figures", True), ("Difference", True), ("", False))
    for row in kinds:
        figures = f"{row['invoices']:,}", f"{row['differences']:,}", money_of(row, "difference")
        table.add_row(row["kind"], *figures, plain(row["currency"]))
    return table


def _show_cause(cause: Row, console: Console) -> None:
    console.print(Text(plain(place_of(cause)), style="bold"))
    lines = count_of(cause["lines"], "figure") + f" on {count_of(cause['invoices'], 'invoice')}"
    amount = f"{money_of(cause, 'difference')} {cause['currency']}"
    for text in (f"{cause['kind']}: {cause['cause']}", f"{lines}, {amount}; {cause['evidence']}"):
        console.print(Padding(Text(plain(text)), (0, 0, 0, 3)))


def _differences_table(rows: Iterable[Row]) -> Table:
    table = _table(
        ("Customer", False),
        ("Period", False),
        ("Product", False),
        ("Legacy", True),
        ("Preview", True),
        ("Reason", False),
    )
    known = None
    for row in rows:
        customer = row["customer"] if row["customer_id"] != known else ""
        known = row["customer_id"]
        table.add_row(
            Text(plain(customer)),
            period_of(row["period_start"], row["period_end"]),
            Text(plain(subject_of(row))),
            money_of(row, "legacy"),
            money_of(row, "preview"),
            row["kind"],
        )
    return table
