"""Why a billing period begins and ends where it does."""

from __future__ import annotations

from datetime import datetime, timedelta

from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.explanation.words import day
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.periods import BoundedPeriod, Period, next_billing_period


def why_period(invoice: Invoice, period: BoundedPeriod, contract: Contract) -> str:
    """Return why a billing period begins and ends where it does. Source: reference section 2.5."""
    if invoice.is_imported:
        return "The import asked for this period."
    schedule = contract.statement_schedule
    boundaries = f"{schedule.frequency} periods counted from {day(schedule.anchor)}"
    start, end = period.starting_at, period.ending_before
    if start == schedule.generation_starting_at:
        begins = f"It begins on {day(start)}, from when on the system makes the contract's invoices"
    elif start == contract.starting_at:
        begins = f"It begins with the contract on {day(start)}"
    elif _is_boundary(contract, start):
        begins = f"It begins on {day(start)}, a boundary of {boundaries}"
    else:
        begins = f"It begins on {day(start)}, where the invoice before ended"
    if end == contract.ending_before:
        return f"{begins}, and ends with the contract on {day(end)}."
    if _is_boundary(contract, end):
        of = "the next one" if "boundary" in begins else f"the next boundary of {boundaries}"
        return f"{begins}, and ends on {day(end)}, {of}."
    return f"{begins}, and ends on {day(end)}, where the contract ended when the invoice was made."


def _is_boundary(contract: Contract, instant: datetime) -> bool:
    just_before = instant - timedelta(microseconds=1)
    period = next_billing_period(contract.statement_schedule, Period(just_before), just_before)
    return period is not None and period.ending_before == instant
