"""Whatever happens to a run, its files are whole or not there, and the same command goes on from there."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from generator.generating import files_in, generate, make, world

from metronome_sandbox.generator import aside, making, manifest
from metronome_sandbox.generator.plan import Shard

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    make(world(), folder)
    return files_in(folder)


def leave_one_part(folder: Path) -> None:
    """Stop a run after its first part."""
    next(making.make(world(), folder, Shard()))


def test_a_stopped_run_goes_on_with_what_is_missing(tmp_path: Path, undisturbed: dict[str, bytes]):
    leave_one_part(tmp_path)

    steps = make(world(), tmp_path)

    assert [step.did.value for step in steps] == ["found", "made", "made"]
    assert files_in(tmp_path) == undisturbed


def test_a_file_that_was_changed_or_lost_is_made_again(tmp_path: Path, undisturbed: dict[str, bytes]):
    make(world(), tmp_path)
    with (tmp_path / "invoices" / "part-00001.ndjson").open("ab") as file:
        file.write(b"\n")
    (tmp_path / "customers" / "part-00002.ndjson").unlink()

    done = generate(tmp_path)

    assert done.exit_code == 0, done.output
    assert "part 1 was not as it had been written, and was made again" in done.stderr
    assert "part 2 was not as it had been written, and was made again" in done.stderr
    assert files_in(tmp_path) == undisturbed


def test_what_cannot_be_read_is_told(tmp_path: Path):
    """Somebody put a folder where a file was."""
    make(world(), tmp_path)
    (tmp_path / "invoices" / "part-00001.ndjson").unlink()
    (tmp_path / "invoices" / "part-00001.ndjson").mkdir()

    done = generate(tmp_path)

    assert done.exit_code == 2
    assert f"cannot write {tmp_path}/invoices/part-00001.ndjson: Is a directory" in done.stderr


def test_killed_at_any_moment_it_ends_as_undisturbed(tmp_path: Path):
    """The process is killed four times, each time a bit later; every file with a name of its own is whole then."""
    arguments = ["--profile", "ai-api", "--customers", "300", "--months", "2", "--seed", "7", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "metronome_sandbox", "generate", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    plan = world(customers=300, months=2).plan
    for parts in range(1, 5):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            end = time.monotonic() + 30
            while len(list(tmp_path.glob("parts/part-*.json"))) < parts and time.monotonic() < end:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        pieces = [manifest.piece_of(tmp_path, plan, part) for part in range(plan.parts)]
        assert sum(piece is not None for piece in pieces) >= parts
        assert all(manifest.is_whole(tmp_path, piece) for piece in pieces if piece is not None)
        for file in tmp_path.glob("invoices/part-*"):
            assert all(json.loads(line) for line in file.read_bytes().splitlines())

    subprocess.run(command, env=environment, check=True, capture_output=True)

    make(world(customers=300, months=2), tmp_path.with_name("other"))
    assert files_in(tmp_path) == files_in(tmp_path.with_name("other"))


def test_ctrl_c_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, bytes]):
    asked = world().history
    count = 0

    def interrupted(self: object, number: int) -> object:
        nonlocal count
        count += 1
        if count == 70:
            raise KeyboardInterrupt
        return asked(number)

    monkeypatch.setattr("metronome_sandbox.generator.worlds.World.history", interrupted)
    done = generate(tmp_path)

    assert done.exit_code == 130
    assert done.stderr == "stopped; what is complete stays, and the same command goes on from there\n"
    there = files_in(tmp_path)
    assert {name: undisturbed[name] for name in there} == there
    assert "parts/part-00000.json" in there
    assert "parts/part-00001.json" not in there


def test_ctrl_c_while_modules_are_imported_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Interrupted:
        """Stands where the modules are looked for."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "metronome_sandbox.generator.command":
                raise KeyboardInterrupt

    import metronome_sandbox.generator

    monkeypatch.delitem(sys.modules, "metronome_sandbox.generator.command", raising=False)
    monkeypatch.delattr(metronome_sandbox.generator, "command", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    done = generate(tmp_path / "out")

    assert done.exit_code == 130
    assert done.stderr == "stopped; what is complete stays, and the same command goes on from there\n"
    assert not (tmp_path / "out").exists()


def test_leftovers_of_a_killed_run_go_with_the_next(tmp_path: Path, undisturbed: dict[str, bytes]):
    leave_one_part(tmp_path)
    leftover = aside.aside_of(tmp_path / "invoices" / "part-00002.ndjson")
    leftover.write_bytes(b"half")

    make(world(), tmp_path)

    assert files_in(tmp_path) == undisturbed


def test_what_another_run_is_writing_is_left_alone(tmp_path: Path):
    leave_one_part(tmp_path)

    with aside.whole(tmp_path / "invoices" / "part-00001.ndjson") as other:
        other.write(b"theirs")
        done = generate(tmp_path)

    assert done.exit_code == 2
    assert "another run is writing" in done.stderr
    assert "part-00001.ndjson" in done.stderr
    assert (tmp_path / "invoices" / "part-00001.ndjson").read_bytes() == b"theirs"


def test_a_full_disk_is_told_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, bytes]
):
    leave_one_part(tmp_path)
    before = files_in(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        done = generate(tmp_path)

    assert done.exit_code == 2
    assert done.stderr.startswith("metronome-sandbox: cannot write ")
    assert "No space left on device; what is complete stays" in done.stderr
    assert files_in(tmp_path) == before
    assert generate(tmp_path).exit_code == 0
    assert files_in(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 8}, "seed is 7 there and 8 here"),
        ({"customers": 121}, "customers is 120 there and 121 here"),
        ({"months": 5}, "months is 4 there and 5 here"),
        ({"start": "2023-02"}, "start is 2023-01 there and 2023-02 here"),
        ({"format": "csv"}, "format is ndjson there and csv here"),
        ({"granularity": "hour"}, "granularity is day there and hour here"),
    ],
)
def test_another_world_does_not_go_into_the_same_folder(tmp_path: Path, change: dict[str, object], named: str):
    leave_one_part(tmp_path)
    before = files_in(tmp_path)

    done = generate(tmp_path, **change)

    assert done.exit_code == 2
    assert f"holds another world: {named}; name another folder" in done.stderr
    assert files_in(tmp_path) == before


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")

    done = generate(tmp_path)

    assert done.exit_code == 2
    assert "holds other files and no plan.json; name an empty folder" in done.stderr
    assert files_in(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "2023-13"}, "--start: '2023-13' is no month; write it as 2023-01"),
        ({"start": "January"}, "--start: 'January' is no month"),
        ({"start": "2009-12"}, "--start: 2009-12 is not from 2010-01 to 2999-12, when a world has prices"),
        ({"start": "9999-12"}, "--start: 9999-12 is not from 2010-01 to 2999-12, when a world has prices"),
        ({"start": "23-1"}, "--start: '23-1' is no month"),
        ({"shard": "9/8"}, "--shard: '9/8' is no shard; the third of eight is 3/8, the last one 8/8"),
        ({"shard": "0/8"}, "--shard: '0/8' is no shard"),
        ({"shard": "3"}, "--shard: '3' is no shard"),
        ({"months": 0}, "'--months': 0 is not in the range"),
        ({"customers": 0}, "'--customers': 0 is not in the range"),
        ({"profile": "bakery"}, "'--profile': 'bakery' is not one of"),
        ({"format": "xml"}, "'--format': 'xml' is not one of"),
        ({"seed": "seven"}, "'--seed': 'seven' is not a valid integer"),
    ],
)
def test_wrong_usage_names_what_would_be_right(tmp_path: Path, arguments: dict[str, object], message: str):
    done = generate(tmp_path / "out", **arguments)

    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "out").write_text("mine")

    done = generate(tmp_path / "out")

    assert done.exit_code == 2
    assert "is a file; name a folder" in done.stderr


def test_a_folder_that_cannot_be_made_is_told():
    done = generate(Path("/proc/self/nowhere/out"))

    assert done.exit_code == 2
    assert "cannot write /proc/self/nowhere/out/plan.json: No such file or directory" in done.stderr
