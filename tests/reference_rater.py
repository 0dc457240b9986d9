"""A second engine: it prices a contract slowly and obviously, from the written rules alone.

It imports nothing of the sandbox and shares no thought with it: plain dicts go in, fractions come out, time is walked
hour by hour and a ladder of tiers step by step. ``laws/test_two_engines.py`` compares the two.

Rules: pricing 5.1 and 5.2 (the order of steps, the order of balances), 3.5 (tiers), 3.8 (which rate holds), 4.3
(overrides); invoices and balances 1.5 (imports), 2.9 (the order of lines), 3.5 to 3.8 (scope, drawdown, priority,
price of a covered unit). What they leave open is read as ``docs/assumptions.md`` says, and marked here with its slug.

A world is a dict; instants are aware datetimes, numbers are text, and a *ladder* is a list of ``(size, price)`` whose
last size may be None::

    products        {name: {"tags": [...]}}
    rates           in the order of adding: product, pricing, starting_at, ending_before, price, commit_price, entitled
    overrides       in the order of adding: type, starting_at, ending_before, multiplier | ladder | tiers, entitled,
                    priority, product, tags, specifiers, commit_specific, target
    prioritization  LOWEST_MULTIPLIER or EXPLICIT
    balances        in the order of creation: name, type, level (contract or customer), contracts (how many it names,
                    0: all), is_open (whether this contract is one of them), segments [(amount, start, end)], priority,
                    cost, rate_type, products, tags, specifiers
    periods         {"starting_at", "ending_before", "imported", "items"}: an item is the usage of one product and
                    set of group values: product, pricing, presentation, starting_at, ending_before (its window), whole
                    (a number that counts at the window's start), quantities [(instant, quantity)]
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

Plain = dict[str, Any]
Ladder = list[tuple[Fraction | None, Fraction]]

HOUR = timedelta(hours=1)
INFINITE = float("inf")


def rate_world(world: Plain) -> Plain:
    """Return ``totals`` of the periods, what is ``left`` of every segment, and whether decimals can say it ``exactly``.

    Not exactly: a balance ran out in the middle of a unit at a point that no decimal number names, as 100 / 3.
    """
    left = {(each["name"], place): Fraction(item[0]) for each in world["balances"] for place, item in segments(each)}
    answer: Plain = {"totals": [], "left": left, "exactly": True}
    for period in world["periods"]:
        answer["totals"].append(rate_period(world, period, answer))
    return answer


def segments(balance: Plain) -> list[tuple[int, tuple[str, datetime, datetime]]]:
    return list(enumerate(balance["segments"]))


# One invoice ---------------------------------------------------------------------------------------------------------


def rate_period(world: Plain, period: Plain, answer: Plain) -> Fraction:
    """Return the invoice's total, and take from ``answer["left"]`` what it draws. Rule: drawdown 3.6."""
    left = answer["left"]
    candidates = [
        (balance, place)
        for balance in world["balances"]
        for place, (_, start, end) in segments(balance)
        if balance["is_open"]
        and start < period["ending_before"]
        and end > period["starting_at"]
        and left[balance["name"], place] > 0
    ]
    candidates.sort(key=lambda candidate: spending_order(world, *candidate))
    lines = raw_lines(world, period, candidates)
    lines.sort(key=line_order)
    total = Fraction(0)
    for balance, place in candidates:
        for line in lines:
            if is_payable(world, line, balance, place):
                paid = cover(world, line, balance, place, answer)
                if balance["type"] == "POSTPAID":  # shown as applied, and billed all the same
                    total += paid
    for line in lines:
        total += sum((end - start) * price for start, end, price in line["uncovered"])
    return total


def cover(world: Plain, line: Plain, balance: Plain, place: int, answer: Plain) -> Fraction:
    """Let one segment pay what it can of a line, tier by tier from the first unit on, and return the money.

    What the balance's own price makes free is paid and takes nothing. What is free without the balance, too, is left
    to others [A-zero-price], but for units in front of some that cost: a balance passes none over.
    """
    key, left = (balance["name"], place), answer["left"]
    ladder = price_under(world, line, balance)
    paid, uncovered = Fraction(0), []
    for start, end, on_demand in line["uncovered"]:
        position = start
        pieces = steps(ladder, start, end)
        for piece, (quantity, price) in enumerate(pieces):
            if not left[key]:
                break
            if price:
                covered = min(quantity, left[key] / price)
            else:
                covered = quantity if on_demand or piece < len(pieces) - 1 else Fraction(0)
            if not is_decimal(covered):
                answer["exactly"] = False
            left[key] -= covered * price
            paid += covered * price
            position += covered
        if position < end:
            uncovered.append((position, end, on_demand))
    line["uncovered"] = uncovered
    return paid


def is_decimal(number: Fraction) -> bool:
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


# Lines ---------------------------------------------------------------------------------------------------------------


def raw_lines(world: Plain, period: Plain, candidates: list[tuple[Plain, int]]) -> list[Plain]:
    """Cut usage where a rate, an override or an open balance begins or ends; number the units of each group.

    ``uncovered`` is a stretch of units for each tier: ``(130, 150, 7)`` are the 131st to the 150th unit of the period
    at 7 each. Tiers of a line meet a balance together [A-tiers-compete-together].
    """
    lines: list[Plain] = []
    used: dict[str, Fraction] = {}
    for item in sorted(period["items"], key=lambda item: item["starting_at"]):
        group = f"{item['product']} {sorted(item['pricing'].items())} {sorted(item['presentation'].items())}"
        for starting_at, quantity in pieces_of(world, item, candidates):
            rate = rate_at(world, item, starting_at)
            if rate is None or not (period["imported"] or is_entitled(world, item, rate, starting_at)):
                continue
            line = {**item, "starting_at": starting_at, "uncovered": []}
            position = used.get(group, Fraction(0))
            for units, price in steps(price_on_demand(world, line), position, position + quantity):
                line["uncovered"].append((position, position + units, price))
                position += units
            used[group] = position
            line["dearest"] = max(price for _, _, price in line["uncovered"])
            lines.append(line)
    return lines


def pieces_of(world: Plain, item: Plain, candidates: list[tuple[Plain, int]]) -> list[tuple[datetime, Fraction]]:
    """Walk the item's window hour by hour and begin a piece wherever what holds is not what held an hour ago."""
    if item["whole"]:
        return [(item["starting_at"], sum((Fraction(each) for _, each in item["quantities"]), Fraction(0)))]
    pieces: list[tuple[datetime, Fraction]] = []
    held: object = None
    hour = item["starting_at"]
    while hour < item["ending_before"]:
        holds = what_holds(world, item, hour, candidates)
        if holds != held or not pieces:
            pieces.append((hour, Fraction(0)))
            held = holds
        used = [Fraction(each) for instant, each in item["quantities"] if hour <= instant < hour + HOUR]
        pieces[-1] = (pieces[-1][0], pieces[-1][1] + sum(used, Fraction(0)))
        hour += HOUR
    return [(start, quantity) for start, quantity in pieces if quantity]


def what_holds(world: Plain, item: Plain, hour: datetime, candidates: list[tuple[Plain, int]]) -> object:
    rate = rate_at(world, item, hour)
    overrides = [place for place, each in enumerate(world["overrides"]) if holds_for(world, each, item, hour)]
    probe = {**item, "starting_at": hour}
    open_ = [(balance["name"], place) for balance, place in candidates if is_payable(world, probe, balance, place)]
    return (None if rate is None else world["rates"].index(rate), overrides, open_)


def line_order(line: Plain) -> Any:
    """Earlier start, higher unit price, name A to Z; the group values make it total."""
    groups = (sorted(line["pricing"].items()), sorted(line["presentation"].items()))
    return (line["starting_at"], -line["dearest"], line["product"], groups)


# Rates and ladders ---------------------------------------------------------------------------------------------------


def covers(term: Plain, instant: datetime) -> bool:
    return term["starting_at"] <= instant and (term["ending_before"] is None or instant < term["ending_before"])


def rate_at(world: Plain, item: Plain, instant: datetime) -> Plain | None:
    """The rate added last that covers the instant, where a later one with the same start has replaced the earlier."""
    key = (item["product"], item["pricing"])
    entries = [rate for rate in world["rates"] if (rate["product"], rate["pricing"]) == key]
    last_with_start = {rate["starting_at"]: rate for rate in entries}
    standing = [rate for rate in entries if last_with_start[rate["starting_at"]] is rate and covers(rate, instant)]
    return standing[-1] if standing else None


def is_entitled(world: Plain, item: Plain, rate: Plain, instant: datetime) -> bool:
    said = [
        each["entitled"]
        for each in world["overrides"]
        if each["entitled"] is not None and holds_for(world, each, item, instant)
    ]
    return bool(said[-1] if said else rate["entitled"])


def as_ladder(steps_: list[tuple[str | None, str]]) -> Ladder:
    return [(None if size is None else Fraction(size), Fraction(price)) for size, price in steps_]


def step_at(ladder: Ladder, position: Fraction) -> tuple[Fraction | None, Fraction]:
    """Return where the step ends that prices the unit after ``position``, and its price; the last step is endless."""
    top = Fraction(0)
    for size, price in ladder[:-1]:
        assert size is not None
        top += size
        if position < top:
            return top, price
    return None, ladder[-1][1]


def steps(ladder: Ladder, start: Fraction, end: Fraction) -> list[tuple[Fraction, Fraction]]:
    """The units from ``start`` to ``end`` as ``(quantity, price)``."""
    found = []
    while start < end:
        top, price = step_at(ladder, start)
        stop = end if top is None else min(top, end)
        found.append((stop - start, price))
        start = stop
    return found


# Overrides -----------------------------------------------------------------------------------------------------------


def price_on_demand(world: Plain, line: Plain) -> Ladder:
    rate = rate_at(world, line, line["starting_at"])
    assert rate is not None
    return overridden(as_ladder(rate["price"]), winner(world, contract_level(world, line)))


def price_under(world: Plain, line: Plain, balance: Plain) -> Ladder:
    """The price that a balance pays. A commit rate knows no override but those for it. Rule: pricing 5.1 step 7."""
    rate = rate_at(world, line, line["starting_at"])
    assert rate is not None
    pays_commit_rate = balance["rate_type"] == "COMMIT_RATE" and rate["commit_price"] is not None
    base, target = ("commit_price", "COMMIT_RATE") if pays_commit_rate else ("price", "LIST_RATE")
    specific = [
        each
        for each in world["overrides"]
        if each["commit_specific"]
        and each["target"] == target
        and holds_for(world, each, line, line["starting_at"], balance["name"])
    ]
    chosen = winner(world, specific)
    if chosen is None and not pays_commit_rate:
        chosen = winner(world, contract_level(world, line))
    return overridden(as_ladder(rate[base]), chosen)


def contract_level(world: Plain, line: Plain) -> list[Plain]:
    return [
        each
        for each in world["overrides"]
        if not each["commit_specific"] and holds_for(world, each, line, line["starting_at"])
    ]


def winner(world: Plain, overrides: list[Plain]) -> Plain | None:
    """An overwrite beats the others and the last one beats the earlier ones; of equals the last one counts, too."""
    overwrites = [each for each in overrides if each["type"] == "OVERWRITE"]
    if overwrites:
        return overwrites[-1]
    others = [each for each in overrides if each["type"] in ("MULTIPLIER", "TIERED")]
    if not others:
        return None
    by = "priority" if world["prioritization"] == "EXPLICIT" else "multiplier"
    lowest = min(Fraction(each[by]) for each in others)
    return [each for each in others if Fraction(each[by]) == lowest][-1]


def overridden(ladder: Ladder, override: Plain | None) -> Ladder:
    if override is None:
        return ladder
    if override["type"] == "OVERWRITE":
        return as_ladder(override["ladder"])
    if override["type"] == "MULTIPLIER":
        return [(size, price * Fraction(override["multiplier"])) for size, price in ladder]
    factors = as_ladder(override["tiers"])
    if factors[-1][0] is not None:
        factors.append((None, Fraction(1)))  # behind the last slice the rate as it is [A-tiered-override]
    return product_of(ladder, factors)


def product_of(prices: Ladder, factors: Ladder) -> Ladder:
    found: Ladder = []
    position = Fraction(0)
    while True:
        price_top, price = step_at(prices, position)
        factor_top, factor = step_at(factors, position)
        tops = [top for top in (price_top, factor_top) if top is not None]
        if not tops:
            return [*found, (None, price * factor)]
        found.append((min(tops) - position, price * factor))
        position = min(tops)


def holds_for(world: Plain, override: Plain, item: Plain, instant: datetime, balance: str | None = None) -> bool:
    """Whether an override is about this usage; with ``balance`` also whether it names that balance, or none at all."""
    if not covers(override, instant):
        return False
    tags = world["products"][item["product"]]["tags"]
    if override["product"] is not None:
        return bool(override["product"] == item["product"])
    if override["tags"]:
        return bool(set(override["tags"]) & set(tags))
    if not override["specifiers"]:
        return True
    return any(
        matches(each, item, tags) and (balance is None or not each["balances"] or balance in each["balances"])
        for each in override["specifiers"]
    )


def matches(specifier: Plain, item: Plain, tags: list[str]) -> bool:
    """All that a specifier says must hold."""
    return (
        specifier["product"] in (None, item["product"])
        and set(specifier["tags"]) <= set(tags)
        and specifier["pricing"].items() <= item["pricing"].items()
        and specifier["presentation"].items() <= item["presentation"].items()
    )


# Balances ------------------------------------------------------------------------------------------------------------


def is_payable(world: Plain, line: Plain, balance: Plain, place: int) -> bool:
    """Whether a segment may pay for a line: by its time and by what it is for."""
    _, start, end = balance["segments"][place]
    if not start <= line["starting_at"] < end:
        return False
    if not (balance["products"] or balance["tags"] or balance["specifiers"]):
        return True
    tags = world["products"][line["product"]]["tags"]
    return (
        line["product"] in balance["products"]
        or bool(set(tags) & set(balance["tags"]))
        or any(matches(each, line, tags) for each in balance["specifiers"])
    )


def spending_order(world: Plain, balance: Plain, place: int) -> Any:
    """The table of 3.7, from left to right; there are no rollovers here."""
    _, start, end = balance["segments"][place]
    is_postpaid = balance["type"] == "POSTPAID"
    is_paid = balance["type"] != "CREDIT" and Fraction(balance["cost"] or 0) > 0
    names = balance["contracts"] or INFINITE
    contracts = 1 if balance["level"] == "contract" else names
    # With group values, whether or not a product is named as well [A-usage-applicability].
    by_usage = (
        0 if is_postpaid else sum(bool(each["pricing"] or each["presentation"]) for each in balance["specifiers"])
    )
    return (
        is_postpaid,
        Fraction(balance["priority"]),
        is_paid,
        len(products_named(world, balance)) or INFINITE,
        by_usage,
        end,
        start,
        contracts,
        balance["level"] == "customer",
        world["balances"].index(balance),
    )


def products_named(world: Plain, balance: Plain) -> set[str]:
    named = set(balance["products"])
    for name, product in world["products"].items():
        if set(product["tags"]) & set(balance["tags"]):
            named.add(name)
        for each in balance["specifiers"]:
            is_named = each["product"] == name or (each["tags"] and set(each["tags"]) <= set(product["tags"]))
            if is_named:
                named.add(name)
    return named
