"""What is sent together, and under which key.

Invoices of customers that share balances are sent in the order of their periods, some in each request: a request is
done as a whole or not at all. Its ``Idempotency-Key`` is made of its bytes and so of what stands in the rows: the same
rows are the same request in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from operator import attrgetter

from metronome_sandbox.client.asking import encode
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.preview import ORDER
from metronome_sandbox.importer.request import content_key, request_of

BATCH_SIZE = 25
MAX_BYTES = 4 * 1024 * 1024
"""Of one request. A sandbox takes 10 MiB; the real limit is in no document."""

KEY_LETTERS = 40


@dataclass(frozen=True, slots=True)
class Planned:
    """An old invoice that is to be imported, and the total that its preview had."""

    invoice: LegacyInvoice
    total: Decimal


@dataclass(frozen=True, slots=True)
class Item:
    """A planned invoice as it is sent.

    Args:
        key: Says what stands in the rows: the same rows have the same one in every run.
        data: The JSON of it.
    """

    invoice: LegacyInvoice
    total: Decimal
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Invoices of one request."""

    items: tuple[Item, ...]

    @property
    def body(self) -> bytes:
        """The request."""
        return b'{"invoices":[' + b",".join(item.data for item in self.items) + b'],"preview":false}'

    def halves(self) -> tuple[Batch, Batch]:
        """Return the batch as two."""
        middle = (len(self.items) + 1) // 2
        return Batch(self.items[:middle]), Batch(self.items[middle:])


def item_of(planned: Planned) -> Item:
    """Return a planned invoice as it is sent."""
    data = encode(request_of(planned.invoice))
    return Item(planned.invoice, planned.total, content_key(planned.invoice), data)


def items_in_order(planned: Iterable[Planned]) -> list[Item]:
    """Return the invoices of customers that share balances in the order in which balances meet them."""
    in_order = attrgetter(*ORDER)
    items = (item_of(each) for each in sorted(planned, key=lambda each: in_order(each.invoice)))
    return list({item.key: item for item in items}.values())  # the same rows twice are one invoice


def batches(items: Sequence[Item], size: int = BATCH_SIZE) -> Iterator[Batch]:
    """Cut invoices in order into requests of so many.

    Those that begin at the same instant stay together where they fit: which of them meets a balance first is for the
    target to say, as it did in the preview.
    """
    batch: list[Item] = []
    length = 0
    for place, item in enumerate(items):
        is_new_start = bool(batch) and batch[-1].invoice.starting_at != item.invoice.starting_at
        if batch and (length + len(item.data) > MAX_BYTES or (is_new_start and _is_full(batch, items, place, size))):
            yield Batch(tuple(batch))
            batch, length = [], 0
        batch.append(item)
        length += len(item.data)
    if batch:
        yield Batch(tuple(batch))


def _is_full(batch: Sequence[Item], items: Sequence[Item], place: int, size: int) -> bool:
    """Whether those that begin with the next one are too many for the batch."""
    start = items[place].invoice.starting_at
    count = len(batch)
    while place < len(items) and items[place].invoice.starting_at == start:
        place += 1
        count += 1
        if count > size:
            return True
    return False


def idempotency_key(batch: Batch, voided: int, attempt: int) -> str:
    """Return the key of a request.

    Args:
        voided: How many invoices of these periods were voided before. An import after that is a new one; the answer
            that the target may have kept speaks of the voided invoices.
        attempt: Counts the tries that the target answered with an error of its own, which it keeps as the answer.
    """
    digest = sha256(batch.body)
    digest.update(b"%d %d" % (voided, attempt))
    return f"import-{digest.hexdigest()[:KEY_LETTERS]}"
