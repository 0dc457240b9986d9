"""The same seed, the same bytes: whatever else is generated, in whichever order, on whichever machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from generator.rendering import START, catalog_rendered, digest_of, made

from metronome_sandbox import generator
from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.months import months_after
from metronome_sandbox.generator.profiles import PROFILES, told_by

GOLDEN = {
    "ai-api": "51f4b4b219dd3f2ea705a4c504eb0e50266715b80da042f3fd1a9283599f32b3",
    "infrastructure": "9f2b287dc8e64560755c54fdb7d7bfe7bad29c115ea26d00f8c47ddb90aaaf2e",
    "saas-seats": "97b73d025af5a0d7818b1a55dd3d43f3eddace0d81c6bdae6938ad10974c2386",
}
"""Of the catalog and the first five customers of seed 7 with 24 months. They change with the words of Faker."""


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_made_of_the_bytes_that_it_was_always_made_of(name):
    profile = PROFILES[name]
    parts = catalog_rendered(profile, 7)
    for number in range(1, 6):
        parts += made(profile, number, 24)

    assert digest_of(parts) == GOLDEN[name]


@pytest.mark.parametrize("name", PROFILES)
def test_a_longer_history_begins_with_the_shorter_one(name):
    profile = PROFILES[name]
    for number in range(1, 13):
        long = history_of(profile, 7, number, START, 30)
        for months in (1, 5, 12, 13, 24):
            short = history_of(profile, 7, number, START, months)
            end = months_after(START, months)

            assert short.customer == long.customer
            assert short.contracts == tuple(each for each in long.contracts if each.starting_at < end)
            expected = [each for each in long.invoices if each.starting_at < end]
            assert [each.key for each in short.invoices] == [each.key for each in expected]
            for mine, its in zip(short.invoices, expected, strict=True):
                assert (mine.total, mine.payments, mine.issued_at) == (its.total, its.payments, its.issued_at)
                for line, other in zip(mine.lines, its.lines, strict=True):
                    assert (line.product, line.groups, line.amount) == (other.product, other.groups, other.amount)
                    assert np.array_equal(line.quantities, other.quantities)


def test_a_customer_is_the_same_alone_and_among_others_in_any_order():
    profile = PROFILES["ai-api"]
    alone = made(profile, 7, 12)
    for number in (12, 3, 9, 1):
        made(profile, number, 12)
        made(PROFILES["saas-seats"], number, 3)

    assert made(profile, 7, 12) == alone


def test_the_day_of_the_start_does_not_matter_but_its_month():
    profile = PROFILES["ai-api"]

    assert made(profile, 3, 4, start=date(2023, 1, 19)) == made(profile, 3, 4)
    assert made(profile, 3, 4, start=date(2023, 2, 1)) != made(profile, 3, 4)


def test_another_seed_and_another_number_make_other_customers():
    profile = PROFILES["ai-api"]
    found = {digest_of(made(profile, number, 3, seed=seed)) for number in range(1, 5) for seed in (1, 2)}

    assert len(found) == 8


@pytest.mark.parametrize("name", PROFILES)
def test_by_hour_every_day_and_every_sum_is_what_it_is_by_day(name):
    profile = PROFILES[name]
    hourly = told_by(profile, "HOUR")
    for number in range(1, 6):
        by_day, by_hour = (history_of(each, 7, number, START, 6) for each in (profile, hourly))

        assert [each.total for each in by_hour.invoices] == [each.total for each in by_day.invoices]
        for mine, its in zip(by_hour.invoices, by_day.invoices, strict=True):
            for line, other in zip(mine.lines, its.lines, strict=True):
                assert len(line.quantities) == 24 * len(other.quantities)
                assert np.array_equal(line.quantities.reshape(-1, 24).sum(axis=1), other.quantities)


def test_numbers_are_made_by_nothing_that_differs_between_machines():
    """A table may be looked up, summed as whole numbers and multiplied; NumPy's own distributions, logarithms and sums
    of floats differ by the machine's vector unit and its mathematical library.
    """
    allowed = {
        *("array", "zeros", "where", "cumsum", "flatnonzero", "frombuffer"),
        *("int64", "uint16", "float64"),
    }
    for module, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
                assert node.attr in allowed, f"{module}: np.{node.attr}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {node.module} if isinstance(node, ast.ImportFrom) else {each.name for each in node.names}
                assert not names & {"random", "secrets", "uuid1", "time"}, module


CORE = (
    *("amounts", "billing", "catalog", "contracts", "customers", "histories", "ids", "months", "profiles"),
    *("rating", "requests", "sizes", "streams", "usage"),
)


def _sources() -> Iterator[tuple[str, ast.Module]]:
    folder = Path(next(iter(generator.__path__)))
    for module in CORE:
        yield module, ast.parse((folder / f"{module}.py").read_text())
