"""Draws, and the tables that make distributions of them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from metronome_sandbox.generator.profiles import PROFILES
from metronome_sandbox.generator.sizes import segment_at, spend_at
from metronome_sandbox.generator.streams import (
    Stream,
    chosen,
    in_turn,
    log_normal_quantiles,
    looked_up,
    normal_quantile,
    spread_evenly,
)


def test_a_stream_is_what_it_was():
    """Words of SHAKE-128 of ``7/ai-api/3/usage/1``, as any other implementation of FIPS 202 has them."""
    assert Stream(7, "ai-api", 3).integers("usage/1", 2) == [11862605096880822805, 2001927779803687672]


def test_a_longer_draw_begins_with_the_shorter_one():
    stream = Stream(7, "ai-api", 3)

    assert stream.integers("a", 9)[:4] == stream.integers("a", 4)
    assert np.array_equal(stream.shorts(["a", "b"], 8)[1], stream.shorts(["b"], 8)[0])


def test_a_draw_depends_on_seed_profile_customer_and_purpose():
    names = [(1, "a", 1, "x"), (2, "a", 1, "x"), (1, "b", 1, "x"), (1, "a", 2, "x"), (1, "a", 1, "y")]

    assert len({Stream(*name).integers(purpose, 1)[0] for *name, purpose in names}) == len(names)


def test_units_fill_the_space_from_0_to_1():
    units = Stream(1, "a", 1).units("x", 4000)

    assert min(units) >= 0
    assert max(units) < 1
    assert {int(unit * 20) for unit in units} == set(range(20))


@pytest.mark.parametrize("seed", [0, 7, 12345])
@pytest.mark.parametrize("power", [3, 6, 9])
def test_sizes_of_few_customers_already_lie_evenly_apart(seed, power):
    count = 1 << power
    places = [int(spread_evenly(seed, "ai-api", number) * count) for number in range(1, count + 1)]

    assert sorted(places) == list(range(count))


def test_quantiles_of_the_normal_distribution_are_those_of_the_tables_in_books():
    assert normal_quantile(0.5) == 0
    assert normal_quantile(0.975) == Decimal("1.959964")
    assert normal_quantile(0.01) == Decimal("-2.326348")


def test_a_log_normal_table_rises_and_has_mean_1():
    table = log_normal_quantiles("0.5").tolist()

    assert table == sorted(table)
    assert abs(in_turn(table) / len(table) - 1) < 0.002


def test_a_table_is_read_on_the_line_between_its_points():
    assert looked_up([10.0, 20.0, 40.0], 0.0) == 10
    assert looked_up([10.0, 20.0, 40.0], 0.25) == 15
    assert looked_up([10.0, 20.0, 40.0], 0.75) == 30
    assert looked_up([10.0, 20.0, 40.0], 1.0) == 40


def test_places_are_chosen_as_often_as_their_shares_say():
    draws = Stream(1, "a", 1).integers("x", 3000)
    seen = Counter(chosen([5, 3, 2], draw) for draw in draws)

    assert abs(seen[0] - 1500) < 120
    assert abs(seen[2] - 600) < 100
    assert chosen([5, 3, 2], 0) == 0
    assert chosen([5, 3, 2], 2**64 - 1) == 2


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_a_customer_that_is_larger_than_more_others_spends_more(profile):
    shares = [place / 1000 for place in range(1000)]
    sizes = [spend_at(profile, share) for share in shares]

    assert sizes == sorted(sizes)
    assert abs(spend_at(profile, 0.5) / profile.median_spend - 1) < 0.01
    assert sizes[-1] > 20 * profile.median_spend
    assert spend_at(profile, 1 - 2**-53) < 1000 * profile.median_spend


def test_the_tail_is_paretos():
    """At exponent a, a tenth as many customers are ``10 ** (1 / a)`` times as large; here read off within octaves."""
    profile = PROFILES["ai-api"]
    ratio = spend_at(profile, 0.99375) / spend_at(profile, 0.9)  # a sixteenth of the tenth: four halvings

    assert ratio == pytest.approx(16 ** (1 / float(profile.tail)), rel=1e-9)


def test_segments_have_the_shares_that_are_stated():
    for profile in PROFILES.values():
        assert sum(segment.share for segment in profile.segments) == 100
        seen = Counter(segment_at(profile, place / 1000).name for place in range(1000))
        for segment in profile.segments:
            assert abs(seen[segment.name] - 10 * segment.share) <= 1
