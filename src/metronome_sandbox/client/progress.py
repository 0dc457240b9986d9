"""How far something has come: a bar with rate and time left on a terminal, plain lines otherwise; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_SECONDS = 10.0
"""Between two plain lines."""

Advance = Callable[..., None]
"""Called with how many more are done, and with ``more`` of what the rate counts where that is something else."""


@contextmanager
def watched(title: str, total: int, unit: str, *, rated: str | None = None) -> Iterator[Advance]:
    """Show how much of something is done.

    Args:
        total: How many there are of ``unit``.
        rated: What the rate counts, where that is not ``unit``.
    """
    if sys.stderr.isatty():
        with _bar(title, total, rated or unit) as advance:
            yield advance
    else:
        yield _Lines(title, total, unit, rated or unit)


class _Lines:
    def __init__(self, title: str, total: int, unit: str, rated: str) -> None:
        self._title, self._total, self._unit, self._rated = title, total, unit, rated
        self._done = self._counted = 0
        self._began = self._told = time.monotonic()

    def __call__(self, done: int = 1, *, more: int | None = None) -> None:
        self._done += done
        self._counted += done if more is None else more
        now = time.monotonic()
        if now - self._told < LINE_SECONDS:
            return
        self._told = now
        seconds = now - self._began
        left = _duration(seconds / self._done * (self._total - self._done)) if self._done else "unknown time"
        rate = self._counted / seconds
        print(
            f"{self._title}: {self._done:,} of {self._total:,} {self._unit}, {rate:,.0f} {self._rated}/s, {left} left",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def _bar(title: str, total: int, rated: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    counted = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(done: int = 1, *, more: int | None = None) -> None:
            nonlocal counted
            counted += done if more is None else more
            rate = counted / max(time.monotonic() - began, 1e-9)
            bar.update(task, advance=done, rate=f"{rate:,.0f} {rated}/s")

        yield advance


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
