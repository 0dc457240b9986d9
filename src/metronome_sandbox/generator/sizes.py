"""How much customers spend: a log-normal body of many small ones, and Pareto's tail of a few that matter."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from metronome_sandbox.generator.profiles import Profile, Segment
from metronome_sandbox.generator.streams import EXACT, looked_up, normal_quantile

BODY = 0.9
"""Below it the sizes are log-normal, above it Pareto's."""
POINTS = 257
LARGEST_OCTAVE = 6
"""The tail ends where one customer in 2 to this power, of the tail, is larger: nobody outgrows the market."""


def spend_at(profile: Profile, share: float) -> float:
    """Return the cents a month of the customer that is larger than this share of all."""
    body, octaves = _tables(profile)
    if share < BODY:
        return looked_up(body, share / BODY)
    # Within an octave the share that is larger goes down by half; Pareto's law multiplies the size by a constant.
    larger, octave = (1 - share) / (1 - BODY), 0
    while larger <= 0.5 and octave < LARGEST_OCTAVE - 1:
        larger, octave = larger * 2, octave + 1
    within = min(1.0, 2 * (1 - max(larger, 0.5)))
    return octaves[octave] + (octaves[octave + 1] - octaves[octave]) * within


def segment_at(profile: Profile, share: float) -> Segment:
    """Return the segment of the customer that is larger than this share of all."""
    at = share * 100
    for segment in profile.segments:
        if at < segment.share:
            return segment
        at -= segment.share
    return profile.segments[-1]


@lru_cache
def _tables(profile: Profile) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return sizes at equal steps through the body, and at each halving of the tail."""
    sigma = Decimal(profile.spread)
    body = tuple(
        profile.median_spend * float(EXACT.exp(sigma * normal_quantile(max(BODY * point / (POINTS - 1), 0.002))))
        for point in range(POINTS)
    )
    halving = EXACT.exp(EXACT.ln(Decimal(2)) / Decimal(profile.tail))
    return body, tuple(body[-1] * float(EXACT.power(halving, octave)) for octave in range(LARGEST_OCTAVE + 1))
