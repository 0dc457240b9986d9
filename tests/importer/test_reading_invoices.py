"""Rows become invoices: periods, windows, units and totals by hand."""

from __future__ import annotations

from decimal import Decimal

from builders import utc
from importer.files import Desk, line, only, told
from importer.targets import EUR, USD, id_of


def test_rows_with_one_number_are_an_invoice_in_the_order_of_the_file(desk: Desk):
    invoice = only(desk.rows("A-1,Acme Inc,API calls,10,100.00,2024-06-03", "A-1,Acme Inc,Storage,0.5,25,2024-06-30"))

    assert (invoice.number, invoice.customer_id, invoice.contract_id) == ("A-1", id_of("Acme Inc"), id_of("Acme 2024"))
    assert (invoice.starting_at, invoice.ending_before) == (utc("2024-06-01"), utc("2024-07-01"))
    assert invoice.issued_at == utc("2024-07-03")  # the end and two days
    assert [(one.product_name, one.quantity, one.amount) for one in invoice.lines] == [
        ("API calls", Decimal(10), Decimal(10000)),  # dollars in the file, cents in the API
        ("Storage", Decimal("0.5"), Decimal(2500)),
    ]
    assert invoice.total == 12500
    assert invoice.credit_type_id == USD


def test_rows_of_an_invoice_may_lie_anywhere_in_the_file(desk: Desk):
    staging = desk.rows(
        "A-1,Acme Inc,API calls,1,1,2024-06-01",
        "G-1,Globex,API calls,2,2,2024-06-01",
        "A-1,Acme Inc,Storage,3,3,2024-06-01",
    )

    found = {invoice.number: [one.rows for one in invoice.lines] for invoice in staging.invoices()}
    assert found == {"A-1": [(2, 2), (4, 4)], "G-1": [(3, 3)]}


def test_invoices_come_by_contract_and_then_by_start(desk: Desk):
    staging = desk.rows(
        "G-7,Globex,API calls,1,1,2024-07-01",
        "A-6,Acme Inc,API calls,1,1,2024-06-01",
        "G-5,Globex,API calls,1,1,2024-05-01",
        "A-5,Acme Inc,API calls,1,1,2024-05-01",
        "G-4,Globex,API calls,1,1,2024-04-01",
    )

    found = [(invoice.contract_id, invoice.number) for invoice in staging.invoices()]
    assert found == sorted(found, key=lambda one: (one[0], one[1]))
    assert {number for contract, number in found if contract == id_of("Globex H1")} == {"G-4", "G-5"}


def test_without_a_number_customer_and_period_are_the_invoice(desk: Desk):
    desk.without("invoice_number")

    staging = desk.rows(
        "x,Acme Inc,API calls,1,1,2024-06-01",
        "y,Acme Inc,API calls,2,1,2024-06-02",
        "x,Acme Inc,API calls,3,1,2024-07-01",
    )

    assert [(one.number, len(one.lines)) for one in staging.invoices()] == [
        ("Acme Inc 2024-06-01 to 2024-06-30", 2),
        ("Acme Inc 2024-07-01 to 2024-07-31", 1),
    ]


def test_amounts_of_a_currency_other_than_usd_are_whole_units(desk: Desk):
    row = "U-1,Umlaut GmbH,API calls,1,12.50,2024-06-01"

    assert only(desk.rows(row)).total == Decimal("12.50")
    assert only(desk.rows(row)).credit_type_id == EUR
    assert only(desk.saying("units: cents").rows(row)).total == Decimal("0.125")


def test_amounts_in_cents_stay_as_they_are_for_usd(desk: Desk):
    assert only(desk.saying("units: cents").rows("A-1,Acme Inc,API calls,1,1250,2024-06-01")).total == 1250


def test_the_total_of_the_file_counts_and_without_one_the_sum(desk: Desk):
    header = "invoice,customer,product,quantity,amount,day,total"
    desk.saying("total: total")

    said = only(desk.rows("A-1,Acme Inc,API calls,1,10.00,2024-06-01,8.00", header=header))
    summed = only(desk.rows("A-1,Acme Inc,API calls,1,10.00,2024-06-01,", header=header))
    unknown = only(desk.rows("A-1,Acme Inc,API calls,1,,2024-06-01,", header=header))

    assert (said.total, summed.total, unknown.total) == (800, 1000, None)


def test_quantities_are_converted_by_the_mapping_and_by_its_table(desk: Desk):
    desk.saying(
        "quantity: {column: quantity, multiply_by: 0.001}",
        "product: {column: product, by: name, table: {tok: {product: API calls, multiply_by: 0.5}, gb: Storage}}",
    )

    invoice = only(desk.rows("A-1,Acme Inc,tok,1500,1,2024-06-01", "A-1,Acme Inc,gb,2000,1,2024-06-01"))

    assert [(one.product_name, one.quantity) for one in invoice.lines] == [
        ("API calls", Decimal("0.75")),  # 1500 * 0.001 * 0.5
        ("Storage", Decimal(2)),
    ]


def test_days_become_subtotals_of_one_line_in_the_order_of_time(desk: Desk):
    desk.saying("granularity: day")

    invoice = only(
        desk.rows(
            "A-1,Acme Inc,API calls,5,0.50,2024-06-02",
            "A-1,Acme Inc,API calls,3,0.30,2024-06-01",
            "A-1,Acme Inc,Storage,1,1,2024-06-01",
        )
    )

    assert invoice.granularity == "DAY"
    calls, storage = invoice.lines
    assert (calls.quantity, calls.amount, calls.rows) == (8, 80, (2, 3))
    assert (calls.starting_at, calls.ending_before) == (utc("2024-06-01"), utc("2024-07-01"))
    assert [(one.starting_at, one.ending_before, one.quantity) for one in calls.subtotals] == [
        (utc("2024-06-01"), utc("2024-06-02"), 3),
        (utc("2024-06-02"), utc("2024-06-03"), 5),
    ]
    assert len(storage.subtotals) == 1


def test_a_line_has_its_own_window_where_the_file_has_one(desk: Desk):
    desk.without("date").saying(
        "service: {start: from, end: to, end_is: inclusive}", "period: {start: begin, end: end, end_is: exclusive}"
    )

    invoice = only(
        desk.rows(
            "A-1,Acme Inc,API calls,1,1,2024-06-01,2024-06-14,2024-06-01,2024-07-01",
            "A-1,Acme Inc,API calls,1,1,2024-06-15,2024-06-30,2024-06-01,2024-07-01",
            header="invoice,customer,product,quantity,amount,from,to,begin,end",
        )
    )

    assert [(one.starting_at, one.ending_before) for one in invoice.lines] == [
        (utc("2024-06-01"), utc("2024-06-15")),
        (utc("2024-06-15"), utc("2024-07-01")),
    ]


def test_a_quarter_and_a_year_are_periods_too(desk: Desk):
    row = "A-1,Acme Inc,API calls,1,1,2024-11-05"

    quarter = only(desk.saying("period: quarter").rows(row))
    year = only(desk.saying("period: year").rows(row))

    assert (quarter.starting_at, quarter.ending_before) == (utc("2024-10-01"), utc("2025-01-01"))
    assert (year.starting_at, year.ending_before) == (utc("2024-01-01"), utc("2025-01-01"))


def test_group_values_go_only_to_products_that_are_priced_by_them(desk: Desk):
    desk.saying("pricing_groups: {region: region}")

    invoice = only(
        desk.rows(
            "A-1,Acme Inc,API calls,1,1,2024-06-01,eu",
            "A-1,Acme Inc,Storage,1,1,2024-06-01,eu",
            "A-1,Acme Inc,Storage,1,1,2024-06-01,us",
            "A-1,Acme Inc,Storage,1,1,2024-06-01,",
            header="invoice,customer,product,quantity,amount,day,region",
        )
    )

    groups = [dict(one.pricing_group_values) for one in invoice.lines]
    assert groups == [{}, {"region": "eu"}, {"region": "us"}, {}]


def test_customers_and_products_are_named_by_alias_id_and_custom_field(desk: Desk):
    rows = {
        "customer: {column: customer, by: ingest_alias}": "acme-eu",
        "customer: {column: customer, by: custom_field, field: crm}": "A-1",
        "customer: {column: customer, by: id}": id_of("Acme Inc").upper(),
    }

    for field, key in rows.items():
        assert only(desk.saying(field).rows(f"A-1,{key},API calls,1,1,2024-06-01")).customer_name == "Acme Inc"
    desk.saying("product: {column: product, by: custom_field, field: sku}")
    assert line(only(desk.rows(f"A-1,{id_of('Acme Inc')},gb,1,1,2024-06-01"))).product_name == "Storage"


def test_the_contract_is_named_or_found_by_customer_and_period(desk: Desk):
    found = only(desk.rows("G-1,Globex,API calls,1,1,2024-08-01"))
    named = only(
        desk.saying("contract: contract").rows(
            f"G-1,Globex,API calls,1,1,2024-03-01,{id_of('Globex H1')}",
            header="invoice,customer,product,quantity,amount,day,contract",
        )
    )

    assert (found.contract_id, named.contract_id) == (id_of("Globex H2"), id_of("Globex H1"))


def test_rows_are_left_out_by_what_they_say(desk: Desk):
    desk.saying(
        "skip: [{column: product, equals: [Tax, Fee]}, {column: product, starts_with: 'Discount '}, "
        "{column: day, is_empty: true}]"
    )

    staging = desk.rows(
        "A-1,Acme Inc,Tax,1,1,2024-06-01",
        "A-1,Acme Inc,Discount 10 %,-1,-1,2024-06-01",
        "A-1,Acme Inc,API calls,1,1,",
        "A-1,Acme Inc,API calls,2,1,2024-06-01",
    )

    assert line(only(staging)).quantity == 2
    assert (staging.counts.rows, staging.counts.skipped, staging.counts.lines) == (4, 3, 1)


def test_blank_lines_and_lines_without_cells_are_nothing(desk: Desk):
    assert only(desk.rows("", "A-1,Acme Inc,API calls,1,1,2024-06-01", "")).lines[0].rows == (3, 3)


def test_quoted_cells_may_hold_line_ends_and_later_lines_keep_their_numbers(desk: Desk):
    staging = desk.rows(
        '"A-1","Acme Inc","API calls","1","1","2024-06-01","a\nb"',
        "A-1,Acme Inc,API calls,x,1,2024-06-01,c",
        header="invoice,customer,product,quantity,amount,day,note",
    )

    assert [finding.line for finding in staging.findings] == [4]


def test_repeated_windows_are_added_where_the_mapping_says_so(desk: Desk):
    desk.saying("granularity: day", "repeated_rows: add")

    one = line(only(desk.rows("A-1,Acme Inc,API calls,5,1,2024-06-02", "A-1,Acme Inc,API calls,6,2,2024-06-02")))

    assert (one.quantity, one.amount, [subtotal.quantity for subtotal in one.subtotals]) == (11, 300, [11])


def test_an_invoice_reads_every_page_of_the_target(desk: Desk):
    for number in range(5):
        desk.target.customer(f"C{number}").contract(f"C{number}", f"K{number}")

    assert only(desk.rows("A-1,C4,API calls,1,1,2024-06-01")).contract_id == id_of("K4")


def test_exact_numbers_stay_exact(desk: Desk):
    row = "A-1,Acme Inc,API calls,123456789012345.123456789012345678,0.000000000000000001,2024-06-01"

    one = line(only(desk.saying("units: cents").rows(row)))

    assert (str(one.quantity), one.amount) == ("123456789012345.123456789012345678", Decimal("1E-18"))


def test_staging_begins_anew(desk: Desk):
    desk.rows("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert only(desk.rows("A-2,Acme Inc,API calls,1,1,2024-06-01")).number == "A-2"


def test_a_file_that_is_fine_has_no_notes(desk: Desk):
    staging = desk.rows("A-1,Acme Inc,API calls,1,1,2024-06-01")

    assert (told(staging), staging.notes) == ([], ())
