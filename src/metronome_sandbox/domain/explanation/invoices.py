"""An invoice with its reasons, put together from those of its parts."""

from __future__ import annotations

from metronome_sandbox.domain.explanation.balances import explained_balances
from metronome_sandbox.domain.explanation.explained import Explanation
from metronome_sandbox.domain.explanation.lines import explained_line
from metronome_sandbox.domain.explanation.notes import notes_on
from metronome_sandbox.domain.explanation.periods import why_period
from metronome_sandbox.domain.explanation.surroundings import Surroundings
from metronome_sandbox.domain.invoices import Invoice


def explain(invoice: Invoice, around: Surroundings) -> Explanation:
    """Return why an invoice says what it says."""
    balances = explained_balances(invoice, around)
    queued = {each.segment_id: each for each in balances}
    return Explanation(
        invoice,
        None if invoice.period is None else why_period(invoice, invoice.period, around.contract),
        tuple(explained_line(invoice, index, around, queued) for index in range(len(invoice.lines))),
        balances,
        tuple(notes_on(invoice, around)),
    )
