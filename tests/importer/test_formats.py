"""NDJSON, Parquet and Stripe's JSON: the same invoices as from CSV, and a message where they are broken."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import utc
from importer.files import Desk, line, only, told

from metronome_sandbox.importer.proposal import propose

ROW: dict[str, Any] = {
    "invoice": "A-1",
    "customer": "Acme Inc",
    "product": "API calls",
    "quantity": 1.5,
    "amount": 1,
    "day": "2024-06-01",
}


def ndjson(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# NDJSON


def test_numbers_of_ndjson_are_exact_whatever_the_decimal_mark(desk: Desk):
    desk.without("decimal_mark")
    text = ndjson(ROW).replace("1.5", "0.100000000000000055")

    assert str(line(only(desk.read(text, "a.ndjson"))).quantity) == "0.100000000000000055"
    assert line(only(desk.read(text.replace("0.100000000000000055", "1e-7")))).quantity == Decimal("0.0000001")


def test_a_dot_in_a_column_leads_into_an_object(desk: Desk):
    desk.saying("customer: {column: account.name, by: name}", "date: when.day")

    invoice = only(desk.read(ndjson({**ROW, "account": {"name": "Globex"}, "when": {"day": "2024-06-02"}})))

    assert invoice.customer_name == "Globex"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no JSON: Expecting property name"),
        ('{"quantity": NaN}', "holds NaN, and no number to bill"),
        ('{"quantity": -Infinity}', "holds -Infinity, and no number to bill"),
        ('{"quantity": 1, "quantity": 2}', "names 'quantity' twice; which one is meant?"),
        ("[1]", "is no object; expected {...} on every line"),
        ('"text"', "is no object"),
        ('{"a": ' * 100_000, "is nested too deeply"),
        (ndjson(ROW).strip() * 2, "is no JSON: Extra data"),
    ],
)
def test_a_broken_line_is_one_finding_and_the_next_is_read(desk: Desk, text: str, problem: str):
    found = told(desk.read(f"{ndjson(ROW)}{text}\n{ndjson({**ROW, 'quantity': -1})}"))

    assert len(found) == 2
    assert problem in found[0]
    assert found[0].startswith("2")
    assert found[1].startswith("3 quantity -1")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("1e400", "2 quantity 1E+400: has more than 15 digits"),
        ("1e999999999", "2 quantity 1E+999999999: has more than 15 digits"),
        ("1" * 5_000, "has more than 15 digits"),
        ("0." + "3" * 40, "has more than 15 digits before or 18 after"),
        ("[1]", '2 quantity ["1"]: is no number'),
        ("true", "2 quantity true: is no number"),
        ("null", "2 quantity: is empty; expected a number"),
        ('"1,5"', "2 quantity 1,5: has a ','"),
    ],
)
def test_what_is_no_number_in_ndjson(desk: Desk, value: str, problem: str):
    [found] = told(desk.read(ndjson(ROW) + ndjson({**ROW, "quantity": 7}).replace("7", value)))

    assert problem in found


def test_a_column_that_no_line_has_is_missing(desk: Desk):
    found = told(desk.saying("total: invoiceTotal").read(ndjson({**ROW, "invoice_total": 1})))

    assert found == [
        "1 invoiceTotal: the file has no such column, which the mapping names for total (did you mean 'invoice_total'?)"
        "; it has: invoice, customer, product, quantity, amount, day, invoice_total"
    ]


# Parquet


def parquet(desk: Desk, **columns: Any) -> Path:
    path = desk.folder / "legacy.parquet"
    plain = {name: pa.array([value]) for name, value in ROW.items()}
    pq.write_table(pa.table(plain | columns), path)
    return path


def test_parquet_reads_floats_by_their_shortest_decimal_and_says_so(desk: Desk):
    staging = desk.read_file(parquet(desk, quantity=pa.array([0.1]), amount=pa.array([1e-05])))

    assert (line(only(staging)).quantity, line(only(staging)).amount) == (Decimal("0.1"), Decimal("0.001"))
    assert staging.notes == tuple(
        f"{name} is stored as float64; each value is read as the shortest decimal that is this float"
        for name in ("amount", "quantity")
    )


@pytest.mark.parametrize(
    "day",
    [
        pa.array([date(2024, 6, 1)]),
        pa.array([datetime(2024, 6, 1, 12)], pa.timestamp("us")),
        pa.array([datetime(2024, 6, 1, 12, tzinfo=UTC)], pa.timestamp("ns", tz="America/New_York")),
        pa.array(["2024-06-01"]).dictionary_encode(),
        pa.array(["2024-06-01"], pa.large_string()),
    ],
    ids=["date", "timestamp", "timestamp with zone", "dictionary", "large string"],
)
def test_types_of_parquet_that_hold_a_day(desk: Desk, day: Any):
    path = parquet(desk, day=day, quantity=pa.array([Decimal("1.25")]), amount=pa.array([7], pa.int16()))

    staging = desk.read_file(path)

    assert only(staging).starting_at == utc("2024-06-01")
    assert (line(only(staging)).quantity, only(staging).total, staging.notes) == (Decimal("1.25"), 700, ())


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"quantity": pa.array([0.1], pa.float32())}, "quantity float: is of a type that cannot be read"),
        ({"quantity": pa.array([[1]])}, "quantity list<"),
        ({"customer": pa.array([b"Acme Inc"])}, "customer binary: is of a type that cannot be read"),
        ({"quantity": pa.array([float("nan")])}, "1 quantity NaN: is NaN, and no number to bill"),
        ({"quantity": pa.array([float("inf")])}, "1 quantity Infinity: is Infinity, and no number to bill"),
        ({"quantity": pa.array([None], pa.int64())}, "1 quantity: is empty; expected a number"),
    ],
)
def test_what_parquet_cannot_be_read_from(desk: Desk, columns: Any, problem: str):
    [found] = told(desk.read_file(parquet(desk, **columns)))

    assert found.startswith(problem)


def test_parquet_without_a_column_or_without_its_end(desk: Desk):
    path = parquet(desk)
    whole = path.read_bytes()

    [missing] = told(desk.saying("total: totals").read_file(path))
    assert "the file has no such column, which the mapping names for total" in missing
    for length in (len(whole) - 1, len(whole) // 2, 8):
        [found] = told(desk.without("total").read(whole[:length], "cut.parquet"))
        assert found.startswith(": cannot be read as Parquet: ")


# Stripe

JUNE, JULY, AUGUST = 1717200000, 1719792000, 1722470400
"""2024-06-01, 2024-07-01 and 2024-08-01 in UTC."""


def stripe_invoice(number: str, start: int, end: int, *lines: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": f"in_{number}",
        "object": "invoice",
        "number": number,
        "customer": "cus_acme",
        "currency": "usd",
        "period_start": start,
        "period_end": end,
        "subtotal": sum(one["amount"] for one in lines),
        "total": 0,
        "status": "paid",
        "status_transitions": {"finalized_at": end + 3600},
        "lines": {"object": "list", "data": list(lines), "has_more": False},
        **more,
    }


def stripe_line(amount: int, quantity: int | None, start: int, end: int, **more: Any) -> dict[str, Any]:
    price = {"pricing": {"price_details": {"product": "prod_api"}, "unit_amount_decimal": "0.5"}}
    period = {"start": start, "end": end}
    return {"object": "line_item", "amount": amount, "quantity": quantity, "period": period, **(more or price)}


@pytest.fixture
def stripe(desk: Desk) -> Desk:
    desk.target.product("Stripe API", stripe="prod_api").customer("Stripe Inc", "cus_acme").contract("Stripe Inc", "S")
    desk.mapping = """\
format: stripe
customer: {column: invoice.customer, by: ingest_alias}
product: {column: line.product, by: custom_field, field: stripe}
"""
    return desk


def listed(*invoices: Any, **more: Any) -> str:
    return json.dumps({"object": "list", "url": "/v1/invoices", "has_more": False, "data": list(invoices), **more})


def test_an_export_of_stripe_needs_no_more_than_customer_and_product(stripe: Desk):
    june = stripe_invoice("S-1", JUNE, JULY, stripe_line(500, 1000, JUNE, JULY))
    old = stripe_line(700, 1400, JULY, AUGUST, price={"product": {"id": "prod_api"}, "unit_amount": 1})
    july = stripe_invoice("S-2", JULY, AUGUST, old, customer={"id": "cus_acme", "name": "expanded"})

    staging = stripe.read(listed(june, july), "export.json")

    assert told(staging) == []
    first, second = staging.invoices()
    assert (first.number, first.starting_at, first.issued_at) == ("S-1", utc("2024-06-01"), utc("2024-07-01"))
    assert (line(first).quantity, line(first).unit_price, line(first).amount) == (1000, Decimal("0.5"), 500)
    assert (second.total, line(second).quantity, line(second).unit_price) == (700, 1400, 1)


def test_an_array_of_invoices_and_one_on_many_lines_are_read_too(stripe: Desk):
    invoice = stripe_invoice("S-1", JUNE, JULY, stripe_line(500, 1000, JUNE, JULY))

    assert only(stripe.read(json.dumps([invoice]))).total == 500
    assert only(stripe.read(json.dumps({"object": "list", "data": [invoice]}, indent=2))).total == 500
    assert stripe.read(json.dumps([invoice], indent=2)).counts.rows == 1


def test_drafts_and_voided_invoices_of_stripe_are_left_out(stripe: Desk):
    own = stripe_line(500, 1000, JUNE, JULY)
    void = stripe_invoice("S-0", JUNE, JULY, own, status="void")

    staging = stripe.read(listed(void, stripe_invoice("S-1", JUNE, JULY, own)))

    assert (only(staging).number, staging.counts.skipped) == ("S-1", 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (listed({"object": "customer"}), "data[0]: is no invoice with lines"),
        (listed(1, 2), "data[0]: is no invoice with lines"),
        ('{"object": "list", "data": [', "is no JSON: "),
        ('{"object": "list"}', 'has no list "data" of invoices'),
        ('{"object": "list", "data": []}', "has no rows"),
        ("[]", "has no rows"),
        ("[{}}", "is no JSON: expected ']'"),
        ('{"data": []} tail', "goes on after its end"),
        ("[" * 100_000, "is nested too deeply"),
        ('[{"a": 1, "a": 2}]', "names 'a' twice"),
        ('[{"a": NaN}]', "holds NaN"),
    ],
)
def test_a_broken_export_of_stripe_ends_in_a_message(stripe: Desk, text: str, problem: str):
    assert problem in "\n".join(told(stripe.read(text)))


def test_findings_of_stripe_name_the_place_in_the_document(stripe: Desk):
    invoice = stripe_invoice("S-1", JUNE, JULY, stripe_line(500, 1000, JUNE, JULY), stripe_line(1, None, JUNE, JULY))
    invoice["lines"]["has_more"] = True

    found = told(stripe.read(json.dumps({"object": "list", "data": [invoice]}, indent=1)))

    assert found == [
        "4 data[0].lines.has_more true: only 2 lines of the invoice are here; export all of them",
        "4 data[0].lines.data[1]: line.quantity: is empty; expected a number",
    ]


def test_an_export_longer_than_the_buffer_is_read_piece_by_piece(stripe: Desk):
    own = stripe_line(1, 2, JUNE, JULY, price={"product": "prod_api", "note": "x" * 1000})
    lines = [{**own, "quantity": number + 1} for number in range(1000)]

    staging = stripe.read(listed(stripe_invoice("S-1", JUNE, JULY, *lines)))

    assert (len(only(staging).lines), only(staging).total) == (1000, 1000)


def test_a_mapping_is_proposed_for_an_export_of_stripe(stripe: Desk):
    text = listed(stripe_invoice("S-1", JUNE, JULY, stripe_line(500, 1000, JUNE, JULY), customer_name="Stripe Inc"))
    path = stripe.folder / "export.json"
    path.write_text(text)

    stripe.mapping = propose(path, stripe.target.catalog)

    assert "product: {column: line.product, by: custom_field, field: stripe}" in stripe.mapping
    assert only(stripe.read(text, "export.json")).total == 500


def test_a_mapping_is_proposed_for_parquet(desk: Desk):
    path = parquet(desk)

    desk.mapping = propose(path, desk.target.catalog)

    assert "format: parquet" in desk.mapping
    assert 'units: "?"' in desk.mapping
    desk.saying("units: cents")
    assert only(desk.read_file(path)).total == 1
