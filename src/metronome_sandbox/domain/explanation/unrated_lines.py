"""Why lines without a rate are there: payments, charges, conversions, and what balances take off."""

from __future__ import annotations

from collections.abc import Callable

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.explanation.surroundings import Surroundings, paying_balance
from metronome_sandbox.domain.explanation.words import KINDS, called, day, pays, shown
from metronome_sandbox.domain.invoices import Invoice, LineItem, LineType, TermKind


def _why_applied(invoice: Invoice, index: int, around: Surroundings) -> str:
    balance = paying_balance(invoice.lines[index], around)
    kind = "commit or credit" if balance is None else KINDS[balance.type]
    if balance is not None and balance.type is BalanceType.POSTPAID:
        return (
            f"Shows that line {index - 1} counts for a postpaid commit. What it counts is billed, so this is no part "
            "of the total."
        )
    return f"Takes line {index - 1} off the invoice, since a {kind} pays for it."


def _why_conversion(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    unit = "custom units"
    if line.converted_credit_type_id is not None:
        unit = around.unit_names[line.converted_credit_type_id]
    worth = (
        f"{shown(line.quantity or ZERO)} {unit} that no balance in this unit paid for, at "
        f"{shown(line.unit_price or ZERO)}, what the rate card says one is worth."
    )
    balance = paying_balance(line, around)
    if balance is None:
        return worth
    return f"{worth} {pays(balance, 'them', around.book.products)}"


def _why_purchase(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    balance = paying_balance(line, around)
    name = line.name if balance is None else called(balance, around.book.products)
    if balance is not None and balance.type is BalanceType.POSTPAID:
        return f"What usage did not come to of {name}{_shortfall(line)}, {_when(invoice, around)}."
    return f"A payment of {name}{_product(line)}, {_when(invoice, around)}."


def _shortfall(line: LineItem) -> str:
    """Return how a true-up comes to its total; nothing where the line has no note of it, or is another sum now."""
    noted = line.shortfall
    if noted is None or noted.missing != line.total:
        return ""
    moved = f" less {shown(noted.rolled_over)} rolled over" if noted.rolled_over else ""
    return f": {shown(noted.committed)} committed less {shown(noted.used)} used{moved} is {shown(line.total)}"


TERMS = {
    TermKind.SCHEDULED_CHARGE: "A scheduled charge",
    TermKind.DISCOUNT: "A discount",
    TermKind.PROFESSIONAL_SERVICE: "A professional service, invoiced on request",
}


def _why_scheduled(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    what = "A charge" if line.term is None else TERMS[line.term.kind]
    return f"{what}{_product(line)}, {_when(invoice, around)}."


def _product(line: LineItem) -> str:
    if line.quantity is None or line.unit_price is None or line.quantity == 1:
        return ""
    return f" ({shown(line.quantity)} times {shown(line.unit_price)})"


def _when(invoice: Invoice, around: Surroundings) -> str:
    """Return why a charge is on this invoice."""
    if invoice.period is not None:
        return (
            f"due on {day(invoice.period.ending_before)}, the day the period ends, where the contract bills charges "
            "with usage"
        )
    if invoice.id in around.contract.issue_dates:
        return f"on an invoice whose date was moved to {day(invoice.issued_at)}"
    return f"due on {day(invoice.issued_at)} by its schedule"


def _why_other(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    if line.quantity is None or line.unit_price is None:
        return f"{line.name}, as the contract says."
    words = f"{shown(line.quantity)} at {shown(line.unit_price)}."
    balance = paying_balance(line, around)
    if balance is None:
        return words
    return f"{words} {pays(balance, 'it', around.book.products)}"


class _Whys(dict[LineType, Callable[[Invoice, int, Surroundings], str]]):
    """What tells a line without a rate; a type without a row is told by its figures alone."""

    def __missing__(self, _: LineType) -> Callable[[Invoice, int, Surroundings], str]:
        return _why_other


WHY = _Whys(
    {
        LineType.APPLIED_COMMIT_OR_CREDIT: _why_applied,
        LineType.CPU_CONVERSION: _why_conversion,
        LineType.COMMIT_PURCHASE: _why_purchase,
        LineType.SCHEDULED: _why_scheduled,
    }
)
