"""Files that are broken, or made to break something: a message each, never a traceback and never a wrong invoice."""

from __future__ import annotations

import codecs
import tracemalloc
from pathlib import Path

import pytest
from importer.files import HEADER, Desk, only, told

from metronome_sandbox.importer.text_lines import MAX_LINE

ROW = "A-1,Acme Inc,API calls,1,1,2024-06-01"
GOOD = f"{HEADER}\n{ROW}\n"


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + GOOD.encode(),
        codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"),
        GOOD.encode("utf-32"),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.replace(",", ";").encode(),
        GOOD.replace(",", "\t").encode(),
        GOOD.replace(",", "|").encode(),
        GOOD.rstrip().encode(),
    ],
    ids=["utf-8", "utf-16-le", "utf-16-be", "utf-32", "crlf", "cr", "semicolon", "tab", "pipe", "no line end"],
)
def test_ways_to_write_the_same_file_are_read_alike(desk: Desk, content: bytes):
    assert only(desk.read(content)).customer_name == "Acme Inc"


def test_an_encoding_is_read_where_the_mapping_says_it(desk: Desk):
    desk.target.customer("Übel GmbH").contract("Übel GmbH", "Ü")
    content = GOOD.replace("Acme Inc", "Übel GmbH").encode("cp1252")

    [found] = told(desk.read(content))
    assert found.startswith("2 A-1,")
    assert "holds what is no utf-8; say encoding: cp1252" in found
    assert only(desk.saying("encoding: cp1252").read(content)).customer_name == "Übel GmbH"


def test_utf_16_without_its_mark_is_read_where_the_mapping_says_it(desk: Desk):
    content = GOOD.encode("utf-16-le")

    assert told(desk.read(content)) == [
        ": is no text that can be read: it holds NUL bytes; if it is UTF-16 without a byte order mark, say encoding: "
        "utf-16-le in the mapping"
    ]
    only(desk.saying("encoding: utf-16-le").read(content))


def test_a_mark_that_contradicts_the_mapping_is_told(desk: Desk):
    [found] = told(desk.saying("encoding: cp1252").read(codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le")))

    assert found == ": begins with the mark of UTF-16, but the mapping says cp1252"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ": is empty"),
        (b"\n\n", "1: begins with an empty line; expected the names of the columns"),
        (b"\x7fELF\0\0\0", ": is no text that can be read: it holds NUL bytes"),
        (b"PK\x03\x04 workbook", ": is compressed, or a workbook of a spreadsheet; name a file of text"),
        (b"\x1f\x8b gzip", ": is compressed"),
        (b"PAR1 and then nothing", ": cannot be read as Parquet"),
        (f"{HEADER},invoice\n{ROW},A-2\n".encode(), "1 invoice: stands 2 times in the header; which one is meant?"),
        (
            f"{ROW}\n".encode(),
            "1 invoice: the file has no such column, which the mapping names for invoice_number; it has: A-1",
        ),
        (f'{HEADER}\n"{ROW}\n'.encode(), "2: begins a quotation that is not closed until the end of the file"),
        (f'{HEADER}\n"A"-1,{ROW[4:]}\n'.encode(), "2: has a quotation mark inside of a cell; write it twice"),
        (f"{HEADER}\nA-\0,{ROW[4:]}\n".encode(), ": is no text that can be read: it holds NUL bytes"),
        (("a," * 3000 + "\n").encode(), "1: has 3001 columns; expected at most 2000"),
    ],
)
def test_a_file_that_is_none_ends_in_a_message(desk: Desk, content: bytes, problem: str):
    found = told(desk.read(content))

    assert found[0].startswith(problem)


def test_a_header_without_a_column_says_which_one_was_meant(desk: Desk):
    found = told(desk.read(GOOD.replace("quantity", "Quantity").replace("customer", "kunde")))

    assert found == [
        "1 customer: the file has no such column, which the mapping names for customer; it has: invoice, kunde, "
        "product, Quantity, amount, day",
        "1 quantity: the file has no such column, which the mapping names for quantity (did you mean 'Quantity'?); it "
        "has: invoice, kunde, product, Quantity, amount, day",
    ]


def test_nul_bytes_deep_in_a_file_cost_their_line(desk: Desk):
    desk.without("invoice_number")
    content = (GOOD + f"{ROW}\n" * 5_000 + "A-1,Acme\0 Inc,API calls,1,1,2024-06-01\n").encode()

    [found] = told(desk.saying("repeated_rows: add").read(content))

    assert found.startswith("5003 A-1,Acme? Inc,")
    assert "holds a NUL byte" in found


def test_a_line_without_an_end_is_not_held_in_memory(desk: Desk, tmp_path: Path):
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(GOOD.encode() + b"\n" * 100_000 + b"A-1,")
        file.seek(64 * MAX_LINE, 1)  # a hole: 64 MiB of NUL bytes that take no room on the disk
        file.write(f"\n{ROW.replace('A-1', 'A-2')}\n".encode())
    tracemalloc.start()
    try:
        found = told(desk.read_file(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found[0].startswith("100003 A-1,")
    assert f"is longer than {MAX_LINE} letters" in found[0]
    assert "shares time" in found[1]  # the line behind it was read
    assert peak < 24 * MAX_LINE


def test_a_quotation_that_never_ends_is_not_held_in_memory(desk: Desk):
    found = told(desk.read(f'{HEADER}\nA-1,"{ROW}\n' + f"{ROW}\n" * 20_000))

    assert found == ["2: begins a quotation that is not closed within 128 KiB; nothing after it was read"]


def test_a_directory_and_a_file_that_is_not_there(desk: Desk, tmp_path: Path):
    assert told(desk.read_file(tmp_path)) == [": is a directory; name the file"]
    assert told(desk.read_file(tmp_path / "none.csv")) == [": cannot be read: No such file or directory"]
    assert told(desk.read_file(Path("a\0b"))) == [": cannot be read: embedded null byte"]


def test_names_are_never_paths(desk: Desk, tmp_path: Path):
    name = "../../../etc/passwd"
    desk.target.customer(name).contract(name, "K")

    invoice = only(desk.read(f"{HEADER}\n../../evil,{name},API calls,1,1,2024-06-01\n"))

    assert (invoice.number, invoice.customer_name) == ("../../evil", name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["legacy.csv", "mapping.yaml", "work"]


@pytest.mark.parametrize("cell", ["A\x1b[2J-1", '"A\n-1"', "A\u202e-1", "A-" + "1" * 500])
def test_letters_that_steer_a_terminal_are_no_name(desk: Desk, cell: str):
    [found] = desk.problems(f"{cell},Acme Inc,API calls,1,1,2024-06-01")

    assert "cannot be printed" in found or "is longer than 500 letters" in found


def test_five_forms_of_dates_are_four_findings(desk: Desk):
    days = ["2024-06-01", "01.06.2024", "06/01/2024", "1 Jun 2024", "45444"]

    found = desk.problems(*(f"A-1,Acme Inc,API calls,{place},1,{day}" for place, day in enumerate(days)))

    assert [one.split(":")[0] for one in found] == [
        "3 day 01.06.2024",
        "4 day 06/01/2024",
        "5 day 1 Jun 2024",
        "6 day 45444",
    ]


def test_a_work_folder_cannot_lead_elsewhere(desk: Desk, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "staging.sqlite").symlink_to(precious)

    only(desk.read(GOOD))

    assert precious.read_text() == "mine"
