"""Probes of ends: of access, payments, contracts, postpaid commits, and of what a renewal takes over. In US cents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, DECEMBER, JULY, JUNE, SEPTEMBER, YEAR_END, Figure, Json
from metronome_sandbox.toolkit.probes.shop import Shop, ledger
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe


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


@probe("A-early-end")
def early_end(shop: Shop) -> Iterator[Figure]:
    """A contract that ends before its second segment."""
    made = _segments(shop, {})
    body = {"customer_id": shop.customer, "contract_id": made["contract"], "ending_before": AUGUST}
    shop.lab.post("/v1/contracts/updateEndDate", body)

    items = shop.balances()["C"]["access_schedule"]["schedule_items"]

    yield Figure("the starts of its segments", ["2024-06-01"], [item["starting_at"][:10] for item in items])


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


def _postpaid(shop: Shop, short: str, due: str, *, do_not_invoice: bool = False, **terms: Any) -> Json:
    """Return a postpaid commit of 100, until its true-up where nothing else is said."""
    schedule = {"schedule_items": [{"timestamp": due, "amount": 100}], "do_not_invoice": do_not_invoice}
    return {
        **shop.prepaid(short, 100, **{"ending_before": due, **terms}, invoice_schedule=schedule),
        "type": "POSTPAID",
    }


@probe("A-postpaid-end")
def postpaid_end(shop: Shop) -> Iterator[Figure]:
    """Postpaid commits of 100 until July 2024, 40 used of each, with a true-up that is to come and with none."""
    product = shop.product("P", 10)
    later = shop.at(24 * 300)
    for short, terms in (("billed", {}), ("not billed", {"do_not_invoice": True})):
        contract = shop.lasting(commits=[_postpaid(shop, short, later, ending_before=JULY, **terms)])
        shop.bill(contract, [(product, 4)])

    found = shop.balances(include_archived=True)

    lapsed = {name: [one for one in ledger(balance) if "EXPIRATION" in one[0]] for name, balance in found.items()}
    expected = {"billed": [], "not billed": [("POSTPAID_COMMIT_EXPIRATION", -60)]}  # 100 - 40
    yield Figure("what lapsed at the end of June", expected, lapsed)


@probe("A-true-up")
def true_up(shop: Shop) -> Iterator[Figure]:
    """The invoice of what a postpaid commit of 100 lacks, 40 of it used in June; and of one that is due later."""
    product = shop.product("P", 10)

    def invoices() -> list[Any]:
        found = [one for one in shop.invoices("SCHEDULED") if one["total"]]
        return [(one["status"], [line[1:] for line in shop.lines(one)]) for one in found]

    contract = shop.contract(commits=[_postpaid(shop, "C", AUGUST)])
    shop.bill(contract, [(product, 4)])
    yield Figure("before July is imported", [("DRAFT", [(1, 60, 60)])], invoices())  # 100 - 4 * 10
    shop.bill(contract, [(product, 1)], JULY, AUGUST)
    yield Figure("when all is imported", [("FINALIZED", [(1, 50, 50)])], invoices())
    shop.running(
        ending_before=shop.at(24 * 400), commits=[_postpaid(shop, "D", shop.at(24 * 300), starting_at=shop.this_month)]
    )
    yield Figure("and of one that is due later", [("FINALIZED", [(1, 50, 50)]), ("DRAFT", [(1, 100, 100)])], invoices())


@probe("A-true-up-once")
def true_up_once(shop: Shop) -> Iterator[Figure]:
    """A postpaid commit that June used up, and whose invoice of June is void after the true-up was due."""
    product = shop.product("P", 10)
    contract = shop.contract(commits=[_postpaid(shop, "C", AUGUST)])
    june = shop.bill(contract, [(product, 10)])
    shop.bill(contract, [(product, 0)], JULY, AUGUST)

    def scheduled() -> list[Any]:
        return [one["total"] for one in shop.invoices("SCHEDULED") if one["status"] != "VOID" and one["total"]]

    yield Figure("true-ups when all is used", [], scheduled())
    shop.void(june)
    yield Figure("true-ups once June is void", [], scheduled())


@probe("A-true-up-without-invoice")
def true_up_without_invoice(shop: Shop) -> Iterator[Figure]:
    """A postpaid commit of the past whose true-up is not invoiced."""
    shop.product("P", 10)
    commit = _postpaid(shop, "C", AUGUST, do_not_invoice=True)
    shop.contract(commits=[commit], ending_before=AUGUST, usage_statement_schedule={"frequency": "MONTHLY"})

    yield Figure("true-ups", [], [one["total"] for one in shop.invoices("SCHEDULED") if one["total"]])
    yield Figure("what is left", 0, shop.balances()["C"]["balance"])


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
    third = shop.lasting(starting_at=YEAR_END, transition=renewal)
    yield Figure("what rolls over to a second renewal", [], shop.read(third).get("commits", []))


@probe("A-rollover-follows")
def rollover_follows(shop: Shop) -> Iterator[Figure]:
    """Usage of the last month of a contract that is imported after it was renewed."""
    product = shop.product("P", 10)
    commit = shop.prepaid("C", 1000, ending_before=JULY, rollover_fraction=1)
    first = shop.contract(commits=[commit], ending_before=JULY)
    second = shop.contract(starting_at=JULY, transition={"type": "RENEWAL", "from_contract_id": first})

    def amounts() -> list[Any]:
        commits = shop.read(second)["commits"]
        return [item["amount"] for one in commits for item in one["access_schedule"]["schedule_items"]]

    yield Figure("what rolls over before", [1000], amounts())
    shop.bill(first, [(product, 30)])
    yield Figure("what rolls over after", [700], amounts())  # 1000 - 30 * 10


@probe("A-rollover-terms")
def rollover_terms(shop: Shop) -> Iterator[Figure]:
    """A renewal without an end of a contract with a commit for December, that is for one product and has a priority."""
    product = shop.product("P", 10)
    terms = {"priority": 7, "applicable_product_ids": [product], "rate_type": "COMMIT_RATE", "rollover_fraction": 1}
    first = shop.contract(commits=[shop.prepaid("C", 1000, starting_at=DECEMBER, **terms)])
    renewal = {"type": "RENEWAL", "from_contract_id": first}
    body = shop.contract_body(starting_at=YEAR_END, transition=renewal)
    body["usage_statement_schedule"]["invoice_generation_starting_at"] = shop.at(24 * 400)
    del body["ending_before"]
    second = shop.lab.make("/v1/contracts/create", body)

    [commit] = shop.read(second)["commits"]

    items = [
        (item["starting_at"][:10], item["ending_before"][:10], item["amount"])
        for item in commit["access_schedule"]["schedule_items"]
    ]
    yield Figure("as long as December", [("2025-01-01", "2025-02-01", 1000)], items)
    kept = (shop.short(commit["name"]), commit["priority"], commit["rate_type"], len(commit["applicable_product_ids"]))
    yield Figure("name, priority, rate type, products", ("C", 7, "COMMIT_RATE", 1), kept)
