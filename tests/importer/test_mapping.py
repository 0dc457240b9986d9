"""A mapping is read as a whole: every mistake has its line, its path and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from importer.files import MAPPING, Desk

from metronome_sandbox.importer.findings import Unusable
from metronome_sandbox.importer.mapping import load_mapping


def test_all_mistakes_are_told_at_once_with_their_lines(desk: Desk):
    desk.mapping = """\
format: xml
decimal_mark: dot
unit: dollars
time_zone: Mars/Base
granularity: week
customer: {column: customer, by: email}
product: {colum: product, by: name}
quantity: {column: q, multiply_by: -1}
dates: [YYYY]
date: day
period: fortnight
issue_date: {days_after_period: two}
amount: amount
skip: [{column: a}]
"""

    assert desk.refused() == [
        "units: is missing: expected dollars or cents, for there are amounts",
        "1 format xml: expected csv or ndjson or parquet or stripe",
        "2 decimal_mark dot: expected point or comma",
        "3 unit: is not known here (did you mean 'units'?); known: format, delimiter, encoding, decimal_mark, "
        "thousands, units, dates, time_zone, granularity, invoice_number, customer, contract, product, quantity, "
        "unit_price, amount, total, currency, service, date, period, issue_date, pricing_groups, presentation_groups, "
        "skip, repeated_rows",
        "4 time_zone Mars/Base: is no time zone of the IANA database, such as UTC or Europe/Berlin",
        "5 granularity week: expected none or day or hour",
        "6 customer.by email: expected id or ingest_alias or name or custom_field",
        "7 product.colum: is not known here (did you mean 'column'?); known: column, by, field, table",
        "7 product.column: is missing: expected the name of a column",
        "8 quantity.multiply_by -1: expected a number greater than 0 such as 0.001",
        "9 dates: 'YYYY' is no form of a date: expected one such as %d.%m.%Y, iso or unix",
        "11 period fortnight: expected month or quarter or year",
        "12 issue_date.days_after_period two: expected a whole number of days from 0 to 366",
        "14 skip[0]: expected a column with equals, starts_with or is_empty: true",
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("thousands: point", "thousands point: is the decimal mark as well"),
        ("service: {start: a, end: b, end_is: inclusive}", "date day: stands beside service"),
        ("service: {start: a, end: b}", "service.end_is: is missing: expected inclusive (the last day) or exclusive"),
        (
            "customer: {column: a, by: custom_field}",
            "customer.field: is missing: expected the name of the custom field",
        ),
        ("customer: {column: a, by: name, field: b}", "customer.field b: is for 'by: custom_field' only"),
        ("dates: ['%d/%m/%Y', '%m/%d/%Y']", "dates: '%d/%m/%Y' and '%m/%d/%Y' read the same text as different days"),
        ("dates: ['%c']", "dates: %c in '%c' is not known"),
        ("dates: ['%H:%M']", "dates: '%H:%M' names no day"),
        ("delimiter: ':'", "delimiter :: expected comma, semicolon, tab, pipe, or the letter itself"),
        ("time_zone: ../../etc/passwd", "time_zone ../../etc/passwd: is no time zone"),
        ("amount: '?'", "amount ?: is not decided yet"),
        ("amount: [a, b]", "amount: expected the name of a column, found a list"),
        ("amount: ''", "amount : expected the name of a column, found nothing"),
        ("contract: {column: c}", "contract: expected the name of a column with the contract's id"),
        ("<<: {amount: b}", "<<: is not known here"),
    ],
)
def test_fields_are_held_against_each_other(desk: Desk, lines: str, problem: str):
    found = desk.saying(lines).refused()

    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty; `import --init` proposes a mapping"),
        (b"- a\n", "expected fields such as 'format: csv', found a list"),
        (b"a: [1\n", "is no YAML: "),
        (b"a: \x00\n", "is no YAML: "),
        (b"\xff\xfe\xfd", "is no YAML"),
        (b"a: &x [1]\nb: *x\n", "holds a reference (*name); write the value itself"),
        (b"[" * 50_000, "is nested too deeply"),
        (b"a: 1\n" * 500_000, "is longer than 2 MiB"),
    ],
)
def test_what_is_no_mapping_ends_in_a_message(tmp_path: Path, content: bytes, problem: str):
    path = tmp_path / "mapping.yaml"
    path.write_bytes(content)

    with pytest.raises(Unusable) as caught:
        load_mapping(path)
    assert problem in caught.value.findings[0].problem


def test_a_field_that_is_there_twice_is_told(desk: Desk):
    desk.mapping += "amount: other\n"

    assert desk.refused() == ["11 amount: 'amount' is there twice"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(Unusable, match="cannot be read: No such file or directory"):
        load_mapping(tmp_path / "none.yaml")


def test_scalars_are_texts_whatever_yaml_makes_of_them(desk: Desk):
    desk.saying("amount: no", "total: 2024-01-01", "currency: 1.50", "quantity: {column: on, multiply_by: 0.1}")
    (desk.folder / "mapping.yaml").write_text(desk.mapping)

    mapping = load_mapping(desk.folder / "mapping.yaml")

    assert (mapping.amount, mapping.total, mapping.currency) == ("no", "2024-01-01", "1.50")
    assert (mapping.quantity.column, str(mapping.quantity.multiply_by)) == ("on", "0.1")


def test_the_mapping_of_the_tests_is_fine(desk: Desk):
    assert (desk.mapping, desk.refused()) == (MAPPING, [])
