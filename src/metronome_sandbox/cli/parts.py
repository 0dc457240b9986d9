"""What several verbs share: options, a listening socket, and what to say when an extra is not installed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = "metronome-sandbox"
SANDBOX_URL = "http://127.0.0.1:4010"
DEMO_TOKEN = "demo"
FILE = click.Path(dir_okay=False, path_type=Path)
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

BACKLOG = 2048
"""Connections that wait while the server starts or is busy."""

BASE_URL = click.option(
    "--base-url",
    default=SANDBOX_URL,
    show_default=True,
    metavar="URL",
    envvar="METRONOME_BASE_URL",
    help="Sandbox or API to ask.",
)
TOKEN = click.option(
    "--token",
    default=DEMO_TOKEN,
    show_default=True,
    metavar="TOKEN",
    envvar="METRONOME_BEARER_TOKEN",
    help="Bearer token; on a sandbox it names the tenant.",
)
CONTROL_TOKEN = click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="METRONOME_SANDBOX_CONTROL_TOKEN",
    help="What that sandbox wants for its control plane.",
)


def port(default: int) -> Callable[[Command], Command]:
    """Return the option ``--port`` of a verb that listens."""
    return click.option(
        "--port",
        default=default,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="TCP port; 0 takes a free one.",
    )


class Mode(NamedTuple):
    """What goes with a flag that makes a verb do something else: parameters of its own, and some of the verb's."""

    own: Collection[str]
    shared: Collection[str]


def refuse_strangers(context: click.Context, modes: Mapping[str, Mode]) -> None:
    """Refuse parameters that do not go together.

    Args:
        modes: By the parameter that is the flag.

    Raises:
        click.UsageError: Two flags are given, a parameter that goes with neither, or one without its flag.
    """
    names = {
        one.name or "": one.opts[0] if isinstance(one, click.Option) else one.human_readable_name
        for one in context.command.params
    }
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    chosen = [name for name in given if name in modes]
    if len(chosen) > 1:
        raise click.UsageError(f"{names[chosen[0]]} and {names[chosen[1]]} are two things to do; choose one")
    for name in given:
        if chosen and name not in (*chosen, *modes[chosen[0]].own, *modes[chosen[0]].shared):
            raise click.UsageError(f"{names[name]} does not go with {names[chosen[0]]}")
        flag = next((flag for flag, mode in modes.items() if name in mode.own), None)
        if not chosen and flag is not None:
            raise click.UsageError(f"{names[name]} goes with {names[flag]}")


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say what is missing when an extra of the package is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("metronome_sandbox"):
            raise
        click.echo(f'This needs {error.name}: pip install "metronome-sandbox[{name}]"', err=True)
        raise SystemExit(2) from None


@contextmanager
def stoppable(stays: str) -> Iterator[None]:
    """End a verb that Ctrl-C stops with a sentence, at whatever moment it comes.

    Args:
        stays: What is said: that it stopped, and what there is now.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo(stays, err=True)
        raise SystemExit(INTERRUPTED) from None


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, or end with one sentence that says why not."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        reason = error.strerror
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    click.echo(f"{PROGRAM}: cannot listen on {host} port {port}: {reason}; choose another --port", err=True)
    raise SystemExit(2)
