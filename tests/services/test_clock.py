"""A tenant's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from builders import utc

from metronome_sandbox.services.clock import Clock


def test_it_is_real_time_until_it_is_set() -> None:
    clock = Clock()

    before, read, after = datetime.now(UTC), clock.now(), datetime.now(UTC)

    assert before <= read <= after
    assert read.utcoffset() == timedelta(0)
    assert not clock.is_frozen


def test_a_frozen_clock_stands_still() -> None:
    clock = Clock()

    clock.freeze(utc("2024-08-15T10:30"))

    assert clock.is_frozen
    assert [clock.now() for _ in range(3)] == [utc("2024-08-15T10:30")] * 3


def test_it_goes_where_it_is_set_even_back() -> None:
    clock = Clock(utc("2024-08-15"))
    assert clock.is_frozen

    clock.freeze(utc("2020-01-01"))

    assert clock.now() == utc("2020-01-01")


def test_a_thawed_clock_runs_again() -> None:
    clock = Clock(utc("2024-08-15"))

    clock.thaw()

    assert not clock.is_frozen
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
