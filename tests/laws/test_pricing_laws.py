"""Laws of pricing that hold for every contract, not only for the worked examples.

A world is a contract with rates (flat, tiered, dimensional, changing in June), overrides of all kinds, commits and
credits with scopes, several segments and commit rates, and the usage of one month: whole quantities, days or hours.
Numbers are small and awkward on purpose: balances run out in the middle of a unit, and prices don't divide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from builders import (
    balance,
    contract,
    credit,
    invoice,
    only_for,
    open_segments,
    override,
    period,
    posted,
    price,
    price_book,
    product,
    rate,
    rate_schedule,
    segment,
    specifier,
    usage,
    utc,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws.effort import effort

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.breakdowns import Breakdown, break_down
from metronome_sandbox.domain.catalog import Product
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import GroupValues, SegmentId
from metronome_sandbox.domain.invoices import LineItem, LineType
from metronome_sandbox.domain.invoicing import PricedUsage, build_invoice
from metronome_sandbox.domain.ledger import PostedDraw, balance_at, ledger
from metronome_sandbox.domain.overrides import Override, OverrideTarget, OverrideType, Prioritization
from metronome_sandbox.domain.rate_cards import Price, RateKey, RateSchedule, slices
from metronome_sandbox.domain.rating import PriceBook, metered_lines
from metronome_sandbox.domain.spending_order import OpenSegment, spending_order
from metronome_sandbox.domain.targeting import Target
from metronome_sandbox.domain.usage import UsageLine, WindowSize

law = effort(30, 2000)

JUNE = period("2024-06")
DUST = Decimal("1e-12")
"""Less than any quantity a world can have: an earlier line's lost digits, and not a line."""
STEP = Decimal("0.5")
"""Every quantity and every width of a tier is a multiple of it."""


class World(msgspec.Struct, frozen=True):
    """Everything that an invoice for June is made from."""

    contract: Contract
    book: PriceBook
    balances: tuple[Balance, ...]
    usage: tuple[UsageLine, ...]

    def candidates(self) -> list[OpenSegment]:
        return open_segments(self.balances, JUNE)

    def bill(self) -> PricedUsage:
        return build_invoice(self.contract, self.book, self.usage, self.candidates(), JUNE)


# --- worlds

PRODUCTS = (
    product("Plain", tags=["api"]),
    product("Priced", tags=["api", "fast"], pricing=["region"]),
    product("Shown", presentation=["team"]),
)
REGIONS: list[GroupValues] = [(("region", "eu"),), (("region", "us"),)]
TEAMS: list[GroupValues] = [(("team", None),), (("team", ""),), (("team", "red"),)]
NAMES = ["A", "B", "C", "D"]

prices = st.sampled_from(["0", "0.5", "1", "3", "7", "10", "12.34", "99"])
widths = st.sampled_from(["0.5", "1", "2.5", "5", "10"])
multipliers = st.sampled_from(["0", "0.5", "0.8", "0.95", "1", "1.25"])
amounts = st.sampled_from(["0.1", "1", "5", "10", "33.33", "89", "100", "250", "1000", "100000"])
edges = st.sampled_from(["2024-06-01", "2024-06-05", "2024-06-11", "2024-06-16", "2024-06-16T12:00", "2024-06-25"])
quantities = st.integers(0, 40).map(lambda steps: steps * STEP)


@st.composite
def ladders(draw: st.DrawFn, values: st.SearchStrategy[str] = prices) -> list[tuple[str | None, str]]:
    steps: list[tuple[str | None, str]] = draw(st.lists(st.tuples(widths, values), max_size=2))
    return [*steps, (draw(st.none() | widths), draw(values))]


def any_price() -> st.SearchStrategy[Price]:
    return prices.map(price) | ladders().map(lambda tiers: price(tiers=tiers))


@st.composite
def spans(draw: st.DrawFn) -> dict[str, Any]:
    """Always, from a day of June on, until one, or both."""
    start, end = sorted([draw(edges), draw(edges)])
    return draw(
        st.sampled_from(
            [{}, {"starting_at": start}, {"ending_before": end}, {"starting_at": start, "ending_before": end}]
        )
        if start < end
        else st.sampled_from([{}, {"starting_at": start}])
    )


@st.composite
def schedules(draw: st.DrawFn, of: Product, values: GroupValues) -> RateSchedule:
    commit = st.none() | any_price()
    rates = [rate(draw(any_price()), commit=draw(commit))]
    if draw(st.booleans()):
        rates.append(rate(draw(any_price()), commit=draw(commit), **({"starting_at": "2024-06-05"} | draw(spans()))))
    return rate_schedule(*rates, product=of.id, pricing=dict(values))


scopes = st.sampled_from(
    [
        {},
        {},
        {"products": ["Plain"]},
        {"products": ["Plain", "Shown"]},
        {"tags": ["api"]},
        {"tags": ["fast"], "products": ["Shown"]},
        {"specifiers": [specifier(product="Priced", pricing={"region": "eu"})]},
        {"specifiers": [specifier(tags=["api"]), specifier(presentation={"team": "red"})]},
    ]
)


@st.composite
def balances_of(draw: st.DrawFn, name: str, sequence: int) -> Balance:
    spent = draw(st.lists(st.tuples(amounts, spans()), min_size=1, max_size=2))
    kind = draw(st.sampled_from(list(BalanceType)))
    return balance(
        kind,
        name=name,
        segments=[
            segment(amount, span.get("starting_at", "2024-01-01"), span.get("ending_before", "2025-01-01"))
            for amount, span in spent
        ],
        cost=None if kind is BalanceType.CREDIT else draw(st.sampled_from([None, "0", "50"])),
        priority=draw(st.integers(1, 3)),
        rate_type=draw(st.sampled_from(list(SpendingRate))),
        on_contract=draw(st.sampled_from(["contract", None])),
        sequence=sequence,
        **draw(scopes),
    )


@st.composite
def overrides(draw: st.DrawFn, kinds: Sequence[OverrideType]) -> Override:
    kind = draw(st.sampled_from(kinds))
    is_commit_specific = draw(st.booleans())
    about: dict[str, Any] = draw(spans())
    if kind is OverrideType.OVERWRITE:
        about["overwrite"] = draw(any_price())
    elif kind is OverrideType.MULTIPLIER:
        about["multiplier"] = draw(multipliers)
    else:
        about["tiers"] = draw(ladders(multipliers))
    where: list[dict[str, Any]] = [
        {},
        {"product": "Plain"},
        {"tags": ["api"]},
        {"specifiers": [only_for(pricing={"region": "eu"})]},
        {"specifiers": [only_for(presentation={"team": "red"}), only_for(product="Priced")]},
    ]
    if is_commit_specific:
        where += [{"specifiers": [only_for("A")]}, {"specifiers": [only_for("B", "C", tags=["api"])]}]
        about |= {"commit_specific": True, "target": draw(st.sampled_from(list(OverrideTarget)))}
    return override(priority=draw(st.integers(1, 3)), **about, **draw(st.sampled_from(where)))


HOURS = [f"2024-06-{day:02}T{hour:02}:00" for day in (1, 4, 5, 16, 24, 30) for hour in (0, 11, 12, 23)]
DAYS = [hour for hour in HOURS if hour.endswith("T00:00")]


def windows(starts: Sequence[str]) -> st.SearchStrategy[dict[str, Decimal]]:
    return st.dictionaries(st.sampled_from(starts), quantities, min_size=1, max_size=5)


@st.composite
def usage_of(draw: st.DrawFn, groups: dict[str, Any], is_windowed: bool) -> list[UsageLine]:
    """The lines of one group: none, one, one for each half of June, or two that overlap."""
    first, second, whole = "2024-06-01..2024-06-16", "2024-06-16..2024-07-01", "2024-06"
    halves = draw(st.sampled_from([[], [whole], [whole], [first, second], [first, whole], [second, whole]]))
    found: list[UsageLine] = []
    for half in halves:
        span = period(half)
        starts = [start for start in draw(st.sampled_from([HOURS, DAYS])) if utc(start) in span]
        if is_windowed or draw(st.booleans()):
            found.append(usage(during=span, windows=draw(windows(starts)), **groups))
        else:
            found.append(usage(quantity=draw(quantities), during=span, **groups))
    return found


@st.composite
def worlds(
    draw: st.DrawFn, *, is_windowed: bool = False, with_balances: bool = True, at_list_price: bool = False
) -> World:
    """Args:
    is_windowed: All usage is known by window.
    at_list_price: No balance has a price of its own.
    """
    chosen = draw(st.lists(st.sampled_from(PRODUCTS), min_size=1, max_size=3, unique_by=lambda each: each.id))
    dated: list[RateSchedule] = []
    lines: list[UsageLine] = []
    for each in chosen:
        for pricing in REGIONS if each.pricing_group_key else [()]:
            dated.append(draw(schedules(each, pricing)))
            for presentation in TEAMS if each.presentation_group_key else [()]:
                groups = {"product": each.id, "pricing": dict(pricing), "presentation": dict(presentation)}
                lines += draw(usage_of(groups, is_windowed))
    assume(lines)
    prioritization = draw(st.sampled_from(list(Prioritization)))
    kinds = [OverrideType.OVERWRITE, OverrideType.MULTIPLIER]
    if prioritization is Prioritization.EXPLICIT:
        kinds.append(OverrideType.TIERED)
    changes = draw(st.lists(overrides(kinds), max_size=4))
    held: list[Balance] = []
    if with_balances:
        names = NAMES[: draw(st.integers(0, len(NAMES)))]
        held = [draw(balances_of(name, place)) for place, name in enumerate(draw(st.permutations(names)), start=1)]
    if at_list_price:
        changes = [each for each in changes if not each.is_commit_specific]
        held = [msgspec.structs.replace(each, rate_type=SpendingRate.LIST_RATE) for each in held]
    return World(
        contract(overrides=changes, prioritization=prioritization),
        price_book(chosen, dated),
        tuple(held),
        tuple(draw(st.permutations(lines))),
    )


# --- what the laws look at


def usage_lines(lines: Sequence[LineItem]) -> list[LineItem]:
    return [line for line in lines if line.type is LineType.USAGE]


def group_of(line: LineItem | UsageLine) -> tuple[str, GroupValues, GroupValues]:
    return line.product_id, line.pricing_group_values, line.presentation_group_values


def summed(values: Sequence[tuple[Any, Decimal]]) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = {}
    for key, value in values:
        found[key] = found.get(key, ZERO) + value
    return found


def without_zeros(sums: dict[Any, Decimal]) -> dict[Any, Decimal]:
    return {key: value for key, value in sums.items() if value}


def target_of(world: World, line: LineItem) -> Target:
    return Target(world.book.products[line.product_id], line.pricing_group_values, line.presentation_group_values)


def may_pay(world: World, candidate: OpenSegment, line: LineItem) -> bool:
    assert line.starting_at is not None
    return line.starting_at in candidate.segment.period and candidate.balance.covers(target_of(world, line))


def assert_same(one: PricedUsage, other: PricedUsage) -> None:
    assert one.lines == other.lines
    assert one.total == other.total
    assert sorted(one.draws, key=lambda draw: draw.segment_id) == sorted(other.draws, key=lambda draw: draw.segment_id)


# --- the laws


@law
@given(worlds())
def test_lines_add_up_to_the_total(world: World) -> None:
    priced = world.bill()
    counted = [
        line.total
        for line in priced.lines
        if line.type is LineType.USAGE or (line.applied is not None and line.applied.type is not BalanceType.POSTPAID)
    ]

    assert sum(counted, ZERO) == priced.total
    assert priced.total >= 0


@law
@given(worlds())
def test_a_line_costs_its_quantity_times_its_price(world: World) -> None:
    for line in usage_lines(world.bill().lines):
        assert line.quantity is not None
        assert line.unit_price is not None
        assert abs(line.total - line.quantity * line.unit_price) < DUST
        assert line.quantity == 0 or line.quantity > DUST


@law
@given(worlds())
def test_what_is_drawn_is_what_is_covered_and_never_more_than_there_was(world: World) -> None:
    priced = world.bill()
    covered, applied = [], []
    for line, following in pairwise([*priced.lines, None]):
        if line is None or line.applied is None:
            continue
        if line.type is LineType.USAGE:
            assert following is not None
            assert (following.type, following.total) == (LineType.APPLIED_COMMIT_OR_CREDIT, -line.total)
            assert (following.applied, group_of(following)) == (line.applied, group_of(line))
            assert (following.starting_at, following.ending_before) == (line.starting_at, line.ending_before)
            covered.append((line.applied.segment_id, line.total))
        else:
            applied.append((line.applied.segment_id, -line.total))
    drawn = {draw.segment_id: draw.amount for draw in priced.draws}
    left = {candidate.segment.id: candidate.remaining for candidate in world.candidates()}

    assert without_zeros(summed(covered)) == without_zeros(summed(applied)) == drawn
    assert len(drawn) == len(priced.draws)
    assert all(0 < amount <= left[segment_id] for segment_id, amount in drawn.items())


@law
@given(worlds())
def test_a_balance_pays_only_for_what_it_is_for(world: World) -> None:
    candidates = {candidate.segment.id: candidate for candidate in world.candidates()}

    for line in world.bill().lines:
        if line.applied is not None and line.applied.segment_id is not None:
            assert may_pay(world, candidates[line.applied.segment_id], line)


@law
@given(worlds())
def test_no_balance_is_left_while_something_it_may_pay_is_billed(world: World) -> None:
    priced = world.bill()
    drawn = {draw.segment_id: draw.amount for draw in priced.draws}
    with_money = [each for each in world.candidates() if each.remaining > drawn.get(each.segment.id, ZERO)]

    for line in usage_lines(priced.lines):
        if line.applied is None and line.quantity and line.unit_price:
            assert not any(may_pay(world, candidate, line) for candidate in with_money)


@law
@given(worlds())
def test_a_balance_is_spent_before_one_that_comes_after_it(world: World) -> None:
    priced = world.bill()
    drawn = {draw.segment_id: draw.amount for draw in priced.draws}
    products = world.book.products.values()
    in_order = sorted(world.candidates(), key=lambda candidate: spending_order(candidate, products))
    place = {candidate.segment.id: number for number, candidate in enumerate(in_order)}

    positions: dict[Any, Decimal] = {}
    for line in usage_lines(priced.lines):
        assert line.starting_at is not None
        position = positions.get(group_of(line), ZERO)
        positions[group_of(line)] = position + (line.quantity or ZERO)
        if line.applied is None or line.applied.segment_id is None or not line.total:
            continue
        for earlier in in_order[: place[line.applied.segment_id]]:
            is_spent = earlier.remaining == drawn.get(earlier.segment.id, ZERO)
            # It pays nothing for what is free under its own price, so a later one at a commit rate may.
            own_price = unit_price_one_by_one(world, line, line.starting_at, position, earlier.balance)
            assert is_spent or not own_price or not may_pay(world, earlier, line)


@law
@given(worlds())
def test_quantities_of_the_lines_add_up_to_the_usage(world: World) -> None:
    lines = [(group_of(line), line.quantity or ZERO) for line in usage_lines(world.bill().lines)]

    assert summed(lines) == summed([(group_of(line), line.quantity) for line in world.usage])


@law
@given(worlds())
def test_no_tier_holds_more_than_its_size(world: World) -> None:
    tiered = [line for line in usage_lines(world.bill().lines) if line.tier is not None]
    held = summed([((group_of(line), line.tier), line.quantity or ZERO) for line in tiered])

    assert all(tier.size is None or quantity <= tier.size for (_, tier), quantity in held.items())


@law
@given(any_price(), quantities, quantities)
def test_slices_add_up_and_may_be_cut_anywhere(ladder: Price, position: Decimal, quantity: Decimal) -> None:
    whole = slices(ladder, position, quantity)
    half = quantity / 2
    parts = slices(ladder, position, half) + slices(ladder, position + half, quantity - half)

    assert sum(piece.quantity for piece in whole) == quantity
    assert sum(piece.quantity * piece.unit_price for piece in whole) == sum(
        piece.quantity * piece.unit_price for piece in parts
    )


def in_force_at(terms: Sequence[Any], instant: datetime) -> list[Any]:
    return [
        each
        for each in terms
        if each.starting_at <= instant and (each.ending_before is None or instant < each.ending_before)
    ]


def at_place(steps: Sequence[tuple[Decimal | None, Decimal]], position: Decimal, beyond: Decimal | None) -> Decimal:
    """What a ladder of sizes and values says about the unit after ``position``; None: its last value has no end."""
    end = ZERO
    for size, value in steps:
        if size is None or position < end + size:
            return value
        end += size
    return steps[-1][1] if beyond is None else beyond


def on_ladder(ladder: Price, position: Decimal) -> Decimal:
    return at_place([(tier.size, tier.price) for tier in ladder.tiers], position, None)


def after_overrides(world: World, before: Price, changes: Sequence[Override], position: Decimal) -> Decimal:
    overwrites = [each for each in changes if each.overwrite_price is not None]
    if overwrites and overwrites[-1].overwrite_price is not None:
        return on_ladder(overwrites[-1].overwrite_price, position)
    chosen = changes[0]
    for each in changes[1:]:
        if world.contract.prioritization is Prioritization.EXPLICIT:
            assert each.priority is not None
            assert chosen.priority is not None
            chosen = each if each.priority <= chosen.priority else chosen
        else:
            assert each.multiplier is not None
            assert chosen.multiplier is not None
            chosen = each if each.multiplier <= chosen.multiplier else chosen
    if chosen.multiplier is not None:
        return on_ladder(before, position) * chosen.multiplier
    factors = [(tier.size, tier.multiplier) for tier in chosen.tiers]
    return on_ladder(before, position) * at_place(factors, position, Decimal(1))


def unit_price_one_by_one(
    world: World, line: UsageLine | LineItem, instant: datetime, position: Decimal, payer: Balance | None = None
) -> Decimal:
    """What the unit after ``position`` costs at ``instant``, told as the reference does, without the domain's steps."""
    assert world.book.rate_card_id is not None
    schedule = world.book.schedules[RateKey(world.book.rate_card_id, line.product_id, line.pricing_group_values)]
    entry = in_force_at(schedule.rates, instant)[-1]
    target = Target(world.book.products[line.product_id], line.pricing_group_values, line.presentation_group_values)
    changes = in_force_at(world.contract.overrides, instant)
    if payer is not None:
        base, listed = OverrideTarget.LIST_RATE, entry.price
        if payer.rate_type is SpendingRate.COMMIT_RATE and entry.commit_price is not None:
            base, listed = OverrideTarget.COMMIT_RATE, entry.commit_price
        own = [
            each
            for each in changes
            if each.is_commit_specific and each.target is base and each.concerns(target, payer.id)
        ]
        if own:
            return after_overrides(world, listed, own, position)
        if base is OverrideTarget.COMMIT_RATE:
            return on_ladder(listed, position)
    general = [each for each in changes if not each.is_commit_specific and each.concerns(target)]
    return after_overrides(world, entry.price, general, position) if general else on_ladder(entry.price, position)


@law
@given(worlds())
def test_each_line_has_the_price_of_its_place_for_whoever_pays(world: World) -> None:
    payers = {each.id: each for each in world.balances}
    positions: dict[Any, Decimal] = {}
    for line in usage_lines(world.bill().lines):
        assert line.starting_at is not None
        position = positions.get(group_of(line), ZERO)
        place = round(position, 12)  # without what divisions cut off
        payer = payers[line.applied.id] if line.applied is not None else None
        assert line.unit_price == unit_price_one_by_one(world, line, line.starting_at, place, payer)
        positions[group_of(line)] = position + (line.quantity or ZERO)


@law
@given(worlds(with_balances=False))
def test_the_total_is_that_of_its_units_priced_one_by_one(world: World) -> None:
    expected = ZERO
    positions: dict[Any, Decimal] = {}
    for line in sorted(world.usage, key=lambda line: (line.starting_at, line.ending_before)):
        used = [(window.starting_at, window.quantity) for window in line.windows] or [(line.starting_at, line.quantity)]
        for instant, quantity in used:
            for _ in range(int(quantity / STEP)):
                position = positions.get(group_of(line), ZERO)
                expected += STEP * unit_price_one_by_one(world, line, instant, position)
                positions[group_of(line)] = position + STEP

    assert world.bill().total == expected


@law
@given(worlds(at_list_price=True))
def test_balances_at_the_list_price_take_exactly_what_they_pay_off_the_bill(world: World) -> None:
    priced = world.bill()
    unpaid = msgspec.structs.replace(world, balances=()).bill()
    types = {balance.id: balance.type for balance in world.balances}
    taken = sum((draw.amount for draw in priced.draws if types[draw.balance_id] is not BalanceType.POSTPAID), ZERO)

    assert priced.total == unpaid.total - taken
    for number in (priced.total, *(line.total for line in priced.lines), *(draw.amount for draw in priced.draws)):
        assert number == number.quantize(
            Decimal("1e-6")
        )  # two places of a price, two of a multiplier, one of a quantity


@law
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_usage_lines_does_not_change_the_invoice(world: World, random: Any) -> None:
    shuffled = list(world.usage)
    random.shuffle(shuffled)

    assert_same(world.bill(), msgspec.structs.replace(world, usage=tuple(shuffled)).bill())


@law
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_change_the_invoice(world: World, random: Any) -> None:
    candidates = world.candidates()
    random.shuffle(candidates)

    assert_same(world.bill(), build_invoice(world.contract, world.book, world.usage, candidates, JUNE))


USELESS = [
    credit("1000", name="for nothing", products=["unknown"], starting_at="2024-06-11", priority=1),
    credit("1000", name="for no tag", tags=["unknown"], ending_before="2024-06-11", priority=1),
    credit("1000", name="other unit", credit_type="eur", starting_at="2024-06-11", ending_before="2024-06-16"),
    credit("1000", name="other unit always", credit_type="eur", priority=1),
    credit("1000", name="no such group", specifiers=[specifier(pricing={"region": "mars"})], starting_at="2024-06-11"),
    credit("1000", name="other contract", on_contract="other", starting_at="2024-06-11", priority=1),
    credit("1000", name="over", starting_at="2024-01-01", ending_before="2024-06-01", priority=1),
    credit("1000", name="ahead", starting_at="2024-07-01", ending_before="2024-08-01", priority=1),
    credit("0", name="empty", starting_at="2024-06-11", priority=1),
]  # fmt: skip


@law
@given(worlds(), st.sampled_from(USELESS))
def test_a_balance_that_covers_nothing_leaves_the_invoice_as_it_is(world: World, useless: Balance) -> None:
    assert_same(world.bill(), msgspec.structs.replace(world, balances=(*world.balances, useless)).bill())


@law
@given(worlds(is_windowed=True))
def test_the_same_usage_by_half_the_window_is_the_same_invoice(world: World) -> None:
    """An hour's quantity in two entries of that hour, as events come, is priced like one."""

    def halved(line: UsageLine) -> UsageLine:
        parts = [
            msgspec.structs.replace(window, quantity=part)
            for window in line.windows
            for part in (window.quantity / 2, window.quantity - window.quantity / 2)
        ]
        return msgspec.structs.replace(line, windows=tuple(parts))

    assert_same(world.bill(), msgspec.structs.replace(world, usage=tuple(map(halved, world.usage))).bill())


def broken_down(world: World, priced: PricedUsage, lines: Sequence[UsageLine], **about: Any) -> list[Breakdown]:
    bill = invoice(priced, JUNE, lines, **about)
    return break_down(bill, WindowSize.DAY, utc("2025-01-01"))


def assert_adds_up(found: Sequence[Breakdown], priced: PricedUsage, lines: Sequence[UsageLine]) -> None:
    """The days have the invoice's lines among them, and each day has its own usage."""

    def key(line: LineItem) -> Any:
        return line.type, group_of(line), line.starting_at, line.unit_price, line.tier, line.applied

    pieces = [line for each in found for line in each.lines]
    for field in ("quantity", "total"):
        shared = summed([(key(line), getattr(line, field) or ZERO) for line in pieces])
        whole = summed([(key(line), getattr(line, field) or ZERO) for line in priced.lines])
        assert without_zeros(shared) == without_zeros(whole)
    assert sum((each.total for each in found), ZERO) == priced.total
    assert [line for line in pieces if line.quantity and abs(line.quantity) < DUST] == []
    by_day = summed(
        [
            ((each.window.starting_at, group_of(line)), line.quantity or ZERO)
            for each in found
            for line in usage_lines(each.lines)
        ]
    )
    used = summed(
        [
            ((window.starting_at.replace(hour=0), group_of(line)), window.quantity)
            for line in lines
            for window in line.windows
        ]
    )
    assert all(abs(by_day.get(key, ZERO) - used.get(key, ZERO)) < DUST for key in by_day.keys() | used.keys())


@law
@given(worlds(is_windowed=True))
def test_the_days_of_an_import_add_up_to_it(world: World) -> None:
    priced = world.bill()

    assert_adds_up(broken_down(world, priced, world.usage, window_size=WindowSize.HOUR), priced, world.usage)


@law
@given(worlds(is_windowed=True))
def test_the_days_of_a_generated_invoice_add_up_to_it(world: World) -> None:
    used = {group_of(line): line.windows for line in world.usage if line.starting_at == JUNE.starting_at}
    lines = metered_lines(world.contract, world.book, used, JUNE)  # type: ignore[arg-type]
    priced = build_invoice(world.contract, world.book, lines, world.candidates(), JUNE)
    found = broken_down(world, priced, lines, window_size=WindowSize.HOUR, imported=False)

    assert [each.window.starting_at for each in found] == [JUNE.starting_at + timedelta(days=day) for day in range(30)]
    assert_adds_up(found, priced, lines)


@law
@given(worlds(is_windowed=True), st.randoms(use_true_random=False))
def test_the_days_of_usage_that_falls_add_up_to_its_invoice(world: World, random: Any) -> None:
    """As a metric LATEST has it, or a SUM that is corrected."""
    used = {
        group_of(line): tuple(
            msgspec.structs.replace(window, quantity=window.quantity * random.choice([1, 1, -1]))
            for window in line.windows
        )
        for line in world.usage
        if line.starting_at == JUNE.starting_at
    }
    lines = metered_lines(world.contract, world.book, used, JUNE)  # type: ignore[arg-type]
    priced = build_invoice(world.contract, world.book, lines, world.candidates(), JUNE)
    found = broken_down(world, priced, lines, window_size=WindowSize.HOUR, imported=False)
    quantities_of_lines = summed([(group_of(line), line.quantity or ZERO) for line in usage_lines(priced.lines)])

    assert without_zeros(quantities_of_lines) == without_zeros(
        summed([(group_of(line), line.quantity) for line in lines])
    )
    assert_adds_up(found, priced, lines)


@law
@given(worlds())
def test_what_is_known_by_window_adds_up_beside_what_is_not(world: World) -> None:
    """Usage that came as a whole has no day; that of other lines is not moved by it."""
    priced = world.bill()
    found = broken_down(world, priced, world.usage, window_size=WindowSize.HOUR)
    by_group = summed([(group_of(line), line.quantity or ZERO) for each in found for line in usage_lines(each.lines)])
    windowed = summed([(group_of(line), line.quantity) for line in world.usage if line.windows])

    assert all(
        abs(by_group.get(key, ZERO) - windowed.get(key, ZERO)) < DUST for key in by_group.keys() | windowed.keys()
    )


@law
@given(worlds(), st.integers(1, 4), edges)
def test_a_ledger_adds_up_to_the_balance_while_it_lives_and_to_zero_afterwards(
    world: World, months: int, today: str
) -> None:
    """Several months with the same usage, each finding what the earlier ones left."""
    taken: dict[SegmentId, Decimal] = {}
    every: list[PostedDraw] = []
    for month in range(months):
        during = period(f"2024-{6 + month:02}")
        lines = [
            msgspec.structs.replace(
                line, starting_at=during.starting_at, ending_before=during.ending_before, windows=()
            )
            for line in world.usage
        ]
        candidates = open_segments(world.balances, during, taken)
        priced = build_invoice(world.contract, world.book, lines, candidates, during)
        every += posted(priced, f"invoice {month}")
        for draw in priced.draws:
            taken[draw.segment_id] = taken.get(draw.segment_id, ZERO) + draw.amount
    for held in world.balances:
        mine = [item for item in every if item.draw.balance_id == held.id]
        assert all(taken.get(each.id, ZERO) <= each.amount for each in held.segments)
        for now in (utc(today), utc("2024-06-30"), utc("2024-09-15"), utc("2026-01-01")):
            entries = ledger(held, mine, now)
            assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)
            left = ZERO
            for each in held.segments:
                rest = sum((entry.amount for entry in entries if entry.segment_id == each.id), ZERO)
                if now in each.period:
                    left += rest
                elif each.ending_before <= now and not held.is_trued_up:
                    assert rest == 0
                elif each.ending_before <= now:  # a postpaid commitment stands until its true-up
                    assert rest == each.amount - taken.get(each.id, ZERO)
            assert left == balance_at(held, taken, now)


def test_the_worlds_are_worth_it() -> None:
    """Among some hundred worlds each thing that can happen does happen."""
    seen: dict[str, int] = {}

    def note(what: str, happens: bool) -> None:
        seen[what] = seen.get(what, 0) + happens

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(worlds())
    def look(world: World) -> None:
        priced = world.bill()
        lines = usage_lines(priced.lines)
        note("a balance pays", bool(priced.draws))
        note("several balances pay", len(priced.draws) > 2)
        note("a postpaid commit pays", any(line.applied and line.applied.type == "POSTPAID" for line in lines))
        note("a tier is crossed", any(line.tier and line.tier.level > 1 for line in lines))
        note("a line is cut in time", any(line.starting_at != JUNE.starting_at for line in lines))
        note(
            "a balance runs out inside a unit", any(line.quantity != round(line.quantity or ZERO, 4) for line in lines)
        )
        note("something is billed", priced.total > 0)

    look()
    rare = {what: times for what, times in seen.items() if times < 5}

    assert rare == {}
