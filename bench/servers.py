"""The servers under test: started on the first core, asked until they answer, measured, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter, sleep

CORES = sorted(os.sched_getaffinity(0))
IS_PINNED = len(CORES) > 1
"""With a single core server and generator share it, and rates say little."""

START_SECONDS = 60
"""How long a server may take to answer."""


@dataclass(frozen=True)
class Kind:
    """A server that can be started.

    Attributes:
        command: Makes the command line from a port.
        health_path: Answers 200 as soon as anything does.
        is_stateless: Whether it forgets everything, so that only the compared cases make sense.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    health_path: str
    is_stateless: bool = True


@dataclass(frozen=True)
class Start:
    """Seconds from the spawning of the process to its first answers, and what it holds in memory then."""

    health: float
    billing_call: float
    megabytes: float


class Running:
    """A process that serves on ``port``."""

    def __init__(self, kind: Kind, process: subprocess.Popen[bytes], port: int) -> None:
        self.kind = kind
        self.process = process
        self.port = port

    @property
    def megabytes(self) -> float:
        """Resident memory of the process and of those it started, in units of 1,000,000 bytes."""
        return sum(_resident(pid) for pid in _family(self.process.pid)) / 1e6

    @property
    def cpu_seconds(self) -> float:
        """What the process and those it started have computed so far. Neighbours on the machine don't change it."""
        return sum(_on_cpu(pid) for pid in _family(self.process.pid)) / 1e9


SANDBOX = Kind(
    "sandbox",
    lambda port: [sys.executable, "-m", "metronome_sandbox", "serve", "--port", str(port)],
    "/sandbox/health",
    is_stateless=False,
)

BILLING_PATH = "/v1/credit-types/list"


def bare(answers: Path) -> Kind:
    """Return the bare ASGI application that gives these answers."""
    program = str(Path(__file__).with_name("bare.py"))
    return Kind("bare ASGI", lambda port: [sys.executable, program, str(port), str(answers)], "/")


def mocks(document: Path) -> list[Kind]:
    """Return the stateless mock servers that are installed, to serve an OpenAPI document."""
    found: list[Kind] = []
    for name, options in (
        ("prism", ["mock", "--host", "127.0.0.1", "--verboseLevel", "silent", "--port"]),
        ("steady", ["--host", "127.0.0.1", "--port"]),
    ):
        program = _installed(name)
        if program is not None:
            found.append(_mock(name, [*program, *options], document))
    return found


def _mock(name: str, command: Sequence[str], document: Path) -> Kind:
    return Kind(name, lambda port: [*command, str(port), str(document)], BILLING_PATH)


def _installed(name: str) -> list[str] | None:
    if shutil.which(name):
        return [name]
    if shutil.which("npx"):
        npx = ["npx", "--no-install", name]
        if subprocess.run([*npx, "--version"], capture_output=True, check=False).returncode == 0:
            return npx
    return None


@contextmanager
def running(kind: Kind) -> Iterator[tuple[Running, Start]]:
    """Start a server and wait for its answers; stop it at the end."""
    port = _free_port()
    with TemporaryFile() as talk:
        started = perf_counter()
        process = subprocess.Popen(
            kind.command(port),
            stdout=talk,
            stderr=talk,
            start_new_session=True,  # a group of its own, so that what it starts ends with it
            preexec_fn=_move_to_first_core,
        )
        try:
            health = _first_answer(process, port, kind.health_path) - started
            billing_call = _first_answer(process, port, BILLING_PATH) - started
            server = Running(kind, process, port)
            yield server, Start(health, billing_call, server.megabytes)
        except (ChildProcessError, TimeoutError) as error:
            talk.seek(0)
            raise RuntimeError(f"{kind.name} {error}; it said: {talk.read()[-1000:].decode()}") from error
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def take_second_core() -> None:
    """Keep this process, and the load generator that it starts, off the servers' core."""
    if IS_PINNED:
        os.sched_setaffinity(0, {CORES[1]})


def _move_to_first_core() -> None:
    if IS_PINNED:
        os.sched_setaffinity(0, {CORES[0]})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_answer(process: subprocess.Popen[bytes], port: int, path: str) -> float:
    deadline = perf_counter() + START_SECONDS
    while perf_counter() < deadline:
        if process.poll() is not None:
            raise ChildProcessError(f"ended with status {process.returncode} before it answered")
        connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": "Bearer bench"})
            if connection.getresponse().status == 200:
                return perf_counter()
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        sleep(0.001)
    raise TimeoutError(f"did not answer {path} within {START_SECONDS} s")


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _on_cpu(pid: int) -> int:
    """Return the nanoseconds that all threads of a process were running."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
