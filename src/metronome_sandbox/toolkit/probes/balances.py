"""Probes of commits and credits: the order of spending, ledgers, ends. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from metronome_sandbox.toolkit.probes.imports import window
from metronome_sandbox.toolkit.probes.lab import AUGUST, JULY, JUNE, SEPTEMBER, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
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


@probe("A-tags-counted")
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
