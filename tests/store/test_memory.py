"""The store in memory against naive models: sort everything again each time, keep nothing."""

from __future__ import annotations

import os
from collections.abc import Hashable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import store_rows as rows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.hierarchies import all_children_of
from metronome_sandbox.domain.ids import ContractId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.store.memory import MemoryStore, MemoryTable, SortedIndex, StoreState, UndoLog

EXAMPLES = {"fast": 30, "campaign": 2000}[os.environ.get("HYPOTHESIS_PROFILE", "fast")]

# SortedIndex ---------------------------------------------------------------------------------------------------------

Row = tuple[int, frozenset[str], int]
"""Id, groups, what sorts it."""

GROUPS = st.frozensets(st.sampled_from("abc"), max_size=3)
ROWS = st.dictionaries(st.integers(0, 15), st.tuples(GROUPS, st.integers(0, 5)), max_size=12)


def index_of() -> SortedIndex[int, Row]:
    return SortedIndex(lambda row: row[0], lambda row: row[1], lambda row: (row[2], row[0]))


def naive(rows: dict[int, tuple[frozenset[str], int]], group: Hashable) -> list[tuple[int, int]]:
    """``(first part of the key, id)`` of a group, in order."""
    return sorted((key, number) for number, (groups, key) in rows.items() if group in groups)


@given(ROWS, st.data())
def test_an_index_is_what_sorting_everything_gives(content: dict[int, tuple[frozenset[str], int]], data: Any) -> None:
    index = index_of()
    for number, (groups, key) in content.items():
        index.add((number, groups, key))
    for number in data.draw(st.lists(st.sampled_from(sorted(content)), unique=True)) if content else ():
        groups, key = content.pop(number)
        index.remove((number, groups, key))

    for group in "abcd":
        expected = naive(content, group)
        assert list(index.ids(group)) == [number for _, number in expected]
        for first in range(-1, 7):
            assert list(index.starting_with(group, first)) == [n for key, n in expected if key == first]
            assert list(index.before(group, first)) == [n for key, n in reversed(expected) if key < first]


@given(ROWS)
def test_the_order_of_adding_does_not_matter(content: dict[int, tuple[frozenset[str], int]]) -> None:
    forward, backward = index_of(), index_of()
    found = [(number, groups, key) for number, (groups, key) in content.items()]
    for row in found:
        forward.add(row)
    for row in reversed(found):
        backward.add(row)

    assert all(list(forward.ids(group)) == list(backward.ids(group)) for group in "abc")


# MemoryTable ---------------------------------------------------------------------------------------------------------


class Follower:
    """Counts rows by value; what is removed must have been added."""

    def __init__(self) -> None:
        self.held: list[str] = []

    def add(self, value: str) -> None:
        self.held.append(value)

    def remove(self, value: str) -> None:
        self.held.remove(value)


def test_a_follower_holds_what_the_table_holds() -> None:
    undo, follower = UndoLog(), Follower()
    table: MemoryTable[int, str] = MemoryTable(undo, [follower])
    undo.entries = []
    for key, value in ((1, "a"), (2, "b"), (1, "c")):
        table.put(key, value)
    assert sorted(follower.held) == ["b", "c"]

    for changed, key, before in reversed(undo.entries):
        changed.put_back(key, before)

    assert (list(table), follower.held) == ([], [])


def test_rows_are_taken_down_and_put_up_in_order() -> None:
    undo = UndoLog()
    table: MemoryTable[int, str] = MemoryTable(undo)
    undo.entries = []
    for key, value in ((2, "b"), (1, "a"), (2, "c")):
        table.put(key, value)
    follower = Follower()
    copy: MemoryTable[int, str] = MemoryTable(UndoLog(), [follower])

    copy.load(table.dump())

    assert table.dump() == copy.dump() == [(2, "c"), (1, "a")]
    assert follower.held == ["c", "a"]


# The whole store -----------------------------------------------------------------------------------------------------

DAYS = st.integers(0, 6)
PERIODS = st.builds(lambda start, length: rows.days(start, start + length), DAYS, st.integers(1, 3))
CUSTOMERS = st.sampled_from(["acme", "hooli"])
DRAWS = st.lists(
    st.builds(rows.draw, st.integers(1, 2), st.decimals(0, 10, places=2).map(str), segment=st.integers(1, 2)),
    max_size=3,
)
NUMBERS = st.integers(1, 5)
PUTS = st.one_of(
    st.tuples(
        st.just("contracts"),
        st.builds(
            rows.contract,
            NUMBERS,
            customer=CUSTOMERS,
            next_period=st.none() | PERIODS,
            charge_at=st.none() | st.builds(rows.day, DAYS),
            package=st.none() | CUSTOMERS,
            watched=st.booleans(),
            check_at=st.none() | st.builds(rows.day, DAYS),
            archived=st.booleans(),
            below=st.none() | st.integers(1, 2),
        ),
    ),
    st.tuples(
        st.just("balances"),
        st.builds(
            rows.balance,
            NUMBERS,
            customer=CUSTOMERS,
            archived=st.booleans(),
            of=st.none() | st.integers(1, 2),
            kept_for=st.lists(st.integers(1, 2), max_size=3),
            paid_on=st.none() | st.integers(1, 2),
            is_postpaid=st.booleans(),
            is_shared=st.booleans(),
        ),
    ),
    st.tuples(
        st.just("invoices"),
        st.builds(
            rows.invoice,
            NUMBERS,
            customer=CUSTOMERS,
            on=st.integers(1, 2),
            status=st.sampled_from(list(InvoiceStatus)),
            period=st.none() | PERIODS,
            issued_at=st.builds(rows.day, DAYS),
            draws=DRAWS,
        ),
    ),
    st.tuples(
        st.just("events"),
        st.builds(rows.event, st.sampled_from("abcde"), st.builds(rows.day, DAYS), customer=CUSTOMERS),
    ),
    st.tuples(st.just("rate_schedules"), st.builds(rows.schedule, NUMBERS, card=CUSTOMERS)),
)


def put(store: MemoryStore, table: str, row: Any) -> None:
    key = {"events": "transaction_id", "rate_schedules": "key"}.get(table, "id")
    getattr(store, table).put(getattr(row, key), row)


def bytes_of(store: MemoryStore) -> bytes:
    return msgspec.json.encode(store.dump())


def indexes_of(store: MemoryStore) -> dict[str, Any]:
    """Every index, computed naively from the rows."""
    contracts, balances = list(store.contracts.values()), list(store.balances.values())
    invoices, events = list(store.invoices.values()), list(store.events.values())

    def start(one: Invoice) -> Any:
        return one.period.starting_at if one.period else one.issued_at

    def end(one: Invoice) -> Any:
        return one.period.ending_before if one.period else one.issued_at

    def in_a_list(one: Invoice) -> Any:
        is_void = one.status is InvoiceStatus.VOID
        return one.issued_at, start(one), not is_void, one.sequence if is_void else 0, one.id

    final = [one for one in invoices if one.status is InvoiceStatus.FINALIZED]
    due = [one for one in contracts if one.next_period and not one.archived_at]
    watched = [one for one in sorted(contracts, key=lambda one: one.sequence) if one.is_watched]
    checked = [one for one in watched if one.next_check_at]
    unbilled = [one for one in contracts if one.next_charge_at and not one.archived_at]
    waiting = sorted(
        (one for one in invoices if one.status is InvoiceStatus.DRAFT), key=lambda one: (one.issued_at, one.sequence)
    )

    by_sequence = sorted(balances, key=lambda one: one.sequence)

    def is_live(one: Balance) -> bool:
        return one.archived_at is None

    def period(one: BoundedPeriod | None) -> Any:
        return one and (one.ending_before, one.starting_at)

    found: dict[str, Any] = {
        "contracts_due": [one.id for one in sorted(due, key=lambda one: (period(one.next_period), one.sequence))],
        "charges_due": [one.id for one in sorted(unbilled, key=lambda one: (one.next_charge_at, one.sequence))],
        "waiting": [one.id for one in waiting],
        "watched": [one.id for one in watched],
        "checks_due": [one.id for one in sorted(checked, key=lambda one: (one.next_check_at, one.sequence))],
    }
    for group in ("acme", "hooli"):
        found[group] = (
            [one.id for one in sorted(contracts, key=lambda one: one.sequence) if one.customer_id == group],
            [one.id for one in sorted(contracts, key=lambda one: one.sequence) if one.package_id == group],
            [
                one.id
                for one in sorted(contracts, key=lambda one: one.sequence)
                if one.child_of and group in (one.customer_id, "hooli")  # whose contracts all parents are
            ],
            [one.id for one in sorted(balances, key=lambda one: one.sequence) if one.customer_id == group],
            [one.id for one in sorted(invoices, key=in_a_list) if one.customer_id == group],
            [one.id for one in waiting if one.customer_id == group],
            [
                one.transaction_id
                for one in sorted(events, key=lambda one: (one.timestamp, one.transaction_id))
                if one.customer_id == group
            ],
            [
                one.key
                for one in sorted(store.rate_schedules.values(), key=lambda one: one.sequence)
                if one.key.rate_card_id == group
            ],
            [one.id for one in by_sequence if one.customer_id == group and one.open_to == (group,) and is_live(one)],
            [one.id for one in by_sequence if one.customer_id == group and one.is_trued_up],
        )
    for number in (1, 2):
        on = [one for one in invoices if one.contract_id == f"contract {number}"]
        drawing = [one for one in final if any(item.balance_id == f"balance {number}" for item in one.draws)]
        name = f"contract {number}"
        found[f"open to {number}"] = [one.id for one in by_sequence if name in one.open_to and is_live(one)]
        found[f"open below {number}"] = [
            one.id for one in by_sequence if one.child_access and one.contract_id == name and is_live(one)
        ]
        found[f"below {number}"] = [
            one.id for one in sorted(contracts, key=lambda one: one.sequence) if one.parent_id == name
        ]
        found[f"paid on {number}"] = [one.id for one in by_sequence if one.invoice_contract_id == name]
        found[f"on {number}"] = [one.id for one in sorted(on, key=lambda one: (start(one), one.sequence))]
        found[f"drawing {number}"] = [one.id for one in sorted(drawing, key=lambda one: (end(one), one.sequence))]
        for segment in (1, 2):
            name = f"balance {number}/{segment}"
            found[name] = sum(
                (item.amount for one in final for item in one.draws if item.segment_id == name), Decimal(0)
            )
    return found


def kept_indexes(store: MemoryStore) -> dict[str, Any]:
    """The same, as the store keeps them."""
    found: dict[str, Any] = {
        "contracts_due": list(store.contracts_due.ids("")),
        "charges_due": list(store.charges_due.ids("")),
        "waiting": list(store.stored_drafts.ids("")),
        "watched": list(store.watched.ids("")),
        "checks_due": list(store.checks_due.ids("")),
    }
    for group in ("acme", "hooli"):
        indexes = (
            store.contracts_of,
            store.contracts_from,
            store.children_of,
            store.balances_of,
            store.invoices_of,
            store.stored_drafts,
            store.events_of,
            store.rate_keys,
            store.balances_open_to,
            store.true_ups_of,
        )
        found[group] = tuple(list(index.ids(group)) for index in indexes)
    for number in (1, 2):
        found[f"open to {number}"] = list(store.balances_open_to.ids(f"contract {number}"))
        below = all_children_of(ContractId(f"contract {number}"))
        found[f"open below {number}"] = list(store.balances_open_to.ids(below))
        found[f"below {number}"] = list(store.children_of.ids(f"contract {number}"))
        found[f"paid on {number}"] = list(store.balances_paid_on.ids(f"contract {number}"))
        found[f"on {number}"] = list(store.invoices_on.ids(f"contract {number}"))
        found[f"drawing {number}"] = list(store.invoices_drawing_on.ids(f"balance {number}"))
        for segment in (1, 2):
            name = f"balance {number}/{segment}"
            found[name] = store.drawn.get(name, Decimal(0))  # type: ignore[arg-type]
    return found


class Changes(RuleBasedStateMachine):
    """Random puts in transactions of which some raise."""

    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore()

    @rule(puts=st.lists(PUTS, max_size=6))
    def keep(self, puts: list[tuple[str, Any]]) -> None:
        before = self.store.revision
        with self.store.transaction():
            for table, row in puts:
                put(self.store, table, row)
        assert self.store.revision == before + bool(puts)

    @rule(puts=st.lists(PUTS, max_size=6))
    def give_up(self, puts: list[tuple[str, Any]]) -> None:
        before = self.store.revision, bytes_of(self.store), kept_indexes(self.store)
        with suppress(ZeroDivisionError), self.store.transaction():
            for table, row in puts:
                put(self.store, table, row)
            raise ZeroDivisionError
        assert (self.store.revision, bytes_of(self.store), kept_indexes(self.store)) == before

    @rule()
    def move_house(self) -> None:
        moved = MemoryStore(msgspec.json.decode(bytes_of(self.store), type=StoreState))
        assert bytes_of(moved) == bytes_of(self.store)
        self.store = moved

    @invariant()
    def every_index_is_what_sorting_everything_gives(self) -> None:
        assert kept_indexes(self.store) == indexes_of(self.store)


Changes.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None)
TestAStoreKeepsItsIndexesThroughAnyChanges = Changes.TestCase
