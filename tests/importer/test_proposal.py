"""``import --init``: a clean file gets a mapping that works as it is; what cannot be known is left open by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from importer.files import Desk, only, told
from importer.targets import id_of

from metronome_sandbox.importer.findings import Unusable
from metronome_sandbox.importer.proposal import propose


def proposed(desk: Desk, content: str | bytes, name: str = "legacy.csv") -> str:
    path = desk.folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    desk.mapping = propose(path, desk.target.catalog)
    return desk.mapping


def fields(mapping: str) -> list[str]:
    """Return the lines that say something, without the reasons."""
    said = (line.partition("  # ")[0].rstrip() for line in mapping.splitlines())
    return [line for line in said if line and not line.lstrip().startswith("#")]


MONTHS = """\
Invoice No,Customer,Product,Qty,Unit Price,Line Amount,Invoice Total,Service Start,Service End,Invoice Date
A-1,Acme Inc,API calls,10,10.00,100.00,150.00,2024-06-01,2024-06-30,2024-07-03
A-1,Acme Inc,Storage,100,0.50,50.00,150.00,2024-06-01,2024-06-30,2024-07-03
G-1,Globex,API calls,7,10.00,70.00,70.00,2024-07-01,2024-07-31,2024-08-03
"""


def test_a_clean_file_gets_a_mapping_that_works_as_it_is(desk: Desk):
    mapping = proposed(desk, MONTHS)

    assert fields(mapping) == [
        "format: csv",
        "encoding: utf-8",
        "delimiter: comma",
        "decimal_mark: point",
        "units: dollars",
        "quantity: Qty",
        "unit_price: Unit Price",
        "total: Invoice Total",
        "amount: Line Amount",
        "dates: [iso]",
        "time_zone: UTC",
        "granularity: none",
        "service: {start: Service Start, end: Service End, end_is: inclusive}",
        "period: month",
        "issue_date: Invoice Date",
        "invoice_number: Invoice No",
        "customer: {column: Customer, by: name}",
        "product: {column: Product, by: name}",
        "repeated_rows: refuse",
    ]
    staging = desk.read(MONTHS)
    assert told(staging) == []
    assert {one.number: one.total for one in staging.invoices()} == {"A-1": 15000, "G-1": 7000}


def test_every_guess_has_its_reason(desk: Desk):
    mapping = proposed(desk, MONTHS)

    said = [line for line in mapping.splitlines()[3:] if not line.lstrip().startswith("#")]
    assert [line for line in said if "  # " not in line] == []
    assert "# 2 of 2 different values are customers of the target" in mapping


def test_days_of_semicolons_and_commas_work_as_they_are(desk: Desk):
    days = "".join(f"{day:02}.06.2024;acme;api;{day}.000,5;{day},25;eu\n" for day in range(1, 31))
    content = "Datum;Kunde;Produkt;Menge;Betrag;Region\n" + days

    mapping = proposed(desk, content)

    assert {
        "delimiter: semicolon",
        "decimal_mark: comma",
        "thousands: point",
        "granularity: day",
        'dates: ["%d.%m.%Y"]',
        "date: Datum",
        "customer: {column: Kunde, by: ingest_alias}",
        "product: {column: Produkt, by: custom_field, field: sku}",
        "issue_date: {days_after_period: 2}",
        "pricing_groups: {region: Region}",
    } <= set(fields(mapping))
    invoice = only(desk.read(content))
    assert invoice.granularity == "DAY"
    assert [len(one.subtotals) for one in invoice.lines] == [30]
    assert invoice.lines[0].quantity == sum(day * 1000 for day in range(1, 31)) + 15  # 30 halves


def test_columns_with_german_names_are_found(desk: Desk):
    mapping = proposed(
        desk,
        "Rechnung;Kunde;Artikel;Menge;Betrag netto;Leistung von;Leistung bis;Rechnungsdatum;Währung\n"
        "R-1;Acme Inc;API calls;10;100,50;01.06.2024;30.06.2024;03.07.2024;USD\n",
    )

    assert {
        "invoice_number: Rechnung",
        "amount: Betrag netto",
        'currency: "Währung"',
        'dates: ["%d.%m.%Y"]',
        "service: {start: Leistung von, end: Leistung bis, end_is: inclusive}",
        "issue_date: Rechnungsdatum",
    } <= set(fields(mapping))


def test_dates_in_columns_of_unknown_names_are_shown(desk: Desk):
    mapping = proposed(desk, "cliente,servicio,cantidad,desde,hasta\nAcme Inc,API calls,10,2024/06/01,2024/06/30\n")

    assert 'dates: ["%Y/%m/%d"]' in fields(mapping)
    assert "as in desde, hasta; say which of them is date, service or issue_date" in mapping
    assert 'period: "?"' in fields(mapping)


def test_hours_in_ndjson_work_as_they_are(desk: Desk):
    row = '{{"usage": {{"hour": "2024-06-01T{0:02}:00:00Z", "qty": {0}.5}}, "account": {{"id": "{1}"}}, "sku": "api"}}'
    content = "\n".join(row.format(hour, id_of("Acme Inc")) for hour in range(24))

    mapping = proposed(desk, content, "legacy.ndjson")

    assert {"granularity: hour", "date: usage.hour", "quantity: usage.qty"} <= set(fields(mapping))
    assert "customer: {column: account.id, by: id}" in fields(mapping)
    invoice = only(desk.read(content))
    assert (invoice.granularity, len(invoice.lines[0].subtotals)) == ("HOUR", 24)


def test_spans_that_end_where_the_next_begins_are_exclusive(desk: Desk):
    mapping = proposed(desk, MONTHS.replace("2024-06-30", "2024-07-01").replace("2024-07-31", "2024-08-01"))

    assert "service: {start: Service Start, end: Service End, end_is: exclusive}" in fields(mapping)


def test_what_cannot_be_known_is_left_open_and_named(desk: Desk):
    content = (
        "customer,product,quantity,amount,day\n"
        "ACME INC,API Calls,1,100,01/02/2024\n"
        "Globex,Storrage,2,200,03/04/2024\n"
        "Globex,Unheard of,2,200,03/04/2024\n"
    )

    mapping = proposed(desk, content)

    assert (
        "    API Calls: API calls                      # but for capitals and marks, the name of a product" in mapping
    )
    assert '    Storrage: "?"                             # no product; did you mean Storage?' in mapping
    assert "no customer of the target; did you mean" in mapping
    refused = desk.refused()
    assert [
        one.partition(": is not decided yet")[0].split(" ", 1)[1] for one in refused if "is not decided yet" in one
    ] == [
        "units ?",
        "dates ?",
        "product.table.Storrage ?",
        "product.table.Unheard of ?",
    ]
    assert len(refused) == 4


@pytest.mark.parametrize(
    ("amount", "mark"), [("1.234", '"?"'), ("1,234", '"?"'), ("1.23", "point"), ("1,23", "comma"), ("1.234,5", "comma")]
)
def test_a_mark_that_could_be_either_is_left_open(desk: Desk, amount: str, mark: str):
    mapping = proposed(desk, f"customer;product;qty;amount;day\nGlobex;API calls;1;{amount};2024-06-01\n")

    assert f"decimal_mark: {mark}" in fields(mapping)


def test_days_above_twelve_tell_which_number_is_the_day(desk: Desk):
    content = "customer,product,qty,day\nGlobex,API calls,1,{}\n"

    assert 'dates: ["%d/%m/%Y"]' in fields(proposed(desk, content.format("13/02/2024")))
    assert 'dates: ["%m/%d/%Y"]' in fields(proposed(desk, content.format("02/13/2024")))
    assert 'dates: "?"' in fields(proposed(desk, content.format("02/03/2024")))


def test_a_file_of_something_else_gets_a_mapping_of_questions(desk: Desk):
    mapping = proposed(desk, "a,b\nx,y\n")

    assert 'quantity: "?"' in fields(mapping)
    assert 'period: "?"' in fields(mapping)
    assert len(desk.refused()) >= 4


def test_names_with_marks_of_yaml_stay_names(desk: Desk):
    name = 'A: "B" # {c} \u00fc \U0001f600'
    desk.target.product(name)
    doubled = name.replace('"', '""')
    content = f'"{doubled}",customer,no,day,"the ""product"": #1"\n1,Globex,x,2024-06-01,"{doubled}"\n'

    mapping = proposed(desk, content)

    assert """product: {column: "the \\"product\\": #1", by: name}""" in fields(mapping)


def test_a_file_without_rows_has_nothing_to_look_at(desk: Desk, tmp_path: Path):
    with pytest.raises(Unusable, match="no rows to look at"):
        proposed(desk, "a,b\n")
    with pytest.raises(Unusable, match="is empty"):
        proposed(desk, "")


def test_dates_of_five_forms_are_asked_about_and_a_typing_error_hides_no_column(desk: Desk):
    days = ["2024-06-01", "02.06.2024", "06/03/2024", "4 Jun 2024", "June 5, 2024"]
    rows = "".join(f'Globex,API calls,{"1O" if place == 2 else place},"{day}"\n' for place, day in enumerate(days))

    mapping = proposed(desk, f"customer,product,qty,date\n{rows}")

    assert {'dates: "?"', "date: date", "quantity: qty", "period: month"} <= set(fields(mapping))
    assert "# by its name, and most of it, 4, are numbers" in mapping


def test_a_name_in_other_capitals_is_suggested(desk: Desk):
    mapping = proposed(desk, "customer,product,qty,day\nGlobex,API calls,1,2024-06-01\nACME,API calls,1,2024-06-01\n")

    assert "# ACME is no customer of the target; did you mean Acme Inc?" in mapping
