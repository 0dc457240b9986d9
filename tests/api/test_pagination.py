"""Cursors: opaque, tied to their list, and as quick on the last page as on the first."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence

import pytest

from metronome_sandbox.api.pagination import page
from metronome_sandbox.domain.errors import InvalidRequest


def all_pages(items, limit, scope="listThings-v1"):
    cursor, found = None, []
    while True:
        part, cursor = page(items, limit, cursor, scope)
        found.append(list(part))
        if cursor is None:
            return found


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_pages_cover_the_list_once_and_the_last_one_has_no_cursor(count, sizes):
    items = list(range(count))

    pages = all_pages(items, 3)

    assert [len(part) for part in pages] == sizes
    assert [item for part in pages for item in part] == items


def test_what_is_added_at_the_end_shows_on_a_later_page():
    items = [1, 2, 3]
    _, cursor = page(items, 2, None, "list")
    items.append(4)

    assert page(items, 2, cursor, "list") == ([3, 4], None)


def test_a_list_that_became_shorter_ends_with_an_empty_page():
    _, cursor = page([1, 2, 3], 2, None, "list")

    assert page([1], 2, cursor, "list") == ([], None)


def test_an_empty_cursor_is_the_beginning():
    assert page([1, 2], 1, "", "list")[0] == [1]


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "0", "a" * 16, "a" * 10_000, "=" * 16, urlsafe_b64encode(b"\xff" * 12).decode(), "AAAAAAAB\nAAAAAAA"],
)
def test_garbage_is_refused_by_name(cursor):
    with pytest.raises(InvalidRequest, match=r"^next_page: .* is no cursor of this list") as caught:
        page([1, 2, 3], 1, cursor, "list")

    assert len(str(caught.value)) < 200


def test_a_cursor_of_another_list_is_refused():
    _, cursor = page([1, 2, 3], 1, None, "listThings-v1 customer=a")

    with pytest.raises(InvalidRequest):
        page([1, 2, 3], 1, cursor, "listThings-v1 customer=b")


def test_the_field_in_the_message_is_the_callers():
    with pytest.raises(InvalidRequest, match=r"^cursor: "):
        page([1], 1, "garbage", "list", field="cursor")


def test_a_cursor_does_not_show_its_position():
    _, cursor = page(range(10), 5, None, "list")

    assert "5" not in str(cursor)[:4]


class Counting(Sequence):
    """Counts how many of its items are touched."""

    touched = 0

    def __len__(self):
        return 100_000

    def __getitem__(self, where):
        assert isinstance(where, slice)
        start, stop, _ = where.indices(len(self))
        self.touched += stop - start
        return list(range(start, stop))


def test_page_1000_of_100000_items_touches_no_more_than_page_1():
    items = Counting()
    cursor = None
    for _ in range(1000):
        before = items.touched
        part, cursor = page(items, 100, cursor, "list")
        assert items.touched - before == 100
    assert part == list(range(99_900, 100_000))
    assert cursor is None
