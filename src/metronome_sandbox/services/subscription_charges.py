"""What subscriptions bill, as charges of their contract.

A subscription may have no end, so its charges are known up to a horizon that moves on as time passes: all of them in
the billing periods that have begun, and the next one after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from metronome_sandbox.domain.charges import Charge
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.invoicing import subscription_line
from metronome_sandbox.domain.periods import BoundedPeriod, boundary, next_billing_period, number_at
from metronome_sandbox.domain.rating import Part
from metronome_sandbox.domain.subscription_billing import Due, dues, subscription_part
from metronome_sandbox.domain.subscriptions import Collection, InvoicePlacement, Subscription
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.pricing import fiat_credit_type, price_book

INSTANT = timedelta(microseconds=1)


class Billed(msgspec.Struct, frozen=True):
    """What a subscription bills, with the invoice that did."""

    due: Due
    invoice: Invoice


class KnownDues:
    """What one subscription bills from its start on, as far as somebody asked. Mutable: it grows as time passes.

    Whole histories are looked through for what is not billed, again and again as time passes; so they are kept. Any
    change of what they come from makes other values, and with them another one of these.
    """

    def __init__(self, context: Context, contract: Contract, subscription: Subscription) -> None:
        self._made_of = subscription, contract.statement_schedule
        self._period = contract.period
        self._following = dues(contract, subscription)
        self._ids = context.ids
        self._found: list[tuple[str, Due]] = []

    def are_of(self, contract: Contract, subscription: Subscription) -> bool:
        """Whether they still come from these."""
        known, schedule = self._made_of
        return known is subscription and schedule is contract.statement_schedule and self._period == contract.period

    def until(self, instant: datetime) -> Iterator[tuple[str, Due]]:
        """Yield what is billed for times that begin until an instant, and for the one after; each with its id."""
        place = 0
        while place < len(self._found) or self._grow():
            yield self._found[place]
            if self._found[place][1].starting_at > instant:
                return
            place += 1

    def _grow(self) -> bool:
        due = next(self._following, None)
        if due is None:
            return False
        of = (due.subscription.id, due.starting_at.isoformat(), str(due.number))
        self._found.append((self._ids.derived("subscription charge", *of), due))
        return True


KEPT = 1000


def _known(context: Context, contract: Contract, subscription: Subscription) -> Iterator[tuple[str, Due]]:
    """Yield what a subscription bills, as far as it is known, each with the id of its charge.

    Assumed: what falls due before the system makes the contract's invoices is billed elsewhere, as usage is.
    [A-subscription-generation]
    """
    known = context.dues.get(subscription.id)
    if known is None or not known.are_of(contract, subscription):
        if len(context.dues) >= KEPT:
            context.dues.clear()
        known = context.dues[subscription.id] = KnownDues(context, contract, subscription)
    first = contract.statement_schedule.generation_starting_at
    for charge_id, due in known.until(_known_until(contract)):
        is_elsewhere = first is not None and due.starting_at < first and due.collected_at <= first
        if not is_elsewhere:
            yield charge_id, due


def subscriptions(context: Context, contract: Contract, wanted: Callable[[str], bool]) -> Iterator[Charge]:
    """Yield what the subscriptions of a contract bill, as far as it is known.

    Args:
        wanted: Says of the id of a charge whether it is asked for; what is not is not priced.
    """
    if not contract.subscriptions:
        return
    book, unit = price_book(context, contract), fiat_credit_type(context, contract)
    for subscription in contract.subscriptions:
        for charge_id, due in _known(context, contract, subscription):
            part = subscription_part(contract, book, due) if wanted(charge_id) else None
            if part is not None:
                line = subscription_line(part, book)
                yield Charge(charge_id, contract.id, due.collected_at, unit, line, part=part)


def billed(context: Context, contract: Contract, subscription: Subscription) -> dict[tuple[datetime, int], Billed]:
    """Return what final invoices have billed of a subscription, by its start and number."""
    store, found = context.store, dict[tuple[datetime, int], Billed]()
    for charge_id, due in _known(context, contract, subscription):
        invoice_id = store.settled.get(charge_id)
        invoice = None if invoice_id is None else store.invoices[invoice_id]
        if invoice is not None and invoice.status is InvoiceStatus.FINALIZED:
            found[due.starting_at, due.number] = Billed(due, invoice)
    return found


def _known_until(contract: Contract) -> datetime:
    """Return the end of the billing period up to which charges are known."""
    if contract.charges_known_until is not None:
        return contract.charges_known_until
    return _next_boundary(contract, contract.starting_at)


def _next_boundary(contract: Contract, instant: datetime) -> datetime:
    schedule = contract.statement_schedule
    return boundary(schedule, number_at(schedule, instant) + 1)


def looking_further(contract: Contract) -> Contract:
    """Return a contract that knows the charges of its subscriptions for one billing period more."""
    return msgspec.structs.replace(contract, charges_known_until=_next_boundary(contract, _known_until(contract)))


def horizon(contract: Contract) -> datetime | None:
    """Return when to look for further charges of a contract's subscriptions; None when all of them are known."""
    if contract.archived_at is not None or not contract.subscriptions:
        return None
    until = _known_until(contract)
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
