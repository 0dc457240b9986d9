"""What became of each override on a line, and why."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.explanation.explained import ExplainedOverride
from metronome_sandbox.domain.explanation.scopes import override_scope
from metronome_sandbox.domain.explanation.surroundings import Surroundings, paying_balance, target_of
from metronome_sandbox.domain.explanation.unit_prices import BASES
from metronome_sandbox.domain.explanation.words import called, day, shown
from metronome_sandbox.domain.invoices import LineItem
from metronome_sandbox.domain.overrides import Choice, Override, OverrideTarget, OverrideType, Prioritization

WON, LOST, NOT_APPLICABLE = "won", "lost", "not applicable"


def explained_overrides(line: LineItem, choice: Choice, around: Surroundings) -> list[ExplainedOverride]:
    """Return what became of every override of the contract, and of those it had when the invoice was made."""
    winner = None if choice.winner is None else around.overrides.get(choice.winner)
    considered = [each for each in around.overrides.values() if each.id in choice.considered and each.type is not None]
    known = [each.id for each in around.contract.overrides]
    gone = [override_id for override_id in choice.considered if override_id not in known]
    found: list[ExplainedOverride] = []
    for override_id in (*known, *gone):
        override = around.overrides.get(override_id)
        if override is None:
            decision = WON if override_id == choice.winner else LOST
            found.append(ExplainedOverride(override_id, None, decision, "The contract has it no longer."))
            continue
        if override.type is None:
            decision, why = NOT_APPLICABLE, "It sets no price, only whether a product may be used."
        elif override_id == choice.winner:
            decision, why = WON, _why_won(override, considered, around)
        elif override_id in choice.considered and winner is not None:
            decision, why = LOST, _why_lost(override, winner, around)
        else:
            decision, why = NOT_APPLICABLE, _why_not_applicable(override, line, choice, around)
        found.append(ExplainedOverride(override_id, override.type, decision, why))
    return found


def _why_won(override: Override, considered: Sequence[Override], around: Surroundings) -> str:
    rivals = [each for each in considered if each.is_commit_specific is override.is_commit_specific]
    beaten = len(considered) - len(rivals)
    first = "It is for what a commit or credit pays, and goes before those for the whole contract. " if beaten else ""
    if len(rivals) == 1:
        return f"{first}{'No other one is like it.' if beaten else 'The only one for this line.'}"
    if override.type is OverrideType.OVERWRITE:
        overwrites = [each for each in rivals if each.type is OverrideType.OVERWRITE]
        if len(overwrites) == 1:
            return f"{first}An overwrite goes before multipliers."
        return f"{first}Of {len(overwrites)} overwrites the one added last."
    if around.contract.prioritization is Prioritization.EXPLICIT:
        return f"{first}The smallest of {len(rivals)} priorities, {shown(override.priority or ZERO)}."
    return f"{first}The smallest of {len(rivals)} multipliers, {shown(_weight(override))}."


def _why_lost(override: Override, winner: Override, around: Surroundings) -> str:
    if winner.is_commit_specific and not override.is_commit_specific:
        return "One for what a commit or credit pays goes before it."
    if winner.type is OverrideType.OVERWRITE:
        if override.type is OverrideType.OVERWRITE:
            return "Another overwrite was added after it."
        return "An overwrite goes before it."
    if around.contract.prioritization is Prioritization.EXPLICIT:
        mine, other = override.priority or ZERO, winner.priority or ZERO
        if mine == other:
            return f"Another one with the same priority {shown(mine)} was added after it."
        return f"Its priority {shown(mine)} comes after {shown(other)}."
    mine, other = _weight(override), _weight(winner)
    if mine == other:
        return f"Another one with the same multiplier {shown(mine)} was added after it."
    return f"Its multiplier {shown(mine)} is larger than {shown(other)}."


def _weight(override: Override) -> Decimal:
    """Return the multiplier that an override competes with; a tiered one stands for 1."""
    return Decimal(1) if override.multiplier is None else override.multiplier


def _why_not_applicable(override: Override, line: LineItem, choice: Choice, around: Surroundings) -> str:
    """Return the first thing that keeps an override from a line."""
    starting_at = line.starting_at
    if starting_at is not None and starting_at not in override.period:
        until = "" if override.ending_before is None else f" until {day(override.ending_before)}"
        return f"It is in force from {day(override.starting_at)}{until}, and the line starts on {day(starting_at)}."
    target = target_of(line, around)
    if not override.concerns(target):
        return f"It is for {override_scope(override, around)}."
    balance = paying_balance(line, around)
    if override.is_commit_specific:
        if balance is None:
            return "It is for what a commit or credit pays, and none pays for this line."
        if not override.concerns(target, balance.names):
            return f"It is for {override_scope(override, around)}, and {called(balance, around.book.products)} pays."
        if override.target is not choice.base:
            return f"It changes the {BASES[override.target]}, and this line starts from the {BASES[choice.base]}."
    elif choice.base is OverrideTarget.COMMIT_RATE:
        return "It is for the list rate, and a commit rate is changed only by overrides for what a balance pays."
    return "It was not there, or not for this line, when the invoice was made."
