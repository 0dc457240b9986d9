"""Verbs of the toolkit: check, check-assumptions, proxy, replay, coverage, spec."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from metronome_sandbox.cli.parts import (
    BASE_URL,
    CONTROL_TOKEN,
    DEMO_TOKEN,
    FILE,
    TOKEN,
    Mode,
    extra,
    listen,
    port,
    refuse_strangers,
)

ONLY = click.option(
    "--only", multiple=True, metavar="A-MARK", help="With --assumptions: ask about this one; may be given again."
)
WRITES_TO = click.option(
    "--writes-to",
    "--yes-write-to",
    "writes_to",
    metavar="HOST",
    help="Allow what writes at this host, which is no sandbox.",
)
MODES_OF_CHECK = {
    "assumptions": Mode(own=("only",), shared=("base_url", "token", "control_token", "writes_to", "json", "html")),
    "recording": Mode(own=(), shared=("document", "junit", "html", "json")),
    "exactly_once": Mode(own=("faults", "delay_seconds", "jobs", "pytest_args"), shared=("operations", "json")),
}


@click.command()
@click.option("--base-url", metavar="URL", help="API to check. A sandbox in this process, unless given.")
@click.option(
    "--token",
    metavar="TOKEN",
    envvar="METRONOME_BEARER_TOKEN",
    help="Bearer token for --base-url. On a sandbox it names the tenant; a tenant of its own, unless given.",
)
@CONTROL_TOKEN
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
@WRITES_TO
@click.option(
    "--document",
    metavar="FILE",
    type=FILE,
    help="OpenAPI 3 document to hold the API to, JSON or YAML. The package's own, unless given.",
)
@click.option(
    "--operation",
    "operations",
    metavar="ID",
    multiple=True,
    help="Generate requests for this one only; with --exactly-once, disturb calls of this one only.",
)
@click.option(
    "--suite", "suites", type=click.Choice(["workflows", "generated"]), multiple=True, help="Run this suite only."
)
@click.option(
    "--recording",
    metavar="FILE.har",
    type=FILE,
    help="Check a recording in place of an API: whether today's document allows it, and whether it proves anything.",
)
@click.option("--junit", metavar="FILE", type=FILE, help="Write JUnit's XML.")
@click.option("--html", metavar="FILE", type=FILE, help="Write one HTML page.")
@click.option("--har", metavar="FILE", type=FILE, help="Write every call as HAR.")
@click.option("--json", metavar="FILE", type=FILE, help="Write JSON.")
@click.option("--assumptions", is_flag=True, help="Ask instead whether the API does what docs/assumptions.md says.")
@ONLY
@click.option("--exactly-once", is_flag=True, help="Disturb the calls of your own tests instead: PYTEST_ARGS.")
@click.option(
    "--fault",
    "faults",
    type=click.Choice(["lost-answer", "dropped", "429", "409", "delayed"]),
    multiple=True,
    help="With --exactly-once: disturb calls in this way only.",
)
@click.option(
    "--delay-seconds",
    type=click.FloatRange(min=0, max=600, min_open=True),
    default=1.0,
    show_default=True,
    help="With --exactly-once: how long a delayed call waits.",
)
@click.option("--jobs", metavar="RUNS", type=click.IntRange(min=1), help="With --exactly-once: runs side by side.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def check(
    context: click.Context,
    base_url: str | None,
    token: str | None,
    control_token: str | None,
    profile: str | None,
    calls_per_second: float | None,
    writes_to: str | None,
    document: Path | None,
    operations: tuple[str, ...],
    suites: tuple[str, ...],
    recording: Path | None,
    junit: Path | None,
    html: Path | None,
    har: Path | None,
    json: Path | None,
    assumptions: bool,
    only: tuple[str, ...],
    exactly_once: bool,
    faults: tuple[str, ...],
    delay_seconds: float,
    jobs: int | None,
    pytest_args: tuple[str, ...],
) -> None:
    """Hold an API to its contract: a sandbox, or the real one.

    With --assumptions: to what this project assumes about it. With --exactly-once: hold your own code to what a network
    does, in the tests that PYTEST_ARGS select, "check --exactly-once -- tests/test_billing.py" for example.

    Exit status: 0 when nothing was found, 1 with findings, 2 when the API could not be asked.
    """
    refuse_strangers(context, MODES_OF_CHECK)
    if recording is not None:
        sys.exit(_check_recording(recording, document, {"junit": junit, "html": html, "json": json}))
    if assumptions:
        sys.exit(_ask_assumptions(base_url, token, control_token, only, writes_to, json, html))
    if exactly_once:
        with extra("toolkit"):
            from metronome_sandbox.toolkit.exactly_once import command
        sys.exit(
            command.run(
                pytest_args,
                faults=faults,
                operations=operations,
                delay_seconds=delay_seconds,
                jobs=jobs,
                json_file=json,
            )
        )
    with extra("toolkit"):
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


def _check_recording(recording: Path, document: Path | None, files: dict[str, Path | None]) -> int:
    with extra("toolkit"):
        from metronome_sandbox.toolkit import recording_check
    return recording_check.run(recording, document=document, files=files)


@click.command()
@click.option("--upstream", required=True, metavar="URL", help="Where the calls go: a sandbox or the real API.")
@port(4020)
@click.option("--record", metavar="FILE.har", type=FILE, help="Write every call.")
@click.option("--report", metavar="FILE.json", type=FILE, help="Write the findings.")
@click.option(
    "--keep-secrets",
    is_flag=True,
    help="Record secrets in bodies and queries as well. Credentials of the client never are.",
)
def proxy(upstream: str, port: int, record: Path | None, report: Path | None, keep_secrets: bool) -> None:
    """Stand between a client and the API and tell what is wrong with their calls, until interrupted.

    Every call is passed on as it is. Exit status 1 means that there are findings.
    """
    with extra("toolkit"):
        from metronome_sandbox.toolkit import proxy as passing
    with listen("127.0.0.1", port) as listener:
        sys.exit(passing.run(upstream, listener, record=record, report=report, keeps_secrets=keep_secrets))


@click.command()
@click.argument("file", metavar="FILE.har", type=FILE)
@port(4030)
def replay(file: Path, port: int) -> None:
    """Answer calls from a recording, until interrupted.

    Calls are matched by operation, parameters and body. Exit status 1 means that one was asked for that it has not.
    """
    from metronome_sandbox.toolkit import replay as replaying

    with listen("127.0.0.1", port) as listener:
        sys.exit(replaying.run(file, listener))


@click.command("check-assumptions")
@BASE_URL
@TOKEN
@CONTROL_TOKEN
@ONLY
@WRITES_TO
@click.option("--json", "json_file", metavar="FILE", type=FILE, help="Report to send; it holds no token.")
@click.option("--html", "html_file", metavar="FILE", type=FILE, help="The same to read.")
def check_assumptions(
    base_url: str,
    token: str,
    control_token: str | None,
    only: tuple[str, ...],
    writes_to: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """The same as ``check --assumptions``, against the sandbox of this machine unless told otherwise.

    Each assumption is a few calls with figures that are known before. What they make is archived afterwards. Exit
    status 1 means that a rule differs.
    """
    sys.exit(_ask_assumptions(base_url, token, control_token, only, writes_to, json_file, html_file))


def _ask_assumptions(
    base_url: str | None,
    token: str | None,
    control_token: str | None,
    only: tuple[str, ...],
    writes_to: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> int:
    with extra("toolkit"):
        from metronome_sandbox.toolkit.probes import command
    with ExitStack() as stack:
        if base_url is None:
            from metronome_sandbox.serving import BackgroundServer

            server = BackgroundServer()
            stack.callback(server.stop)
            base_url, token, control_token = server.url, None, None
        return command.run(
            base_url,
            token or DEMO_TOKEN,
            control_token=control_token,
            only=only,
            writes_to=writes_to,
            json_file=json_file,
            html_file=html_file,
        )


@click.group()
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
    with extra("toolkit"):
        from metronome_sandbox.toolkit import spec_command
    sys.exit(spec_command.diff(old, new, coverage=coverage, json_file=json_file, shows_all=shows_all))


@spec.command("drift")
@click.option("--vendor", metavar="FILE", type=FILE, help="The vendor's document, instead of the installed SDK.")
@click.option("--json", "json_file", metavar="FILE", type=FILE, help="Write the differences here.")
def spec_drift(vendor: Path | None, json_file: Path | None) -> None:
    """Tell where the sandbox's document and the vendor's differ in names, enum values and types.

    The vendor's is the installed metronome-sdk, unless a file is given. Exit status 1 means that they differ.
    """
    with extra("toolkit"):
        from metronome_sandbox.toolkit import spec_command
    sys.exit(spec_command.drift(vendor, json_file=json_file))


@click.command()
@BASE_URL
@TOKEN
@CONTROL_TOKEN
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
    with extra("toolkit"):
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


VERBS = (check, check_assumptions, proxy, replay, coverage, spec)
