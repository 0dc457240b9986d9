"""The errors a caller can cause, as one tree.

    DomainError
      InvalidRequest            a field, a combination of fields or a billing rule is broken
        NotAllowedNow           right in itself, but not in the state the thing is in (void a draft)
          AlreadyArchived       a package is archived a second time
      NotFound                  the request names something this tenant does not have
        CustomerNotFound
        ContractNotFound
      ScenarioNotFound          no ready-made company has this name
      Conflict                  the request collides with an earlier one
        UniquenessKeyTaken
        IngestAliasTaken
        IdempotencyKeyReused
      NotImitated               the request asks for something this sandbox does not do yet

The domain knows no status code: ``api/errors.py`` maps each class to one. A message names the field, the value
received and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self


def _placed(path: str, problem: str) -> str:
    return f"{path}: {problem}" if path else problem


def _below(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if path else prefix


class DomainError(Exception):
    """Whatever the caller can put right. ``str(error)`` is the message the caller reads."""


class InvalidRequest(DomainError):
    """A field or a rule is broken.

    Args:
        path: JSON path of the field as the caller wrote it, for example ``invoices[1].usage_line_items[0].quantity``.
        problem: What was received and what would be right.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(_placed(path, problem))
        self.path = path
        self.problem = problem

    def below(self, prefix: str) -> InvalidRequest:
        """Return the same error with ``prefix`` before its path, for a caller that knows where the thing stood."""
        return type(self)(_below(prefix, self.path), self.problem)


class NotAllowedNow(InvalidRequest):
    """The operation exists, but not for the state the thing is in."""


class AlreadyArchived(NotAllowedNow):
    """A package is archived a second time, which was observed to be answered with 422."""


class NotFound(DomainError):
    """The request names something this tenant does not have.

    Args:
        kind: What it should be, for example ``rate card``.
        value: The id received.
        path: JSON path of the field that names it; empty where the operation takes no other id.
    """

    def __init__(self, kind: str, value: str, path: str = "") -> None:
        super().__init__(_placed(path, f"no {kind} {value} in this tenant"))
        self.kind = kind
        self.value = value
        self.path = path

    def below(self, prefix: str) -> Self:
        """Return the same error with ``prefix`` before its path, as :meth:`InvalidRequest.below` does."""
        placed = type(self).__new__(type(self))  # the classes below have a kind of their own
        NotFound.__init__(placed, self.kind, self.value, _below(prefix, self.path))
        return placed


class CustomerNotFound(NotFound):
    """Answered 404 by v1 and 400 with code ``CustomerNotFound`` by v2. Source: operations of ``/v2/contracts``."""

    def __init__(self, value: str, path: str = "") -> None:
        super().__init__("customer", value, path)


class ContractNotFound(NotFound):
    """Answered 404 by v1 and 400 with code ``ContractNotFound`` by v2. Source: operations of ``/v2/contracts``."""

    def __init__(self, value: str, path: str = "") -> None:
        super().__init__("contract", value, path)


class ScenarioNotFound(DomainError):
    """There is no ready-made company of that name. They belong to no tenant, so this is no :class:`NotFound`.

    Args:
        value: The name received.
        known: The names there are.
    """

    def __init__(self, value: str, known: Iterable[str]) -> None:
        super().__init__(f"no scenario {value!r} (there are: {', '.join(known) or 'none'})")


class Conflict(DomainError):
    """The request collides with an earlier one."""


class UniquenessKeyTaken(Conflict):
    """A create request repeats a uniqueness key. Source: schema ``UniquenessKey``; integrators match on this text."""

    def __init__(self, key: str) -> None:
        super().__init__("This uniqueness key has already been used.")
        self.key = key


class IngestAliasTaken(Conflict):
    """An ingest alias belongs to another customer, archived ones included. Source: page "Idempotency"."""

    def __init__(self, alias: str, owner: str) -> None:
        super().__init__(f"ingest_aliases: {alias!r} already belongs to customer {owner}; an alias has one customer")


class IdempotencyKeyReused(Conflict):
    """An ``Idempotency-Key`` comes back with another request. Source: page "Idempotency"."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was already used with other parameters; repeat them or send a new key"
        )


class NotImitated(DomainError):
    """The request asks for something this sandbox does not do yet; the message names it. Answered 501."""

    def __init__(self, path: str, feature: str) -> None:
        super().__init__(f"{path}: this sandbox does not imitate {feature} yet" if path else feature)
        self.path = path
