"""A tenant to play with, through the services and the real store, with only what matters in sight.

Things go by their names: ``world.product("P", "1000")`` makes a product with a flat rate of 1000 on the world's one
rate card, ``world.contract()`` a contract of the customer ``Acme`` on that card, a commit named ``C`` is ``C``. Time is
text as in ``builders``; a period is ``2024-06`` or ``2024-06-01..2024-06-16``. What comes back is shown in the notation
of the reference, section 5, so that an expectation reads like the reference's tables::

    P 15 @ 1000 = 15000 [C]        usage, covered by C
    C applied -15000               the application of C
    P 5 @ 1000 = 5000              usage that nothing covers
    C 1 @ 25000 = 25000            the payment of C, on a scheduled invoice
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from builders import number, utc
from builders import period as span

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.catalog import (
    AggregationType,
    Product,
    ProductType,
    ProductUpdate,
    PropertyFilter,
    ValueFilter,
)
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.ids import (
    ContractId,
    CreditTypeId,
    CustomerId,
    GroupValues,
    ProductId,
    group_values,
)
from metronome_sandbox.domain.invoices import Invoice, LineItem, LineType
from metronome_sandbox.domain.ledger import FAMILIES
from metronome_sandbox.domain.overrides import Override, Prioritization
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.periods import BoundedPeriod, Frequency, StatementDay
from metronome_sandbox.domain.rate_cards import BillingFrequency, CreditTypeConversion, RateType, Tier
from metronome_sandbox.domain.subscriptions import Collection, IncreaseBilling, InvoicePlacement, QuantityManagement
from metronome_sandbox.domain.usage import WindowSize
from metronome_sandbox.services import (
    balance_lists,
    balances,
    billable_metrics,
    contracts,
    credit_types,
    customers,
    historical_invoices,
    invoices,
    ledgers,
    passage,
    prices,
    products,
    rate_cards,
    rates,
    usage,
)
from metronome_sandbox.services.balance_lists import BalanceFilter, NetBalanceFilter
from metronome_sandbox.services.balances import NewBalance, NewPayments, NewSegment
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.contracts import NewContract, NewStatementSchedule
from metronome_sandbox.services.historical_invoices import HistoricalInvoice, HistoricalLine, Subtotal
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.services.subscriptions import NewSeats, NewSubscription
from metronome_sandbox.store.memory import MemoryStore

Number = Decimal | int | str
Tiers = Sequence[tuple[Number | None, Number]]
Groups = Mapping[str, str]

GROUP_KEYS = ("cloud", "project", "region")
"""Properties that a product may be priced or presented by."""


class World:
    """One tenant. Attributes that tests read: ``context``, ``clock``, ``store``, and ids by name."""

    def __init__(self, now: str = "2024-08-15", *, grace_hours: int = 24, seed: str = "tests") -> None:
        self.clock = Clock(frozen_at=utc(now))
        self.store = MemoryStore()
        self.context = Context(self.store, self.clock.now, IdFactory(seed), timedelta(hours=grace_hours))
        credit_types.seed(self.context)
        self.card = rate_cards.create_rate_card(self.context, rate_cards.NewRateCard("List prices")).id
        sold_as = products.NewProduct("Commitment", ProductType.FIXED)
        self.commitment = products.create_product(self.context, sold_as).id
        self.products: dict[str, ProductId] = {"Commitment": self.commitment}
        self.customers: dict[str, CustomerId] = {}
        self.contracts: dict[str, ContractId] = {}
        self._event_number = 0

    # --- the catalog

    def product(
        self,
        name: str,
        price: Number | None = None,
        *,
        tiers: Tiers | None = None,
        tags: Iterable[str] = (),
        pricing: Sequence[str] = (),
        presentation: Sequence[str] = (),
        entitled: bool = True,
        **others: Any,
    ) -> ProductId:
        """A USAGE product that adds up ``quantity`` of its events; with a price or tiers it gets a rate since 2000."""
        keys = tuple(dict.fromkeys((*pricing, *presentation)))
        metric = billable_metrics.NewBillableMetric(
            name,
            aggregation_type=AggregationType.SUM,
            aggregation_key="quantity",
            event_type_filter=ValueFilter((name,)),
            property_filters=tuple(PropertyFilter(key, exists=True) for key in ("quantity", *keys)),
            group_keys=(keys,) if keys else (),
        )
        new = products.NewProduct(
            name,
            ProductType.USAGE,
            tuple(tags),
            billable_metrics.create_billable_metric(self.context, metric).id,
            pricing_group_key=tuple(pricing),
            presentation_group_key=tuple(presentation),
            **others,
        )
        self.products[name] = products.create_product(self.context, new).id
        if price is not None or tiers is not None:
            self.rate(name, price, tiers=tiers, entitled=entitled)
        return self.products[name]

    def rate(
        self,
        product: str,
        price: Number | None = None,
        *,
        tiers: Tiers | None = None,
        commit_price: Number | None = None,
        starting_at: str = "2000-01-01",
        ending_before: str | None = None,
        pricing: Groups | None = None,
        entitled: bool = True,
        unit: CreditTypeId | None = None,
    ) -> None:
        new = rates.NewRate(
            self.products[product],
            utc(starting_at),
            entitled,
            _price(price, tiers),
            None if ending_before is None else utc(ending_before),
            unit,
            pricing_group_values=group_values(dict(pricing or {})),
            commit_price=None if commit_price is None else _price(commit_price, None),
        )
        rates.add_rate(self.context, self.card, new)

    def update(self, product: str, starting_at: str, **changes: Any) -> Product:
        """Change a product from an instant on."""
        update = ProductUpdate(self.now, utc(starting_at), **changes)
        return products.update_product(self.context, self.products[product], update)

    def subscribable(
        self, name: str, price: Number, *, frequency: str = "MONTHLY", starting_at: str = "2000-01-01", **others: Any
    ) -> ProductId:
        """A SUBSCRIPTION product with a rate; called again it adds a rate."""
        if name not in self.products:
            new = products.NewProduct(name, ProductType.SUBSCRIPTION)
            self.products[name] = products.create_product(self.context, new).id
        others.setdefault("is_entitled", True)
        new_rate = rates.NewRate(
            self.products[name],
            utc(starting_at),
            price=_price(price, None),
            billing_frequency=BillingFrequency(frequency),
            **others,
        )
        rates.add_rate(self.context, self.card, new_rate)
        return self.products[name]

    def subscribed(
        self,
        product: str,
        quantity: Number | None = None,
        *,
        collection: str = "ADVANCE",
        frequency: str = "MONTHLY",
        starting_at: str | None = None,
        ending_before: str | None = None,
        prorated: bool = True,
        immediately: bool = False,
        scheduled: bool = False,
        seats: Sequence[str] | None = None,
        unassigned: Number = 0,
        anchor: str | None = None,
        **others: Any,
    ) -> NewSubscription:
        """A subscription to be made; with ``seats`` it is SEAT_BASED, with ``scheduled`` it has invoices of its own."""
        kept = QuantityManagement.QUANTITY_ONLY if seats is None else QuantityManagement.SEAT_BASED
        behavior = IncreaseBilling.BILL_IMMEDIATELY if immediately else IncreaseBilling.BILL_ON_NEXT_COLLECTION_DATE
        placement = InvoicePlacement.ON_SCHEDULED_INVOICE if scheduled else InvoicePlacement.ON_USAGE_INVOICE
        return NewSubscription(
            self.products[product],
            BillingFrequency(frequency),
            Collection(collection),
            None if quantity is None else number(quantity),
            None if seats is None else NewSeats("seat", tuple(seats), number(unassigned)),
            kept,
            None if starting_at is None else utc(starting_at),
            None if ending_before is None else utc(ending_before),
            prorated,
            behavior,
            anchor=None if anchor is None else utc(anchor),
            placement=placement,
            **others,
        )

    def composite(
        self,
        name: str,
        fraction: Number | None = None,
        *,
        tiers: Tiers | None = None,
        minimum: Number | None = None,
        of: Iterable[str] = (),
        of_tags: Iterable[str] = (),
    ) -> ProductId:
        """A COMPOSITE product of others, with a rate since 2000."""
        parts = tuple(self.products[each] for each in of)
        new = products.NewProduct(
            name, ProductType.COMPOSITE, composite_product_ids=parts, composite_tags=tuple(of_tags)
        )
        self.products[name] = products.create_product(self.context, new).id
        kind = RateType.PERCENTAGE if tiers is None else RateType.TIERED_PERCENTAGE
        price = msgspec.structs.replace(
            _price(fraction, tiers), rate_type=kind, minimum=None if minimum is None else number(minimum)
        )
        rates.add_rate(self.context, self.card, rates.NewRate(self.products[name], utc("2000-01-01"), True, price))
        return self.products[name]

    def unit(self, name: str, worth: Number) -> CreditTypeId:
        """A custom pricing unit that is worth so many cents on the world's card."""
        unit = credit_types.create_credit_type(self.context, name).id
        change = rate_cards.RateCardChange(added_conversions=(CreditTypeConversion(unit, number(worth)),))
        rate_cards.update_rate_card(self.context, self.card, change)
        return unit

    def currency(self, name: str) -> CreditTypeId:
        return next(one.id for one in self.store.credit_types.values() if one.name == name)

    # --- customers, contracts, balances

    def customer(self, name: str = "Acme", *aliases: str) -> CustomerId:
        if name not in self.customers:
            made = customers.create_customer(self.context, customers.NewCustomer(name, aliases))
            self.customers[name] = made.id
        return self.customers[name]

    def contract(
        self,
        name: str = "contract",
        *,
        customer: str = "Acme",
        starting_at: str = "2024-06-01",
        ending_before: str | None = None,
        generation: str | None = None,
        frequency: str = Frequency.MONTHLY,
        day: str = StatementDay.FIRST_OF_MONTH,
        anchor: str | None = None,
        commits: Iterable[NewBalance] = (),
        credits: Iterable[NewBalance] = (),
        overrides: Iterable[Override] = (),
        prioritization: str = Prioritization.LOWEST_MULTIPLIER,
        without_card: bool = False,
        **others: Any,
    ) -> Contract:
        """A contract; ``generation`` is ``invoice_generation_starting_at``."""
        new = NewContract(
            self.customer(customer),
            utc(starting_at),
            None if ending_before is None else utc(ending_before),
            name,
            rate_card_id=None if without_card else self.card,
            statement_schedule=NewStatementSchedule(
                Frequency(frequency),
                StatementDay(day),
                None if anchor is None else utc(anchor),
                None if generation is None else utc(generation),
            ),
            commits=tuple(commits),
            credits=tuple(credits),
            overrides=tuple(overrides),
            prioritization=Prioritization(prioritization),
            **others,
        )
        made = contracts.create_contract(self.context, new)
        self.contracts[name] = made.id
        return made

    def imported(self, **others: Any) -> Contract:
        """The contract of the guide "Import existing invoices": from June 2024, on our books from August."""
        return self.contract(starting_at="2024-06-01", generation="2024-08-01", **others)

    def new_balance(
        self,
        name: str,
        type: BalanceType | str,
        *segments: tuple[Number, str],
        payments: Iterable[tuple[str, Number]] | None = None,
        paid_on: str | None = None,
        paid_in: CreditTypeId = USD_CENTS,
        do_not_invoice: bool = False,
        products: Iterable[str] = (),
        contracts: Iterable[str] = (),
        priority: Number = 100,
        rate_type: str = SpendingRate.LIST_RATE,
        **others: Any,
    ) -> NewBalance:
        """A commit or credit to be made; segments are ``(amount, period)``, payments ``(instant, amount)``."""
        schedule = None
        if payments is not None:
            schedule = NewPayments(
                tuple(Payment(utc(at), number(amount)) for at, amount in payments), paid_in, do_not_invoice
            )
        return NewBalance(
            BalanceType(type),
            self.commitment,
            tuple(_segment(amount, during) for amount, during in segments),
            name=name,
            priority=number(priority),
            rate_type=SpendingRate(rate_type),
            payments=schedule,
            invoice_contract_id=None if paid_on is None else self.contracts[paid_on],
            applicable_product_ids=tuple(self.products[each] for each in products),
            applicable_contract_ids=tuple(self.contracts[each] for each in contracts),
            **others,
        )

    def prepaid(self, name: str, *segments: tuple[Number, str], **others: Any) -> NewBalance:
        """A free one unless it has payments."""
        return self.new_balance(name, BalanceType.PREPAID, *segments, **others)

    def credit(self, name: str, *segments: tuple[Number, str], **others: Any) -> NewBalance:
        return self.new_balance(name, BalanceType.CREDIT, *segments, **others)

    def postpaid(self, name: str, amount: Number, during: str, **others: Any) -> NewBalance:
        """Its true-up is due at the end of its access."""
        end = _segment(amount, during).ending_before.isoformat()
        others.setdefault("payments", [(end, amount)])
        return self.new_balance(name, BalanceType.POSTPAID, (amount, during), **others)

    def customer_balance(self, new: NewBalance, customer: str = "Acme") -> Balance:
        return balances.create_customer_balance(self.context, self.customer(customer), new)

    def balance(self, name: str) -> Balance:
        """The commit or credit of that name."""
        return next(one for one in self.store.balances.values() if one.name == name)

    def left(self, name: str) -> str:
        """What a commit or credit says is left of it now."""
        return plain(ledgers.balance_now(self.context, self.balance(name)))

    def net(self, *, customer: str = "Acme", with_drafts: bool = True, **filters: Any) -> str:
        chosen = [NetBalanceFilter(**filters)] if filters else []
        found = balance_lists.get_net_balance(
            self.context, self.customers[customer], USD_CENTS, chosen, with_drafts=with_drafts
        )
        return plain(found)

    def ledger(self, name: str) -> list[str]:
        """``2024-07-01 CREDIT_AUTOMATED_INVOICE_DEDUCTION -100 for 2024-06``: time, type, amount, period of usage."""
        balance = self.balance(name)
        periods = {one.id: one.period for customer in self.customers for one in self.invoices(customer)}
        found = []
        for entry in ledgers.ledger_now(self.context, balance):
            period = periods[entry.invoice_id] if entry.invoice_id is not None else None
            of = "" if period is None else f" for {shown_period(period)}"
            kind = f"{FAMILIES[balance.type]}_{entry.kind}"
            found.append(f"{shown_time(entry.timestamp)} {kind} {plain(entry.amount)}{of}")
        return found

    def listed_balances(self, customer: str = "Acme", **conditions: Any) -> list[str]:
        chosen = BalanceFilter(**{"include_contract_balances": True, **conditions})
        found = balance_lists.list_balances(self.context, self.customers[customer], chosen)
        return [one.name or "" for one in found]

    # --- usage and imports

    def use(self, product: str, at: str, quantity: Number, *, name: str = "Acme", **groups: str) -> None:
        """Ingest one event; ``name`` is a customer of this world or whatever an event may call it."""
        self._event_number += 1
        event = UsageEvent(
            f"event-{self._event_number}",
            self.customers.get(name, name),
            product,
            utc(at),
            {"quantity": str(quantity), **groups},
            self.now,
        )
        usage.ingest(self.context, [event])

    def historical(
        self,
        during: str,
        lines: Mapping[str, Any] | Iterable[HistoricalLine],
        *,
        contract: str = "contract",
        customer: str = "Acme",
        issue_date: str | None = None,
        granularity: str | None = None,
        **others: Any,
    ) -> HistoricalInvoice:
        """An invoice to import, issued two days after its period; ``lines`` may be ``{product: quantity}``."""
        period = span(during)
        if isinstance(lines, Mapping):
            lines = [self.line(product, quantity, during) for product, quantity in lines.items()]
        return HistoricalInvoice(
            self.customers[customer],
            self.contracts[contract],
            USD_CENTS,
            period,
            period.ending_before + timedelta(days=2) if issue_date is None else utc(issue_date),
            tuple(lines),
            None if granularity is None else WindowSize(granularity),
            **others,
        )

    def line(
        self,
        product: str,
        quantity: Number | Mapping[str, Number] | None,
        during: str,
        *,
        size: str = WindowSize.DAY,
        pricing: Groups | None = None,
        presentation: Groups | None = None,
    ) -> HistoricalLine:
        """A line item; a mapping of window starts to quantities becomes its subtotals."""
        period, whole, subtotals = span(during), None, None
        if isinstance(quantity, Mapping):
            subtotals = tuple(
                Subtotal(utc(start), utc(start) + WindowSize(size).length, number(each))
                for start, each in quantity.items()
            )
        elif quantity is not None:
            whole = number(quantity)
        return HistoricalLine(
            self.products[product],
            period.starting_at,
            period.ending_before,
            whole,
            subtotals,
            group_values(dict(pricing or {})),
            group_values(dict(presentation or {})),
        )

    def import_(self, *batch: HistoricalInvoice) -> list[Invoice]:
        return historical_invoices.create_historical_invoices(self.context, batch, preview=False)

    def preview(self, *batch: HistoricalInvoice) -> list[Invoice]:
        return historical_invoices.create_historical_invoices(self.context, batch, preview=True)

    # --- time and invoices

    @property
    def now(self) -> datetime:
        return self.context.now

    def travel(self, to: str | datetime) -> list[passage.Event]:
        """Move the clock and let everything happen on the way."""
        before = self.now
        self.clock.freeze(utc(to))
        return passage.travel(self.context, before)

    def invoices(self, customer: str = "Acme", **conditions: Any) -> list[Invoice]:
        """Stored ones and drafts, by issue time."""
        chosen = invoices.InvoiceFilter(**conditions)
        found = invoices.list_invoices(self.context, self.customers[customer])
        return [invoice for invoice in found if chosen.admits(invoice)]

    def invoice(self, during: str, **conditions: Any) -> Invoice:
        """The one usage invoice of a period that is not void."""
        (found,) = (
            one for one in self.invoices(**conditions) if one.period == span(during) and one.status.value != "VOID"
        )
        return found

    def void(self, invoice: Invoice) -> Invoice:
        return invoices.void_invoice(self.context, invoice.id)

    def regenerate(self, invoice: Invoice) -> Invoice:
        return invoices.regenerate_invoice(self.context, invoice.id)

    def breakdowns(self, size: str, during: str, customer: str = "Acme", **conditions: Any) -> dict[str, list[str]]:
        """Lines by window start."""
        period = span(during)
        chosen = invoices.InvoiceFilter(
            starting_on=period.starting_at, ending_before=period.ending_before, **conditions
        )
        found = invoices.list_breakdowns(self.context, self.customers[customer], WindowSize(size), chosen)
        return {shown_time(item.window.starting_at): self.lines(invoice, item.lines) for invoice, item in found}

    def dump(self) -> bytes:
        """Everything that is stored, as bytes to compare."""
        return msgspec.json.encode(self.store.dump())

    # --- showing

    def lines(self, invoice: Invoice, some: Iterable[LineItem] | None = None) -> list[str]:
        """The lines of an invoice. One that has a window of its own begins with it."""
        return [self._line(invoice, line) for line in (invoice.lines if some is None else some)]

    def _line(self, invoice: Invoice, line: LineItem) -> str:
        where = ""
        if line.starting_at is not None and line.ending_before is not None:
            window = BoundedPeriod(line.starting_at, line.ending_before)
            where = "" if window == invoice.period else f"({shown_period(window)}) "
        groups = _groups(line.pricing_group_values) + _groups(line.presentation_group_values)
        if line.type is LineType.APPLIED_COMMIT_OR_CREDIT:
            return f"{where}{line.name}{groups} {plain(line.total)}"
        assert line.quantity is not None
        assert line.unit_price is not None
        priced = f"{where}{line.name}{groups} {plain(line.quantity)} @ {plain(line.unit_price)} = {plain(line.total)}"
        is_covered = line.type is not LineType.COMMIT_PURCHASE and line.applied is not None
        return f"{priced} [{self.store.balances[line.applied.id].name}]" if is_covered and line.applied else priced


def _price(price: Number | None, tiers: Tiers | None) -> prices.NewPrice:
    if tiers is None:
        return prices.NewPrice(RateType.FLAT, None if price is None else number(price))
    steps = tuple(Tier(number(each), None if size is None else number(size)) for size, each in tiers)
    return prices.NewPrice(RateType.TIERED, tiers=steps)


def _segment(amount: Number, during: str) -> NewSegment:
    period = span(during)
    return NewSegment(number(amount), period.starting_at, period.ending_before)


# --- showing


def plain(value: Decimal) -> str:
    """A number without exponent and trailing zeros; six places of one that comes from a division."""
    value = value.normalize()
    if -value.as_tuple().exponent > 18:  # type: ignore[operator]
        return f"~{value:.6f}"
    return f"{value:f}" if value else "0"


def shown_time(instant: datetime) -> str:
    """``2024-06-01``, or with hours where it is not midnight."""
    return instant.date().isoformat() if not (instant.hour or instant.minute) else f"{instant:%Y-%m-%dT%H:%M}"


def shown_period(period: BoundedPeriod) -> str:
    """``2024-06`` for a month, ``2024-06-01..2024-06-16`` for anything else."""
    month = f"{period.starting_at:%Y-%m}"
    if period == span(month):
        return month
    return f"{shown_time(period.starting_at)}..{shown_time(period.ending_before)}"


def _groups(values: GroupValues) -> str:
    return "".join(f" {key}={value}" for key, value in values)


def headline(invoice: Invoice) -> str:
    """``USAGE 2024-06 FINALIZED 2024-07-03 10000``: type, period, status, issue time, total."""
    period = f"{shown_period(invoice.period)} " if invoice.period is not None else ""
    return f"{invoice.type} {period}{invoice.status} {shown_time(invoice.issued_at)} {plain(invoice.total)}"
