"""The files of a world: part after part, each whole or not there, and the manifest when all of them are."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from metronome_sandbox.client.encoding import laid_out
from metronome_sandbox.generator import manifest
from metronome_sandbox.generator.aside import hash_of, remove_leftovers, whole
from metronome_sandbox.generator.formats import part_of
from metronome_sandbox.generator.plan import Shard, claim
from metronome_sandbox.generator.sums import Sums, credits_in, money_of
from metronome_sandbox.generator.worlds import World


class Did(Enum):
    """What was done about a part."""

    MADE = "made"
    FOUND = "found"
    MADE_AGAIN = "made again"
    """It was there, but not as it had been written."""


class Step(NamedTuple):
    """A part that is whole now, and what it comes to."""

    part: int
    did: Did
    sums: Sums


def make(world: World, folder: Path, shard: Shard) -> Iterator[Step]:
    """Make what is missing of a shard's parts in a folder, and yield each part when it is whole.

    Raises:
        WrongUse: Another world is in the folder.
        CannotWrite: The disk or its owner refuses, or another run writes there.
    """
    plan = world.plan
    claim(folder, plan)
    remove_leftovers(folder)
    catalog = laid_out(world.catalog_json())
    file = folder / manifest.CATALOG_FILE
    if hash_of(file) != (sha256(catalog).hexdigest(), len(catalog)):
        with whole(file, waits=True) as written:
            written.write(catalog)
    for part in filter(shard.has, range(plan.parts)):
        yield _part(world, folder, part)


def others(world: World, folder: Path, shard: Shard) -> Iterator[int]:
    """Yield the parts of other shards that are whole in a folder. If all are, :func:`complete` may be called."""
    for part in range(world.plan.parts):
        if not shard.has(part):
            piece = manifest.piece_of(folder, world.plan, part)
            if piece is not None and manifest.is_whole(folder, piece):
                yield part


def complete(world: World, folder: Path) -> Sums:
    """Write the manifest and the ids of a world whose parts are all there; return what it comes to."""
    return manifest.complete(folder, world.plan, world.catalog_ids())


def _part(world: World, folder: Path, part: int) -> Step:
    piece = manifest.piece_of(folder, world.plan, part)
    if piece is not None and manifest.is_whole(folder, piece):
        return Step(part, Did.FOUND, Sums.from_json(piece))
    was_there = manifest.piece_file(folder, part).exists()
    sums = Sums()
    ids: dict[str, dict[str, str]] = {kind: {} for kind in manifest.CUSTOMER_KINDS}
    with part_of(world, folder, world.plan.format, part) as (files_of_part, files):
        for number in world.plan.numbers(part):
            history = world.history(number)
            credits = credits_in(history.contracts)
            money = {invoice.key: money_of(invoice, credits) for invoice in history.invoices}
            sums.add_history(history, money)
            files_of_part.add(history, money)
            ids["customer"][history.customer.key] = world.id_of("customer", history.customer.key)
            for contract in history.contracts:
                ids["contract"][contract.key] = world.id_of("contract", contract.key)
    manifest.write_piece(folder, world.plan, part, files, sums, ids)
    return Step(part, Did.MADE_AGAIN if was_there else Did.MADE, sums)
