"""Rows for the tests of the store: whole values in which only what the store looks at varies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from builders import LONG_AGO

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import Balance, BalanceType, InvoiceSchedule, InvoiceScheduleItem, Segment
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.hierarchies import AccessType, ChildAccess, ContractLink, Membership
from metronome_sandbox.domain.ids import (
    BalanceId,
    ContractId,
    CustomerId,
    InvoiceId,
    PackageId,
    ProductId,
    RateCardId,
    SegmentId,
)
from metronome_sandbox.domain.invoices import Draw, Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.payment_gates import PaymentGate
from metronome_sandbox.domain.periods import BoundedPeriod, Frequency, StatementSchedule
from metronome_sandbox.domain.rate_cards import RateKey, RateSchedule
from metronome_sandbox.domain.thresholds import SpendThreshold, ThresholdCommit


def day(number: int) -> datetime:
    return LONG_AGO + timedelta(days=number)


def days(start: int, end: int) -> BoundedPeriod:
    return BoundedPeriod(day(start), day(end))


def contract(
    sequence: int,
    *,
    customer: str = "acme",
    next_period: BoundedPeriod | None = None,
    charge_at: datetime | None = None,
    package: str | None = None,
    watched: bool = False,
    check_at: datetime | None = None,
    archived: bool = False,
    below: int | None = None,
) -> Contract:
    """A contract; ``below`` is the number of its parent, a contract of the customer hooli."""
    link = None if below is None else ContractLink(ContractId(f"contract {below}"), CustomerId("hooli"))
    return Contract(
        ContractId(f"contract {sequence}"),
        CustomerId(customer),
        LONG_AGO,
        LONG_AGO,
        sequence,
        StatementSchedule(Frequency.MONTHLY, LONG_AGO),
        LONG_AGO,
        next_period,
        next_charge_at=charge_at,
        package_id=None if package is None else PackageId(package),
        spend_threshold=SpendThreshold(Decimal(1), ThresholdCommit(ProductId("fee")), PaymentGate(), watched),
        next_check_at=check_at,
        archived_at=LONG_AGO if archived else None,
        child_of=None if link is None else Membership(link),
    )


def balance(
    sequence: int,
    *,
    customer: str = "acme",
    archived: bool = False,
    of: int | None = None,
    kept_for: Iterable[int] = (),
    paid_on: int | None = None,
    is_postpaid: bool = False,
    is_shared: bool = False,
) -> Balance:
    """A commit of contract ``of``, or of the customer; with ``paid_on`` it has one payment."""
    payment = InvoiceScheduleItem(f"payment {sequence}", LONG_AGO, Decimal(1), Decimal(1))
    return Balance(
        BalanceId(f"balance {sequence}"),
        BalanceType.POSTPAID if is_postpaid else BalanceType.PREPAID,
        CustomerId(customer),
        ProductId("commitment"),
        USD_CENTS,
        (Segment(SegmentId(f"balance {sequence}/1"), Decimal(100), day(0), day(100)),),
        LONG_AGO,
        sequence,
        contract_id=None if of is None else ContractId(f"contract {of}"),
        applicable_contract_ids=tuple(ContractId(f"contract {number}") for number in kept_for),
        invoice_schedule=None if paid_on is None else InvoiceSchedule(USD_CENTS, (payment,)),
        invoice_contract_id=None if paid_on is None else ContractId(f"contract {paid_on}"),
        archived_at=LONG_AGO if archived else None,
        child_access=ChildAccess(AccessType.ALL) if is_shared else None,
    )


def draw(balance: int, amount: str, segment: int = 1) -> Draw:
    return Draw(BalanceId(f"balance {balance}"), SegmentId(f"balance {balance}/{segment}"), Decimal(amount), LONG_AGO)


def invoice(
    sequence: int,
    *,
    customer: str = "acme",
    on: int = 1,
    status: str = InvoiceStatus.FINALIZED,
    period: BoundedPeriod | None = None,
    issued_at: datetime = LONG_AGO,
    draws: Iterable[Draw] = (),
) -> Invoice:
    return Invoice(
        InvoiceId(f"invoice {sequence}"),
        CustomerId(customer),
        ContractId(f"contract {on}"),
        InvoiceType.SCHEDULED if period is None else InvoiceType.USAGE,
        InvoiceStatus(status),
        USD_CENTS,
        issued_at,
        (),
        Decimal(0),
        period,
        tuple(draws),
        sequence=sequence,
    )


def event(name: str, at: datetime, *, customer: str = "acme") -> UsageEvent:
    return UsageEvent(name, customer, "call", at, {}, LONG_AGO)


def schedule(sequence: int, *, card: str = "card") -> RateSchedule:
    return RateSchedule(RateKey(RateCardId(card), ProductId(f"product {sequence}"), ()), sequence)
