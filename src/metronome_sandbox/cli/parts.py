"""What several verbs share: options, a listening socket, and what to say when an extra is not installed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = "metronome-sandbox"
SANDBOX_URL = "http://127.0.0.1:4010"
FILE = click.Path(dir_okay=False, path_type=Path)
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
    default="demo",
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


def only_with(name: str, *others: str) -> None:
    """Refuse every option that was given on the command line beside one that stands with a few others alone.

    Raises:
        click.UsageError: There is one.
    """
    context = click.get_current_context()
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if is_given and option.name not in (name, *others):
            raise click.UsageError(f"{option.opts[0]} has no place beside --{name}")


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
