"""Values of the pricing domain with only what matters in sight.

Names are ids: ``product("Tokens")`` has the id ``Tokens``, a balance named ``C`` is ``C``, and its segments are
``C/1``, ``C/2`` in the order they are written. Instants are written as text (``"2024-06-01"``, ``"2024-06-01T12:00"``),
numbers as text or int, never as float. What is not said has the value that a reader would guess: USD, the customer's
only contract, open since 2024-01-01, a balance on that contract that pays for everything in 2024 and 2025.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO, CreditType
from metronome_sandbox.domain.balances import (
    DEFAULT_PRIORITY,
    Balance,
    BalanceType,
    InvoiceSchedule,
    InvoiceScheduleItem,
    Segment,
    SpendingRate,
)
from metronome_sandbox.domain.catalog import (
    AggregationType,
    BillableMetric,
    Product,
    ProductType,
    ProductUpdate,
    QuantityConversion,
    QuantityRounding,
)
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.ids import (
    BalanceId,
    BillableMetricId,
    ContractId,
    CreditTypeId,
    CustomerId,
    InvoiceId,
    OverrideId,
    ProductId,
    RateCardId,
    SegmentId,
    group_values,
)
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, InvoiceType
from metronome_sandbox.domain.invoicing import PricedUsage
from metronome_sandbox.domain.ledger import PostedDraw
from metronome_sandbox.domain.overrides import (
    Override,
    OverrideSpecifier,
    OverrideTarget,
    OverrideTier,
    OverrideType,
    Prioritization,
)
from metronome_sandbox.domain.periods import BoundedPeriod, Frequency, Period, StatementSchedule
from metronome_sandbox.domain.rate_cards import Price, Rate, RateKey, RateSchedule, RateType, Tier, flat, with_rate
from metronome_sandbox.domain.rating import PriceBook, UnitConversion
from metronome_sandbox.domain.spending_order import OpenSegment
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, WindowSize, total

Number = Decimal | int | str
Groups = Mapping[str, str | None] | None

CUSTOMER = CustomerId("customer")
CARD = RateCardId("card")
COMMITMENT = ProductId("Commitment")
"""The FIXED product that every balance is sold as."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def utc(text: str | datetime) -> datetime:
    """``2024-06-01``, ``2024-06-01T12:00`` or ``2024-06-01T12:00:00Z``, always UTC."""
    if isinstance(text, datetime):
        return text
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def number(value: Number) -> Decimal:
    if not isinstance(value, Decimal | int | str):
        raise TypeError(f"{value!r} is no exact number; write it as text")
    return Decimal(value)


def period(text: str) -> BoundedPeriod:
    """``2024-06`` is a month, ``2024-06-01..2024-06-16`` what it says."""
    start, dots, end = text.partition("..")
    if dots:
        return BoundedPeriod(utc(start), utc(end))
    first = utc(f"{start}-01")
    return BoundedPeriod(first, (first + timedelta(days=32)).replace(day=1))


def product(
    name: str,
    *,
    tags: Iterable[str] = (),
    pricing: Iterable[str] = (),
    presentation: Iterable[str] = (),
    conversion: tuple[str, Number] | None = None,
    rounding: tuple[str, int] | None = None,
    type: ProductType = ProductType.USAGE,
    composed_of: Iterable[str] = (),
    composed_of_tags: Iterable[str] = (),
    includes_composites: bool | None = None,
    updates: Iterable[ProductUpdate] = (),
) -> Product:
    return Product(
        ProductId(name),
        name,
        type,
        LONG_AGO,
        tags=tuple(tags),
        pricing_group_key=tuple(pricing),
        presentation_group_key=tuple(presentation),
        quantity_conversion=QuantityConversion(conversion[0], number(conversion[1])) if conversion else None,
        quantity_rounding=QuantityRounding(*rounding) if rounding else None,
        composite_product_ids=tuple(ProductId(each) for each in composed_of),
        composite_tags=tuple(composed_of_tags),
        include_composite_spend=includes_composites,
        updates=tuple(updates),
    )


def percentage(
    fraction: Number | None = None,
    tiers: Iterable[tuple[Number | None, Number]] | None = None,
    minimum: Number | None = None,
) -> Price:
    """A fraction of spend, or a ladder of ``(size, fraction)``."""
    ladder = [(None, fraction)] if tiers is None and fraction is not None else tiers or []
    kind = RateType.PERCENTAGE if tiers is None else RateType.TIERED_PERCENTAGE
    steps = tuple(Tier(number(each), None if size is None else number(size)) for size, each in ladder)
    return Price(kind, steps, None if minimum is None else number(minimum))


def price(price: Number | None = None, tiers: Iterable[tuple[Number | None, Number]] | None = None) -> Price:
    """One price, or a ladder of ``(size, price)``; the size of the last tier is None."""
    if tiers is None:
        assert price is not None
        return flat(number(price))
    return Price(
        RateType.TIERED, tuple(Tier(number(each), None if size is None else number(size)) for size, each in tiers)
    )


def rate(
    price: Price,
    *,
    starting_at: str | datetime = LONG_AGO,
    ending_before: str | datetime | None = None,
    commit: Price | None = None,
    entitled: bool = True,
    credit_type: str = USD_CENTS,
) -> Rate:
    end = None if ending_before is None else utc(ending_before)
    return Rate(utc(starting_at), end, entitled, price, CreditTypeId(credit_type), commit)


def rate_schedule(*rates: Rate, product: str = "Tokens", pricing: Groups = None) -> RateSchedule:
    """The schedule after adding the rates in this order."""
    schedule = RateSchedule(RateKey(CARD, ProductId(product), group_values(dict(pricing or {}))), 1)
    for entry in rates:
        schedule = with_rate(schedule, entry)
    return schedule


def price_book(
    products: Iterable[Product], schedules: Iterable[RateSchedule], conversions: Mapping[str, Number] | None = None
) -> PriceBook:
    """``conversions`` says what custom units are worth in cents; a unit's name is its id."""
    units = {
        CreditTypeId(name): UnitConversion(CreditType(CreditTypeId(name), name, is_currency=False), number(worth))
        for name, worth in (conversions or {}).items()
    }
    known = {each.id: each for each in products}
    known[COMMITMENT] = product(COMMITMENT, type=ProductType.FIXED)
    on_card = {schedule.key.product_id for schedule in schedules}
    order = [product_id for product_id in known if product_id in on_card]
    return PriceBook(CARD, order, known, {schedule.key: schedule for schedule in schedules}, USD_CENTS, units)


def contract(
    *,
    name: str = "contract",
    starting_at: str | datetime = "2024-01-01",
    ending_before: str | datetime | None = None,
    overrides: Iterable[Override] = (),
    prioritization: Prioritization | str = Prioritization.LOWEST_MULTIPLIER,
) -> Contract:
    start = utc(starting_at)
    return Contract(
        ContractId(name),
        CUSTOMER,
        start,
        LONG_AGO,
        1,
        StatementSchedule(Frequency.MONTHLY, start.replace(day=1, hour=0)),
        generated_until=start,
        ending_before=None if ending_before is None else utc(ending_before),
        rate_card_id=CARD,
        overrides=tuple(overrides),
        prioritization=Prioritization(prioritization),
    )


def override(
    *,
    multiplier: Number | None = None,
    overwrite: Price | None = None,
    tiers: Iterable[tuple[Number | None, Number]] = (),
    entitled: bool | None = None,
    name: str = "override",
    product: str | None = None,
    tags: Iterable[str] = (),
    specifiers: Iterable[OverrideSpecifier] = (),
    starting_at: str | datetime = LONG_AGO,
    ending_before: str | datetime | None = None,
    priority: Number | None = None,
    commit_specific: bool = False,
    target: OverrideTarget | str = OverrideTarget.LIST_RATE,
) -> Override:
    """Its type follows from what it is given: a multiplier, an overwriting price, or ``(size, multiplier)`` tiers."""
    factors = tuple(OverrideTier(number(factor), None if size is None else number(size)) for size, factor in tiers)
    if overwrite is not None:
        kind = OverrideType.OVERWRITE
    elif multiplier is not None:
        kind = OverrideType.MULTIPLIER
    else:
        kind = OverrideType.TIERED if factors else None
    return Override(
        OverrideId(name),
        LONG_AGO,
        utc(starting_at),
        ending_before=None if ending_before is None else utc(ending_before),
        type=kind,
        entitled=entitled,
        product_id=None if product is None else ProductId(product),
        applicable_product_tags=tuple(tags),
        specifiers=tuple(specifiers),
        priority=None if priority is None else number(priority),
        multiplier=None if multiplier is None else number(multiplier),
        overwrite_price=overwrite,
        tiers=factors,
        is_commit_specific=commit_specific,
        target=OverrideTarget(target),
    )


def specifier(
    *,
    product: str | None = None,
    tags: Iterable[str] = (),
    pricing: Groups = None,
    presentation: Groups = None,
    excluded_tags: Iterable[Iterable[str]] = (),
) -> Specifier:
    return Specifier(
        None if product is None else ProductId(product),
        tuple(tags),
        group_values(dict(pricing or {})),
        group_values(dict(presentation or {})),
        tuple(tuple(each) for each in excluded_tags),
    )


def only_for(*balances: str, **conditions: Any) -> OverrideSpecifier:
    """An override's specifier that names commits or credits, with the conditions of :func:`specifier`."""
    return OverrideSpecifier(
        specifier(**conditions),
        balance_ids=tuple(BalanceId(name) for name in balances),
    )


def segment(
    amount: Number, starting_at: str | datetime = "2024-01-01", ending_before: str | datetime = "2026-01-01"
) -> tuple[Decimal, datetime, datetime]:
    return number(amount), utc(starting_at), utc(ending_before)


def balance(
    type: BalanceType | str,
    amount: Number | None = None,
    *,
    name: str = "C",
    starting_at: str | datetime = "2024-01-01",
    ending_before: str | datetime = "2026-01-01",
    segments: Sequence[tuple[Decimal, datetime, datetime]] = (),
    cost: Number | None = None,
    priority: Number = DEFAULT_PRIORITY,
    rate_type: SpendingRate | str = SpendingRate.LIST_RATE,
    products: Iterable[str] = (),
    tags: Iterable[str] = (),
    specifiers: Iterable[Specifier] = (),
    on_contract: str | None = "contract",
    contracts: Iterable[str] = (),
    credit_type: str = USD_CENTS,
    sequence: int = 1,
    archived_at: str | datetime | None = None,
) -> Balance:
    """A commit or credit of one segment, or of several. ``cost`` is what the customer pays for it; None: nothing."""
    items = segments or [segment(0 if amount is None else amount, starting_at, ending_before)]
    paid = InvoiceSchedule(
        USD_CENTS, (InvoiceScheduleItem(f"{name}/payment", items[0][1], number(cost or 0), Decimal(1)),)
    )
    return Balance(
        BalanceId(name),
        BalanceType(type),
        CUSTOMER,
        COMMITMENT,
        CreditTypeId(credit_type),
        tuple(Segment(SegmentId(f"{name}/{place}"), *item) for place, item in enumerate(items, start=1)),
        LONG_AGO,
        sequence,
        contract_id=None if on_contract is None else ContractId(on_contract),
        name=name,
        priority=number(priority),
        rate_type=SpendingRate(rate_type),
        invoice_schedule=None if cost is None else paid,
        applicable_product_ids=tuple(ProductId(each) for each in products),
        applicable_product_tags=tuple(tags),
        applicable_contract_ids=tuple(ContractId(each) for each in contracts),
        specifiers=tuple(specifiers),
        archived_at=None if archived_at is None else utc(archived_at),
    )


def prepaid(amount: Number | None = None, **others: Any) -> Balance:
    """Paid at its own amount unless ``cost`` says otherwise."""
    others.setdefault("cost", amount)
    return balance(BalanceType.PREPAID, amount, **others)


def postpaid(amount: Number | None = None, **others: Any) -> Balance:
    others.setdefault("cost", amount)
    return balance(BalanceType.POSTPAID, amount, **others)


def credit(amount: Number | None = None, **others: Any) -> Balance:
    return balance(BalanceType.CREDIT, amount, **others)


def usage(
    product: str,
    quantity: Number | None = None,
    *,
    during: BoundedPeriod | str = "2024-06",
    windows: Mapping[str | datetime, Number] | None = None,
    pricing: Groups = None,
    presentation: Groups = None,
    keeps_zero: bool = False,
) -> UsageLine:
    """A quantity as a whole, or ``windows`` (start: quantity) that make it up."""
    span = period(during) if isinstance(during, str) else during
    known = tuple(WindowQuantity(utc(start), number(each)) for start, each in sorted((windows or {}).items()))
    return UsageLine(
        ProductId(product),
        span.starting_at,
        span.ending_before,
        total(known) if quantity is None else number(quantity),
        group_values(dict(pricing or {})),
        group_values(dict(presentation or {})),
        known,
        keeps_zero,
    )


def open_segments(
    balances: Iterable[Balance],
    during: BoundedPeriod,
    drawn: Mapping[SegmentId, Decimal] | None = None,
    contract_id: str = "contract",
) -> list[OpenSegment]:
    """What an invoice of this period finds: segments open to the contract, with what earlier invoices left of them."""
    taken = drawn or {}
    return [
        OpenSegment(each, item, left)
        for each in balances
        if each.archived_at is None and each.is_open_to(ContractId(contract_id))
        for item in each.segments
        if item.period.overlaps(during) and (left := item.amount - taken.get(item.id, ZERO)) > 0
    ]


def invoice(
    priced: PricedUsage,
    during: BoundedPeriod,
    lines: Iterable[UsageLine],
    *,
    name: str = "invoice",
    window_size: WindowSize | None = None,
    imported: bool = True,
) -> Invoice:
    return Invoice(
        InvoiceId(name),
        CUSTOMER,
        ContractId("contract"),
        InvoiceType.USAGE,
        InvoiceStatus.FINALIZED,
        USD_CENTS,
        during.ending_before,
        priced.lines,
        priced.total,
        during,
        priced.draws,
        tuple(lines),
        window_size,
        imported,
    )


def posted(priced: PricedUsage, name: str = "invoice") -> list[PostedDraw]:
    return [PostedDraw(InvoiceId(name), ContractId("contract"), draw) for draw in priced.draws]


def metric(aggregation: AggregationType | str, key: str | None = None, **others: Any) -> BillableMetric:
    return BillableMetric(
        BillableMetricId("metric"),
        "metric",
        LONG_AGO,
        aggregation_type=AggregationType(aggregation),
        aggregation_key=key,
        **others,
    )


def event(timestamp: str, properties: Mapping[str, str] | None = None, *, type: str = "call") -> UsageEvent:
    return UsageEvent(timestamp, CUSTOMER, type, utc(timestamp), dict(properties or {}), utc(timestamp))


def for_ever(starting_at: str, ending_before: str | None = None) -> Period:
    return Period(utc(starting_at), None if ending_before is None else utc(ending_before))
