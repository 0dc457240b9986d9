"""The rate of a host is found by its refusals and kept."""

from __future__ import annotations

from metronome_sandbox.client.pace import Pace


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


def simulate(pace: Pace, time: Time, limit: float, calls: int) -> list[float]:
    """Send calls to a host that takes ``limit`` calls a second (a bucket of as many); return when it took them."""
    bucket, filled_at = limit, time.seconds
    taken = []
    while len(taken) < calls:
        time.seconds += pace.take()
        bucket, filled_at = min(limit, bucket + (time.seconds - filled_at) * limit), time.seconds
        if bucket < 1:
            pace.refused(time.seconds)
        else:
            bucket -= 1
            taken.append(time.seconds)
            pace.answered()
        time.seconds += 0.001
    return taken


def test_calls_go_out_at_once_until_one_is_refused():
    time = Time()
    pace = Pace(time.now)

    assert [pace.take() for _ in range(50)] == [0.0] * 50
    assert pace.rate is None
    pace.refused(time.seconds)

    assert pace.rate == 25  # half of the 50 calls of the last second
    assert [round(pace.take(), 6) for _ in range(3)] == [0, 0.04, 0.08]


def test_a_burst_of_refusals_halves_the_rate_once():
    time = Time()
    pace = Pace(time.now)
    for _ in range(40):
        pace.take()
    sent_at = time.seconds
    time.seconds += 0.5
    for _ in range(8):
        pace.refused(sent_at)

    assert pace.rate == 20
    time.seconds += 1
    pace.refused(time.seconds)
    assert pace.rate == 10


def test_the_rate_rises_by_a_tenth_of_what_was_refused_each_second_and_only_while_calls_wait():
    time = Time()
    pace = Pace(time.now)
    for _ in range(100):
        pace.take()
    pace.refused(time.seconds)  # 100 a second refused, so 50, and 10 more each second
    for _ in range(20):
        pace.take()
        time.seconds += 0.01
        pace.answered()

    assert pace.rate is not None
    assert abs(pace.rate - 52) < 0.01  # 0.2 seconds later
    time.seconds += 60  # nobody waits for anything
    pace.answered()
    assert abs(pace.rate - 52) < 0.01


def test_a_limit_is_found_and_kept():
    for limit in (8.0, 100.0):
        time = Time()
        taken = simulate(Pace(time.now), time, limit, calls=int(limit * 60))
        half = taken[len(taken) // 2 :]
        rate = (len(half) - 1) / (half[-1] - half[0])
        assert limit * 0.65 < rate <= limit * 1.05


def test_a_pause_holds_everybody_and_lets_them_go_one_by_one():
    time = Time()
    pace = Pace(time.now)
    pace.refused(time.seconds)  # 10 a second are guessed
    pace.pause(3)

    assert pace.is_paused()
    assert [round(pace.take(), 6) for _ in range(3)] == [3, 3.2, 3.4]
    time.seconds += 3
    assert not pace.is_paused()
