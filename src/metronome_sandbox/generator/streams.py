"""Random draws that depend on what they are for, and on nothing that was drawn before.

A draw is a stretch of SHAKE-128 (FIPS 202) over the seed, the profile, the customer's number and a purpose such as
``usage/7``: one more month, one more customer or one more purpose leaves all others as they are, and every machine
draws the same. What follows from a draw uses whole numbers, and of floats only the four operations that IEEE 754
defines to the last bit; a logarithm or a sum of an array may differ between machines, so distributions are tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from hashlib import shake_128
from statistics import NormalDist
from struct import unpack
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 4096
"""Points of a table that a short draw is looked up in, by its upper bits."""

SPARE_BITS = 4
"""The lower bits of a short draw that no table needs."""

EXACT = Context(prec=30)


class Stream:
    """The draws of one customer of a profile."""

    __slots__ = ("_name",)

    def __init__(self, seed: int, profile: str, number: int) -> None:
        self._name = f"{seed}/{profile}/{number}/"

    def integers(self, purpose: str, count: int) -> list[int]:
        """Return whole numbers of 64 bits."""
        return list(unpack(f"<{count}Q", self._bytes(purpose, 8 * count)))

    def units(self, purpose: str, count: int) -> list[float]:
        """Return numbers from 0 up to, and without, 1."""
        return [(whole >> 11) / (1 << 53) for whole in self.integers(purpose, count)]

    def unit(self, purpose: str) -> float:
        """Return one number from 0 up to, and without, 1."""
        return self.units(purpose, 1)[0]

    def shorts(self, purposes: Iterable[str], count: int) -> NDArray[np.uint16]:
        """Return a row of whole numbers of 16 bits for each purpose."""
        drawn = b"".join(self._bytes(purpose, 2 * count) for purpose in purposes)
        return np.frombuffer(drawn, dtype="<u2").reshape(-1, count)

    def _bytes(self, purpose: str, count: int) -> bytes:
        return shake_128((self._name + purpose).encode()).digest(count)


def spread_evenly(seed: int, profile: str, number: int) -> float:
    """Return a number from 0 up to, and without, 1, such that those of customers 0 to n lie evenly apart for every n.

    It is van der Corput's sequence with the bits that the seed turns over, so that small samples too have their share
    of giants.
    """
    reversed_bits = int(f"{number:064b}"[::-1], 2)
    turned = reversed_bits ^ Stream(seed, profile, 0).integers("evenly", 1)[0]
    return (turned >> 11) / (1 << 53)


def normal_quantile(share: float) -> Decimal:
    """Return the quantile of the standard normal distribution, to six digits.

    The last digits of a logarithm depend on the machine; they are cut off.
    """
    return Decimal(f"{NormalDist().inv_cdf(share):.6f}")


def log_normal_quantiles(spread: str, steps: int = STEPS) -> NDArray[np.float64]:
    """Return the quantiles in the middles of ``steps`` equal shares of a log-normal distribution of mean 1.

    Args:
        spread: Standard deviation of the logarithm.
    """
    sigma = Decimal(spread)
    shift = sigma * sigma / 2
    return np.array(
        [float(EXACT.exp(sigma * normal_quantile((2 * step + 1) / (2 * steps)) - shift)) for step in range(steps)]
    )


def normal_quantiles(steps: int = STEPS) -> tuple[float, ...]:
    """Return the quantiles in the middles of ``steps`` equal shares of the standard normal distribution."""
    return tuple(float(normal_quantile((2 * step + 1) / (2 * steps))) for step in range(steps))


def looked_up(table: Sequence[float], share: float) -> float:
    """Return the entry at ``share`` of a table, of 0 up to 1, on the line between its neighbours."""
    place = share * (len(table) - 1)
    below = min(int(place), len(table) - 2)
    return table[below] + (table[below + 1] - table[below]) * (place - below)


def chosen(shares: Sequence[int], draw: int) -> int:
    """Return the place that a draw of 64 bits falls on, of places with these shares."""
    left = (draw >> 11) * sum(shares) >> 53
    for place, share in enumerate(shares):
        if left < share:
            return place
        left -= share
    raise AssertionError(f"no share for {draw}")


def in_turn(numbers: Iterable[float]) -> float:
    """Return the sum of numbers, added one after the other; ``sum`` does it otherwise from Python 3.12 on."""
    whole = 0.0
    for number in numbers:
        whole += number
    return whole
