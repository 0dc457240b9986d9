"""What the pages show works, as it stands there."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from docs_examples.coverage import PAGE, page
from docs_examples.snippets import PAGES, ROOT, Reader, commands, snippets

NOT_RUN = {
    "make demo": "sets an environment up first; tests/e2e/test_demo.py runs what it runs",
    "make test": "is what runs these tests",
    "pip install ": "fetches packages; whoever runs these tests has done it",
    "docker build ": "no test needs a Docker engine; test_dockerfile.py reads the file",
    "docker run ": "no test needs a Docker engine; test_dockerfile.py runs the entrypoint without one",
    "curl -H": "asks the container; test_dockerfile.py asks the same of the entrypoint",
}
"""How commands begin that are not run, and why they are not."""

KINDS = {
    "console": "run",
    "python": "run",
    "text": "what a python block above prints",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_of_a_page_works_when_they_are_pasted_in_order(page: Path, tmp_path: Path):
    with ExitStack() as stack:
        Reader(tmp_path, stack).read(page)


def test_what_is_not_run_has_a_reason():
    left_alone = [
        command.text
        for page in PAGES
        for snippet in snippets(page)
        if not snippet.is_run
        for command in commands(snippet)
    ]

    assert [text for text in left_alone if not text.startswith(tuple(NOT_RUN))] == []
    assert [begin for begin in NOT_RUN if not any(text.startswith(begin) for text in left_alone)] == []


def test_every_snippet_is_of_a_kind_that_the_tests_know():
    assert {snippet.kind for page in PAGES for snippet in snippets(page)} <= KINDS.keys()


def test_the_page_on_coverage_is_what_the_command_writes():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make coverage-page`"


def test_make_demo_is_the_demo():
    recipe = re.search(r"^demo:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert recipe is not None
    assert recipe[1] == "@$(BIN)/metronome-sandbox demo $(if $(SERVE),--serve)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
