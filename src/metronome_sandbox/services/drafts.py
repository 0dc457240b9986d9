"""Draft invoices: never stored, computed from the state when somebody asks.

All drafts of a customer are computed together, in the order of their periods, because a balance on customer level may
serve several contracts and an earlier draft leaves less of it to a later one; so are those of customers whose contracts
share balances in a hierarchy. The result is kept as long as the tenant's tables stand still and no new period has
begun.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

import msgspec

from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.composite import composites_on_offer
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import NotFound
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.events import metered as measure
from metronome_sandbox.domain.ids import (
    ContractId,
    CustomerId,
    GroupValues,
    InvoiceId,
    ProductId,
    SegmentId,
)
from metronome_sandbox.domain.invoices import (
    Invoice,
    InvoiceStatus,
    InvoiceType,
)
from metronome_sandbox.domain.invoicing import build_invoice
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rating import Metered, Part, PriceBook, metered_lines, priceable, unbilled
from metronome_sandbox.domain.trace import Measure, UnbilledUsage
from metronome_sandbox.domain.usage import UsageLine, WindowQuantity, WindowSize
from metronome_sandbox.domain.usage_filters import admitted
from metronome_sandbox.services.charges import charges_on_usage_invoice, scheduled_drafts, subscriptions_beside
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.hierarchies import relatives
from metronome_sandbox.services.pricing import add_draws, fiat_credit_type, open_segments, price_book
from metronome_sandbox.services.subscription_charges import paid_during


class Drafts(msgspec.Struct, frozen=True, gc=False):
    """A customer's drafts and how long they hold.

    Attributes:
        revision: Of the store that they were computed from.
        valid_from, valid_until: The half-open time in which no other period begins.
    """

    revision: int
    valid_from: datetime
    valid_until: datetime | None
    invoices: tuple[Invoice, ...]


def drafts_of(context: Context, customer_id: CustomerId) -> tuple[Invoice, ...]:
    """Return a customer's drafts in the default order of a list."""
    now, revision = context.now, context.store.revision
    known = context.drafts.get(customer_id)
    if (
        known is None
        or known.revision != revision
        or now < known.valid_from
        or (known.valid_until is not None and now >= known.valid_until)
    ):
        if any(other.revision != revision for other in islice(context.drafts.values(), 1)):
            context.drafts.clear()
        context.drafts.update(_compute(context, customer_id, now))
        known = context.drafts[customer_id]
    return known.invoices


Pending = tuple[datetime, int, Contract, BoundedPeriod | Invoice]
"""A usage invoice that is not final yet: where it stands in the order (start of the period, the contract's number), its
contract, and the period to generate or the import to price again."""


def pending(
    context: Context, customer_id: CustomerId, until: datetime, of: Collection[ContractId] | None = None
) -> tuple[list[Pending], datetime | None]:
    """Return what is not final of a customer and its relatives, in order, and when the next period starts after
    ``until``.

    Of the periods to generate those that start at or before ``until``; of the imports that wait for their issue date
    all.

    Args:
        of: The contracts to look at; all of the customer's and its relatives' without it.

    Assumed: invoices of one customer, or one hierarchy, meet its balances by period start, then contract creation
    (Q34).  [A-order-of-invoices]
    """
    store = context.store
    found: list[Pending] = []
    later: list[datetime] = []
    family = relatives(context, customer_id)
    everything = (contract_id for each in family for contract_id in store.contracts_of.ids(each))
    for contract_id in everything if of is None else of:
        contract = store.contracts[contract_id]
        if contract.next_period is None or contract.archived_at is not None:
            continue
        periods, following = contract.periods_ahead(until)
        found += ((period.starting_at, contract.sequence, contract, period) for period in periods)
        if following is not None:
            later.append(following)
    for invoice_id in (invoice_id for each in family for invoice_id in store.stored_drafts.ids(each)):
        invoice = store.invoices[invoice_id]
        if invoice.period is not None and (of is None or invoice.contract_id in of):
            contract = store.contracts[invoice.contract_id]
            found.append((invoice.period.starting_at, contract.sequence, contract, invoice))
    return sorted(found, key=lambda item: item[:2]), min(later, default=None)


def _compute(context: Context, customer_id: CustomerId, now: datetime) -> dict[CustomerId, Drafts]:
    """Return the drafts of a customer and of its relatives."""
    entries, valid_until = pending(context, customer_id, now)
    taken: dict[SegmentId, Decimal] = {}
    family = relatives(context, customer_id)
    found = [price_pending(context, item, taken) for item in entries]
    found += scheduled_drafts(context, family, taken)
    drafts: dict[CustomerId, Drafts] = {}
    for each in family:
        own = [invoice for invoice in found if invoice.customer_id == each]
        _remember_owner(context, each, own)
        in_order = tuple(sorted(own, key=lambda invoice: invoice.order))
        drafts[each] = Drafts(context.store.revision, now, valid_until, in_order)
    return drafts


def find_invoice(context: Context, invoice_id: InvoiceId) -> Invoice:
    """Return an invoice of any customer, a draft as it is now.

    Raises:
        NotFound: There is none.
    """
    stored = context.store.invoices.get(invoice_id)
    if stored is not None and stored.status is not InvoiceStatus.DRAFT:
        return stored
    for customer_id in _maybe_owners(context, invoice_id, stored):
        for invoice in drafts_of(context, customer_id):
            if invoice.id == invoice_id:
                return invoice
    raise NotFound("invoice", invoice_id)


def _maybe_owners(context: Context, invoice_id: InvoiceId, stored: Invoice | None) -> Iterable[CustomerId]:
    """Return whose draft it may be: its id says nothing of the customer, so without a hint it may be anybody's."""
    if stored is not None:
        return [stored.customer_id]
    known = context.draft_owners.get(invoice_id)
    everybody = [customer.id for customer in context.store.customers.values()]
    return everybody if known is None else dict.fromkeys((known, *everybody))


KNOWN_DRAFTS = 10_000


def _remember_owner(context: Context, customer_id: CustomerId, drafts: Sequence[Invoice]) -> None:
    """Note whose drafts these are: :func:`find_invoice` looks there first."""
    owners = context.draft_owners
    for invoice in drafts:
        owners[invoice.id] = customer_id
    for forgotten in list(islice(owners, max(len(owners) - KNOWN_DRAFTS, 0))):
        del owners[forgotten]


def price_pending(context: Context, entry: Pending, taken: dict[SegmentId, Decimal]) -> Invoice:
    """Return an invoice that is not final as it is now, and add to ``taken`` what it leaves less to the next one."""
    _, _, contract, item = entry
    invoice = (
        waiting_import(context, item, taken) if isinstance(item, Invoice) else draft(context, contract, item, taken)
    )
    add_draws(taken, invoice.draws)
    return invoice


def taken_before(context: Context, contract: Contract, starting_at: datetime) -> dict[SegmentId, Decimal]:
    """Return what drafts take that come before this contract's invoice of a period in the order of invoices."""
    taken: dict[SegmentId, Decimal] = {}
    of = None if _shares(context, contract) else (contract.id,)
    for entry in pending(context, contract.customer_id, starting_at, of)[0]:
        if entry[:2] < (starting_at, contract.sequence):
            price_pending(context, entry, taken)
    return taken


def _shares(context: Context, contract: Contract) -> bool:
    """Whether a contract may draw on anything that another contract's invoices leave less of."""
    store = context.store
    if contract.child_of is not None or store.children_of.ids(contract.id):
        return True
    if store.balances_open_to.ids(contract.customer_id):
        return True
    balances = (store.balances[balance_id] for balance_id in store.balances_open_to.ids(contract.id))
    return any(balance.contract_id is None or balance.rolled_over_from is not None for balance in balances)


def draft(context: Context, contract: Contract, period: BoundedPeriod, taken: dict[SegmentId, Decimal]) -> Invoice:
    """Return the usage invoice that the system generates for a period, as things are now.

    Source: guide "How invoicing works". Assumed: a draft is issued when its grace period is over (question 8.27).
    [A-draft-issue-time]
    """
    events = events_of(context, contract.customer_id, period)
    return price_events(context, contract, period, events, taken)


def price_events(
    context: Context,
    contract: Contract,
    period: BoundedPeriod,
    events: Sequence[UsageEvent],
    taken: dict[SegmentId, Decimal],
    charges: Sequence[Charge] | None = None,
) -> Invoice:
    """Return the usage invoice of a period with this usage.

    Args:
        events: Of the period, in the order of time; those that the contract bills are chosen here.
        charges: What else it bills; None for what no other invoice has billed.
    """
    book = price_book(context, contract)
    measures: list[Measure] = []
    lost: list[UnbilledUsage] = []
    metered = _metered(context, contract, book, events, period, measures, lost)
    usage = metered_lines(contract, book, metered, period)
    on_no_line = unbilled(book, metered, usage, lost)
    if charges is None:
        charges = charges_on_usage_invoice(context, contract, period)
    subscriptions = [charge.part for charge in charges if charge.part is not None]
    candidates = open_segments(context, contract, _paid_during(period, subscriptions), taken)
    composites = composites_on_offer(contract, book, period)
    lines = [charge.line for charge in charges if charge.part is None]
    beside = subscriptions_beside(context, contract, period) if composites else []
    priced = build_invoice(contract, book, usage, candidates, period, lines, composites, subscriptions, beside)
    return Invoice(
        id=usage_invoice_id(context, contract.id, period),
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE,
        status=InvoiceStatus.DRAFT,
        credit_type_id=fiat_credit_type(context, contract),
        issued_at=period.ending_before + context.grace_period,
        lines=priced.lines,
        total=priced.total,
        period=period,
        draws=priced.draws,
        usage=priced.usage,
        window_size=WindowSize.HOUR,
        trace=priced.trace and msgspec.structs.replace(priced.trace, measures=tuple(measures), unbilled=on_no_line),
    )


def _paid_during(period: BoundedPeriod, subscriptions: Sequence[Part]) -> BoundedPeriod:
    """Return the billing period, and with it the times at which its subscriptions are paid."""
    if not subscriptions:
        return period
    paid = paid_during(subscriptions)
    return BoundedPeriod(min(period.starting_at, paid.starting_at), max(period.ending_before, paid.ending_before))


def reprice(context: Context, invoice: Invoice, taken: dict[SegmentId, Decimal]) -> Invoice:
    """Return an imported invoice priced again from its quantities, with today's rates and balances.

    Raises:
        InvalidRequest: A quantity has no rate any more; its path begins with the number of the usage line, ``[i]``.
    """
    return _repriced(context, invoice, invoice.usage, taken)


def waiting_import(context: Context, invoice: Invoice, taken: dict[SegmentId, Decimal]) -> Invoice:
    """Return an import that waits for its issue date as it is now; what has no rate any more is not on it."""
    book = price_book(context, context.store.contracts[invoice.contract_id])
    return _repriced(context, invoice, priceable(book, invoice.usage), taken)


def _repriced(
    context: Context, invoice: Invoice, usage: Sequence[UsageLine], taken: dict[SegmentId, Decimal]
) -> Invoice:
    if invoice.period is None:
        return invoice
    contract = context.store.contracts[invoice.contract_id]
    candidates = open_segments(context, contract, invoice.period, taken)
    priced = build_invoice(contract, price_book(context, contract), usage, candidates, invoice.period)
    return msgspec.structs.replace(
        invoice, lines=priced.lines, total=priced.total, draws=priced.draws, usage=tuple(usage), trace=priced.trace
    )


def usage_invoice_id(
    context: Context, contract_id: ContractId, period: BoundedPeriod, *, preview: bool = False
) -> InvoiceId:
    """Return the id of the next usage invoice of a contract and period; a draft keeps its id when it is finalized.

    An invoice that a renewal left empty counts as well: it has the id of the draft that it was made of, and that draft
    is back when the contract's end is cleared.

    Assumed: ids are derived, as samples of the vendor's look (Q18).  [A-invoice-id]
    """
    store = context.store
    stored = store.invoices_on.starting_with(contract_id, period.starting_at)
    empty = BoundedPeriod(period.starting_at, period.starting_at)
    generation = sum(1 for invoice_id in stored if store.invoices[invoice_id].period in (period, empty))
    kind = "invoice preview" if preview else "invoice"
    start, end = period.starting_at.isoformat(), period.ending_before.isoformat()
    derived = context.ids.derived(kind, contract_id, InvoiceType.USAGE, start, end, str(generation))
    return InvoiceId(derived)


def _metered(
    context: Context,
    contract: Contract,
    book: PriceBook,
    events: Sequence[UsageEvent],
    period: BoundedPeriod,
    notes: list[Measure],
    lost: list[UnbilledUsage],
) -> Metered:
    """Return what events amount to, for every usage product on the contract's card."""
    store = context.store
    billed = admitted(contract.usage_filters, events)
    found: dict[tuple[ProductId, GroupValues, GroupValues], tuple[WindowQuantity, ...]] = {}
    if not billed:
        return found
    for product_id in book.product_ids:
        product = store.products[product_id]
        measured = measure(store.billable_metrics, product, billed, period, notes, lost)
        for (pricing, presentation), windows in measured.items():
            found[product_id, pricing, presentation] = windows
    return found


def events_of(context: Context, customer_id: CustomerId, period: BoundedPeriod) -> list[UsageEvent]:
    """Return the stored events of a customer and a period, under all of its names, in the order of time."""
    store = context.store
    names = (customer_id, *store.customers[customer_id].ingest_aliases)
    found: list[UsageEvent] = []
    for name in names:
        for event_id in store.events_of.before(name, period.ending_before):
            event = store.events[event_id]
            if event.timestamp < period.starting_at:
                break
            found.append(event)
    return sorted(found, key=lambda event: (event.timestamp, event.transaction_id))
