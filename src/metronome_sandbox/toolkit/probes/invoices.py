"""Probes of invoices: void, regenerate, periods, lists, charges. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from metronome_sandbox.toolkit.probes.imports import window
from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, Figure
from metronome_sandbox.toolkit.probes.shop import Shop, ledger
from metronome_sandbox.toolkit.probes.table import CLOCK, Table

TABLE = Table()
probe = TABLE.probe

MONTHLY = {"frequency": "MONTHLY"}


@probe("A-void")
def void(shop: Shop) -> Iterator[Figure]:
    """An invoice that drew on a credit, and a draft."""
    product = shop.product("P", 10)
    contract = shop.lasting(credits=[shop.lasting_credit("C", 100)])
    june = shop.bill(contract, [(product, 4)])

    yield Figure("the balance before", 60, shop.balances()["C"]["balance"])  # 100 - 4 * 10
    shop.void(june)
    credit = shop.balances()["C"]
    entries = [entry for entry in ledger(credit) if "DEDUCTION" in entry[0]]
    yield Figure("the balance of the credit once the invoice is void", 100, credit["balance"])
    yield Figure("deductions in its ledger", [], entries)
    shop.running()
    draft = next(one for one in shop.invoices("USAGE") if one["status"] == "DRAFT")
    yield Figure("to void a draft", 400, shop.lab.status("/v1/invoices/void", {"id": draft["id"]}))


def _regenerate(shop: Shop, invoice: dict[str, object]) -> str:
    return str(shop.lab.post("/v1/invoices/regenerate", {"id": invoice["id"]})["data"]["id"])


@probe("A-regenerate")
def regenerate(shop: Shop) -> Iterator[Figure]:
    """A void invoice made again after a rate has changed, twice."""
    product = shop.product("P", 10)
    june = shop.bill(shop.contract(), [(product, 4)])
    shop.void(june)
    shop.rate(product, 25)

    made = _regenerate(shop, june)
    found = next(one for one in shop.invoices() if one["id"] == made)

    yield Figure("total and status", (100, "FINALIZED"), (found["total"], found["status"]))  # 4 * 25
    yield Figure("its issue time", june["issued_at"][:10], found["issued_at"][:10])
    yield Figure("a second time", 400, shop.lab.status("/v1/invoices/regenerate", {"id": june["id"]}))


@probe("A-void-first")
def void_first(shop: Shop) -> Iterator[Figure]:
    """The list of invoices after one was void and made again."""
    product = shop.product("P", 10)
    june = shop.bill(shop.contract(), [(product, 4)])
    shop.void(june)
    _regenerate(shop, june)

    found = [one["status"] for one in shop.invoices("USAGE") if one["start_timestamp"][:10] == JUNE[:10]]

    yield Figure("the invoices of June in order", ["VOID", "FINALIZED"], found)


@probe("A-draft-issue-time")
def draft_issue_time(shop: Shop) -> Iterator[Figure]:
    """The draft of the running month."""
    shop.product("P", 10)
    shop.running()

    [draft] = (one for one in shop.invoices("USAGE") if one["status"] == "DRAFT")

    issued, end = (datetime.fromisoformat(draft[field]) for field in ("issued_at", "end_timestamp"))
    yield Figure("hours from the end of the period", 24, (issued - end) / timedelta(hours=1))


@probe("A-last-period-cut")
def last_period_cut(shop: Shop) -> Iterator[Figure]:
    """A contract that ended in the middle of a month."""
    shop.product("P", 10)
    terms = {"ending_before": "2024-07-11T00:00:00Z", "usage_statement_schedule": MONTHLY}
    shop.contract(**terms)

    found = [one["end_timestamp"][:10] for one in shop.invoices("USAGE")]

    yield Figure("the ends of its periods", ["2024-07-01", "2024-07-11"], found)


@probe("A-month-end")
def month_end(shop: Shop) -> Iterator[Figure]:
    """A contract from January 31 to June with CONTRACT_START."""
    shop.product("P", 10)
    schedule = {**MONTHLY, "day": "CONTRACT_START"}
    terms = {"starting_at": "2024-01-31T00:00:00Z", "ending_before": JUNE, "usage_statement_schedule": schedule}
    shop.contract(**terms)

    found = [one["start_timestamp"][:10] for one in shop.invoices("USAGE")]

    starts = ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    yield Figure("the starts of its periods", starts, found)


@probe("A-statement-anchor")
def statement_anchor(shop: Shop) -> Iterator[Figure]:
    """Contracts from May 10 with schedules that name no date."""
    shop.product("P", 10)
    anchors = {"QUARTERLY": "2024-04-01", "ANNUAL": "2024-05-01", "WEEKLY": "2024-05-10"}
    for frequency, anchor in anchors.items():
        schedule = {"frequency": frequency}
        terms = {"starting_at": "2024-05-10T00:00:00Z", "ending_before": JUNE, "usage_statement_schedule": schedule}
        contract = shop.contract(**terms)
        body = {"customer_id": shop.customer, "contract_id": contract}
        found = shop.lab.post("/v2/contracts/get", body)["data"]["usage_statement_schedule"]
        yield Figure(f"the anchor of {frequency}", anchor, found["billing_anchor_date"][:10])


@probe("A-application-line")
def application_line(shop: Shop) -> Iterator[Figure]:
    """A partly covered invoice with presentation groups and a credit without a name."""
    product = shop.product("P", 10, keys=("region",))
    credit = shop.credit("C", 30)
    del credit["name"]
    contract = shop.contract(credits=[credit])

    invoice = shop.preview(contract, [(product, {"quantity": 5, "presentation_group_values": {"region": "eu"}})])

    line = next(line for line in invoice["line_items"] if line["total"] < 0)
    yield Figure("the name", "commitment applied", shop.short(line["name"]))
    yield Figure("the total", -30, line["total"])
    yield Figure("the group values", {"region": "eu"}, line.get("presentation_group_values"))


@probe("A-invoice-filters")
def invoice_filters(shop: Shop) -> Iterator[Figure]:
    """A list that ends with the end of a month."""
    product = shop.product("P", 10)
    contract = shop.contract()
    shop.bill(contract, [(product, 1)])
    shop.bill(contract, [(product, 1)], JULY, AUGUST)

    found = shop.lab.ask("GET", f"/v1/customers/{shop.customer}/invoices?ending_before={JULY}")["data"]

    yield Figure("periods that end until July 1", ["2024-06-01"], [one["start_timestamp"][:10] for one in found])


@probe("A-breakdowns")
def breakdowns(shop: Shop) -> Iterator[Figure]:
    """An import by day and one as a whole, by hour and by day."""
    product = shop.product("P", 10)
    contract = shop.contract()
    days = {"subtotals_with_quantity": [window("03", "04", 2), window("05", "06", 3)]}
    shop.bill(contract, [(product, days)], breakdown_granularity="DAY")
    shop.bill(contract, [(product, 7)], JULY, AUGUST)

    def found(size: str) -> list[tuple[str, object]]:
        dates = f"starting_on={JUNE}&ending_before={AUGUST}&window_size={size}&skip_zero_qty_line_items=true&limit=100"
        rows = shop.lab.ask("GET", f"/v1/customers/{shop.customer}/invoices/breakdowns?{dates}")["data"]
        return [(one["breakdown_start_timestamp"][:10], one["total"]) for one in rows if one["total"] != 0]

    yield Figure("days with money", [("2024-06-03", 20), ("2024-06-05", 30)], found("DAY"))
    yield Figure("hours with money", [], found("HOUR"))


@probe("A-discount-line")
def discount_line(shop: Shop) -> Iterator[Figure]:
    """A discount of 300."""
    items = {"schedule_items": [{"timestamp": JUNE, "amount": 300}]}
    shop.product("P", 10)
    shop.contract(discounts=[{"product_id": shop.commitment, "schedule": items, "name": shop.called("rebate")}])

    [line] = (line for one in shop.invoices("SCHEDULED") for line in one["line_items"])

    yield Figure("quantity, unit price, total", (1, -300, -300), (line["quantity"], line["unit_price"], line["total"]))
    yield Figure("a discount_id", True, "discount_id" in line)


@probe("A-charges-on-usage")
def charges_on_usage(shop: Shop) -> Iterator[Figure]:
    """Charges at noon of the day that a period ends, and on the day before."""
    shop.product("P", 10)
    dates = ("2024-06-30T12:00:00Z", "2024-07-01T12:00:00Z")
    charges = [
        {
            "product_id": shop.commitment,
            "name": shop.called(f"fee of {date[5:10]}"),
            "schedule": {"schedule_items": [{"timestamp": date, "amount": 100}]},
        }
        for date in dates
    ]
    shop.contract(
        scheduled_charges=charges,
        scheduled_charges_on_usage_invoices="ALL",
        usage_statement_schedule=MONTHLY,
        ending_before=AUGUST,
    )

    found = {one["type"]: [line[0] for line in shop.lines(one)] for one in shop.invoices() if shop.lines(one)}

    yield Figure("charges on usage invoices", ["fee of 07-01"], found.get("USAGE"))
    yield Figure("charges on invoices of their own", ["fee of 06-30"], found.get("SCHEDULED"))


@probe("A-order-of-invoices")
def order_of_invoices(shop: Shop) -> Iterator[Figure]:
    """Two contracts, one small credit on customer level, usage on both."""
    product = shop.product("P", 1)
    first, second = shop.contract(), shop.contract()
    credit = {**shop.credit("C", 100), "customer_id": shop.customer, "priority": 1}
    shop.lab.post("/v1/contracts/customerCredits/create", credit)
    sent = [shop.historical(second, [(product, 80)]), shop.historical(first, [(product, 80)])]

    found = shop.import_all(sent, preview=True)

    yield Figure("what is due of the younger and of the older contract", [60, 0], [one["total"] for one in found])


@probe("A-issue-date")
def issue_date(shop: Shop) -> Iterator[Figure]:
    """A draft moved behind the end of its contract, then into the past."""
    product = shop.product("P", 10)
    contract = shop.contract(ending_before=shop.at(24 * 500))
    draft = shop.bill(contract, [(product, 1)], issue_date=shop.at(24 * 400))

    def status(date: str) -> int:
        body = {"customer_id": shop.customer, "contract_id": contract, "invoice_id": draft["id"], "issue_date": date}
        return shop.lab.status("/v1/contracts/updateInvoiceIssueDate", body)

    yield Figure("a day behind the end of the contract", 400, status(shop.at(24 * 501)))
    yield Figure("the end of the contract", 200, status(shop.at(24 * 500)))
    yield Figure("in the past", 200, status(AUGUST))
    yield Figure(
        "what it is then", ["FINALIZED"], [one["status"] for one in shop.invoices() if one["id"] == draft["id"]]
    )


@probe("A-late-usage")
def late_usage(shop: Shop) -> Iterator[Figure]:
    """Usage of a contract that ended three days ago, whose invoice is final."""
    product = shop.product("P", 10)
    today = (shop.lab.now.day - 1) * 24
    start, end = shop.at(today - 24 * 6), shop.at(today - 24 * 3)
    shop.contract(starting_at=start, ending_before=end, usage_statement_schedule=MONTHLY)

    def invoices() -> list[tuple[str, object]]:
        return sorted({(one["status"], one["total"]) for one in shop.invoices("USAGE")})

    yield Figure("its invoices", [("FINALIZED", 0)], invoices())  # two where a month ended in between
    shop.use((product, today - 24 * 5, 3))

    def days() -> list[object]:
        dates = f"starting_on={start}&ending_before={end}&window_size=DAY&limit=100"
        found = shop.lab.ask("GET", f"/v1/customers/{shop.customer}/invoices/breakdowns?{dates}")["data"]
        return [day["total"] for day in found if day["total"] != 0]

    yield Figure("its days with usage", [30], shop.lab.eventually([30], days))  # 3 * 10
    yield Figure("its invoices then", [("FINALIZED", 0)], invoices())


@probe("A-invoice-id", needs=CLOCK)
def invoice_id(shop: Shop) -> Iterator[Figure]:
    """The draft of June before and after it is final."""
    shop.product("P", 10)
    shop.contract(usage_statement_schedule=MONTHLY)

    def june() -> dict[str, object]:
        return next(one for one in shop.invoices("USAGE") if one["start_timestamp"][:10] == JUNE[:10])

    draft = june()
    shop.lab.advance("2024-07-03T00:00:00Z")
    final = june()

    yield Figure("its statuses", ["DRAFT", "FINALIZED"], [draft["status"], final["status"]])
    yield Figure("it has the same id", True, draft["id"] == final["id"])


@probe("A-payer")
def payer(shop: Shop) -> Iterator[Figure]:
    """Usage invoices of a parent, and of children that pay themselves and that do not."""
    product = shop.product("P", 10)
    parent = shop.contract()
    above = {"customer_id": shop.customer, "contract_id": parent}
    yield Figure("of the parent", False, "payer" in shop.preview(parent, [(product, 1)]))
    for who in ("SELF", "PARENT"):
        shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("child")})
        child = shop.contract(hierarchy_configuration={"parent": above, "payer": who})
        found = shop.preview(child, [(product, 1)])["payer"]
        expected = child if who == "SELF" else parent
        yield Figure(f"of a child with {who}, it is the right contract", True, found["contract_id"] == expected)


@probe("A-pro-service-invoice")
def pro_service_invoice(shop: Shop) -> Iterator[Figure]:
    """A service of 60 twice, of which 100 are agreed."""
    shop.product("P", 10)
    service = {"product_id": shop.commitment, "unit_price": 60, "quantity": 1, "max_amount": 100}
    contract = shop.contract(professional_services=[service])
    named = {"customer_id": shop.customer, "contract_id": contract}
    [made] = shop.lab.post("/v2/contracts/get", named)["data"]["professional_services"]

    def status() -> int:
        items = [{"professional_service_id": made["id"], "unit_price": 60, "quantity": 1}]
        body = {**named, "issued_at": JULY, "line_items": items}
        return shop.lab.status("/v1/contracts/scheduleProServicesInvoice", body)

    yield Figure("60 of 100", 200, status())
    yield Figure("120 of 100", 400, status())
