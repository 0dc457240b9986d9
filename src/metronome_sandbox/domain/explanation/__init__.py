"""Why an invoice says what it says, told from what pricing noted.

Every figure is one that made the invoice: of a line, of a draw, or of the notes in
:mod:`~metronome_sandbox.domain.trace`. Only sentences are made here, and where a sentence tells an arithmetic, it is
told only if it leads to the figure. Names and targets are as they are now; what no longer leads to the figures of a
final invoice is said in a note.
"""

from metronome_sandbox.domain.explanation.explained import (
    ExplainedBalance,
    ExplainedLine,
    ExplainedOverride,
    Explanation,
)
from metronome_sandbox.domain.explanation.invoices import explain
from metronome_sandbox.domain.explanation.surroundings import Surroundings

__all__ = ["ExplainedBalance", "ExplainedLine", "ExplainedOverride", "Explanation", "Surroundings", "explain"]
