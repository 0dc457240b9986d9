"""The engine and the reference rater agree, to the last digit, on whatever contract they are given.

A generated world is plain data: a card, a contract with overrides, balances on both levels, and periods whose usage is
imported (the first ones) or ingested (the others). ``reference_rater`` prices it from the written rules; ``built``
makes it through the services. Equal must be the total of every period and what is left of every segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from builders import only_for, override, price, utc
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from laws.effort import effort
from reference_rater import Plain, rate_world, segments
from worlds import World

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.ids import group_values
from metronome_sandbox.domain.invoices import InvoiceType
from metronome_sandbox.domain.rate_cards import RateType, Tier
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services import ledgers
from metronome_sandbox.services.prices import NewPrice
from metronome_sandbox.services.rates import NewRate, add_rate

law = effort(100, 5000)

START = utc("2024-06-01")
PERIODS = {
    "WEEKLY": [START + timedelta(days=7 * week) for week in range(4)],
    "MONTHLY": [utc(f"2024-{month:02}-01") for month in (6, 7, 8, 9)],
}
PRODUCTS = {"P": {"tags": ["a"]}, "Q": {"tags": ["a", "b"]}, "R": {"tags": ["b"]}, "S": {"tags": []}}
PRICING = {"P": (), "Q": (), "R": ("region",), "S": ("region",)}
PRESENTATION = {"P": (), "Q": ("project",), "R": (), "S": ("project",)}
VALUES = {"region": ["eu", "us"], "project": ["x", "y"]}

# Worlds as plain data ------------------------------------------------------------------------------------------------

AMOUNTS = st.sampled_from(["1", "7", "12", "25", "40.5", "100", "333.33", "100000"])
PRICES = st.sampled_from(["2", "1", "0.3", "2.5", "3", "7", "10", "0"])
SIZES = st.sampled_from(["0.5", "2", "3", "10"])
QUANTITIES = st.sampled_from(["0.5", "1", "2.5", "3", "4", "10", "33.25"])
FACTORS = st.sampled_from(["0.8", "0.8", "0.5", "1", "1.5", "0"])
SPENDING_RATES = ["LIST_RATE", "COMMIT_RATE"]
PRIORITIES = st.sampled_from(["1", "1", "2", "3"])
HOURS = [0, 24, 60, 84, 168, 200, 337, 504, 720, 900, 1464]


def instants() -> st.SearchStrategy[datetime]:
    """Starts and ends of terms, here and there in the periods, before and behind them."""
    return st.sampled_from([START + timedelta(hours=hours) for hours in [-100, *HOURS, 5000]])


@st.composite
def windows(draw: st.DrawFn) -> Plain:
    """Half of the terms hold throughout, so that they meet each other."""
    if draw(st.booleans()):
        return {"starting_at": START - timedelta(hours=draw(st.sampled_from([0, 100]))), "ending_before": None}
    start = draw(instants().filter(lambda start: start < START + timedelta(hours=1000)))
    end = draw(st.none() | instants().filter(lambda end: end > start))
    return {"starting_at": start, "ending_before": end}


@st.composite
def ladders(draw: st.DrawFn, values: st.SearchStrategy[str] = PRICES) -> list[tuple[str | None, str]]:
    """Up to three steps; the last one has a size now and then."""
    sizes: list[str | None] = list(draw(st.lists(SIZES, max_size=2)))
    last = draw(st.sampled_from([None, None, "3"]))
    return [(size, draw(values)) for size in [*sizes, last]]


def group_of(draw: st.DrawFn, keys: tuple[str, ...]) -> dict[str, str]:
    return {key: draw(st.sampled_from(VALUES[key])) for key in keys}


@st.composite
def rates(draw: st.DrawFn, with_holes: bool) -> list[Plain]:
    """A rate of long ago for all there is, then changes; with holes some end or are not entitled."""
    found = []
    for product, keys in PRICING.items():
        for region in VALUES["region"] if keys else [None]:
            pricing = {} if region is None else {"region": region}
            for window in [None, *draw(st.lists(windows(), max_size=2 if not keys else 1))]:
                first = {"starting_at": utc("2000-01-01"), "ending_before": None}
                rate = {"product": product, "pricing": pricing, **(window or first), "price": draw(ladders())}
                rate["commit_price"] = draw(st.none() | ladders())
                rate["entitled"] = not with_holes or draw(st.sampled_from([True, True, True, False]))
                found.append(rate)
    if with_holes and draw(st.booleans()):
        found.append({**draw(st.sampled_from(found)), "ending_before": START + timedelta(hours=84)})
        found[-1]["starting_at"] = utc("2000-01-01")
    return found


@st.composite
def specifiers(draw: st.DrawFn, with_presentation: bool = True, names: tuple[str, ...] = ()) -> Plain:
    product = draw(st.none() | st.sampled_from("PQRSS"))
    found: Plain = {"product": product, "tags": [], "pricing": {}, "presentation": {}, "balances": []}
    if product is None:
        found["tags"] = draw(st.lists(st.sampled_from("ab"), max_size=2, unique=True))
    if draw(st.booleans()):
        found["pricing"] = group_of(draw, PRICING[product] if product else ("region",))
    if with_presentation and draw(st.booleans()):
        found["presentation"] = group_of(draw, PRESENTATION[product] if product else ("project",))
    if names:
        found["balances"] = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    return found


def says_something(specifier: Plain) -> bool:
    return any(specifier[field] for field in ("product", "tags", "pricing", "presentation"))


@st.composite
def overrides(draw: st.DrawFn, prioritization: str, names: tuple[str, ...]) -> Plain:
    kinds = ["OVERWRITE", "MULTIPLIER", "MULTIPLIER"] + ["TIERED"] * (prioritization == "EXPLICIT")
    kind = draw(st.sampled_from(kinds))
    is_specific = draw(st.booleans())
    found: Plain = {"type": kind, **draw(windows()), "product": None, "tags": [], "specifiers": [], "entitled": None}
    found |= {"multiplier": None, "ladder": None, "tiers": None, "priority": None, "commit_specific": is_specific}
    found["target"] = draw(st.sampled_from(["LIST_RATE", "COMMIT_RATE"])) if is_specific else "LIST_RATE"
    if kind != "OVERWRITE":
        found["priority"] = draw(PRIORITIES)
    if kind == "OVERWRITE":
        product = draw(st.sampled_from("PQRS"))
        found["ladder"] = draw(ladders())
        if PRICING[product] or is_specific:
            specifier = {"product": product, "tags": [], "pricing": group_of(draw, PRICING[product])}
            some = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if is_specific and names else []
            found["specifiers"] = [{**specifier, "presentation": {}, "balances": some}]
        else:
            found["product"] = product
        return found
    if kind == "MULTIPLIER":
        found["multiplier"] = draw(FACTORS)
    else:
        found["tiers"] = draw(ladders(FACTORS))
    by = draw(st.sampled_from(["product", "tags", "specifiers", "specifiers"]))
    if by == "product":
        found["product"] = draw(st.sampled_from("PQRS"))
    elif by == "tags":
        found["tags"] = draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True))
    else:
        one = specifiers(kind == "MULTIPLIER", names if is_specific else ())
        found["specifiers"] = draw(st.lists(one, min_size=1, max_size=2))
    return found


@st.composite
def entitlements(draw: st.DrawFn) -> Plain:
    """An override that says only whether a product is available."""
    found: Plain = {"type": None, **draw(windows()), "product": draw(st.sampled_from("PQRS")), "tags": []}
    found |= {"specifiers": [], "multiplier": None, "ladder": None, "tiers": None, "priority": None}
    return found | {"entitled": draw(st.booleans()), "commit_specific": False, "target": "LIST_RATE"}


@st.composite
def levels(draw: st.DrawFn) -> Plain:
    """Where a balance hangs, and which contracts it names there."""
    if draw(st.booleans()):
        return {"level": "contract", "named": [], "contracts": 0, "is_open": True}
    named = draw(st.sampled_from([[], ["contract"], ["contract", "other"], ["other"]]))
    return {"level": "customer", "named": named, "contracts": len(named), "is_open": named != ["other"]}


@st.composite
def scopes(draw: st.DrawFn) -> Plain:
    """What a balance is for."""
    scope: Plain = {"products": [], "tags": [], "specifiers": []}
    by = draw(st.sampled_from(["all", "all", "products", "tags", "specifiers"]))
    if by == "products":
        scope["products"] = draw(st.lists(st.sampled_from("PQRS"), min_size=1, max_size=2, unique=True))
    elif by == "tags":
        scope["tags"] = draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2, unique=True))
    elif by == "specifiers":
        scope["specifiers"] = draw(st.lists(specifiers().filter(says_something), min_size=1, max_size=2))
    return scope


@st.composite
def one_balance(draw: st.DrawFn) -> Plain:
    kind = draw(st.sampled_from(["PREPAID", "PREPAID", "POSTPAID", "CREDIT"]))
    parts: list[tuple[str, datetime, datetime]] = []
    for _ in range(1 if kind == "POSTPAID" else draw(st.sampled_from([1, 1, 2, 3]))):
        window = draw(windows())
        start, end = window["starting_at"], window["ending_before"] or START + timedelta(hours=5000)
        if (start, end) not in [part[1:] for part in parts]:  # nothing says which of two such segments is first
            parts.append((draw(AMOUNTS), start, end))
    cost = {"POSTPAID": parts[0][0], "CREDIT": None, "PREPAID": draw(st.sampled_from([None, "50", "50"]))}[kind]
    about = {"type": kind, "segments": parts, "priority": draw(st.sampled_from("2221")), "cost": cost}
    return about | {"rate_type": draw(st.sampled_from(SPENDING_RATES)), **draw(levels()), **draw(scopes())}


@st.composite
def some_balances(draw: st.DrawFn) -> list[Plain]:
    """In the order in which they come to be: the contract's commits, its credits, then those of the customer.

    Now and then one is like the one before but for what it is for, or for where it hangs: such ones compete.
    """
    found: list[Plain] = []
    for _ in range(draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6]))):
        change = draw(st.sampled_from([one_balance(), one_balance(), levels(), scopes()]))
        about = draw(change if found else one_balance())
        found.append({**(found[-1] if found else {}), "rate_type": draw(st.sampled_from(SPENDING_RATES)), **about})
    found.sort(key=lambda about: (about["level"] == "customer", about["type"] == "CREDIT"))
    return [{"name": f"balance {place}", **about} for place, about in enumerate(found)]


@st.composite
def items(draw: st.DrawFn, start: datetime, end: datetime, imported: bool) -> Plain:
    product = draw(st.sampled_from("PQRS"))
    about: Plain = {"product": product, "starting_at": start, "ending_before": end}
    about["pricing"] = group_of(draw, PRICING[product])
    about["presentation"] = group_of(draw, PRESENTATION[product])
    about["whole"] = imported and draw(st.booleans())
    days = (end - start).days
    if about["whole"]:
        about["starting_at"] += timedelta(days=draw(st.sampled_from([0, 0, 2])))
        about["quantities"] = [(about["starting_at"], draw(QUANTITIES))]
        return about
    hours = st.integers(0, days - 1).map(lambda day: 24 * day) if imported else st.integers(0, 24 * days - 1)
    used = draw(st.dictionaries(hours, QUANTITIES, min_size=1, max_size=4))
    about["quantities"] = [(start + timedelta(hours=hour), used[hour]) for hour in sorted(used)]
    return about


def one_for_each_group(found: list[Plain]) -> list[Plain]:
    groups = {f"{each['product']}{each['pricing']}{each['presentation']}": each for each in found}
    return list(groups.values())


@st.composite
def worlds(draw: st.DrawFn) -> Plain:
    frequency = draw(st.sampled_from(["WEEKLY", "WEEKLY", "WEEKLY", "MONTHLY"]))
    bounds = PERIODS[frequency][: draw(st.integers(2, 4))]
    imported = draw(st.integers(0, len(bounds) - 1))
    balances = draw(some_balances())
    names = tuple(each["name"] for each in balances if each["level"] == "contract")
    prioritization = draw(st.sampled_from(["LOWEST_MULTIPLIER", "EXPLICIT"]))
    changes = [draw(overrides(prioritization, names)) for _ in range(draw(st.sampled_from([0, 1, 2, 3, 4, 5])))]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        changes.insert(draw(st.integers(0, len(changes))), draw(entitlements()))
    periods = []
    for place, (start, end) in enumerate(pairwise(bounds)):
        is_import = place < imported
        number = draw(st.sampled_from([4, 5, 3, 1, 0 if not is_import else 1]))
        used = one_for_each_group([draw(items(start, end, is_import)) for _ in range(number)])
        periods.append({"starting_at": start, "ending_before": end, "imported": is_import, "items": used})
    return {
        "frequency": frequency,
        "products": PRODUCTS,
        "rates": draw(rates(with_holes=not imported)),
        "overrides": changes,
        "prioritization": prioritization,
        "balances": balances,
        "periods": periods,
    }


# The same world through the services ---------------------------------------------------------------------------------


def new_price(ladder: list[tuple[str | None, str]]) -> NewPrice:
    if len(ladder) == 1 and ladder[0][0] is None:
        return NewPrice(RateType.FLAT, Decimal(ladder[0][1]))
    tiers = tuple(Tier(Decimal(each), None if size is None else Decimal(size)) for size, each in ladder)
    return NewPrice(RateType.TIERED, tiers=tiers)


def built(about: Plain) -> World:
    """Make the catalog, the contract and the balances; the clock stands where the first period begins."""
    world = World(about["periods"][0]["starting_at"].isoformat())
    for name, product in about["products"].items():
        world.product(name, tags=product["tags"], pricing=PRICING[name], presentation=PRESENTATION[name])
    for rate in about["rates"]:
        new = NewRate(
            world.products[rate["product"]],
            rate["starting_at"],
            rate["entitled"],
            new_price(rate["price"]),
            rate["ending_before"],
            pricing_group_values=group_values(rate["pricing"]),
            commit_price=None if rate["commit_price"] is None else new_price(rate["commit_price"]),
        )
        add_rate(world.context, world.card, new)
    imported = [period for period in about["periods"] if period["imported"]]
    own = [each for each in about["balances"] if each["level"] == "contract"]
    world.contract("other", without_card=True)
    world.contract(
        frequency=about["frequency"],
        generation=imported[-1]["ending_before"].isoformat() if imported else None,
        day="CONTRACT_START",
        commits=[new_balance(world, each) for each in own if each["type"] != "CREDIT"],
        credits=[new_balance(world, each) for each in own if each["type"] == "CREDIT"],
        overrides=[new_override(world, each) for each in about["overrides"]],
        prioritization=about["prioritization"],
    )
    for each in about["balances"]:
        if each["level"] == "customer":
            world.customer_balance(new_balance(world, each))
    return world


def new_balance(world: World, about: Plain) -> Any:
    payments = None if about["cost"] is None else [("2030-01-01", about["cost"])]
    return world.new_balance(
        about["name"],
        BalanceType(about["type"]),
        *((amount, f"{start.isoformat()}..{end.isoformat()}") for amount, start, end in about["segments"]),
        payments=payments,
        paid_on="contract" if payments and about["level"] == "customer" else None,
        products=about["products"],
        contracts=about["named"],
        priority=about["priority"],
        rate_type=about["rate_type"],
        applicable_product_tags=tuple(about["tags"]),
        specifiers=tuple(new_specifier(world, each) for each in about["specifiers"]),
        temporary_id=about["name"] if about["level"] == "contract" else None,
    )


def new_specifier(world: World, about: Plain) -> Specifier:
    product = None if about["product"] is None else world.products[about["product"]]
    groups = (group_values(about["pricing"]), group_values(about["presentation"]))
    return Specifier(product, tuple(about["tags"]), *groups)


def new_override(world: World, about: Plain) -> Any:
    return override(
        multiplier=about["multiplier"],
        overwrite=None
        if about["ladder"] is None
        else price(
            about["ladder"][0][1], None if about["ladder"][0] == (None, about["ladder"][0][1]) else about["ladder"]
        ),
        tiers=about["tiers"] or (),
        entitled=about["entitled"],
        name="",
        product=None if about["product"] is None else world.products[about["product"]],
        tags=about["tags"],
        specifiers=[
            only_for(
                *each["balances"],
                product=None if each["product"] is None else world.products[each["product"]],
                tags=each["tags"],
                pricing=each["pricing"],
                presentation=each["presentation"],
            )
            for each in about["specifiers"]
        ],
        starting_at=about["starting_at"],
        ending_before=about["ending_before"],
        priority=about["priority"],
        commit_specific=about["commit_specific"],
        target=about["target"],
    )


def bill(world: World, period: Plain) -> None:
    """Travel to the end of a period and import or ingest its usage."""
    world.travel(period["ending_before"])
    during = f"{period['starting_at'].isoformat()}..{period['ending_before'].isoformat()}"
    if not period["imported"]:
        for item in period["items"]:
            for instant, quantity in item["quantities"]:
                world.use(item["product"], instant.isoformat(), quantity, **item["pricing"], **item["presentation"])
        return
    lines = []
    for item in period["items"]:
        window = f"{item['starting_at'].isoformat()}..{item['ending_before'].isoformat()}"
        quantity = {instant.isoformat(): each for instant, each in item["quantities"]}
        groups = {"pricing": item["pricing"], "presentation": item["presentation"]}
        lines.append(
            world.line(item["product"], item["quantities"][0][1] if item["whole"] else quantity, window, **groups)
        )
    world.import_(world.historical(during, lines, granularity="DAY"))


def totals(world: World) -> list[Decimal]:
    shown = [one for one in world.invoices(contract_id=world.contracts["contract"]) if one.type is InvoiceType.USAGE]
    ended = [one for one in shown if one.period and one.period.ending_before <= world.now]
    return [one.total for one in sorted(ended, key=lambda one: one.period.starting_at)]  # type: ignore[union-attr]


def left(world: World) -> dict[tuple[str, int], Decimal]:
    """What final invoices and drafts leave of every segment, whether or not it is over."""
    drafted = ledgers.drawn_by_drafts(world.context, world.customers["Acme"])
    return {
        (balance.name or "", place): segment.amount
        - world.store.drawn.get(segment.id, ZERO)
        - drafted.get(segment.id, ZERO)
        for balance in world.store.balances.values()
        for place, segment in enumerate(balance.segments)
    }


# The law -------------------------------------------------------------------------------------------------------------


def assert_same(found: Decimal, expected: Fraction, exactly: bool) -> None:
    """Equal; where a balance bought 100 / 3 units, equal but for the last of the digits that are kept."""
    difference = abs(Fraction(found) - expected)
    assert difference == 0 if exactly else difference < Fraction(1, 10**15)


@law
@given(worlds())
def test_the_engine_agrees_with_the_reference_rater(about: Plain) -> None:
    expected = rate_world(about)
    world = built(about)

    for period in about["periods"]:
        bill(world, period)

    found = totals(world)
    for invoice in world.invoices():
        note("\n".join([f"{invoice.period}", *world.lines(invoice)]))
    note(f"expected {[float(each) for each in expected['totals']]}, {expected['left']}")
    assert len(found) == len(expected["totals"])
    for mine, theirs in zip(found, expected["totals"], strict=True):
        assert_same(mine, theirs, expected["exactly"])
    rest = left(world)
    assert rest.keys() == expected["left"].keys()
    for key, amount in rest.items():
        assert_same(amount, expected["left"][key], expected["exactly"])


def test_generated_worlds_are_not_hollow() -> None:
    """A law over worlds in which no balance pays would say nothing."""
    seen = {"paid": 0, "exhausted": 0, "billed": 0, "free": 0, "inexact": 0}

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(worlds())
    def count(about: Plain) -> None:
        priced = rate_world(about)
        given_ = {
            (each["name"], place): Fraction(one[0]) for each in about["balances"] for place, one in segments(each)
        }
        seen["paid"] += priced["left"] != given_
        seen["exhausted"] += 0 in priced["left"].values()
        seen["billed"] += any(priced["totals"])
        seen["free"] += not any(priced["totals"])
        seen["inexact"] += not priced["exactly"]

    count()

    assert seen["paid"] > 30, seen
    assert min(seen.values()) >= 2, seen


# The reference rater and the reference's own examples ----------------------------------------------------------------


def example(
    rates: Sequence[Plain], used: dict[str, str], balances: Sequence[Plain] = (), changes: Sequence[Plain] = ()
) -> Plain:
    """A world of one month from the few words that an example has."""
    every = {"starting_at": START, "ending_before": None}
    month = {"starting_at": START, "ending_before": utc("2024-07-01")}
    item = {"pricing": {}, "presentation": {}, **month, "whole": True}
    terms = {"product": None, "tags": [], "specifiers": [], "entitled": None, "commit_specific": False}
    balance = {"level": "contract", "contracts": 0, "is_open": True, "priority": "100", "cost": "1", "type": "PREPAID"}
    scope = {"rate_type": "LIST_RATE", "products": [], "tags": [], "specifiers": []}
    return {
        "products": {product: {"tags": []} for product in used},
        "rates": [{"pricing": {}, **every, "commit_price": None, "entitled": True, **each} for each in rates],
        "overrides": [{**every, **terms, "target": "LIST_RATE", **each} for each in changes],
        "prioritization": "EXPLICIT" if any("tiers" in each for each in changes) else "LOWEST_MULTIPLIER",
        "balances": [
            {**balance, **scope, **each, "segments": [(each["amount"], month["starting_at"], month["ending_before"])]}
            for each in balances
        ],
        "periods": [
            {
                **month,
                "imported": True,
                "items": [
                    {**item, "product": product, "quantities": [(START, quantity)]}
                    for product, quantity in used.items()
                ],
            }
        ],
    }


def at(price: str, commit_price: str | None = None, product: str = "P") -> Plain:
    return {
        "product": product,
        "price": [(None, price)],
        "commit_price": None if commit_price is None else [(None, commit_price)],
    }


TIERS = {"product": "P", "price": [("5", "0"), ("5", "100"), (None, "150")]}
TENTH_OFF = {"type": "MULTIPLIER", "multiplier": "0.9", "commit_specific": True, "target": "COMMIT_RATE"}


@pytest.mark.parametrize(
    ("world", "total", "left"),
    [
        # G03: 400 pays 4 units at 100; 6 * 100
        (example([at("100")], {"P": "10"}, [{"name": "C", "amount": "400"}]), "600", {"C": "0"}),
        # G10: 400 units are paid, 100 count for the postpaid commit and are billed at 100
        (
            example(
                [at("100")],
                {"P": "500"},
                [
                    {"name": "post", "amount": "40000", "type": "POSTPAID"},
                    {"name": "pre", "amount": "40000"},
                ],
            ),
            "10000",
            {"pre": "0", "post": "30000"},
        ),
        # G11b: 0 + 500 + 2 * 150 = 800, of which 600 is paid
        (example([TIERS], {"P": "12"}, [{"name": "C", "amount": "600"}]), "200", {"C": "0"}),
        # G13: 500 / 80 = 6.25 units are paid; 3.75 * 100 + 5 * 80 = 775
        (
            example(
                [
                    {
                        "product": "P",
                        "price": [("10", "100"), (None, "80")],
                        "commit_price": [("10", "80"), (None, "60")],
                    }
                ],
                {"P": "15"},
                [{"name": "C", "amount": "500", "rate_type": "COMMIT_RATE"}],
            ),
            "775",
            {"C": "0"},
        ),
        # G14: 1000000 / 80 = 12500 units; 100 * 95
        (
            example(
                [at("100")],
                {"P": "12600"},
                [{"name": "A", "amount": "1000000"}],
                [
                    {"type": "MULTIPLIER", "multiplier": "0.8", "commit_specific": True},
                    {"type": "MULTIPLIER", "multiplier": "0.95"},
                ],
            ),
            "9500",
            {"A": "0"},
        ),
        # G15: 800 * 0.9 = 720, 720000 / 720 = 1000 units; 100 * 1000 * 0.8
        (
            example(
                [at("1000", "800")],
                {"P": "1100"},
                [{"name": "C", "amount": "720000", "rate_type": "COMMIT_RATE"}],
                [TENTH_OFF, {"type": "MULTIPLIER", "multiplier": "0.8"}],
            ),
            "80000",
            {"C": "0"},
        ),
        # G17: 100 units at a commit rate of 100; 50 * 0
        (
            example([at("0", "100")], {"P": "150"}, [{"name": "C", "amount": "10000", "rate_type": "COMMIT_RATE"}]),
            "0",
            {"C": "0"},
        ),
        # G19: 5 * 260 = 1300 first, then 13 * 100; 7 * 100
        (
            example(
                [at("260", product="Reads"), at("100", product="Storage")],
                {"Storage": "20", "Reads": "5"},
                [{"name": "C", "amount": "2600"}],
            ),
            "700",
            {"C": "0"},
        ),
        # pricing 5.3 no. 6: 10 * 80 + 10 * 70 + 5 * 100
        (
            example(
                [at("100")],
                {"P": "25"},
                changes=[{"type": "TIERED", "tiers": [("10", "0.8"), ("10", "0.7")], "priority": "1"}],
            ),
            "2000",
            {},
        ),
    ],
)
def test_the_reference_rater_knows_the_examples_of_the_reference(world: Plain, total: str, left: Plain) -> None:
    priced = rate_world(world)

    assert priced["totals"] == [Fraction(total)]
    assert {name: str(amount) for (name, _), amount in priced["left"].items()} == left
