"""Why an old invoice and its preview differ: what each likely cause would make of the figures, held to what they are.

A rule says what the old amount would be if its cause were true, and claims the cause only where that is the old amount
to the smallest coin. A rule that tries many numbers (any multiplier, any boundary) would hit a small amount by chance;
it claims nothing unless chance is out of the question (:func:`is_telling`). ``unknown`` is an honest answer.

Rules stand in the order of how little they assume. All that fit are kept: which of them is told is decided when all
invoices are there, for a cause that fits many lines of a customer and product is likelier than one that fits a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum
from functools import cached_property, partial
from itertools import pairwise
from math import log10

from dateutil.relativedelta import relativedelta

from metronome_sandbox.importer.comparison import ZERO, Comparison, Currency, LineComparison, are_equal
from metronome_sandbox.importer.figures import DIGITS, day, money, number, percent
from metronome_sandbox.importer.rates import Price, Tiers, cost

CHANCE = 40
"""A rule speaks when a random amount would fit it once in so many times, at most."""

PRICE_DECIMALS = 7
"""To so many a price may have been rounded, less one."""

SECOND = timedelta(seconds=1)
DAYS_CHECKED = 366


class Kind(StrEnum):
    """What makes an old invoice and its preview differ."""

    ROUNDING = "rounding"
    CURRENCY = "currency unit"
    CONVERSION = "quantity conversion"
    TIER = "tier boundary"
    OVERRIDE = "override"
    BALANCE = "commit drawn"
    PERIOD = "period"
    CREDIT_NOTE = "credit note"
    FIXED = "fixed charge"
    MISSING = "missing line"
    EXTRA = "extra line"
    SUM = "sum of the old lines"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something differs.

    Args:
        cause: What is the same wherever the cause is: lines that share one are told once.
        evidence: The figures that speak for it here.
        multiplier: Legacy by preview, where the cause is a constant ratio.
    """

    kind: Kind
    cause: str
    evidence: str
    multiplier: Decimal | None = None


RATIOS = {
    Decimal(1000): "thousands",
    Decimal(1024): "units of 1,024",
    Decimal(60): "sixtieths (minutes and seconds)",
    Decimal(3600): "hours and seconds",
    Decimal(24): "days and hours",
    Decimal(1440): "days and minutes",
    Decimal(86400): "days and seconds",
    Decimal(10**6): "millions",
    Decimal(1024**2): "units of 1,024²",
    Decimal(10**9): "billions",
    Decimal(1024**3): "units of 1,024³",
    Decimal("1.024"): "units of 1,000 and of 1,024",
    Decimal("1.048576"): "millions and units of 1,024²",
    Decimal("1.073741824"): "billions and units of 1,024³ (GB and GiB)",
}
"""How far two units of a quantity are apart, and which they may be."""

FACTORS = {
    factor: (ratio, units) for ratio, units in RATIOS.items() for factor in (Context(DIGITS).divide(1, ratio), ratio)
}
"""What a quantity is multiplied by, for each way in which units may be mixed up."""

NEAR_ONE = Decimal("0.5")

UNITS = {
    Decimal("0.01"): "old amounts are a hundredth: dollars were read as cents; set the unit in the mapping",
    Decimal(100): "old amounts are a hundred times as much: cents were read as dollars; set the unit in the mapping",
}
"""What amounts are multiplied by when their unit is another one."""

PriceAt = Callable[[LineComparison, datetime], Price | None]
"""What a line's product costs at an instant."""


def step_of(legacy: Decimal, currency: Currency) -> Decimal:
    """Return the smallest amount that an old figure tells apart: a coin, or less where it has more digits."""
    exponent = legacy.normalize().as_tuple().exponent
    return min(currency.coin, Decimal(1).scaleb(exponent)) if isinstance(exponent, int) else currency.coin


def is_near(legacy: Decimal, would_be: Decimal, currency: Currency) -> bool:
    """Whether an amount, rounded as the old figure is, is that figure."""
    return abs(legacy - would_be) * 2 <= step_of(legacy, currency) or are_equal(legacy, would_be)


def is_telling(amount: Decimal, candidates: int, currency: Currency) -> bool:
    """Whether an amount is so large that none of so many numbers would make it by chance."""
    return abs(amount) >= candidates * currency.coin * CHANCE


@dataclass(frozen=True)
class Case:
    """A line that differs, with what is known around it.

    Args:
        legacy: What the old invoice says.
        amount: What the preview says.
    """

    comparison: Comparison
    line: LineComparison
    legacy: Decimal
    amount: Decimal
    price_at: PriceAt

    @property
    def currency(self) -> Currency:
        """Of the invoice."""
        return self.comparison.currency

    @cached_property
    def price(self) -> Price | None:
        """What the product costs where the line begins, if that is what the preview charges."""
        found = self.price_at(self.line, self.line.starting_at)
        if found is None or not are_equal(cost(found.effective, self.line.quantity), self.amount):
            return None
        return found

    @cached_property
    def tiers(self) -> Tiers | None:
        """The prices that the preview charges: the contract's, else what can be seen of them in the preview."""
        if self.price is not None:
            return self.price.effective
        seen = _seen(self.line)
        return seen if seen and are_equal(cost(seen, self.line.quantity), self.amount) else None

    def says(self, amount: Decimal) -> str:
        """Return an amount for people."""
        return money(amount, self.currency)

    @property
    def both(self) -> str:
        """The two figures."""
        return f"legacy {self.says(self.legacy)}, preview {self.says(self.amount)}"


def _seen(line: LineComparison) -> Tiers | None:
    """Return the tiers that a preview reached, or its one price."""
    if line.price is not None:
        return ((None, line.price),) if all(part.tier is None for part in line.parts) else None
    levels: dict[Decimal, tuple[Decimal | None, Decimal]] = {}
    for part in line.parts:
        if part.tier is None or part.unit_price is None:
            return None
        found = (None if part.tier.size is None else Decimal(part.tier.size), part.unit_price)
        if levels.setdefault(part.tier.level, found) != found:
            return None
    if sorted(levels) != [Decimal(place) for place in range(1, len(levels) + 1)]:
        return None
    return tuple(levels[level] for level in sorted(levels))


# One line ------------------------------------------------------------------------------------------------------------

Rule = Callable[[Case], Iterator[Reason]]
Would = tuple[Decimal, Callable[[], Reason]]
"""What the old amount would be if a cause were true, and how it is told then."""


def of_line(case: Case) -> list[Reason]:
    """Return the likely reasons of a line that both sides have, the likeliest first; none if nothing fits."""
    with localcontext(prec=DIGITS):
        return [reason for rule in RULES for reason in rule(case)]


def missing(line: LineComparison, currency: Currency) -> Reason:
    """Return why a line is on the old invoice alone."""
    amount = line.legacy_amount or ZERO
    return Reason(
        Kind.MISSING,
        "the preview has no line for it",
        f"legacy charges {money(amount, currency)} for {number(line.quantity)}, the preview nothing",
    )


def extra(line: LineComparison, currency: Currency) -> Reason:
    """Return why a line is in the preview alone."""
    return Reason(
        Kind.EXTRA,
        "only the preview charges for it",
        f"the preview charges {money(line.amount or ZERO, currency)} for {line.name}, which no old line names",
    )


def _negative(case: Case) -> Iterator[Reason]:
    if case.legacy < 0 <= case.amount:
        yield Reason(
            Kind.CREDIT_NOTE,
            "the old line is negative: a credit note or refund is no usage, give it as a credit on the contract",
            f"legacy {case.says(case.legacy)} for {number(case.line.quantity)}; what usage costs is never negative",
        )


def _fixed(case: Case) -> Iterator[Reason]:
    if case.line.quantity == 0 and case.amount == 0 < case.legacy:
        yield Reason(
            Kind.FIXED,
            "legacy charges for a quantity of 0: a fixed fee belongs into the contract's scheduled charges",
            f"legacy {case.says(case.legacy)} for a quantity of 0",
        )


def _counted(case: Case) -> Iterator[Reason]:
    sent, counted = case.line.quantity, case.line.previewed_quantity
    if counted is None or not sent or are_equal(sent, counted):
        return
    ratio = counted / sent
    yield Reason(
        Kind.CONVERSION,
        f"the target bills another quantity than was sent: {number(ratio, 6)} times as much",
        f"sent {number(sent)}, the preview bills {number(counted)}",
    )


def _rounding(case: Case) -> Iterator[Reason]:
    coin, prices = case.currency.coin, case.line.parts
    told = f"{case.says(case.amount)} exactly, legacy {case.says(case.legacy)}"
    how = _rounded_how(case.amount, case.legacy, coin)
    if how is not None:
        yield Reason(Kind.ROUNDING, f"legacy rounds each line to {_coin(case.currency)}", f"{told}: {how}")
        return
    for parts, each in ((tuple(part.total for part in prices), "tier"), (_by_window(case), "window")):
        for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN):
            rounded = sum((part.quantize(coin, mode) for part in parts), ZERO)
            if len(parts) > 1 and rounded == case.legacy:
                yield Reason(
                    Kind.ROUNDING,
                    f"legacy rounds each {each} of a line to {_coin(case.currency)}",
                    f"{told}: {len(parts)} {each}s, each rounded",
                )
                return
    price = case.line.price
    if price is not None and all(part.tier is None for part in prices):
        yield from _rounded_price(case, price)


def _rounded_price(case: Case, price: Decimal) -> Iterator[Reason]:
    if not is_telling(case.amount, PRICE_DECIMALS, case.currency):
        return
    for decimals in range(PRICE_DECIMALS):
        short = price.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if short != price and is_near(case.legacy, short * case.line.quantity, case.currency):
            yield Reason(
                Kind.ROUNDING,
                f"legacy rounds the price of a unit to {case.says(short)}",
                f"{number(case.line.quantity)} at {case.says(short)} are {case.says(case.legacy)}, at "
                f"{case.says(price)} {case.says(case.amount)}",
            )
            return


def _by_window(case: Case) -> tuple[Decimal, ...]:
    price = case.line.price
    if price is None:
        return ()
    return tuple(window.quantity * price for line in case.line.legacy for window in line.subtotals)


def _rounded_how(amount: Decimal, legacy: Decimal, coin: Decimal) -> str | None:
    """Return how an amount was rounded to the old one, None where it was not."""
    if amount == amount.quantize(coin, ROUND_HALF_EVEN) or legacy != legacy.quantize(coin, ROUND_HALF_EVEN):
        return None
    up, even = (amount.quantize(coin, mode) for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN))
    if legacy == up == even:
        return "rounded to the nearest"
    if legacy == up:
        return "rounded half up"
    if legacy == even:
        return "rounded half to even"
    return "cut off" if legacy == amount.quantize(coin, ROUND_DOWN) else None


def _coin(currency: Currency) -> str:
    return money(currency.coin, currency)


def _alternatives(case: Case) -> Iterator[Would]:
    """Yield what the line would have cost under causes that fix the amount."""
    yield from _other_units(case)
    yield from _after_balances(case)
    yield from _other_prices(case)
    yield from _other_tiers(case)
    yield from _conversions(case)


def _other_units(case: Case) -> Iterator[Would]:
    if is_telling(case.amount, 2, case.currency):
        for factor in UNITS:
            yield case.amount * factor, partial(_mixed_up, case, factor)


def _mixed_up(case: Case, factor: Decimal) -> Reason:
    return Reason(Kind.CURRENCY, UNITS[factor], f"{case.both}: {number(factor)} times as much", factor)


def _after_balances(case: Case) -> Iterator[Would]:
    covered = case.line.covered
    if covered:
        yield (
            case.amount - covered,
            partial(
                Reason,
                Kind.BALANCE,
                "old lines are what is left after balances paid; a line's amount is what it costs before",
                f"{case.both}: balances pay {case.says(covered)} of it",
            ),
        )


def _other_prices(case: Case) -> Iterator[Would]:
    """Yield what the list price, the price before the window and that of its end would make."""
    line, price = case.line, case.price
    if price is not None and price.overridden is not None and price.overridden != price.listed:
        listed = cost(price.listed, line.quantity)
        yield (
            listed,
            partial(
                Reason,
                Kind.OVERRIDE,
                "legacy charges the list price: the contract's override is one that the old invoices do not have",
                f"{case.both}: {number(line.quantity)} cost {case.says(listed)} by the rate card and "
                f"{case.says(case.amount)} under the contract's override",
            ),
        )
    for instant, when in (
        (line.ending_before - SECOND, f"of its end, {day(line.ending_before)}"),
        (line.starting_at - SECOND, f"before {day(line.starting_at)}"),
    ):
        other = case.price_at(line, instant)
        if other is None:
            continue
        amount = cost(other.effective, line.quantity)
        if not are_equal(amount, case.amount):
            yield (
                amount,
                partial(
                    Reason,
                    Kind.PERIOD,
                    "legacy charges the price of another time: the price changes there",
                    f"{case.both}: {number(line.quantity)} cost {case.says(amount)} at the price {when}",
                ),
            )


def _other_tiers(case: Case) -> Iterator[Would]:
    line, tiers = case.line, case.tiers
    if tiers is None or len(tiers) < 2:
        return
    for level, (_, price) in enumerate(tiers, start=1):
        amount = line.quantity * price
        if are_equal(amount, case.amount):
            continue
        cause = (
            "legacy charges all of a quantity at the first tier's price: it knows no tiers"
            if level == 1
            else "legacy charges all of a quantity at the price of the tier that it reaches (volume pricing)"
        )
        evidence = f"{case.both}: {number(line.quantity)} at tier {level}'s {case.says(price)} are {case.says(amount)}"
        yield amount, partial(Reason, Kind.TIER, cause, evidence)
    windows = [window.quantity for old in line.legacy for window in old.subtotals]
    if len(windows) > 1:
        amount = sum((cost(tiers, quantity) for quantity in windows), ZERO)
        evidence = f"{case.both}: tiers counted for each of {len(windows)} windows come to {case.says(amount)}"
        yield amount, partial(Reason, Kind.TIER, "legacy counts tiers anew in each day or hour", evidence)


def _conversions(case: Case) -> Iterator[Would]:
    """Yield what other units of the quantity would make: by the tiers where they are known, else by the ratio."""
    if case.line.quantity == 0:
        return
    for factor in FACTORS:
        amount = case.amount * factor if case.tiers is None else cost(case.tiers, case.line.quantity * factor)
        # Many factors are near 1, where amounts of any cause lie close together; far from it there is nothing else.
        candidates = len(FACTORS) if NEAR_ONE < factor < 1 / NEAR_ONE else 2
        if is_telling(min(amount, case.amount), candidates, case.currency):
            yield amount, partial(_converted, case, factor, amount)


def _converted(case: Case, factor: Decimal, amount: Decimal) -> Reason:
    ratio, units = FACTORS[factor]
    how = f"{'divided' if factor < 1 else 'multiplied'} by {number(ratio)}"
    return Reason(
        Kind.CONVERSION,
        f"legacy prices the quantity {how}: {units} are mixed up",
        f"{case.both}: {number(case.line.quantity)} {how} cost {case.says(amount)}",
        factor,
    )


def _alternative(case: Case) -> Iterator[Reason]:
    for amount, reason in _alternatives(case):
        if is_near(case.legacy, amount, case.currency):
            yield reason()


def _pooled(case: Case) -> Iterator[Reason]:
    """Tiers that legacy counts over all lines of a product, where the target counts them for each group."""
    tiers, same = case.tiers, case.comparison.products[case.line.product_id]
    if tiers is None or len(tiers) < 2 or same.lines < 2 or same.legacy is None:
        return
    pooled = cost(tiers, same.quantity)
    slack = case.currency.coin * same.lines
    if abs(pooled - same.legacy) * 2 <= slack < abs(same.amount - same.legacy):
        yield Reason(
            Kind.TIER,
            "legacy counts tiers over all groups of a product together, the target for each by itself",
            f"{same.lines} lines: {number(same.quantity)} together cost {case.says(pooled)}, which is what legacy "
            f"charges; each by itself {case.says(same.amount)}",
        )


def _boundary(case: Case) -> Iterator[Reason]:
    """A tier that ends elsewhere."""
    tiers, quantity = case.tiers, case.line.quantity
    if tiers is None:
        return
    if len(tiers) == 1:
        yield from _allowance(case, tiers[0][1])
    start = ZERO
    for level, ((size, price), (next_size, next_price)) in enumerate(pairwise(tiers)):
        if size is None or price == next_price or quantity <= start:
            return
        merged = None if next_size is None else size + next_size
        without = (*tiers[:level], (merged, next_price), *tiers[level + 2 :])
        found = start + (case.legacy - cost(without, quantity)) / (price - next_price)
        width = max(Decimal(1), case.currency.coin / abs(price - next_price))
        last = quantity if merged is None else min(quantity, start + merged)
        boundary = start + size
        place = found.to_integral_value()
        if start <= place <= last and abs(found - place) * 2 <= width and place != boundary:
            yield from _moved(case, level + 1, boundary, place, width)
        start = boundary


def _moved(case: Case, level: int, boundary: Decimal, place: Decimal, width: Decimal) -> Iterator[Reason]:
    moved = abs(place - boundary)
    if moved == 1 and width <= 1 and case.line.quantity >= 2 * CHANCE:
        yield Reason(
            Kind.TIER,
            f"one unit at the boundary of tier {level} is priced at the other tier",
            f"{case.both}: legacy's tier {level} ends at {number(place)}, the contract's at {number(boundary)}",
        )
    elif _is_round(place, case.line.quantity, width):
        yield Reason(
            Kind.TIER,
            f"legacy's tier {level} ends at {number(place)}, the contract's at {number(boundary)}",
            f"{case.both}: {number(moved)} units are priced at the other tier",
        )


def _allowance(case: Case, price: Decimal) -> Iterator[Reason]:
    """The first units for nothing, as a first tier of price 0 would make them."""
    if not price or case.legacy >= case.amount or case.legacy <= 0:
        return
    free = (case.amount - case.legacy) / price
    width = max(Decimal(1), case.currency.coin / price)
    place = free.to_integral_value()
    if abs(free - place) * 2 <= width and _is_round(place, case.line.quantity, width):
        yield Reason(
            Kind.TIER,
            f"legacy gives the first {number(place)} units free: a first tier of price 0 is missing",
            f"{case.both}: {number(place)} of {number(case.line.quantity)} at {case.says(price)} are the difference",
        )


def _is_round(place: Decimal, most: Decimal, width: Decimal) -> bool:
    """Whether a number of units is one that people choose, among so many that chance would not choose it."""
    if place < 1 or most < 1:
        return False
    digits = str(int(place)).rstrip("0")
    if len(digits) > 2 or (len(digits) == 2 and digits[1] != "5"):
        return False
    rounds = 9 * len(digits) * (log10(most) + 1)  # so many are no larger than the most that it could be
    return rounds * CHANCE * float(width) <= most


def _multiplier(case: Case) -> Iterator[Reason]:
    multiplier = round_ratio(case.legacy, case.amount, case.currency)
    if multiplier is not None:
        yield discount(case, multiplier)


def discount(case: Case, multiplier: Decimal) -> Reason:
    """Return the reason of a constant ratio, told by the list price where that is known."""
    price = case.price
    told = f"{case.both}: {percent(multiplier)}"
    if multiplier == 0:
        cause = "legacy charges nothing: an override to 0 or a free allowance is missing"
    elif price is not None and price.overridden is not None and price.overridden != price.listed:
        by_list = cost(price.listed, case.line.quantity)
        of_list = case.legacy / by_list if by_list else ZERO
        cause = (
            f"legacy charges {percent(round(of_list, 4))} of the list price, the contract's override "
            f"{percent(round(case.amount / by_list, 4)) if by_list else 'something else'}"
        )
        told = f"{case.both}, list price {case.says(by_list)}"
    else:
        base = "the list price" if price is not None else "what the contract charges"
        cause = missing_override(multiplier, base)
    return Reason(Kind.OVERRIDE, cause, told, multiplier)


def missing_override(multiplier: Decimal, base: str = "what the contract charges") -> str:
    """Return the cause of a constant ratio."""
    told = f"legacy charges {percent(multiplier)} of {base}"
    return f"{told}: an override with multiplier {number(multiplier)} is missing"


def round_ratio(legacy: Decimal, amount: Decimal, currency: Currency) -> Decimal | None:
    """Return legacy by preview where that is a number such as 0.9 and chance is out of the question, else None."""
    if amount <= 0 or legacy < 0:
        return None
    if legacy == 0:
        return ZERO if is_telling(amount, 1, currency) else None
    for step in (Decimal("0.05"), Decimal("0.01"), Decimal("0.005")):
        ratio = (legacy / amount / step).to_integral_value() * step
        if ratio != 1 and 0 < ratio <= 2 and is_near(legacy, amount * ratio, currency):
            return ratio.normalize() if is_telling(amount, int(2 / step), currency) else None
    return None


def _prorated(case: Case) -> Iterator[Reason]:
    """A share of days: of the line in its invoice, or of the invoice in its month."""
    line, invoice = case.line, case.comparison.invoice
    month = invoice.starting_at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    shares = (
        (line.ending_before - line.starting_at, invoice.ending_before - invoice.starting_at, "the invoice's period"),
        (invoice.ending_before - invoice.starting_at, month + relativedelta(months=1) - month, "the whole month"),
    )
    for part, whole, what in shares:
        if not timedelta(0) < part < whole <= timedelta(days=DAYS_CHECKED):
            continue
        share = Decimal(part // SECOND) / Decimal(whole // SECOND)
        for factor, told in ((share, "prorates"), (1 / share, "bills a whole period for")):
            if is_telling(case.amount, 4, case.currency) and is_near(case.legacy, case.amount * factor, case.currency):
                yield Reason(
                    Kind.PERIOD,
                    f"legacy {told} a part of {what}",
                    f"{case.both}: {part.days} of {whole.days} days",
                )
                return


RULES: Sequence[Rule] = (
    _negative,
    _fixed,
    _counted,
    _rounding,
    _alternative,
    _pooled,
    _prorated,
    _multiplier,
    _boundary,
)


# What is left of the total -------------------------------------------------------------------------------------------


def of_total(comparison: Comparison, explained: Decimal, price_at: PriceAt) -> list[Reason]:
    """Return the likely reasons of a total that its lines do not explain, the likeliest first; none if nothing fits.

    Args:
        explained: What the lines differ by together.
    """
    with localcontext(prec=DIGITS):
        if comparison.legacy_gross is None:
            return list(_of_bare_total(comparison, price_at))
        return list(_of_sums(comparison, explained))


def _of_sums(comparison: Comparison, explained: Decimal) -> Iterator[Reason]:
    """Read a total beside the old lines, all of which are known: what is left is what was paid, added or rounded."""
    legacy, total, currency = comparison.invoice.total, comparison.total, comparison.currency
    before, took = comparison.legacy_gross, comparison.legacy_paid
    if legacy is None or before is None or took is None:
        return

    def says(amount: Decimal) -> str:
        return money(amount, currency)

    paid = comparison.paid
    if legacy < 0:
        yield Reason(
            Kind.CREDIT_NOTE,
            "the old total is negative: a credit note, which no import of usage makes",
            f"legacy total {says(legacy)}, preview {says(total)}",
        )
        return
    how = _rounded_how(before - paid, legacy, currency.coin) or _rounded_how(before, legacy, currency.coin)
    if how is not None and abs(took - paid) < currency.coin:
        yield Reason(
            Kind.ROUNDING,
            f"legacy rounds the total to {_coin(currency)}",
            f"its lines come to {says(before)}, its total to {says(legacy)}: {how}",
        )
        return
    left = took - paid
    if left * explained < 0 and abs(left) <= abs(explained) and paid > 0:
        yield Reason(
            Kind.BALANCE,
            "balances pay what the lines differ by, or a part of it",
            f"the lines differ by {says(explained)}; balances pay {says(paid)} in the preview and paid {says(took)} on "
            "the old invoice",
        )
        return
    nothing = abs(took) < currency.coin
    if paid > 0 and nothing:
        yield Reason(
            Kind.BALANCE,
            "balances pay in the preview, and the old totals are before balances",
            f"the lines come to {says(before)} on the old invoice and so does its total; in the preview balances pay "
            f"{says(paid)}",
        )
    elif took > 0 and abs(paid) < currency.coin:
        yield Reason(
            Kind.BALANCE,
            "the old totals are less than their lines, and no balance pays in the preview: a commit, credit or "
            "discount is missing on the contract",
            f"the old lines come to {says(before)} and their total is {says(legacy)}: {says(took)} less",
        )
    elif took > 0:
        yield Reason(
            Kind.BALANCE,
            "balances pay another amount than they did: their start or what was drawn before differs",
            f"balances pay {says(paid)} in the preview and paid {says(took)} on the old invoice",
        )
    elif took < 0:
        share = f" ({percent(round(-took / before, 4))} of them)" if before > 0 else ""
        yield Reason(
            Kind.SUM,
            "the old totals are more than their lines: a tax, fee or minimum is on no line",
            f"the old lines come to {says(before)} and their total is {says(legacy)}: {says(-took)} more{share}",
        )


def _of_bare_total(comparison: Comparison, price_at: PriceAt) -> Iterator[Reason]:
    """Read a total where the old lines say no amounts: hold every cause to the total."""
    legacy, difference, currency = comparison.invoice.total, comparison.difference, comparison.currency
    if legacy is None or difference is None:
        return

    def says(amount: Decimal) -> str:
        return money(amount, currency)

    total, gross, paid = comparison.total, comparison.gross, comparison.paid
    told = f"legacy total {says(legacy)}, preview {says(total)}"
    lines = [line for line in comparison.lines if line.amount is not None]
    if legacy < 0 <= total:
        yield Reason(Kind.CREDIT_NOTE, "the old total is negative: a credit note, which no import of usage makes", told)
        return
    how = _rounded_how(total, legacy, currency.coin)
    if how is not None:
        yield Reason(Kind.ROUNDING, f"legacy rounds the total to {_coin(currency)}", f"{told}: {how}")
        return
    for mode in (ROUND_HALF_UP, ROUND_HALF_EVEN):
        rounded = sum(((line.amount or ZERO).quantize(currency.coin, mode) for line in lines), ZERO)
        if len(lines) > 1 and rounded != gross and rounded - paid == legacy:
            yield Reason(
                Kind.ROUNDING,
                f"legacy rounds each line to {_coin(currency)}",
                f"{told}: {len(lines)} lines, each rounded, come to {says(rounded)}",
            )
            return
    if paid >= currency.coin and is_near(legacy, gross, currency):
        yield Reason(
            Kind.BALANCE,
            "balances pay in the preview, and the old totals are before balances",
            f"{told}: balances pay {says(paid)}, which is the difference",
        )
    if len(lines) == 1 and len(comparison.lines) == 1 and abs(paid) < currency.coin:
        yield from of_line(Case(comparison, lines[0], legacy, total, price_at))
        return
    yield from _of_one_line(comparison, lines, price_at)
    for amount, what in {gross: "total before balances", total: "total"}.items():
        for factor, cause in UNITS.items():
            if is_telling(amount, 4, currency) and is_near(legacy, amount * factor, currency):
                yield Reason(Kind.CURRENCY, cause, f"{told}: {number(factor)} times its {what}", factor)
        multiplier = round_ratio(legacy, amount, currency)
        if multiplier is not None:
            yield Reason(
                Kind.OVERRIDE,
                missing_override(multiplier),
                f"{told}: {percent(multiplier)} of its {what}",
                multiplier,
            )


def _of_one_line(comparison: Comparison, lines: Sequence[LineComparison], price_at: PriceAt) -> Iterator[Reason]:
    """Find one line whose other amount, or whose absence, is the whole difference."""
    currency, difference = comparison.currency, comparison.difference or ZERO
    legacy = comparison.invoice.total or ZERO
    known = [line for line in lines if line.amount]
    for line in known:
        left_out = (comparison.total - (line.amount or ZERO), comparison.gross - (line.amount or ZERO))
        if any(is_near(legacy, rest, currency) for rest in left_out) and is_telling(
            difference, 2 * len(known), currency
        ):
            yield Reason(
                Kind.EXTRA,
                f"the old invoice leaves {line.name} out",
                f"the preview's line {line.name} is {money(line.amount or ZERO, currency)}, the difference",
            )
    if abs(comparison.paid) >= currency.coin or not is_telling(difference, 12 * len(known), currency):
        return
    for line in known:
        amount = line.amount or ZERO
        case = Case(comparison, line, amount - difference, amount, price_at)
        for would_be, reason in _alternatives(case):
            if not is_near(case.legacy, would_be, currency):
                continue
            found = reason()
            if found.kind in (Kind.OVERRIDE, Kind.TIER, Kind.PERIOD):
                yield replace(found, evidence=f"{line.name}: {found.evidence}")
