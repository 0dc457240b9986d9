"""Probes of commits and credits: the order of spending, ledgers, ends. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from metronome_sandbox.toolkit.probes.imports import window
from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, SEPTEMBER, USD, YEAR_END, Figure, Shop, ledger
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

CREDITS = "/v1/contracts/customerCredits/create"


def _paid(shop: Shop, product: str, units: int, **terms: Any) -> dict[str, Any]:
    """Return what each balance of a new contract pays for units of a product."""
    return dict(shop.spent(shop.preview(shop.contract(**terms), [(product, units)])))


@probe("A-default-priority")
def default_priority(shop: Shop) -> Iterator[Figure]:
    """A credit of a contract that says no priority."""
    shop.contract(credits=[shop.credit("C", 100)])

    yield Figure("its priority", 100, shop.balances()["C"].get("priority"))


@probe("A-cost-basis")
def cost_basis(shop: Shop) -> Iterator[Figure]:
    """A commit whose payment is not invoiced, made before one that is free."""
    product = shop.product("P", 10)
    outside = {"do_not_invoice": True}
    commits = [shop.prepaid("paid", 100, paid=100, invoice_schedule=outside), shop.prepaid("free", 100)]

    yield Figure("who pays 150", {"free": 100, "paid": 50}, _paid(shop, product, 15, commits=commits))


@probe("A-product-applicability")
def product_applicability(shop: Shop) -> Iterator[Figure]:
    """A credit for a tag that three products carry, made before one for two products."""
    tag = shop.lab.name("tag")
    products = [shop.product(short, 10, tags=[tag]) for short in "PQR"]
    credits = [
        shop.credit("by tag", 100, applicable_product_tags=[tag]),
        shop.credit("by id", 100, applicable_product_ids=products[:2]),
    ]

    yield Figure("who pays 150", {"by id": 100, "by tag": 50}, _paid(shop, products[0], 15, credits=credits))


@probe("A-spending-order")
def spending_order(shop: Shop) -> Iterator[Figure]:
    """Equal credits on the customer, made first, and twice on the contract."""
    product = shop.product("P", 10)
    shop.lab.post(CREDITS, {**shop.credit("customer's", 100), "customer_id": shop.customer, "priority": 100})
    contract = shop.contract(credits=[shop.credit("contract's", 100)])

    found = shop.spent(shop.preview(contract, [(product, 15)]))

    yield Figure("who pays 150", {"contract's": 100, "customer's": 50}, dict(found))


@probe("A-usage-applicability")
def usage_applicability(shop: Shop) -> Iterator[Figure]:
    """A credit for a product and a group value, made before one for the product."""
    product = shop.product("P", 10, keys=("region",))
    eu = {"product_id": product, "presentation_group_values": {"region": "eu"}}
    credits = [
        shop.credit("region", 100, specifiers=[eu]),
        shop.credit("product", 100, specifiers=[{"product_id": product}]),
    ]
    used = {"quantity": 15, "presentation_group_values": {"region": "eu"}}

    invoice = shop.preview(shop.contract(credits=credits), [(product, used)])

    yield Figure("who pays 150", {"product": 100, "region": 50}, dict(shop.spent(invoice)))


@probe("A-tiers-compete-together")
def tiers_compete_together(shop: Shop) -> Iterator[Figure]:
    """A small credit, a product with tiers at 0 and 150, and one at 100."""
    tiered, flat = shop.product("T", tiers=[(5, 0), (None, 150)]), shop.product("F", 100)
    contract = shop.contract(credits=[shop.credit("C", 800)])

    invoice = shop.preview(contract, [(tiered, 10), (flat, 3)])

    due: dict[str, Any] = {}
    for line in invoice["line_items"]:
        if "applied_commit_or_credit" not in line and line["total"] > 0:
            due[shop.short(line["name"])] = line["total"]
    yield Figure("what is due of each product", {"F": 250}, due)  # 5 * 150 + 3 * 100 - 800, all of it F


@probe("A-zero-price")
def zero_price(shop: Shop) -> Iterator[Figure]:
    """A free tier under a credit."""
    product = shop.product("P", tiers=[(10, 0), (None, 100)])

    invoice = shop.preview(shop.contract(credits=[shop.credit("C", 1000)]), [(product, 12)])

    free = [line for line in invoice["line_items"] if line["total"] == 0 and line.get("quantity") == 10]
    yield Figure("what the credit pays", {"C": 200}, dict(shop.spent(invoice)))  # 2 * 100
    yield Figure("free lines that name a balance", [], [line for line in free if "applied_commit_or_credit" in line])
    yield Figure("free lines", 1, len(free))


@probe("A-deduction-date")
def deduction_date(shop: Shop) -> Iterator[Figure]:
    """A credit until June 16 and usage before it."""
    product = shop.product("P", 10)
    contract = shop.contract(credits=[shop.credit("C", 100, ending_before="2024-06-16T00:00:00Z")])
    days = {"subtotals_with_quantity": [window("03", "04", 2)]}
    shop.bill(contract, [(product, days)], breakdown_granularity="DAY")

    entries = shop.balances(include_archived=False)["C"]["ledger"]

    found = [(entry["amount"], entry["timestamp"][:16]) for entry in entries if "DEDUCTION" in entry["type"]]
    yield Figure("the deduction", [(-20, "2024-06-16T00:00")], found)


@probe("A-cost-basis-shown")
def cost_basis_shown(shop: Shop) -> Iterator[Figure]:
    """80 paid for 100, and nothing paid."""
    shop.product("P", 10)
    shop.contract(commits=[shop.prepaid("paid", 100, paid=80), shop.prepaid("free", 100)])

    found = shop.balances()

    yield Figure("of the one that is paid", 0.8, found["paid"].get("cost_basis"))  # 80 / 100
    yield Figure("of the free one", 0, found["free"].get("cost_basis"))


@probe("A-divided-amounts")
def divided_amounts(shop: Shop) -> Iterator[Figure]:
    """100 over three months, both ways."""
    shop.product("P", 10)
    for how, amounts in (("DIVIDED", [100 / 3] * 3), ("DIVIDED_ROUNDED", [33, 33, 34])):
        recurring = {
            "amount": 100,
            "amount_distribution": how,
            "frequency": "MONTHLY",
            "starting_at": JUNE,
            "ending_before": SEPTEMBER,
        }
        commit = shop.prepaid(how, 100, invoice_schedule={"recurring_schedule": recurring})
        shop.contract(commits=[commit])
        items = shop.balances()[how]["invoice_schedule"]["schedule_items"]
        yield Figure(how, amounts, [item["amount"] for item in items])


@probe("A-commit-amount")
def commit_amount(shop: Shop) -> Iterator[Figure]:
    """A commit with an amount and no access schedule."""
    shop.product("P", 10)
    commit = {"type": "PREPAID", "product_id": shop.commitment, "amount": 100}

    yield Figure("its creation", 400, shop.lab.status("/v1/contracts/create", shop.contract_body(commits=[commit])))


@probe("A-balance-filters")
def balance_filters(shop: Shop) -> Iterator[Figure]:
    """Dates equal to the ends of a segment from June to July."""
    shop.product("P", 10)
    shop.contract(credits=[shop.credit("C", 100, starting_at=JULY, ending_before=AUGUST)])

    filters = {"covering_date": (JULY, AUGUST), "starting_at": (JULY, AUGUST), "effective_before": (AUGUST, JULY)}
    for name, (inside, outside) in filters.items():
        yield Figure(f"{name} {inside[:10]}", ["C"], list(shop.balances(**{name: inside})))
        yield Figure(f"{name} {outside[:10]}", [], list(shop.balances(**{name: outside})))


@probe("A-unknown-customer-balances")
def unknown_customer_balances(shop: Shop) -> Iterator[Figure]:
    """The balances of a customer that nobody has."""
    body = {"customer_id": str(uuid4())}
    path = "/v1/contracts/customerBalances/list"

    yield Figure("the status", 200, shop.lab.status(path, body))
    yield Figure("the list", [], shop.lab.post(path, body)["data"])


@probe("A-net-balance")
def net_balance(shop: Shop) -> Iterator[Figure]:
    """A customer that nobody has, and one with a postpaid commit only."""
    path = "/v1/contracts/customerBalances/getNetBalance"
    product = shop.product("P", 10)
    ends = shop.at(24 * 400)
    due = {"schedule_items": [{"timestamp": ends, "amount": 1000}]}
    commit = shop.prepaid("C", 1000, ending_before=ends, invoice_schedule=due)
    contract = shop.contract(ending_before=ends, commits=[{**commit, "type": "POSTPAID"}])
    shop.bill(contract, [(product, 30)])

    yield Figure("an unknown customer", 400, shop.lab.status(path, {"customer_id": str(uuid4())}))
    found = shop.lab.post(path, {"customer_id": shop.customer})["data"]
    yield Figure("what is still owed", 700, found["balance"])  # 1000 - 30 * 10


def _segments(shop: Shop, contract_terms: dict[str, Any]) -> dict[str, Any]:
    """Make a contract with a commit of two half-years; return what names it."""
    items = [
        {"amount": 100, "starting_at": JUNE, "ending_before": SEPTEMBER},
        {"amount": 100, "starting_at": SEPTEMBER, "ending_before": YEAR_END},
    ]
    commit = shop.prepaid("C", 100, **contract_terms)
    commit["access_schedule"]["schedule_items"] = items
    shop.product("P", 10)
    contract = shop.contract(commits=[commit])
    return {"customer_id": shop.customer, "commit_id": shop.balances()["C"]["id"], "contract": contract}


@probe("A-end-of-access")
def end_of_access(shop: Shop) -> Iterator[Figure]:
    """A commit of two segments that ends in the middle of the first one, and before its start."""
    made = _segments(shop, {})
    path = "/v1/contracts/customerCommits/updateEndDate"
    body = {"customer_id": made["customer_id"], "commit_id": made["commit_id"]}

    yield Figure("an end at the start", 400, shop.lab.status(path, {**body, "access_ending_before": JUNE}))
    yield Figure("an end in the first segment", 200, shop.lab.status(path, {**body, "access_ending_before": JULY}))
    items = shop.balances()["C"]["access_schedule"]["schedule_items"]
    found = [(item["starting_at"][:10], item["ending_before"][:10]) for item in items]
    yield Figure("its segments", [("2024-06-01", "2024-07-01")], found)


@probe("A-end-of-payments")
def end_of_payments(shop: Shop) -> Iterator[Figure]:
    """An end of payments after the only payment."""
    made = _segments(shop, {"paid": 100})
    body = {"customer_id": made["customer_id"], "commit_id": made["commit_id"], "invoices_ending_before": YEAR_END}

    path = "/v1/contracts/customerCommits/updateEndDate"
    yield Figure("the status", 200, shop.lab.status(path, body))
    items = shop.balances()["C"]["invoice_schedule"]["schedule_items"]
    yield Figure("its payments", [100], [item["amount"] for item in items])


@probe("A-manual-entry")
def manual_entry(shop: Shop) -> Iterator[Figure]:
    """Entries without the contract's id, before the segment, and as they should be."""
    shop.product("P", 10)
    contract = shop.lasting(credits=[shop.lasting_credit("C", 100)])
    credit = shop.balances()["C"]
    [segment] = credit["access_schedule"]["schedule_items"]
    body = {
        "customer_id": shop.customer,
        "id": credit["id"],
        "segment_id": segment["id"],
        "amount": -40,
        "reason": "probe",
        "timestamp": JULY,
    }
    path = "/v1/contracts/addManualBalanceLedgerEntry"
    named = {**body, "contract_id": contract}

    yield Figure("without contract_id", 404, shop.lab.status(path, body))
    yield Figure("before the segment", 400, shop.lab.status(path, {**named, "timestamp": "2024-05-01T00:00:00Z"}))
    yield Figure("inside", 200, shop.lab.status(path, named))
    yield Figure("the balance", 60, shop.balances()["C"]["balance"])  # 100 - 40


@probe("A-edit-used-segment")
def edit_used_segment(shop: Shop) -> Iterator[Figure]:
    """A segment that an invoice drew 40 from: 30, an end inside the invoiced time, and 50."""
    product = shop.product("P", 10)
    contract = shop.lasting(credits=[shop.lasting_credit("C", 100)])
    shop.bill(contract, [(product, 4)])
    credit = shop.balances()["C"]
    [segment] = credit["access_schedule"]["schedule_items"]

    def status(**change: Any) -> int:
        changed = {"update_schedule_items": [{"id": segment["id"], **change}]}
        body = {"customer_id": shop.customer, "credit_id": credit["id"], "access_schedule": changed}
        return shop.lab.status("/v2/contracts/credits/edit", body)

    yield Figure("less than was drawn", 400, status(amount=30))
    yield Figure("an end inside the invoiced time", 400, status(ending_before="2024-06-16T00:00:00Z"))
    yield Figure("more than was drawn", 200, status(amount=50))
    yield Figure("the balance", 10, shop.balances()["C"]["balance"])  # 50 - 40


def _grants(shop: Shop, **terms: Any) -> list[tuple[str, Any]]:
    """Return start and amount of what a recurring credit of 310 grants from June to August."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "name": shop.called("G"),
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
        "ending_before": SEPTEMBER,
        **terms,
    }
    contract = shop.contract(recurring_credits=[recurring])
    body = {"customer_id": shop.customer, "contract_id": contract}
    found = shop.lab.post("/v2/contracts/get", body)["data"]["credits"]
    items = [item for one in found for item in one["access_schedule"]["schedule_items"]]
    return sorted((item["starting_at"][:10], item["amount"]) for item in items)


@probe("A-grants")
def grants(shop: Shop) -> Iterator[Figure]:
    """A recurring credit of 310 that starts on June 22 and ends on August 11, prorated."""
    dates = {"starting_at": "2024-06-22T00:00:00Z", "ending_before": "2024-08-11T00:00:00Z"}

    found = _grants(shop, **dates, proration="FIRST_AND_LAST")

    # Its months begin on the 22nd; July 22 to August 10 are 20 of 31 days: 310 * 20 / 31
    yield Figure("what it grants", [("2024-06-22", 310), ("2024-07-22", 200)], found)


@probe("A-grant-duration")
def grant_duration(shop: Shop) -> Iterator[Figure]:
    """Durations of 0, of half a period, and of 2."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
    }
    for value, expected in ((0, 400), (0.5, 400), (2, 200)):
        granted = {**recurring, "commit_duration": {"unit": "PERIODS", "value": value}}
        status = shop.lab.status("/v1/contracts/create", shop.contract_body(recurring_credits=[granted]))
        yield Figure(f"{value} periods", expected, status)


@probe("A-early-end")
def early_end(shop: Shop) -> Iterator[Figure]:
    """A contract that ends before its second segment."""
    made = _segments(shop, {})
    body = {"customer_id": shop.customer, "contract_id": made["contract"], "ending_before": AUGUST}
    shop.lab.post("/v1/contracts/updateEndDate", body)

    items = shop.balances()["C"]["access_schedule"]["schedule_items"]

    yield Figure("the starts of its segments", ["2024-06-01"], [item["starting_at"][:10] for item in items])


@probe("A-expiration")
def expiration(shop: Shop) -> Iterator[Figure]:
    """A contract that is archived with a credit of which 60 are left."""
    product = shop.product("P", 10)
    contract = shop.lasting(credits=[shop.lasting_credit("C", 100)])
    shop.bill(contract, [(product, 4)])
    shop.lab.archive(contract, void_invoices=False)

    found = shop.balances(include_archived=True)["C"]

    expired = [entry["amount"] for entry in found["ledger"] if "EXPIRATION" in entry["type"]]
    yield Figure("what expires", [-60], expired)  # 100 - 4 * 10
    yield Figure("what is left", 0, found["balance"])


@probe("A-true-up-once", needs_clock=True)
def true_up_once(shop: Shop) -> Iterator[Figure]:
    """A postpaid commit that June used up, and whose invoice of June is void after the true-up was due."""
    product = shop.product("P", 10)
    due = {"schedule_items": [{"timestamp": AUGUST, "amount": 100}]}
    commit = {**shop.prepaid("C", 100, ending_before=AUGUST, invoice_schedule=due), "type": "POSTPAID"}
    shop.contract(commits=[commit], usage_statement_schedule={"frequency": "MONTHLY"})
    event = {**shop.event(product, 24 * 9, 10), "customer_id": shop.customer}
    shop.lab.ask("POST", "/v1/ingest", [event])

    def scheduled() -> list[Any]:
        return [one["total"] for one in shop.invoices("SCHEDULED") if one["status"] != "VOID" and one["total"]]

    shop.lab.advance("2024-08-05T00:00:00Z")
    yield Figure("true-ups when all is used", [], scheduled())
    june = next(one for one in shop.invoices("USAGE") if one["start_timestamp"][:10] == JUNE[:10])
    shop.void(june)
    shop.lab.advance("2024-09-05T00:00:00Z")
    yield Figure("true-ups once June is void", [], scheduled())


@probe("A-rollover-amount")
def rollover_amount(shop: Shop) -> Iterator[Figure]:
    """A renewal of a contract with a commit of 1000, 300 of it used, that rolls over half at most, and one without."""
    product = shop.product("P", 10)
    commits = [shop.prepaid("half", 1000, rollover_fraction=0.5, priority=1), shop.prepaid("none", 1000, priority=2)]
    first = shop.contract(commits=commits)
    shop.bill(first, [(product, 30)])
    renewal = {"type": "RENEWAL", "from_contract_id": first}
    second = shop.lasting(starting_at=YEAR_END, transition=renewal)

    body = {"customer_id": shop.customer, "contract_id": second}
    commits = shop.lab.post("/v2/contracts/get", body)["data"]["commits"]

    found = [item["amount"] for one in commits for item in one["access_schedule"]["schedule_items"]]
    yield Figure("what rolls over", [500], found)  # the lesser of 1000 - 300 and 1000 / 2


@probe("A-child-access-default")
def child_access_default(shop: Shop) -> Iterator[Figure]:
    """Usage of a child under a credit of its parent that says nothing about children."""
    product = shop.product("P", 10)
    parent = {"customer_id": shop.customer, "contract_id": shop.contract(credits=[shop.credit("C", 100)])}
    shop.customer = shop.lab.make("/v1/customers", {"name": shop.lab.name("child")})
    child = shop.contract(hierarchy_configuration={"parent": parent})

    invoice = shop.preview(child, [(product, 4)])

    yield Figure("what the credit pays", {}, shop.spent(invoice))
    yield Figure("what is due", 40, invoice["total"])  # 4 * 10


@probe("A-child-access")
def child_access(shop: Shop) -> Iterator[Figure]:
    """Access of a contract outside of the hierarchy."""
    shop.product("P", 10)
    other = shop.contract()
    access = {"child_access": {"type": "CONTRACT_IDS", "contract_ids": [other]}}
    credit = shop.credit("C", 100, hierarchy_configuration=access)

    yield Figure("its creation", 400, shop.lab.status("/v1/contracts/create", shop.contract_body(credits=[credit])))


@probe("A-tags-counted", needs_clock=True)
def tags_counted(shop: Shop) -> Iterator[Figure]:
    """Two credits with a tag each, of which one loses a product to the other on June 15."""
    left, right = shop.lab.name("left"), shop.lab.name("right")
    product = shop.product("P", 10, tags=[left, right])
    moving = shop.product("Q", 10, tags=[left])
    shop.product("R", 10, tags=[left])
    shop.product("S", 10, tags=[right])
    credits = [
        shop.credit("left", 100, applicable_product_tags=[left]),  # 3 products, then 2
        shop.credit("right", 100, applicable_product_tags=[right]),  # 2 products, then 3
    ]
    contract = shop.contract(credits=credits)
    change = {"product_id": moving, "starting_at": "2024-06-15T00:00:00Z", "tags": [right]}
    shop.lab.post("/v1/contract-pricing/products/update", change)

    found = shop.spent(shop.preview(contract, [(product, 15)]))

    yield Figure("who pays 150", {"left": 100, "right": 50}, found)


@probe("A-postpaid-end", needs_clock=True)
def postpaid_end(shop: Shop) -> Iterator[Figure]:
    """Postpaid commits of 100 until July, 40 used of each, with a true-up in August and with none."""
    product = shop.product("P", 10)
    due = {"schedule_items": [{"timestamp": AUGUST, "amount": 100}]}
    for short, schedule in (("billed", due), ("not billed", {**due, "do_not_invoice": True})):
        commit = {**shop.prepaid(short, 100, ending_before=JULY, invoice_schedule=schedule), "type": "POSTPAID"}
        contract = shop.contract(commits=[commit])
        shop.bill(contract, [(product, 4)])

    def lapsed() -> dict[str, list[Any]]:
        found = shop.balances(include_archived=True)
        return {name: [one for one in ledger(balance) if "EXPIRATION" in one[0]] for name, balance in found.items()}

    shop.lab.advance("2024-07-15T00:00:00Z")
    expected = {"billed": [], "not billed": [("POSTPAID_COMMIT_EXPIRATION", -60)]}  # 100 - 40
    yield Figure("what lapses at the end of June", expected, lapsed())


@probe("A-true-up", needs_clock=True)
def true_up(shop: Shop) -> Iterator[Figure]:
    """The invoice of what a postpaid commit of 100 lacks, 40 of it used."""
    product = shop.product("P", 10)
    due = {"schedule_items": [{"timestamp": AUGUST, "amount": 100}]}
    commit = {**shop.prepaid("C", 100, ending_before=AUGUST, invoice_schedule=due), "type": "POSTPAID"}
    shop.contract(commits=[commit], usage_statement_schedule={"frequency": "MONTHLY"})
    shop.lab.ask("POST", "/v1/ingest", [{**shop.event(product, 24 * 9, 4), "customer_id": shop.customer}])

    def invoices() -> list[Any]:
        found = [one for one in shop.invoices("SCHEDULED") if one["total"]]
        return [(one["status"], [line[1:] for line in shop.lines(one)]) for one in found]

    yield Figure("in June", [("DRAFT", [(1, 60, 60)])], invoices())  # 100 - 4 * 10
    shop.lab.advance("2024-08-05T00:00:00Z")
    yield Figure("in August", [("FINALIZED", [(1, 60, 60)])], invoices())


@probe("A-true-up-without-invoice", needs_clock=True)
def true_up_without_invoice(shop: Shop) -> Iterator[Figure]:
    """A postpaid commit whose true-up is not invoiced."""
    shop.product("P", 10)
    due = {"schedule_items": [{"timestamp": AUGUST, "amount": 100}], "do_not_invoice": True}
    commit = {**shop.prepaid("C", 100, ending_before=AUGUST, invoice_schedule=due), "type": "POSTPAID"}
    shop.contract(commits=[commit], usage_statement_schedule={"frequency": "MONTHLY"})
    shop.lab.advance("2024-08-05T00:00:00Z")

    yield Figure("true-ups", [], [one["total"] for one in shop.invoices("SCHEDULED") if one["total"]])
    yield Figure("what is left", 0, shop.balances()["C"]["balance"])


@probe("A-rollover-follows", needs_clock=True)
def rollover_follows(shop: Shop) -> Iterator[Figure]:
    """Usage of the last month of a contract that arrives after it was renewed."""
    product = shop.product("P", 10)
    commit = shop.prepaid("C", 1000, ending_before=JULY, rollover_fraction=1)
    first = shop.contract(commits=[commit], ending_before=JULY, usage_statement_schedule={"frequency": "MONTHLY"})
    renewal = {"type": "RENEWAL", "from_contract_id": first}
    second = shop.contract(starting_at=JULY, transition=renewal, usage_statement_schedule={"frequency": "MONTHLY"})

    def amounts() -> list[Any]:
        body = {"customer_id": shop.customer, "contract_id": second}
        commits = shop.lab.post("/v2/contracts/get", body)["data"]["commits"]
        return [item["amount"] for one in commits for item in one["access_schedule"]["schedule_items"]]

    yield Figure("what rolls over before", [1000], amounts())
    shop.lab.ask("POST", "/v1/ingest", [{**shop.event(product, 24 * 9, 30), "customer_id": shop.customer}])
    yield Figure("what rolls over after", [700], amounts())  # 1000 - 30 * 10


@probe("A-grant-payment")
def grant_payment(shop: Shop) -> Iterator[Figure]:
    """A recurring commit of two months that costs 50 each."""
    shop.product("P", 10)
    recurring = {
        "product_id": shop.commitment,
        "priority": 1,
        "access_amount": {"credit_type_id": USD, "unit_price": 310, "quantity": 1},
        "invoice_amount": {"credit_type_id": USD, "unit_price": 50, "quantity": 1},
        "commit_duration": {"unit": "PERIODS", "value": 1},
        "recurrence_frequency": "MONTHLY",
        "starting_at": JUNE,
    }
    shop.contract(
        recurring_commits=[recurring], ending_before=AUGUST, usage_statement_schedule={"frequency": "MONTHLY"}
    )

    found = [(one["issued_at"][:10], one["total"]) for one in shop.invoices("SCHEDULED") if one["total"]]

    yield Figure("issue dates and totals", [("2024-06-01", 50), ("2024-07-01", 50)], found)


@probe("A-early-end-terms")
def early_end_terms(shop: Shop) -> Iterator[Figure]:
    """A contract with an open override that ends in July, and then later again."""
    product = shop.product("P", 10)
    override = {"starting_at": JUNE, "product_id": product, "type": "MULTIPLIER", "multiplier": 0.5}
    contract = shop.contract(overrides=[override])
    named = {"customer_id": shop.customer, "contract_id": contract}
    for end in (AUGUST, YEAR_END):
        shop.lab.post("/v1/contracts/updateEndDate", {**named, "ending_before": end})

    [found] = shop.lab.post("/v2/contracts/get", named)["data"]["overrides"]

    yield Figure("the end of the override", AUGUST[:10], (found.get("ending_before") or "")[:10])
