"""What subscriptions bill, as charges of their contract.

A subscription may have no end, so its charges are known up to a horizon that moves on with the clock: all of them in
the billing periods that have begun, and the next one after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.invoicing import subscription_line
from metronome_sandbox.domain.periods import BoundedPeriod, boundary, next_billing_period, number_at
from metronome_sandbox.domain.rating import Part, PriceBook
from metronome_sandbox.domain.subscription_billing import Due, dues, subscription_part
from metronome_sandbox.domain.subscriptions import Collection, InvoicePlacement, Subscription
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.pricing import fiat_credit_type, price_book

INSTANT = timedelta(microseconds=1)


class Billed(msgspec.Struct, frozen=True):
    """What a subscription bills, with the invoice that did."""

    due: Due
    invoice: Invoice


def subscriptions(context: Context, contract: Contract) -> Iterator[Charge]:
    """Yield what the subscriptions of a contract bill, as far as it is known."""
    if not contract.subscriptions:
        return
    book, until = price_book(context, contract), known_until(context, contract)
    for subscription in contract.subscriptions:
        yield from _charges(context, contract, book, known(contract, subscription, until))


def _charges(context: Context, contract: Contract, book: PriceBook, found: Iterable[Due]) -> Iterator[Charge]:
    unit = fiat_credit_type(context, contract)
    for due in found:
        part = subscription_part(contract, book, due)
        if part is not None:
            line = subscription_line(part, book)
            yield Charge(charge_id(context, due), contract.id, due.collected_at, unit, line, part=part)


def charge_id(context: Context, due: Due) -> str:
    """Return the id of what a subscription bills, the same whenever it is computed."""
    of = (due.subscription.id, due.starting_at.isoformat(), str(due.number))
    return context.ids.derived("subscription charge", *of)


def billed(context: Context, contract: Contract, subscription: Subscription) -> dict[tuple[datetime, int], Billed]:
    """Return what final invoices have billed of a subscription, by its start and number."""
    store, found = context.store, dict[tuple[datetime, int], Billed]()
    for due in known(contract, subscription, known_until(context, contract)):
        invoice_id = store.settled.get(charge_id(context, due))
        invoice = None if invoice_id is None else store.invoices[invoice_id]
        if invoice is not None and invoice.status is InvoiceStatus.FINALIZED:
            found[due.starting_at, due.number] = Billed(due, invoice)
    return found


def known(contract: Contract, subscription: Subscription, until: datetime) -> Iterator[Due]:
    """Yield what a subscription bills for times that begin until an instant, and for the one after.

    Assumed: what falls due before the system makes the contract's invoices is billed elsewhere, as usage is.
    [A-subscription-generation]
    """
    first = contract.statement_schedule.generation_starting_at
    for due in dues(contract, subscription):
        is_elsewhere = first is not None and due.starting_at < first and due.collected_at <= first
        if not is_elsewhere:
            yield due
        if due.starting_at > until:
            return


def known_until(context: Context, contract: Contract) -> datetime:
    """Return the end of the billing period that now is in; of the contract's first one before it starts."""
    schedule = contract.statement_schedule
    return boundary(schedule, number_at(schedule, max(context.now, contract.starting_at)) + 1)


def horizon(context: Context, contract: Contract) -> datetime | None:
    """Return when to look for further charges of a contract's subscriptions; None when all of them are known."""
    if contract.archived_at is not None:
        return None
    until = known_until(context, contract)
    ends = [subscription.during(contract.period).ending_before for subscription in contract.subscriptions]
    return until if any(end is None or end > until for end in ends) else None


def goes_on_usage(contract: Contract, charge: Charge) -> bool:
    """Whether a charge of a subscription waits for a usage invoice that the system makes and that is not final yet.

    Source: SDK, field ``invoice_placement``; schema ``InvoiceType`` of the reference, section 2.3, for scheduled ones.
    Assumed: what is billed in arrears goes on the invoice of the period in which it falls due; what is billed in
    advance on the one whose period ends just then, and otherwise on a scheduled invoice of its date.
    [A-subscription-invoice]
    """
    if charge.part is None or charge.part.subscription is None:
        return False
    subscription = next(each for each in contract.subscriptions if each.id == charge.part.subscription.id)
    if subscription.placement is InvoicePlacement.ON_SCHEDULED_INVOICE:
        return False
    just_before = max(contract.generated_until, charge.timestamp - INSTANT)
    period = next_billing_period(contract.statement_schedule, contract.period, just_before)
    if period is None or period.starting_at >= charge.timestamp:
        return False
    is_late = subscription.collection is Collection.ARREARS or charge.timestamp == charge.part.ending_before
    return is_late or period.ending_before == charge.timestamp


def paid_during(parts: Sequence[Part]) -> BoundedPeriod:
    """Return the time that holds every instant at which a balance has to be open to pay for one of these parts."""
    return BoundedPeriod(min(part.paid_at for part in parts), max(part.paid_at for part in parts) + INSTANT)
