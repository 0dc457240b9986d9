"""The snippets of a page of Markdown: found, and run as a reader would who pastes one after the other.

``console`` blocks are commands after ``$ `` with what they print below them; those that name the examples find them.
``python`` blocks are programs or, when they hold a test, pytest files; a ``text`` block below one is what it prints.
``...`` in them stands for anything. What stands below the comment ``<!-- not run by the tests -->`` is left alone.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.runs import ALONE, PLUGIN
from toolkit.servers import served

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = "<!-- not run by the tests -->"
BLOCK = re.compile(r"^(?P<mark><!-- [^\n]* -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"\b40[0-9]{2}\b")
SERVERS = tuple(f"metronome-sandbox {verb} " for verb in ("serve", "proxy", "replay"))
SAMPLES = ("examples", "fixtures")
"""Folders of the checkout that commands and programs name."""

VENDOR = "https://api.metronome.com"
BINARIES = Path(sys.executable).parent


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str
    is_run: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A line of a console block, and what it prints."""

    text: str
    output: str


def snippets(page: Path) -> list[Snippet]:
    """Return the blocks of a page in order."""
    content = page.read_text(encoding="utf-8")
    return [
        Snippet(
            page,
            content.count("\n", 0, found.start("kind")) + 1,
            found["kind"],
            found["text"],
            (found["mark"] or "").strip() != NOT_RUN,
        )
        for found in BLOCK.finditer(content)
    ]


def commands(snippet: Snippet) -> list[Command]:
    """Return the commands of a console block."""
    head, *parts = re.split(r"^\$ ", snippet.text, flags=re.MULTILINE)
    assert head == "", f"{snippet}: a console block begins with '$ '"
    return [Command(text, output) for text, _, output in (part.partition("\n") for part in parts)]


def says(expected: str, printed: str) -> bool:
    """Whether a command printed what the page shows."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected.strip(), printed.strip(), options)


async def account(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an account of the vendor, as far as that can be: the API with a company in it and no control plane."""
    if scope["path"].startswith("/sandbox/"):
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"message":"Not found"}'})
    else:
        await ACCOUNT(scope, receive, send)


ACCOUNT = create_app(Settings(scenario="acme"))


class Reader:
    """Somebody who pastes snippets into a terminal.

    The ports of a page are free ones here, the same all through it, and the vendor's address is that of a stand-in.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._ports: dict[str, str] = {}
        self._vendor: str | None = None
        self._environment = {
            **os.environ,
            "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "METRONOME_SANDBOX_SERVE_PORT": self._here("4010"),
            "METRONOME_SANDBOX_PROXY_PORT": self._here("4020"),
            "METRONOME_SANDBOX_REPLAY_PORT": self._here("4030"),
            "METRONOME_SANDBOX_CHECK_CALLS_PER_SECOND": "1000",  # nobody has to be spared here
            "PYTEST_PLUGINS": f"{PLUGIN},xdist.plugin",
            **ALONE,
        }

    def read(self, page: Path) -> None:
        """Run every snippet of a page that is to be run, in order."""
        found = snippets(page)
        for place, snippet in enumerate(found):
            if not snippet.is_run:
                continue
            if snippet.kind == "console":
                for command in commands(snippet):
                    self._run(snippet, command)
            elif snippet.kind == "python":
                below = found[place + 1] if place + 1 < len(found) else None
                self._python(snippet, below.text if below is not None and below.kind == "text" else None)

    def _here(self, text: str) -> str:
        if VENDOR in text:
            self._vendor = self._vendor or self._stack.enter_context(served(account))
            return text.replace(VENDOR, self._vendor)
        return PORT.sub(lambda port: self._ports.setdefault(port[0], str(_free_port())), text)

    def _run(self, snippet: Snippet, command: Command) -> None:
        text = self._here(command.text)
        self._fetch(text)
        if f"{text} ".startswith(SERVERS):
            self._serve(snippet, text, command.output)
            return
        done = subprocess.run(
            text,
            shell=True,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{snippet}: {text}\n{done.stdout}{done.stderr}"
        assert says(command.output, done.stdout), f"{snippet}: {text}\nprinted {done.stdout}\nnot {command.output}"

    def _fetch(self, text: str) -> None:
        """Copy the samples that a text names; not before, or a plain ``pytest`` finds them."""
        for name in SAMPLES:
            if f"{name}/" in text and not (self._folder / name).exists():
                shutil.copytree(ROOT / name, self._folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))

    def _serve(self, snippet: Snippet, text: str, output: str) -> None:
        """Start a server, wait until it says that it listens, and end it when the page is read.

        Only then it has printed what the page shows below it.
        """
        printed = self._folder / f"printed_{snippet.line}.txt"
        with printed.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                shlex.split(text),
                cwd=self._folder,
                env=self._environment,
                stdout=out,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
        self._stack.callback(self._has_printed, snippet, printed, output)
        self._stack.enter_context(process)
        self._stack.callback(process.terminate)
        assert process.stderr is not None
        assert any("curl" in line for line in process.stderr), f"{text}: the server ended"

    @staticmethod
    def _has_printed(snippet: Snippet, file: Path, output: str) -> None:
        printed = file.read_text(encoding="utf-8")
        assert says(output, printed), f"{snippet}\nprinted {printed}\nnot {output}"

    def _python(self, snippet: Snippet, output: str | None) -> None:
        text = self._here(snippet.text)
        is_test = "def test_" in text
        file = self._folder / f"{'test_' if is_test else ''}line_{snippet.line}.py"
        file.write_text(text, encoding="utf-8")
        options = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if is_test else []
        done = subprocess.run(
            [sys.executable, "-W", "error", *options, str(file)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{snippet}\n{done.stdout}{done.stderr}"
        if output is not None:
            assert says(output, done.stdout), f"{snippet} printed\n{done.stdout}not\n{output}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def table(page: Path, heading: str) -> Iterator[Mapping[str, str]]:
    """Yield the rows of the first table below a heading, by the names of its columns."""
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    for row in rows:
        yield dict(zip(header, row, strict=True))
