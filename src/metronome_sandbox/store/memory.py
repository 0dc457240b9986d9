"""The store in memory: dictionaries, indexes that follow them, and an undo log."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence, ValuesView
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from metronome_sandbox.domain.amounts import CreditType
from metronome_sandbox.domain.balances import Balance
from metronome_sandbox.domain.catalog import BillableMetric, Customer, Product
from metronome_sandbox.domain.contract_history import ContractHistory
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.ids import (
    BalanceId,
    BillableMetricId,
    ContractId,
    CreditTypeId,
    CustomerId,
    InvoiceId,
    PackageId,
    ProductId,
    RateCardId,
    SegmentId,
)
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.packages import Package
from metronome_sandbox.domain.payment_gates import PaymentWorkflow
from metronome_sandbox.domain.rate_cards import RateCard, RateKey, RateSchedule
from metronome_sandbox.store import interface
from metronome_sandbox.store.interface import Index, Table

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
V_contra = TypeVar("V_contra", contravariant=True)


class Follower(Protocol[V_contra]):
    """Whatever is kept in step with a table."""

    def add(self, value: V_contra, /) -> None:
        """Take a row in."""

    def remove(self, value: V_contra, /) -> None:
        """Drop a row that was taken in."""


class SortedIndex(Generic[K, V]):
    """Ids by group, sorted by a key, a tuple, that no two rows share.

    Args:
        identity: The id of a row.
        groups: The groups a row belongs to, maybe none.
        key: What sorts rows inside a group.
    """

    __slots__ = ("_groups", "_groups_of", "_identity", "_key")

    def __init__(
        self, identity: Callable[[V], K], groups: Callable[[V], Collection[Hashable]], key: Callable[[V], Any]
    ) -> None:
        self._identity = identity
        self._groups_of = groups
        self._key = key
        self._groups: dict[Hashable, tuple[list[Any], list[K]]] = {}

    def ids(self, group: Hashable, /) -> Sequence[K]:
        """Return the ids of a group in order; empty for an unknown group."""
        found = self._groups.get(group)
        return found[1] if found is not None else ()

    def starting_with(self, group: Hashable, first: Any, /) -> Sequence[K]:
        """Return the ids of a group whose key's first part equals ``first``, in order."""
        found = self._groups.get(group)
        if found is None:
            return ()
        keys, ids = found
        start = end = bisect_left(keys, (first,))  # which stands before every longer key that begins with it
        while end < len(keys) and keys[end][0] == first:
            end += 1
        return ids[start:end]

    def before(self, group: Hashable, first: Any, /) -> Iterator[K]:
        """Yield the ids of a group whose key's first part is less than ``first``, the last one first."""
        found = self._groups.get(group)
        if found is None:
            return
        keys, ids = found
        for place in range(bisect_left(keys, (first,)) - 1, -1, -1):
            yield ids[place]

    def add(self, value: V, /) -> None:
        """Take a row in."""
        groups = self._groups_of(value)
        if not groups:
            return
        key, identity = self._key(value), self._identity(value)
        for group in groups:
            found = self._groups.get(group)
            if found is None:
                self._groups[group] = [key], [identity]
                continue
            keys, ids = found
            if keys and keys[-1] > key:
                place = bisect_left(keys, key)
                keys.insert(place, key)
                ids.insert(place, identity)
            else:
                keys.append(key)
                ids.append(identity)

    def remove(self, value: V, /) -> None:
        """Drop a row that was taken in."""
        groups = self._groups_of(value)
        if not groups:
            return
        key = self._key(value)
        for group in groups:
            keys, ids = self._groups[group]
            place = bisect_left(keys, key)
            del keys[place], ids[place]


class DrawnTotals:
    """What finalized invoices took from each segment.

    A sum that loses an invoice is made again from those that stay: to subtract would leave digits behind that a store
    loaded from a snapshot does not have, a zero behind the point or what the sum was rounded by.
    """

    __slots__ = ("_draws", "_sums")

    def __init__(self) -> None:
        self._draws: dict[SegmentId, dict[InvoiceId, Decimal]] = {}
        self._sums: dict[SegmentId, Decimal] = {}

    def get(self, segment_id: SegmentId, default: Decimal, /) -> Decimal:
        """Return the sum of the draws on a segment, or ``default`` when there are none."""
        return self._sums.get(segment_id, default)

    def add(self, invoice: Invoice, /) -> None:
        """Count an invoice's draws, if it stands."""
        if invoice.status is InvoiceStatus.FINALIZED:
            for draw in invoice.draws:
                mine = self._draws.setdefault(draw.segment_id, {})
                mine[invoice.id] = mine.get(invoice.id, Decimal(0)) + draw.amount
                self._sums[draw.segment_id] = self._sums.get(draw.segment_id, Decimal(0)) + draw.amount

    def remove(self, invoice: Invoice, /) -> None:
        """Count an invoice's draws no longer."""
        if invoice.status is InvoiceStatus.FINALIZED:
            for segment_id in {draw.segment_id for draw in invoice.draws}:
                stay = self._draws[segment_id]
                del stay[invoice.id]
                if stay:
                    self._sums[segment_id] = sum(stay.values(), Decimal(0))
                else:
                    del self._sums[segment_id]


class UndoLog:
    """What to put back, newest last: a table, a key, and the value before. None outside of a transaction."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[tuple[MemoryTable[Any, Any], Any, Any]] | None = None


class MemoryTable(Generic[K, V]):
    """A dictionary with followers; every change inside a transaction can be undone."""

    __slots__ = ("_followers", "_rows", "_undo")

    def __init__(self, undo: UndoLog, followers: Sequence[Follower[V]] = ()) -> None:
        self._rows: dict[K, V] = {}
        self._undo = undo
        self._followers = followers

    def get(self, key: K, /) -> V | None:
        """Return the value, or None."""
        return self._rows.get(key)

    def __getitem__(self, key: K, /) -> V:
        return self._rows[key]

    def __contains__(self, key: object, /) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def values(self) -> ValuesView[V]:
        """All values in the order of their first put."""
        return self._rows.values()

    def put(self, key: K, value: V, /) -> None:
        """Insert the value, or replace what has this key. Only inside of a transaction."""
        if self._undo.entries is None:
            raise RuntimeError("put outside of a transaction")
        before = self._rows.get(key)
        self._undo.entries.append((self, key, before))
        self._replace(key, before, value)

    def put_back(self, key: K, before: V | None) -> None:
        """Take back the last :meth:`put` that stands; ``before`` is None where it was an insert."""
        if before is not None:
            self._replace(key, self._rows[key], before)
        else:
            value = self._rows.pop(key)
            for follower in self._followers:
                follower.remove(value)

    def _replace(self, key: K, before: V | None, value: V) -> None:
        for follower in self._followers:
            if before is not None:
                follower.remove(before)
            follower.add(value)
        self._rows[key] = value

    def dump(self) -> list[tuple[K, V]]:
        """Return keys and values, in order."""
        return list(self._rows.items())

    def load(self, rows: Iterable[tuple[K, V]]) -> None:
        """Put rows into an empty table."""
        for key, value in rows:
            self._replace(key, None, value)


class StoreState(msgspec.Struct, frozen=True):
    """The rows of every table, for a snapshot. Indexes are made again from them."""

    credit_types: list[tuple[CreditTypeId, CreditType]]
    customers: list[tuple[CustomerId, Customer]]
    aliases: list[tuple[str, CustomerId]]
    billable_metrics: list[tuple[BillableMetricId, BillableMetric]]
    products: list[tuple[ProductId, Product]]
    rate_cards: list[tuple[RateCardId, RateCard]]
    rate_schedules: list[tuple[RateKey, RateSchedule]]
    contracts: list[tuple[ContractId, Contract]]
    contract_histories: list[tuple[ContractId, ContractHistory]]
    balances: list[tuple[BalanceId, Balance]]
    invoices: list[tuple[InvoiceId, Invoice]]
    settled: list[tuple[str, InvoiceId]]
    uniqueness_keys: list[tuple[tuple[str, str], str]]
    events: list[tuple[str, UsageEvent]]
    packages: list[tuple[PackageId, Package]] = []
    payment_workflows: list[tuple[str, PaymentWorkflow]] = []


class Transaction:
    """One block of :meth:`MemoryStore.transaction`."""

    __slots__ = ("_store", "_undo")

    def __init__(self, store: MemoryStore, undo: UndoLog) -> None:
        self._store = store
        self._undo = undo

    def __enter__(self) -> None:
        if self._undo.entries is not None:
            raise RuntimeError("a transaction is open already")
        self._undo.entries = []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        entries, self._undo.entries = self._undo.entries, None
        if entries and kind is None:
            self._store.revision += 1
        elif entries:
            for table, key, before in reversed(entries):
                table.put_back(key, before)


class MemoryStore:
    """All tables of one tenant, in memory. See :class:`metronome_sandbox.store.interface.Store`."""

    def __init__(self, state: StoreState | None = None) -> None:
        self.revision = 0
        self._undo = undo = UndoLog()
        rate_keys = SortedIndex[RateKey, RateSchedule](
            lambda row: row.key, lambda row: (row.key.rate_card_id,), lambda row: (row.sequence,)
        )
        contracts_of = SortedIndex[ContractId, Contract](
            lambda row: row.id, lambda row: (row.customer_id,), lambda row: (row.sequence,)
        )
        contracts_from = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: () if row.package_id is None else (row.package_id,),
            lambda row: (row.starting_at, row.sequence),
        )
        children_of = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: {*msgspec.structs.astuple(row.child_of.parent), row.customer_id} if row.child_of else (),
            lambda row: (row.sequence,),
        )
        contracts_due = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: ("",) if row.next_period is not None and row.archived_at is None else (),
            lambda row: row.next_period and (row.next_period.ending_before, row.next_period.starting_at, row.sequence),
        )
        balances_of = SortedIndex[BalanceId, Balance](
            lambda row: row.id, lambda row: (row.customer_id,), lambda row: (row.sequence,)
        )
        balances_open_to = SortedIndex[BalanceId, Balance](
            lambda row: row.id,
            lambda row: row.open_to if row.archived_at is None else (),
            lambda row: (row.sequence,),
        )
        balances_paid_on = SortedIndex[BalanceId, Balance](
            lambda row: row.id,
            lambda row: () if row.invoice_contract_id is None else (row.invoice_contract_id,),
            lambda row: (row.sequence,),
        )
        true_ups_of = SortedIndex[BalanceId, Balance](
            lambda row: row.id,
            lambda row: (row.customer_id,) if row.is_trued_up else (),
            lambda row: (row.sequence,),
        )
        charges_due = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: ("",) if row.next_charge_at is not None and row.archived_at is None else (),
            lambda row: (row.next_charge_at, row.sequence),
        )
        grants_due = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: ("",) if row.next_grant_at is not None and row.archived_at is None else (),
            lambda row: (row.next_grant_at, row.sequence),
        )
        watched = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: ("", row.customer_id) if row.is_watched else (),
            lambda row: (row.sequence,),
        )
        checks_due = SortedIndex[ContractId, Contract](
            lambda row: row.id,
            lambda row: ("",) if row.next_check_at is not None and row.is_watched else (),
            lambda row: (row.next_check_at, row.sequence),
        )
        invoices_of = SortedIndex[InvoiceId, Invoice](
            lambda row: row.id, lambda row: (row.customer_id,), lambda row: row.order
        )
        invoices_on = SortedIndex[InvoiceId, Invoice](
            lambda row: row.id,
            lambda row: (row.contract_id,),
            lambda row: (row.period.starting_at if row.period else row.issued_at, row.sequence),
        )
        stored_drafts = SortedIndex[InvoiceId, Invoice](
            lambda row: row.id,
            lambda row: ("", row.customer_id) if row.status is InvoiceStatus.DRAFT else (),
            lambda row: (row.issued_at, row.sequence),
        )
        invoices_drawing_on = SortedIndex[InvoiceId, Invoice](
            lambda row: row.id,
            lambda row: {draw.balance_id for draw in row.draws} if row.status is InvoiceStatus.FINALIZED else (),
            lambda row: (row.period.ending_before if row.period else row.issued_at, row.sequence),
        )
        events_of = SortedIndex[str, UsageEvent](
            lambda row: row.transaction_id,
            lambda row: (row.customer_id,),
            lambda row: (row.timestamp, row.transaction_id),
        )
        payments_waiting = SortedIndex[str, PaymentWorkflow](
            lambda row: row.id,
            lambda row: ("", row.contract_id) if row.outcome is None else (),
            lambda row: (row.started_at, row.id),
        )
        drawn = DrawnTotals()
        self.rate_keys: Index[RateKey] = rate_keys
        self.contracts_of: Index[ContractId] = contracts_of
        self.contracts_from: Index[ContractId] = contracts_from
        self.children_of: Index[ContractId] = children_of
        self.contracts_due: Index[ContractId] = contracts_due
        self.balances_of: Index[BalanceId] = balances_of
        self.balances_open_to: Index[BalanceId] = balances_open_to
        self.balances_paid_on: Index[BalanceId] = balances_paid_on
        self.true_ups_of: Index[BalanceId] = true_ups_of
        self.charges_due: Index[ContractId] = charges_due
        self.grants_due: Index[ContractId] = grants_due
        self.watched: Index[ContractId] = watched
        self.checks_due: Index[ContractId] = checks_due
        self.invoices_of: Index[InvoiceId] = invoices_of
        self.invoices_on: Index[InvoiceId] = invoices_on
        self.stored_drafts: Index[InvoiceId] = stored_drafts
        self.invoices_drawing_on: Index[InvoiceId] = invoices_drawing_on
        self.events_of: Index[str] = events_of
        self.payments_waiting: Index[str] = payments_waiting
        self.drawn: interface.DrawnTotals = drawn
        self.credit_types: Table[CreditTypeId, CreditType] = MemoryTable(undo)
        self.customers: Table[CustomerId, Customer] = MemoryTable(undo)
        self.aliases: Table[str, CustomerId] = MemoryTable(undo)
        self.billable_metrics: Table[BillableMetricId, BillableMetric] = MemoryTable(undo)
        self.products: Table[ProductId, Product] = MemoryTable(undo)
        self.rate_cards: Table[RateCardId, RateCard] = MemoryTable(undo)
        self.rate_schedules: Table[RateKey, RateSchedule] = MemoryTable(undo, [rate_keys])
        self.contracts: Table[ContractId, Contract] = MemoryTable(
            undo,
            [contracts_of, contracts_from, children_of, contracts_due, charges_due, grants_due, watched, checks_due],
        )
        self.packages: Table[PackageId, Package] = MemoryTable(undo)
        self.contract_histories: Table[ContractId, ContractHistory] = MemoryTable(undo)
        self.balances: Table[BalanceId, Balance] = MemoryTable(
            undo, [balances_of, balances_open_to, balances_paid_on, true_ups_of]
        )
        self.invoices: Table[InvoiceId, Invoice] = MemoryTable(
            undo, [invoices_of, invoices_on, stored_drafts, invoices_drawing_on, drawn]
        )
        self.settled: Table[str, InvoiceId] = MemoryTable(undo)
        self.payment_workflows: Table[str, PaymentWorkflow] = MemoryTable(undo, [payments_waiting])
        self.uniqueness_keys: Table[tuple[str, str], str] = MemoryTable(undo)
        self.events: Table[str, UsageEvent] = MemoryTable(undo, [events_of])
        if state is not None:
            for name in StoreState.__struct_fields__:
                getattr(self, name).load(getattr(state, name))

    def transaction(self) -> Transaction:
        """Everything put inside is kept together, or not at all when the block raises. Blocks do not nest."""
        return Transaction(self, self._undo)

    def dump(self) -> StoreState:
        """Return the rows of every table."""
        return StoreState(**{name: getattr(self, name).dump() for name in StoreState.__struct_fields__})
