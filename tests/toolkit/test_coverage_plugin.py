"""``pytest --metronome-coverage``: what each test's client used, and which tests a change of the API then hits."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toolkit.runs import ALONE, OPTIONS
from toolkit.test_example import EXAMPLE, ROOT, run

from metronome_sandbox.cli import main
from metronome_sandbox.spec.document import Document


def pytest_run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-W", "error", *OPTIONS, *options]
    return run(command, folder, PYTHONPATH=str(ROOT / "src"), **ALONE)


def sent(tree: dict[str, Any], operation: str, field: str) -> list[str]:
    tests: list[str] = tree["operations"][operation]["sent"].get(field, {"tests": []})["tests"]
    return [test.partition("::")[2] for test in tests]


def test_spec_diff_names_the_tests_of_the_example_that_a_change_hits(tmp_path: Path):
    coverage = tmp_path / "coverage.json"
    files = ["--metronome-coverage", str(coverage), "--metronome-coverage", str(tmp_path / "coverage.html")]
    old = Document.load().tree
    new = deepcopy(old)
    properties = new["components"]["schemas"]["CustomerCommitInput"]["properties"]
    del properties["invoice_contract_id"], properties["netsuite_sales_order_id"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    (tmp_path / "new.json").write_text(json.dumps(new))

    done = pytest_run(EXAMPLE, "-k", "counts_once or in_advance or one_line", *files)
    hit = CliRunner().invoke(
        main,
        ["spec", "diff", str(tmp_path / "old.json"), str(tmp_path / "new.json"), "--coverage", str(coverage)],
    )

    assert done.returncode == 0, done.stdout
    assert f"written to {coverage}, {tmp_path / 'coverage.html'}" in done.stdout
    tree = json.loads(coverage.read_text())
    assert sent(tree, "ingest-v1", "[].transaction_id") == [
        "test_an_event_counts_once",
        "test_what_is_paid_in_advance_is_used_first",
    ]  # and not the test whose events the fixture sends
    assert "createCustomerCommit-v1" in (tmp_path / "coverage.html").read_text()
    assert hit.exit_code == 1
    told = [line for line in hit.stdout.splitlines() if "CustomerCommit" in line or "customerCommits/create" in line]
    assert [line for line in told if line.startswith("HITS YOU")] == [
        line for line in told if "invoice_contract_id" in line
    ]
    [line] = [line for line in told if line.startswith("HITS YOU")]
    assert line.endswith("(tests: tests/test_billing.py::test_what_is_paid_in_advance_is_used_first)")
    assert any("netsuite_sales_order_id" in line for line in told)


def test_workers_of_xdist_are_added_up(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(
        """
import os
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest


@pytest.mark.parametrize("number", range(4))
def test_it(metronome_sandbox, number):
    metronome_sandbox.priced_contract()
    client = HTTPConnection(urlsplit(os.environ["METRONOME_BASE_URL"]).netloc)
    headers = {"Authorization": f"Bearer {os.environ['METRONOME_BEARER_TOKEN']}", "Content-Type": "application/json"}
    client.request("POST", "/v1/customers", '{"name": "Acme", "nmae": 1}' if number else "{}", headers)
    client.getresponse().read()
    client.close()
"""
    )

    done = pytest_run(tmp_path, "-p", "xdist", "-n", "2", "--metronome-coverage", "coverage.json")

    assert done.returncode == 0, done.stdout
    tree = json.loads((tmp_path / "coverage.json").read_text())
    assert list(tree["operations"]) == ["createCustomer-v1"]
    assert tree["operations"]["createCustomer-v1"]["calls"] == 4
    assert sent(tree, "createCustomer-v1", "name") == ["test_it[1]", "test_it[2]", "test_it[3]"]
    assert tree["operations"]["createCustomer-v1"]["unknown"]["nmae"]["times"] == 3
    assert {status: used["times"] for status, used in tree["operations"]["createCustomer-v1"]["statuses"].items()} == {
        "200": 3,
        "400": 1,
    }


def test_tests_elsewhere_than_in_a_sandbox_are_counted_as_not_being_in_it(tmp_path: Path):
    (tmp_path / "conftest.py").write_text("""
from metronome_sandbox.toolkit import connection


def send(self, method, path, body=None, headers=None):
    return connection.Answer(404, {}, b"{}")


connection.Connection.send = send
""")
    (tmp_path / "test_it.py").write_text("""
import pytest


@pytest.mark.metronome(writes=False)
def test_it(metronome_sandbox):
    pass
""")
    command = [sys.executable, "-B", "-m", "pytest", *OPTIONS, "--metronome-target", "http://127.0.0.1:9"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "METRONOME_BEARER_TOKEN": "t", **ALONE}

    done = run([*command, "--metronome-coverage", "coverage.html"], tmp_path, **environment)

    assert done.returncode == 0, done.stdout
    assert "tests that are not in it, since no sandbox tells their calls: 1\n" in done.stdout


@pytest.mark.parametrize("file", ["coverage.xml", "no/coverage.json"])
def test_a_file_that_cannot_be_is_refused_before_any_test_runs(tmp_path: Path, file: str):
    done = pytest_run(tmp_path, "--metronome-coverage", file)

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--metronome-coverage {file}: expected FILE.json or FILE.html in a directory that is there" in done.stderr
