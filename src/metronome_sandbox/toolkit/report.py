"""What a run found, for a person, for CI and for another program."""

from __future__ import annotations

from dataclasses import dataclass

from metronome_sandbox.spec.validation import Finding
from metronome_sandbox.toolkit.checks import Blame
from metronome_sandbox.toolkit.target import Exchange


@dataclass(frozen=True, slots=True)
class Failure:
    """One finding, where it was met, and the calls that lead to it."""

    suite: str
    case: str
    operation_id: str
    finding: Finding
    blame: Blame
    exchanges: tuple[Exchange, ...]
