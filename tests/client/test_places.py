"""Where files may be written: what is read is never replaced, whatever name it is given by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metronome_sandbox.client.places import Taken, refuse_taken


@pytest.fixture
def read(tmp_path: Path) -> Path:
    file = tmp_path / "b.har"
    file.write_text("{}")
    (tmp_path / "below").mkdir()
    (tmp_path / "link.har").symlink_to("b.har")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.link(file, tmp_path / "second-name.har")
    return file


@pytest.mark.parametrize("name", ["b.har", "below/../b.har", "link.har", "folder/b.har", "second-name.har"])
def test_what_is_read_is_not_replaced(read: Path, name: str):
    file = read.parent / name

    with pytest.raises(Taken) as refused:
        refuse_taken({"--json": None, "--html": file}, {"the recording": read})

    assert str(refused.value) == f"--html: {file} is the recording; name another file, this one would be replaced"


def test_a_relative_name_is_of_the_same_file(read: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(read.parent)

    with pytest.raises(Taken, match="is the recording"):
        refuse_taken({"--json": Path("b.har")}, {"the recording": read})


def test_two_files_are_not_written_to_one_place(tmp_path: Path):
    files = {"--json": tmp_path / "report", "--html": tmp_path / "below" / ".." / "report"}

    with pytest.raises(Taken, match=r"^--html: .* is the file of --json as well"):
        refuse_taken(files, {})


def test_other_files_and_devices_may_be_written(read: Path):
    (read.parent / "round").symlink_to("round")
    null = Path(os.devnull)

    refuse_taken({"--json": read.parent / "a.json", "--html": read.parent / "round"}, {"the recording": read})
    refuse_taken({"--json": null, "--html": null}, {"the recording": null})
