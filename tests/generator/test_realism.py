"""Worlds look as their profiles state, and the measures are what they say."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from generator.generating import generate

from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.profiles import PROFILES, Bands
from metronome_sandbox.generator.realism import Realism
from metronome_sandbox.generator.world import Balance, Contract, Customer, History, Invoice, Line, Payment

START = date(2023, 1, 1)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_world_of_many_customers_lies_in_the_bands_of_its_profile(profile: str):
    realism = Realism(PROFILES[profile], START, 24)
    for number in range(1, 401):
        realism.add(history_of(PROFILES[profile], 7, number, START, 24))

    assert {figure.name: figure.value for figure in realism.figures() if not figure.is_within} == {}


def test_a_world_that_is_unlike_its_profile_is_seen():
    """Without habits, growth and giants: what people usually generate."""
    segments = tuple(replace(segment, growth_spread=0) for segment in PROFILES["ai-api"].segments)
    flat = replace(
        PROFILES["ai-api"], spread="0.1", tail="9", growth=0, segments=segments, zero_months=0, corrections=0
    )
    realism = Realism(flat, START, 24)
    for number in range(1, 61):
        realism.add(history_of(flat, 7, number, START, 24))

    outside = {figure.name for figure in realism.figures() if figure.is_within is False}

    assert outside >= {"top_tenth_share", "tail_exponent", "net_revenue_retention", "zero_months", "corrections"}


def test_the_tail_is_measured_by_how_much_larger_the_greatest_are():
    realism = Realism(PROFILES["ai-api"], START, 24)
    realism.revenue = [1.0] * 18 + [math.e**2, math.e]  # the greatest two of twenty, by the third: logarithms 2 and 1

    measured = {figure.name: figure.value for figure in realism.figures()}

    assert measured["tail_exponent"] == pytest.approx(2 / 3)
    assert measured["ramp_up"] is None


def test_a_new_customer_is_looked_at_again_in_its_seventh_month():
    realism = Realism(PROFILES["ai-api"], START, 9)
    old, new = (
        _history(
            name, (), *(_invoice(f"{name}-{month}", month, _line("p", [month], price)) for month in range(*months))
        )
        for name, months, price in (("old", (1, 9), "100"), ("new", (2, 9), "3"))
    )
    realism.add(old)
    realism.add(new)

    measured = {figure.name: figure.value for figure in realism.figures()}

    assert measured["ramp_up"] == pytest.approx(8 / 2)


# Measures of two customers that were made by hand, over two months


def _line(product: str, per_day: list[int], price: str) -> Line:
    return Line(product, (), np.array(per_day, dtype=np.int64), sum(per_day) * Decimal(price))


def _invoice(key: str, month: int, *lines: Line, paid: str = "0", corrects: str | None = None) -> Invoice:
    amount = sum((line.amount for line in lines), Decimal(0))
    payments = (Payment("commit", Decimal(paid)),) if Decimal(paid) else ()
    issued_at = datetime(2023, month + 1, 2, tzinfo=UTC)
    return Invoice(
        key,
        "first",
        date(2023, month, 1),
        date(2023, month + 1, 1),
        issued_at,
        lines,
        payments,
        amount - Decimal(paid),
        corrects,
    )


def _contract(key: str, start: date, end: date, committed: str, renews: str | None) -> Contract:
    commit = Balance(
        "commit" if renews is None else "more", False, "", Decimal(committed), Decimal(1), start, end, 1, ()
    )
    return Contract(key, "a", "", "card", start, end, renews, (commit,), ())


def _history(name: str, contracts: tuple[Contract, ...], *invoices: Invoice) -> History:
    return History(Customer(1, name, name, "en_US", "US", "", "", "", "growth", START), contracts, invoices)


@pytest.fixture(scope="module")
def figures() -> dict[str, float | None]:
    january, february = [10] * 31, [10] * 28
    january[9] = 50  # a Tuesday, five times the middle
    contracts = (
        _contract("first", START, date(2023, 2, 1), "300", None),
        _contract("second", date(2023, 2, 1), date(2023, 4, 1), "1000", "first"),
    )
    one = _history(
        "a",
        contracts,
        _invoice("wrong", 1, _line("x", [1] * 31, "1")),
        _invoice("right", 1, _line("x", january, "1"), paid="300", corrects="wrong"),
        _invoice("next", 2, _line("x", february, "1"), _line("y", february, "0.5")),
    )
    other = _history("b", (), _invoice("empty", 2, _line("x", [0] * 28, "1")))
    realism = Realism(PROFILES["ai-api"], START, 2)
    realism.add(one)
    realism.add(other)
    assert realism.total == 350 + 280 + 140  # the voided invoice of 31 is in no sum
    return {figure.name: figure.value for figure in realism.figures()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_tenth_share", None),  # two customers have no tenth
        ("net_revenue_retention", None),  # nor do two months have a second year
        ("corrections", 1 / 3),  # of three invoices that stand
        ("zero_months", 1 / 3),
        ("spikes", 1 / 2),  # of two with usage
        ("covered_share", 300 / 770),
        ("exhausted_share", 1.0),  # the first commit; the second one ends after the months
        ("renewal_rate", 1.0),
        # 300 for 31 days, then 1000 for 59: 9.7 a day, then 16.9.
        ("upgrades", 1.0),
        ("zipf_exponent", None),  # two products make no curve
    ],
)
def test_a_measure_is_what_it_says(figures: dict[str, float | None], name: str, value: float | None):
    assert figures[name] == (value if value is None else pytest.approx(value))


def test_a_day_of_a_months_end_is_set_against_the_others(figures: dict[str, float | None]):
    # Ends: 10 + 10 of January, 15 + 15 of February: 12.5 a day. The other 55 days: 770 - 50 = 720.
    assert figures["month_end_ratio"] == pytest.approx(12.5 / (720 / 55))


def test_a_weekend_day_is_set_against_a_weekday(figures: dict[str, float | None]):
    # Saturdays: 4 of January at 10, 4 of February at 15: 12.5. Sundays: 5 at 10, 4 at 15: 110 / 9.
    weekend = (12.5 + 110 / 9) / 2
    # Mondays 5 + 4, Tuesdays 5 + 4 and 40 more, Wednesdays, Thursdays, Fridays 4 + 4.
    weekday = (110 / 9 + 150 / 9 + 12.5 * 3) / 5
    assert figures["weekend_ratio"] == pytest.approx(weekend / weekday)


# What people see


def test_a_report_has_a_table_a_picture_and_a_page(tmp_path: Path):
    result = generate(tmp_path / "world", "--report", customers=20, months=3)

    assert result.exit_code == 0, result.output
    assert "revenue from the greatest tenth" in result.stdout
    assert "chance is greater in a small world" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80
    assert (tmp_path / "world/report.png").read_bytes().startswith(PNG)
    page = (tmp_path / "world/report.html").read_text()
    assert page.count("<tr ") == len(fields(Bands))
    assert "data:image/png;base64,iVBORw0KGgo" in page
    assert "http" not in page


@pytest.mark.parametrize("months", [1, 48])
def test_a_picture_of_any_length_is_drawn_without_a_warning(tmp_path: Path, months: int):
    result = generate(tmp_path / "world", "--report", customers=2, months=months)

    assert result.exit_code == 0, result.output


def test_a_picture_repeats(tmp_path: Path):
    world = tmp_path / "world"
    generate(world, "--report", customers=5, months=2)
    before = (world / "report.png").read_bytes()

    generate(world, "--report", customers=5, months=2)

    assert (world / "report.png").read_bytes() == before
