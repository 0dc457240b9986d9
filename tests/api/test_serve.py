"""The server as a process: the one place where a test opens a port."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from metronome_sandbox.cli import main

SOURCE = Path(__file__).parents[2] / "src"
HEADERS = {"authorization": "Bearer demo", "content-type": "application/json"}


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "metronome_sandbox", "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )


def welcome(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    text = ""
    while "curl" not in text:
        line = process.stderr.readline()
        assert line, f"the server ended: {text}"
        text += line
    return text


@pytest.fixture(scope="module")
def said() -> Iterator[str]:
    """Run a server; give what it says at its start."""
    process = start("--max-body", "1000000")
    try:
        yield welcome(process)
    finally:
        process.terminate()
        assert process.stderr is not None
        left = process.stderr.read()
        assert process.wait(10) == 0
        assert "Traceback" not in left, left
        process.stderr.close()


@pytest.fixture
def connection(said: str) -> Iterator[http.client.HTTPConnection]:
    port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", said)[0])
    opened = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    yield opened
    opened.close()


def ask(connection: http.client.HTTPConnection, *args, **kwargs) -> tuple[int, bytes]:
    connection.request(*args, **kwargs)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_welcome_says_how_to_point_an_sdk_here(said):
    assert re.search(r"^ *export METRONOME_BASE_URL=http://127\.0\.0\.1:\d+$", said, re.M)
    assert re.search(r"^ *export METRONOME_BEARER_TOKEN=demo$", said, re.M)


def test_the_curl_line_of_the_welcome_works(said, connection):
    _, header, path = re.findall(r"curl (-H) '(.*)' http://127\.0\.0\.1:\d+(/.*)$", said, re.M)[0]
    name, _, value = header.partition(": ")

    status, body = ask(connection, "GET", path, headers={name: value})

    assert status == 200
    assert json.loads(body)["data"][0]["name"] == "USD (cents)"


def test_calls_share_a_connection_and_errors_do_not_close_it(connection):
    for _ in range(2):
        assert ask(connection, "GET", "/v1/nothing", headers=HEADERS)[0] == 404
        assert ask(connection, "POST", "/v1/customers", b"{", HEADERS)[0] == 400
        assert ask(connection, "POST", "/v1/customers", b'{"name": "x"}', HEADERS)[0] == 200


def test_a_chunked_body_is_read(connection):
    status, body = ask(connection, "POST", "/v1/customers", iter([b'{"na', b'me": "x"}']), HEADERS)

    assert (status, json.loads(body)["data"]["name"]) == (200, "x")


def test_a_body_of_twenty_megabytes_is_refused_and_the_connection_lives_on(connection):
    assert ask(connection, "POST", "/v1/customers", b" " * 20_000_000, HEADERS)[0] == 413
    assert ask(connection, "POST", "/v1/customers", iter([b" " * 500_000] * 40), HEADERS)[0] == 413
    assert ask(connection, "GET", "/sandbox/health")[0] == 200


def test_head_is_answered_without_a_body(connection):
    assert ask(connection, "HEAD", "/sandbox/health") == (200, b"")


def test_an_interrupt_ends_the_server_in_good_order():
    process = start()
    welcome(process)
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0
    assert process.stderr is not None
    assert process.stderr.read() == "\n"
    process.stderr.close()


def test_a_port_in_use_is_one_sentence_and_exit_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = CliRunner().invoke(main, ["serve", "--port", str(port)])

    assert result.exit_code == 2
    assert result.output == (
        f"metronome-sandbox: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --port\n"
    )


def test_an_address_that_others_reach_wants_a_control_token():
    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])

    assert result.exit_code == 2
    assert "--control-token" in result.output


def test_a_scenario_that_does_not_exist_is_wrong_usage():
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--scenario", "atlantis"])

    assert result.exit_code == 2
    assert "atlantis" in result.output


def test_the_version_is_told():
    result = CliRunner().invoke(main, ["--version"])

    assert result.exit_code == 0
    assert result.output.startswith("metronome-sandbox, version ")


def test_a_server_with_a_state_file_goes_on_where_it_stopped(tmp_path):
    names = []
    for _ in range(2):
        process = start("--state", str(tmp_path / "state.json"))
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", welcome(process))[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        ask(connection, "POST", "/v1/customers", b'{"name": "x"}', HEADERS)
        names.append(
            [one["id"] for one in json.loads(ask(connection, "GET", "/v1/customers", None, HEADERS)[1])["data"]]
        )
        connection.close()
        process.terminate()
        assert process.wait(10) == 0
        process.stderr.close()

    assert len(names[0]) == 1
    assert len(names[1]) == 2
    assert names[1][0] == names[0][0]


def test_a_state_file_that_cannot_be_used_is_wrong_usage(tmp_path):
    (tmp_path / "state.json").write_text("no state")

    result = CliRunner().invoke(main, ["serve", "--port", "0", "--state", str(tmp_path / "state.json")])

    assert result.exit_code == 2
    assert "state.json: is no saved state" in result.output
