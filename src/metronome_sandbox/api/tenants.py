"""Worlds apart: the bearer token names the tenant, and a tenant shares nothing with another one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from metronome_sandbox.api.errors import NOT_RETRIED, Refusal
from metronome_sandbox.api.faults import Faults
from metronome_sandbox.api.idempotency import IdempotencyKeys
from metronome_sandbox.api.journal import Journal
from metronome_sandbox.api.requests import Fault
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.services.clock import Clock
from metronome_sandbox.services.context import Context
from metronome_sandbox.spec.operations import Operation

if TYPE_CHECKING:
    from metronome_sandbox.api.worlds import Worlds

KEPT_BREAKS = 100


class World:
    """What a tenant loses on a reset.

    Args:
        context: Store, ids and time, as services get them.
        clock: The clock that ``context`` reads.
        catch_up: Does what time has brought since the last call: drafts that become final, segments that start.
    """

    __slots__ = ("catch_up", "clock", "context")

    def __init__(self, context: Context, clock: Clock, catch_up: Callable[[], object] = lambda: None) -> None:
        self.context = context
        self.clock = clock
        self.catch_up = catch_up


class WorldFactory(Protocol):
    """Makes a world in less than a millisecond; a first call of a new token waits for it."""

    def __call__(self, scenario: str | None, /) -> World:
        """Return a new world that starts with ``scenario``, empty without one."""


class Tenant:
    """One bearer token's world and what is kept about its calls.

    Attributes:
        name: Twelve hexadecimal digits of the token's hash; safe to show.
        scenario: Name of the scenario that the world started with.
        context, clock, catch_up: Of the current world.
        journal: Outlives a reset, so that a test can read what it did.
        idempotency: Answers to repeat; forgotten on a reset.
        faults: What goes wrong on purpose; forgotten on a reset.
        next_fault: Decides whether the next call of an operation is disturbed. None, most of the time.
    """

    __slots__ = (
        "_make_world",
        "catch_up",
        "clock",
        "context",
        "faults",
        "idempotency",
        "journal",
        "name",
        "next_fault",
        "scenario",
    )

    def __init__(self, name: str, settings: Settings, make_world: WorldFactory) -> None:
        self.name = name
        self.journal = Journal(settings.journal_size)
        self.idempotency = IdempotencyKeys(settings.max_idempotency_keys)
        self.faults = Faults()
        self._make_world = make_world
        self.begin(settings.scenario)

    def begin(self, scenario: str | None) -> None:
        """Start again with a new world; faults and idempotency keys go with the old one."""
        self.inhabit(self._make_world(scenario))
        self.scenario = scenario

    def inhabit(self, world: World) -> None:
        """Take a world that was made elsewhere, from a snapshot for example."""
        self.context = world.context
        self.clock = world.clock
        self.catch_up = world.catch_up
        self.faults.clear()
        self.next_fault: Callable[[Operation], Fault | None] | None = None
        self.idempotency.clear()


class Tenants:
    """Tenants by token, each made when its token is first seen.

    Args:
        settings: Bounds, and the tokens that are accepted.
        make_world: Gives a new tenant its world.
    """

    def __init__(self, settings: Settings, make_world: WorldFactory) -> None:
        self._settings = settings
        self._make_world = make_world
        self._by_token: dict[str, Tenant] = {}
        self.by_header: dict[bytes, Tenant] = {}
        """The same by the usual spelling of the whole header value: one look-up on the path of every request."""
        self.nobody = Tenant("nobody", settings, make_world)
        """For operations that need no token. Holds nothing that anyone stored."""

    def get(self, token: str) -> Tenant:
        """Return the tenant of a token, new if need be.

        Raises:
            Refusal: 429 when there are as many tenants as the settings allow.
        """
        tenant = self._by_token.get(token)
        if tenant is None:
            if len(self._by_token) >= self._settings.max_tenants:
                raise Refusal(
                    429,
                    f"this sandbox keeps at most {self._settings.max_tenants} tenants and has that many; "
                    "use a token again, or restart the server",
                    NOT_RETRIED,
                )
            tenant = Tenant(sha256(token.encode()).hexdigest()[:12], self._settings, self._make_world)
            self._by_token[token] = tenant
            self.by_header[b"Bearer " + token.encode("latin-1", "replace")] = tenant
        return tenant

    def forget(self, token: str) -> None:
        """Forget a tenant with its world, if there is one; its token would begin anew."""
        if self._by_token.pop(token, None) is not None:
            del self.by_header[b"Bearer " + token.encode("latin-1", "replace")]

    def all(self) -> dict[str, Tenant]:
        """Every tenant by token, oldest first, for saving them. A token is a secret: never show one."""
        return dict(self._by_token)

    def __len__(self) -> int:
        return len(self._by_token)


class Server:
    """What all tenants of one process have in common.

    Attributes:
        worlds: Makes worlds from scenarios and snapshots.
        started_at: Reading of ``time.monotonic`` at the start, in seconds.
        contract_breaks: The last answers of ours that broke the contract. Anything in here is a bug; tests look.
        operation_ids: Of the billing API, those that work.
    """

    def __init__(self, settings: Settings, tenants: Tenants, worlds: Worlds) -> None:
        self.settings = settings
        self.tenants = tenants
        self.worlds = worlds
        self.started_at = monotonic()
        self.contract_breaks: deque[str] = deque(maxlen=KEPT_BREAKS)
        self.operation_ids: set[str] = set()

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.started_at
