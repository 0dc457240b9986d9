"""Previews held to the old invoices' figures: what agrees, what does not, and why.

A million lines may differ, so results are rows of an SQLite file and never a list. Preview and judgement of a customer
happen in one of several threads (:func:`judge`); the file is written by the one that reads the results.

Amounts in the file are texts of ``Decimal`` in the API's unit: SQLite's own numbers are floats.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum
from pathlib import Path
from typing import Any

from metronome_sandbox.importer.comparison import (
    ZERO,
    Comparison,
    Currency,
    LineComparison,
    are_equal,
    compare,
)
from metronome_sandbox.importer.figures import DIGITS, money
from metronome_sandbox.importer.legacy import Groups, LegacyInvoice
from metronome_sandbox.importer.preview import Outcome, Refused
from metronome_sandbox.importer.rates import ContractRates, Price
from metronome_sandbox.importer.reasons import (
    Case,
    Kind,
    PriceAt,
    Reason,
    extra,
    is_near,
    missing,
    missing_override,
    of_line,
    of_total,
)

AT_ONCE = 500
"""Rows that are written together."""

ALIKE = 3
"""As many lines of one customer and product with the same odd ratio are no accident."""

MOST_ALTERNATIVES = 3


class State(StrEnum):
    """How an old invoice and its preview stand to each other."""

    EQUAL = "equal"
    WITHIN = "within tolerance"
    OUT = "out of tolerance"
    NOTHING = "nothing to compare"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that differs: a line, the sum of lines that hardly differ, or what lines leave of a total.

    Args:
        scope: ``line``, ``small`` or ``total``.
        reasons: The likeliest first; at least one.
        ratio: Legacy by preview, where it may be the same for other lines.
    """

    scope: str
    legacy: Decimal | None
    preview: Decimal | None
    difference: Decimal
    reasons: tuple[Reason, ...]
    line: LineComparison | None = None
    ratio: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a preview comes to beside its old invoice.

    Args:
        compared: What the old total was held to.
        total: What the preview's total is.
    """

    currency: Currency
    compared: Decimal
    total: Decimal
    paid: Decimal
    difference: Decimal | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one old invoice.

    Args:
        comparison: None for one that was refused, and where nobody wants it any more.
        allowed: The tolerance in the API's unit.
        figures: Of the comparison; None for an invoice that was refused.
        lines: How many the invoice has.
        rows: Lines of the file that are meant.
    """

    invoice: LegacyInvoice
    state: State
    comparison: Comparison | None = None
    differences: tuple[Difference, ...] = ()
    allowed: Decimal = ZERO
    note: str | None = None
    figures: Figures | None = None
    lines: int = 0
    rows: tuple[int, int] | None = None

    def lightened(self) -> Judged:
        """Return what :class:`Reconciliation` needs of it, without the lines that agree: there may be a million."""
        return replace(self, comparison=None, invoice=replace(self.invoice, lines=()))

    @property
    def culprits(self) -> Sequence[bool]:
        """Whether each difference is what puts the invoice out of tolerance, rather than one that stands beside it."""
        large = [abs(one.difference) > self.allowed for one in self.differences]
        is_out = self.state is State.OUT
        return [is_out and (each or not any(large)) for each in large]


def judge(outcome: Outcome, rates: ContractRates, tolerance: Decimal, *, is_total_said: bool = True) -> Judged:
    """Hold a preview to its old invoice.

    Args:
        tolerance: How far a total or a line may be off, in the currency's unit.
        is_total_said: Whether the file says totals; they are sums of lines otherwise, and held to such a sum.
    """
    invoice = outcome.invoice
    lines, rows = len(invoice.lines), _rows(invoice)
    if isinstance(outcome, Refused):
        return Judged(invoice, State.REFUSED, note=outcome.message, lines=lines, rows=outcome.rows or rows)
    with localcontext(prec=DIGITS):
        comparison = compare(invoice, outcome.preview, is_total_said=is_total_said)
        currency = comparison.currency
        figures = Figures(currency, comparison.total, comparison.preview.total, comparison.paid, comparison.difference)
        allowed = tolerance * currency.per_unit

        def price_at(line: LineComparison, at: datetime) -> Price | None:
            return rates.price(invoice.customer_id, invoice.contract_id, at, line.product_id, line.pricing)

        found: tuple[Difference, ...] = ()
        state = State.NOTHING
        if comparison.has_figures:
            found = tuple(_differences(comparison, allowed, price_at, outcome.doubt))
            state = _state(comparison, found, allowed)
    return Judged(invoice, state, comparison, found, allowed, outcome.doubt, figures, lines, rows)


def _state(comparison: Comparison, found: Sequence[Difference], allowed: Decimal) -> State:
    legacy = comparison.invoice.total
    off = [one.difference for one in found if one.scope == "line"]
    if legacy is not None and not are_equal(comparison.total, legacy):
        off.append(comparison.total - legacy)
    if any(abs(each) > allowed for each in off):
        return State.OUT
    return State.WITHIN if found else State.EQUAL


def _differences(
    comparison: Comparison, allowed: Decimal, price_at: PriceAt, doubt: str | None
) -> Iterator[Difference]:
    """Yield what differs; without a total to compare, what the lines say. The differences add up to the total's."""
    explained, small = ZERO, []
    for line in comparison.lines:
        difference = line.difference
        if difference is None or are_equal(line.legacy_amount or ZERO, (line.legacy_amount or ZERO) + difference):
            continue
        if not line.legacy and comparison.legacy_gross is None:
            continue  # nobody knows what the old lines said; the total tells
        explained += difference
        if abs(difference) <= allowed and line.legacy and line.parts:
            small.append(line)
        else:
            yield _of_line(comparison, line, difference, price_at)
    if small:
        yield _of_small(comparison, small, price_at)
    total = comparison.difference
    if total is None or are_equal(comparison.total, comparison.total + total - explained):
        return
    reasons = of_total(comparison, explained, price_at)
    if doubt is not None:
        told = f"balances pay {money(comparison.paid, comparison.currency)} in the preview"
        reasons.insert(0, Reason(Kind.BALANCE, "balances could not be previewed exactly", f"{told}; {doubt}"))
    yield Difference(
        "total", comparison.invoice.total, comparison.total, total - explained, _ranked(reasons, comparison)
    )


def _of_line(comparison: Comparison, line: LineComparison, difference: Decimal, price_at: PriceAt) -> Difference:
    legacy, amount, currency = line.legacy_amount, line.amount, comparison.currency
    if not line.legacy:
        return Difference("line", None, amount, difference, (extra(line, currency),), line)
    if amount is None or legacy is None:
        return Difference("line", legacy, None, difference, (missing(line, currency),), line)
    reasons = of_line(Case(comparison, line, legacy, amount, price_at))
    return Difference(
        "line", legacy, amount, difference, _ranked(reasons, comparison, line), line, _ratio(legacy, amount, currency)
    )


def _of_small(comparison: Comparison, lines: Sequence[LineComparison], price_at: PriceAt) -> Difference:
    """Return what lines that are each within tolerance come to: a fraction of a cent each, and dollars together."""
    legacy = sum((line.legacy_amount or ZERO for line in lines), ZERO)
    amount = sum((line.amount or ZERO for line in lines), ZERO)
    reasons = []
    for line in lines:
        found = of_line(Case(comparison, line, line.legacy_amount or ZERO, line.amount or ZERO, price_at))
        reasons.append(found[0] if found else None)
    first = reasons[0]
    currency = comparison.currency
    told = (
        f"{len(lines)} lines differ by no more than the tolerance each, by {money(amount - legacy, currency)} together"
    )
    if first is not None and all(reason is not None and reason.cause == first.cause for reason in reasons):
        reason = Reason(first.kind, first.cause, first.evidence if len(lines) == 1 else told)
    else:
        reason = Reason(Kind.UNKNOWN, "nothing that is looked for fits", told)
    only = lines[0] if len(lines) == 1 else None
    return Difference("small", legacy, amount, amount - legacy, (reason,), only)


def _ranked(
    reasons: Sequence[Reason], comparison: Comparison, line: LineComparison | None = None
) -> tuple[Reason, ...]:
    if reasons:
        return tuple(reasons[: 1 + MOST_ALTERNATIVES])
    told = "no cause that is looked for makes these figures"
    if line is not None and line.legacy_price is not None and line.price is not None:
        currency = comparison.currency
        told = f"legacy {money(line.legacy_price, currency)} a unit, preview {money(line.price, currency)}; {told}"
    return (Reason(Kind.UNKNOWN, "nothing that is looked for fits", told),)


def _ratio(legacy: Decimal, amount: Decimal, currency: Currency) -> Decimal | None:
    """Return legacy by preview as far as the figures tell it, None where they do not or where it is 1."""
    if legacy <= 0 or amount <= 0:
        return None
    short = round(legacy / amount, 2)
    if short > 0 and is_near(legacy, amount * short, currency):
        return short.normalize() if short != 1 else None
    return round(legacy / amount, 4).normalize() if amount >= 10_000 * currency.coin else None


# The file ------------------------------------------------------------------------------------------------------------

TABLES = """
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY, number TEXT, customer_id TEXT, customer TEXT, contract_id TEXT,
    starting_at TEXT, ending_before TEXT, state TEXT, currency TEXT, per_unit TEXT, coin TEXT,
    legacy TEXT, preview TEXT, paid TEXT, difference TEXT, lines INTEGER, note TEXT,
    first_row INTEGER, last_row INTEGER, total TEXT
);
CREATE TABLE differences (
    id INTEGER PRIMARY KEY, invoice INTEGER, is_out INTEGER, scope TEXT, product_id TEXT, product TEXT, groups TEXT,
    starting_at TEXT, ending_before TEXT, legacy TEXT, preview TEXT, difference TEXT, legacy_price TEXT, price TEXT,
    quantity TEXT, first_row INTEGER, last_row INTEGER, ratio TEXT, kind TEXT, cause TEXT, evidence TEXT
);
CREATE TABLE reasons (difference INTEGER, place INTEGER, kind TEXT, cause TEXT, evidence TEXT);
"""


class _Sum:
    """Adds up texts of ``Decimal`` in SQL."""

    def __init__(self) -> None:
        self._sum = ZERO

    def step(self, value: str | None) -> None:
        if value is not None:
            with localcontext(prec=DIGITS):
                self._sum += Decimal(value)

    def finalize(self) -> str:
        return str(self._sum)


class Reconciliation:
    """What was found, in a file that ends with it. Use as a context manager."""

    def __init__(self, tolerance: Decimal) -> None:
        self.tolerance = tolerance
        self._folder = tempfile.TemporaryDirectory(prefix="metronome-import-")
        self._database = sqlite3.connect(Path(self._folder.name) / "reconciliation.sqlite", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.create_aggregate("decimal_sum", 1, _Sum)  # type: ignore[arg-type]
        self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES} BEGIN;")
        self._waiting: dict[str, list[tuple[Any, ...]]] = {"invoices": [], "differences": [], "reasons": []}
        self._invoices = self._differences = 0

    def __enter__(self) -> Reconciliation:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, judged: Judged) -> None:
        """Keep one result."""
        self._invoices += 1
        self._waiting["invoices"].append(_invoice_row(self._invoices, judged))
        for one, is_out in zip(judged.differences, judged.culprits, strict=True):
            self._differences += 1
            row = _difference_row(self._differences, self._invoices, is_out, one)
            self._waiting["differences"].append(row)
            self._waiting["reasons"] += (
                (self._differences, place, reason.kind.value, reason.cause, reason.evidence)
                for place, reason in enumerate(one.reasons)
            )
        if sum(map(len, self._waiting.values())) >= AT_ONCE:
            self._write()

    def finish(self) -> None:
        """Look at all results together, after the last one was added."""
        self._write()
        self._database.executescript(
            "CREATE INDEX of_invoice ON differences (invoice); CREATE INDEX by_customer ON invoices (customer_id);"
        )
        self._choose()
        self._unite()

    def _write(self) -> None:
        for table, rows in self._waiting.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
                rows.clear()

    def _choose(self) -> None:
        """Of the reasons that fit a line, tell the one that fits most lines of its customer and product."""
        self._database.executescript(
            """CREATE TEMP TABLE votes AS
            SELECT i.customer_id, d.product_id, r.cause, count(*) AS lines FROM reasons r
            JOIN differences d ON d.id = r.difference JOIN invoices i ON i.id = d.invoice
            GROUP BY i.customer_id, d.product_id, r.cause;
            CREATE INDEX by_cause ON votes (customer_id, product_id, cause);
            CREATE INDEX of_difference ON reasons (difference);
            UPDATE differences SET (kind, cause, evidence) = (
                SELECT r.kind, r.cause, r.evidence FROM reasons r JOIN invoices i ON i.id = differences.invoice
                JOIN votes v ON v.customer_id = i.customer_id AND v.product_id IS differences.product_id
                AND v.cause = r.cause
                WHERE r.difference = differences.id ORDER BY v.lines DESC, r.place LIMIT 1
            ) WHERE id IN (SELECT difference FROM reasons WHERE place > 0);
            DROP TABLE votes;"""
        )

    def _unite(self) -> None:
        """Tell lines that nothing explains by what they have in common: one odd ratio, again and again."""
        alike = self._database.execute(
            """SELECT i.customer_id, d.product_id, d.ratio, count(*) AS alike, count(DISTINCT d.invoice) AS invoices
            FROM differences d JOIN invoices i ON i.id = d.invoice
            WHERE d.kind = ? AND d.scope = 'line' AND d.ratio IS NOT NULL
            GROUP BY i.customer_id, d.product_id, d.ratio HAVING alike >= ?""",
            (Kind.UNKNOWN, ALIKE),
        ).fetchall()
        for found in alike:
            ratio = Decimal(found["ratio"])
            self._database.execute(
                """UPDATE differences SET kind = ?, cause = ?, evidence = ? || evidence
                WHERE kind = ? AND scope = 'line' AND product_id = ? AND ratio = ?
                AND invoice IN (SELECT id FROM invoices WHERE customer_id = ?)""",
                (
                    Kind.OVERRIDE,
                    missing_override(ratio),
                    f"the same ratio in {found['alike']} lines of {found['invoices']} invoices; ",
                    Kind.UNKNOWN,
                    found["product_id"],
                    found["ratio"],
                    found["customer_id"],
                ),
            )

    # Reading

    @property
    def counts(self) -> dict[State, int]:
        """How many invoices there are of each state."""
        rows = self._database.execute("SELECT state, count(*) AS invoices FROM invoices GROUP BY state")
        found = {row["state"]: row["invoices"] for row in rows}
        return {state: found.get(state.value, 0) for state in State}

    @property
    def has_findings(self) -> bool:
        """Whether anything is out of tolerance or could not be previewed."""
        return self.counts[State.OUT] + self.counts[State.REFUSED] > 0

    def sums(self) -> list[sqlite3.Row]:
        """Return for each currency what the compared invoices come to, and how many they are."""
        return self._all(
            """SELECT currency, per_unit, coin, count(*) AS invoices, decimal_sum(legacy) AS legacy,
            decimal_sum(preview) AS preview, decimal_sum(difference) AS difference FROM invoices
            WHERE difference IS NOT NULL GROUP BY currency ORDER BY currency"""
        )

    def kinds(self) -> list[sqlite3.Row]:
        """Return how much of the differences each kind of reason makes, by currency; most invoices first."""
        return self._all(
            """SELECT d.kind, i.currency, i.per_unit, i.coin, count(DISTINCT d.invoice) AS invoices,
            count(*) AS differences, sum(d.is_out) AS out, decimal_sum(d.difference) AS difference
            FROM differences d JOIN invoices i ON i.id = d.invoice
            GROUP BY d.kind, i.currency ORDER BY invoices DESC, d.kind"""
        )

    def causes(self, most: int) -> list[sqlite3.Row]:
        """Return each cause once, with how far it goes; those of most invoices first.

        A cause is told for each customer and product, or where more customers share it, for all of them together.
        """
        return self._all(
            """SELECT d.kind, d.cause, d.product, i.currency, i.per_unit, i.coin, min(i.customer) AS customer,
            count(DISTINCT i.customer_id) AS customers, count(DISTINCT d.invoice) AS invoices, count(*) AS lines,
            min(i.starting_at) AS starting_at, max(i.ending_before) AS ending_before,
            decimal_sum(d.difference) AS difference, min(d.evidence) AS evidence
            FROM differences d JOIN invoices i ON i.id = d.invoice WHERE d.is_out
            GROUP BY d.kind, d.cause, d.product_id, i.currency
            ORDER BY invoices DESC, lines DESC, d.kind, d.cause, d.product LIMIT ?""",
            most,
        )

    def causes_count(self) -> int:
        """Return how many causes there are."""
        rows = self._all(
            """SELECT count(*) AS causes FROM (SELECT 1 FROM differences d JOIN invoices i ON i.id = d.invoice
            WHERE d.is_out GROUP BY d.kind, d.cause, d.product_id, i.currency)"""
        )
        return int(rows[0]["causes"])

    def differences(self, *, only_out: bool = False, most: int = -1) -> Iterator[sqlite3.Row]:
        """Yield what differs, by customer, period and product."""
        yield from self._database.execute(
            f"""SELECT d.*, i.number, i.customer_id, i.customer, i.contract_id, i.currency, i.per_unit, i.coin, i.state,
            i.starting_at AS period_start, i.ending_before AS period_end
            FROM differences d JOIN invoices i ON i.id = d.invoice {"WHERE d.is_out" if only_out else ""}
            ORDER BY i.customer, i.customer_id, i.starting_at, i.id, d.scope = 'total', d.product, d.id LIMIT ?""",
            (most,),
        )

    def count_out(self) -> int:
        """Return how many figures differ on invoices that are out of tolerance."""
        return int(self._all("SELECT count(*) AS found FROM differences WHERE is_out")[0]["found"])

    def invoices(self, state: State | None = None, most: int = -1) -> Iterator[sqlite3.Row]:
        """Yield what became of invoices, by customer and period."""
        yield from self._database.execute(
            f"""SELECT * FROM invoices {"WHERE state = ?1" if state is not None else ""}
            ORDER BY customer, customer_id, starting_at, id LIMIT {int(most)}""",
            () if state is None else (state.value,),
        )

    def of_customer(self, customer_id: str) -> list[sqlite3.Row]:
        """Return what became of the invoices of a customer; ``total`` is the preview's own, after balances."""
        return self._all("SELECT * FROM invoices WHERE customer_id = ?", customer_id)

    def others(self, difference: sqlite3.Row) -> list[sqlite3.Row]:
        """Return the reasons that fit a difference as well."""
        return self._all(
            """SELECT kind, cause, evidence FROM reasons
            WHERE difference = ? AND cause <> ? AND kind <> ? ORDER BY place""",
            difference["id"],
            difference["cause"],
            Kind.UNKNOWN.value,
        )

    def _all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self._database.execute(query, values).fetchall()


def _invoice_row(place: int, judged: Judged) -> tuple[Any, ...]:
    invoice, figures = judged.invoice, judged.figures
    currency = None if figures is None else figures.currency
    return (
        place,
        invoice.number,
        invoice.customer_id,
        invoice.customer_name,
        invoice.contract_id,
        invoice.starting_at.isoformat(),
        invoice.ending_before.isoformat(),
        judged.state.value,
        None if currency is None else currency.code,
        None if currency is None else str(currency.per_unit),
        None if currency is None else str(currency.coin),
        _text(invoice.total),
        None if figures is None else _text(figures.compared),
        None if figures is None else _text(figures.paid),
        None if figures is None else _text(figures.difference),
        judged.lines,
        judged.note,
        *(judged.rows or (None, None)),
        None if figures is None else _text(figures.total),
    )


def _difference_row(place: int, invoice: int, is_out: bool, one: Difference) -> tuple[Any, ...]:
    line, reason = one.line, one.reasons[0]
    rows = () if line is None else [old.rows for old in line.legacy]
    return (
        place,
        invoice,
        is_out,
        one.scope,
        None if line is None else line.product_id,
        None if line is None else line.name,
        None if line is None else _groups(line.pricing, line.presentation),
        None if line is None else line.starting_at.isoformat(),
        None if line is None else line.ending_before.isoformat(),
        _text(one.legacy),
        _text(one.preview),
        _text(one.difference),
        None if line is None else _text(line.legacy_price),
        None if line is None else _text(line.price),
        None if line is None or not line.legacy else _text(line.quantity),
        min((first for first, _ in rows), default=None),
        max((last for _, last in rows), default=None),
        _text(one.ratio),
        reason.kind.value,
        reason.cause,
        reason.evidence,
    )


def _rows(invoice: LegacyInvoice) -> tuple[int, int] | None:
    rows = [line.rows for line in invoice.lines]
    return (min(first for first, _ in rows), max(last for _, last in rows)) if rows else None


def _groups(*groups: Groups) -> str:
    return ", ".join(f"{key} {value}" for each in groups for key, value in each)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def reconcile(judgements: Iterable[Judged], tolerance: Decimal) -> Reconciliation:
    """Return all judgements, kept and looked at together. The caller closes it."""
    found = Reconciliation(tolerance)
    try:
        for judged in judgements:
            found.add(judged)
        found.finish()
    except BaseException:
        found.__exit__()
        raise
    return found
