"""Why an invoice says what it says, told from what pricing noted.

Every figure is one that made the invoice: of a line, of a draw, or of the notes in
:mod:`~metronome_sandbox.domain.trace`. Only sentences are made here, and where a sentence tells an arithmetic, it is
told only if it leads to the figure. Names and targets are as they are now; what no longer leads to the figures of a
final invoice is said in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal

import msgspec

from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import ENDLESS, Balance, BalanceType, OpenSegment, SpendingOrder
from metronome_sandbox.domain.catalog import Product, ProductType
from metronome_sandbox.domain.composite import composites_on_offer
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import BalanceId, CreditTypeId, GroupValues, OverrideId, ProductId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, LineItem, LineType, TermKind
from metronome_sandbox.domain.invoicing import build_invoice
from metronome_sandbox.domain.lookups import Lookup
from metronome_sandbox.domain.overrides import (
    Choice,
    Override,
    OverrideTarget,
    OverrideType,
    Prioritization,
    overridden,
)
from metronome_sandbox.domain.periods import BoundedPeriod, Period, next_billing_period
from metronome_sandbox.domain.rate_cards import PERCENTAGES, Price, RateType
from metronome_sandbox.domain.rating import PriceBook
from metronome_sandbox.domain.subscription_billing import parts_behind
from metronome_sandbox.domain.subscriptions import Collection, Share, Subscription
from metronome_sandbox.domain.targeting import Specifier, Target
from metronome_sandbox.domain.trace import Measure, Pricing, QueuedSegment


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What an invoice's ids stand for.

    Attributes:
        overrides: All that the contract has, in the order they were added, then those it had once.
        balances: As they stand now.
        unit_names: Of credit types.
    """

    contract: Contract
    book: PriceBook
    rate_card_name: str
    overrides: Mapping[OverrideId, Override]
    balances: Mapping[BalanceId, Balance]
    unit_names: Mapping[CreditTypeId, str]


class ExplainedOverride(msgspec.Struct, frozen=True, gc=False):
    """What became of one override on one line; ``decision`` is a word of the contract document."""

    id: OverrideId
    type: OverrideType | None
    decision: str
    why: str


class ExplainedLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the invoice with its reasons.

    Attributes:
        rate_source: Where the rate stands; None on a line without one.
        measure: How its quantity was converted and rounded, with that of its group.
        cover_why: Why its balance pays for it; None where none does.
    """

    line: LineItem
    why: str
    overrides: tuple[ExplainedOverride, ...] = ()
    rate_source: str | None = None
    measure: Measure | None = None
    cover_why: str | None = None


class ExplainedBalance(msgspec.Struct, frozen=True, gc=False):
    """One segment in the order of spending.

    Attributes:
        order: From 1.
        drawn, left: Of ``before``, by this invoice.
        lines: Indexes of the lines that it pays for.
    """

    balance_id: BalanceId
    segment_id: SegmentId
    name: str
    type: BalanceType
    credit_type_id: CreditTypeId
    order: int
    why: str
    before: Decimal
    drawn: Decimal
    lines: tuple[int, ...]

    @property
    def left(self) -> Decimal:
        """What the segment has after the invoice."""
        return self.before - self.drawn


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """An invoice with its reasons."""

    invoice: Invoice
    period_why: str | None
    lines: tuple[ExplainedLine, ...]
    balances: tuple[ExplainedBalance, ...]
    notes: tuple[str, ...]


def explain(invoice: Invoice, around: Surroundings) -> Explanation:
    """Return why an invoice says what it says."""
    balances = _balances(invoice, around)
    queued = {each.segment_id: each for each in balances}
    return Explanation(
        invoice,
        None if invoice.period is None else _why_period(invoice, invoice.period, around.contract),
        tuple(_line(invoice, index, around, queued) for index in range(len(invoice.lines))),
        balances,
        tuple(_notes(invoice, around)),
    )


# --- words

_FIFTEEN_DIGITS = Context(prec=15)


def shown(value: Decimal) -> str:
    """Return a number as people write it, with the digits that answers have."""
    if value != value.to_integral_value():
        value = _FIFTEEN_DIGITS.plus(value).normalize()
    return f"{value.normalize():f}" if value else "0"


def day(instant: datetime) -> str:
    """Return ``1 June 2024``, with the time of day where it is not midnight."""
    time = f", {instant:%H:%M} UTC" if instant.hour or instant.minute or instant.second else ""
    return f"{instant.day} {instant:%B %Y}{time}"


def _counted(number: int, noun: str) -> str:
    if number == ENDLESS:
        return f"all {noun}s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _joined(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


KINDS = {
    BalanceType.PREPAID: "prepaid commit",
    BalanceType.POSTPAID: "postpaid commit",
    BalanceType.CREDIT: "credit",
}


def _name(balance: Balance, products: Lookup[ProductId, Product]) -> str:
    return balance.name or products[balance.product_id].name


def _called(balance: Balance, products: Lookup[ProductId, Product]) -> str:
    kind = "credit" if balance.type is BalanceType.CREDIT else "commit"
    return f"the {kind} {_name(balance, products)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- the period


def _why_period(invoice: Invoice, period: BoundedPeriod, contract: Contract) -> str:
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


# --- balances

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
    _Step("applicable products", lambda key: _counted(key[4], "product"), (3, 3, 3)),
    _Step("usage applicability", lambda key: f"{_counted(key[5], 'specifier')} with group values", (4, 4, None)),
    _Step("end", lambda key: day(key[6]), (5, 5, 4)),
    _Step("start", lambda key: day(key[7]), (None, 6, 5)),
    _Step("applicable contracts", lambda key: _counted(key[8], "contract"), (None, 7, 6)),
    _Step("creation", lambda key: f"no. {key[9]}"),
    _Step("id", lambda key: key[10]),
)
"""In the order of :func:`~metronome_sandbox.domain.balances.spending_order`. Source: reference section 3.7."""


def deciding_step(mine: SpendingOrder, other: SpendingOrder) -> str:
    """Return the first step that tells two neighbours apart: ``step 1, priority: 50 against 100``."""
    place = next(place for place, (one, another) in enumerate(zip(mine, other, strict=True)) if one != another)
    step = STEPS[place]
    number = step.numbers[mine[0]] if mine[0] == other[0] else None
    which = step.name if number is None else f"step {number}, {step.name}"
    return f"{which}: {step.words(mine)} against {step.words(other)}"


def _balances(invoice: Invoice, around: Surroundings) -> tuple[ExplainedBalance, ...]:
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
                _name(balance, around.book.products),
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
        name = "its other segment" if is_same else _name(around.balances[other.balance_id], around.book.products)
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
    meant = [line for line in in_unit if balance.covers(_target(line, around))]
    if not meant:
        return f"It is for {_scope(balance, around)}, and no line is."
    segment = balance.segment(queued.segment_id)
    if segment is not None:
        open_lines = [line for line in meant if (at := _paid_at(line)) is not None and at in segment.period]
        if not open_lines:
            return (
                f"It is open from {day(segment.starting_at)} until {day(segment.ending_before)}, and no line that it "
                "is for starts in this time."
            )
        meant = open_lines
    place = {each.segment_id: number for number, each in enumerate(invoice.trace.queue if invoice.trace else ())}
    costing = [line for line in meant if line.total]
    before = [line for line in costing if line.applied is not None and line.applied.segment_id in place]
    if (
        costing
        and len(before) == len(costing)
        and all(
            place[line.applied.segment_id] < place[queued.segment_id]
            for line in before
            if line.applied is not None and line.applied.segment_id is not None
        )
    ):
        return "What it is for is paid for by others before it."
    return "At the price that it pays, what it is for costs nothing."


def _paid_at(line: LineItem) -> datetime | None:
    return line.starting_at if line.subscription is None else line.subscription.paid_at


def _unit(invoice: Invoice, line: LineItem) -> CreditTypeId:
    return line.credit_type_id or invoice.credit_type_id


def _target(line: LineItem, around: Surroundings) -> Target:
    assert line.product_id is not None
    product = around.book.products[line.product_id]
    version = product if line.starting_at is None else product.at(line.starting_at)
    subscription = _subscription(line, around)
    frequency = None if subscription is None else subscription.frequency
    return Target(version, line.pricing_group_values, line.presentation_group_values, frequency)


def _subscription(line: LineItem, around: Surroundings) -> Subscription | None:
    if line.subscription is None:
        return None
    return next((each for each in around.contract.subscriptions if each.id == line.subscription.id), None)


def _scope(balance: Balance, around: Surroundings) -> str:
    """Return what a balance may pay for."""
    if balance.specifiers:
        return _joined([_specified(each, around) for each in balance.specifiers], "or")
    return _products_and_tags(balance.applicable_product_ids, balance.applicable_product_tags, around)


def _products_and_tags(ids: Sequence[ProductId], tags: Sequence[str], around: Surroundings) -> str:
    words = [_product_called(product_id, around) for product_id in ids]
    words += [f"the tag {tag}" for tag in tags]
    return _joined(words, "or") if words else "everything"


def _product_called(product_id: ProductId, around: Surroundings) -> str:
    product = around.book.products.get(product_id)
    return f"the product {product_id if product is None else product.name}"


def _specified(specifier: Specifier, around: Surroundings) -> str:
    words: list[str] = []
    if specifier.product_id is not None:
        words.append(_product_called(specifier.product_id, around))
    words += [f"the tag {tag}" for tag in specifier.product_tags]
    if specifier.pricing_group_values:
        words.append(f"pricing group values {_pairs(specifier.pricing_group_values)}")
    if specifier.presentation_group_values:
        words.append(f"presentation group values {_pairs(specifier.presentation_group_values)}")
    words += [
        f"no product with {_joined([f'the tag {tag}' for tag in tags], 'and')}" for tags in specifier.excluded_tags
    ]
    return _joined(words, "and") if words else "everything"


def _pairs(values: GroupValues) -> str:
    return ", ".join(f"{key}={value}" for key, value in values)


# --- lines


def _line(
    invoice: Invoice, index: int, around: Surroundings, queued: Mapping[SegmentId, ExplainedBalance]
) -> ExplainedLine:
    line = invoice.lines[index]
    cover = None if line.applied is None or line.applied.segment_id is None else queued.get(line.applied.segment_id)
    cover_why = None if cover is None or line.applied is None else _why_covered(invoice, index, cover)
    if line.pricing is None or line.product_id is None:
        return ExplainedLine(line, WHY[line.type](invoice, index, around), cover_why=cover_why)
    return ExplainedLine(
        line,
        _why_priced(invoice, index, line.pricing, around),
        tuple(_overrides(line, line.pricing.choice, around)),
        f"rate card {around.rate_card_name}",
        _measure(invoice, line),
        cover_why,
    )


def _measure(invoice: Invoice, line: LineItem) -> Measure | None:
    for each in () if invoice.trace is None else invoice.trace.measures:
        group = each.product_id, each.pricing_group_values, each.presentation_group_values
        is_mine = group == (line.product_id, line.pricing_group_values, line.presentation_group_values)
        if is_mine and line.starting_at is not None and line.starting_at in each.during:
            return each
    return None


def _why_covered(invoice: Invoice, index: int, cover: ExplainedBalance) -> str:
    line = invoice.lines[index]
    place = "First" if cover.order == 1 else f"Number {cover.order}"
    when = "when the line is billed" if line.subscription is not None else "at the start of the line"
    return (
        f"{place} in order, and open {when}. It pays {shown(abs(line.total))} here; of its "
        f"{shown(cover.before)} the invoice leaves {shown(cover.left)}."
    )


def _paying(line: LineItem, around: Surroundings) -> Balance | None:
    return None if line.applied is None else around.balances.get(line.applied.id)


def _why_priced(invoice: Invoice, index: int, pricing: Pricing, around: Surroundings) -> str:
    line = invoice.lines[index]
    if line.quantity is None or line.unit_price is None:
        return WHY[line.type](invoice, index, around)
    if _is_minimum(pricing):
        words = [
            f"The percentage comes to less than the minimum of {shown(line.unit_price)}, which is charged instead."
        ]
    else:
        units = "of spend" if pricing.price.rate_type in PERCENTAGES else "unit" if line.quantity == 1 else "units"
        words = [f"{shown(line.quantity)} {units} at {shown(line.unit_price)}, {_origin(line, pricing, around)}."]
        if line.tier is not None:
            start = _position(invoice, index)
            words.append(
                f"They are the units from {shown(start)} to {shown(start + line.quantity)} of the period; tier "
                f"{line.tier.level} begins above {shown(line.tier.starting_at)}."
            )
    if line.subscription is not None:
        words.append(_why_billed(line, around))
    words.append(_who_pays(invoice, index, around))
    if line.credit_type_id is not None:
        words.append("The line counts in a custom unit; what is left of it is converted into the invoice's currency.")
    return " ".join(words)


def _why_billed(line: LineItem, around: Surroundings) -> str:
    """Return which time a subscription line is for, and when it is billed."""
    assert line.starting_at is not None
    assert line.ending_before is not None
    subscription = _subscription(line, around)
    during = f"They are for the time from {day(line.starting_at)} until {day(line.ending_before)}"
    if line.quantity == 1:
        during = f"It is for the time from {day(line.starting_at)} until {day(line.ending_before)}"
    if subscription is None:
        return f"{during}."
    is_late = line.subscription is not None and line.subscription.paid_at > line.starting_at
    if is_late and subscription.collection is Collection.ADVANCE:
        return f"{during}; the quantity was raised within a period and is billed when it ends."
    return f"{during}, billed in {'arrears' if is_late else 'advance'}."


def _is_minimum(pricing: Pricing) -> bool:
    return pricing.price.rate_type is RateType.FLAT and _base(pricing).rate_type in PERCENTAGES


def _position(invoice: Invoice, index: int) -> Decimal:
    """Return how many units of the line's group the invoice has before it."""
    line = invoice.lines[index]
    group = line.product_id, line.pricing_group_values, line.presentation_group_values
    before = (
        other.quantity
        for other in invoice.lines[:index]
        if other.quantity is not None
        and other.pricing is not None
        and (other.product_id, other.pricing_group_values, other.presentation_group_values) == group
    )
    return sum(before, ZERO)


def _base(pricing: Pricing) -> Price:
    """Return the price of the card that the line starts from."""
    rate = pricing.rate
    if pricing.choice.base is OverrideTarget.COMMIT_RATE and rate.commit_price is not None:
        return rate.commit_price
    return rate.price


BASES = {OverrideTarget.LIST_RATE: "list rate", OverrideTarget.COMMIT_RATE: "commit rate"}


def _origin(line: LineItem, pricing: Pricing, around: Surroundings) -> str:
    """Return where a unit price comes from, for the middle of a sentence."""
    if pricing.share is not None:
        return _origin_of_share(line, pricing, pricing.share, around)
    base, choice = _base(pricing), pricing.choice
    name = BASES[choice.base]
    if choice.winner is None:
        return f"the {name}" if base.is_flat else f"the {name} of its tier"
    override = around.overrides.get(choice.winner)
    listed = _at_place(base, line)
    if override is not None and override.type is OverrideType.OVERWRITE:
        return f"which an override sets in place of the {name} {shown(listed)}"
    factor = None if override is None else _factor(override, line)
    if factor is not None and listed * factor == line.unit_price:
        return f"which is the {name} {shown(listed)} times {shown(factor)}"
    return f"which an override makes of the {name} {shown(listed)}"


def _origin_of_share(line: LineItem, pricing: Pricing, share: Share, around: Surroundings) -> str:
    """Return where the price of a part of a period comes from, for the middle of a sentence."""
    override = None if pricing.choice.winner is None else around.overrides.get(pricing.choice.winner)
    part = f"{shown(share.seconds / SECONDS_A_DAY)} of {shown(share.whole_seconds / SECONDS_A_DAY)} days"
    rounded = "" if share.rounding is None else ", rounded"
    if pricing.choice.winner is not None and override is None:
        return f"the part for {part} of the price of a period{rounded}"
    base = _base(pricing)
    whole = base if override is None else overridden(base, override)
    unit_price = whole.tiers[0].price
    of_period = _origin(
        msgspec.structs.replace(line, unit_price=unit_price),
        msgspec.structs.replace(pricing, price=whole, share=None),
        around,
    )
    return f"the part for {part} of {shown(unit_price)}{rounded}, {of_period}"


SECONDS_A_DAY = 24 * 60 * 60


def _at_place(price: Price, line: LineItem) -> Decimal:
    """Return what the card asks for the units of a line: the price of the tier in which the line's tier begins."""
    start = ZERO if line.tier is None else line.tier.starting_at
    end = ZERO
    for tier in price.tiers:
        if tier.size is None or start < end + tier.size:
            return tier.price
        end += tier.size
    return price.tiers[-1].price


def _factor(override: Override, line: LineItem) -> Decimal | None:
    """Return what an override multiplies the units of a line with; None where it has no tier for them."""
    if override.multiplier is not None:
        return override.multiplier
    start = ZERO if line.tier is None else line.tier.starting_at
    end = ZERO
    for tier in override.tiers:
        if tier.size is None or start < end + tier.size:
            return tier.multiplier
        end += tier.size
    return None


def _who_pays(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    them = "it" if line.quantity == 1 else "them"
    balance = _paying(line, around)
    if balance is not None:
        if balance.type is BalanceType.POSTPAID:
            return f"{_sentence(_called(balance, around.book.products))} counts {them}, and they are billed."
        return f"{_sentence(_called(balance, around.book.products))} pays for {them}."
    if not line.total:
        return "So there is nothing to pay for."
    before = invoice.lines[index - 1] if index else None
    if before is not None and before.applied is not None and _same_stretch(before, line):
        return f"Nothing is left to pay for {them}."
    return f"No commit or credit pays for {them}."


def _same_stretch(one: LineItem, other: LineItem) -> bool:
    def stretch(line: LineItem) -> tuple[object, ...]:
        return line.product_id, line.pricing_group_values, line.presentation_group_values, line.starting_at

    return stretch(one) == stretch(other)


def _why_applied(invoice: Invoice, index: int, around: Surroundings) -> str:
    balance = _paying(invoice.lines[index], around)
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
    balance = _paying(line, around)
    if balance is None:
        return worth
    return f"{worth} {_sentence(_called(balance, around.book.products))} pays for them."


def _why_purchase(invoice: Invoice, index: int, around: Surroundings) -> str:
    line = invoice.lines[index]
    balance = _paying(line, around)
    name = line.name if balance is None else _called(balance, around.book.products)
    if balance is not None and balance.type is BalanceType.POSTPAID:
        return f"What of {name} usage did not come to, {_when(invoice, around)}."
    return f"A payment of {name}{_product(line)}, {_when(invoice, around)}."


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
    balance = _paying(line, around)
    if balance is None:
        return words
    return f"{words} {_sentence(_called(balance, around.book.products))} pays for it."


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


# --- overrides

WON, LOST, NOT_APPLICABLE = "won", "lost", "not applicable"


def _overrides(line: LineItem, choice: Choice, around: Surroundings) -> list[ExplainedOverride]:
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
    target = _target(line, around)
    if not override.concerns(target):
        return f"It is for {_override_scope(override, around)}."
    balance = _paying(line, around)
    if override.is_commit_specific:
        if balance is None:
            return "It is for what a commit or credit pays, and none pays for this line."
        if not override.concerns(target, balance.names):
            return f"It is for {_override_scope(override, around)}, and {_called(balance, around.book.products)} pays."
        if override.target is not choice.base:
            return f"It changes the {BASES[override.target]}, and this line starts from the {BASES[choice.base]}."
    elif choice.base is OverrideTarget.COMMIT_RATE:
        return "It is for the list rate, and a commit rate is changed only by overrides for what a balance pays."
    return "It was not there, or not for this line, when the invoice was made."


def _override_scope(override: Override, around: Surroundings) -> str:
    if not override.specifiers:
        ids = () if override.product_id is None else (override.product_id,)
        return _products_and_tags(ids, override.applicable_product_tags, around)
    words: list[str] = []
    for specifier in override.specifiers:
        what = _specified(specifier.target, around)
        named = [
            _called(around.balances[balance_id], around.book.products)
            for balance_id in specifier.balance_ids
            if balance_id in around.balances
        ]
        if len(named) < len(specifier.balance_ids):
            named.append("a recurring commit or credit")
        if named:
            payer = f"what {_joined(named, 'or')} pays"
            what = payer if what == "everything" else f"{what} in {payer}"
        words.append(what)
    return _joined(words, "or")


# --- notes


def _notes(invoice: Invoice, around: Surroundings) -> list[str]:
    notes: list[str] = []
    if invoice.status is InvoiceStatus.DRAFT:
        if invoice.period is None:
            notes.append(f"The invoice is a draft; it becomes final on {day(invoice.issued_at)}.")
        else:
            what = "rates and balances" if invoice.is_imported else "usage, rates and balances"
            notes.append(f"The invoice is a draft; {what} can still change it until {day(invoice.issued_at)}.")
    elif invoice.status is InvoiceStatus.VOID:
        notes.append("The invoice is void; what it drew was given back.")
    if invoice.is_imported:
        notes.append("The quantities are those of the import, which are not converted and not rounded.")
    if any(line.credit_type_id is not None for line in invoice.lines):
        notes.append("Lines in custom units are no part of the total; the line that converts what is left of them is.")
    if invoice.period is not None and invoice.trace is None:
        notes.append("The invoice was made before notes on prices were kept; only its figures can be shown.")
    elif invoice.period is not None and invoice.status is InvoiceStatus.FINALIZED:
        notes += _changed_since(invoice, invoice.period, around)
    return notes


PRICED_HERE = (LineType.USAGE, LineType.SUBSCRIPTION, LineType.APPLIED_COMMIT_OR_CREDIT, LineType.CPU_CONVERSION)


def _changed_since(invoice: Invoice, period: BoundedPeriod, around: Surroundings) -> list[str]:
    """Return whether the same usage would cost something else today, if balances had what they had then."""
    contract, book = around.contract, around.book
    assert invoice.trace is not None
    candidates = [
        OpenSegment(balance, segment, queued.before)
        for queued in invoice.trace.queue
        if (balance := around.balances[queued.balance_id]).archived_at is None
        and balance.is_open_to(contract.id)
        and (segment := balance.segment(queued.segment_id)) is not None
    ]
    usage = [line for line in invoice.usage if book.products[line.product_id].type is ProductType.USAGE]
    subscriptions = parts_behind(contract, book, invoice.lines)
    offers = [] if invoice.is_imported else composites_on_offer(contract, book, period)
    try:
        again = build_invoice(contract, book, usage, candidates, period, (), offers, subscriptions)
    except InvalidRequest:
        return ["A rate that made the invoice is on the rate card no longer; the invoice keeps its figures."]
    before = [_figures(line) for line in invoice.lines if line.type in PRICED_HERE]
    if before == [_figures(line) for line in again.lines if line.type in PRICED_HERE]:
        return []
    return [
        "Rates, overrides, products or balances were changed after the invoice was made; priced now, the same usage "
        "would have other lines. The invoice keeps its figures."
    ]


def _figures(line: LineItem) -> tuple[object, ...]:
    paying = None if line.applied is None else line.applied.segment_id
    return line.type, line.product_id, line.quantity, line.unit_price, line.total, paying
