"""What is generated, as plain values: a catalog, and the history of each customer.

A history is a function of (profile, seed, customer number) and of how many months are asked for; nothing of one
customer depends on another one. Names (``key``) are stable texts such as ``customer-000017``; the ids of the API are
``ids.py``'s business. Money is in cents of USD, as ``Decimal``; quantities are whole numbers of a product's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Groups = tuple[tuple[str, str], ...]
"""Pricing group keys and their values, sorted by key."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A price for the quantity up to ``size`` units of a tier; None is all that is left."""

    price: Decimal
    size: int | None


@dataclass(frozen=True, slots=True)
class Rate:
    """What a product costs on a rate card: one price, or tiers that begin anew with each billing period."""

    product: str
    groups: Groups
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A usage product and the metric that counts it. ``group_keys`` are its pricing group keys."""

    key: str
    name: str
    metric: str
    group_keys: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FixedProduct:
    """A product that nothing counts: what commits and credits are sold as."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A billable metric: SUM or MAX or COUNT over a property of events of one type."""

    key: str
    name: str
    event_type: str
    aggregation: str
    property: str | None
    group_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RateCard:
    """A list of prices in force from ``starting_at`` for ever."""

    key: str
    name: str
    starting_at: date
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that the customers of one profile share."""

    metrics: tuple[Metric, ...]
    products: tuple[Product, ...]
    rate_cards: tuple[RateCard, ...]
    fixed_products: tuple[FixedProduct, ...]


@dataclass(frozen=True, slots=True)
class Customer:
    """A company, with an address and a tax id as its country has them."""

    number: int
    key: str
    name: str
    locale: str
    country: str
    address: str
    email: str
    tax_id: str
    segment: str
    signed_at: date


@dataclass(frozen=True, slots=True)
class Balance:
    """A commit that was paid ahead, or a credit that was given. ``amount`` is the access granted at the start."""

    key: str
    is_credit: bool
    name: str
    amount: Decimal
    price: Decimal
    """What the customer pays for it; 0 for a credit."""
    starting_at: date
    ending_before: date
    priority: int
    products: tuple[str, ...]
    """Products it may pay for; none means all."""


@dataclass(frozen=True, slots=True)
class Override:
    """A product's rates multiplied, as the contract says."""

    product: str
    multiplier: Decimal
    starting_at: date
    ending_before: date | None


@dataclass(frozen=True, slots=True)
class Contract:
    """What a customer signed. ``renews`` is the key of the contract it follows."""

    key: str
    customer: str
    name: str
    rate_card: str
    starting_at: date
    ending_before: date | None
    renews: str | None
    balances: tuple[Balance, ...]
    overrides: tuple[Override, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One product under one set of group values in a billing period: a quantity for each day or hour of it."""

    product: str
    groups: Groups
    quantities: NDArray[np.int64]
    amount: Decimal
    """What the quantities cost before balances pay, in cents."""

    @property
    def quantity(self) -> int:
        """All of it."""
        return int(self.quantities.sum())


@dataclass(frozen=True, slots=True)
class Payment:
    """What one balance pays of an invoice, in cents."""

    balance: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """The usage of one calendar month under one contract. ``corrects`` names the invoice voided for this one."""

    key: str
    contract: str
    starting_at: date
    ending_before: date
    issued_at: datetime
    lines: tuple[Line, ...]
    payments: tuple[Payment, ...]
    total: Decimal
    """Cents: the lines less the payments."""
    corrects: str | None


@dataclass(frozen=True, slots=True)
class History:
    """All of one customer, in the order in which it happened."""

    customer: Customer
    contracts: tuple[Contract, ...]
    invoices: tuple[Invoice, ...]
    """By ``starting_at``; an invoice that corrects another one follows it at once."""
