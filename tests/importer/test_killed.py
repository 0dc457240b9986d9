"""An import that is killed and run again ends with the same invoices and balances as one that nobody disturbed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from importer.killing import Ended, Passage, Point, advance, passage, points, run, write_file
from importer.old_books import Books, world

from metronome_sandbox.client.sending import Sender
from metronome_sandbox.serving import BackgroundServer

POINTS = int(os.environ.get("KILL_IMPORT_POINTS", "5"))
SEED = int(os.environ.get("KILL_IMPORT_SEED", "5"))
CUSTOMERS, MONTHS = 2, 4
TWO_EACH = ("--batch-size", "4")
"""Both contracts of two months: each customer is two requests."""

REQUESTS, WRITES, MILLISECONDS = 22, 4, 1000
"""Of an undisturbed run; the time is a guess."""


class Scene:
    """A file, and a world for each token that it may be imported into: the same one, ids and all.

    Attributes:
        undisturbed: What there is after an import that nobody disturbed and so many hours.
    """

    def __init__(self, server: BackgroundServer, way: Passage, folder: Path) -> None:
        self._url = server.url
        self._way = way
        self._folder = folder
        with closing(Sender(self._url, "first")) as sender:
            write_file(Books(sender, CUSTOMERS, MONTHS), folder)
        self.undisturbed = {hours: self._undisturbed(hours) for hours in (0, 25)}

    def _undisturbed(self, hours: int) -> list[Any]:
        with self.play(f"undisturbed-{hours}") as play:
            ended = play.run()
            assert (ended.status, ended.err) == (0, "")
            assert (self._way.requests, self._way.writes) == (REQUESTS, WRITES)
            advance(play.books, hours)
            return play.world()

    @contextmanager
    def play(self, name: str) -> Iterator[Play]:
        """Give the file to a tenant of its own."""
        folder = self._folder / name
        folder.mkdir()
        for file in ("legacy.csv", "mapping.yaml"):
            shutil.copy(self._folder / file, folder)
        with closing(Sender(self._url, name)) as sender:
            yield Play(self._way, folder, Books(sender, CUSTOMERS, MONTHS))


class Play:
    """A tenant, and the import into it."""

    def __init__(self, way: Passage, folder: Path, books: Books) -> None:
        self._way = way
        self._folder = folder
        self.books = books

    def run(self, point: Point | None = None) -> Ended:
        return run(self._way, self._folder.name, self._folder, point, *TWO_EACH)

    def world(self) -> list[Any]:
        return world(self.books.sender, self.books.customers)

    @property
    def writes(self) -> int:
        """Requests of the last run that imported something."""
        return self._way.writes


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    server = BackgroundServer()
    with passage(server.url) as way:
        yield Scene(server, way, tmp_path_factory.mktemp("killed"))
    server.stop()


def chosen() -> list[Any]:
    found = islice(points(SEED, REQUESTS, WRITES, MILLISECONDS), POINTS)
    return [pytest.param(place, point, id=f"{place}: {point}") for place, point in enumerate(found)]


@pytest.mark.parametrize(("place", "point"), chosen())
def test_a_killed_import_ends_as_if_nobody_had_disturbed_it(scene: Scene, place: int, point: Point):
    hours = 25 * (place % 2)
    with scene.play(f"killed-{place}") as play:
        killed = play.run(point)
        # What happens last may be after the last line of the journal, or later than was guessed.
        assert killed.status == -9 or (point.at in ("journal", "time") and killed.status == 0), killed
        advance(play.books, hours)  # each second time all keys are forgotten before it goes on
        again = play.run()
        assert (again.status, again.err) == (0, ""), again
        assert "verified: 16 invoices" in again.out
        assert play.world() == scene.undisturbed[hours]


def test_an_import_that_is_killed_over_and_over_comes_to_an_end(scene: Scene):
    with scene.play("over-and-over") as play:
        deaths = [play.run(Point("write", 1, how)).status for how in ("before", "after", "half")]
        assert deaths == [-9] * 3
        last = play.run()
        assert last.status == 0
        assert "as they were sent" in last.out
        assert play.world() == scene.undisturbed[0]
