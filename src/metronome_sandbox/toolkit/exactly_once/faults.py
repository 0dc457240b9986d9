"""The ways in which one call is disturbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What goes wrong with a call.

    Attributes:
        name: As an option says it and a table heads it.
        what: In words.
        kind, more: As the control plane wants them.
    """

    name: str
    what: str
    kind: str
    more: Mapping[str, Any]


def disturbances(delay_seconds: float) -> dict[str, Disturbance]:
    """Return every way by its name.

    Args:
        delay_seconds: How long a call waits. A client that gives up earlier meets what a timeout does: its call is
            executed after all, perhaps after the one that it sends next.
    """
    limited = {"status": 429, "retry_after_seconds": RETRY_AFTER_SECONDS, "rate_limit_type": "client"}
    return {
        one.name: one
        for one in (
            Disturbance("lost-answer", "executed, then the connection ends without the answer", "lose_answer", {}),
            Disturbance("dropped", "the connection ends before it is executed", "drop", {}),
            Disturbance("429", f"refused: 429, Retry-After: {RETRY_AFTER_SECONDS}", "status", limited),
            Disturbance("409", "refused: 409", "status", {"status": 409, "message": "a conflict, by a fault"}),
            Disturbance("delayed", f"waits {delay_seconds:g} s", "delay", {"delay_seconds": delay_seconds}),
        )
    }


NAMES = tuple(disturbances(1))
