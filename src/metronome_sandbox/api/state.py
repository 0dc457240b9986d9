"""``serve --state FILE``: every tenant's world in one file, loaded at the start and written at the end."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from metronome_sandbox.api.tenants import Server, World
from metronome_sandbox.api.worlds import read, take
from metronome_sandbox.domain.errors import InvalidRequest

FORMAT = "metronome-sandbox/state"
VERSION = 1


class TenantState(msgspec.Struct, frozen=True):
    """One tenant: its token, the scenario a reset goes back to, and its world as a snapshot."""

    token: str
    scenario: str | None
    snapshot: msgspec.Raw


class ServerState(msgspec.Struct, frozen=True):
    """The file."""

    format: str
    version: int
    tenants: list[TenantState]


def load(server: Server, file: Path) -> None:
    """Give the server the tenants of a file; nothing happens when there is no such file.

    Raises:
        InvalidRequest: It cannot be read, is no state of this version, was damaged, or has a tenant whose token the
            server does not accept. The message names the file.
    """
    try:
        state = msgspec.json.decode(file.read_bytes(), type=ServerState)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidRequest(str(file), f"cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(str(file), f"is no saved state: {error}") from error
    if (state.format, state.version) != (FORMAT, VERSION):
        raise InvalidRequest(str(file), f"holds {state.format!r} {state.version}; expected {FORMAT!r} {VERSION}")
    allowed = server.settings.tokens
    strangers = sum(1 for one in state.tenants if allowed and one.token not in allowed)
    if strangers:
        raise InvalidRequest(str(file), f"has {strangers} tenants whose tokens are not among --tokens")
    for one in state.tenants:
        try:
            world = server.worlds.restored(read(bytes(one.snapshot)).state)
        except InvalidRequest as error:
            raise error.below(str(file)) from error
        tenant = server.tenants.get(one.token)
        tenant.inhabit(world)
        tenant.scenario = one.scenario


def save(server: Server, file: Path) -> None:
    """Write every tenant to a file, all or nothing. It holds the tokens, so only its owner may read it.

    Raises:
        OSError: The file cannot be written.
    """
    tenants = [
        TenantState(token, tenant.scenario, msgspec.Raw(take(World(tenant.context, tenant.clock, tenant.catch_up))))
        for token, tenant in server.tenants.all().items()
    ]
    unfinished = file.with_name(file.name + ".unfinished")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        target.write(msgspec.json.encode(ServerState(FORMAT, VERSION, tenants)))
    unfinished.replace(file)
