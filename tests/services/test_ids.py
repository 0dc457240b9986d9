"""Ids that repeat."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest
from worlds import World

from metronome_sandbox.services.ids import NAMESPACE, IdFactory


def test_two_factories_with_one_seed_give_the_same_ids() -> None:
    first, second = IdFactory("a"), IdFactory("a")

    assert [first.next(kind) for kind in "xyx"] == [second.next(kind) for kind in "xyx"]
    assert first.derived("p", "1") == second.derived("p", "1")


def test_other_seeds_give_other_ids() -> None:
    first, second = IdFactory("a"), IdFactory("b")

    assert first.next("x") != second.next("x")
    assert first.derived("p") != second.derived("p")


def test_ids_are_uuids_of_version_five_and_all_different() -> None:
    ids = IdFactory()

    given = [ids.next(kind) for kind in ("contract", "commit") for _ in range(50)]
    given += [ids.derived("segment", parent, str(number)) for parent in given[:10] for number in range(3)]

    assert len(set(given)) == len(given)
    assert {UUID(one).version for one in given} == {5}
    assert all(one == one.lower() for one in given)


def test_ids_are_those_of_the_standard_library() -> None:
    ids, namespace = IdFactory("a"), uuid5(NAMESPACE, "a")

    for number in range(1, 200):  # every variant digit, many times
        assert ids.next("é") == str(uuid5(namespace, f"é:{number}"))
        assert ids.derived("segment", "", str(number)) == str(uuid5(namespace, f"segment::{number}"))


def test_a_kind_counts_for_itself() -> None:
    ids, others = IdFactory(), IdFactory()

    others.next("customer")

    assert ids.next("contract") == others.next("contract")


def test_a_factory_goes_on_where_a_snapshot_stopped() -> None:
    ids = IdFactory("a")
    ids.next("x")
    restored = IdFactory(ids.seed, ids.counts)

    assert restored.next("x") == ids.next("x")
    assert restored.counts == ids.counts


def test_a_derived_id_takes_no_number() -> None:
    ids = IdFactory()

    ids.derived("x", "1")

    assert ids.counts == {}


def test_ids_of_a_transaction_that_raises_are_given_again() -> None:
    world, other = World(), World()

    def fail() -> None:
        with world.context.transaction():
            world.context.ids.next("customer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert world.customer("Acme") == other.customer("Acme")
