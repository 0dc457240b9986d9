"""The Dockerfile keeps the obvious rules, and its two commands work; no Docker engine is needed to see it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from docs_examples.snippets import BINARIES, ROOT

from metronome_sandbox.cli import main
from metronome_sandbox.demo.server import CONTROL_HEADER, running


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    rest: str


def instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [Instruction(*line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def all_of(name: str) -> list[str]:
    return [one.rest for one in instructions() if one.name == name]


def final_stage() -> dict[str, str]:
    """The last stage's instructions; of several of one name the last."""
    stage: dict[str, str] = {}
    for one in instructions():
        stage = {} if one.name == "FROM" else {**stage, one.name: one.rest}
    return stage


def test_images_have_a_fixed_version_and_no_registry_is_named():
    images = [rest.split()[0] for rest in all_of("FROM")]

    assert len(images) == 2
    for image in images:
        name, _, tag = image.partition(":")
        assert "/" not in name
        assert re.fullmatch(r"3\.\d+-slim", tag)


def test_what_is_built_stays_behind():
    assert all_of("FROM")[0].endswith(" AS build")
    assert final_stage()["COPY"].startswith("--from=build ")
    assert "RUN" not in final_stage()


def test_versions_are_those_of_the_constraints_and_come_from_no_named_index():
    installs = [json.loads(rest) for rest in all_of("RUN") if "pip" in rest]

    assert installs
    for command in installs:
        assert "--no-index" in command or command[command.index("--constraint") + 1] == "constraints.txt"
        assert not [option for option in command if "://" in option or "index-url" in option]


def test_no_command_goes_through_a_shell():
    for name in ("RUN", "ENTRYPOINT"):
        assert all(isinstance(json.loads(rest), list) for rest in all_of(name))
    assert all_of("ADD") == []


def test_it_runs_as_nobody_in_particular():
    user = final_stage()["USER"].partition(":")[0]

    assert user not in ("root", "0")


def test_it_exposes_the_port_of_serve_and_names_it_in_the_health_check():
    port = next(option.default for option in main.commands["serve"].params if option.name == "port")

    assert final_stage()["EXPOSE"] == str(port)
    assert f"http://127.0.0.1:{port}/sandbox/health" in final_stage()["HEALTHCHECK"]


def test_what_is_copied_is_there_and_not_ignored():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    sources = [
        source.rstrip("/") for rest in all_of("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]
    ]

    assert "*" in lines
    assert set(sources) == kept
    assert all((ROOT / source).exists() for source in sources)
    assert any(fnmatch("src/metronome_sandbox/__pycache__", line) for line in lines if not line.startswith("!"))


def test_the_health_check_tells_a_server_from_none():
    command = json.loads(final_stage()["HEALTHCHECK"].partition("CMD ")[2])
    with running(0) as server:
        port = server.url.rpartition(":")[2]
        check = [sys.executable, *(part.replace("4010", port) for part in command[1:])]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0

    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def entrypoint() -> list[str]:
    program, *options = json.loads(final_stage()["ENTRYPOINT"])
    return [str(BINARIES / program), *options]


@pytest.fixture
def container() -> Iterator[str]:
    """The entrypoint as a process; its URL."""
    environment = {**os.environ, "METRONOME_SANDBOX_CONTROL_TOKEN": "choose-one", "METRONOME_SANDBOX_SERVE_PORT": "0"}
    with subprocess.Popen(entrypoint(), stderr=subprocess.PIPE, encoding="utf-8", env=environment) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "listens on" in line)
        found = re.search(r"http://0\.0\.0\.0:(\d+)", said)
        assert found is not None
        yield f"http://127.0.0.1:{found[1]}"
        process.terminate()


def test_the_control_plane_of_a_container_wants_its_token(container: str):
    headers = {"Authorization": "Bearer demo"}
    with httpx.Client(base_url=container, headers=headers, trust_env=False) as client:
        assert client.get("/sandbox/health").status_code == 200
        assert client.get("/v1/customers").status_code == 200
        assert client.get("/sandbox/clock").status_code == 401
        assert client.get("/sandbox/clock", headers={CONTROL_HEADER: "choose-one"}).status_code == 200


def test_a_container_without_a_control_token_says_what_is_missing():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METRONOME_SANDBOX")}

    done = subprocess.run(entrypoint(), capture_output=True, encoding="utf-8", env=environment, check=False)

    assert done.returncode == 2
    assert "--control-token" in done.stderr
    assert Path(entrypoint()[0]).name == "metronome-sandbox"
