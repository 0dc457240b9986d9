"""Probes of imported invoices. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator

from metronome_sandbox.toolkit.probes.lab import AUGUST, DECEMBER, JULY, JUNE, YEAR_END, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe


def window(starting_at: str, ending_before: str, quantity: float) -> dict[str, object]:
    """Return a subtotal of a line."""
    days = {"inclusive_start_date": f"2024-06-{starting_at}T00:00:00Z"}
    return {**days, "exclusive_end_date": f"2024-06-{ending_before}T00:00:00Z", "quantity": quantity}


@probe("A-import-status")
def import_status(shop: Shop) -> Iterator[Figure]:
    """An invoice with an issue date that is over, and one with a date to come."""
    product = shop.product("P", 10)
    contract = shop.contract()

    past = shop.bill(contract, [(product, 1)])
    future = shop.bill(contract, [(product, 1)], JULY, AUGUST, issue_date=shop.at(24 * 400))

    yield Figure("issued in the past", ("FINALIZED", "USAGE"), (past["status"], past["type"]))
    yield Figure("its issue date", JULY[:10], past["issued_at"][:10])
    yield Figure("issued in the future", "DRAFT", future["status"])


@probe("A-import-period")
def import_period(shop: Shop) -> Iterator[Figure]:
    """Periods that are billed without an import, before the contract, and out of the middle of a month."""
    product = shop.product("P", 10)
    contract = shop.contract()

    def status(starting_at: str, ending_before: str) -> int:
        return shop.import_status(shop.historical(contract, [(product, 1)], starting_at, ending_before))

    yield Figure("December, which is billed by itself", 400, status(DECEMBER, YEAR_END))
    yield Figure("May, before the contract", 400, status("2024-05-01T00:00:00Z", JUNE))
    yield Figure("ten days of June", 200, status("2024-06-11T00:00:00Z", "2024-06-21T00:00:00Z"))


@probe("A-import-overlap")
def import_overlap(shop: Shop) -> Iterator[Figure]:
    """One period twice, and again once the first invoice is void."""
    product = shop.product("P", 10)
    contract = shop.contract()
    june = shop.bill(contract, [(product, 1)])
    again = shop.historical(contract, [(product, 2)])

    yield Figure("June for the second time", 400, shop.import_status(again))
    shop.void(june)
    yield Figure("June once the first one is void", 200, shop.import_status(again))


@probe("A-import-quantity")
def import_quantity(shop: Shop) -> Iterator[Figure]:
    """Both kinds of quantity, none, and a fraction of a product that rounds up."""
    product = shop.product("P", 10, quantity_rounding={"rounding_method": "ROUND_UP", "decimal_places": 0})
    contract = shop.contract()
    both = {"quantity": 1, "subtotals_with_quantity": [window("01", "02", 1)]}

    def status(used: object) -> int:
        return shop.import_status(shop.historical(contract, [(product, used)], breakdown_granularity="DAY"))

    yield Figure("both", 400, status(both))
    yield Figure("none", 400, status({}))
    yield Figure("2.5 units", [("P", 2.5, 10, 25)], shop.lines(shop.preview(contract, [(product, 2.5)])))


@probe("A-import-windows")
def import_windows(shop: Shop) -> Iterator[Figure]:
    """Subtotals of two days, of one day twice, and with a gap between them."""
    product = shop.product("P", 10)
    contract = shop.contract()

    def status(*windows: object) -> int:
        used = {"subtotals_with_quantity": list(windows)}
        return shop.import_status(shop.historical(contract, [(product, used)], breakdown_granularity="DAY"))

    yield Figure("two days in one", 400, status(window("01", "03", 1)))
    yield Figure("one day twice", 400, status(window("01", "02", 1), window("01", "02", 1)))
    yield Figure("a gap", 200, status(window("01", "02", 1), window("05", "06", 1)))


@probe("A-batch-order")
def batch_order(shop: Shop) -> Iterator[Figure]:
    """July before June in one preview, under a small credit."""
    product = shop.product("P", 1)
    contract = shop.contract(credits=[shop.credit("C", 100)])
    july = shop.historical(contract, [(product, 80)], JULY, AUGUST)
    june = shop.historical(contract, [(product, 80)])

    found = shop.import_all([july, june], preview=True)

    yield Figure("what is due of July and June", [60, 0], [one["total"] for one in found])  # 80 - (100 - 80), 80 - 80


@probe("A-external-invoice")
def external_invoice(shop: Shop) -> Iterator[Figure]:
    """Whether an imported invoice goes to a billing provider."""
    product = shop.product("P", 10)
    invoice = shop.bill(shop.contract(), [(product, 1)])

    yield Figure("external_invoice", None, invoice.get("external_invoice"))
