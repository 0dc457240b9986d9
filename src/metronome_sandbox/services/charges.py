"""What a contract bills at instants, and on which invoice.

Each source gives every charge that a contract is known to have, billed or not; ``store.settled`` knows which invoice
billed which. So an edit changes the source and nothing else, and the charge's invoice can be read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from operator import itemgetter

import msgspec

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import ContractId, CreditTypeId, CustomerId, InvoiceId, SegmentId
from metronome_sandbox.domain.invoices import (
    AppliedBalance,
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
    TermKind,
    total_of,
)
from metronome_sandbox.domain.invoicing import PricedUsage, build_scheduled_invoice
from metronome_sandbox.domain.periods import BoundedPeriod, next_billing_period
from metronome_sandbox.domain.rating import Part
from metronome_sandbox.domain.scheduled_charges import discount_line, scheduled_line, service_line
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.pricing import add_draws, fiat_credit_type, open_segments, price_book
from metronome_sandbox.services.subscription_charges import goes_on_usage, horizon, paid_during, subscriptions
from metronome_sandbox.services.true_ups import contracts_with_true_ups, true_ups, with_drafts

Source = Callable[[Context, Contract], Iterable[Charge]]


def commit_payments(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield the payments of prepaid commits that a contract's invoices carry."""
    store = context.store
    for balance_id in store.balances_paid_on.ids(contract.id):
        balance = store.balances[balance_id]
        schedule = balance.invoice_schedule
        if schedule is None or schedule.do_not_invoice:
            continue
        if balance.type is not BalanceType.PREPAID or balance.archived_at is not None:
            continue
        for item in schedule.items:
            line = LineItem(
                type=LineType.COMMIT_PURCHASE,
                name=balance.name or store.products[balance.product_id].at(item.timestamp).name,
                product_id=balance.product_id,
                total=item.amount,
                quantity=item.quantity,
                unit_price=item.unit_price,
                applied=AppliedBalance(balance.id, balance.type),
            )
            yield Charge(item.id, contract.id, item.timestamp, schedule.credit_type_id, line)


def scheduled_charges(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield the dates of a contract's scheduled charges."""
    for charge in contract.scheduled_charges:
        if charge.archived_at is None:
            product, unit = context.store.products[charge.product_id], charge.schedule.credit_type_id
            for item in charge.schedule.items:
                name = product.at(item.timestamp).name
                yield Charge(item.id, contract.id, item.timestamp, unit, scheduled_line(charge, item, name))


def discounts(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield the dates of a contract's discounts."""
    for discount in contract.discounts:
        product, unit = context.store.products[discount.product_id], discount.schedule.credit_type_id
        for item in discount.schedule.items:
            name = product.at(item.timestamp).name
            yield Charge(item.id, contract.id, item.timestamp, unit, discount_line(discount, item, name))


def professional_services(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield what of a contract's professional services was asked to be invoiced."""
    services = {service.id: service for service in contract.professional_services}
    for charge in contract.service_charges:
        service = services[charge.service_id]
        line = service_line(service, charge, context.store.products[service.product_id].at(charge.timestamp).name)
        yield Charge(charge.id, contract.id, charge.timestamp, charge.credit_type_id, line)


SOURCES: tuple[Source, ...] = (commit_payments, scheduled_charges, discounts, professional_services, true_ups)
"""In the order of lines on an invoice, behind subscriptions."""

ON_USAGE_INVOICES = frozenset({LineType.COMMIT_PURCHASE, LineType.SCHEDULED})
"""What a contract with ``scheduled_charges_on_usage_invoices`` bills together with usage."""


def all_charges(context: Context, contract: Contract, wanted: Callable[[str], bool]) -> list[Charge]:
    """Return the charges of a contract whose ids are asked for, billed or not, by time."""
    found = list(subscriptions(context, contract, wanted))
    found += (charge for source in SOURCES for charge in source(context, contract) if wanted(charge.id))
    return sorted(found, key=lambda charge: charge.timestamp)


def open_charges(context: Context, contract: Contract) -> list[Charge]:
    """Return the charges of a contract that no invoice has billed, by time."""
    if contract.archived_at is not None:
        return []
    settled = context.store.settled
    return all_charges(context, contract, lambda charge_id: charge_id not in settled)


def charges_on_usage_invoice(context: Context, contract: Contract, period: BoundedPeriod) -> list[Charge]:
    """Return the charges that the usage invoice of a period carries, as far as no other invoice that stands has them.

    Source: guide "Create a contract" for ``scheduled_charges_on_usage_invoices``: those dated on the day the period
    ends. Source: SDK, field ``invoice_placement``, for subscriptions.
    """
    if not contract.charges_on_usage_invoices and not contract.subscriptions:
        return []
    store = context.store

    def may_be_here(charge_id: str) -> bool:
        settled_by = store.settled.get(charge_id)
        if settled_by is None:
            return True
        billed = store.invoices[settled_by]  # a voided invoice that is made again
        return billed.period == period and billed.status is InvoiceStatus.VOID

    return [
        charge
        for charge in all_charges(context, contract, may_be_here)
        if charge.id in store.settled or (_is_of(period, charge) and _goes_on_usage(context, contract, charge))
    ]


def subscriptions_beside(context: Context, contract: Contract, period: BoundedPeriod) -> list[Part]:
    """Return what scheduled invoices that are dated in a billing period bill of subscriptions, drafts included."""
    store = context.store

    def may_count(charge_id: str) -> bool:
        settled_by = store.settled.get(charge_id)
        if settled_by is None:
            return True
        invoice = store.invoices[settled_by]
        return invoice.type is InvoiceType.SCHEDULED and invoice.status is not InvoiceStatus.VOID

    return [
        charge.part
        for charge in subscriptions(context, contract, may_count)
        if charge.part is not None
        and period.starting_at <= charge.timestamp < period.ending_before
        and (charge.id in store.settled or not goes_on_usage(contract, charge))
    ]


def charges_billed_by(context: Context, contract: Contract, invoice: Invoice) -> list[Charge]:
    """Return the charges of a contract that an invoice billed, as they are now."""
    settled = context.store.settled
    return all_charges(context, contract, lambda charge_id: settled.get(charge_id) == invoice.id)


def _goes_on_usage(context: Context, contract: Contract, charge: Charge) -> bool:
    """Whether an open charge waits for a usage invoice: one that the system makes and that is not final yet.

    Assumed: the day is the UTC day; a charge in another currency than the usage gets an invoice of its own.
    [A-charges-on-usage]
    """
    if charge.part is not None:
        return goes_on_usage(contract, charge)
    if not contract.charges_on_usage_invoices or charge.holds_back or charge.line.type not in ON_USAGE_INVOICES:
        return False
    if charge.commitment is not None or charge.credit_type_id != fiat_credit_type(context, contract):
        return False
    if charge.line.term is not None and charge.line.term.kind is TermKind.PROFESSIONAL_SERVICE:
        return False
    day = charge.timestamp.replace(hour=0, minute=0, second=0, microsecond=0)
    just_before = max(contract.generated_until, day - timedelta(microseconds=1))
    period = next_billing_period(contract.statement_schedule, contract.period, just_before)
    return period is not None and _ends_on_day_of(period.ending_before, charge)


def _is_of(period: BoundedPeriod, charge: Charge) -> bool:
    """Whether a charge that goes on a usage invoice goes on that of this period."""
    if charge.part is not None:
        return period.starting_at < charge.timestamp <= period.ending_before
    return _ends_on_day_of(period.ending_before, charge)


def _ends_on_day_of(instant: datetime, charge: Charge) -> bool:
    return instant.date() == charge.timestamp.date()


def charges_alone(context: Context, contract: Contract) -> list[Charge]:
    """Return the open charges of a contract that go on scheduled invoices, by time."""
    return [charge for charge in open_charges(context, contract) if not _goes_on_usage(context, contract, charge)]


def scheduled_ahead(context: Context, contract: Contract) -> list[tuple[datetime, list[Charge]]]:
    """Return what each scheduled invoice that may become final bills, and when it is issued, by that date.

    The list gets shorter as these invoices become final, and changes in no other way before something else happens to
    the customer: an invoice of charges counts for no other charge.
    """
    ready = [charge for charge in charges_alone(context, contract) if not charge.holds_back]
    dated = [(_issue_date(context, contract, charges), charges) for charges in _grouped(ready)]
    return sorted(dated, key=itemgetter(0))


def _grouped(charges: Iterable[Charge]) -> list[list[Charge]]:
    """Return the charges of a contract by date and currency: what shares an invoice. A true-up shares it with nothing.

    Source: guide "How invoicing works"; an invoice has one currency.
    """
    grouped: dict[tuple[datetime, CreditTypeId, SegmentId | None], list[Charge]] = {}
    for charge in charges:
        grouped.setdefault((charge.timestamp, charge.credit_type_id, charge.commitment), []).append(charge)
    return list(grouped.values())


def _issue_date(context: Context, contract: Contract, charges: Sequence[Charge]) -> datetime:
    """Return when the invoice of these charges is issued: their date, unless it was moved."""
    first = charges[0]
    if not contract.issue_dates:
        return first.timestamp
    invoice_id = scheduled_invoice_id(context, contract.id, first.timestamp, first.credit_type_id, first.commitment)
    return contract.issue_dates.get(invoice_id, first.timestamp)


def scheduled_invoice_of(context: Context, contract: Contract, charge_id: str) -> Invoice:
    """Return the scheduled invoice that bills a charge, or will."""
    billed = context.store.settled.get(charge_id)
    if billed is not None:
        return context.store.invoices[billed]
    groups = _grouped(charges_alone(context, contract))
    return scheduled_invoice(context, next(group for group in groups if any(one.id == charge_id for one in group)))


def reschedule(context: Context, contract_id: ContractId) -> None:
    """Note when the contract's next charge falls due. To be called after anything that changes its charges."""
    note_next_charge(context, contract_id, scheduled_ahead(context, context.store.contracts[contract_id]))


def note_next_charge(
    context: Context, contract_id: ContractId, ahead: Sequence[tuple[datetime, Sequence[Charge]]]
) -> None:
    """Note when the contract's next charge falls due.

    A subscription without an end is looked at again when the time is over that its charges are known of.

    Args:
        ahead: Its charges, as :func:`scheduled_ahead` returns them.
    """
    contract = context.store.contracts[contract_id]
    known_until = horizon(contract)
    instants = [ahead[0][0]] if ahead else []
    next_charge_at = min(instants if known_until is None else [*instants, known_until], default=None)
    if next_charge_at != contract.next_charge_at:
        context.store.contracts.put(contract_id, msgspec.structs.replace(contract, next_charge_at=next_charge_at))


def reschedule_true_ups(context: Context, customer_id: CustomerId) -> None:
    """Note which true-ups of a customer wait no longer. To be called when a usage invoice became final or vanished."""
    for contract in contracts_with_true_ups(context, customer_id):
        reschedule(context, contract.id)


def scheduled_drafts(
    context: Context, customer_ids: Iterable[CustomerId], taken: Mapping[SegmentId, Decimal]
) -> list[Invoice]:
    """Return the scheduled invoices ahead: one for each contract, date and currency.

    Args:
        customer_ids: Whose; all that share balances, whichever of them comes first.
        taken: What usage drafts draw from each segment. They come first: each began before such an invoice is issued.
    """
    store = context.store
    waiting: list[tuple[datetime, int, list[Charge]]] = []
    for contract_id in (contract_id for each in customer_ids for contract_id in store.contracts_of.ids(each)):
        contract = store.contracts[contract_id]
        grouped = _grouped(charges_alone(context, contract))
        waiting += ((together[0].timestamp, contract.sequence, together) for together in grouped)
    taken = dict(taken)
    found: list[Invoice] = []
    for _, _, together in sorted(waiting, key=itemgetter(0, 1)):  # as they become final
        needed = [charge for each in together if (charge := with_drafts(context, each, taken)).is_needed]
        if needed:
            found.append(scheduled_invoice(context, needed, taken))
            add_draws(taken, found[-1].draws)
    return found


def scheduled_invoice(
    context: Context, charges: Sequence[Charge], taken: Mapping[SegmentId, Decimal] | None = None
) -> Invoice:
    """Return the invoice of charges that share contract, date and currency, as a draft.

    Args:
        taken: What invoices that are not final and come before it draw from each segment.
    """
    first = charges[0]
    contract = context.store.contracts[first.contract_id]
    issued_at = _issue_date(context, contract, charges)
    priced = _priced(context, contract, charges, issued_at, taken or {})
    return Invoice(
        id=scheduled_invoice_id(context, first.contract_id, first.timestamp, first.credit_type_id, first.commitment),
        customer_id=contract.customer_id,
        contract_id=first.contract_id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=first.credit_type_id,
        issued_at=issued_at,
        lines=priced.lines,
        total=priced.total,
        draws=priced.draws,
        trace=priced.trace,
    )


def _priced(
    context: Context,
    contract: Contract,
    charges: Sequence[Charge],
    issued_at: datetime,
    taken: Mapping[SegmentId, Decimal],
) -> PricedUsage:
    parts = [charge.part for charge in charges if charge.part is not None]
    lines = tuple(charge.line for charge in charges if charge.part is None)
    if not parts:
        return PricedUsage(lines, total_of(lines), ())
    candidates = open_segments(context, contract, paid_during(parts), taken)
    return build_scheduled_invoice(contract, price_book(context, contract), parts, candidates, issued_at, lines)


def scheduled_invoice_id(
    context: Context,
    contract_id: ContractId,
    timestamp: datetime,
    credit_type_id: CreditTypeId,
    commitment: SegmentId | None = None,
) -> InvoiceId:
    """Return the id of the next scheduled invoice of a contract, date and currency: the first that none has yet."""
    of = ["invoice", contract_id, InvoiceType.SCHEDULED, timestamp.isoformat(), credit_type_id]
    if commitment is not None:
        of.append(commitment)
    ids = (InvoiceId(context.ids.derived(*of, str(generation))) for generation in count())
    return next(invoice_id for invoice_id in ids if invoice_id not in context.store.invoices)


def settle(context: Context, charges: Iterable[Charge], invoice_id: InvoiceId) -> None:
    """Note which invoice billed these charges."""
    for charge in charges:
        context.store.settled.put(charge.id, invoice_id)


def store_invoice(context: Context, invoice: Invoice) -> Invoice:
    """Put a new invoice and return it as stored. A true-up may have waited for it."""
    stored = msgspec.structs.replace(invoice, sequence=len(context.store.invoices) + 1)
    context.store.invoices.put(stored.id, stored)
    if stored.period is not None:
        reschedule_true_ups(context, stored.customer_id)
    return stored
