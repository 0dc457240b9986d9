"""JSON in which ``Decimal`` numbers keep their digits, the same bytes for the same value."""

from __future__ import annotations

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    """Return JSON without spaces, with every digit of a ``Decimal``."""
    return _ENCODER.encode(value)


def laid_out(value: Any) -> bytes:
    """Return JSON for people, with a newline at its end."""
    return msgspec.json.format(encode(value), indent=2) + b"\n"
