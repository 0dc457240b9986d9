"""The pages beside the contracts."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def visitor(serve):
    return serve(token=None)


def test_the_contract_is_served_without_a_token(visitor):
    answer = visitor("GET", "/openapi.json")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["info"]["title"] == "Things"


def test_a_contract_that_the_caller_has_is_not_sent_again(visitor):
    etag = visitor("GET", "/openapi.json").headers["etag"]

    for known in (etag, f'"other", W/{etag}', "*"):
        answer = visitor("GET", "/openapi.json", headers={"if-none-match": known})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert visitor("GET", "/openapi.json", headers={"if-none-match": '"other"'}).status == 200


def test_the_documentation_loads_nothing_from_the_internet(visitor):
    page = visitor("GET", "/docs").body.decode()

    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        answer = visitor("GET", source)
        assert (answer.status, len(answer.body) > 100) == (200, True), source
    assert "http://" not in page
    assert "https://" not in page


def test_the_documentation_offers_the_contracts_by_name(visitor):
    assert '"url":"/openapi.json","name":"Things"' in visitor("GET", "/docs").body.decode()


@pytest.mark.parametrize("path", ["/docs/../auth.py", "/docs/index.html", "/docs/", "/docs/swagger-ui.css/x"])
def test_nothing_else_of_the_file_system_is_served(visitor, path):
    assert visitor("GET", path).status == (200 if path == "/docs/" else 404)


def test_the_root_leads_to_the_documentation(visitor):
    answer = visitor("GET", "/")

    assert (answer.status, answer.headers["location"]) == (307, "/docs")


def test_pages_have_heads(visitor):
    answer = visitor("HEAD", "/docs")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_pages_take_no_post(visitor):
    assert visitor("POST", "/docs", b"x").status == 404
