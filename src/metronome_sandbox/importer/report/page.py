"""What a reconciliation found, as one page for a browser."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from sqlite3 import Row
from typing import IO

from metronome_sandbox import __version__
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.figures import number
from metronome_sandbox.importer.reconcile import Reconciliation, State
from metronome_sandbox.importer.report.words import (
    count_of,
    lines_of,
    money_of,
    number_of,
    period_of,
    place_of,
    subject_of,
    verdict,
)

MOST_ON_A_PAGE = 2000

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #b00020; --good: #1b6e35; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .93em; }
td, th { border-bottom: 1px solid var(--line); padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { overflow-wrap: anywhere; } .p { white-space: nowrap; }
.bad { color: var(--bad); } .good { color: var(--good); } small { opacity: .75; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; list-style: none; }
.tiles li { background: var(--soft); border-radius: .5rem; padding: .6rem 1rem; min-width: 7rem; }
.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7bd88f; } }
"""


def write_html(found: Reconciliation, out: IO[str]) -> None:
    """Write one page that needs no network."""
    style = "bad" if found.has_findings else "good"
    out.write(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>Reconciliation: {_html(verdict(found))}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>Old invoices and their previews: "
        f'<span class="{style}">{_html(verdict(found))}</span></h1>\n'
        f"<p>metronome-sandbox {_html(__version__)}. A difference is preview less legacy; tolerance "
        f"{number(found.tolerance)} in the currency's unit, for a total and for a line.</p>\n"
    )
    tiles = (
        f'<li><b class="{_tile_style(state, many)}">{many:,}</b>{state.value}</li>'
        for state, many in found.counts.items()
    )
    out.write(f'<ul class="tiles">{"".join(tiles)}</ul>\n')
    _section(
        out,
        "Sums of what was compared",
        ("Currency", "#Invoices", "#Legacy", "#Preview", "#Difference"),
        (
            (
                row["currency"],
                f"{row['invoices']:,}",
                *(money_of(row, name) for name in ("legacy", "preview", "difference")),
            )
            for row in found.sums()
        ),
    )
    _section(
        out,
        "By reason",
        ("Reason", "#Invoices", "#Figures", "#Out of tolerance", "#Difference", "Currency"),
        (
            (
                row["kind"],
                f"{row['invoices']:,}",
                f"{row['differences']:,}",
                f"{row['out']:,}",
                money_of(row, "difference"),
                row["currency"],
            )
            for row in found.kinds()
        ),
    )
    _section(
        out,
        "What differs, and why",
        ("Where", "Likely reason", "#Invoices", "#Figures", "#Difference", "For example"),
        (
            (
                place_of(row),
                f"{row['kind']}: {row['cause']}",
                f"{row['invoices']:,}",
                f"{row['lines']:,}",
                f"{money_of(row, 'difference')} {row['currency']}",
                row["evidence"],
            )
            for row in found.causes(MOST_ON_A_PAGE)
        ),
    )
    _section(
        out,
        "Refused by the API",
        ("Customer", "Invoice", "~Period", "~In the file", "What it says"),
        (
            (
                row["customer"],
                row["number"],
                period_of(row["starting_at"], row["ending_before"]),
                lines_of(row),
                row["note"],
            )
            for row in found.invoices(State.REFUSED, MOST_ON_A_PAGE)
        ),
    )
    _section(
        out,
        "By customer, period and product",
        (
            "Customer",
            "Invoice",
            "~Period",
            "Product",
            "#Quantity",
            "#Legacy",
            "#Preview",
            "#Difference",
            "Likely reason",
        ),
        (_page_row(row) for row in found.differences(only_out=True, most=MOST_ON_A_PAGE)),
    )
    for many, what in ((found.counts[State.REFUSED], "refused invoice"), (found.count_out(), "figure")):
        if many > MOST_ON_A_PAGE:
            rest = count_of(many - MOST_ON_A_PAGE, f"more {what}")
            out.write(f"<p>And {rest}, which the CSV and JSON files have.</p>\n")
    out.write("</body></html>\n")


def _tile_style(state: State, many: int) -> str:
    if many and state in (State.OUT, State.REFUSED):
        return "bad"
    return "good" if many and state is State.EQUAL else ""


def _page_row(row: Row) -> tuple[str, ...]:
    quantity = number_of(row, "quantity")
    return (
        row["customer"],
        f"{row['number']}\n{lines_of(row)}",
        period_of(row["period_start"], row["period_end"]),
        subject_of(row),
        "" if quantity is None else number(quantity),
        money_of(row, "legacy"),
        money_of(row, "preview"),
        money_of(row, "difference"),
        f"{row['kind']}: {row['cause']}\n{row['evidence']}",
    )


def _section(out: IO[str], heading: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table under a heading; nothing where there are no rows.

    Args:
        columns: Their names; ``#`` before one says that it has figures, ``~`` that it must not be broken.
    """
    styles = [{"#": "n", "~": "p"}.get(column[0], "t") for column in columns]
    cells = "".join(
        f'<th class="{style}">{_html(column.lstrip("#~"))}</th>' for style, column in zip(styles, columns, strict=True)
    )
    is_open = False
    for row in rows:
        if not is_open:
            out.write(f"<h2>{_html(heading)}</h2>\n<table><thead><tr>{cells}</tr></thead><tbody>\n")
            is_open = True
        filled = (f'<td class="{style}">{_cell_html(value)}</td>' for style, value in zip(styles, row, strict=True))
        out.write(f"<tr>{''.join(filled)}</tr>\n")
    if is_open:
        out.write("</tbody></table>\n")


def _cell_html(value: str) -> str:
    """Return a cell; what stands on lines below the first is small."""
    first, *more = (_html(line) for line in (value or "").split("\n"))
    return first + "".join(f"<br><small>{line}</small>" for line in more if line)


def _html(text: str) -> str:
    return escape(plain(text))
