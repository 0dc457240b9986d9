"""How far something has come, told to people and to logs."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from metronome_sandbox.client import progress


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


class Terminal(StringIO):
    """A terminal of eighty columns."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]):
    """25 of 120 in ten seconds: 2.5 a second, and 38 seconds for the other 95. The next line is not due yet."""
    with progress.watched("push", 120, "customers") as advance:
        for _ in range(30):
            clock.now += 0.4
            advance()

    assert capsys.readouterr() == ("", "push: 25 of 120 customers, 2 customers/s, 0:38 left\n")


def test_the_rate_may_count_something_else(clock: Clock, capsys: pytest.CaptureFixture[str]):
    """One of two customers in ten seconds with 5,000 lines; what was found and not made has none."""
    with progress.watched("generate", 3, "customers", rated="lines") as advance:
        advance(more=0)
        clock.now += 10
        advance(more=5_000)

    assert capsys.readouterr().err == "generate: 2 of 3 customers, 500 lines/s, 0:05 left\n"


def test_what_is_quick_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with progress.watched("push", 2, "customers") as advance:
        clock.now += 3
        advance(2)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "left"), [(10, "0:10"), (600, "10:00"), (7201, "2:00:01")])
def test_the_time_left_is_told_as_a_clock_does(
    clock: Clock, capsys: pytest.CaptureFixture[str], seconds: int, left: str
):
    """Half is done, so the other half takes as long."""
    with progress.watched("push", 2, "customers") as advance:
        clock.now += seconds
        advance()

    assert f", {left} left" in capsys.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")

    with progress.watched("generate", 4, "customers", rated="lines") as advance:
        for _ in range(4):
            advance(more=1_000)

    assert "generate" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "lines/s" in terminal.getvalue()
