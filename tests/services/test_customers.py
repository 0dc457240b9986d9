"""Customers: who is billed."""

from __future__ import annotations

import pytest
from builders import utc
from worlds import World

from metronome_sandbox.domain.errors import CustomerNotFound, IngestAliasTaken, NotAllowedNow
from metronome_sandbox.domain.ids import CustomerId
from metronome_sandbox.services import contracts, customers
from metronome_sandbox.services.customers import NewCustomer

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def world() -> World:
    return World("2024-08-15")


def test_a_customer_has_its_fields_and_the_tenants_time(world: World) -> None:
    made = customers.create_customer(world.context, NewCustomer("Acme", ("acme",), {"tier": "gold"}))

    assert customers.get_customer(world.context, made.id) == made
    assert (made.name, made.ingest_aliases, made.custom_fields) == ("Acme", ("acme",), {"tier": "gold"})
    assert made.created_at == made.updated_at == utc("2024-08-15")
    assert made.archived_at is None


def test_names_need_not_differ(world: World) -> None:
    first, second = (customers.create_customer(world.context, NewCustomer("Acme")) for _ in range(2))

    assert first.id != second.id


def test_a_long_name_is_cut(world: World) -> None:
    made = customers.create_customer(world.context, NewCustomer("x" * 161))

    assert made.name == "x" * 160


def test_an_alias_belongs_to_one_customer_and_nothing_is_kept_of_a_clash(world: World) -> None:
    owner = customers.create_customer(world.context, NewCustomer("Acme", ("acme",)))
    before, ids = world.dump(), dict(world.context.ids.counts)

    with pytest.raises(IngestAliasTaken, match=f"'acme' already belongs to customer {owner.id}"):
        customers.create_customer(world.context, NewCustomer("Other", ("other", "acme")))

    assert (world.dump(), world.context.ids.counts) == (before, ids)
    customers.create_customer(world.context, NewCustomer("Other", ("other", "Acme")))  # case matters


def test_an_alias_that_is_there_twice_counts_once(world: World) -> None:
    made = customers.create_customer(world.context, NewCustomer("Acme", ("a", "b", "a")))

    assert made.ingest_aliases == ("a", "b")


def test_an_archived_customer_keeps_its_aliases(world: World) -> None:
    made = customers.create_customer(world.context, NewCustomer("Acme", ("acme",)))
    contracts.archive_customer(world.context, made.id)

    with pytest.raises(IngestAliasTaken):
        customers.create_customer(world.context, NewCustomer("Next", ("acme",)))


def test_customers_are_listed_in_the_order_of_creation_archived_ones_apart(world: World) -> None:
    made = [customers.create_customer(world.context, NewCustomer(name, (name.lower(),))) for name in ("C", "A", "B")]
    contracts.archive_customer(world.context, made[1].id)

    def names(**conditions: object) -> str:
        return "".join(one.name for one in customers.list_customers(world.context, **conditions))  # type: ignore[arg-type]

    assert names() == "CB"
    assert names(only_archived=True) == "A"
    assert names(ingest_alias="c") == "C"
    assert names(ingest_alias="a") == ""
    assert names(ingest_alias="a", only_archived=True) == "A"
    assert names(ingest_alias="nobody") == ""
    assert names(customer_ids=[made[2].id.upper(), NOWHERE]) == "B"
    assert names(customer_ids=[]) == ""


def test_an_archived_customer_is_read_and_not_written(world: World) -> None:
    made = customers.create_customer(world.context, NewCustomer("Acme"))
    contracts.archive_customer(world.context, made.id)

    assert customers.get_customer(world.context, made.id).archived_at == utc("2024-08-15")
    with pytest.raises(NotAllowedNow, match=f"customer_id: customer {made.id} is archived"):
        customers.active_customer(world.context, made.id, "customer_id")


def test_a_customer_that_does_not_exist(world: World) -> None:
    for call in (customers.get_customer, contracts.archive_customer):
        with pytest.raises(CustomerNotFound, match=f"no customer {NOWHERE}"):
            call(world.context, CustomerId(NOWHERE))
