"""Contracts: how they are made, found and listed."""

from __future__ import annotations

from typing import Any

import pytest
from builders import utc
from worlds import World, headline

from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import (
    ContractNotFound,
    CustomerNotFound,
    DomainError,
    InvalidRequest,
    NotFound,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import ContractId, CustomerId, RateCardId
from metronome_sandbox.domain.rate_cards import RateCardAlias
from metronome_sandbox.services import contracts, rate_cards
from metronome_sandbox.services.contracts import NewContract

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.customer("Acme")
    return world


def refused(world: World, **terms: Any) -> str:
    """The message that refuses a contract with these terms; nothing of it may be stored."""
    before, ids = world.dump(), dict(world.context.ids.counts)
    with pytest.raises(DomainError) as caught:
        world.contract(**terms)
    assert (world.dump(), world.context.ids.counts) == (before, ids)
    return str(caught.value)


# Creating ------------------------------------------------------------------------------------------------------------


def test_a_uniqueness_key_makes_one_contract(world: World) -> None:
    world.contract(uniqueness_key="k")
    before = world.dump()

    with pytest.raises(UniquenessKeyTaken, match="already been used"):
        world.contract(uniqueness_key="k")

    assert world.dump() == before
    world.contract(uniqueness_key="K")  # another key


def test_the_key_of_a_contract_that_was_refused_is_free(world: World) -> None:
    refused(world, uniqueness_key="k", ending_before="2024-06-01")

    world.contract(uniqueness_key="k")


def test_the_customer_must_exist(world: World) -> None:
    with pytest.raises(CustomerNotFound):
        contracts.create_contract(world.context, NewContract(CustomerId(NOWHERE), utc("2024-06-01")))


def test_an_archived_customer_gets_no_contract(world: World) -> None:
    contracts.archive_customer(world.context, world.customers["Acme"])

    assert refused(world).startswith("customer_id: customer")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"starting_at": "2024-06-01T00:30"}, "starting_at: 2024-06-01T00:30:00+00:00 is required to be on an hour"),
        ({"ending_before": "2024-07-01T00:00:01"}, "ending_before: 2024-07-01T00:00:01+00:00 is required to be on"),
        ({"ending_before": "2024-06-01"}, "ending_before: 2024-06-01T00:00:00+00:00 is not after starting_at"),
        ({"ending_before": "2024-05-01"}, "ending_before: 2024-05-01T00:00:00+00:00 is not after starting_at"),
        ({"day": "CUSTOM_DATE"}, "usage_statement_schedule.billing_anchor_date: is missing"),
        (
            {"day": "CUSTOM_DATE", "anchor": "2024-06-10T00:30"},
            "usage_statement_schedule.billing_anchor_date: 2024-06-10T00:30:00+00:00 is required to be on an hour",
        ),
        (
            {"generation": "2024-05-31"},
            "usage_statement_schedule.invoice_generation_starting_at: 2024-05-31T00:00:00+00:00 is before the",
        ),
        (
            {"generation": "2024-08-01T00:30"},
            "usage_statement_schedule.invoice_generation_starting_at: 2024-08-01T00:30:00+00:00 is required to be on",
        ),
        ({"starting_at": "1901-01-01"}, "starting_at: 1901-01-01T00:00:00+00:00 would bring more than 1200"),
    ],
)
def test_dates_that_cannot_be(world: World, terms: dict[str, Any], message: str) -> None:
    assert refused(world, **terms).startswith(message)


def test_a_long_past_needs_no_invoices_when_the_system_begins_later(world: World) -> None:
    contract = world.contract(starting_at="1901-01-01", generation="2024-08-01")

    assert [headline(one) for one in world.invoices(contract_id=contract.id)] == ["USAGE 2024-08 DRAFT 2024-09-02 0"]


def test_the_rate_card_must_exist_and_be_named_once(world: World) -> None:
    acme, start = world.customers["Acme"], utc("2024-06-01")
    with pytest.raises(NotFound, match="no rate card"):
        contracts.create_contract(world.context, NewContract(acme, start, rate_card_id=RateCardId(NOWHERE)))
    with pytest.raises(InvalidRequest, match="rate_card_alias: cannot stand beside rate_card_id"):
        contracts.create_contract(
            world.context, NewContract(acme, start, rate_card_id=world.card, rate_card_alias="list")
        )
    with pytest.raises(InvalidRequest, match=r"rate_card_alias: no rate card has the alias 'list' at 2024-06-01"):
        contracts.create_contract(world.context, NewContract(acme, start, rate_card_alias="list"))


def test_an_alias_is_resolved_at_the_start_of_the_contract(world: World) -> None:
    old, new = (
        rate_cards.create_rate_card(
            world.context, rate_cards.NewRateCard(name, aliases=(RateCardAlias("list", utc(start)),))
        )
        for name, start in (("old", "2024-01-01"), ("new", "2024-07-01"))
    )

    def card_from(start: str) -> RateCardId | None:
        asked = NewContract(world.customers["Acme"], utc(start), rate_card_alias="list")
        return contracts.create_contract(world.context, asked).rate_card_id

    assert (card_from("2024-06-30T23:00"), card_from("2024-07-01")) == (old.id, new.id)


def test_a_contract_may_do_without_a_card(world: World) -> None:
    contract = world.contract(without_card=True)

    assert contract.rate_card_id is None
    assert [headline(one) for one in world.invoices()][-1] == "USAGE 2024-08 DRAFT 2024-09-02 0"
    assert world.invoices()[-1].lines == ()


def test_its_anchor_is_the_first_of_the_month_of_its_start(world: World) -> None:
    assert world.contract(starting_at="2024-07-15T05:00").statement_schedule.anchor == utc("2024-07-01")


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_contract_is_found_with_its_customer_only(world: World) -> None:
    contract = world.contract()
    initech = world.customer("Initech")

    assert contracts.get_contract(world.context, contract.customer_id, contract.id) == contract
    with pytest.raises(ContractNotFound):
        contracts.get_contract(world.context, initech, contract.id)
    with pytest.raises(ContractNotFound):
        contracts.get_contract(world.context, contract.customer_id, ContractId(NOWHERE))
    with pytest.raises(CustomerNotFound):
        contracts.get_contract(world.context, CustomerId(NOWHERE), contract.id)


def names(found: list[Contract]) -> list[str | None]:
    return [contract.name for contract in found]


def test_contracts_are_listed_by_their_start_and_archived_ones_on_request(world: World) -> None:
    for name, start, end in (
        ("third", "2024-08-01", None),
        ("first", "2024-06-01", "2024-08-01"),
        ("second", "2024-07-01", None),
        ("gone", "2024-06-01", None),
    ):
        world.contract(name, starting_at=start, ending_before=end)
    acme = world.customers["Acme"]
    contracts.archive_contract(world.context, acme, world.contracts["gone"], void_invoices=False)

    def listed(**conditions: Any) -> list[str | None]:
        return names(contracts.list_contracts(world.context, acme, **conditions))

    assert listed() == ["first", "second", "third"]
    assert listed(include_archived=True) == ["first", "gone", "second", "third"]
    assert listed(covering_date=utc("2024-07-31T23:59")) == ["first", "second"]
    assert listed(covering_date=utc("2024-08-01")) == ["second", "third"]
    assert listed(starting_at=utc("2024-07-01")) == ["second", "third"]
    with pytest.raises(InvalidRequest, match="covering_date: cannot stand beside starting_at"):
        listed(covering_date=utc("2024-07-01"), starting_at=utc("2024-07-01"))
    with pytest.raises(CustomerNotFound):
        contracts.list_contracts(world.context, CustomerId(NOWHERE))
