"""What services may ask of a store. ``memory.py`` is the form there is; another one passes the same tests.

A table keeps frozen values by id, in the order they were first put. What is read is the current value, inside a
transaction too; a transaction that raises leaves no trace. Nothing here knows a second tenant.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence, ValuesView
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Protocol, TypeVar

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
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.packages import Package
from metronome_sandbox.domain.payment_gates import PaymentWorkflow
from metronome_sandbox.domain.rate_cards import RateCard, RateKey, RateSchedule

K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V = TypeVar("V")
I_co = TypeVar("I_co", covariant=True)


class Table(Protocol[K_contra, V]):
    """Frozen values by key, in the order of their first put."""

    def get(self, key: K_contra, /) -> V | None:
        """Return the value, or None."""

    def __getitem__(self, key: K_contra, /) -> V: ...

    def __contains__(self, key: object, /) -> bool: ...

    def __len__(self) -> int: ...

    def values(self) -> ValuesView[V]:
        """All values in the order of their first put."""

    def put(self, key: K_contra, value: V, /) -> None:
        """Insert the value, or replace what has this key."""


class Index(Protocol[I_co]):
    """Ids of a table's rows by group, sorted inside a group. Follows its table in and out of transactions."""

    def ids(self, group: Hashable, /) -> Sequence[I_co]:
        """Return the ids of a group in order, with random access; empty for an unknown group."""

    def starting_with(self, group: Hashable, first: Any, /) -> Sequence[I_co]:
        """Return the ids of a group whose key's first part equals ``first``, in order."""

    def before(self, group: Hashable, first: Any, /) -> Iterator[I_co]:
        """Yield the ids of a group whose key's first part is less than ``first``, the last one first."""


class DrawnTotals(Protocol):
    """What finalized invoices took from each segment."""

    def get(self, segment_id: SegmentId, default: Decimal, /) -> Decimal:
        """Return the sum of the draws on a segment, or ``default`` when there are none."""


class Store(Protocol):
    """All tables of one tenant.

    Attributes:
        revision: Grows with every transaction that changed something; what was computed from the tables is valid while
            it stands still.
        rate_keys: By rate card, in the order of the first rate.
        contracts_of, balances_of: By customer, in the order of creation.
        balances_open_to: By contract whose usage may draw on them, or by customer where that of all its contracts may,
            or by the group of all children of a contract; in the order of creation, no archived ones.
        balances_paid_on: By contract whose invoices carry their payments, in the order of creation.
        true_ups_of: By customer: postpaid commits whose rest an invoice bills or will bill, in the order of creation.
        invoices_of: By customer, in the default order of an invoice list.
        invoices_on: By contract, by start of the period; voided ones included.
        children_of: By parent contract, by its customer and by their own: contracts that are children in a hierarchy.
        contracts_due: One group, ``""``: contracts with a usage invoice to come, the one that ends first first.
        charges_due: One group, ``""``: contracts with a charge to come, the earliest first.
        grants_due: One group, ``""``: contracts with a recurring commit or credit to grant, the earliest first.
        settled: The invoice that billed a charge, by the charge's id.
        stored_drafts: Imports that wait for their issue date, the earliest first: all of them in the group ``""``, and
            each customer's.
        invoices_drawing_on: By balance: finalized invoices, by the end of their usage.
        contract_histories: Of contracts that have changed since they were made.
        events_of: By the customer id or alias that the event names, in the order of time.
    """

    revision: int
    credit_types: Table[CreditTypeId, CreditType]
    customers: Table[CustomerId, Customer]
    aliases: Table[str, CustomerId]
    billable_metrics: Table[BillableMetricId, BillableMetric]
    products: Table[ProductId, Product]
    rate_cards: Table[RateCardId, RateCard]
    rate_schedules: Table[RateKey, RateSchedule]
    rate_keys: Index[RateKey]
    contracts: Table[ContractId, Contract]
    packages: Table[PackageId, Package]
    contracts_of: Index[ContractId]
    contracts_from: Index[ContractId]
    children_of: Index[ContractId]
    contracts_due: Index[ContractId]
    contract_histories: Table[ContractId, ContractHistory]
    charges_due: Index[ContractId]
    grants_due: Index[ContractId]
    watched: Index[ContractId]
    checks_due: Index[ContractId]
    settled: Table[str, InvoiceId]
    balances: Table[BalanceId, Balance]
    balances_of: Index[BalanceId]
    balances_open_to: Index[BalanceId]
    balances_paid_on: Index[BalanceId]
    true_ups_of: Index[BalanceId]
    invoices: Table[InvoiceId, Invoice]
    invoices_of: Index[InvoiceId]
    invoices_on: Index[InvoiceId]
    stored_drafts: Index[InvoiceId]
    invoices_drawing_on: Index[InvoiceId]
    drawn: DrawnTotals
    payment_workflows: Table[str, PaymentWorkflow]
    payments_waiting: Index[str]
    uniqueness_keys: Table[tuple[str, str], str]
    events: Table[str, UsageEvent]
    events_of: Index[str]

    def transaction(self) -> AbstractContextManager[None]:
        """Everything put inside is kept together, or not at all when the block raises. Blocks do not nest."""
