"""How many calls a second a host takes, learned from its answers and shared by all threads that ask it.

Nobody is told the limit of an account, and it differs between operations. So calls go out as fast as they can until the
first refusal (429); from then on they have a rate, which is halved by each refusal and rises in between by a constant
number a second: additive increase, multiplicative decrease, as TCP finds the width of a line.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

LEAST = 0.1
"""Calls a second, whatever the host says."""

FIRST_GUESS = 10
"""Calls a second that a first refusal speaks of at least: of the one call before it nothing can be learned."""

DECREASE = 0.5
RISE = 0.1
"""How much faster each second, as a share of the rate that was refused last; ``LEAST_RISE`` at least."""

LEAST_RISE = 0.5
MEASURED_SECONDS = 1.0


class Pace:
    """When the next call may go out.

    Args:
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = Lock()
        self._rate: float | None = None
        self._rise = LEAST_RISE
        self._next = 0.0
        self._paused_until = 0.0
        self._decreased_at = float("-inf")
        self._rose_at = 0.0
        self._sent: deque[float] = deque()

    @property
    def rate(self) -> float | None:
        """Calls a second; None as long as the host refused none."""
        return self._rate

    def take(self) -> float:
        """Take the next place and return the seconds until then.

        Who waited for it looks whether everyone :meth:`is_paused` by then, and takes another one if so.
        """
        with self._lock:
            now = self._now()
            place = max(now, self._next)
            if self._rate is None:
                self._sent.append(place)
                self._forget_before(now - MEASURED_SECONDS)
            else:
                self._next = place + 1 / self._rate
            return place - now

    def is_paused(self) -> bool:
        """Whether nobody should send anything now."""
        return self._now() < self._paused_until

    def answered(self) -> None:
        """The host had time for a call. The rate rises only while it is what calls wait for."""
        with self._lock:
            now = self._now()
            if self._rate is not None and self._next > now > self._rose_at:
                self._rate += self._rise * min(now - self._rose_at, 1)
                self._rose_at = now

    def refused(self, sent_at: float) -> None:
        """The host had no time for a call, sent at an instant of ``now``.

        What was under way when the rate was halved does not halve it again.
        """
        with self._lock:
            if sent_at < self._decreased_at:
                return
            now = self._now()
            self._forget_before(now - MEASURED_SECONDS)
            rate = self._rate if self._rate is not None else max(len(self._sent) / MEASURED_SECONDS, FIRST_GUESS)
            self._rate = max(rate * DECREASE, LEAST)
            self._rise = max(rate * RISE, LEAST_RISE)
            self._decreased_at = self._rose_at = now
            self._sent.clear()

    def pause(self, seconds: float) -> None:
        """Let nobody send anything for a while."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._now() + seconds)
            self._next = max(self._next, self._paused_until)
            self._rose_at = max(self._rose_at, self._paused_until)  # silence is no sign of width

    def _forget_before(self, instant: float) -> None:
        while self._sent and self._sent[0] < instant:
            self._sent.popleft()
