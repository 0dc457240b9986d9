"""Laws of account hierarchies: what must hold whatever a parent shares and whoever uses it.

A world has a parent and two children, each with its own statements, and balances of the parent and of one child. Usage
is all there when a law begins.
"""

from __future__ import annotations

import os
from decimal import Decimal
from itertools import permutations
from typing import Any, NamedTuple

import msgspec
from builders import utc
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import World

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.hierarchies import AccessType, ChildAccess, ContractLink, Membership
from metronome_sandbox.domain.ids import SegmentId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.services import contract_edits
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.drafts import drafts_of
from metronome_sandbox.services.hierarchies import NewHierarchy
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.store.memory import MemoryStore, StoreState

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fast")
law = settings(max_examples={"fast": 40, "campaign": 2000}[PROFILE], deadline=None, derandomize=PROFILE == "fast")

NAMES = ("Group", "Acme", "Beta")
SEGMENTS = ("2024-08", "2024-08-01..2024-08-10", "2024-08-06..2024-09-10", "2024-01-01..2025-01-01")


class SharedIs(NamedTuple):
    """A balance of the parent; ``to`` is ALL, NONE, the name of a child, or nothing."""

    type: BalanceType
    amount: str
    during: str
    priority: int
    to: str | None


class FamilyIs(NamedTuple):
    """Statements of each contract, balances, events as name, day of August and quantity, and who pays for seats on
    invoices of their own."""

    frequencies: dict[str, str]
    shared: list[SharedIs]
    own: list[tuple[str, str]]
    usage: list[tuple[str, int, str]]
    seats: set[str]


AMOUNTS = st.sampled_from(["0", "7", "100", "333.33", "1000"])
FAMILIES = st.builds(
    FamilyIs,
    st.fixed_dictionaries({name: st.sampled_from(["MONTHLY", "WEEKLY", "QUARTERLY"]) for name in NAMES}),
    st.lists(
        st.builds(
            SharedIs,
            st.sampled_from(BalanceType),
            AMOUNTS,
            st.sampled_from(SEGMENTS),
            st.integers(1, 2),
            st.sampled_from(["ALL", "ALL", "NONE", "Acme", "Beta", None]),
        ),
        max_size=4,
    ),
    st.lists(st.tuples(AMOUNTS, st.sampled_from(SEGMENTS)), max_size=2),
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(1, 14), st.sampled_from(["1", "2.5", "7"])),
        min_size=1,
        max_size=8,
    ),
    st.sets(st.sampled_from(NAMES)),
)


def family(about: FamilyIs) -> World:
    world = World("2024-08-15")
    world.product("P", "100")
    world.subscribable("Seat", "70")

    def terms(name: str) -> Any:
        seats = [world.subscribed("Seat", "2", scheduled=True)] if name in about.seats else []
        return {"starting_at": "2024-08-01", "frequency": about.frequencies[name], "subscriptions": tuple(seats)}

    world.contract("Group", customer="Group", **terms("Group"))
    link = ContractLink(world.contracts["Group"], world.customers["Group"])
    for name in NAMES[1:]:
        own = about.own if name == "Acme" else []
        world.contract(
            name,
            customer=name,
            **terms(name),
            commits=[world.prepaid(f"own {number}", item) for number, item in enumerate(own)],
            hierarchy=NewHierarchy(Membership(link)),
        )
    commits = [
        world.new_balance(
            f"shared {number}",
            one.type,
            (one.amount, one.during),
            payments=[("2025-01-01", one.amount)] if one.type is BalanceType.POSTPAID else None,
            priority=one.priority,
            child_access=access(world, one.to),
        )
        for number, one in enumerate(about.shared)
    ]
    add = NewTerms(commits=tuple(commits))
    edit = EditContract(customer_id=link.customer_id, contract_id=link.contract_id, add=add)
    contract_edits.edit_contract(world.context, edit)
    for name, day, quantity in about.usage:
        world.use("P", f"2024-08-{day:02}", quantity, name=name)
    return world


def access(world: World, to: str | None) -> ChildAccess | None:
    if to is None or to in ("ALL", "NONE"):
        return None if to is None else ChildAccess(AccessType(to))
    return ChildAccess(AccessType.CONTRACT_IDS, (world.contracts[to],))


def everything(world: World, context: Context, order: tuple[str, ...] = NAMES) -> dict[str, tuple[Invoice, ...]]:
    """The drafts of all, read anew in an order of customers."""
    context.drafts.clear()
    read = {name: drafts_of(context, world.customers[name]) for name in order}
    return {name: read[name] for name in NAMES}


@law
@given(FAMILIES)
def test_it_does_not_matter_whose_drafts_are_read_first(about: FamilyIs) -> None:
    world = family(about)
    first, *others = (everything(world, world.context, order) for order in permutations(NAMES))

    assert all(other == first for other in others)


@law
@given(FAMILIES)
def test_a_balance_is_never_spent_twice_and_only_by_those_that_may(about: FamilyIs) -> None:
    world = family(about)
    taken: dict[SegmentId, Decimal] = {}
    for invoices in everything(world, world.context).values():
        for invoice in invoices:
            contract = world.store.contracts[invoice.contract_id]
            for draw in invoice.draws:
                assert world.store.balances[draw.balance_id].is_open_to(contract.id, contract.parent_id)
                taken[draw.segment_id] = taken.get(draw.segment_id, ZERO) + draw.amount

    worth = {segment.id: segment.amount for one in world.store.balances.values() for segment in one.segments}
    assert all(amount <= worth[segment_id] for segment_id, amount in taken.items())


@law
@given(FAMILIES)
def test_what_is_not_shared_changes_nothing_for_children(about: FamilyIs) -> None:
    kept = about._replace(shared=[one._replace(to="NONE") for one in about.shared])
    left_out = about._replace(shared=[])
    with_them, without = family(kept), family(left_out)
    kept_drafts, other_drafts = everything(with_them, with_them.context), everything(without, without.context)

    for name in NAMES[1:]:
        assert [one.total for one in kept_drafts[name]] == [one.total for one in other_drafts[name]]


@law
@given(FAMILIES)
def test_drafts_of_relatives_become_final_as_they_stand(about: FamilyIs) -> None:
    world = family(about)
    found = [one for all_of_one in everything(world, world.context).values() for one in all_of_one]
    drafts = {one.id: one for one in found if one.period or any(line.subscription for line in one.lines)}

    world.travel("2024-12-15")

    # Only where a line is cut may differ: a balance that a relative has spent by then cuts none.
    final = {invoice_id: world.store.invoices[invoice_id] for invoice_id in drafts}
    assert {key: (one.total, one.draws) for key, one in final.items()} == {
        key: (one.total, one.draws) for key, one in drafts.items()
    }


@law
@given(FAMILIES)
def test_a_restored_family_has_the_same_drafts(about: FamilyIs) -> None:
    world = family(about)
    store = MemoryStore(msgspec.json.decode(world.dump(), type=StoreState))
    restored = Context(store, lambda: utc("2024-08-15"), IdFactory("tests"), world.context.grace_period)

    assert everything(world, restored) == everything(world, world.context)
