"""What may be printed of what somebody sent."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return a text without what would steer the terminal: names are whatever somebody sent or recorded."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
