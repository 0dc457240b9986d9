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
from typing import Any

import msgspec

from metronome_sandbox.client.encoding import encode
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.on_target import Place, place_of
from metronome_sandbox.importer.preview import ORDER
from metronome_sandbox.importer.request import content_key, request_of

BATCH_SIZE = 25
MAX_BYTES = 4 * 1024 * 1024
"""Of one request. A sandbox takes 10 MiB; the real limit is in no document."""

KEY_LETTERS = 40

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(LegacyInvoice)
_order = attrgetter(*ORDER)


@dataclass(frozen=True, slots=True)
class Packed:
    """An old invoice that waits: in a tenth of the memory, for a customer may have a million lines.

    Args:
        key: Says what stands in the rows: the same rows have the same one in every run.
        order: Sorts those of customers that share balances into the order in which balances meet them.
        place: Which invoice of which contract it is.
        row: First line of the file that it was read from.
        size: Bytes that it takes in a request.
    """

    key: str
    number: str
    customer_id: str
    customer_name: str
    order: tuple[Any, ...]
    place: Place
    row: int | None
    size: int
    content: bytes

    def unpacked(self) -> LegacyInvoice:
        """Return the invoice."""
        return _DECODER.decode(self.content)


@dataclass(frozen=True, slots=True)
class Item:
    """An old invoice that is to be imported, and the total that its preview had."""

    packed: Packed
    total: Decimal

    @property
    def key(self) -> str:
        """Says what stands in the rows."""
        return self.packed.key


@dataclass(frozen=True, slots=True)
class Batch:
    """Invoices of one request."""

    items: tuple[Item, ...]

    @property
    def body(self) -> bytes:
        """The request."""
        return (
            b'{"invoices":['
            + b",".join(encode(request_of(item.packed.unpacked())) for item in self.items)
            + b'],"preview":false}'
        )

    def halves(self) -> tuple[Batch, Batch]:
        """Return the batch as two."""
        middle = (len(self.items) + 1) // 2
        return Batch(self.items[:middle]), Batch(self.items[middle:])


def pack(invoice: LegacyInvoice) -> Packed:
    """Return an old invoice as it waits."""
    return Packed(
        content_key(invoice),
        invoice.number,
        invoice.customer_id,
        invoice.customer_name,
        _order(invoice),
        place_of(invoice),
        min((line.rows[0] for line in invoice.lines), default=None),
        len(encode(request_of(invoice))),
        _ENCODER.encode(invoice),
    )


def in_order(items: Iterable[Item]) -> list[Item]:
    """Return the invoices of customers that share balances in the order in which balances meet them, each once."""
    return list({item.key: item for item in sorted(items, key=lambda item: item.packed.order)}.values())


def batches(items: Sequence[Item], size: int = BATCH_SIZE) -> Iterator[Batch]:
    """Cut invoices in order into requests of so many.

    Those that begin at the same instant stay together where they fit: which of them meets a balance first is for the
    target to say, as it did in the preview.
    """
    batch: list[Item] = []
    length = 0
    for place, item in enumerate(items):
        is_new_start = bool(batch) and batch[-1].packed.order[0] != item.packed.order[0]
        if batch and (length + item.packed.size > MAX_BYTES or (is_new_start and _is_full(batch, items, place, size))):
            yield Batch(tuple(batch))
            batch, length = [], 0
        batch.append(item)
        length += item.packed.size
    if batch:
        yield Batch(tuple(batch))


def _is_full(batch: Sequence[Item], items: Sequence[Item], place: int, size: int) -> bool:
    """Whether those that begin with the next one are too many for the batch."""
    start = items[place].packed.order[0]
    count = len(batch)
    while place < len(items) and items[place].packed.order[0] == start:
        place += 1
        count += 1
        if count > size:
            return True
    return False


def idempotency_key(body: bytes, voided: int, attempt: int) -> str:
    """Return the key of a request.

    Args:
        body: The request.
        voided: How many invoices of these periods were voided before. An import after that is a new one; the answer
            that the target may have kept speaks of the voided invoices.
        attempt: Counts the tries that the target answered with an error of its own, which it keeps as the answer.
    """
    digest = sha256(body)
    digest.update(b"%d %d" % (voided, attempt))
    return f"import-{digest.hexdigest()[:KEY_LETTERS]}"
