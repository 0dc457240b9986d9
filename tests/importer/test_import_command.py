"""``metronome-sandbox import`` up to the preview: what a person sees of a file, a mapping and a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from metronome_sandbox.cli import main
from metronome_sandbox.importer.watch import BUILT, BYTES, CUSTOMERS, ROWS, Watch
from metronome_sandbox.serving import BackgroundServer
from metronome_sandbox.toolkit.sandboxes import Sandbox

LEGACY = """\
invoice,customer,product,quantity,price,amount,from,to
INV-6,Acme Inc,API calls,10,10.00,100.00,2024-06-01,2024-06-30
INV-6,Acme Inc,Storage,130,,59.00,2024-06-01,2024-06-30
INV-7,Acme Inc,API calls,20,10.00,200.00,2024-07-01,2024-07-31
"""


@pytest.fixture
def sandbox(server: BackgroundServer) -> Iterator[Sandbox]:
    with closing(Sandbox.of(server)) as sandbox:
        sandbox.load("acme")
        yield sandbox


class Shell:
    """Runs the verb in a folder against a tenant."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder = folder
        self._target = ["--base-url", sandbox.base_url, "--token", sandbox.token]

    def __call__(self, legacy: str | bytes, *options: str, name: str = "legacy.csv") -> Result:
        path = self.folder / name
        path.write_bytes(legacy.encode() if isinstance(legacy, str) else legacy)
        return CliRunner().invoke(main, ["import", str(path), *options, *self._target])

    def propose(self, legacy: str) -> str:
        done = self(legacy, "--init")
        assert done.exit_code == 0, done.output
        self.mapped(done.stdout)
        return done.stdout

    def mapped(self, mapping: str) -> tuple[str, str]:
        path = self.folder / "mapping.yaml"
        path.write_text(mapping)
        return "--mapping", str(path)


@pytest.fixture
def shell(sandbox: Sandbox, tmp_path: Path) -> Shell:
    return Shell(sandbox, tmp_path)


def test_the_mapping_that_is_proposed_for_a_clean_file_reads_and_previews_it(shell: Shell, sandbox: Sandbox):
    mapping = shell.mapped(shell.propose(LEGACY))

    done = shell(LEGACY, *mapping)

    assert "3 rows read: 2 invoices with 3 lines of 1 customers, no findings" in done.stdout
    assert "0 of 2 invoices out of tolerance" in done.stdout  # 10 x 10, 100 x 0.50 + 30 x 0.30, 20 x 10 dollars
    assert done.exit_code == 0
    assert [call.operation_id for call in sandbox.requests if call.status != 200] == []


def test_while_anything_is_wrong_nothing_is_previewed_or_sent(shell: Shell, sandbox: Sandbox):
    mapping = shell.mapped(shell.propose(LEGACY))

    done = shell(LEGACY.replace("130", "=130").replace("Storage", "Store"), *mapping, "--apply")

    file = shell.folder / "legacy.csv"
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f"{file}:3: product 'Store' is the name of no product of the target (did you mean 'Storage'?)",
        f"{file}:3: quantity '=130' is a formula; export values, and no formulas",
        "2 findings; nothing was sent",
    ]
    assert "createHistoricalContractUsageInvoices-v1" not in {call.operation_id for call in sandbox.requests}


def test_periods_that_the_target_bills_by_itself_are_findings(shell: Shell):
    mapping = shell.mapped(shell.propose(LEGACY))

    done = shell(LEGACY.replace("2024-07", "2024-08"), *mapping)

    assert done.exit_code == 1
    assert "INV-7: 2024-08-01 to 2024-08-31" in done.stdout
    assert "a draft that the target makes by itself" in done.stdout


def test_many_findings_are_counted_and_some_are_shown(shell: Shell):
    mapping = shell.mapped(shell.propose(LEGACY))
    rows = "".join(f"INV-6,Acme Inc,API calls,x{n},1,1,2024-06-01,2024-06-30\n" for n in range(500))

    done = shell(LEGACY + rows, *mapping)

    assert done.stdout.splitlines()[-2:] == ["... and 450 more", "500 findings; nothing was sent"]
    assert len(done.stdout.splitlines()) == 52


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --mapping FILE, or --init to have one proposed"),
        (("--mapping", "m.yaml", "--init"), "--init proposes a mapping and --mapping names one; choose one"),
        (("--apply", "--init"), "--init only proposes a mapping, and --apply imports by one; choose one"),
    ],
)
def test_wrong_usage_is_one_sentence(shell: Shell, options: tuple[str, ...], said: str):
    done = shell(LEGACY, *options)

    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "legacy",
    [
        b"",
        b"\0" * 100,
        b"\x89PNG\r\n\x1a\n\0\0",
        b"PAR1",
        b"{",
        b"[",
        b'{"object":"list","data":[{',
        b"a,b\n\x1b[2J,\n",
    ],
)
@pytest.mark.parametrize("option", ["--init", "--mapping"])
def test_a_hostile_file_ends_in_a_message_for_either_way(shell: Shell, legacy: bytes, option: str):
    mapping = shell.mapped(shell.propose(LEGACY)) if option == "--mapping" else ("--init",)

    done = shell(legacy, *mapping, name="evil")

    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1 or (option == "--init" and "proposed from" in done.stdout)
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output


def test_nobody_at_the_address_is_a_sentence(tmp_path: Path):
    (tmp_path / "legacy.csv").write_text(LEGACY)

    done = CliRunner().invoke(
        main, ["import", str(tmp_path / "legacy.csv"), "--init", "--base-url", "http://127.0.0.1:1", "--token", "t"]
    )

    assert done.exit_code == 2
    assert "nobody answers at 127.0.0.1" in done.stderr


def test_a_folder_that_cannot_be_worked_in_is_a_sentence(shell: Shell, tmp_path: Path):
    mapping = shell.mapped(shell.propose(LEGACY))
    (tmp_path / "taken").write_text("a file")

    done = shell(LEGACY, *mapping, "--work-dir", str(tmp_path / "taken" / "below"))

    assert done.exit_code == 2
    assert "cannot work in" in done.stderr


def test_ctrl_c_before_anything_is_read_is_a_sentence(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metronome_sandbox.importer.command.propose", interrupted)

    done = shell(LEGACY, "--init")

    assert done.exit_code == 130
    assert done.stderr == "stopped; nothing was sent\n"


def test_steps_are_watched_one_after_the_other(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("metronome_sandbox.client.progress.LINE_SECONDS", 0.0)

    with Watch({BYTES: 1000, CUSTOMERS: 3}) as watch:
        watch(BYTES, 400)
        watch(ROWS, 50)
        watch(BYTES, 1000)
        watch(ROWS, 100)
        watch(BUILT, 100)
        watch(CUSTOMERS, 2)

    lines = [line.partition(" rows/s")[0].partition(", ")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "reading: 400 of 1,000 bytes",
        "reading: 1,000 of 1,000 bytes",
        "building invoices: 100 of 100 rows",
        "looking at what is there: 2 of 3 customers",
    ]
