"""What the domain asks of a table: values by key."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, TypeVar

K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Lookup(Protocol[K_contra, V_co]):
    """Values by key: a dictionary, or a table of the store."""

    def get(self, key: K_contra, /) -> V_co | None:
        """Return the value, or None."""

    def __getitem__(self, key: K_contra, /) -> V_co: ...

    def values(self) -> Collection[V_co]:
        """Return all values."""
