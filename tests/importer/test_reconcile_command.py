"""``metronome-sandbox import`` without ``--apply``: from a file to what differs, on the company of the vendor's guide.

Its contract has API calls at 1000 cents, Storage at 50 cents for the first 100 and 30 above, and a commit of 25,000.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.toolkit.sandboxes import Sandbox

MAPPING = """\
units: dollars
decimal_mark: point
invoice_number: invoice
customer: {column: customer, by: name}
product: {column: product, by: name}
quantity: quantity
amount: amount
total: total
service: {start: from, end: to, end_is: inclusive}
period: month
issue_date: {days_after_period: 2}
"""
# June: 30 x 10.00 and 100 x 0.50 + 30 x 0.30 are 359.00, of which the commit pays 250.00.
# July: 3000 x 10.00 and the same storage are 30,059.00; nothing is left of the commit.
RIGHT = """\
invoice,customer,product,from,to,quantity,amount,total
INV-6,Acme Inc,API calls,2024-06-01,2024-06-30,30,300.00,109.00
INV-6,Acme Inc,Storage,2024-06-01,2024-06-30,130,59.00,109.00
INV-7,Acme Inc,API calls,2024-07-01,2024-07-31,3000,30000.00,30059.00
INV-7,Acme Inc,Storage,2024-07-01,2024-07-31,130,59.00,30059.00
"""
DISCOUNTED = RIGHT.replace("30000.00,30059.00", "27000.00,27059.00").replace("59.00,30059.00", "59.00,27059.00")


@pytest.fixture
def sandbox(server) -> Iterator[Sandbox]:
    with closing(Sandbox.of(server)) as sandbox:
        sandbox.load("acme")
        yield sandbox


@pytest.fixture
def imported(sandbox, tmp_path):
    def run(legacy: str, *options: str, mapping: str = MAPPING) -> Result:
        (tmp_path / "legacy.csv").write_text(legacy)
        (tmp_path / "mapping.yaml").write_text(mapping)
        files = str(tmp_path / "legacy.csv"), "--mapping", str(tmp_path / "mapping.yaml")
        return CliRunner().invoke(
            main, ["import", *files, "--base-url", sandbox.base_url, "--token", sandbox.token, *options]
        )

    return run


def test_what_agrees_ends_well_and_changes_nothing(imported, sandbox):
    before = sandbox.snapshot()

    done = imported(RIGHT)

    assert done.exit_code == 0, done.output
    assert "0 of 2 invoices out of tolerance" in done.stdout
    assert sandbox.snapshot() == before


def test_what_differs_is_a_finding_with_its_likely_reason(imported, tmp_path: Path):
    reports = {kind: tmp_path / f"found.{kind}" for kind in ("html", "csv", "json")}

    done = imported(DISCOUNTED, *(part for kind, file in reports.items() for part in (f"--{kind}", str(file))))

    assert done.exit_code == 1
    assert "1 of 2 invoices out of tolerance" in done.stdout
    assert "an override with multiplier 0.9" in " ".join(done.stdout.split())
    [difference] = json.loads(reports["json"].read_text())["differences"]
    assert (difference["invoice"], difference["product"], difference["difference"]) == ("INV-7", "API calls", 3000)
    assert (difference["first_line"], difference["last_line"]) == (4, 4)
    assert "0.9 is missing" in reports["html"].read_text()
    assert reports["csv"].read_text().count("\n") == 2


def test_a_tolerance_in_dollars_lets_differences_pass(imported):
    assert imported(DISCOUNTED, "--tolerance", "2999.99").exit_code == 1
    assert imported(DISCOUNTED, "--tolerance", "3000").exit_code == 0


@pytest.mark.parametrize("tolerance", ["-1", "nan", "one"])
def test_a_tolerance_is_an_amount(imported, tolerance):
    done = imported(RIGHT, f"--tolerance={tolerance}")

    assert done.exit_code == 2
    assert "is no amount such as 0.01" in done.output


def test_a_file_without_totals_is_held_to_lines_before_balances(imported):
    done = imported(RIGHT, mapping=MAPPING.replace("total: total\n", ""))

    assert done.exit_code == 0, done.output
    assert "0 of 2 invoices out of tolerance" in done.stdout


def test_a_file_without_amounts_has_nothing_to_compare(imported):
    done = imported(RIGHT, mapping=MAPPING.replace("amount: amount\ntotal: total\n", ""))

    assert done.exit_code == 0, done.output
    assert "0 of 0 invoices out of tolerance, 2 with nothing to compare" in done.stdout


def test_a_report_without_a_place_is_wrong_usage_before_anything_is_asked(imported, sandbox, tmp_path):
    asked = len(sandbox.requests)

    done = imported(RIGHT, "--html", str(tmp_path / "gone" / "found.html"))

    assert done.exit_code == 2
    assert "there is no folder" in done.stderr
    assert len(sandbox.requests) == asked
