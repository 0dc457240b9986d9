"""Golden tables: rows that a finance person can check by hand, priced by the domain.

A table is a list of rows; the classes below say what a row may hold, and an unknown key fails. Figures are worked out
from the reference, with the arithmetic beside them, and never pasted from output. A row says every line of every
invoice in order: what it leaves out, a line may not have (no tier, no balance, the invoice's own window). Numbers are
text and compared exactly; only a quantity that comes from a division may be ``approx`` to some places.

``canaries.yaml`` holds rows with one fault each; a test proves that the runner rejects every one, for that fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import builders
import msgspec
import pytest
import yaml
from builders import utc
from msgspec import UNSET

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.breakdowns import Breakdown, break_down
from metronome_sandbox.domain.catalog import Product, ProductType, ProductUpdate
from metronome_sandbox.domain.composite import composites_on_offer
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.ids import SegmentId, group_values
from metronome_sandbox.domain.invoices import Invoice, LineItem, LineType, TierPlace
from metronome_sandbox.domain.invoicing import PricedUsage, build_invoice
from metronome_sandbox.domain.ledger import FAMILIES, PostedDraw, balance_at, ledger
from metronome_sandbox.domain.overrides import Override, OverrideSpecifier, OverrideTarget, Prioritization
from metronome_sandbox.domain.periods import BoundedPeriod
from metronome_sandbox.domain.rate_cards import Price, RateSchedule
from metronome_sandbox.domain.rating import PriceBook, metered_lines
from metronome_sandbox.domain.targeting import Specifier
from metronome_sandbox.domain.usage import UsageLine, WindowSize

HERE = Path(__file__).parent
TABLES = (
    *("pay_as_you_go", "prepaid", "postpaid", "priorities", "tiers", "overrides", "commit_rates", "imports"),
    *("breakdowns", "expiry"),
)
CANARIES = "canaries.yaml"
PLAYED = ("imports_api.yaml", "life_cycles.yaml", "life_cycles_canaries.yaml", "subscriptions.yaml")
"""Rows of other kinds, which the other modules of this folder play through the services."""

Groups = dict[str, str | None]
Tiers = list[tuple[Decimal | None, Decimal]]
"""Of a price: ``[[size, price], ...]``; of an override: ``[[size, multiplier], ...]``. The last size is null."""


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of a row. A key that is not listed fails, so that a misspelt check is not a missing one."""


class ChangeIs(Strict):
    """An update of a product; what is not said stays."""

    name: str | None = None
    tags: list[str] | None = None


class ProductIs(Strict):
    """What is not usual about a product; one that has nothing unusual needs no mention."""

    name: str
    tags: list[str] = []
    pricing: list[str] = []
    presentation: list[str] = []
    composed_of: list[str] = []
    """Products that it is a percentage of; ``composed_of_tags``: products with any of these tags."""
    composed_of_tags: list[str] = []
    includes_composites: bool = False
    changes: dict[str, ChangeIs] = {}
    """What changes about it, by the instant from which on, in the order of making."""


class RateIs(Strict):
    """An entry of the rate card, in the order of adding."""

    product: str
    price: Decimal | None = None
    tiers: Tiers | None = None
    percentage: Decimal | None = None
    """The fraction that a composite product takes; ``percentage_tiers``: fractions by spend."""
    percentage_tiers: Tiers | None = None
    minimum: Decimal | None = None
    unit: str = USD_CENTS
    """The custom unit that it counts in."""
    commit_price: Decimal | None = None
    commit_tiers: Tiers | None = None
    pricing: Groups = {}
    starting_at: str = "2000-01-01"
    ending_before: str | None = None
    entitled: bool = True


class SpecifierIs(Strict):
    """Conditions that must all hold."""

    product: str | None = None
    tags: list[str] = []
    pricing: Groups = {}
    presentation: Groups = {}
    balances: list[str] = []
    """Only on an override."""


class OverrideIs(Strict):
    """A change on the contract, in the order of adding. It has a multiplier, a price, or tiers of multipliers."""

    multiplier: Decimal | None = None
    overwrite: Decimal | None = None
    overwrite_tiers: Tiers | None = None
    tiers: Tiers = []
    entitled: bool | None = None
    product: str | None = None
    tags: list[str] = []
    specifiers: list[SpecifierIs] = []
    starting_at: str = "2000-01-01"
    ending_before: str | None = None
    priority: Decimal | None = None
    commit_specific: bool = False
    target: str = OverrideTarget.LIST_RATE


class SegmentIs(Strict):
    """One item of an access schedule."""

    amount: Decimal
    starting_at: str
    ending_before: str


class BalanceIs(Strict):
    """A commit or credit, in the order of creation. A commit costs its own amount unless ``cost`` says otherwise."""

    name: str
    type: BalanceType
    amount: Decimal | None = None
    starting_at: str = "2024-01-01"
    ending_before: str = "2026-01-01"
    segments: list[SegmentIs] = []
    cost: Decimal | None = None
    priority: Decimal = Decimal(100)
    rate_type: SpendingRate = SpendingRate.LIST_RATE
    products: list[str] = []
    tags: list[str] = []
    specifiers: list[SpecifierIs] = []
    on_contract: bool = True
    contracts: list[str] = []
    credit_type: str = USD_CENTS


class UsageIs(Strict):
    """A quantity as a whole or by window (start: quantity), in the invoice's period unless ``during`` says else."""

    product: str
    quantity: Decimal | None = None
    windows: dict[str, Decimal] = {}
    during: str | None = None
    pricing: Groups = {}
    presentation: Groups = {}


class LineIs(Strict):
    """A line that must be there: usage (``product`` and the three figures), or ``applied`` with its total.

    A line without a product converts the units of ``converts``, or applies a balance to such a line.
    """

    total: Decimal
    product: str | None = None
    unit: str | None = None
    """The custom unit that its total counts in."""
    converts: str | None = None
    named: str | None = None
    """What the product is called at the line's time, where that is not its first name."""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    approx: int | None = None
    """The quantity comes from a division: compare it to so many decimal places."""
    applied: str | None = None
    """The balance that this line applies; ``C`` is the first segment of C, ``C/2`` its second."""
    paid_by: str | None = None
    """The balance that covers this usage."""
    tier: tuple[int, Decimal, Decimal | None] | None = None
    """``[level, starting_at, size]``."""
    during: str | None = None
    pricing: Groups = {}
    presentation: Groups = {}


class WindowIs(Strict):
    """One hour or day of a breakdown; ``during`` is a day when it is one date."""

    during: str
    total: Decimal
    lines: list[LineIs]


class BreakdownIs(Strict):
    """All windows of the invoice that begin before ``now``."""

    size: WindowSize
    now: str
    windows: list[WindowIs]


class InvoiceIs(Strict):
    """An invoice that is priced from its usage, and all that it must say.

    Attributes:
        draws: ``balance: amount``, all of them.
        events: The usage is metered: zero lines for other products on offer, nothing that is not on offer.
        replaces: Number of an earlier invoice of the row that is void by now, so that its draws are free again.
        breakdowns: Of the invoice as it stands.
    """

    period: str
    usage: list[UsageIs]
    lines: list[LineIs]
    total: Decimal
    draws: dict[str, Decimal]
    events: bool = False
    replaces: int | None = None
    granularity: WindowSize | None = None
    breakdowns: list[BreakdownIs] = []


class EntryIs(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """``[type, timestamp, amount]``; a deduction has the number of its invoice as well."""

    type: str
    timestamp: str
    amount: Decimal
    invoice: int | None = None


class LedgerIs(Strict):
    """The ledger of a balance and what it says is left.

    Attributes:
        entries: All of them in order.
        invoices: Numbers of the row's invoices that count; all that are not replaced unless it says otherwise.
    """

    balance: str
    now: str
    entries: list[EntryIs]
    left: Decimal
    invoices: list[int] | None = None


class Row(Strict):
    """One example. ``preview``: the invoices are priced twice with the same figures, and nothing of them is kept."""

    name: str
    source: str
    rates: list[RateIs]
    invoices: list[InvoiceIs]
    products: list[ProductIs] = []
    balances: list[BalanceIs] = []
    overrides: list[OverrideIs] = []
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER
    contract_ending_before: str | None = None
    conversions: dict[str, Decimal] = {}
    """What each custom unit is worth in cents."""
    ledgers: list[LedgerIs] = []
    preview: bool = False


class RowError(AssertionError):
    """A row is not what the domain says, or not a row."""


# --- what a row describes


def _product(about: ProductIs) -> Product:
    is_composite = bool(about.composed_of or about.composed_of_tags)
    return builders.product(
        about.name,
        tags=about.tags,
        pricing=about.pricing,
        presentation=about.presentation,
        type=ProductType.COMPOSITE if is_composite else ProductType.USAGE,
        composed_of=about.composed_of,
        composed_of_tags=about.composed_of_tags,
        includes_composites=about.includes_composites,
        updates=[
            ProductUpdate(
                builders.LONG_AGO,
                utc(instant),
                name=UNSET if each.name is None else each.name,
                tags=UNSET if each.tags is None else tuple(each.tags),
            )
            for instant, each in about.changes.items()
        ],
    )


def _list_price(about: RateIs) -> Price | None:
    if about.percentage is not None or about.percentage_tiers is not None:
        return builders.percentage(about.percentage, about.percentage_tiers, about.minimum)
    return _price(about.price, about.tiers)


def _price(flat: Decimal | None, tiers: Tiers | None) -> Price | None:
    return None if flat is None and tiers is None else builders.price(flat, tiers)


def _book(row: Row) -> PriceBook:
    special = {each.name: each for each in row.products}
    unpriced = special.keys() - {each.product for each in row.rates}
    if unpriced:
        raise RowError(f"products without a rate: {sorted(unpriced)}")
    products: dict[str, Product] = {}
    schedules: dict[tuple[str, Any], RateSchedule] = {}
    for each in row.rates:
        about = special.pop(each.product, None)
        if about is not None or each.product not in products:
            about = about or ProductIs(each.product)
            products[each.product] = _product(about)
        price = _list_price(each)
        if price is None:
            raise RowError(f"the rate of {each.product} has no price")
        entry = builders.rate(
            price,
            starting_at=each.starting_at,
            ending_before=each.ending_before,
            commit=_price(each.commit_price, each.commit_tiers),
            entitled=each.entitled,
            credit_type=each.unit,
        )
        key = each.product, group_values(each.pricing)
        before = schedules.get(key) or builders.rate_schedule(product=each.product, pricing=each.pricing)
        schedules[key] = builders.with_rate(before, entry)
    if special:
        raise RowError(f"products without a rate: {sorted(special)}")
    return builders.price_book(products.values(), schedules.values(), row.conversions)


def _specifier(about: SpecifierIs) -> Specifier:
    return builders.specifier(
        product=about.product, tags=about.tags, pricing=about.pricing, presentation=about.presentation
    )


def _override(number: int, about: OverrideIs) -> Override:
    return builders.override(
        name=f"override {number}",
        multiplier=about.multiplier,
        overwrite=_price(about.overwrite, about.overwrite_tiers),
        tiers=about.tiers,
        entitled=about.entitled,
        product=about.product,
        tags=about.tags,
        specifiers=[
            OverrideSpecifier(_specifier(each), balance_ids=tuple(builders.BalanceId(name) for name in each.balances))
            for each in about.specifiers
        ],
        starting_at=about.starting_at,
        ending_before=about.ending_before,
        priority=about.priority,
        commit_specific=about.commit_specific,
        target=about.target,
    )


def _balance(number: int, about: BalanceIs) -> Balance:
    pays = about.type is not BalanceType.CREDIT and about.cost is None
    return builders.balance(
        about.type,
        about.amount,
        name=about.name,
        starting_at=about.starting_at,
        ending_before=about.ending_before,
        segments=[builders.segment(each.amount, each.starting_at, each.ending_before) for each in about.segments],
        cost=(about.amount if about.amount is not None else 1) if pays else about.cost,
        priority=about.priority,
        rate_type=about.rate_type,
        products=about.products,
        tags=about.tags,
        specifiers=[_specifier(each) for each in about.specifiers],
        on_contract="contract" if about.on_contract else None,
        contracts=about.contracts,
        credit_type=about.credit_type,
        sequence=number,
    )


def _usage(about: UsageIs, during: BoundedPeriod) -> UsageLine:
    if (about.quantity is None) is not bool(about.windows):
        raise RowError(f"usage of {about.product} has either a quantity or windows")
    return builders.usage(
        about.product,
        about.quantity,
        during=about.during or during,
        windows=about.windows,
        pricing=about.pricing,
        presentation=about.presentation,
    )


# --- pricing it


class Billed(msgspec.Struct, frozen=True):
    """An invoice of a row with its number, from 1."""

    number: int
    about: InvoiceIs
    invoice: Invoice
    priced: PricedUsage


def _bill(row: Row, contract: Contract, book: PriceBook, balances: Sequence[Balance]) -> dict[int, Billed]:
    """Price the row's invoices in the order of their periods; each finds what the earlier ones left.

    A replaced one gives its draws back before its successor is priced.
    """
    billed: dict[int, Billed] = {}
    ordered = sorted(enumerate(row.invoices, start=1), key=lambda item: (item[1].replaces or 0, item[1].period))
    for number, about in ordered:
        during = builders.period(about.period)
        void = {about.replaces} | {each.about.replaces for each in billed.values()}
        drawn: dict[SegmentId, Decimal] = {}
        for other in billed.values():
            for draw in other.priced.draws if other.number not in void else ():
                drawn[draw.segment_id] = drawn.get(draw.segment_id, Decimal(0)) + draw.amount
        lines = [_usage(each, during) for each in about.usage]
        if about.events:
            lines = metered_lines(contract, book, {line.group: line.windows for line in lines}, during)
        composites = composites_on_offer(contract, book, during) if about.events else []
        open_segments = builders.open_segments(balances, during, drawn)
        priced = build_invoice(contract, book, lines, open_segments, during, composites=composites)
        size = WindowSize.HOUR if about.events else about.granularity
        invoice = builders.invoice(
            priced, during, priced.usage, name=f"invoice {number}", window_size=size, imported=not about.events
        )
        billed[number] = Billed(number, about, invoice, priced)
    return billed


def _posted(billed: dict[int, Billed], numbers: Sequence[int]) -> list[PostedDraw]:
    return [item for number in numbers for item in builders.posted(billed[number].priced, f"invoice {number}")]


# --- checking it


def _differ(where: str, what: str, wanted: object, got: object) -> None:
    if wanted != got:
        raise RowError(f"{where}: {what} should be {wanted}, is {got}")


def _segment_id(name: str) -> str:
    return name if "/" in name else f"{name}/1"


def _check_line(where: str, about: LineIs, line: LineItem, during: BoundedPeriod) -> None:
    paying = about.applied or about.paid_by
    is_application = about.applied is not None
    window = builders.period(about.during) if about.during else during
    usual = LineType.CPU_CONVERSION if about.converts else LineType.USAGE
    _differ(where, "type", LineType.APPLIED_COMMIT_OR_CREDIT if is_application else usual, line.type)
    _differ(where, "product", about.product, line.product_id)
    _differ(where, "unit", about.unit, line.credit_type_id)
    _differ(where, "converted unit", about.converts, line.converted_credit_type_id)
    _differ(where, "balance", paying and _segment_id(paying), line.applied and line.applied.segment_id)
    _differ(where, "total", about.total, line.total)
    _differ(where, "unit price", about.unit_price, line.unit_price)
    if about.approx is not None and line.quantity is not None:
        _differ(where, "rounded quantity", about.quantity, round(line.quantity, about.approx))
        _differ(where, "quantity from a division", True, line.quantity != about.quantity)
    else:
        _differ(where, "quantity", about.quantity, line.quantity)
    _differ(where, "tier", about.tier and TierPlace(*about.tier), line.tier)
    _differ(where, "window", window, BoundedPeriod(line.starting_at, line.ending_before))
    _differ(where, "pricing group values", group_values(about.pricing), line.pricing_group_values)
    _differ(where, "presentation group values", group_values(about.presentation), line.presentation_group_values)
    suffix = " applied" if is_application else f" - Tier {about.tier[0]}" if about.tier else ""
    called = about.named or about.product or f"{about.converts} conversion"
    _differ(where, "name", f"{(about.applied or '').split('/')[0] if is_application else called}{suffix}", line.name)


def _check_lines(where: str, wanted: Sequence[LineIs], got: Sequence[LineItem], during: BoundedPeriod) -> None:
    for place, (about, line) in enumerate(zip(wanted, got, strict=False), start=1):
        figures = [about.quantity is not None, about.unit_price is not None, about.applied is None]
        if len(set(figures)) > 1 or (about.applied and about.paid_by):
            raise RowError(f"{where}, line {place}: a usage line says quantity and unit_price, an application neither")
        _check_line(f"{where}, line {place}", about, line, during)
    _differ(where, "number of lines", len(wanted), len(got))


def _check_invoice(billed: Billed) -> None:
    about, priced, where = billed.about, billed.priced, f"invoice {billed.number}"
    _check_lines(where, about.lines, priced.lines, builders.period(about.period))
    _differ(where, "total", about.total, priced.total)
    draws = {draw.segment_id: draw.amount for draw in priced.draws}
    _differ(where, "draws", {_segment_id(name): amount for name, amount in about.draws.items()}, draws)
    _differ(where, "number of draws", len(draws), len(priced.draws))
    for breakdown in about.breakdowns:
        _check_breakdown(f"{where}, {breakdown.size}", breakdown, billed)


def _check_breakdown(where: str, about: BreakdownIs, billed: Billed) -> None:
    got: list[Breakdown] = break_down(billed.invoice, about.size, utc(about.now))
    for window, found in zip(about.windows, got, strict=False):
        start, _, end = window.during.partition("..")
        length = about.size.length
        wanted = BoundedPeriod(utc(start), utc(end) if end else utc(start) + length)
        place = f"{where} {window.during}"
        _differ(place, "window", wanted, found.window)
        _check_lines(place, window.lines, found.lines, builders.period(billed.about.period))
        _differ(place, "total", window.total, found.total)
    _differ(where, "number of windows", len(about.windows), len(got))


def _check_ledger(about: LedgerIs, balance: Balance, posted: list[PostedDraw]) -> None:
    where, now = f"ledger of {about.balance} on {about.now}", utc(about.now)
    mine = [item for item in posted if item.draw.balance_id == balance.id]
    got = [
        (f"{FAMILIES[balance.type]}_{entry.kind}", entry.timestamp, entry.amount, entry.invoice_id)
        for entry in ledger(balance, mine, now)
    ]
    wanted = [
        (entry.type, utc(entry.timestamp), entry.amount, entry.invoice and f"invoice {entry.invoice}")
        for entry in about.entries
    ]
    for place, (one, other) in enumerate(zip(wanted, got, strict=False), start=1):
        _differ(f"{where}, entry {place}", "entry", one, other)
    _differ(where, "number of entries", len(wanted), len(got))
    drawn: dict[SegmentId, Decimal] = {}
    for item in mine:
        drawn[item.draw.segment_id] = drawn.get(item.draw.segment_id, Decimal(0)) + item.draw.amount
    _differ(where, "balance", about.left, balance_at(balance, drawn, now))


def _refuse_floats(node: object, where: str) -> None:
    if isinstance(node, float):
        raise RowError(f"{where}: {node} is not exact; write numbers as text")
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        _refuse_floats(value, f"{where}.{key}")


def check(raw: Any) -> None:
    """Price one row and compare everything it says.

    Raises:
        RowError: It is not a row, has nothing to check, or the domain says something else.
    """
    _refuse_floats(raw, "row")
    try:
        row = msgspec.convert(raw, Row, strict=True)
    except msgspec.ValidationError as error:
        raise RowError(f"not a row: {error}") from error
    if not row.invoices:
        raise RowError("the row has no invoice, so nothing is checked")
    if not row.name.strip() or not row.source.strip():
        raise RowError("a row has a name and says where its figures come from")
    book = _book(row)
    balances = [_balance(number, each) for number, each in enumerate(row.balances, start=1)]
    contract = builders.contract(
        overrides=[_override(number, each) for number, each in enumerate(row.overrides, start=1)],
        prioritization=row.prioritization,
    )
    billed = _bill(row, contract, book, balances)
    for each in billed.values():
        _check_invoice(each)
    if row.preview:
        again = _bill(row, contract, book, balances)
        _differ(
            "preview",
            "second run",
            {n: each.priced for n, each in billed.items()},
            {n: e.priced for n, e in again.items()},
        )
    replaced = {each.about.replaces for each in billed.values()}
    standing = [] if row.preview else [number for number in sorted(billed) if number not in replaced]
    by_name = {balance.name: balance for balance in balances}
    for about in row.ledgers:
        if about.balance not in by_name:
            raise RowError(f"no balance {about.balance}")
        numbers = standing if about.invoices is None else about.invoices
        _check_ledger(about, by_name[about.balance], _posted(billed, numbers))


# --- the tests


def _rows(path: Path) -> list[Any]:
    rows = yaml.safe_load(path.read_text("utf-8"))
    return _dates_as_text(rows)


def _dates_as_text(node: Any) -> Any:
    """YAML reads a bare 2024-06-01 as a date; a row means the text."""
    if isinstance(node, dict):
        return {_dates_as_text(key): _dates_as_text(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_dates_as_text(each) for each in node]
    return node.isoformat() if hasattr(node, "isoformat") else node


TABLES = sorted(path for path in HERE.glob("*.yaml") if path.name not in (CANARIES, *PLAYED))
ROWS = [(path.stem, row) for path in TABLES for row in _rows(path)]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{table}: {row.get('name')}") for table, row in ROWS])
def test_a_row_is_what_the_domain_says(row: Any) -> None:
    check(row)


RIGHT, *WRONG = _rows(HERE / CANARIES)


def test_the_row_that_the_canaries_are_made_from_is_right() -> None:
    check(RIGHT["row"])


@pytest.mark.parametrize("canary", [pytest.param(each, id=each["row"]["name"]) for each in WRONG])
def test_a_row_with_a_fault_is_rejected_for_it(canary: Any) -> None:
    with pytest.raises(RowError, match=re.escape(canary["fails_with"])):
        check(canary["row"])


def test_no_two_rows_have_the_same_name() -> None:
    names = [row["name"] for _, row in ROWS]

    assert sorted(names) == sorted(set(names))


WORKED_EXAMPLES = {
    *("G01", "G02", "G03", "G04", "G04b", "G05", "G06", "G07", "G08", "G09", "G09b", "G09c", "G10"),
    *("G11", "G11b", "G11c", "G11d", "G12", "G13", "G14", "G15", "G16", "G16b", "G17", "G19", "G20", "G21", "G22"),
    *("G23", "G24", "G25", "G25m", "G25n", "G26", "G26b", "G27", "G28", "G29", "G29b", "G32", "G38"),
    *(f"pricing 5.3 no. {number}" for number in (*range(1, 18), 20)),
}


def test_every_worked_example_of_the_reference_has_a_row() -> None:
    named = {found for _, row in ROWS for found in re.findall(r"G\d+[a-z]?\b|pricing 5\.3 no\. \d+", row["source"])}

    assert WORKED_EXAMPLES - named == set()
