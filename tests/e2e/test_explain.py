"""``metronome-sandbox explain`` as a person at a terminal meets it, against a sandbox that runs."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from e2e.sdk import JUNE, SEPTEMBER, Acme
from rich.console import Console

from metronome_sandbox.explain import show

COMMAND = [sys.executable, "-m", "metronome_sandbox", "explain"]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def explain(invoice: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("METRONOME_")}
    source = str(Path(__file__).parents[2] / "src")
    given = {**inherited, "PYTHONPATH": source, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(
        [*COMMAND, invoice, *options], capture_output=True, encoding="utf-8", env=given, check=False, timeout=60
    )


def test_july_is_explained_on_80_columns(url: str, token: str, acme: Acme):
    """G24: 15 of July's 20 calls are paid by what June left of the commit, 25000 - 10000; 5 * 1000 is due."""
    _, july = acme.import_june_and_july()

    done = explain(july.id, "--base-url", url, "--token", token)

    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    said = " ".join(done.stdout.split())
    assert f"Invoice {july.id} USAGE, FINALIZED, 1 July 2024 to 1 August 2024: total 5000 USD (cents)" in said
    assert "The import asked for this period." in said
    assert "15 units at 1000, the list rate." in said
    assert "15 @ 1000 = 15000" in said
    assert "5 @ 1000 = 5000" in said
    assert "Nothing is left to pay for them." in said
    assert re.search(r"1 .+ PREPAID 15000 15000 0 ", said)


def test_what_covers_a_line_is_named_and_told_once(url: str, token: str, acme: Acme):
    """15 of July's 20 calls are paid by what June left; a postpaid commit of 20000 counts the other 5, 5 * 1000."""
    acme.client.v1.customers.commits.create(
        customer_id=acme.customer_id,
        type="POSTPAID",
        product_id=acme.prepaid_usage,
        priority=100,
        name="Pay later",
        access_schedule={"schedule_items": [{"amount": 20000, "starting_at": JUNE, "ending_before": SEPTEMBER}]},
        invoice_contract_id=acme.contract_id,
        invoice_schedule={"schedule_items": [{"timestamp": SEPTEMBER, "amount": 20000}]},
    )
    _, july = acme.import_june_and_july()

    done = explain(july.id, "--base-url", url, "--token", token)

    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    said = " ".join(done.stdout.split())
    [prepaid, _] = acme.client.v1.contracts.list_balances(customer_id=acme.customer_id, include_contract_balances=True)
    assert said.count("First in order") == said.count(f"Paid by {prepaid.name}: First in order") == 1
    assert said.count("Counted by Pay later: Number 2 in order") == said.count("Number 2 in order") == 1
    assert "It counts 5000 here; of its 20000 the invoice leaves 15000." in said
    assert "paid by pay later" not in said.lower()
    assert not re.search(r"\d,\d{3}", said)


def test_json_is_the_answer_as_it_came(url: str, token: str, acme: Acme):
    june, _ = acme.import_june_and_july()

    done = explain(june.id, "--json", METRONOME_BASE_URL=url, METRONOME_BEARER_TOKEN=token)

    answer = acme.client.get(f"/sandbox/invoices/{june.id}/explanation", cast_to=object)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == answer


def test_every_invoice_of_a_tenant_can_be_explained_by_its_contract_document(acme: Acme):
    """The server answers 500 where its answer is not what its document says."""
    acme.import_june_and_july()
    invoices = acme.invoices()

    assert len(invoices) > 2
    for invoice in invoices:
        answer = acme.client.get(f"/sandbox/invoices/{invoice.id}/explanation", cast_to=object)
        assert isinstance(answer, dict)
        assert [line["total"] for line in answer["lines"]] == [line.total for line in invoice.line_items]


def test_an_unknown_invoice_is_a_finding(url: str, token: str, acme: Acme):
    done = explain(UNKNOWN, "--base-url", url, "--token", token)

    assert (done.returncode, done.stdout) == (1, "")
    assert UNKNOWN in done.stderr


def test_an_id_that_is_none_is_wrong_usage(url: str, token: str):
    done = explain("../clock", "--base-url", url, "--token", token)

    assert (done.returncode, done.stdout) == (2, "")
    assert "UUID" in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "file:///etc/hosts"])
def test_an_address_that_is_none_is_wrong_usage(address: str):
    done = explain(UNKNOWN, "--base-url", address)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--base-url" in done.stderr


def test_a_sandbox_that_does_not_answer_is_said_so():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    done = explain(UNKNOWN, "--base-url", f"http://127.0.0.1:{port}")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"no sandbox answers at http://127.0.0.1:{port}" in done.stderr


def test_a_terminal_without_unicode_is_no_obstacle(url: str, token: str, acme: Acme):
    june, _ = acme.import_june_and_july()

    done = explain(june.id, "--base-url", url, "--token", token, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_a_name_cannot_steer_the_terminal(acme: Acme):
    june, _ = acme.import_june_and_july()
    answer = acme.client.get(f"/sandbox/invoices/{june.id}/explanation", cast_to=object)
    text = json.dumps(answer).replace("API calls", "API \\u001b[31mcalls[/bold]")
    console = Console(file=StringIO(), width=80, force_terminal=False, highlight=False, markup=False)

    show(json.loads(text, parse_float=Decimal, parse_int=Decimal), console)

    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in said
    assert "API ?[31mcalls[/bold]" in said
