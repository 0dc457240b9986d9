"""``metronome-sandbox replay``: a recording as a server."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from metronome_sandbox.client.terminal import plain
from metronome_sandbox.listening import serve, silent_server_of
from metronome_sandbox.toolkit.recording import BadRecording, Recording, ReplayApp, load, mutation_score

FINE, FINDINGS, WRONG_USAGE = 0, 1, 2
SHOWN = 20


def run(file: Path, listener: socket.socket) -> int:
    """Answer from a recording until the process is told to stop. Return 1 if something was asked that it has not."""
    try:
        recording = load(file)
    except BadRecording as error:
        _say(f"metronome-sandbox: {error}")
        return WRONG_USAGE
    app = ReplayApp(recording, lambda refused: print(_plain(refused), flush=True))
    _say(welcome(recording, listener))
    serve(silent_server_of(app), listener)
    return FINDINGS if app.refused else FINE


def welcome(recording: Recording, listener: socket.socket) -> str:
    """Return what the recording holds, and what today's document says about it."""
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}"
    lines = [f"metronome-sandbox replay listens on {url} and answers {len(recording)} recorded calls"]
    lines += recording.notes
    score = mutation_score(recording)
    lines.append(f"{score}: {score.share:.0%}, none is best")
    broken = [noted for noted in recording.findings if noted.side == "answer"]
    if broken:
        lines.append(f"Today's document disagrees with recorded answers in {len(broken)} places:")
        lines += [f"  {noted}" for noted in broken[:SHOWN]]
    first = recording.exchanges[0].sent
    lines += ["", "Point your client at it:", f"  export METRONOME_BASE_URL={url}", "", "Try it:"]
    lines.append(f"  curl -X {first.method} '{url}{first.path}'")
    return _plain("\n".join(lines)) + "\n"


def _plain(text: str) -> str:
    """Return lines without what would steer the terminal."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
