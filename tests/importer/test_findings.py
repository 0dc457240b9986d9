"""What is wrong with rows: all of it at once, with line, column, value and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from importer.files import Desk, only, told
from importer.targets import id_of

from metronome_sandbox.importer.existing import check_existing
from metronome_sandbox.importer.findings import KEPT_OF_A_KIND, Findings, Wrong
from metronome_sandbox.importer.lookups import Products, text_of
from metronome_sandbox.importer.mapping import By, Entry, Lookup
from metronome_sandbox.importer.target_catalog import TargetProduct


def test_a_row_tells_all_of_its_mistakes_and_the_next_row_too(desk: Desk):
    assert desk.problems("A-1,Acme,API call,ten,1.2.3,yesterday", ",Acme Inc,API calls,-1,1,2024-06-01") == [
        "2 customer Acme: is the name of no customer of the target (did you mean 'Acme Inc'?)",
        "2 product API call: is the name of no product of the target (did you mean 'API calls'?)",
        "2 quantity ten: is no number; expected digits without a currency, a unit or spaces",
        "2 day yesterday: is no date in the form iso",
        "2 amount 1.2.3: has marks in places where no number has them",
        "3 quantity -1: is less than 0, as on a credit note; an import has no such quantities: leave the row out with "
        "skip, and give the customer a credit",
        "3 invoice : is empty; expected the number of the invoice",
    ]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("=1+1", "is a formula"),
        ("NaN", "is no number"),
        ("Infinity", "is no number"),
        ("1e400", "is a shortened number"),
        ("1.5E+07", "is a shortened number"),
        ("(5.00)", "is a negative number in brackets"),
        ("$5", "is no number"),
        ("5 USD", "is no number"),
        ("0x10", "is no number"),
        ("\uff11\uff12", "is no number"),  # digits, but of another script
        ("1_000", "is no number"),
        ("", "is empty"),
        ("1" * 16, "has more than 15 digits"),
        ("0." + "1" * 19, "has more than 15 digits before or 18 after"),
        ("1,5", "has a ',', but the mapping says decimal_mark: point and no thousands"),
        ("1,234.50", "has a ',', but the mapping says decimal_mark: point and no thousands"),
        ("--5", "is no number"),
        ("1.", "has marks in places"),
        (".5", "has marks in places"),
    ],
)
def test_what_is_no_number_is_a_finding(desk: Desk, cell: str, problem: str):
    [found] = desk.problems(f'A-1,Acme Inc,API calls,"{cell}",1,2024-06-01')

    assert found.startswith("2 quantity")
    assert f": {problem}" in found


@pytest.mark.parametrize("cell", ["1,5", "1.234", "1,234.50", "0.5"])
def test_a_mark_is_never_guessed(desk: Desk, cell: str):
    [found] = desk.without("decimal_mark").problems(f'A-1,Acme Inc,API calls,1,"{cell}",2024-06-01')

    assert "could be read in two ways; say decimal_mark: " in found


def test_decimal_commas_and_separated_thousands_are_read_where_the_mapping_says_so(desk: Desk):
    desk.saying("decimal_mark: comma", "thousands: point", "delimiter: semicolon")

    invoice = only(
        desk.rows(
            "A-1;Acme Inc;API calls;1.234,5;1.000.000,25;2024-06-01",
            header="invoice;customer;product;quantity;amount;day",
        )
    )

    assert [(str(one.quantity), str(one.amount)) for one in invoice.lines] == [("1234.5", "100000025.00")]
    [found] = desk.problems(
        "A-1;Acme Inc;API calls;12.34,5;1;2024-06-01", header="invoice;customer;product;quantity;amount;day"
    )
    assert found == "2 quantity 12.34,5: has marks in places where no number has them"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            ["A-1,Acme Inc,API calls,1,1,2024-06-01", "A-1,Globex,API calls,1,1,2024-06-01"],
            "3 customer Globex: is Acme Inc on line 2 of the same invoice, A-1; an invoice has one",
        ),
        (
            ["A-1,Acme Inc,API calls,1,1,2024-06-01", "A-1,Acme Inc,API calls,2,1,2024-07-01"],
            "3 period 2024-07-01 to 2024-07-31: is 2024-06-01 to 2024-06-30 on line 2 of the same invoice, A-1; "
            "an invoice has one",
        ),
        (
            ["G-1,Globex,API calls,1,1,2024-06-01", "G-1,Globex,API calls,2,1,2024-07-01"],
            "3 contract Globex H2: is Globex H1 on line 2 of the same invoice, G-1; an invoice has one",
        ),
        (
            ["A-1,Acme Inc,API calls,1,1,2024-06-01", "A-1,Acme Inc,API calls,1,1,2024-06-01"],
            "3: says the same as line 2 of invoice A-1; take one of them out, or say repeated_rows: add if both are "
            "meant",
        ),
        (
            ["A-1,Acme Inc,API calls,1,1,2024-06-01", "A-2,Acme Inc,API calls,1,1,2024-06-30"],
            "3 period 2024-06-01 to 2024-06-30: invoice A-2 shares time with A-1 (2024-06-01 to 2024-06-30, line 2) of "
            "the same contract, which has one invoice at a time",
        ),
        (
            ["A-1,Acme Inc,API calls,1,1,2023-12-31"],
            "2 customer Acme Inc: has no contract that holds the billing period 2023-12-01 to 2023-12-31; there is "
            f"Acme 2024 ({id_of('Acme 2024')}) from 2024-01-01",
        ),
        (
            ["A-1,Acme Inc,Support,1,1,2024-06-01"],
            "2 product Support: names a FIXED product; only USAGE can be imported, so leave these rows out with skip",
        ),
        (
            ["A-1,Acme Inc,API calls,1,-1,2024-06-01"],
            "2 amount -1: is less than 0, as for a discount or a credit note; an import has quantities of products "
            "only: leave the row out with skip",
        ),
        (
            ["A-1,=HYPERLINK(1),API calls,1,1,2024-06-01"],
            "2 customer =HYPERLINK(1): is a formula; export values, and no formulas",
        ),
        (["=A1,Acme Inc,API calls,1,1,2024-06-01"], "2 invoice =A1: is a formula; export values, and no formulas"),
        (["A-1,,API calls,1,1,2024-06-01"], "2 customer : is empty; expected the name of a customer"),
        (
            ["A-1,Acme Inc,API calls,1,1"],
            "2 A-1,Acme Inc,API calls,1,1: has 5 cells, the header has 6; is a ',' missing or not quoted?",
        ),
    ],
)
def test_what_the_api_would_refuse_is_found_before_it_is_asked(desk: Desk, rows: list[str], problem: str):
    assert desk.problems(*rows) == [problem]


def test_a_product_whose_name_looks_like_a_formula_is_named_by_the_table():
    product = TargetProduct("p", "=cmd()", "USAGE", (), (), {})
    products = Products({"p": product}, Lookup("product", By.NAME), {"cmd": Entry("=cmd()")})

    assert list(products.problems()) == []
    assert products.named(text_of("cmd")) == (product, 1)
    with pytest.raises(Wrong, match="is a formula"):
        text_of("=cmd()")


def test_totals_of_one_invoice_must_agree(desk: Desk):
    desk.saying("total: total")

    found = desk.problems(
        "A-1,Acme Inc,API calls,1,1,2024-06-01,3.00",
        "A-1,Acme Inc,API calls,2,1,2024-06-01,3",
        "A-1,Acme Inc,API calls,3,1,2024-06-01,",
        "A-1,Acme Inc,API calls,4,1,2024-06-01,4",
        header="invoice,customer,product,quantity,amount,day,total",
    )

    assert found == ["5 total 400: is 300.00 on line 2 of the same invoice, A-1; an invoice has one"]


def test_two_contracts_at_a_time_are_ambiguous(desk: Desk):
    desk.target.contract("Acme Inc", "Acme extra")

    [found] = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert found.startswith("2 customer Acme Inc: has 2 contracts in 2024-06-01 to 2024-06-30: Acme 2024 (")
    assert found.endswith("; name a column for contract")


def test_a_contract_that_is_named_must_be_the_customers_and_hold_the_period(desk: Desk):
    desk.saying("contract: contract")

    found = desk.problems(
        f"A-1,Acme Inc,API calls,1,1,2024-06-01,{id_of('Globex H1')}",
        f"G-1,Globex,API calls,1,1,2024-08-01,{id_of('Globex H1')}",
        header="invoice,customer,product,quantity,amount,day,contract",
    )

    assert [one.partition(": ")[2][:40] for one in found] == [
        "is the id of no contract of Acme Inc; it",
        "is Globex H1 (" + id_of("Globex H1")[:26],
    ]
    assert (
        "from 2024-01-01 until 2024-06-30, which does not hold the billing period 2024-08-01 to 2024-08-31" in found[1]
    )


def test_two_customers_of_one_name_are_told_apart_by_nobody(desk: Desk):
    desk.target.customer("Acme Inc", key="another Acme")

    [found] = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert "is the name of 2 customers (" in found
    assert "name them by id" in found


def test_a_day_that_is_there_twice_is_refused(desk: Desk):
    desk.saying("granularity: day")

    found = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01", "A-1,Acme Inc,API calls,2,1,2024-06-01")

    assert found == [
        "3: API calls has a quantity for this day on line 2 of invoice A-1 already; take one of them out, or say "
        "repeated_rows: add if both are meant"
    ]


def test_rows_that_differ_in_any_column_that_is_read_are_no_repetition(desk: Desk):
    staging = desk.rows("A-1,Acme Inc,API calls,1,1,2024-06-01", "A-1,Acme Inc,API calls,1,1,2024-06-02")

    assert len(only(staging).lines) == 2


def test_a_service_time_must_lie_inside_its_period(desk: Desk):
    desk.without("date").saying("service: {start: from, end: to, end_is: inclusive}", "period: month")

    found = desk.problems(
        "A-1,Acme Inc,API calls,1,1,2024-06-15,2024-07-01",
        "A-1,Acme Inc,API calls,1,1,2024-06-15,2024-06-14",
        header="invoice,customer,product,quantity,amount,from,to",
    )

    assert found == [
        "2 from 2024-06-15: is not inside the billing period 2024-06-01 to 2024-06-30",
        "3 to 2024-06-14: is before from, 2024-06-15",
    ]


def test_a_row_of_a_week_is_no_day(desk: Desk):
    desk.without("date").saying("service: {start: from, end: to, end_is: exclusive}", "granularity: day")

    [found] = desk.problems(
        "A-1,Acme Inc,API calls,1,1,2024-06-03,2024-06-10", header="invoice,customer,product,quantity,amount,from,to"
    )

    assert found == "2 to 2024-06-10: is no day after from, 2024-06-03; granularity: day wants a row for each"


def test_another_currency_than_the_contracts_is_a_finding(desk: Desk):
    desk.saying("currency: currency")
    header = "invoice,customer,product,quantity,amount,day,currency"

    found = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01,EUR", header=header)

    assert found == ["2 currency EUR: is not the currency of the contract, USD (cents)"]
    only(desk.rows("A-1,Acme Inc,API calls,1,1,2024-06-01,usd", header=header))


def test_invoices_that_are_there_already_are_in_the_way_unless_they_are_ours(desk: Desk):
    target = desk.target.invoice("Acme Inc", "Acme 2024", "2024-05-15", "2024-06-15")
    target.invoice("Acme Inc", "Acme 2024", "2024-08-01", "2024-09-01", status="DRAFT")
    target.invoice("Acme Inc", "Acme 2024", "2024-07-01", "2024-08-01", status="VOID")
    staging = desk.rows(
        "A-6,Acme Inc,API calls,1,1,2024-06-01",
        "A-7,Acme Inc,API calls,1,1,2024-07-01",
        "A-8,Acme Inc,API calls,1,1,2024-08-01",
    )

    found = check_existing(staging, target.catalog)
    ours = check_existing(staging, target.catalog, lambda legacy, there: legacy.number != "A-8" and bool(there.id))

    assert [(one.line, one.value) for one in found.kept] == [
        (2, "A-6: 2024-06-01 to 2024-06-30"),
        (4, "A-8: 2024-08-01 to 2024-08-31"),
    ]
    assert "which is there already (FINALIZED); void it" in found.kept[0].problem
    assert "invoice_generation_starting_at 2024-09-01 or later" in found.kept[1].problem
    assert [one.line for one in ours.kept] == [4]


def test_one_mistake_on_every_line_does_not_hide_another_one():
    findings = Findings("legacy.csv")
    for number in range(10_000):
        findings.add(number, "quantity", "x", "is no number; expected digits")
    findings.add(10_001, "customer", "y", "is the name of no customer")

    assert findings.total == 10_001
    assert len(findings.kept) == KEPT_OF_A_KIND + 1
    assert findings.kept[-1].column == "customer"


def test_a_file_of_which_nothing_is_left_is_a_finding(desk: Desk):
    desk.saying("skip: [{column: product, equals: Tax}]")

    assert told(desk.rows()) == [": has no rows"]
    assert told(desk.rows("A-1,Acme Inc,Tax,1,1,2024-06-01")) == [": has no rows left: skip leaves out all 1"]


def test_a_table_that_names_no_product_is_a_finding_of_its_own(desk: Desk):
    desk.saying("product: {column: product, by: name, table: {old: API cals}}")

    found = desk.problems("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert found == [
        "product.table.old API cals: is the name of no product of the target (did you mean 'API calls'?) "
        f"(in {desk.folder / 'mapping.yaml'})"
    ]


def test_the_work_folder_is_made(desk: Desk, tmp_path: Path):
    desk.rows("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert [path.name for path in (tmp_path / "work").iterdir()] == ["staging.sqlite"]
