"""Verbs that run a sandbox or ask one: serve, demo, explain."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from metronome_sandbox.cli.parts import BASE_URL, CONTROL_TOKEN, FILE, PROGRAM, TOKEN, listen, port
from metronome_sandbox.client.hosts import is_loopback

if TYPE_CHECKING:
    from metronome_sandbox.api.settings import Settings

MEBIBYTE = 1024 * 1024


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@port(4010)
@click.option("--tokens", default="", metavar="A,B", help="Bearer tokens to accept. Any token, unless given.")
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="METRONOME_SANDBOX_CONTROL_TOKEN",
    help="What X-Sandbox-Control-Token must carry on /sandbox/*. Needed on any address but loopback.",
)
@click.option("--random-ids", is_flag=True, help="Make ids that never repeat, instead of the same ones on every run.")
@click.option(
    "--max-body",
    default=10 * MEBIBYTE,
    show_default=True,
    metavar="BYTES",
    type=click.IntRange(min=1),
    help="Longest request body.",
)
@click.option(
    "--grace-hours",
    default=24.0,
    show_default=True,
    metavar="HOURS",
    type=click.FloatRange(min=0, max=8784),
    help="How long a usage invoice stays a draft after its period.",
)
@click.option("--scenario", metavar="NAME", help="Scenario that every tenant starts with. Empty, unless given.")
@click.option(
    "--state",
    "state_file",
    metavar="FILE",
    type=FILE,
    help="Snapshot to load at the start, if it is there, and to write at the end.",
)
@click.option(
    "--journal",
    "journal_size",
    default=200,
    show_default=True,
    metavar="CALLS",
    type=click.IntRange(0, 1_000_000),
    help="Calls to remember for each tenant; 0 remembers none.",
)
@click.option("--access-log", is_flag=True, help="Print a line for every call.")
def serve(
    host: str,
    port: int,
    tokens: str,
    control_token: str | None,
    random_ids: bool,
    max_body: int,
    grace_hours: float,
    scenario: str | None,
    state_file: Path | None,
    journal_size: int,
    access_log: bool,
) -> None:
    """Run the sandbox until it is interrupted."""
    if not is_loopback(host) and not control_token:
        raise click.UsageError(
            f"{host} can be reached by others, and whoever reaches /sandbox/* can reset and time-travel: "
            "add --control-token"
        )
    listener = listen(host, port)  # before the imports: a client that is early waits instead of failing

    from metronome_sandbox.api.settings import Settings

    settings = Settings(
        host=host,
        port=listener.getsockname()[1],
        tokens=frozenset(token.strip() for token in tokens.split(",") if token.strip()),
        control_token=control_token or None,
        max_body=max_body,
        journal_size=journal_size,
        random_ids=random_ids,
        grace_period=timedelta(hours=grace_hours),
        scenario=scenario,
        state_file=state_file,
    )
    with listener:
        _run(settings, listener, access_log)


@click.command()
@click.option("--serve", "stays", is_flag=True, help="Leave the server running afterwards, until Ctrl-C.")
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port of the server that is started; 0 takes a free one.",
)
@click.option("--base-url", metavar="URL", help="Play against a sandbox that runs already, instead of starting one.")
@CONTROL_TOKEN
def demo(stays: bool, port: int, base_url: str | None, control_token: str | None) -> None:
    """Play the guide "Import existing invoices" with the official SDK and check every figure."""
    if base_url and (stays or port):
        raise click.UsageError("--base-url plays against a server that runs already; --serve and --port start one")
    try:
        from metronome_sandbox import demo as play
    except ModuleNotFoundError as error:
        if error.name != "metronome":
            raise
        click.echo('The demo plays with the official SDK: pip install "metronome-sandbox[demo]"', err=True)
        raise SystemExit(2) from None
    signal.signal(signal.SIGTERM, _stop)  # so that the server that was started ends with the demo
    sys.exit(play.run(port=port, base_url=base_url, control_token=control_token, stays=stays))


@click.command()
@click.argument("invoice")
@BASE_URL
@TOKEN
@CONTROL_TOKEN
@click.option("--json", "as_json", is_flag=True, help="Print the answer as it came.")
def explain(invoice: str, base_url: str, token: str, control_token: str | None, as_json: bool) -> None:
    """Tell why every figure of an invoice is what it is. INVOICE is its id.

    Exit status 1 means that the tenant has no such invoice.
    """
    from metronome_sandbox import explain as explanation

    sys.exit(explanation.run(invoice, base_url=base_url, token=token, control_token=control_token, as_json=as_json))


def _run(settings: Settings, listener: socket.socket, access_log: bool) -> None:
    from metronome_sandbox import listening
    from metronome_sandbox.api import state
    from metronome_sandbox.api.app import create_app
    from metronome_sandbox.domain.errors import DomainError

    file = settings.state_file
    try:
        app = create_app(
            settings,
            on_start=[lambda _: click.echo(_welcome(settings), err=True), _freeze],
            on_stop=[] if file is None else [lambda server: state.save(server, file)],
        )
        if file is not None:
            state.load(app.server, file)
    except DomainError as error:  # the scenario or the state cannot be used
        raise click.UsageError(str(error)) from error
    server = listening.server_of(app, access_log=access_log, log_level="info" if access_log else "warning")
    listening.serve(server, listener)


def _freeze(_: object) -> None:
    """Keep the garbage collector from walking through modules and contracts again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)  # values are never part of a cycle, so looking often finds nothing


def _stop(_: int, __: FrameType | None) -> None:
    sys.exit(0)


def _welcome(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    token = "<one of --tokens>" if settings.tokens else "demo"  # a real token has no business in a log
    return f"""\
{PROGRAM} listens on {url} (documentation: {url}/docs)

Point any SDK at it; each bearer token is a world of its own:
  export METRONOME_BASE_URL={url}
  export METRONOME_BEARER_TOKEN={token}

Try it:
  curl -H 'Authorization: Bearer {token}' {url}/v1/credit-types/list
"""


VERBS = (serve, demo, explain)
