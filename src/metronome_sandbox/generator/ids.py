"""What generated things are called before a server has given them ids of its own."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("5f6cf5b0-6d3a-5d1c-9a1f-0d5c3f7a2e41")


def id_of(seed: int, profile: str, kind: str, key: str) -> str:
    """Return the id of one thing: the same for the same four texts, on every machine."""
    return str(uuid5(NAMESPACE, f"{seed}/{profile}/{kind}/{key}"))
