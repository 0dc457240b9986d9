"""Whatever a file holds, reading it ends: in invoices that say what the file says, or in findings."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importer.files import HEADER, Desk, told

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.importer.findings import Unusable, Wrong
from metronome_sandbox.importer.mapping import load_mapping
from metronome_sandbox.importer.numbers import NumberReader
from metronome_sandbox.importer.proposal import propose
from metronome_sandbox.importer.request import content_key, request_of

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

CELLS = st.one_of(
    st.sampled_from(
        [
            "A-1",
            "Acme Inc",
            "Globex",
            "API calls",
            "Storage",
            "1",
            "2.5",
            "-3",
            "2024-06-01",
            "2024-07-02",
            "",
            "=1",
            "1,5",
        ]
    ),
    st.text(max_size=5),
)


@FEW
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: f"{HEADER}\n{text}".encode())))
def test_no_bytes_end_in_anything_but_a_reading(desk: Desk, content: bytes):
    staging = desk.read(content)

    assert bool(staging.findings) == bool(staging.findings_total)
    assert staging.findings or staging.counts.invoices
    try:
        proposed = propose(desk.folder / "legacy.csv", desk.target.catalog)
    except Unusable:
        return
    (desk.folder / "proposed.yaml").write_text(proposed)
    try:
        load_mapping(desk.folder / "proposed.yaml")
    except Unusable as unusable:
        problems = {finding.problem.partition(":")[0] for finding in unusable.findings}
        assert problems <= {"is not decided yet", "is missing"}, proposed


@FEW
@given(rows=st.lists(st.tuples(*[CELLS] * 6), max_size=6))
def test_rows_of_cells_are_invoices_or_findings(desk: Desk, rows: list[tuple[str, ...]]):
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]

    staging = desk.rows(*quoted)

    good = [row for row in rows if row[1] in ("Acme Inc", "Globex")]
    assert staging.counts.lines <= len(good)
    if not staging.findings:
        quantities = sorted(Decimal(row[3]) for row in rows)
        assert sorted(line.quantity for invoice in staging.invoices() for line in invoice.lines) == quantities


@FEW
@given(st.permutations([f"A-{n // 3},Acme Inc,API calls,{n + 1},{n},2024-{n // 3 + 1:02}-01" for n in range(9)]))
def test_the_order_of_the_rows_changes_no_invoice(desk: Desk, rows: list[str]):
    staging = desk.rows(*rows)

    assert told(staging) == []
    keys = {invoice.number: content_key(invoice) for invoice in staging.invoices()}
    assert keys == {invoice.number: content_key(invoice) for invoice in desk.rows(*sorted(rows)).invoices()}


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**14))
def test_a_number_is_read_as_it_was_written(number: Decimal):
    plain = format(number, "f")

    assert NumberReader(".", "").read(plain) == number
    assert NumberReader(",", ".").read(f"{number:,f}".translate(str.maketrans(",.", ".,"))) == number


@given(
    text=st.text(max_size=12), mark=st.sampled_from([None, ".", ","]), thousands=st.sampled_from(["", ".", ",", " "])
)
def test_no_text_is_read_as_a_number_that_it_is_not(text: str, mark: str | None, thousands: str):
    if thousands == mark:
        return
    reader = NumberReader(mark, thousands)
    try:
        number = reader.read(text)
    except Wrong:
        return
    assert number.is_finite()
    bare = "".join(letter for letter in text if letter in "0123456789")
    assert bare.lstrip("0") == "".join(letter for letter in format(number, "f") if letter.isdigit()).lstrip("0")


def test_memory_does_not_grow_with_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("metronome_sandbox.importer.staging.BATCH", 500)
    monkeypatch.setattr("metronome_sandbox.importer.staging.BATCH_BYTES", 50_000)

    def peak(rows: int) -> int:
        lines = (
            f"A-{n // 100},Acme Inc,API calls,{n},1,{2024 + n // 1200}-{n // 100 % 12 + 1:02}-01" for n in range(rows)
        )
        content = "\n".join((HEADER, *lines))
        tracemalloc.start()
        try:
            assert told(desk.read(content)) == []
            return tracemalloc.get_traced_memory()[1] - 2 * len(content)
        finally:
            tracemalloc.stop()

    assert peak(6_000) < peak(2_000) + 300_000


def test_what_is_sent_has_every_digit_and_no_price(desk: Desk):
    staging = desk.saying("granularity: day").rows("A-1,Acme Inc,API calls,0.100000000000000055,1,2024-06-01")

    [request] = [request_of(invoice) for invoice in staging.invoices()]

    assert encode(request["usage_line_items"][0]["subtotals_with_quantity"]) == (
        b'[{"inclusive_start_date":"2024-06-01T00:00:00Z","exclusive_end_date":"2024-06-02T00:00:00Z",'
        b'"quantity":0.100000000000000055}]'
    )
    assert "amount" not in str(request)


def test_the_key_of_an_invoice_is_its_content(desk: Desk):
    def key(*rows: str) -> str:
        return content_key(next(desk.rows(*rows).invoices()))

    first, second = "A-1,Acme Inc,API calls,1.50,1,2024-06-01", "A-1,Acme Inc,Storage,2,1,2024-06-01"
    same = key(first, second)
    assert key(second, first) == same
    assert key(first.replace("1.50", "1.5"), second) == same
    assert key(first.replace("1.50", "1.51"), second) != same
    assert key(first) != same


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.text(max_size=4),
        st.integers(),
        st.sampled_from(["Acme Inc", "API calls", "2024-06-01", "A-1"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
NUMBERS = st.sampled_from(
    [
        "1e999999999",
        "1e-999999999",
        "1e99999999999999999999",
        "-0",
        "99999999999999." + "1" * 100,
        "1717200000.5",
        "1E5",
    ]
)


@FEW
@given(
    row=st.fixed_dictionaries(dict.fromkeys(HEADER.split(","), VALUES)),
    column=st.sampled_from(HEADER.split(",")),
    number=NUMBERS,
)
def test_no_values_of_json_end_in_anything_but_a_reading(desk: Desk, row: dict[str, object], column: str, number: str):
    row[column] = "here"
    desk.saying(f"skip: [{{column: {column}, equals: Tax}}]", "dates: [iso, unix]")

    staging = desk.read(json.dumps(row).replace('"here"', number) + "\n" + json.dumps(row) + "\n")

    assert staging.findings or staging.counts.invoices
    with suppress(Unusable):
        assert propose(desk.folder / "legacy.csv", desk.target.catalog).startswith("# A mapping for legacy.csv")
