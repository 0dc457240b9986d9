"""The command line, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 20


class Command:
    """A verb of the command line that runs until the block ends.

    Attributes:
        status: With what it ended.
    """

    def __init__(self, *arguments: str, folder: Path) -> None:
        self._out, self._err = folder / "stdout.txt", folder / "stderr.txt"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "metronome_sandbox", *arguments],
                cwd=folder,
                env={**os.environ, "NO_PROXY": "127.0.0.1"},
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """Where it listens, as soon as it says so."""
        return self._wait(lambda: self.err, r"listens on (http://\S+)")

    def says(self, pattern: str) -> str:
        """Return what it prints, as soon as it does."""
        return self._wait(lambda: self.out, f"({pattern})")

    def _wait(self, read: Callable[[], str], pattern: str) -> str:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            found = re.search(pattern, read())
            if found is not None:
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"it never said {pattern!r}, but {self.out}{self.err}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop and return its status."""
        self._process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait until it ends by itself and return its status."""
        return self._process.wait(SECONDS)
