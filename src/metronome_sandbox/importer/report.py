"""What a reconciliation found, for a person at a terminal or in a browser, for a spreadsheet and for another program.

Amounts are in the currency's unit here, dollars for USD, as ``--tolerance`` is; a difference is preview less legacy.
Names come out of somebody's file: they are printed without what steers a terminal, escaped in HTML, and in CSV a cell
that a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from io import StringIO
from pathlib import Path
from sqlite3 import Row
from typing import IO, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from metronome_sandbox import __version__
from metronome_sandbox.client.asking import encode
from metronome_sandbox.client.terminal import plain
from metronome_sandbox.importer.comparison import Currency
from metronome_sandbox.importer.figures import bare_money, number, period
from metronome_sandbox.importer.reconcile import Reconciliation, State

FORMAT = "metronome-sandbox reconciliation 1"
WIDTH = 80
"""Of what is not printed to a terminal, which knows its own."""

MOST_SHOWN = 20
MOST_CAUSES = 10
MOST_ON_A_PAGE = 2000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


# The figures of a row -------------------------------------------------------------------------------------------------


def _currency(row: Row) -> Currency:
    return Currency("", row["currency"], Decimal(row["per_unit"]), Decimal(row["coin"]))


def _money(row: Row, column: str) -> str:
    """Return an amount of a row for people, to the coin unless the row differs by less; nothing where there is none."""
    if row[column] is None:
        return ""
    currency = _currency(row)
    is_fine = abs(Decimal(row["difference"])) < currency.coin
    return bare_money(Decimal(row[column]), currency, *(() if is_fine else (2,)))


def _units(row: Row, column: str) -> Decimal | None:
    """Return an amount of a row in the currency's unit; None where there is none."""
    return None if row[column] is None else _short(Decimal(row[column]) / Decimal(row["per_unit"]))


def _number(row: Row, column: str) -> Decimal | None:
    return None if row[column] is None else _short(Decimal(row[column]))


def _short(value: Decimal) -> Decimal:
    """Return a number without zeros at its end and without an exponent."""
    return Decimal(f"{value.normalize():f}")


def _period(start: str, end: str) -> str:
    return period(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _what(row: Row) -> str:
    """Return what a difference is about."""
    if row["scope"] == "line" or row["product"] is not None:
        return f"{row['product']} ({row['groups']})" if row["groups"] else str(row["product"])
    if row["scope"] == "small":
        return "(small differences)"
    by_lines = Decimal(row["preview"]) - Decimal(row["legacy"]) - Decimal(row["difference"])
    return "(total)" if abs(by_lines) < Decimal(row["coin"]) else "(rest of the total)"


def _rows(row: Row) -> str:
    """Return the lines of the file, as ``lines 4-6``."""
    first, last = row["first_row"], row["last_row"]
    if first is None:
        return ""
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _where(cause: Row) -> str:
    """Return whom a cause meets, on what, and when."""
    who = cause["customer"] if cause["customers"] == 1 else _count(cause["customers"], "customer")
    what = "" if cause["product"] is None else f", {cause['product']}"
    return f"{who}{what}, {_period(cause['starting_at'], cause['ending_before'])}"


def _count(many: int, what: str) -> str:
    return f"{many:,} {what if many == 1 else what + 's'}"


def verdict(found: Reconciliation) -> str:
    """Return the outcome in one sentence."""
    counts = found.counts
    compared = counts[State.EQUAL] + counts[State.WITHIN] + counts[State.OUT]
    sentence = f"{counts[State.OUT]:,} of {_count(compared, 'invoice')} out of tolerance"
    if counts[State.REFUSED]:
        sentence += f", {counts[State.REFUSED]:,} refused"
    if counts[State.NOTHING]:
        sentence += f", {counts[State.NOTHING]:,} with nothing to compare"
    return sentence


# The terminal --------------------------------------------------------------------------------------------------------


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
            rows = f", {_rows(row)}" if _rows(row) else ""
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
        console.print(f"and {_count(many, f'more {what}')}; --html, --csv and --json have them")


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
        table.add_row(plain(row["currency"]), *(_money(row, name) for name in ("legacy", "preview", "difference")))
    return table


def _kinds_table(kinds: Iterable[Row]) -> Table:
    table = _table(("Reason", False), ("Invoices", True), ("Figures", True), ("Difference", True), ("", False))
    for row in kinds:
        figures = f"{row['invoices']:,}", f"{row['differences']:,}", _money(row, "difference")
        table.add_row(row["kind"], *figures, plain(row["currency"]))
    return table


def _show_cause(cause: Row, console: Console) -> None:
    console.print(Text(plain(_where(cause)), style="bold"))
    lines = _count(cause["lines"], "figure") + f" on {_count(cause['invoices'], 'invoice')}"
    amount = f"{_money(cause, 'difference')} {cause['currency']}"
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
            _period(row["period_start"], row["period_end"]),
            Text(plain(_what(row))),
            _money(row, "legacy"),
            _money(row, "preview"),
            row["kind"],
        )
    return table


# Files ---------------------------------------------------------------------------------------------------------------


@contextmanager
def aside(file: Path) -> Iterator[IO[str]]:
    """Yield a text file that takes its name only when all of it is written."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_csv(found: Reconciliation, out: IO[str]) -> None:
    """Write a row for each figure that differs and each invoice that was refused."""
    writer = csv.writer(out)
    writer.writerow([*COLUMNS])
    for row in found.differences():
        writer.writerow(_cell(value) for value in _flat(row).values())
    for row in found.invoices(State.REFUSED):
        writer.writerow(_cell(value) for value in _refused_flat(row).values())


def _cell(value: Any) -> str:
    """Return a cell: numbers as they are, texts so that no spreadsheet takes them for a formula."""
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


COLUMNS = (
    "state",
    "customer",
    "customer_id",
    "contract_id",
    "invoice",
    "period_start",
    "period_end",
    "scope",
    "product",
    "product_id",
    "groups",
    "window_start",
    "window_end",
    "first_line",
    "last_line",
    "quantity",
    "legacy_price",
    "preview_price",
    "legacy",
    "preview",
    "difference",
    "currency",
    "reason",
    "cause",
    "evidence",
)


def _flat(row: Row) -> dict[str, Any]:
    """Return a difference by column."""
    return dict(
        zip(
            COLUMNS,
            (
                row["state"],
                row["customer"],
                row["customer_id"],
                row["contract_id"],
                row["number"],
                _time(row["period_start"]),
                _time(row["period_end"]),
                row["scope"],
                row["product"],
                row["product_id"],
                row["groups"],
                _time(row["starting_at"]),
                _time(row["ending_before"]),
                row["first_row"],
                row["last_row"],
                _number(row, "quantity"),
                _units(row, "legacy_price"),
                _units(row, "price"),
                _units(row, "legacy"),
                _units(row, "preview"),
                _units(row, "difference"),
                row["currency"],
                row["kind"],
                row["cause"],
                row["evidence"],
            ),
            strict=True,
        )
    )


def _refused_flat(row: Row) -> dict[str, Any]:
    known = {
        "state": row["state"],
        "customer": row["customer"],
        "customer_id": row["customer_id"],
        "contract_id": row["contract_id"],
        "invoice": row["number"],
        "period_start": _time(row["starting_at"]),
        "period_end": _time(row["ending_before"]),
        "first_line": row["first_row"],
        "last_line": row["last_row"],
        "evidence": row["note"],
    }
    return {column: known.get(column) for column in COLUMNS}


def _time(text: str | None) -> str | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_json(found: Reconciliation, out: IO[str]) -> None:
    """Write all results; the README says what stands where. Numbers have all their digits."""
    head = {
        "format": FORMAT,
        "version": __version__,
        "tolerance": found.tolerance,
        "invoices": {state.name.lower(): many for state, many in found.counts.items()},
        "sums": [
            {
                "currency": row["currency"],
                "invoices": row["invoices"],
                **{name: _units(row, name) for name in ("legacy", "preview", "difference")},
            }
            for row in found.sums()
        ],
        "reasons": [
            {
                "reason": row["kind"],
                "currency": row["currency"],
                "invoices": row["invoices"],
                "differences": row["differences"],
                "out_of_tolerance": row["out"],
                "difference": _units(row, "difference"),
            }
            for row in found.kinds()
        ],
    }
    out.write(_json(head)[:-1])
    _write_list(out, "causes", (_cause(row) for row in found.causes(-1)))
    _write_list(out, "differences", (_difference(found, row) for row in found.differences()))
    _write_list(out, "refused", (_refused(row) for row in found.invoices(State.REFUSED)))
    _write_list(out, "nothing_to_compare", (_named(row) for row in found.invoices(State.NOTHING)))
    out.write("\n}\n")


def _write_list(out: IO[str], name: str, items: Iterable[Mapping[str, Any]]) -> None:
    out.write(f',\n"{name}": [')
    for place, item in enumerate(items):
        out.write(("," if place else "") + "\n" + _json(item))
    out.write("]")


def _json(value: Any) -> str:
    return encode(value).decode()


def _cause(row: Row) -> dict[str, Any]:
    return {
        "reason": row["kind"],
        "cause": row["cause"],
        "customer": row["customer"] if row["customers"] == 1 else None,
        "customers": row["customers"],
        "product": row["product"],
        "invoices": row["invoices"],
        "differences": row["lines"],
        "first_period_start": _time(row["starting_at"]),
        "last_period_end": _time(row["ending_before"]),
        "difference": _units(row, "difference"),
        "currency": row["currency"],
        "example": row["evidence"],
    }


def _difference(found: Reconciliation, row: Row) -> dict[str, Any]:
    others = [{"reason": one["kind"], "cause": one["cause"], "evidence": one["evidence"]} for one in found.others(row)]
    return {**_flat(row), "also_possible": others}


def _named(row: Row) -> dict[str, Any]:
    kept = (
        "customer",
        "customer_id",
        "contract_id",
        "invoice",
        "period_start",
        "period_end",
        "first_line",
        "last_line",
    )
    flat = _refused_flat(row)
    return {name: flat[name] for name in kept}


def _refused(row: Row) -> dict[str, Any]:
    return {**_named(row), "message": row["note"]}


# One page ------------------------------------------------------------------------------------------------------------

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
                *(_money(row, name) for name in ("legacy", "preview", "difference")),
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
                _money(row, "difference"),
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
                _where(row),
                f"{row['kind']}: {row['cause']}",
                f"{row['invoices']:,}",
                f"{row['lines']:,}",
                f"{_money(row, 'difference')} {row['currency']}",
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
                _period(row["starting_at"], row["ending_before"]),
                _rows(row),
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
            rest = _count(many - MOST_ON_A_PAGE, f"more {what}")
            out.write(f"<p>And {rest}, which the CSV and JSON files have.</p>\n")
    out.write("</body></html>\n")


def _tile_style(state: State, many: int) -> str:
    if many and state in (State.OUT, State.REFUSED):
        return "bad"
    return "good" if many and state is State.EQUAL else ""


def _page_row(row: Row) -> tuple[str, ...]:
    quantity = _number(row, "quantity")
    return (
        row["customer"],
        f"{row['number']}\n{_rows(row)}",
        _period(row["period_start"], row["period_end"]),
        _what(row),
        "" if quantity is None else number(quantity),
        _money(row, "legacy"),
        _money(row, "preview"),
        _money(row, "difference"),
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


WRITERS: Mapping[str, Callable[[Reconciliation, IO[str]], None]] = {
    "html": write_html,
    "csv": write_csv,
    "json": write_json,
}
"""What can be written, by the name of its option."""


class CannotWrite(Exception):
    """A report has no place; the text is for the person who named it."""


def check_places(files: Mapping[str, Path | None], kept: Mapping[str, Path]) -> None:
    """Make sure that files can be written and that nothing is lost by it, before hours of work.

    Args:
        kept: Files that must stay as they are, by what they are called to a person.

    Raises:
        CannotWrite: There is no such folder, or one of the files is another file of this import.
    """
    taken = {file.resolve(): what for what, file in kept.items()}
    for kind, file in files.items():
        if file is None:
            continue
        if not file.parent.is_dir():
            raise CannotWrite(f"--{kind}: there is no folder {file.parent} for {file.name}")
        place = file.resolve()
        if place in taken:
            raise CannotWrite(f"--{kind}: {file} is {taken[place]}; name another file, this one would be replaced")
        taken[place] = f"the file of --{kind} as well"


def write(found: Reconciliation, files: Mapping[str, Path | None]) -> None:
    """Write the files that were asked for, each whole or not at all.

    Args:
        files: By the names of :data:`WRITERS`.

    Raises:
        CannotWrite: One cannot be written.
    """
    for kind, file in files.items():
        if file is None:
            continue
        try:
            with aside(file) as out:
                WRITERS[kind](found, out)
        except OSError as error:
            raise CannotWrite(f"--{kind}: cannot write {file}: {error.strerror}") from None
