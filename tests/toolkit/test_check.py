"""``metronome-sandbox check`` as a person meets it: what it prints and writes, how it ends, whom it leaves alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from toolkit.broken.faults import AnybodyMayRead, Broken, Fault, WrongTotal
from toolkit.servers import answering, says, served

from metronome_sandbox.api.app import create_app
from metronome_sandbox.cli import main
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit import checking, target

SECRET = "tok-0123456789-secret"


def check(*arguments: object, **environment: str) -> Result:
    names = {"METRONOME_BEARER_TOKEN": "", "METRONOME_SANDBOX_CONTROL_TOKEN": "", **environment}
    return CliRunner().invoke(main, ["check", *map(str, arguments)], env=names, catch_exceptions=False)


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    with served(Broken(WrongTotal())) as url:
        yield url


@pytest.fixture(scope="module")
def reports(broken: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("reports")
    files = {name: folder / f"report.{name}" for name in ("junit", "html", "har", "json")}
    options = [text for name, path in files.items() for text in (f"--{name}", path)]
    result = check("--base-url", broken, "--token", SECRET, "--suite", "workflows", *options)
    return {
        "exit": result.exit_code,
        "terminal": result.stdout,
        **{name: path.read_text() for name, path in files.items()},
    }


def test_a_finding_says_what_where_and_whose_fault(reports: dict[str, Any]) -> None:
    assert reports["exit"] == 1
    assert "1. lines add up" in reports["terminal"]
    assert "Looks like the fault of the server." in reports["terminal"]
    assert "curl -X GET http://127.0.0.1:" in reports["terminal"]
    assert '-H "Authorization: Bearer $METRONOME_BEARER_TOKEN"' in reports["terminal"]


def test_the_terminal_gets_eighty_columns_but_for_curl(reports: dict[str, Any]) -> None:
    lines = [line for line in reports["terminal"].splitlines() if not line.lstrip().startswith("curl")]

    assert max(map(len, lines)) <= 80


def test_the_token_is_shown_nowhere(reports: dict[str, Any]) -> None:
    assert all(SECRET not in str(report) for report in reports.values())


def test_json_tells_a_program_the_smallest_reproduction(reports: dict[str, Any]) -> None:
    report = json.loads(reports["json"])
    finding = report["findings"][0]

    assert report["is_sandbox"] is True
    assert finding["fault"] == "server"
    assert finding["rule"] == "lines add up"
    assert len(finding["reproduction"]) == 1  # seen in a read, so nothing has to go before
    assert report["calls"] == sum(case["calls"] for case in report["cases"])


def test_junit_has_a_case_for_each_workflow(reports: dict[str, Any]) -> None:
    root = ElementTree.fromstring(reports["junit"])
    cases = root.findall("testsuite/testcase")

    assert len(cases) > 10
    assert 0 < len(root.findall("testsuite/testcase[failure]")) < len(cases)


def test_har_has_every_call_without_its_token(reports: dict[str, Any]) -> None:
    entries = json.loads(reports["har"])["log"]["entries"]

    assert len(entries) == json.loads(reports["json"])["calls"]
    sent = [header["value"] for one in entries for header in one["request"]["headers"] if "auth" in header["name"]]
    assert set(sent) == {"[removed]"}
    assert {"POST", "GET"} == {one["request"]["method"] for one in entries}


def test_html_is_one_page_with_every_finding(reports: dict[str, Any]) -> None:
    findings = json.loads(reports["json"])["findings"]

    assert reports["html"].count("Looks like the fault of") == len(findings)
    assert "src=" not in reports["html"]


def test_a_healthy_sandbox_on_a_port_is_fine() -> None:
    with served(create_app()) as url:
        result = check("--base-url", url, "--operation", "listCustomers-v1", "--operation", "createCustomer-v1")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "No findings" in result.stdout


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine() -> None:
    with served(create_app()) as url:
        result = check("--base-url", url, "--operation", "listCustomers-v1", HTTP_PROXY="http://127.0.0.1:9")

    assert result.exit_code == 0, result.stderr


def test_an_api_below_a_path_is_asked_there(tmp_path: Path) -> None:
    inner = Broken(WrongTotal(), "acme")

    async def below(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith("/billing/")
        path = scope["path"].removeprefix("/billing")
        await inner({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    with served(below) as url:
        options = ("--operation", "listInvoices-v1", "--json", tmp_path / "report.json")
        result = check("--base-url", f"{url}/billing/", *options)
    [finding, *_] = json.loads((tmp_path / "report.json").read_text())["findings"]

    assert result.exit_code == 1
    assert f" {url}/billing/v1/customers/" in finding["reproduction"][-1]


def test_without_a_url_the_sandbox_in_this_process_is_asked() -> None:
    result = check("--suite", "workflows", METRONOME_BEARER_TOKEN=SECRET)

    assert result.exit_code == 0
    assert "the sandbox in this process" in result.stdout


# A host that is no sandbox --------------------------------------------------------------------------------------------


class NoSandbox(Fault):
    """The billing API alone, as the vendor has it; it notes who writes."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.tokens: set[str] = set()

    def come_in(self, passing: Any) -> None:
        self.tokens.add(passing.headers.get("authorization", ""))
        reads = ("/list", "/get", "/getRates", "/getRateSchedule", "/getNetBalance", "Schedule", "History")
        if passing.method != "GET" and not passing.path.endswith(reads):
            self.written.append(f"{passing.method} {passing.path}")


@contextmanager
def no_sandbox(scenario: str | None) -> Iterator[tuple[str, NoSandbox]]:
    fault = NoSandbox()
    inner = Broken(fault, scenario)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/sandbox/"):
            scope = {**scope, "path": "/nothing", "raw_path": b"/nothing"}
        await inner(scope, receive, send)

    with served(app) as url:
        yield url, fault


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, NoSandbox]]:
    with no_sandbox("acme") as host:
        yield host


def test_a_host_that_is_no_sandbox_is_only_read(elsewhere: tuple[str, NoSandbox]) -> None:
    url, fault = elsewhere
    result = check(
        "--base-url",
        url,
        "--token",
        SECRET,
        "--rate",
        500,
        "--operation",
        "listInvoices-v1",
        "--operation",
        "listProducts-v1",
    )

    assert result.exit_code == 0, result.stdout
    assert "profile read-only" in result.stdout
    assert [one for one in fault.written if "/v1/" in one] == []
    assert fault.tokens <= {f"Bearer {SECRET}", ""}


def test_a_profile_that_writes_has_to_be_asked_for_in_words(elsewhere: tuple[str, NoSandbox]) -> None:
    url, _ = elsewhere
    result = check("--base-url", url, "--token", SECRET, "--profile", "smoke")

    assert result.exit_code == 2
    assert "127.0.0.1 is no sandbox" in result.stderr
    assert "--writes-to 127.0.0.1" in result.stderr


def test_a_profile_that_writes_can_be_asked_for() -> None:
    with no_sandbox(None) as (url, fault):
        result = check(
            *("--base-url", url, "--token", SECRET, "--profile", "smoke", "--writes-to", "127.0.0.1"),
            *("--suite", "workflows", "--rate", 5000),
        )

    assert result.exit_code == 0, result.stdout
    assert "POST /v1/contracts/createHistoricalInvoices" in fault.written


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a target slept, on a clock that stands still."""
    pauses: list[float] = []
    stopped = SimpleNamespace(sleep=pauses.append, monotonic=lambda: 100.0, time=time.time)
    monkeypatch.setattr(target, "time", stopped)
    return pauses


def test_the_rate_is_kept(slept: list[float]) -> None:
    with target.Target(app=create_app(), token=SECRET, calls_per_second=4) as one:
        for _ in range(3):
            one.send("GET", "/v1/customers")

    assert slept == [0, 0.25, 0.5]


def test_a_generated_request_waits_as_well(slept: list[float], tmp_path: Path) -> None:
    result = check(
        "--rate", 0.5, "--suite", "generated", "--operation", "listProducts-v1", "--json", tmp_path / "report.json"
    )

    assert result.exit_code == 0
    assert slept == [2 * number for number in range(len(slept))]  # a call in two seconds
    assert len(slept) > json.loads((tmp_path / "report.json").read_text())["calls"]  # lists are asked for ids as well


def test_a_call_without_a_token_is_shown_without_one(tmp_path: Path) -> None:
    with served(Broken(AnybodyMayRead())) as url:
        result = check("--base-url", url, "--suite", "workflows")

    [line] = [line for line in result.stdout.splitlines() if line.lstrip().startswith("curl")]
    assert "Authorization" not in line


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check("--suite", "generated", "--operation", "createProduct-v1")

    assert list(tmp_path.iterdir()) == []


# What is no billing API -----------------------------------------------------------------------------------------------


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b" ")
            time.sleep(0.02)
    except OSError:
        pass


def floods(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(300):
            handler.wfile.write(b" " * 1024 * 1024)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says(b"<html>Welcome</html>", content_type="text/html"), "is no billing API"),
        (says(b"[]", content_type="application/json"), "is no billing API"),
        (says(b'{"message": "no"}', status=401), "refuses the token: no"),
        (
            says(b"", status=302, location="https://login.example.com/"),
            "sends elsewhere, to https://login.example.com/",
        ),
        (says(b'{"message": "down"}', status=503), "answered 503"),
        (floods, "answers with more than 64 MB"),
        (drips, "did not answer within"),
    ],
    ids=["html", "list", "401", "redirect", "503", "flood", "drip"],
)
def test_what_is_no_billing_api_is_told_in_one_line(answer: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "TIMEOUT_SECONDS", 2 if answer is floods else 0.3)
    with answering(answer) as url:
        result = check("--base-url", url, "--token", SECRET)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.startswith("metronome-sandbox check: ")
    assert result.stderr.count("\n") == 1
    assert SECRET not in result.stderr


def test_a_plain_port_is_no_tls() -> None:
    with answering(says(b"{}")) as url:
        result = check("--base-url", url.replace("http:", "https:"), "--token", SECRET)

    assert result.exit_code == 2
    assert "cannot be trusted" in result.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "nothing answers at http://127.0.0.1:9"),
        ("http://nowhere.invalid", "nothing answers at http://nowhere.invalid"),
        ("127.0.0.1:4010", "is no address"),
        ("ftp://example.com", "is no address"),
        ("http://127.0.0.1:99999", "is no address"),
        ("http://me:secret@127.0.0.1:9", "has no place in the address"),
    ],
)
def test_an_address_where_nobody_is_ends_with_2(url: str, said: str) -> None:
    result = check("--base-url", url, "--token", SECRET)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "secret" not in result.stderr


# Documents ------------------------------------------------------------------------------------------------------------

REMOTE = {"openapi": "3.0.3", "info": {}, "paths": {"/v1/customers": {"$ref": "https://example.com/api.json#/x"}}}
LOOP = {**REMOTE, "paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}}
NOWHERE = {**REMOTE, "paths": {"/a": {"$ref": "#/components/nothing"}}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(REMOTE), "the reference https://example.com/api.json#/x leaves the document; bundle it"),
        (json.dumps(LOOP), "leads back to itself"),
        (json.dumps(NOWHERE), "the reference #/components/nothing points at nothing"),
        ("{", "is neither JSON nor YAML"),
        ("a: [", "is neither JSON nor YAML"),
        ("swagger: '2.0'", "is no OpenAPI 3 document"),
    ],
    ids=["remote", "loop", "nowhere", "cut", "yaml", "swagger"],
)
def test_a_document_that_cannot_be_used_ends_with_2(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(text)
    result = check("--document", file)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_missing_document_ends_with_2(tmp_path: Path) -> None:
    result = check("--document", tmp_path / "none.json")

    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_another_document_is_what_the_api_is_held_to(tmp_path: Path) -> None:
    tree = json.loads(Document.load().raw)
    tree["components"]["schemas"]["Customer"]["required"].append("shoe_size")
    file = tmp_path / "api.json"
    file.write_text(json.dumps(tree))
    result = check("--document", file, "--suite", "workflows", "--json", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())["findings"]

    assert result.exit_code == 1
    assert {(one["rule"], one["where"].rpartition(".")[2]) for one in found} == {
        ("the document: required", "shoe_size")
    }


def test_a_misspelt_operation_is_told_which_one_was_meant() -> None:
    result = check("--operation", "listCustomer-v1")

    assert result.exit_code == 2
    assert "did you mean listCustomers-v1?" in result.stderr


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    result = check("--json", tmp_path / "nowhere" / "report.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no directory" in result.stderr


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins
    import sys

    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("schemathesis") or name == "metronome_sandbox.toolkit":
            raise ModuleNotFoundError("no", name="schemathesis")
        return real(name, *arguments, **more)

    monkeypatch.delitem(sys.modules, checking.__name__)
    monkeypatch.setattr(builtins, "__import__", without)
    result = check()

    assert result.exit_code == 2
    assert 'pip install "metronome-sandbox[toolkit]"' in result.stderr
