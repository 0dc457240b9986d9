"""The verb import with --apply: what is sent, what is held back, and what is said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from client.hosts import scripted
from importer.killing import write_file
from importer.old_books import USD, Books, told, world

from metronome_sandbox.client.sending import Sender
from metronome_sandbox.importer import command
from metronome_sandbox.importer.applying import Choice
from metronome_sandbox.serving import BackgroundServer

_tokens = count()


class Desk:
    """A tenant, the old file that is imported into it, and what the command said last."""

    def __init__(self, server: BackgroundServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.url, self.token = server.url, f"importing-{next(_tokens)}"
        self.folder = folder
        self.sender = Sender(self.url, self.token)
        self.books = Books(self.sender, customers=2, months=3)
        self._capsys = capsys
        self.out = self.err = ""
        write_file(self.books, folder)

    @property
    def file(self) -> Path:
        return self.folder / "legacy.csv"

    def run(self, choice: Choice | None = Choice(), **options) -> int:  # noqa: B008 - it is frozen
        self._capsys.readouterr()
        mapping = self.folder / "mapping.yaml"
        status = command.run(self.file, mapping, self.url, self.token, choice=choice, **options)
        self.out, self.err = self._capsys.readouterr()
        return status

    def change(self, old: str, new: str) -> None:
        content = self.file.read_text()
        assert old in content
        self.file.write_text(content.replace(old, new))

    def world(self) -> list:
        return world(self.sender, self.books.customers)

    @property
    def imported(self) -> int:
        return sum(1 for one in self.world() if one.get("status") == "FINALIZED")


@pytest.fixture
def desk(server: BackgroundServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    desk = Desk(server, tmp_path, capsys)
    yield desk
    desk.sender.close()


def test_nothing_is_sent_without_apply(desk: Desk):
    assert desk.run(None) == 0

    assert desk.imported == 0
    assert sorted(file.name for file in desk.folder.iterdir()) == ["legacy.csv", "mapping.yaml"]


def test_an_import_is_applied_and_read_back_and_the_second_one_has_nothing_to_do(desk: Desk):
    assert desk.run() == 0
    assert "12 invoices imported into 127.0.0.1, 0 were there already" in desk.out
    assert "verified: 12 invoices and" in desk.out
    assert (desk.folder / "legacy.csv.import-journal").stat().st_mode & 0o777 == 0o600
    before = desk.world()

    assert desk.run() == 0
    assert "12 of them are on the target already" in desk.out
    assert "all 12 invoices were imported before; nothing was sent" in desk.out
    assert desk.world() == before
    assert desk.imported == 12
    assert desk.run(None) == 0  # and a look without --apply is not refused for what is there


def test_a_customer_that_does_not_reconcile_is_held_back_whole(desk: Desk):
    invoice = desk.books.of(desk.books.customers[0])[2]
    rows = [line for line in desk.file.read_text().splitlines() if line.startswith(f"{invoice.number},")]
    total = rows[0].split(",")[5]
    for row in rows:
        desk.change(row, row.replace(f",{total},", f",{int(float(total)) + 500},"))

    assert desk.run() == 1
    assert "6 invoices imported into 127.0.0.1" in desk.out
    assert "6 invoices of customers that did not reconcile were held back" in desk.out
    assert {one["customer_id"] for one in desk.world() if one.get("status") == "FINALIZED"} == {desk.books.customers[1]}

    assert desk.run(Choice(accept_differences=True)) == 0
    assert "6 invoices imported into 127.0.0.1, 6 were there already" in desk.out
    assert desk.imported == 12


def test_a_report_in_place_of_the_old_invoices_is_wrong_usage(desk: Desk):
    before = desk.file.read_bytes()

    assert desk.run(None, reports={"csv": desk.file}) == 2
    assert "is the file with the old invoices; name another file" in desk.err
    assert desk.file.read_bytes() == before


def test_what_the_api_refuses_is_not_said_to_wait_for_a_decision(desk: Desk):
    metric = desk.books.post("/v1/billable-metrics/create", {"name": "Fax", "aggregation_type": "COUNT"})["id"]
    fax = {"name": "Fax", "type": "USAGE", "billable_metric_id": metric}
    desk.books.post("/v1/contract-pricing/products/create", fax)  # on no rate card
    invoice = desk.books.of(desk.books.customers[0])[2]
    row = next(line for line in desk.file.read_text().splitlines() if line.startswith(f"{invoice.number},"))
    desk.change(row, row.replace("API calls", "Fax"))

    assert desk.run(Choice(accept_differences=True)) == 1
    assert "11 invoices imported into 127.0.0.1" in desk.out
    assert "1 invoices were not sent, because the API refused their previews" in desk.out
    assert "--accept-differences" not in desk.out
    assert desk.imported == 11


def test_output_that_nobody_reads_on_is_no_fault_of_a_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def closed(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(command, "show", closed)
    with pytest.raises(BrokenPipeError):  # which click takes for the end of a pipe
        desk.run()

    assert desk.imported == 0


def test_findings_leave_no_journal_behind(desk: Desk):
    desk.change("API calls", "No such product")

    assert desk.run() == 1
    assert "nothing was sent" in desk.out
    assert not (desk.folder / "legacy.csv.import-journal").exists()


def test_a_changed_file_does_not_go_on_under_the_old_journal(desk: Desk):
    desk.run()
    desk.change(",0.25,", ",0.75,")

    assert desk.run(None) == 1  # what is on the target now is not what the file says
    assert "shares time with invoice" in desk.out
    with desk.file.open("a") as file:
        file.write("\n")
    desk.change(",0.75,", ",0.25,")
    assert desk.run() == 2
    assert "belongs to an import of other rows" in desk.err
    assert desk.run(Choice(journal=desk.folder / "other.journal")) == 0
    assert "all 12 invoices were imported before; nothing was sent" in desk.out


def test_two_imports_at_once_do_not_share_a_journal(desk: Desk):
    with (desk.folder / "legacy.csv.import-journal").open("w") as journal:
        import fcntl

        fcntl.flock(journal, fcntl.LOCK_EX)
        assert desk.run() == 2
    assert "another import is using the journal" in desk.err
    assert desk.out == ""  # it ends before it reads or previews anything
    assert desk.imported == 0


def test_a_look_without_apply_needs_no_journal(desk: Desk):
    with (desk.folder / "legacy.csv.import-journal").open("w") as journal:
        import fcntl

        fcntl.flock(journal, fcntl.LOCK_EX)
        assert desk.run(None) == 0


def test_what_does_not_reconcile_leaves_no_journal_behind(desk: Desk):
    for customer in desk.books.customers:
        invoice = desk.books.of(customer)[2]
        for row in [line for line in desk.file.read_text().splitlines() if line.startswith(f"{invoice.number},")]:
            total = row.split(",")[5]
            desk.change(row, row.replace(f",{total},", f",{int(float(total)) + 500},"))

    assert desk.run() == 1
    assert "12 invoices of customers that did not reconcile were held back" in desk.out
    assert not (desk.folder / "legacy.csv.import-journal").exists()


def test_a_file_that_is_not_there_is_a_finding_and_leaves_no_journal_behind(desk: Desk):
    desk.file.unlink()

    assert desk.run() == 1
    assert f"{desk.file}: cannot be read: No such file or directory" in desk.out
    assert not (desk.folder / "legacy.csv.import-journal").exists()


def test_a_sandbox_that_was_reset_is_told_from_one_that_was_not(desk: Desk):
    desk.run()
    told(desk.sender.send("POST", "/sandbox/reset"))
    Books(desk.sender, customers=2, months=3)

    assert desk.run() == 2
    assert "which does not have it" in desk.err
    assert "name another --journal" in desk.err
    assert desk.imported == 0


def test_a_host_that_is_no_sandbox_has_to_be_named(desk: Desk):
    def answer(*_: object) -> tuple[int, dict[str, str], bytes]:
        return 404, {}, b'{"message":"Not found"}'

    with scripted(answer, []) as url:
        desk.url = url
        assert desk.run() == 2
        assert "127.0.0.1 is no sandbox on this machine" in desk.err
        assert "add --yes-write-to 127.0.0.1 if that is what you want" in desk.err
        assert desk.run(Choice(yes_write_to="127.0.0.1")) == 2
        assert "was answered with 404" in desk.err


def test_customers_that_share_balances_are_one_sequence(desk: Desk):
    """A parent's commit of $200 pays for a child's usage first, as the child's periods begin with the parent's."""
    books = desk.books
    access = [{"amount": 20_000, "starting_at": "2024-01-01T00:00:00Z", "ending_before": "2025-01-01T00:00:00Z"}]
    shared = {
        "type": "PREPAID",
        "product_id": books.payment,
        "name": "Shared",
        "access_schedule": {"credit_type_id": USD, "schedule_items": access},
        "hierarchy_configuration": {"child_access": {"type": "ALL"}},
    }
    terms = {
        "rate_card_id": books.rate_card,
        "starting_at": "2024-01-01T00:00:00Z",
        "usage_statement_schedule": {
            "frequency": "MONTHLY",
            "invoice_generation_starting_at": "2024-08-01T00:00:00Z",
        },
    }
    group = books.post("/v1/customers", {"name": "Group"})["id"]
    parent = books.post("/v1/contracts/create", {**terms, "customer_id": group, "commits": [shared]})["id"]
    rows = ["invoice,customer,contract,product,quantity,total,day"]
    # 3 calls at $10 a month each. $200 last for: January 3 x $30, February 3 x $30, and $20 of March.
    left = 20_000
    members = [("Group", group, parent)]
    for name in ("Daughter", "Son"):
        customer = books.post("/v1/customers", {"name": name})["id"]
        link = {"parent": {"customer_id": group, "contract_id": parent}, "payer": "SELF"}
        contract = books.post(
            "/v1/contracts/create", {**terms, "customer_id": customer, "hierarchy_configuration": link}
        )
        members.append((name, customer, contract["id"]))
    for month in (1, 2, 3):
        for name, _, contract in members:
            paid = min(left, 3000)
            left -= paid
            rows.append(f"{name}-{month},{name},{contract},API calls,3,{3000 - paid},2024-0{month}-01")
    desk.file.write_text("\n".join(rows) + "\n")

    assert desk.run(None) == 0
    assert desk.run(Choice(batch_size=1)) == 0
    assert "9 invoices imported" in desk.out
    assert "verified: 9 invoices and 7 draws from balances read back, as they were sent" in desk.out


def test_a_file_without_totals_is_held_to_lines_and_imported_at_what_balances_leave(desk: Desk):
    """100 calls at $10: the customer's credit pays $200 and the contract's commit $500, so $300 are due."""
    invoice = desk.books.of(desk.books.customers[0])[0]
    rows = ["invoice,customer,contract,product,quantity,amount,day"]
    rows.append(f"one,{invoice.customer_name},{invoice.contract_id},API calls,100,100000,2024-01-01")
    desk.file.write_text("\n".join(rows) + "\n")
    mapping = desk.folder / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("total: total", "amount: amount"))

    assert desk.run() == 0
    [imported] = [one for one in world(desk.sender, desk.books.customers[:1]) if one.get("status") == "FINALIZED"]
    assert imported["total"] == 30_000
    assert "1 invoices imported" in desk.out


def test_a_journal_tells_people_what_happened(desk: Desk):
    desk.run(Choice(journal=desk.folder / "here.journal", batch_size=6), concurrency=1)

    lines = [json.loads(line) for line in (desk.folder / "here.journal").read_text().splitlines()]
    assert [line.get("what", "header") for line in lines] == ["header", "intent", "result", "intent", "result"]
    assert lines[0]["host"] == desk.url.removeprefix("http://")
    announced, result = lines[1], lines[2]
    assert announced["idempotency_key"] == result["idempotency_key"]
    assert [one["key"] for one in announced["invoices"]] == [one["key"] for one in result["invoices"]]
    assert announced["invoices"][0]["number"] in desk.file.read_text()
    assert "importing-" not in (desk.folder / "here.journal").read_text()  # the token


def test_one_answer_in_five_is_lost_or_refused_and_nothing_differs(server: BackgroundServer, desk: Desk):
    with closing(Sender(server.url, f"{desk.token}-undisturbed")) as sender:
        books = Books(sender, customers=2, months=3)
        desk.token, token = f"{desk.token}-undisturbed", desk.token
        assert desk.run(Choice(journal=desk.folder / "undisturbed")) == 0
        undisturbed = world(sender, books.customers)
    desk.token = token
    lost, refused = {"kind": "lose_answer", "seed": 3}, {"kind": "status", "status": 429, "retry_after_seconds": 0}
    for fault in (lost, refused):
        told(desk.sender.send("POST", "/sandbox/faults", {**fault, "probability": 0.1, "call": 2, "count": 1000}))

    assert desk.run(Choice(batch_size=3)) == 0
    told(desk.sender.send("DELETE", "/sandbox/faults"))
    assert desk.world() == undisturbed


def test_ctrl_c_ends_it_soon_and_the_same_command_goes_on(desk: Desk):
    slow = {
        "kind": "delay",
        "delay_seconds": 1.5,
        "operation_id": "createHistoricalContractUsageInvoices-v1",
        "call": 5,
    }
    told(desk.sender.send("POST", "/sandbox/faults", slow))  # two previews come first, and two imports
    arguments = ["import", "legacy.csv", "--mapping", "mapping.yaml", "--base-url", desk.url, "--token", desk.token]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "metronome_sandbox", *arguments, "--apply", "--batch-size", "2"],
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = desk.folder / "legacy.csv.import-journal"
    until = time.monotonic() + 30
    while time.monotonic() < until and (not journal.exists() or journal.read_text().count('"intent"') < 4):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert err.endswith("stopped; what was imported stays, and the same command goes on from there\n")
    told(desk.sender.send("DELETE", "/sandbox/faults"))
    assert desk.run() == 0
    assert desk.imported == 12
    assert "as they were sent" in desk.out


def test_ctrl_c_before_anything_is_sent_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "previews", interrupted)
    for choice in (None, Choice()):
        assert desk.run(choice) == 130
        assert desk.err == "stopped; nothing was sent\n"
    assert not (desk.folder / "legacy.csv.import-journal").exists()
    assert desk.imported == 0


def test_the_command_line_refuses_what_makes_no_sense(tmp_path: Path):
    (tmp_path / "mapping.yaml").touch()
    with closing(Sender("http://127.0.0.1:1", "t")):
        for options, says in (
            (["--journal", "x"], "are for --apply"),
            (["--accept-differences"], "are for --apply"),
            (["--tolerance", "nan"], "is no amount such as 0.01"),
            (["--tolerance=-1"], "is no amount such as 0.01"),
            (["--apply", "--concurrency", "0"], "not in the range"),
        ):
            arguments = ["import", "legacy.csv", "--mapping", "mapping.yaml", *options]
            done = subprocess.run(
                [sys.executable, "-P", "-m", "metronome_sandbox", *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 2
            assert says in done.stderr
