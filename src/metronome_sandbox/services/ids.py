"""Ids that repeat: the same calls give the same ids on every run and in every tenant.

An id is the UUIDv5 of (seed, kind, running number). What hangs on a parent (a segment, a schedule item, an invoice of a
period) derives from the parent instead, so that it has the same id wherever it is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha1
from uuid import UUID, uuid5

NAMESPACE = UUID("6f9a1f0e-5d1a-5f0b-9b60-7d2f4c0c2f3e")

_VARIANT = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}
"""Each digit with its two highest bits as RFC 4122 wants them. Source: RFC 4122, section 4.3."""


class IdFactory:
    """Counts what was made of each kind.

    Args:
        seed: Two factories with one seed give the same ids. Pass a random one for ids that never repeat.
        counts: How many ids of each kind were given already, when a snapshot is restored.
    """

    def __init__(self, seed: str = "metronome-sandbox", counts: Mapping[str, int] | None = None) -> None:
        self.seed = seed
        self._prefix = uuid5(NAMESPACE, seed).bytes
        self.counts: dict[str, int] = dict(counts or {})

    def next(self, kind: str) -> str:
        """Return a new id of ``kind``, for example ``"customer"``."""
        number = self.counts.get(kind, 0) + 1
        self.counts[kind] = number
        return self.derived(kind, str(number))

    def derived(self, *parts: str) -> str:
        """Return the id that belongs to these parts, for example ``("segment", commit_id, "0")``."""
        digest = sha1(self._prefix + ":".join(parts).encode(), usedforsecurity=False).hexdigest()
        # As uuid5 writes it, version and variant included; a UUID object on the way would cost twice as much again.
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"
