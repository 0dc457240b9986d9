"""A journal says what was announced and what came, after any end; and it belongs to one import."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest

from metronome_sandbox.importer.batches import Item, pack
from metronome_sandbox.importer.journal import (
    CannotUseJournal,
    Found,
    Header,
    Imported,
    Journal,
    Refused,
    Result,
    sha256_of,
)
from metronome_sandbox.importer.legacy import LegacyInvoice

HEADER = Header("f" * 64, "m" * 64, "127.0.0.1:4010")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "import.journal"


def item(key: str, total: str = "10") -> Item:
    day = datetime(2024, 1, 1, tzinfo=UTC)
    invoice = LegacyInvoice(f"no {key}", "c", "C", "k", "usd", day, day, day, None, (), None)
    return Item(replace(pack(invoice), key=key), Decimal(total))


def made(key: str, total: str = "10") -> Imported:
    return Imported(key, f"id-{key}", Decimal(total), Decimal("10"), {"balance": Decimal("0.10")})


def open_(path: Path, header: Header = HEADER) -> Journal:
    return Journal(path, header)


def written(path: Path) -> bytes:
    """Write a journal with one request that was answered and one in doubt."""
    with closing(open_(path)) as journal:
        assert journal.is_new
        journal.announce("one", [item("a"), item("b")])
        journal.add(Result("one", [made("a"), made("b")]))
        journal.announce("two", [item("c", "7.50")])
    return path.read_bytes()


def test_what_was_written_is_known_again(path: Path):
    written(path)
    with closing(open_(path)) as journal:
        assert not journal.is_new
        assert journal.imported("a") == made("a")
        assert len(journal) == 2
        assert journal.imported("c") is None
        [intent] = journal.in_doubt("c")
        assert (intent.idempotency_key, intent.invoices[0].number, intent.invoices[0].expected) == (
            "two",
            "no c",
            Decimal("7.50"),
        )
        assert journal.in_doubt("ab") == []


def test_what_was_refused_or_found_is_in_doubt_no_more(path: Path):
    written(path)
    with closing(open_(path)) as journal:
        journal.add(Refused("two", 400, "no"))
        journal.announce("three", [item("d"), item("e")])
        journal.add(Found([made("d")]))
        assert [intent.idempotency_key for intent in journal.in_doubt("cde")] == ["three"]
        journal.add(Found([made("e")]))
        assert journal.in_doubt("cde") == []
    with closing(open_(path)) as journal:
        assert journal.in_doubt("cde") == []


def test_a_torn_end_is_as_if_it_had_never_been_written(path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = written(path)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand times is long on a slow disk
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with closing(open_(path)) as journal:
            lines = sum(1 for end in ends if end <= length)
            assert len(journal) == (2 if lines >= 3 else 0)
            assert len(journal.in_doubt("abc")) == {0: 0, 1: 0, 2: 1, 3: 0}[lines]
            journal.add(Found([made("z")]))
        with closing(open_(path)) as journal:  # and what is written afterwards is whole
            assert journal.imported("z") is not None


def test_blocks_that_the_disk_never_wrote_are_taken_away(path: Path):
    whole = written(path)
    path.write_bytes(whole + b"\0" * 5000)
    with closing(open_(path)) as journal:
        assert len(journal) == 2
    assert path.read_bytes() == whole
    path.write_bytes(b"\0" * 4096)
    with closing(open_(path)) as journal:
        assert journal.is_new


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (Header("e" * 64, "m" * 64, "127.0.0.1:4010"), "belongs to an import of other rows"),
        (Header("f" * 64, "n" * 64, "127.0.0.1:4010"), "belongs to an import of another mapping"),
        (Header("f" * 64, "m" * 64, "api.metronome.com"), "belongs to an import of another host, 127.0.0.1:4010"),
    ],
)
def test_a_journal_belongs_to_one_import(path: Path, header: Header, says: str):
    before = written(path)
    with pytest.raises(CannotUseJournal, match=says):
        open_(path, header)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"customer,quantity\nacme,1\n", b"customer", b"{}\n", b'{"format":"x"}\n', b"\n"])
def test_a_file_that_is_no_journal_is_left_alone(path: Path, content: bytes):
    path.write_bytes(content)
    with pytest.raises(CannotUseJournal, match="is no journal of an import; name another file by --journal"):
        open_(path)
    assert path.read_bytes() == content


def test_a_line_that_somebody_changed_is_told(path: Path):
    lines = written(path).splitlines(keepends=True)
    for line in (b"x\n", b"\n", b'{"what":"else"}\n', b'{"what":"intent","invoices":[]}\n'):
        path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
        with pytest.raises(CannotUseJournal, match=r"line 3: .* somebody changed the file"):
            open_(path)


def test_two_imports_cannot_use_one_journal(path: Path):
    with closing(open_(path)), pytest.raises(CannotUseJournal, match="another import is using the journal"):
        open_(path)
    open_(path).close()


def test_the_lock_ends_with_its_process(path: Path):
    code = f"""
from pathlib import Path
from metronome_sandbox.importer.journal import *
journal = Journal(Path({str(path)!r}), Header({HEADER.file_sha256!r}, {HEADER.mapping_sha256!r}, {HEADER.host!r}))
print("open", flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(CannotUseJournal, match="another import is using"):
            open_(path)
        process.kill()
    open_(path).close()


def test_a_folder_that_is_not_there_and_a_folder_in_its_place_are_told(tmp_path: Path):
    with pytest.raises(CannotUseJournal, match=r"cannot open the journal .*: No such file or directory"):
        open_(tmp_path / "nowhere" / "x")
    with pytest.raises(CannotUseJournal, match=r"cannot open the journal .*: Is a directory"):
        open_(tmp_path)


def test_a_full_disk_leaves_no_half_line_and_ends_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    before = written(path)
    write = os.write
    left = [10]

    def full(file: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = write(file, data[: left[0]])
        left[0] -= size
        return size

    with closing(open_(path)) as journal:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(CannotUseJournal, match=r"cannot write the journal .*: No space left on device"):
            journal.announce("three", [item("d")])
        monkeypatch.undo()
        with pytest.raises(CannotUseJournal, match="could not be written to"):
            journal.announce("four", [item("e")])
    assert path.read_bytes() == before


def test_every_line_is_on_the_disk_before_anything_else_happens(path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        fsync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", noted)
    with closing(open_(path)) as journal:
        for number in range(3):
            journal.announce(str(number), [item("a")])
            assert synced[-1] == path.stat().st_size


def test_threads_write_whole_lines(path: Path):
    def write(journal: Journal, name: str) -> None:
        for number in range(20):
            journal.announce(f"{name}{number}", [item(f"{name}{number}")])

    with closing(open_(path)) as journal:
        threads = [Thread(target=write, args=(journal, name)) for name in "pqrs"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with closing(open_(path)) as journal:
        assert len(journal.in_doubt(f"{name}{number}" for name in "pqrs" for number in range(20))) == 80


def test_a_file_is_told_by_its_bytes(tmp_path: Path):
    def digests() -> Iterator[str]:
        for content in (b"", b"a", b"a" * 3_000_000):
            (tmp_path / "x").write_bytes(content)
            yield sha256_of(tmp_path / "x")

    assert len(set(digests())) == 3
