"""What a reconciliation tells a person at a terminal, a browser, a spreadsheet and another program."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from importer.reconciling import Books
from rich.console import Console

from metronome_sandbox.importer.reconcile import Reconciliation
from metronome_sandbox.importer.report import WIDTH, CannotWrite, check_places, show, show_at, verdict, write
from metronome_sandbox.toolkit.sandboxes import Sandbox

EVIL = "=cmd|'/c calc'!A1 <script>alert(1)</script> \x1b[31m"


@pytest.fixture(scope="module")
def found(server) -> Iterator[Reconciliation]:
    """One invoice of each state, and a customer whose name is an attack."""
    with closing(Sandbox.of(server)) as sandbox, closing(Books(sandbox)) as books:
        calls, unpriced = books.product("Calls", 10), books.product("Unpriced")
        acme, evil = books.account(), books.account(EVIL)
        months = [(f"2024-0{month}-01", f"2024-0{month + 1}-01") for month in range(1, 6)]
        invoices = [
            books.invoice(acme, books.line(calls, 3000, 30_000, window=months[0]), number="A-1"),
            books.invoice(acme, books.line(calls, 3000, 30_001, window=months[1]), number="A-2"),
            books.invoice(acme, books.line(calls, 3000, 27_000, window=months[2]), number="A-3"),  # 90 %
            books.invoice(acme, books.line(calls, 3000, window=months[3]), number="A-4"),
            books.invoice(acme, books.line(unpriced, 1, 5, window=months[4]), number="A-5"),
            books.invoice(evil, books.line(calls, 3000, 25_500, window=months[0]), number="@SUM(1)"),  # 85 %
        ]
        with books.reconciled(*invoices) as found:
            yield found


@pytest.fixture
def written(found, tmp_path) -> Iterator[dict[str, str]]:
    files = {kind: tmp_path / f"found.{kind}" for kind in ("html", "csv", "json")}
    write(found, files)
    yield {kind: file.read_text(encoding="utf-8") for kind, file in files.items()}
    assert sorted(tmp_path.iterdir()) == sorted(files.values())  # nothing unfinished beside them


def printed(found: Reconciliation, width: int = WIDTH) -> str:
    out = StringIO()
    show_at(found, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_a_terminal_of_eighty_columns_shows_all_of_it(found):
    text = printed(found)

    assert max(map(len, text.splitlines())) <= 80
    for expected in (
        "equal 1",
        "within tolerance 1",
        "out of tolerance 2",
        "nothing to compare 1",
        "refused 1",
        # 30,000 + 30,001 + 27,000 + 25,500 cents against 4 x 30,000
        "USD 1,125.01 1,200.00 74.99",
        "override 2 2 75.00 USD",
        "unknown 1 1 -0.01 USD",
        "Acme, Calls, 2024-03",
        "1 figure on 1 invoice, 30.00 USD; legacy 270.00 USD, preview 300.00 USD: 90 %",
        "Acme, invoice A-5, line 6",
        "2 of 4 invoices out of tolerance, 1 refused, 1 with nothing to compare",
    ):
        assert expected in " ".join(text.split()), text


def test_names_do_not_steer_the_terminal(found):
    assert "\x1b" not in printed(found)
    assert "?[31m" in printed(found, width=200)


def test_stdout_that_is_no_terminal_gets_plain_lines(found, capsys):
    show(found)

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert out.endswith("2 of 4 invoices out of tolerance, 1 refused, 1 with nothing to compare\n")


class _Page(HTMLParser):
    """Gathers the elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_no_network_and_takes_names_for_text(written):
    page = _Page(written["html"])

    assert "script" not in page.elements
    assert page.links == []
    assert "<script>alert(1)</script>" in page.text
    assert "an override with multiplier 0.9 is missing" in page.text
    assert "1,125.01" in page.text
    assert "@SUM(1)" in page.text


def test_a_spreadsheet_gets_numbers_and_no_formulas(written):
    rows = list(csv.DictReader(StringIO(written["csv"])))

    assert [(row["invoice"], row["reason"], row["difference"]) for row in rows] == [
        ("'@SUM(1)", "override", "45"),
        ("A-2", "unknown", "-0.01"),
        ("A-3", "override", "30"),
        ("A-5", "", ""),
    ]
    assert rows[0]["customer"].startswith("'=cmd|")
    assert (rows[2]["quantity"], rows[2]["preview_price"], rows[2]["legacy"]) == ("3000", "0.1", "270")
    assert rows[3]["state"] == "refused"
    assert "invoice A-5.usage_line_items[0]" in rows[3]["evidence"]
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_another_program_gets_all_of_it_with_exact_numbers(written):
    told = json.loads(written["json"], parse_float=Decimal)

    assert told["format"] == "metronome-sandbox reconciliation 1"
    assert told["invoices"] == {"equal": 1, "within": 1, "out": 2, "nothing": 1, "refused": 1}
    [sums] = told["sums"]
    assert sums == {
        "currency": "USD",
        "invoices": 4,
        "legacy": Decimal("1125.01"),
        "preview": 1200,
        "difference": Decimal("74.99"),
    }
    assert [(each["customer"], each["product"], each["difference"]) for each in told["causes"]] == [
        (EVIL, "Calls", 45),
        ("Acme", "Calls", 30),
    ]
    assert [each["invoice"] for each in told["differences"]] == ["@SUM(1)", "A-2", "A-3"]
    assert told["differences"][2]["window_start"] == "2024-03-01T00:00:00Z"
    assert [(each["invoice"], each["first_line"]) for each in told["refused"]] == [("A-5", 6)]
    assert [each["invoice"] for each in told["nothing_to_compare"]] == ["A-4"]


def test_a_report_of_nothing_says_so():
    with Reconciliation(Decimal("0.01")) as nothing:
        nothing.finish()
        assert verdict(nothing) == "0 of 0 invoices out of tolerance"
        assert "What differs" not in printed(nothing)


def test_a_report_without_a_place_is_told_before_anything_is_done(tmp_path, found):
    gone = tmp_path / "gone" / "found.csv"

    with pytest.raises(CannotWrite, match=r"--csv: there is no folder .*gone for found\.csv"):
        check_places({"csv": gone, "html": None}, {})
    with pytest.raises(CannotWrite, match="--csv: cannot write"):
        write(found, {"csv": gone})


@pytest.mark.parametrize("kind", ["html", "csv", "json"])
@pytest.mark.parametrize("name", ["legacy.csv", "mapping.yaml", "legacy.csv.import-journal", "folder/../legacy.csv"])
def test_a_report_replaces_no_file_of_the_import(tmp_path, monkeypatch, kind, name):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    kept = {what: tmp_path / what for what in ("legacy.csv", "mapping.yaml", "legacy.csv.import-journal")}

    with pytest.raises(CannotWrite, match=f"--{kind}: .* would be replaced"):
        check_places({kind: Path(name)}, kept)


def test_a_report_takes_the_place_of_files_alone(tmp_path):
    with pytest.raises(CannotWrite, match=r"--html: .* is no file"):
        check_places({"html": tmp_path}, {})


def test_two_reports_are_two_files(tmp_path):
    file = tmp_path / "found"

    with pytest.raises(CannotWrite, match=r"--csv: .*found is the file of --html as well"):
        check_places({"html": file, "csv": file}, {})


def test_a_report_that_breaks_off_leaves_the_old_one_as_it_was(tmp_path, found, monkeypatch):
    file = Path(tmp_path / "found.json")
    file.write_text("as it was")

    def broken(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("metronome_sandbox.importer.report.files._write_list", broken)
    with pytest.raises(CannotWrite, match="no space left"):
        write(found, {"json": file})

    assert file.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [file]
