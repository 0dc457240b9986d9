"""Laws of explanations: whatever the contract, every figure is one of the invoice, and all of them add up to it."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from builders import contract, invoice, prepaid, price, price_book, product, rate, rate_schedule, usage
from hypothesis import given
from laws.test_pricing_laws import JUNE, World, law, worlds

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.explanation import Explanation, Surroundings, explain
from metronome_sandbox.domain.explanation.overrides import LOST, WON
from metronome_sandbox.domain.ids import OverrideId
from metronome_sandbox.domain.invoices import Invoice, LineType
from metronome_sandbox.domain.overrides import OverrideTarget, overridden


def with_ids(world: World) -> World:
    """The same world with overrides that can be told apart."""
    overrides = tuple(
        msgspec.structs.replace(each, id=OverrideId(f"override {number}"))
        for number, each in enumerate(world.contract.overrides)
    )
    return msgspec.structs.replace(world, contract=msgspec.structs.replace(world.contract, overrides=overrides))


def billed(world: World) -> Invoice:
    priced = world.bill()
    return msgspec.structs.replace(invoice(priced, JUNE, world.usage), trace=priced.trace)


def around(world: World) -> Surroundings:
    return Surroundings(
        world.contract,
        world.book,
        "card",
        {each.id: each for each in world.contract.overrides},
        {each.id: each for each in world.balances},
        {world.book.fiat_credit_type_id: "USD (cents)"},
        JUNE.starting_at,
    )


def explained(world: World) -> Explanation:
    return explain(billed(world), around(world))


@law
@given(worlds())
def test_lines_and_balances_of_an_explanation_add_up_to_the_invoice(world: World) -> None:
    world = with_ids(world)
    found = explained(world)

    assert tuple(each.line for each in found.lines) == found.invoice.lines
    drawn = {each.segment_id: each.drawn for each in found.balances if each.drawn}
    assert drawn == {draw.segment_id: draw.amount for draw in found.invoice.draws}
    for each in found.balances:
        assert each.drawn == sum((found.invoice.lines[index].total for index in each.lines), ZERO)
        assert each.left == each.before - each.drawn
        assert each.left >= 0
    paid = [index for each in found.balances for index in each.lines]
    covered = [
        index
        for index, line in enumerate(found.invoice.lines)
        if line.applied is not None and line.type is LineType.USAGE
    ]
    assert sorted(paid) == covered
    assert all(found.lines[index].cover_why for index in covered)


@law
@given(worlds())
def test_the_price_of_a_line_is_its_rate_after_the_override_that_won(world: World) -> None:
    world = with_ids(world)
    by_id = {each.id: each for each in world.contract.overrides}
    for each in explained(world).lines:
        line = each.line
        if line.pricing is None:
            assert each.overrides == ()
            continue
        assert [said.id for said in each.overrides] == list(by_id)
        rate, choice = line.pricing.rate, line.pricing.choice
        base = rate.commit_price if choice.base is OverrideTarget.COMMIT_RATE else rate.price
        assert base is not None
        won = [by_id[said.id] for said in each.overrides if said.decision == WON]
        assert [said.id for said in won] == ([] if choice.winner is None else [choice.winner])
        assert line.pricing.price == (overridden(base, won[0]) if won else base)
        level = 1 if line.tier is None else line.tier.level
        assert line.unit_price == line.pricing.price.tiers[level - 1].price
        lost = [by_id[said.id] for said in each.overrides if said.decision == LOST]
        for loser in lost:
            assert line.starting_at is not None
            assert line.starting_at in loser.period
            assert not loser.is_commit_specific or line.applied is not None


@law
@given(worlds())
def test_every_place_in_the_order_is_told_by_a_step_that_differs(world: World) -> None:
    world = with_ids(world)
    found = billed(world)
    assert found.trace is not None
    keys = [each.order for each in found.trace.queue]

    assert len(keys) == len(world.candidates())
    for one, other in pairwise(keys):
        assert one is not None
        assert other is not None
        assert one < other
    for each in explain(found, around(world)).balances:
        assert ("After " in each.why) is (each.order > 1)
        assert ("Before " in each.why) is (each.order < len(keys))


@law
@given(worlds())
def test_an_invoice_that_nothing_was_changed_about_says_so_and_survives_a_snapshot(world: World) -> None:
    world = with_ids(world)
    found = billed(world)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Invoice)

    assert again == found
    said = explain(again, around(world))
    assert said == explain(found, around(world))
    assert not any("changed" in note for note in said.notes)
    assert all(line.why.strip() for line in said.lines)


def test_a_balance_that_pays_for_nothing_is_among_them() -> None:
    plain = product("Plain")
    world = World(
        contract(),
        price_book([plain], [rate_schedule(rate(price("1")), product="Plain")]),
        (prepaid(5, name="A", priority=1), prepaid(5, name="B", priority=2)),
        (usage("Plain", 3),),
    )

    assert [(each.name, each.drawn) for each in explained(world).balances] == [("A", 3), ("B", 0)]
