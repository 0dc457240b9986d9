"""Rate cards after their creation: names, aliases, conversions, the order of products, archiving."""

from __future__ import annotations

from decimal import Decimal

import pytest
from builders import utc
from worlds import World

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.errors import InvalidRequest, NotAllowedNow, NotFound, NotImitated
from metronome_sandbox.domain.ids import CreditTypeId, ProductId, RateCardId
from metronome_sandbox.domain.rate_cards import CreditTypeConversion, RateCardAlias
from metronome_sandbox.services import credit_types, product_order, rate_cards
from metronome_sandbox.services.product_order import ProductMove
from metronome_sandbox.services.rate_cards import NewRateCard, RateCardChange


@pytest.fixture
def world() -> World:
    """Three products in the order A, B, C."""
    world = World("2024-08-15")
    for name, price in (("A", "1"), ("B", "2"), ("C", "3")):
        world.product(name, price)
    return world


def names(world: World) -> list[str]:
    """Products in the order of the draft's lines."""
    return [line.name for line in world.invoice("2024-08").lines]


def move(world: World, *moves: tuple[str, int]) -> None:
    product_order.move_products(
        world.context, world.card, [ProductMove(world.products[name], position) for name, position in moves]
    )


def test_the_order_of_a_card_is_the_order_of_lines(world: World) -> None:
    world.contract(starting_at="2024-08-01")
    assert names(world) == ["A", "B", "C"]

    product_order.set_product_order(world.context, world.card, [world.products["C"]])
    assert names(world) == ["C", "A", "B"]

    move(world, ("A", 0), ("C", 2))
    assert names(world) == ["A", "B", "C"]
    move(world, ("A", 99))
    assert names(world) == ["B", "C", "A"]


def test_a_product_that_is_not_on_the_card_has_no_place_in_its_order(world: World) -> None:
    a, unknown = world.products["A"], ProductId("nowhere")

    with pytest.raises(InvalidRequest) as refused:
        product_order.set_product_order(world.context, world.card, [a, unknown])
    assert refused.value.path == "product_order[1]"
    with pytest.raises(InvalidRequest) as refused:
        product_order.set_product_order(world.context, world.card, [a, a])
    assert refused.value.path == "product_order[1]"
    with pytest.raises(InvalidRequest) as refused:
        product_order.move_products(world.context, world.card, [ProductMove(a, 1), ProductMove(unknown, 0)])
    assert refused.value.path == "product_moves[1].product_id"
    assert world.store.rate_cards[world.card].product_ids[0] == a


def test_an_update_leaves_what_it_does_not_name(world: World) -> None:
    before = world.store.rate_cards[world.card]

    changed = rate_cards.update_rate_card(world.context, world.card, RateCardChange(description="Until 2025"))

    assert (changed.name, changed.description) == (before.name, "Until 2025")
    assert changed.product_ids == before.product_ids


def test_aliases_are_replaced_and_taken_from_other_cards(world: World) -> None:
    other = rate_cards.create_rate_card(
        world.context, NewRateCard("Other", aliases=(RateCardAlias("list"), RateCardAlias("old")))
    )
    aliases = (RateCardAlias("list", utc("2025-01-01")),)

    rate_cards.update_rate_card(world.context, world.card, RateCardChange(aliases=aliases))

    assert world.store.rate_cards[world.card].aliases == aliases
    assert world.store.rate_cards[other.id].aliases == (
        RateCardAlias("list", None, utc("2025-01-01")),
        RateCardAlias("old"),
    )
    assert rate_cards.rate_card_by_alias(world.context, "list", utc("2024-12-31")).id == other.id
    assert rate_cards.rate_card_by_alias(world.context, "list", utc("2025-01-01")).id == world.card


def test_a_contract_stays_on_its_card_when_the_alias_moves(world: World) -> None:
    rate_cards.update_rate_card(world.context, world.card, RateCardChange(aliases=(RateCardAlias("list"),)))
    contract = world.contract(starting_at="2024-08-01", without_card=True, rate_card_alias="list")
    assert contract.rate_card_id == world.card

    rate_cards.create_rate_card(world.context, NewRateCard("New", aliases=(RateCardAlias("list"),)))

    assert names(world) == ["A", "B", "C"]


def test_an_archived_card_prices_its_contracts_and_takes_nothing_new(world: World) -> None:
    world.contract(starting_at="2024-08-01")

    card = rate_cards.archive_rate_card(world.context, world.card)

    assert card.archived_at == utc("2024-08-15")
    assert names(world) == ["A", "B", "C"]
    with pytest.raises(NotAllowedNow):
        world.contract("another", starting_at="2024-08-01")
    with pytest.raises(NotAllowedNow):
        world.rate("A", "5")
    with pytest.raises(NotAllowedNow):
        rate_cards.archive_rate_card(world.context, world.card)
    with pytest.raises(NotFound):
        rate_cards.archive_rate_card(world.context, RateCardId("nowhere"))


def test_a_conversion_is_for_a_custom_unit_once_and_worth_something(world: World) -> None:
    tokens = world.unit("tokens", "10")
    archived = credit_types.create_credit_type(world.context, "old").id
    credit_types.archive_credit_type(world.context, archived)

    def refused(unit: CreditTypeId, worth: str = "1") -> str:
        change = RateCardChange(added_conversions=(CreditTypeConversion(unit, Decimal(worth)),))
        with pytest.raises(InvalidRequest) as error:
            rate_cards.update_rate_card(world.context, world.card, change)
        return error.value.path

    path = "add_credit_type_conversions[0]"
    assert refused(tokens) == f"{path}.custom_credit_type_id"  # it has one, for good
    assert refused(USD_CENTS) == f"{path}.custom_credit_type_id"
    assert refused(archived) == f"{path}.custom_credit_type_id"
    free = credit_types.create_credit_type(world.context, "free").id
    assert refused(free, "0") == f"{path}.fiat_per_custom_credit"
    assert len(world.store.rate_cards[world.card].conversions) == 1


def test_a_rate_in_a_custom_unit_needs_its_conversion_and_keeps_its_unit(world: World) -> None:
    tokens = credit_types.create_credit_type(world.context, "tokens").id
    with pytest.raises(InvalidRequest, match="has no conversion") as refused:
        world.rate("A", "5", unit=tokens, starting_at="2024-09-01")
    assert refused.value.path == "credit_type_id"

    minutes = world.unit("minutes", "10")
    with pytest.raises(InvalidRequest, match="its unit cannot be changed"):
        world.rate("A", "5", unit=minutes, starting_at="2024-09-01")
    world.product("D")
    world.rate("D", "5", unit=minutes)
    with pytest.raises(InvalidRequest, match="its unit cannot be changed"):
        world.rate("D", "6", starting_at="2024-09-01")  # in the currency of the card


def test_sums_of_spend_in_several_units_have_no_minimum_and_no_tiers(world: World) -> None:
    world.composite("Support", "0.1", minimum="5", of=["A"])
    with pytest.raises(NotImitated, match="minimums and tiers of composite products"):
        world.unit("tokens", "10")

    other = World("2024-08-15")
    other.product("A", "1")
    other.unit("tokens", "10")
    with pytest.raises(NotImitated, match="minimums and tiers of composite products"):
        other.composite("Support", tiers=[("100", "0.1"), (None, "0.05")], of=["A"])
