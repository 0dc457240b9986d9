"""Where the demo is seen: steps are announced, tables shown, figures written as people read them and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from metronome_sandbox.demo.errors import WrongFigure
from metronome_sandbox.demo.figures import Bill


def cents(amount: float) -> str:
    """Return an amount as the API counts it, or a quantity."""
    return f"{amount:,.0f}"


def dollars(amount: float) -> str:
    """Return an amount of cents as people read it."""
    return f"{'-' if amount < 0 else ''}${abs(amount) / 100:,.2f}"


def date(instant: datetime | None) -> str:
    """Return the day of an instant."""
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d")


@dataclass
class Stage:
    """Where steps are announced, tables shown and figures checked."""

    console: Console
    steps: int = 0
    figures: int = 0

    def act(self, title: str) -> None:
        """Begin a part."""
        self.rule(f"[bold]{title}")
        self.console.print()

    def rule(self, title: str = "") -> None:
        """Draw a line, of characters that the terminal knows."""
        characters = "-" if self.console.options.ascii_only else "\u2500"
        self.console.rule(title, align="left", characters=characters, style="dim")

    def step(self, sentence: str, *calls: str) -> None:
        """Announce a step: what happens in plain words, and the call that does it."""
        self.steps += 1
        self.console.print(f"[bold]{self.steps:>2}. {sentence}")
        for call in calls:
            self.console.print(f"    {call}", style="cyan", markup=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows. A column whose name begins with ``>`` is for numbers and stands to the right."""
        table = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print()
        self.console.print(Padding(table, (0, 0, 0, 4), expand=False))
        self.console.print()

    def check(self, what: str, expected: object, received: object) -> None:
        """Hold a figure against the one worked out by hand.

        Raises:
            WrongFigure: They differ.
        """
        self.figures += 1
        if expected != received:
            raise WrongFigure(what, expected, received)

    def check_bill(self, what: str, expected: Bill, received: Bill) -> None:
        """Hold a month against the one worked out by hand, figure by figure."""
        for name in ("units", "usage", "prepaid", "due"):
            self.check(f"{what}, {name}", getattr(expected, name), getattr(received, name))
