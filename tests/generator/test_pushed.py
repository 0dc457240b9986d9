"""The journal of a push: what it told is known again, and what a kill cut off is not."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from generator.generating import world

from metronome_sandbox.generator.plan import WrongUse
from metronome_sandbox.generator.pushed import Journal, Pushed

ONE = Pushed(3, "customer-000003", "c", {"contract": "k"}, {"invoice": "i"}, Decimal("12.345678901234567890"))
OTHER = Pushed(5, "customer-000005", "d", {}, {}, Decimal("-2"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A journal with a metric, rates and two customers."""
    path = tmp_path / "pushed" / "host.ndjson"
    with closing(Journal(path, world())) as journal:
        journal.add_made("metric", "metric-output", "m")
        journal.add_rates()
        journal.add_customer(ONE)
        journal.add_customer(OTHER)
    return path


def test_what_was_noted_is_known_again(file: Path):
    with closing(Journal(file, world())) as journal:
        assert (journal.ids, journal.has_rates) == ({("metric", "metric-output"): "m"}, True)
        assert [number for number in range(1, 8) if journal.has(number)] == [3, 5]
        assert (journal.customers, journal.last, journal.total) == (2, OTHER, Decimal("10.345678901234567890"))


def test_a_line_that_was_cut_off_is_dropped_and_the_next_stands_on_its_own(file: Path):
    whole = file.read_bytes()
    for cut in range(1, len(whole.splitlines(keepends=True)[-1])):
        file.write_bytes(whole[:-cut])

        with closing(Journal(file, world())) as journal:
            assert (journal.customers, journal.last) == (1, ONE)
            journal.add_customer(OTHER)

        assert file.read_bytes() == whole


def test_nothing_is_known_before_anything_was_noted(tmp_path: Path):
    with closing(Journal(tmp_path / "new.ndjson", world())) as journal:
        assert (journal.is_begun, journal.customers, journal.last) == (False, 0, None)


def test_a_journal_begun_anew_knows_nothing(file: Path):
    with closing(Journal(file, world())) as journal:
        journal.begin_anew()
        assert (journal.is_begun, journal.customers, journal.total) == (False, 0, 0)

    assert file.read_bytes() == b""


def test_the_journal_of_another_world_is_not_taken(file: Path):
    with pytest.raises(WrongUse, match="tells of another world; name another --out"):
        Journal(file, world(seed=8))


@pytest.mark.parametrize("line", [b"{}\n", b"nonsense\n", b'{"number": "x"}\n', b"[1]\n", b"\n"])
def test_a_line_of_somebody_else_is_named(file: Path, line: bytes):
    size = file.stat().st_size
    with file.open("ab") as out:
        out.write(line)

    with pytest.raises(WrongUse, match=f"line at byte {size} was not written by a push; remove the file"):
        Journal(file, world())
