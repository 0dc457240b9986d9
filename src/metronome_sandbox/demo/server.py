"""A sandbox in a process of its own, and a client of one of its tenants."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import metronome
from metronome import Metronome

from metronome_sandbox.demo.errors import DemoFailed

CONTROL_HEADER = "X-Sandbox-Control-Token"
START_SECONDS = 30
"""How long a server may take to start, on a machine that is busy with something else."""

STOP_SECONDS = 10


class RunningServer:
    """A sandbox in a process of its own, started and ready.

    Args:
        port: Where it listens; 0 takes a free one.

    Attributes:
        url: Where it is reached.

    Raises:
        DemoFailed: It ended instead of listening, or was ended because it took too long.
    """

    def __init__(self, port: int) -> None:
        # The variables that steer `serve` are for the caller's own server; this one is the demo's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("METRONOME_SANDBOX_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "metronome_sandbox", "serve", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment,
        )
        self.url = ""
        self._said: deque[str] = deque(maxlen=50)
        self._is_ready = Event()
        self._is_heard = Event()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._is_ready.wait(START_SECONDS)
        if not self.url:
            self.stop()
            raise DemoFailed(f"the sandbox did not start: {''.join(self._said).strip() or 'it said nothing'}")

    def _listen(self) -> None:
        """Read what the server says until it ends, so that it never waits for a full pipe."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                announced = re.search(r"listens on (http://\S+)", line)
                if self._is_heard.is_set():
                    sys.stderr.write(line)
                elif announced is not None and not self.url:
                    self.url = announced.group(1)
                    self._is_ready.set()
                else:
                    self._said.append(line)
        self._is_ready.set()

    def stay(self) -> None:
        """Wait until the server ends or somebody presses Ctrl-C; meanwhile its complaints are heard."""
        self._is_heard.set()
        with suppress(KeyboardInterrupt):
            self._process.wait()

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()


@contextmanager
def running(port: int) -> Iterator[RunningServer]:
    """Run a sandbox for as long as the block takes."""
    server = RunningServer(port)
    try:
        yield server
    finally:
        server.stop()


def client_of(url: str, token: str, control_token: str | None, *, is_own: bool) -> Metronome:
    """Return a client of one tenant. A server of our own is never behind the proxy that the environment names."""
    headers = {} if control_token is None else {CONTROL_HEADER: control_token}
    http_client = metronome.DefaultHttpxClient(trust_env=not is_own)
    return Metronome(base_url=url, bearer_token=token, default_headers=headers, http_client=http_client)
