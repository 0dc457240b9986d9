"""One performance: from a server that is ready to the exit status."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import monotonic
from typing import Any

import metronome
from metronome import Metronome
from rich.console import Console

from metronome_sandbox.demo.errors import DemoFailed
from metronome_sandbox.demo.play import import_by_window, import_guide
from metronome_sandbox.demo.server import client_of, running
from metronome_sandbox.demo.stage import Stage

WIDTH = 80
"""Columns at most: what a terminal has when nobody made it wider."""

MAIN_TOKEN = "demo-acme"
WINDOWS_TOKEN = "demo-windows"


def run(*, port: int = 0, base_url: str | None = None, control_token: str | None = None, stays: bool = False) -> int:
    """Play the demo and return the exit status: 0 when every figure was right, else 1.

    Args:
        port: Of the server that is started; 0 takes a free one.
        base_url: A sandbox that runs already, instead of one that is started.
        control_token: What that sandbox wants for its control plane.
        stays: Leave the server running until Ctrl-C.
    """
    console = Console(width=min(WIDTH, Console().width), highlight=False, soft_wrap=False)
    try:
        with ExitStack() as stack:
            server = None if base_url else stack.enter_context(running(port))
            url = base_url or (server.url if server is not None else "")
            customer_id = _play(console, url.rstrip("/"), control_token, stack, is_own=server is not None)
            if stays and server is not None:
                _invite(console, url, customer_id)
                server.stay()
    except DemoFailed as failure:
        print(f"metronome-sandbox demo: {failure}", file=sys.stderr)
    except metronome.APIStatusError as error:
        request = f"{error.request.method} {error.request.url.path}"
        print(f"metronome-sandbox demo: {request} answered {error.status_code}: {error.message}", file=sys.stderr)
    except metronome.APIConnectionError as error:
        print(f"metronome-sandbox demo: nothing answers at {error.request.url}", file=sys.stderr)
    else:
        return 0
    return 1


def _play(console: Console, url: str, control_token: str | None, stack: ExitStack, *, is_own: bool) -> str:
    """Play both parts; return the id of the customer of the first."""
    started = monotonic()
    stage = Stage(console)
    main, other = (
        stack.enter_context(client_of(url, token, control_token, is_own=is_own))
        for token in (MAIN_TOKEN, WINDOWS_TOKEN)
    )
    console.print(f"[bold]metronome-sandbox {_version(main, url)}[/] at {url}")
    console.print(f'The guide "Import existing invoices", played with metronome-sdk {metronome.__version__}.')
    console.print("The API counts US cents; tables give the dollars beside them.\n")
    customer_id = import_guide(stage, main)
    import_by_window(stage, other)
    stage.rule()
    seconds = monotonic() - started
    console.print(
        f"[bold]All {stage.figures} figures are as worked out by hand.[/] {stage.steps} steps, {seconds:.1f} s."
    )
    return customer_id


def _version(client: Metronome, url: str) -> str:
    """Return the version of the sandbox, before anything is made in what might be something else.

    Raises:
        DemoFailed: There is no sandbox at the URL.
    """
    try:
        health: Any = client.get("/sandbox/health", cast_to=object)
    except metronome.APIStatusError as error:
        raise DemoFailed(f"{url} is no metronome-sandbox: /sandbox/health answered {error.status_code}") from error
    if not isinstance(health, dict) or "version" not in health:
        raise DemoFailed(f"{url} is no metronome-sandbox: /sandbox/health answered something else")
    return str(health["version"])


def _invite(console: Console, url: str, customer_id: str) -> None:
    """Say how to go on with the server that stays."""
    console.print(f"\nThe server stays at {url} until Ctrl-C (documentation: {url}/docs).\n")
    console.print(f"  export METRONOME_BASE_URL={url}")
    console.print(f"  export METRONOME_BEARER_TOKEN={MAIN_TOKEN}")
    console.print(f"\nThe company by day and by hour is behind the token {WINDOWS_TOKEN}. Try it:\n")
    path = f"/v1/customers/{customer_id}/invoices"
    # One line to copy, however long: no wrapping here.
    console.print(f"  curl -H 'Authorization: Bearer {MAIN_TOKEN}' {url}{path}", soft_wrap=True)
