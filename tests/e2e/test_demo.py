"""``metronome-sandbox demo`` as a person at a terminal meets it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from metronome_sandbox import demo
from metronome_sandbox.cli import main
from metronome_sandbox.demo import play
from metronome_sandbox.demo.figures import Bill

COMMAND = [sys.executable, "-m", "metronome_sandbox", "demo"]
ENVIRONMENT = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}


def test_the_demo_shows_the_guide_on_80_columns_and_checks_itself():
    done = subprocess.run(COMMAND, capture_output=True, encoding="utf-8", env=ENVIRONMENT, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    steps = re.findall(r"^ ?(\d+)\. .+[.]$", done.stdout, re.MULTILINE)  # no sentence runs into a second line
    assert steps == [str(number) for number in range(1, 12)]
    assert re.search(r"^All \d+ figures are as worked out by hand\. 11 steps, ", done.stdout, re.MULTILINE)
    for row in (
        r"June +FINALIZED +10 +10,000 +-10,000 +0 +\$0\.00",
        r"July +FINALIZED +20 +20,000 +-15,000 +5,000 +\$50\.00",
        r"August +DRAFT +3 +3,000 +0 +3,000 +\$30\.00",
        r"01 July, 14:00 +11 +11,000 +-6,000 +5,000 +\$50\.00",
    ):
        assert re.search(row, done.stdout), row


def test_a_terminal_without_unicode_is_no_obstacle():
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(COMMAND, capture_output=True, encoding="ascii", env=environment, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_demo_leaves_a_server_behind_until_it_is_interrupted():
    with subprocess.Popen([*COMMAND, "--serve"], stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT) as process:
        assert process.stdout is not None
        curl = next(line.strip() for line in process.stdout if line.startswith("  curl "))
        answer = subprocess.run([*shlex.split(curl), "--silent"], capture_output=True, encoding="utf-8", check=False)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0

    assert answer.returncode == 0
    assert answer.stdout.count('"status":"FINALIZED"') == 3
    ended = subprocess.run([*shlex.split(curl), "--silent"], capture_output=True, check=False)
    assert ended.returncode == 7  # nobody listens there any more


def test_a_wrong_figure_ends_the_demo_and_is_named(url: str, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr(play, "AUGUST_AFTER", Bill(units=3, usage=3000, prepaid=0, due=3001))

    assert demo.run(base_url=url) == 1

    assert capsys.readouterr().err == (
        "metronome-sandbox demo: wrong figure: August after the import, due should be 3001 and is 3000.0\n"
    )


def test_the_demo_plays_against_a_server_that_runs_already_as_often_as_one_likes(url: str):
    assert demo.run(base_url=f"{url}/") == 0
    assert demo.run(base_url=url) == 0


def test_the_demo_makes_nothing_in_what_is_no_sandbox(url: str, capsys: pytest.CaptureFixture[str]):
    assert demo.run(base_url=f"{url}/v1") == 1
    assert "is no metronome-sandbox" in capsys.readouterr().err

    assert demo.run(base_url=f"{url}/docs?") == 1
    assert "is no metronome-sandbox" in capsys.readouterr().err


def test_a_server_that_cannot_start_is_quoted(capsys: pytest.CaptureFixture[str]):
    with demo.running(0) as server:
        port = int(server.url.rpartition(":")[2])
        assert demo.run(port=port) == 1

    error = capsys.readouterr().err
    assert "the sandbox did not start" in error
    assert f"port {port}" in error


def test_without_the_sdk_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if re.match(r"metronome_sandbox\.demo\b", name)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("metronome_sandbox.demo")
    monkeypatch.setitem(sys.modules, "metronome", None)

    result = CliRunner().invoke(main, ["demo"])

    assert result.exit_code == 2
    assert result.stderr == 'The demo plays with the official SDK: pip install "metronome-sandbox[demo]"\n'


def test_a_server_of_ones_own_and_options_for_a_new_one_do_not_go_together():
    result = CliRunner().invoke(main, ["demo", "--base-url", "http://127.0.0.1:1", "--serve"])

    assert result.exit_code == 2
    assert "--base-url plays against a server that runs already" in result.stderr
