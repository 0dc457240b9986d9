"""Commits and credits: created on a contract or for a customer, and the rules that they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import (
    DEFAULT_PRIORITY,
    Balance,
    BalanceType,
    InvoiceSchedule,
    InvoiceScheduleItem,
    Segment,
    SpendingRate,
)
from metronome_sandbox.domain.catalog import ProductType
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import ContractNotFound, InvalidRequest, NotFound, NotImitated, UniquenessKeyTaken
from metronome_sandbox.domain.hierarchies import ChildAccess
from metronome_sandbox.domain.ids import BalanceId, ContractId, CreditTypeId, CustomerId, ProductId, SegmentId
from metronome_sandbox.domain.payment_gates import PaymentGate
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.periods import require_hour, require_year
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.services.charges import reschedule
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import active_credit_type, require_currency
from metronome_sandbox.services.customers import active_customer
from metronome_sandbox.services.hierarchies import check_child_access
from metronome_sandbox.services.passage import catch_up


class NewSegment(msgspec.Struct, frozen=True):
    """One item of an access schedule in a request."""

    amount: Decimal
    starting_at: datetime
    ending_before: datetime


class NewPayments(msgspec.Struct, frozen=True):
    """An invoice schedule in a request, a recurring one already expanded."""

    items: tuple[Payment, ...]
    credit_type_id: CreditTypeId = USD_CENTS
    do_not_invoice: bool = False


class NewBalance(msgspec.Struct, frozen=True):
    """A commit or credit as a request describes it, on a contract or for a customer.

    Attributes:
        segments: None when the request has no access schedule.
        payments: None when the request has no invoice schedule.
        temporary_id: Name by which overrides of the same request may call it.
        gate: What has to be paid before it is released.
        child_access: Which children of its contract may draw on it as well.
    """

    type: BalanceType
    product_id: ProductId
    segments: tuple[NewSegment, ...] | None
    credit_type_id: CreditTypeId = USD_CENTS
    name: str | None = None
    description: str | None = None
    priority: Decimal = DEFAULT_PRIORITY
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    payments: NewPayments | None = None
    invoice_contract_id: ContractId | None = None
    applicable_product_ids: tuple[ProductId, ...] = ()
    applicable_product_tags: tuple[str, ...] = ()
    applicable_contract_ids: tuple[ContractId, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rollover_fraction: Decimal | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    temporary_id: str | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    gate: PaymentGate | None = None
    child_access: ChildAccess | None = None

    @property
    def is_invoiced(self) -> bool:
        """Whether it brings an invoice of its own."""
        return self.payments is not None and bool(self.payments.items) and not self.payments.do_not_invoice


def create_customer_balance(context: Context, customer_id: CustomerId, new: NewBalance) -> Balance:
    """Create a commit or credit on customer level.

    Raises:
        CustomerNotFound: There is no such customer.
        UniquenessKeyTaken: The key was used for another of the same kind.
        InvalidRequest: A rule of :func:`check` or of the reference, section 6.2 is broken.
    """
    active_customer(context, customer_id, "customer_id")
    kind = "credit" if new.type is BalanceType.CREDIT else "commit"
    store = context.store
    if new.uniqueness_key is not None and (kind, new.uniqueness_key) in store.uniqueness_keys:
        raise UniquenessKeyTaken(new.uniqueness_key)
    check(context, new)
    check_child_access(context, None, new.child_access)
    for index, contract_id in enumerate(new.applicable_contract_ids):
        own_contract(context, customer_id, contract_id, f"applicable_contract_ids[{index}]")
    if new.invoice_contract_id is not None:
        own_contract(context, customer_id, new.invoice_contract_id, "invoice_contract_id")
    elif new.is_invoiced:
        raise InvalidRequest(
            "invoice_contract_id", "is missing; name the contract whose invoices carry the payments of this commit"
        )
    with context.transaction():
        balance = make(context, new, customer_id, None)
        store.balances.put(balance.id, balance)
        if new.uniqueness_key is not None:
            store.uniqueness_keys.put((kind, new.uniqueness_key), balance.id)
        if balance.invoice_contract_id is not None:
            reschedule(context, balance.invoice_contract_id)
        catch_up(context)
    return store.balances[balance.id]


def own_contract(context: Context, customer_id: CustomerId, contract_id: ContractId, path: str) -> Contract:
    """Return a contract that the customer has and that is not archived."""
    contract = context.store.contracts.get(contract_id)
    if contract is None:
        raise ContractNotFound(contract_id, path)
    if contract.customer_id != customer_id:
        raise InvalidRequest(path, f"contract {contract_id} belongs to another customer")
    if contract.archived_at is not None:
        raise InvalidRequest(path, f"contract {contract_id} is archived")
    return contract


def check(context: Context, new: NewBalance) -> None:
    """Hold a new commit or credit against the rules.

    Raises:
        NotFound: It names a product that does not exist.
        InvalidRequest: A rule is broken; the path is relative to the commit or credit.

    Source: reference section 6.2 and the schemas ``CommitInput`` and ``CreditInput``.
    """
    check_product(context, new.product_id)
    check_targets(context, new.applicable_product_ids, new.applicable_product_tags, new.specifiers)
    _check_segments(context, new)
    _check_payments(context, new)


def check_product(context: Context, product_id: ProductId) -> None:
    """Make sure that a commit or credit can be sold as this product."""
    product = context.store.products.get(product_id)
    if product is None:
        raise NotFound("product", product_id, "product_id")
    if product.type is not ProductType.FIXED:
        raise InvalidRequest(
            "product_id",
            f"{product.id} ({product.name}) is a {product.type} product; commits and credits need a FIXED one",
        )


def check_targets(
    context: Context, product_ids: Sequence[ProductId], tags: Sequence[str], specifiers: Sequence[Specifier]
) -> None:
    """Make sure that the ways to say what a balance pays for do not contradict each other."""
    if specifiers and (product_ids or tags):
        raise InvalidRequest("specifiers", "cannot stand beside applicable_product_ids or applicable_product_tags")
    named = [(f"applicable_product_ids[{index}]", product_id) for index, product_id in enumerate(product_ids)]
    named += [
        (f"specifiers[{index}].product_id", item.product_id)
        for index, item in enumerate(specifiers)
        if item.product_id is not None
    ]
    for path, product_id in named:
        if product_id not in context.store.products:
            raise NotFound("product", product_id, path)


def _check_segments(context: Context, new: NewBalance) -> None:
    if not new.segments:
        raise InvalidRequest("access_schedule.schedule_items", "is missing; say how much can be spent, and when")
    unit = active_credit_type(context, new.credit_type_id, "access_schedule.credit_type_id")
    if new.type is BalanceType.POSTPAID and not unit.is_currency:
        raise NotImitated("access_schedule.credit_type_id", "postpaid commits in custom pricing units")
    for index, segment in enumerate(new.segments):
        check_segment(segment, f"access_schedule.schedule_items[{index}]")


def check_segment(segment: NewSegment | Segment, path: str) -> None:
    """Make sure that a segment has a time on whole hours and an amount that is not negative."""
    require_hour(segment.starting_at, f"{path}.starting_at")
    require_hour(segment.ending_before, f"{path}.ending_before")
    if segment.ending_before <= segment.starting_at:
        raise InvalidRequest(
            f"{path}.ending_before",
            f"{segment.ending_before.isoformat()} is not after starting_at {segment.starting_at.isoformat()}",
        )
    if segment.amount < 0:
        raise InvalidRequest(f"{path}.amount", f"{segment.amount} is less than 0")


def _check_payments(context: Context, new: NewBalance) -> None:
    payments = new.payments
    for index, item in enumerate(payments.items if payments is not None else ()):
        require_year(item.timestamp, f"invoice_schedule.schedule_items[{index}].timestamp")
    if payments is not None:
        require_currency(context, payments.credit_type_id, "invoice_schedule.credit_type_id")
    if new.type is BalanceType.POSTPAID:
        check_commitment(new.segments or (), () if payments is None else payments.items)
    elif payments is not None and not payments.items:
        raise InvalidRequest(
            "invoice_schedule.schedule_items", "is empty; leave invoice_schedule out for a free commit"
        )


def check_commitment(
    segments: Sequence[NewSegment | Segment], payments: Sequence[Payment | InvoiceScheduleItem]
) -> None:
    """Make sure that a postpaid commit promises one amount for one time, and names the date of its true-up.

    Source: schema ``CommitInput`` and guide "Create a post-paid commit".
    """
    if len(payments) != 1 or len(segments) != 1:
        raise InvalidRequest(
            "invoice_schedule",
            "a POSTPAID commit needs exactly one item here and one in access_schedule, of equal amount",
        )
    if payments[0].amount != segments[0].amount:
        raise InvalidRequest(
            "invoice_schedule.schedule_items[0].amount",
            f"{payments[0].amount} differs from the {segments[0].amount} of access_schedule; "
            "both items of a POSTPAID commit have the same amount",
        )


def make(context: Context, new: NewBalance, customer_id: CustomerId, contract_id: ContractId | None) -> Balance:
    """Return the value of a checked commit or credit, with ids. Call it inside of a transaction."""
    balance_id = BalanceId(context.ids.next("credit" if new.type is BalanceType.CREDIT else "commit"))
    derived = context.ids.derived
    schedule = None
    if new.payments is not None:
        schedule = InvoiceSchedule(
            new.payments.credit_type_id,
            tuple(
                InvoiceScheduleItem(
                    derived("payment", balance_id, str(index)), item.timestamp, item.unit_price, item.quantity
                )
                for index, item in enumerate(new.payments.items)
            ),
            new.payments.do_not_invoice,
        )
    return Balance(
        id=balance_id,
        type=new.type,
        customer_id=customer_id,
        contract_id=contract_id,
        product_id=new.product_id,
        credit_type_id=new.credit_type_id,
        segments=tuple(
            Segment(
                SegmentId(derived("segment", balance_id, str(index))), item.amount, item.starting_at, item.ending_before
            )
            for index, item in enumerate(new.segments or ())
        ),
        created_at=context.now,
        sequence=len(context.store.balances) + 1,
        name=new.name,
        description=new.description,
        priority=new.priority,
        rate_type=new.rate_type,
        invoice_schedule=schedule,
        invoice_contract_id=new.invoice_contract_id if contract_id is None else contract_id,
        applicable_product_ids=new.applicable_product_ids,
        applicable_product_tags=new.applicable_product_tags,
        applicable_contract_ids=new.applicable_contract_ids,
        specifiers=new.specifiers,
        rollover_fraction=new.rollover_fraction,
        uniqueness_key=new.uniqueness_key,
        custom_fields=new.custom_fields,
        netsuite_sales_order_id=new.netsuite_sales_order_id,
        salesforce_opportunity_id=new.salesforce_opportunity_id,
        child_access=new.child_access,
    )


def find_balance(context: Context, customer_id: CustomerId, balance_id: BalanceId, *, is_credit: bool) -> Balance:
    """Return a commit (or a credit) of a customer, archived or not.

    Raises:
        CustomerNotFound, NotFound: There is none; also when it is another customer's.
    """
    active_customer(context, customer_id, "customer_id")
    balance = context.store.balances.get(balance_id)
    if balance is None or balance.customer_id != customer_id or (balance.type is BalanceType.CREDIT) is not is_credit:
        kind = "credit" if is_credit else "commit"
        raise NotFound(kind, balance_id, f"{kind}_id")
    return balance


def kind_of(balance: Balance) -> str:
    """Return the word for a balance in messages: ``credit`` or ``commit``."""
    return "credit" if balance.type is BalanceType.CREDIT else "commit"
