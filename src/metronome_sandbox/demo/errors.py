"""What ends the demo early."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demo cannot go on; the text is for the person who started it."""


class WrongFigure(DemoFailed):
    """The sandbox gave another figure than the one worked out by hand."""

    def __init__(self, what: str, expected: object, received: object) -> None:
        super().__init__(f"wrong figure: {what} should be {expected} and is {received}")
