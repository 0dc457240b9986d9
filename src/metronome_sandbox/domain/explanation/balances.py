"""Why balances are spent in their order, and why one pays for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, Segment
from metronome_sandbox.domain.explanation.explained import ExplainedBalance
from metronome_sandbox.domain.explanation.scopes import balance_scope
from metronome_sandbox.domain.explanation.surroundings import Surroundings, target_of
from metronome_sandbox.domain.explanation.words import counted, day, name_of, shown
from metronome_sandbox.domain.ids import CreditTypeId
from metronome_sandbox.domain.invoices import Invoice, LineItem, LineType
from metronome_sandbox.domain.spending_order import SpendingOrder
from metronome_sandbox.domain.trace import QueuedSegment

Words = Callable[[SpendingOrder], str]


class _Step(msgspec.Struct, frozen=True, gc=False):
    """A place of the key that segments are sorted by.

    Attributes:
        name: Of the step, as people may look it up.
        words: What a segment has there.
        numbers: Of the published step in its three columns: rollovers, prepaid commits and credits, postpaid commits.
    """

    name: str
    words: Words
    numbers: tuple[int | None, int | None, int | None] = (None, None, None)


GROUPS = ("a rollover", "a prepaid commit or credit", "a postpaid commit")

STEPS: tuple[_Step, ...] = (
    _Step("kind", lambda key: GROUPS[key[0]]),
    _Step("type", lambda key: "prepaid or credit" if key[1] else "postpaid", (1, None, None)),
    _Step("priority", lambda key: shown(key[2]), (2, 1, 1)),
    _Step("cost basis", lambda key: "paid" if key[3] else "free", (None, 2, 2)),
    _Step("applicable products", lambda key: counted(key[4], "product"), (3, 3, 3)),
    _Step("usage applicability", lambda key: f"{counted(key[5], 'specifier')} with group values", (4, 4, None)),
    _Step("end", lambda key: day(key[6]), (5, 5, 4)),
    _Step("start", lambda key: day(key[7]), (None, 6, 5)),
    _Step("applicable contracts", lambda key: counted(key[8], "contract"), (None, 7, 6)),
    _Step("creation", lambda key: f"no. {key[9]}"),
    _Step("id", lambda key: key[10]),
)
"""In the order of :func:`~metronome_sandbox.domain.spending_order.spending_order`. Source: reference section 3.7."""


def deciding_step(mine: SpendingOrder, other: SpendingOrder) -> str:
    """Return the first step that tells two neighbours apart: ``step 1, priority: 50 against 100``."""
    place = next(place for place, (one, another) in enumerate(zip(mine, other, strict=True)) if one != another)
    step = STEPS[place]
    number = step.numbers[mine[0]] if mine[0] == other[0] else None
    which = step.name if number is None else f"step {number}, {step.name}"
    return f"{which}: {step.words(mine)} against {step.words(other)}"


def explained_balances(invoice: Invoice, around: Surroundings) -> tuple[ExplainedBalance, ...]:
    """Return the balances that were open to the contract, in the order of spending."""
    if invoice.trace is None:
        return ()
    queue = invoice.trace.queue
    drawn = {draw.segment_id: draw.amount for draw in invoice.draws}
    found: list[ExplainedBalance] = []
    for place, queued in enumerate(queue):
        balance = around.balances[queued.balance_id]
        taken = drawn.get(queued.segment_id, ZERO)
        reasons = _place_in(queue, place, around)
        if not taken:
            reasons.append(_why_nothing(invoice, queued, balance, around))
        elif balance.type is BalanceType.POSTPAID:
            reasons.append("What it counts is billed all the same.")
        found.append(
            ExplainedBalance(
                queued.balance_id,
                queued.segment_id,
                name_of(balance, around.book.products),
                balance.type,
                balance.credit_type_id,
                place + 1,
                " ".join(reasons),
                queued.before,
                taken,
                tuple(
                    index
                    for index, line in enumerate(invoice.lines)
                    if line.type is not LineType.APPLIED_COMMIT_OR_CREDIT
                    and line.applied is not None
                    and line.applied.segment_id == queued.segment_id
                ),
            )
        )
    return tuple(found)


def _place_in(queue: Sequence[QueuedSegment], place: int, around: Surroundings) -> list[str]:
    """Return what stands between a segment and its neighbours."""
    mine = queue[place]
    found: list[str] = []
    for word, other_place in (("After", place - 1), ("Before", place + 1)):
        other = queue[other_place] if 0 <= other_place < len(queue) else None
        if other is None or mine.order is None or other.order is None:
            continue
        is_same = other.balance_id == mine.balance_id
        name = "its other segment" if is_same else name_of(around.balances[other.balance_id], around.book.products)
        found.append(f"{word} {name} by {deciding_step(mine.order, other.order)}.")
    return found or ["The only one that is open to the contract in the period."]


def _why_nothing(invoice: Invoice, queued: QueuedSegment, balance: Balance, around: Surroundings) -> str:
    """Return why a segment paid for nothing."""
    if queued.before <= 0:
        return "Nothing was left of it."
    payable = [line for line in invoice.lines if line.pricing is not None and line.product_id is not None]
    if not payable:
        return "There is nothing to pay for."
    unit = balance.credit_type_id
    in_unit = [line for line in payable if unit in (_unit(invoice, line), invoice.credit_type_id)]
    if not in_unit:
        return f"It counts in {around.unit_names[unit]}, and no line does."
    meant = [line for line in in_unit if balance.covers(target_of(line, around))]
    if not meant:
        return f"It is for {balance_scope(balance, around)}, and no line is."
    place = {each.segment_id: number for number, each in enumerate(invoice.trace.queue if invoice.trace else ())}
    # What another one covers had its price, also where that other one makes it free.
    lines = [line for line in meant if line.total or line.applied is not None] or meant
    segment = balance.segment(queued.segment_id)
    if segment is not None:
        open_lines = [line for line in lines if _is_open(segment, line)]
        if not open_lines:
            return _why_closed(segment, lines, meant)
        lines = open_lines
    are_paid_before = all(
        line.applied is not None
        and line.applied.segment_id in place
        and place[line.applied.segment_id] < place[queued.segment_id]
        for line in lines
    )
    if are_paid_before:
        are_counted = all(line.applied is not None and line.applied.type is BalanceType.POSTPAID for line in lines)
        return f"What it is for is {'counted' if are_counted else 'paid for'} by others before it."
    return "At the price that it pays, what it is for costs nothing."


def _is_open(segment: Segment, line: LineItem) -> bool:
    at = line.starting_at if line.subscription is None else line.subscription.paid_at
    return at is not None and at in segment.period


def _why_closed(segment: Segment, lines: Sequence[LineItem], meant: Sequence[LineItem]) -> str:
    """Return that none of the lines is in the time of a segment; others that it is ``meant`` for may be."""
    verb = "starts"
    if any(line.subscription is not None for line in lines):
        is_alone = all(line.subscription is not None for line in lines)
        verb = "is billed" if is_alone else "starts, or is billed for a subscription,"
    which = "that it is for"
    if any(_is_open(segment, line) for line in meant):
        which = "that it is for and that costs something"
    return (
        f"It is open from {day(segment.starting_at)} until {day(segment.ending_before)}, and no line {which} {verb} in "
        "this time."
    )


def _unit(invoice: Invoice, line: LineItem) -> CreditTypeId:
    return line.credit_type_id or invoice.credit_type_id
