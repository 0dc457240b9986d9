"""docs/assumptions.md and the marks in the code say the same."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"\[(A-[a-z0-9-]+)\]")
PAGE = (ROOT / "docs" / "assumptions.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (A-[a-z0-9-]+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def marks_in_code() -> Counter[str]:
    sources = sorted((ROOT / "src").rglob("*.py"))
    return Counter(mark for path in sources for mark in MARK.findall(path.read_text(encoding="utf-8")))


def test_every_mark_in_the_code_has_a_row_on_the_page_and_every_row_a_mark():
    rows = [row[0] for row in ROW.findall(PAGE)]

    assert sorted(rows) == sorted(marks_in_code())


def test_no_assumption_is_made_in_two_places():
    assert [mark for mark, count in marks_in_code().items() if count > 1] == []


def test_every_assumption_in_a_docstring_carries_a_mark():
    unmarked = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(
            r"Assumed:?(.*?)(?=\n\s*\n|\"\"\"|\n\s*Assumed|\n\s*Source:|\n\s*Raises:)", text, re.DOTALL
        ):
            following = text[found.start() : found.end() + 60]
            if not MARK.search(following):
                unmarked.append(f"{path.relative_to(ROOT)}: {found.group(0)[:60]!r}")

    assert unmarked == []


def test_every_row_says_how_to_check_it():
    assert all(check.endswith((".", "`.")) and len(check) > 10 for *_, check in ROW.findall(PAGE))
