"""Probes of prices: rates, tiers, overrides, rounding, composite products. Money is in US cents."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from metronome_sandbox.toolkit.probes.lab import AUGUST, DECEMBER, JULY, JUNE, LONG_AGO, SEPTEMBER, USD, Figure
from metronome_sandbox.toolkit.probes.shop import Shop
from metronome_sandbox.toolkit.probes.table import Table

TABLE = Table()
probe = TABLE.probe

MID_JUNE = "2024-06-16T00:00:00Z"
BEFORE = {"inclusive_start_date": "2024-06-15T00:00:00Z", "exclusive_end_date": MID_JUNE}
AFTER = {"inclusive_start_date": MID_JUNE, "exclusive_end_date": "2024-06-17T00:00:00Z"}


def _by_day(before: float, after: float) -> dict[str, object]:
    """Return a line's quantities on June 15 and June 16."""
    return {"subtotals_with_quantity": [{**BEFORE, "quantity": before}, {**AFTER, "quantity": after}]}


def _override(product: str, **terms: object) -> dict[str, object]:
    return {"starting_at": JUNE, "override_specifiers": [{"product_id": product}], **terms}


@probe("A-last-tier")
def last_tier(shop: Shop) -> Iterator[Figure]:
    """Tiers of 5 and 5, then 12 units."""
    product = shop.product("P", tiers=[(5, 10), (5, 7)])

    invoice = shop.preview(shop.contract(), [(product, 12)])

    yield Figure("12 units over tiers 5 @ 10, 5 @ 7", 99, invoice["total"])  # 5 * 10 + 7 * 7


@probe("A-multiplier-on-tiers")
def multiplier_on_tiers(shop: Shop) -> Iterator[Figure]:
    """Half of a two-tier rate."""
    product = shop.product("P", tiers=[(10, 100), (None, 60)])
    contract = shop.contract(overrides=[_override(product, type="MULTIPLIER", multiplier=0.5)])

    invoice = shop.preview(contract, [(product, 15)])

    yield Figure("15 units over tiers 10 @ 100, then 60, halved", 650, invoice["total"])  # 10 * 50 + 5 * 30


@probe("A-tiered-override")
def tiered_override(shop: Shop) -> Iterator[Figure]:
    """A TIERED override on a flat rate and on a tiered one."""
    flat, tiered = shop.product("F", 100), shop.product("T", tiers=[(5, 100), (None, 60)])
    tiers = [{"size": 10, "multiplier": 0.8}]
    overrides = [_override(one, type="TIERED", tiers=tiers, priority=1) for one in (flat, tiered)]
    contract = shop.contract(multiplier_override_prioritization="EXPLICIT", overrides=overrides)

    on_flat = shop.preview(contract, [(flat, 25)])
    on_tiered = shop.preview(contract, [(tiered, 25)])

    yield Figure("25 units @ 100, the first 10 at 0.8", 2300, on_flat["total"])  # 10 * 80 + 15 * 100
    # 5 * 80 + 5 * 48 + 15 * 60
    yield Figure("25 units over tiers 5 @ 100, then 60, the first 10 at 0.8", 1540, on_tiered["total"])


@probe("A-override-tie")
def override_tie(shop: Shop) -> Iterator[Figure]:
    """Two EXPLICIT multipliers with one priority."""
    product = shop.product("P", 100)
    multipliers = [_override(product, type="MULTIPLIER", multiplier=one, priority=1) for one in (0.5, 0.8)]
    contract = shop.contract(multiplier_override_prioritization="EXPLICIT", overrides=multipliers)

    invoice = shop.preview(contract, [(product, 10)])

    yield Figure("10 units @ 100 under 0.5, then 0.8, of one priority", 800, invoice["total"])  # 10 * 100 * 0.8


@probe("A-override-base")
def override_base(shop: Shop) -> Iterator[Figure]:
    """A multiplier of the list rate under a balance that pays the commit rate."""
    product = shop.product("P", 100, rate={"commit_rate": {"rate_type": "FLAT", "price": 80}})
    halved = _override(product, type="MULTIPLIER", multiplier=0.5, is_commit_specific=True, target="LIST_RATE")
    credit = shop.credit("C", 10000, rate_type="COMMIT_RATE")
    contract = shop.contract(credits=[credit], overrides=[halved])

    invoice = shop.preview(contract, [(product, 10)])

    yield Figure("what the credit pays for 10 units", {"C": 800}, shop.spent(invoice))  # 10 * 80


@probe("A-entitlement")
def entitlement(shop: Shop) -> Iterator[Figure]:
    """An overwritten price of a rate that is not entitled."""
    product = shop.product("P", 100, rate={"entitled": False})
    price = {"rate_type": "FLAT", "price": 50}
    overrides = [{"starting_at": shop.this_month, "product_id": product, "type": "OVERWRITE", "overwrite_rate": price}]
    contract = shop.running(overrides=overrides)

    invoice = shop.metered(contract, (product, 0, 10))

    yield Figure("10 units of a product that is not available", 0, invoice["total"])


@probe("A-rate-overlap")
def rate_overlap(shop: Shop) -> Iterator[Figure]:
    """An open rate, a later one for two months in it, then another one with the start of the latter."""
    product = shop.product("P", 10)
    shop.rate(product, 20, starting_at=JULY, ending_before=SEPTEMBER)
    contract = shop.contract()
    months = [(JUNE, JULY), (JULY, AUGUST), (SEPTEMBER, "2024-10-01T00:00:00Z")]

    found = [shop.preview(contract, [(product, 1)], *month)["total"] for month in months]
    shop.rate(product, 30, starting_at=JULY, ending_before=SEPTEMBER)
    again = shop.preview(contract, [(product, 1)], JULY, AUGUST)["total"]

    yield Figure("a unit in June, July and September", [10, 20, 10], found)
    yield Figure("a unit in July under a newer rate with the same start", 30, again)


@probe("A-whole-quantity")
def whole_quantity(shop: Shop) -> Iterator[Figure]:
    """A month in whose middle the price doubles, as a whole and by day."""
    product = shop.product("P", 10)
    shop.rate(product, 20, starting_at=MID_JUNE)
    contract = shop.contract()

    whole = shop.preview(contract, [(product, 10)])
    by_day = shop.preview(contract, [(product, _by_day(1, 1))], breakdown_granularity="DAY")

    yield Figure("10 units of June as a whole", 100, whole["total"])  # 10 * 10, the price of June 1
    yield Figure("a unit on June 15 and one on June 16", 30, by_day["total"])  # 10 + 20


@probe("A-tier-position")
def tier_position(shop: Shop) -> Iterator[Figure]:
    """A tiered rate that changes in the middle of a period."""
    product = shop.product("P", tiers=[(10, 100), (None, 50)])
    shop.rate(product, tiers=[(10, 200), (None, 80)], starting_at=MID_JUNE)

    invoice = shop.preview(shop.contract(), [(product, _by_day(10, 10))], breakdown_granularity="DAY")

    yield Figure("10 units before the change and 10 after it", 1800, invoice["total"])  # 10 * 100 + 10 * 80


@probe("A-rounding")
def rounding(shop: Shop) -> Iterator[Figure]:
    """A half and a quarter of a unit in two hours, rounded up."""
    product = shop.product("P", 100, quantity_rounding={"rounding_method": "ROUND_UP", "decimal_places": 0})

    invoice = shop.metered(shop.running(), (product, 0, 0.5), (product, 1, 0.25))

    yield Figure("0.5 + 0.25 units @ 100, rounded up", 100, invoice["total"])  # once: 1 * 100


@probe("A-not-a-number")
def not_a_number(shop: Shop) -> Iterator[Figure]:
    """A value that is no number, beside one that is."""
    product = shop.product("P", 100)

    invoice = shop.metered(shop.running(), (product, 0, "abc"), (product, 0, 2))

    yield Figure("'abc' and 2 units @ 100", 200, invoice["total"])  # 2 * 100


@probe("A-printed-digits")
def printed_digits(shop: Shop) -> Iterator[Figure]:
    """A division that never ends: a credit of 100 at a price of 150."""
    product = shop.product("P", 150)
    contract = shop.contract(credits=[shop.credit("C", 100)])

    invoice = shop.preview(contract, [(product, 1)])

    covered = next(line["quantity"] for line in invoice["line_items"] if "applied_commit_or_credit" in line)
    yield Figure("the covered quantity", Decimal("0.666666666666667"), covered)  # 100 / 150
    yield Figure("its significant digits", 15, len(covered.as_tuple().digits))
    yield Figure("what is due", 50, invoice["total"])  # 150 - 100


@probe("A-number-size")
def number_size(shop: Shop) -> Iterator[Figure]:
    """Prices that are too large and too fine."""
    product = shop.product("P")
    path = "/v1/contract-pricing/rate-cards/addRate"

    yield Figure("a price of 1e16", 400, shop.lab.status(path, shop.rate_body(product, 10**16)))
    yield Figure("a price of 1e-20", 400, shop.lab.status(path, shop.rate_body(product, 1e-20)))


@probe("A-rate-hours")
def rate_hours(shop: Shop) -> Iterator[Figure]:
    """A rate from half past."""
    body = shop.rate_body(shop.product("P"), 10, starting_at="2024-01-01T00:30:00Z")

    yield Figure("a rate from 00:30", 400, shop.lab.status("/v1/contract-pricing/rate-cards/addRate", body))


@probe("A-frequency-of-usage")
def frequency_of_usage(shop: Shop) -> Iterator[Figure]:
    """A MONTHLY rate of a USAGE product."""
    body = shop.rate_body(shop.product("P"), 10, billing_frequency="MONTHLY")

    yield Figure("a MONTHLY rate", 400, shop.lab.status("/v1/contract-pricing/rate-cards/addRate", body))


@probe("A-overwrite-unit")
def overwrite_unit(shop: Shop) -> Iterator[Figure]:
    """An overwriting price in another unit than the rate's."""
    product = shop.product("P", 100)
    unit = shop.lab.make("/v1/credit-types/create", {"name": shop.lab.name("unit")})
    price = {"rate_type": "FLAT", "price": 50}

    def status(**terms: object) -> int:
        override = {
            "starting_at": JUNE,
            "product_id": product,
            "type": "OVERWRITE",
            "overwrite_rate": {**price, **terms},
        }
        return shop.lab.status("/v1/contracts/create", shop.contract_body(overrides=[override]))

    yield Figure("without a unit", 200, status())
    yield Figure("in a custom unit", 400, status(credit_type_id=unit))


# --- composite products


def composite(shop: Shop, short: str, share: float, **parts: object) -> str:
    """Make a COMPOSITE product that is a share of others; return its id."""
    body = {"name": shop.called(short), "type": "COMPOSITE", **parts}
    product = shop.lab.make("/v1/contract-pricing/products/create", body)
    terms = {"rate_card_id": shop.card, "product_id": product, "starting_at": LONG_AGO, "entitled": True}
    shop.lab.post("/v1/contract-pricing/rate-cards/addRate", {**terms, "rate_type": "PERCENTAGE", "price": share})
    return product


@probe("A-composite-base")
def composite_base(shop: Shop) -> Iterator[Figure]:
    """A tenth of a product that a credit pays for in part, at half its price."""
    product = shop.product("P", 100)
    composite(shop, "Support", 0.1, composite_product_ids=[product])
    credit = shop.credit("C", 200, starting_at=shop.this_month, ending_before=shop.at(24 * 400))
    credit["applicable_product_ids"] = [product]
    halved = {**_override(product, type="MULTIPLIER", multiplier=0.5), "starting_at": shop.this_month}
    contract = shop.running(credits=[credit], overrides=[halved])

    invoice = shop.metered(contract, (product, 0, 10))

    lines = [line for line in shop.lines(invoice) if line[0] == "Support"]
    yield Figure("the composite's line", [("Support", 500, 0.1, 50)], lines)  # 10 * 50 = 500, a tenth of it
    yield Figure("what is due", 350, invoice["total"])  # 500 - 200 + 50


@probe("A-composite-tags")
def composite_tags(shop: Shop) -> Iterator[Figure]:
    """A composite of two tags, and two products with one of them each."""
    left, right = shop.lab.name("left"), shop.lab.name("right")
    products = [shop.product(tag[-4:], 100, tags=[tag]) for tag in (left, right)]
    composite(shop, "Support", 0.1, composite_tags=[left, right], tags=[left])

    invoice = shop.metered(shop.running(), *((product, 0, 1) for product in products))

    yield Figure("two units @ 100 and a tenth", 220, invoice["total"])  # 100 + 100 + 0.1 * 200


@probe("A-composite-parts")
def composite_parts(shop: Shop) -> Iterator[Figure]:
    """Composite products with tags only and with ids only."""
    product = shop.product("P")
    path = "/v1/contract-pricing/products/create"

    def status(**parts: object) -> int:
        return shop.lab.status(path, {"name": shop.called("Support"), "type": "COMPOSITE", **parts})

    yield Figure("tags only", 200, status(composite_tags=["any"]))
    yield Figure("ids only", 200, status(composite_product_ids=[product]))


@probe("A-import-composites")
def import_composites(shop: Shop) -> Iterator[Figure]:
    """An import on a card with a composite product."""
    product = shop.product("P", 100)
    composite(shop, "Support", 0.1, composite_product_ids=[product])

    invoice = shop.preview(shop.contract(), [(product, 10)])

    yield Figure("the lines", [("P", 10, 100, 1000)], shop.lines(invoice))


@probe("A-percentage-cap")
def percentage_cap(shop: Shop) -> Iterator[Figure]:
    """A percentage of 150."""
    body = {"name": shop.called("Support"), "type": "COMPOSITE", "composite_tags": ["any"]}
    product = shop.lab.make("/v1/contract-pricing/products/create", body)
    terms = {"rate_card_id": shop.card, "product_id": product, "starting_at": LONG_AGO, "entitled": True}
    rate = {**terms, "rate_type": "PERCENTAGE", "price": 1.5}

    yield Figure("a share of 1.5", 400, shop.lab.status("/v1/contract-pricing/rate-cards/addRate", rate))


# --- custom units


def _priced_in_units(shop: Shop, price: int, factor: int) -> tuple[str, str]:
    """Make a card on which a product is priced in a custom unit; return unit and product."""
    unit = shop.lab.make("/v1/credit-types/create", {"name": shop.called("token")})
    worth = {"custom_credit_type_id": unit, "fiat_per_custom_credit": factor}
    shop.__dict__["card"] = shop.new_card(credit_type_conversions=[worth])
    return unit, shop.product("P", price, rate={"credit_type_id": unit})


@probe("A-conversion-line")
def conversion_line(shop: Shop) -> Iterator[Figure]:
    """Usage in a custom unit, more of it than a credit in that unit covers."""
    unit, product = _priced_in_units(shop, 3, 20)
    credit = shop.credit("C", 12)
    credit["access_schedule"]["credit_type_id"] = unit

    invoice = shop.preview(shop.contract(credits=[credit]), [(product, 10)])

    line = next(line for line in shop.lines(invoice) if line[0].startswith("token"))
    yield Figure("quantity, unit price and total of the conversion", (18, 20, 360), line[1:])  # 10 * 3 - 12, * 20
    yield Figure("what is due", 360, invoice["total"])


@probe("A-conversion-paid")
def conversion_paid(shop: Shop) -> Iterator[Figure]:
    """A credit in US cents beside usage in a custom unit and usage in US cents."""
    _, product = _priced_in_units(shop, 3, 20)
    other = shop.product("Q", 100)

    invoice = shop.preview(shop.contract(credits=[shop.credit("C", 400)]), [(product, 10), (other, 1)])

    yield Figure("what the credit pays", {"C": 400}, shop.spent(invoice))
    yield Figure("what is due", 300, invoice["total"])  # 10 * 3 * 20 + 100 - 400


@probe("A-conversion-worth")
def conversion_worth(shop: Shop) -> Iterator[Figure]:
    """A unit that is worth nothing."""
    unit = shop.lab.make("/v1/credit-types/create", {"name": shop.lab.name("unit")})
    body = {
        "name": shop.lab.name("card"),
        "fiat_credit_type_id": USD,
        "credit_type_conversions": [{"custom_credit_type_id": unit, "fiat_per_custom_credit": 0}],
    }

    yield Figure("a conversion of 0", 400, shop.lab.status("/v1/contract-pricing/rate-cards/create", body))


@probe("A-product-version")
def product_version(shop: Shop) -> Iterator[Figure]:
    """Two updates whose starts are in the other order than their making."""
    product = shop.product("P", 1)
    for starting_at, factor in ((AUGUST, 10), (JULY, 100)):
        change = {"product_id": product, "starting_at": starting_at, "name": shop.called(f"times {factor}")}
        shop.lab.post("/v1/contract-pricing/products/update", change)
    contract = shop.contract()

    months = [(JUNE, JULY), (JULY, AUGUST), (AUGUST, SEPTEMBER)]
    found = [shop.lines(shop.preview(contract, [(product, 1)], *month))[0][0] for month in months]

    yield Figure("names of the lines of June, July and August", ["P", "times 100", "times 100"], found)


@probe("A-metric-change")
def metric_change(shop: Shop) -> Iterator[Figure]:
    """The highest value of a month, 5 and then 7, with another metric in between, and with another conversion."""
    first, second = shop.metric(aggregation_type="MAX"), shop.metric(aggregation_type="MAX")
    changed = shop.product("changed", 10, metric=first)
    converted = shop.product("converted", 10, metric=first)
    doubled = {"conversion_factor": 2, "operation": "MULTIPLY"}
    for product, change in ((changed, {"billable_metric_id": second}), (converted, {"quantity_conversion": doubled})):
        body = {"product_id": product, "starting_at": shop.at(1), **change}
        shop.lab.post("/v1/contract-pricing/products/update", body)
    contract = shop.running()

    invoice = shop.metered(contract, (first, 0, 5), (first, 2, 7), (second, 2, 7))

    due: dict[str, Any] = {}
    for name, _, _, amount in shop.lines(invoice):
        due[name] = due.get(name, 0) + amount
    # 5 of the one and 7 of the other; 5, then what comes to it, 2, twice
    yield Figure("what each costs", {"changed": 120, "converted": 90}, due)


@probe("A-product-names")
def product_names(shop: Shop) -> Iterator[Figure]:
    """Products that are renamed from this hour on, in a contract's terms and in an invoice of June."""
    product = shop.product("P", 10)
    charge = {"schedule_items": [{"timestamp": JUNE, "amount": 100}]}
    contract = shop.lasting(
        overrides=[{"starting_at": JUNE, "product_id": product, "type": "MULTIPLIER", "multiplier": 0.5}],
        commits=[shop.prepaid("C", 100, ending_before=JULY)],
        scheduled_charges=[{"product_id": shop.commitment, "schedule": charge}],
    )
    for renamed, short in ((product, "new P"), (shop.commitment, "new commitment")):
        body = {"product_id": renamed, "starting_at": shop.this_hour, "name": shop.called(short)}
        shop.lab.post("/v1/contract-pricing/products/update", body)

    found = shop.read(contract)
    names = [found[kind][0]["product"]["name"] for kind in ("overrides", "commits", "scheduled_charges")]

    yield Figure(
        "in an override, a commit, a charge",
        ["new P", "new commitment", "new commitment"],
        [shop.short(name) for name in names],
    )
    lines = shop.lines(shop.preview(contract, [(product, 1)], JULY, AUGUST))
    yield Figure("on an invoice of July", ["P"], [line[0] for line in lines])


@probe("A-contract-rate-schedule")
def contract_rate_schedule(shop: Shop) -> Iterator[Figure]:
    """An override of July only, in the rates of the contract."""
    product = shop.product("P", 100)
    july = _override(product, type="MULTIPLIER", multiplier=0.5)
    contract = shop.contract(overrides=[{**july, "starting_at": JULY, "ending_before": AUGUST}])

    def starts(at: str) -> list[tuple[str, object]]:
        body = {"customer_id": shop.customer, "contract_id": contract, "at": at}
        rows = shop.lab.post("/v1/contracts/getContractRateSchedule", body)["data"]
        return [(row["starting_at"][:10], (row.get("ending_before") or "")[:10]) for row in rows]

    yield Figure("the row that holds on July 10", [("2024-07-01", "2024-08-01")], starts("2024-07-10T00:00:00Z"))
    yield Figure("the row that holds in December", [("2024-08-01", "")], starts(DECEMBER))


@probe("A-composite-minimum")
def composite_minimum(shop: Shop) -> Iterator[Figure]:
    """A tenth, at least 500, on a contract that starts in the running hour."""
    product = shop.product("P", 100)
    body = {"name": shop.called("Support"), "type": "COMPOSITE", "composite_product_ids": [product]}
    support = shop.lab.make("/v1/contract-pricing/products/create", body)
    terms = {"rate_card_id": shop.card, "product_id": support, "starting_at": LONG_AGO, "entitled": True}
    rate = {**terms, "rate_type": "PERCENTAGE", "price": 0.1, "minimum_config": {"minimum": 500}}
    shop.lab.post("/v1/contract-pricing/rate-cards/addRate", rate)

    hour = (shop.lab.now.day - 1) * 24 + shop.lab.now.hour

    invoice = shop.metered(shop.running(starting_at=shop.at(hour)), (product, hour, 10))

    yield Figure("10 units @ 100 and the minimum", 1500, invoice["total"])  # 1000 + 500, more than a tenth


@probe("A-composite-circle")
def composite_circle(shop: Shop) -> Iterator[Figure]:
    """Two composites that count each other: the first on the card leaves the second out."""
    product = shop.product("P", 100)
    tag = shop.lab.name("tag")
    for short in ("first", "second"):
        parts = {"composite_tags": [tag], "composite_product_ids": [product], "include_composite_spend": True}
        composite(shop, short, 0.1, tags=[tag], **parts)

    invoice = shop.metered(shop.running(), (product, 0, 10))

    found = {name: total for name, _, _, total in shop.lines(invoice)}
    # 0.1 * 1000, and 0.1 * (1000 + 100)
    yield Figure("the lines", {"P": 1000, "first": 100, "second": 110}, found)


@probe("A-override-minimum")
def override_minimum(shop: Shop) -> Iterator[Figure]:
    """A tenth, at least 500, halved by a multiplier."""
    product = shop.product("P", 100)
    body = {"name": shop.called("Support"), "type": "COMPOSITE", "composite_product_ids": [product]}
    support = shop.lab.make("/v1/contract-pricing/products/create", body)
    terms = {"rate_card_id": shop.card, "product_id": support, "starting_at": LONG_AGO, "entitled": True}
    rate = {**terms, "rate_type": "PERCENTAGE", "price": 0.1, "minimum_config": {"minimum": 500}}
    shop.lab.post("/v1/contract-pricing/rate-cards/addRate", rate)
    halved = {**_override(support, type="MULTIPLIER", multiplier=0.5), "starting_at": shop.this_month}
    contract = shop.running(overrides=[halved])

    few, many = (shop.metered(contract, (product, 0, quantity))["total"] for quantity in (10, 200))

    yield Figure("10 units @ 100 and the minimum", 1500, few)  # 1000 + 500
    yield Figure("200 units @ 100 and half a tenth", 21000, many)  # 20000 + 0.1 * 0.5 * 20000


@probe("A-archived-unit")
def archived_unit(shop: Shop) -> Iterator[Figure]:
    """A custom unit that has rates and is archived."""
    unit, product = _priced_in_units(shop, 3, 20)
    contract = shop.contract()
    shop.lab.archive(unit)

    yield Figure("a unit of usage", 60, shop.preview(contract, [(product, 1)])["total"])  # 3 * 20
    body = {
        "name": shop.lab.name("card"),
        "fiat_credit_type_id": USD,
        "credit_type_conversions": [{"custom_credit_type_id": unit, "fiat_per_custom_credit": 20}],
    }
    yield Figure("a new card with it", 400, shop.lab.status("/v1/contract-pricing/rate-cards/create", body))
