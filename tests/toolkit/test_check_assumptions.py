"""``check --assumptions``, and ``check-assumptions``, the same by its old name, against a server on a port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.demo import running


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(0) as server:
        yield server.url


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--assumptions", *arguments])


def test_the_verb_of_its_own_asks_the_same(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("METRONOME_BASE_URL", url)

    done = CliRunner().invoke(main, ["check-assumptions", "--only", "A-last-tier", "--yes-write-to", "127.0.0.1"])

    assert done.exit_code == 0, done.output
    assert "1 agrees, 0 differs" in done.output


def test_without_an_address_it_asks_a_sandbox_of_its_own():
    done = check("--only", "A-last-tier", "--writes-to", "127.0.0.1")

    assert done.exit_code == 0, done.output
    assert "1 agrees, 0 differs" in done.output


def test_it_tells_what_each_rule_says_and_writes_reports(url: str, tmp_path: Path):
    files = ["--json", str(tmp_path / "report.json"), "--html", str(tmp_path / "report.html")]

    done = check("--base-url", url, "--token", "t", "--only", "A-last-tier", "--only", "A-late-usage", *files)

    assert done.exit_code == 0, done.output
    assert "A-last-tier                        agrees" in done.output
    assert "2 agrees, 0 differs" in done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(rule["assumption"], rule["verdict"]) for rule in report["rules"]] == [
        ("A-late-usage", "agrees"),
        ("A-last-tier", "agrees"),
    ]
    assert report["rules"][1]["figures"][0]["got"] == "99"
    assert "A-last-tier" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "A-nothing"], "is no assumption"),
        (["--only", "A-created-by"], "has no probe: the name belongs to the token"),
        (["--base-url", "ftp://x"], "is no address"),
        (["--base-url", "http://127.0.0.1:9"], "nobody answers at 127.0.0.1"),
    ],
)
def test_wrong_usage_is_one_sentence(url: str, arguments: list[str], message: str):
    done = check("--base-url", url, *arguments)

    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_report_that_cannot_be_written_is_told(url: str, tmp_path: Path):
    done = check("--base-url", url, "--only", "A-last-tier", "--json", str(tmp_path / "no" / "report.json"))

    assert done.exit_code == 2
    assert "cannot write" in done.stderr


class _Account(BaseHTTPRequestHandler):
    """An account of somebody: reads are answered, writes are counted."""

    writes = 0

    def do_GET(self) -> None:
        known = self.path.startswith("/v1/credit-types")
        body = b'{"data": []}' if known else b"{}"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        type(self).writes += 1
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def account() -> Iterator[str]:
    _Account.writes = 0
    with HTTPServer(("127.0.0.1", 0), _Account) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_another_host_is_not_written_to_unless_it_is_named(account: str):
    refused = check("--base-url", account, "--only", "A-last-tier")
    other = check("--base-url", account, "--only", "A-last-tier", "--writes-to", "api.example.com")

    assert (refused.exit_code, other.exit_code) == (2, 2)
    assert "--writes-to 127.0.0.1" in refused.stderr
    assert _Account.writes == 0

    named = check("--base-url", account, "--only", "A-last-tier", "--writes-to", "127.0.0.1")

    assert "can't be checked there (POST /v1/customers answered 403" in named.output
    assert named.exit_code == 2
    assert "none of these could be checked there" in named.stderr
    assert _Account.writes == 1
