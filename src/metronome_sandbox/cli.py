"""The command line: one verb for each thing one does with the sandbox.

Results go to stdout, talk to stderr. Exit status: 0 is fine, 1 is findings, 2 is wrong usage. Heavy modules are
imported inside the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from metronome_sandbox.toolkit.hosts import is_loopback

if TYPE_CHECKING:
    from metronome_sandbox.api.settings import Settings

PROGRAM = "metronome-sandbox"
MEBIBYTE = 1024 * 1024
BACKLOG = 2048
"""Connections that wait while the server starts or is busy."""

SANDBOX_URL = "http://127.0.0.1:4010"
FILE = click.Path(dir_okay=False, path_type=Path)
SHUTDOWN_SECONDS = 3
"""How long calls that are under way may take once the server is told to stop."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "METRONOME_SANDBOX"})
@click.version_option(package_name="metronome-sandbox", prog_name=PROGRAM)
def main() -> None:
    """A sandbox of the Metronome billing API on your machine: stateful, with a clock you can move.

    Every option can also be given by the environment, METRONOME_SANDBOX_SERVE_PORT for "serve --port" for example.
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=4010, show_default=True, type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one."
)
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
    type=click.Path(dir_okay=False, path_type=Path),
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
    listener = _listen(host, port)  # before the imports: a client that is early waits instead of failing

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


@main.command()
@click.option("--serve", "stays", is_flag=True, help="Leave the server running afterwards, until Ctrl-C.")
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port of the server that is started; 0 takes a free one.",
)
@click.option("--base-url", metavar="URL", help="Play against a sandbox that runs already, instead of starting one.")
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="METRONOME_SANDBOX_CONTROL_TOKEN",
    help="What that sandbox wants for its control plane.",
)
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


@main.command()
@click.argument("invoice")
@click.option(
    "--base-url",
    default=SANDBOX_URL,
    show_default=True,
    metavar="URL",
    envvar="METRONOME_BASE_URL",
    help="Sandbox to ask.",
)
@click.option(
    "--token",
    default="demo",
    show_default=True,
    metavar="TOKEN",
    envvar="METRONOME_BEARER_TOKEN",
    help="Bearer token, which names the tenant that has the invoice.",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="METRONOME_SANDBOX_CONTROL_TOKEN",
    help="What that sandbox wants for its control plane.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as it came.")
def explain(invoice: str, base_url: str, token: str, control_token: str | None, as_json: bool) -> None:
    """Tell why every figure of an invoice is what it is. INVOICE is its id.

    Exit status 1 means that the tenant has no such invoice.
    """
    from metronome_sandbox import explain as explanation

    sys.exit(explanation.run(invoice, base_url=base_url, token=token, control_token=control_token, as_json=as_json))


@main.command()
@click.option("--base-url", metavar="URL", help="API to check. A sandbox in this process, unless given.")
@click.option(
    "--token",
    metavar="TOKEN",
    envvar="METRONOME_BEARER_TOKEN",
    help="Bearer token for --base-url. On a sandbox it names the tenant; a tenant of its own, unless given.",
)
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="METRONOME_SANDBOX_CONTROL_TOKEN",
    help="What that sandbox wants for its control plane.",
)
@click.option(
    "--profile",
    type=click.Choice(["smoke", "full", "read-only"]),
    help="How much is asked: seconds, some minutes, or nothing that changes anything. "
    "smoke for a sandbox, read-only for any other host, unless given.",
)
@click.option(
    "--rate",
    "calls_per_second",
    metavar="CALLS",
    type=click.FloatRange(min=0.1),
    help="Calls a second at most. 5 for a host other than the sandbox, unless given.",
)
@click.option("--writes-to", metavar="HOST", help="Allow a profile that writes to this host, which is no sandbox.")
@click.option(
    "--document",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="OpenAPI 3 document to hold the API to, JSON or YAML. The package's own, unless given.",
)
@click.option("--operation", "operations", metavar="ID", multiple=True, help="Generate requests for this one only.")
@click.option(
    "--suite", "suites", type=click.Choice(["workflows", "generated"]), multiple=True, help="Run this suite only."
)
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit's XML.")
@click.option("--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write one HTML page.")
@click.option("--har", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write every call as HAR.")
@click.option("--json", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON.")
def check(
    base_url: str | None,
    token: str | None,
    control_token: str | None,
    profile: str | None,
    calls_per_second: float | None,
    writes_to: str | None,
    document: Path | None,
    operations: tuple[str, ...],
    suites: tuple[str, ...],
    junit: Path | None,
    html: Path | None,
    har: Path | None,
    json: Path | None,
) -> None:
    """Hold an API to its contract: a sandbox, or the real one.

    Exit status: 0 when nothing was found, 1 with findings, 2 when the API could not be asked.
    """
    with _toolkit():
        from metronome_sandbox.toolkit import checking
    app = None
    if base_url is None:
        from metronome_sandbox.api.app import create_app
        from metronome_sandbox.api.settings import Settings

        app, token, control_token = create_app(Settings()), None, None
    sys.exit(
        checking.run(
            base_url=base_url,
            app=app,
            token=token,
            control_token=control_token,
            profile=profile,
            calls_per_second=calls_per_second,
            writes_to=writes_to,
            document=document,
            only=operations,
            suites=suites,
            files={"junit": junit, "html": html, "har": har, "json": json},
        )
    )


@main.command()
@click.option("--upstream", required=True, metavar="URL", help="Where the calls go: a sandbox or the real API.")
@click.option(
    "--port", default=4020, show_default=True, type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one."
)
@click.option("--record", metavar="FILE.har", type=click.Path(dir_okay=False, path_type=Path), help="Write every call.")
@click.option(
    "--report", metavar="FILE.json", type=click.Path(dir_okay=False, path_type=Path), help="Write the findings."
)
@click.option(
    "--keep-secrets",
    is_flag=True,
    help="Record secrets in bodies and queries as well. Credentials of the client never are.",
)
def proxy(upstream: str, port: int, record: Path | None, report: Path | None, keep_secrets: bool) -> None:
    """Stand between a client and the API and tell what is wrong with their calls, until interrupted.

    Every call is passed on as it is. Exit status 1 means that there are findings.
    """
    with _toolkit():
        from metronome_sandbox.toolkit import proxy as passing
    with _listen("127.0.0.1", port) as listener:
        sys.exit(passing.run(upstream, listener, record=record, report=report, keeps_secrets=keep_secrets))


@main.command()
@click.argument("file", metavar="FILE.har", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--port", default=4030, show_default=True, type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one."
)
def replay(file: Path, port: int) -> None:
    """Answer calls from a recording, until interrupted.

    Calls are matched by operation, parameters and body. Exit status 1 means that one was asked for that it has not.
    """
    from metronome_sandbox.toolkit import replay as replaying

    with _listen("127.0.0.1", port) as listener:
        sys.exit(replaying.run(file, listener))


@main.command("check-assumptions")
@click.option("--base-url", default=SANDBOX_URL, show_default=True, metavar="URL", envvar="METRONOME_BASE_URL")
@click.option("--token", default="demo", metavar="TOKEN", envvar="METRONOME_BEARER_TOKEN", help="Bearer token.")
@click.option("--control-token", metavar="TOKEN", envvar="METRONOME_SANDBOX_CONTROL_TOKEN", help="Of that sandbox.")
@click.option("--only", multiple=True, metavar="A-MARK", help="Check this assumption; may be given again.")
@click.option("--yes-write-to", metavar="HOST", help="Write to this host although it is no sandbox.")
@click.option("--json", "json_file", metavar="FILE", type=FILE, help="Report to send; it holds no token.")
@click.option("--html", "html_file", metavar="FILE", type=FILE, help="The same to read.")
def check_assumptions(
    base_url: str,
    token: str,
    control_token: str | None,
    only: tuple[str, ...],
    yes_write_to: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Ask an API whether it does what docs/assumptions.md says it does.

    Each assumption is a few calls with figures that are known before. What they make is archived afterwards. Exit
    status 1 means that a rule differs.
    """
    with _toolkit():
        from metronome_sandbox.toolkit.probes import command
    status = command.run(
        base_url,
        token,
        control_token=control_token,
        only=only,
        yes_write_to=yes_write_to,
        json_file=json_file,
        html_file=html_file,
    )
    sys.exit(status)


@main.group()
def spec() -> None:
    """Compare OpenAPI documents: two of them, or the sandbox's with the vendor's."""


@spec.command("diff")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--coverage", metavar="FILE", type=FILE, help="What a client uses; tells which changes hit it.")
@click.option("--json", "json_file", metavar="FILE", type=FILE, help="Write all changes here.")
@click.option("--all", "shows_all", is_flag=True, help="Print additive changes as well.")
def spec_diff(old: Path, new: Path, coverage: Path | None, json_file: Path | None, shows_all: bool) -> None:
    """Tell what changed from OLD to NEW: breaking, risky or additive. Both are OpenAPI 3 in JSON.

    Exit status 1 means that something is breaking or risky; with --coverage, that it hits the client.
    """
    with _toolkit():
        from metronome_sandbox.toolkit import spec_command
    sys.exit(spec_command.diff(old, new, coverage=coverage, json_file=json_file, shows_all=shows_all))


@spec.command("drift")
@click.option("--vendor", metavar="FILE", type=FILE, help="The vendor's document, instead of the installed SDK.")
@click.option("--json", "json_file", metavar="FILE", type=FILE, help="Write the differences here.")
def spec_drift(vendor: Path | None, json_file: Path | None) -> None:
    """Tell where the sandbox's document and the vendor's differ in names, enum values and types.

    The vendor's is the installed metronome-sdk, unless a file is given. Exit status 1 means that they differ.
    """
    with _toolkit():
        from metronome_sandbox.toolkit import spec_command
    sys.exit(spec_command.drift(vendor, json_file=json_file))


@main.command()
@click.option("--base-url", default=SANDBOX_URL, show_default=True, metavar="URL", envvar="METRONOME_BASE_URL")
@click.option("--token", default="demo", metavar="TOKEN", envvar="METRONOME_BEARER_TOKEN", help="Bearer token.")
@click.option("--control-token", metavar="TOKEN", envvar="METRONOME_SANDBOX_CONTROL_TOKEN", help="Of that sandbox.")
@click.option("--har", metavar="FILE", type=FILE, multiple=True, help="Read a recording; may be given again.")
@click.option("--document", metavar="FILE", type=FILE, help="Count against this document, instead of our own.")
@click.option("--test", metavar="NAME", help="The test that made these calls.")
@click.option("--out", metavar="FILE", type=FILE, default="coverage.json", show_default=True, help="Where to write it.")
@click.option("--html", metavar="FILE", type=FILE, help="The same to read.")
def coverage(
    base_url: str,
    token: str,
    control_token: str | None,
    har: tuple[Path, ...],
    document: Path | None,
    test: str | None,
    out: Path,
    html: Path | None,
) -> None:
    """Write which operations, fields, enum values and error codes a client uses.

    They come from the journal of a sandbox, or from recordings (HAR). Values are kept only where the document lists
    them, so the file holds nothing of a customer.
    """
    with _toolkit():
        from metronome_sandbox.toolkit import spec_command
    status = spec_command.coverage(
        base_url=base_url,
        token=token,
        control_token=control_token,
        har=har,
        document=document,
        test=test,
        out=out,
        html=html,
    )
    sys.exit(status)


@contextmanager
def _toolkit() -> Iterator[None]:
    """Say what is missing when the toolkit is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("metronome_sandbox"):
            raise
        click.echo(f'This needs {error.name}: pip install "metronome-sandbox[toolkit]"', err=True)
        raise SystemExit(2) from None


def _run(settings: Settings, listener: socket.socket, access_log: bool) -> None:
    import uvicorn

    from metronome_sandbox.api import state
    from metronome_sandbox.api.app import create_app
    from metronome_sandbox.domain.errors import DomainError
    from metronome_sandbox.serving import Protocol

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
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=access_log,
        log_level="info" if access_log else "warning",
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is, and looking costs every request
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # uvicorn shuts down in good order and then raises the signal again; to be told to stop is no failure here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    uvicorn.Server(config).run(sockets=[listener])


def _freeze(_: object) -> None:
    """Keep the garbage collector from walking through modules and contracts again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)  # values are never part of a cycle, so looking often finds nothing


def _stop(_: int, __: FrameType | None) -> None:
    sys.exit(0)


def _listen(host: str, port: int) -> socket.socket:
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


if __name__ == "__main__":
    main(prog_name=PROGRAM)
