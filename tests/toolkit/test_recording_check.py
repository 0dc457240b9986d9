"""``check --recording``: what is said of recordings that are true, that are stale, and that prove nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit import har
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent
from metronome_sandbox.toolkit.recording import Key, Recording
from metronome_sandbox.toolkit.recording_check import ACCEPTS, check

JSON = (("content-type", "application/json"),)
ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f1"
CUSTOMER = {"id": ID, "external_id": ID, "ingest_aliases": [], "name": "Acme", "custom_fields": {}}
PAGE = {"data": [], "next_page": None}


def exchange(method: str, target: str, body: Any = None, answer: Any = None, status: int = 200) -> Exchange:
    path, _, query = target.partition("?")
    raw = b"" if body is None else json.dumps(body).encode()
    answered = Answered(status, JSON, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return Exchange(Sent(method, path, query, JSON if raw else (), raw), answered, datetime(2024, 8, 1, tzinfo=UTC))


FINE = [
    exchange("POST", "/v1/customers", {"name": "Acme"}, {"data": CUSTOMER}),
    exchange("GET", "/v1/customers?limit=5", None, PAGE),
    exchange("POST", "/v1/customers", {"nmae": 5}, {"message": "name: required, but missing"}, status=400),
]
"""The last one is wrong, as a test of a refusal is."""


def run(tmp_path: Path, exchanges: list[Exchange], *options: object, **environment: str) -> Result:
    har.write(tmp_path / "calls.har", exchanges, "https://api.example.com")
    arguments = ["check", "--recording", str(tmp_path / "calls.har"), *map(str, options)]
    return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)


def test_a_recording_that_is_true_and_proves_something_is_fine(tmp_path: Path) -> None:
    # The environment names an API as well, which is not asked.
    result = run(tmp_path, FINE, METRONOME_BEARER_TOKEN="live-token-0123456789", METRONOME_BASE_URL="http://x.invalid")

    assert (result.exit_code, result.stderr) == (0, "")
    # create: name changed, name left out, one property, one parameter added, no body              = 5, and once more
    # of the wrong one with nmae; list: limit changed and left out, a parameter and a body added   = 4
    assert "0 of 14 altered requests would still have been answered." in result.stdout
    assert "No findings in 3 calls" in result.stdout


def test_what_the_document_does_not_allow_any_more_is_a_finding(tmp_path: Path) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "html", "junit")}
    stale = exchange("GET", "/v1/customers?limit=6", None, {"data": [], "nextPage": None})
    wrong = exchange("POST", "/v1/customers", {"name": "Acme", "ingestAliases": []}, {"data": CUSTOMER})

    result = run(tmp_path, [*FINE, stale, wrong], *(one for name, path in files.items() for one in (f"--{name}", path)))
    report = json.loads(files["json"].read_text())

    assert result.exit_code == 1
    found = {(one["operation_id"], one["where"], one["fault"]) for one in report["findings"]}
    assert found == {
        ("listCustomers-v1", "next_page", "recording"),
        ("createCustomer-v1", "ingestAliases", "client"),
    }
    # The 14 above but for limit 6 in place of 5, which is recorded now; of that one limit 7 and three more as there;
    # of wrong two of name, one property, one parameter, no body, and without ingestAliases it is recorded: 13 + 4 + 5.
    assert (report["altered_requests"], report["answered_all_the_same"]) == (22, 0)
    lines = [one["reproduction"] for one in report["findings"] if one["operation_id"] == "listCustomers-v1"]
    assert lines == [["curl -X GET 'https://api.example.com/v1/customers?limit=6'"]]
    assert len(ElementTree.fromstring(files["junit"].read_text()).findall("testsuite/testcase[failure]")) == 2
    html = files["html"].read_text()
    assert "The recording " in html
    assert "0 of 22 altered requests" in html


class Lax(Recording):
    """A recording that does not look at bodies."""

    def key(self, sent: Sent) -> Key:
        return (*super().key(sent)[:2], "")


def test_a_recording_that_accepts_anything_is_a_finding_of_each_operation() -> None:
    found = check(Lax(FINE), "calls.har")

    findings = [failure.finding for failure in found.failures]
    assert [failure.operation_id for failure in found.failures] == ["createCustomer-v1", "listCustomers-v1"]
    assert {finding.rule for finding in findings} == {ACCEPTS}
    assert "name changed" in str(findings[0])
    assert "a body added" in str(findings[1])


def test_what_is_secret_cannot_be_told_apart_and_is_no_alteration(tmp_path: Path) -> None:
    secret = exchange("POST", "/v1/customers", {"name": "Acme", "webhook_secret": "[removed]"}, {"data": CUSTOMER})

    result = run(tmp_path, [secret])

    # name changed and left out, the secret left out, a property and a parameter added, no body
    assert "0 of 6 altered requests" in result.stdout


def test_a_call_that_was_broken_off_has_no_answer_to_be_checked() -> None:
    dropped = Exchange(FINE[0].sent, Answered(200, is_dropped=True), FINE[0].started_at)

    assert check(Recording([dropped]), "calls.har").failures == []


def test_another_document_is_what_a_recording_is_held_to(tmp_path: Path) -> None:
    tree = json.loads(Document.load().raw)
    tree["components"]["schemas"]["Customer"]["required"].append("shoe_size")
    (tmp_path / "api.json").write_text(json.dumps(tree))

    result = run(tmp_path, FINE, "--document", tmp_path / "api.json")

    assert result.exit_code == 1
    assert "shoe_size: required, but missing" in result.stdout


def test_a_document_that_leaves_its_file_cannot_be_used(tmp_path: Path) -> None:
    paths = {"/v1/customers": {"$ref": "https://example.com/api.json#/x"}}
    (tmp_path / "api.json").write_text(json.dumps({"openapi": "3.0.3", "info": {}, "paths": paths}))

    result = run(tmp_path, FINE, "--document", tmp_path / "api.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "leaves the document; bundle it" in result.stderr


def test_html_in_place_of_json_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    page = exchange("GET", "/v1/customers", None, b"<html>Log in</html>")

    result = run(tmp_path, [page])

    assert result.exit_code == 1
    assert "not-json" in result.stdout


def test_the_calls_of_other_hosts_are_left_out_with_a_note(tmp_path: Path) -> None:
    har.write(tmp_path / "other.har", [exchange("GET", "/app.js")], "https://cdn.example.com")
    tree = json.loads((tmp_path / "other.har").read_text())
    har.write(tmp_path / "calls.har", FINE, "https://api.example.com")
    whole = json.loads((tmp_path / "calls.har").read_text())
    whole["log"]["entries"] += tree["log"]["entries"]
    (tmp_path / "browser.har").write_text(json.dumps(whole))

    result = CliRunner().invoke(main, ["check", "--recording", str(tmp_path / "browser.har")], catch_exceptions=False)

    assert result.exit_code == 0
    assert "left out 1 call of https://cdn.example.com" in " ".join(result.stdout.split())


# What is no recording


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--base-url", "http://127.0.0.1:9"], "--base-url does not go with --recording"),
        (["--token", "x"], "--token does not go with --recording"),
        (["--profile", "smoke"], "--profile does not go with --recording"),
        (["--har", "x.har"], "--har does not go with --recording"),
    ],
)
def test_options_about_an_api_are_wrong_usage(tmp_path: Path, options: list[str], said: str) -> None:
    result = run(tmp_path, FINE, *options)

    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "is no HAR file, which is JSON"),
        ('{"log": {"entries": []}}', "none of them is a call of the billing API"),
        ('{"log": {"entries": [{}]}}', "log.entries[0].request: expected an object, received null"),
        (300 * 1024 * 1024, "has 300 MB; a recording may have 256"),
    ],
    ids=["html", "empty", "half", "300 MB"],
)
def test_what_is_no_recording_is_told_in_one_line(tmp_path: Path, text: str | int, said: str) -> None:
    with (tmp_path / "calls.har").open("w") as file:
        _ = file.truncate(text) if isinstance(text, int) else file.write(text)

    result = CliRunner().invoke(main, ["check", "--recording", str(tmp_path / "calls.har")], catch_exceptions=False)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.startswith("metronome-sandbox check: ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, FINE, "--json", tmp_path / "nowhere" / "report.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no directory" in result.stderr


@pytest.mark.parametrize("option", ["--json", "--html", "--junit"])
def test_the_recording_is_not_replaced_by_what_is_said_of_it(tmp_path: Path, option: str) -> None:
    (tmp_path / "link.har").symlink_to("calls.har")

    for name in ("calls.har", "link.har"):
        result = run(tmp_path, FINE, option, tmp_path / name)

        assert result.exit_code == 2
        assert result.stderr == (
            f"metronome-sandbox check: {option}: {tmp_path / name} is the recording; "
            "name another file, this one would be replaced\n"
        )
    assert "entries" in json.loads((tmp_path / "calls.har").read_bytes())["log"]
