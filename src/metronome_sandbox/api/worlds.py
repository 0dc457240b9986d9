"""A tenant's world: made empty or from a scenario, taken down into a snapshot and put up from one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

import msgspec

from metronome_sandbox.api.requests import Handler
from metronome_sandbox.api.scenarios import Ids, play, scenario
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import World
from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.services.credit_types import seed
from metronome_sandbox.services.ids import IdFactory
from metronome_sandbox.services.passage import pass_time
from metronome_sandbox.store.memory import MemoryStore, StoreState

FORMAT = "metronome-sandbox/snapshot"
VERSION = 1


class WorldState(msgspec.Struct, frozen=True):
    """Everything that a world is made of, but the answers kept for idempotency keys.

    Attributes:
        frozen_at: Where the clock stands; None while it runs.
        id_seed, id_counts: Of the id factory, so that a restored world goes on with the same ids.
    """

    frozen_at: datetime | None
    id_seed: str
    id_counts: dict[str, int]
    store: StoreState


class Snapshot(msgspec.Struct, frozen=True):
    """A world as JSON, with a checksum of its state."""

    format: str
    version: int
    checksum: str
    state: WorldState


class Worlds:
    """Makes worlds of one server.

    Args:
        settings: The operator's choices.
        handlers: operationId to handler; scenarios are made by them.
    """

    def __init__(self, settings: Settings, handlers: Mapping[str, Handler]) -> None:
        self._settings = settings
        self._handlers = handlers

    def __call__(self, name: str | None) -> World:
        """Return a new world: empty but for the currencies, or with a scenario played."""
        if name is not None:
            return self.playing(name)[0]
        ids = IdFactory(str(uuid4())) if self._settings.random_ids else IdFactory()
        world = self._world(MemoryStore(), Clock(), ids)
        seed(world.context)
        return world

    def playing(self, name: str) -> tuple[World, Ids]:
        """Return a new world in which a scenario was played, and the ids that it made.

        Raises:
            NotFound: There is no such scenario.
            InvalidRequest: The scenario breaks a rule.
        """
        content = scenario(name)
        world = self(None)
        return world, play(world.context, world.clock, content, self._handlers)

    def _world(self, store: MemoryStore, clock: Clock, ids: IdFactory) -> World:
        context = Context(store, clock.now, ids, self._settings.grace_period)
        return World(context, clock, lambda: pass_time(context))

    def restored(self, state: WorldState) -> World:
        """Return the world that a snapshot describes."""
        return self._world(MemoryStore(state.store), Clock(state.frozen_at), IdFactory(state.id_seed, state.id_counts))


def state_of(world: World) -> WorldState:
    """Return what a world is made of."""
    store, ids = world.context.store, world.context.ids
    if not isinstance(store, MemoryStore):
        raise TypeError(f"a {type(store).__name__} cannot be taken down into a snapshot")
    frozen_at = world.clock.now() if world.clock.is_frozen else None
    return WorldState(frozen_at, ids.seed, dict(ids.counts), store.dump())


def take(world: World) -> bytes:
    """Return a world as a snapshot's JSON bytes."""
    state = state_of(world)
    return msgspec.json.encode(Snapshot(FORMAT, VERSION, _checksum(state), state))


_SNAPSHOT = msgspec.json.Decoder(Snapshot)


def read(body: bytes) -> Snapshot:
    """Return a snapshot from its JSON bytes, checked.

    Raises:
        InvalidRequest: It is of another format or version, damaged, or changed since it was taken.
    """
    try:
        snapshot = _SNAPSHOT.decode(body)
    except (msgspec.DecodeError, ArithmeticError) as error:
        raise InvalidRequest("state", f"is no snapshot of version {VERSION}: {error}") from error
    if (snapshot.format, snapshot.version) != (FORMAT, VERSION):
        raise InvalidRequest("version", f"{snapshot.version} of {snapshot.format!r} cannot be read; expected {VERSION}")
    if _checksum(snapshot.state) != snapshot.checksum:
        raise InvalidRequest("checksum", "does not belong to this state; the snapshot was damaged or edited")
    return snapshot


def _checksum(state: WorldState) -> str:
    # Maps in the order of their keys: a client may write a snapshot's JSON objects in any order.
    return f"sha256:{sha256(msgspec.json.encode(state, order='deterministic')).hexdigest()}"
