"""The files of ``generate``: what is in them, and that they are the same ones whoever makes them."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from generator.generating import CUSTOMERS, files_in, generate, make, world

from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.ids import id_of
from metronome_sandbox.generator.plan import Shard
from metronome_sandbox.generator.profiles import PROFILES, told_by
from metronome_sandbox.generator.rendering import Renderer
from metronome_sandbox.generator.requests import Requests

FORMATS = ("ndjson", "csv", "parquet")


@pytest.fixture(scope="module", params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    make(world(format=request.param), folder)
    return folder


def manifest_of(folder: Path) -> dict[str, object]:
    return json.loads((folder / "manifest.json").read_bytes(), parse_float=Decimal)


@pytest.mark.parametrize("granularity", ["DAY", "HOUR"])
@pytest.mark.parametrize("name", PROFILES)
def test_the_quick_form_of_an_invoice_is_the_canonical_one(name: str, granularity: str):
    profile = told_by(PROFILES[name], granularity)
    requests = Requests(profile, 7)
    renderer = Renderer(granularity, lambda kind, key: id_of(7, name, kind, key))
    compared = 0
    for number in range(1, 8):
        history = history_of(profile, 7, number, date(2023, 1, 1), 14)
        for invoice in history.invoices:
            compared += 1
            assert json.loads(renderer.invoice(invoice, history.customer.key)) == requests.invoice(history, invoice)
    assert compared > 15


def test_every_file_is_in_the_manifest_with_its_hash(made: Path):
    manifest = manifest_of(made)
    told = [file for part in (manifest, *manifest["parts"]) for file in part["files"]]

    for file in told:
        content = (made / file["path"]).read_bytes()
        assert (sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
    untold = set(files_in(made)) - {file["path"] for file in told}
    assert {path for path in untold if not path.startswith("parts/")} == {"manifest.json", "plan.json"}


def test_the_manifest_adds_up(made: Path):
    manifest = manifest_of(made)
    parts, sums = manifest["parts"], manifest["sums"]

    for name, count in manifest["counts"].items():
        assert count == sum(part["counts"][name] for part in parts)
    for name in ("gross", "paid_by_credits", "paid_by_commits", "total"):
        assert sums[name] == sum(part["sums"][name] for part in parts)
    assert sums["total"] == sums["gross"] - sums["paid_by_credits"] - sums["paid_by_commits"]
    assert manifest["counts"]["customers"] == CUSTOMERS


def test_the_same_world_comes_in_every_format(tmp_path: Path):
    """Customers, invoices and money are the same ones; only the form differs."""
    manifests = []
    for format in FORMATS:
        make(world(format=format, customers=20), tmp_path / format)
        manifests.append(manifest_of(tmp_path / format))

    assert manifests[0]["counts"] == manifests[1]["counts"] == manifests[2]["counts"]
    assert manifests[0]["sums"] == manifests[1]["sums"] == manifests[2]["sums"]


@pytest.mark.parametrize("format", FORMATS)
def test_hours_add_up_to_the_same_days(tmp_path: Path, format: str):
    for granularity in ("day", "hour"):
        make(world(format=format, customers=10, months=6, granularity=granularity), tmp_path / granularity)
    days, hours = (manifest_of(tmp_path / granularity) for granularity in ("day", "hour"))

    assert days["sums"] == hours["sums"]
    assert hours["counts"].pop("subtotals") == 24 * days["counts"].pop("subtotals") > 0
    assert days["counts"] == hours["counts"]


def test_hours_are_those_of_their_day(tmp_path: Path):
    for granularity in ("day", "hour"):
        make(world(format="csv", customers=5, months=6, granularity=granularity), tmp_path / granularity)
    found: list[Counter[tuple[str, ...]]] = []
    for granularity in ("day", "hour"):
        found.append(Counter())
        for row in rows_of(tmp_path / granularity / "subtotals" / "part-00000.csv"):
            place = (row["invoice"], row["product"], row["pricing_group_values"], row["starting_at"][:10])
            found[-1][place] += int(row["quantity"])

    assert found[0] == found[1]
    assert found[0].total() > 0


def test_ids_name_what_is_in_the_files(tmp_path: Path):
    make(world(), tmp_path)
    ids = json.loads((tmp_path / "ids.json").read_bytes())

    customers = lines_of(tmp_path, "customers")
    contracts = lines_of(tmp_path, "contracts")
    assert ids["customer"] == {line["key"]: line["id"] for line in customers}
    assert ids["contract"] == {line["key"]: line["id"] for line in contracts}
    assert {line["request"]["customer_id"] for line in contracts} <= set(ids["customer"].values())
    catalog = json.loads((tmp_path / "catalog.json").read_bytes())["catalog"]
    assert {kind: ids[kind] for kind in ("metric", "product", "rate_card")} == {
        kind: {one["key"]: one["id"] for one in catalog if one["kind"] == kind}
        for kind in ("metric", "product", "rate_card")
    }


def test_operations_are_in_the_order_in_which_they_happened(tmp_path: Path):
    """An invoice is voided right before the one that corrects it, and after it was imported."""
    make(world(customers=100, months=12), tmp_path)
    operations = lines_of(tmp_path, "invoices")

    imported: set[str] = set()
    voided = 0
    for before, one in zip([None, *operations[:-1]], operations, strict=True):
        if one["operation"] == "void":
            assert one["key"] in imported
            voided += 1
        else:
            imported.add(one["key"])
            if before is not None and before["operation"] == "void":
                assert one["key"].startswith(before["key"])
    assert voided == manifest_of(tmp_path)["counts"]["voids"] > 0


def test_the_sums_are_those_of_the_rows(tmp_path: Path):
    make(world(format="csv"), tmp_path)
    manifest = manifest_of(tmp_path)

    invoices = [row for file in sorted((tmp_path / "invoices").iterdir()) for row in rows_of(file)]
    void = {row["invoice"] for row in invoices if row["is_void"] == "true"}
    for name in ("gross", "paid_by_credits", "paid_by_commits", "total"):
        amounts = (Decimal(row[name]) for row in invoices if row["invoice"] not in void)
        assert sum(amounts) == manifest["sums"][name]
    quantity: Counter[str] = Counter()
    for file in (tmp_path / "subtotals").iterdir():
        for row in rows_of(file):
            if row["invoice"] not in void:
                quantity[row["product"]] += int(row["quantity"])
    assert quantity == manifest["sums"]["quantity"]


def test_parquet_holds_the_rows_of_csv(tmp_path: Path):
    import pyarrow.parquet as pq

    for format in ("csv", "parquet"):
        make(world(format=format, customers=10), tmp_path / format)

    for table in ("customers", "contracts", "invoices", "subtotals"):
        expected = rows_of(tmp_path / "csv" / table / "part-00000.csv")
        found = pq.read_table(tmp_path / "parquet" / table / "part-00000.parquet").to_pylist()
        assert [{name: told(value) for name, value in row.items()} for row in found] == expected


def test_all_shards_together_are_one_run(made: Path, tmp_path: Path):
    format = manifest_of(made)["format"]
    for number in (1, 2):
        folder = tmp_path / str(number)
        make(world(format=format), folder, Shard(number, 2))
        assert not (folder / "manifest.json").exists()
        shutil.copytree(folder, tmp_path / "all", dirs_exist_ok=True)

    steps = make(world(format=format), tmp_path / "all")

    assert {step.did.value for step in steps} == {"found"}
    assert files_in(tmp_path / "all") == files_in(made)


def test_the_last_shard_in_one_folder_writes_the_manifest(tmp_path: Path):
    first = generate(tmp_path / "out", "--shard", "1/2")
    last = generate(tmp_path / "out", "--shard", "2/2")

    assert "1 of 3 parts are missing" in " ".join(first.output.split())
    assert "missing" not in last.output
    make(world(), tmp_path / "one")
    assert files_in(tmp_path / "out") == files_in(tmp_path / "one")


def test_a_shard_without_a_part_has_nothing_to_do(tmp_path: Path):
    done = generate(tmp_path / "out", "--shard", "8/8")

    assert done.exit_code == 0, done.output
    assert "3 of 3 parts are missing" in done.output
    assert set(files_in(tmp_path / "out")) == {"plan.json", "catalog.json"}


def test_more_customers_and_months_leave_the_others_as_they_were(tmp_path: Path):
    make(world(customers=20, months=3), tmp_path / "few")
    make(world(customers=40, months=6), tmp_path / "many")

    few, many = lines_of(tmp_path / "few", "invoices"), lines_of(tmp_path / "many", "invoices")
    assert few
    assert all(line in many for line in few)


def test_by_the_hour_the_windows_are_others_and_no_sum_is(tmp_path: Path):
    few = {"customers": 4, "months": 2}
    for name, *more in (("day",), ("hour", "--granularity", "hour")):
        assert generate(tmp_path / name, *more, **few).exit_code == 0
    day, hour = (manifest_of(tmp_path / name) for name in ("day", "hour"))

    assert hour["sums"] == day["sums"]
    assert hour["counts"] == {**day["counts"], "subtotals": 24 * day["counts"]["subtotals"]}
    by_day, by_hour = (
        [
            line
            for row in lines_of(tmp_path / name, "invoices")
            if row["operation"] == "import"
            for line in row["invoice"]["usage_line_items"]
        ]
        for name in ("day", "hour")
    )
    for line, other in zip(by_day, by_hour, strict=True):
        windows, hours = line["subtotals_with_quantity"], other["subtotals_with_quantity"]
        assert len(hours) == 24 * len(windows)
        for place, window in enumerate(windows):
            mine = hours[24 * place : 24 * place + 24]
            assert mine[0]["inclusive_start_date"] == window["inclusive_start_date"]
            assert mine[-1]["exclusive_end_date"] == window["exclusive_end_date"]
            assert sum(each["quantity"] for each in mine) == window["quantity"]


def lines_of(folder: Path, table: str) -> list[dict[str, object]]:
    files = sorted((folder / table).iterdir())
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def told(value: object) -> str:
    """Return a value of Parquet as CSV has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
