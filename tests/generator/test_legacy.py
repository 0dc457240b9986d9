"""``generate --legacy``: the same invoices as an old billing system would export them, and what is planted in them."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from generator.generating import files_in, generate

from metronome_sandbox.cli import main
from metronome_sandbox.generator.plants import EACH, KINDS
from metronome_sandbox.importer.mapping import load_mapping
from metronome_sandbox.serving import BackgroundServer

SIZE = {"customers": 60, "months": 13}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module", params=["ai-api", "infrastructure", "saas-seats"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    for name, options in (("right", ["--legacy"]), ("planted", ["--legacy", "--plant"])):
        done = generate(made / name, *options, profile=request.param, **SIZE)
        assert done.exit_code == 0, done.output
        told = "planted: rounding 3, tier boundary 3, missing override 3, currency unit 3, commit drawn 3, quantity"
        assert (told in " ".join(done.stdout.split())) == (name == "planted")
        if name == "right":  # the rest is the same, so it is found and not made again
            shutil.copytree(made / "right", made / "planted")
    return made


def rows_of(folder: Path) -> Rows:
    with (folder / "legacy" / "legacy.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def by_invoice(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(row["invoice"], []).append(row)
    return found


def planted_in(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "legacy" / "planted.json").read_bytes(), parse_float=Decimal, parse_int=Decimal)


def test_it_comes_to_what_the_manifest_says(folder: Path):
    """Dollars here, cents there; amounts are before balances, totals after them; what was voided is not in it."""
    manifest = json.loads((folder / "right" / "manifest.json").read_bytes(), parse_float=Decimal)
    invoices = by_invoice(rows_of(folder / "right"))

    assert len(invoices) == manifest["counts"]["invoices"] - manifest["counts"]["voids"]
    amounts = sum(Decimal(row["amount"]) for rows in invoices.values() for row in rows)
    assert amounts * 100 == manifest["sums"]["gross"]
    totals = [{row["invoice_total"] for row in rows} for rows in invoices.values()]
    assert sum(Decimal(*one) for one in totals) * 100 == manifest["sums"]["total"]
    quantities: Counter[str] = Counter()
    names = {
        one["request"]["name"]: one["key"]
        for one in json.loads((folder / "right" / "catalog.json").read_bytes())["catalog"]
        if one["kind"] == "product"
    }
    for rows in invoices.values():
        for row in rows:
            quantities[names[row["product"]]] += int(row["quantity"])
    assert quantities == manifest["sums"]["quantity"]


def test_the_mapping_is_one_that_import_reads(folder: Path):
    mapping = load_mapping(folder / "right" / "legacy" / "mapping.yaml")

    with (folder / "right" / "legacy" / "legacy.csv").open(encoding="utf-8") as lines:
        columns = next(csv.reader(lines))
    assert {column for _, column in mapping.columns()} <= set(columns)
    assert mapping.is_cents is False


def test_nothing_but_what_is_told_was_planted(folder: Path):
    right, planted = by_invoice(rows_of(folder / "right")), by_invoice(rows_of(folder / "planted"))
    told = planted_in(folder / "planted")

    assert right.keys() == planted.keys()
    assert {number for number in right if right[number] != planted[number]} == {one["invoice"] for one in told}
    assert Counter(one["kind"] for one in told) == dict.fromkeys(KINDS, EACH)
    assert len({one["account"] for one in told}) > EACH


def test_each_kind_is_what_its_name_says(folder: Path):
    """A line's amount and the total change by the same; only a conversion changes a quantity, by a thousand."""
    right, planted = by_invoice(rows_of(folder / "right")), by_invoice(rows_of(folder / "planted"))
    for one in planted_in(folder / "planted"):
        before, after = right[one["invoice"]], planted[one["invoice"]]
        amounts = [(Decimal(old["amount"]), Decimal(new["amount"])) for old, new in zip(before, after, strict=True)]
        quantities = [(int(old["quantity"]), int(new["quantity"])) for old, new in zip(before, after, strict=True)]
        total = Decimal(before[0]["invoice_total"]), Decimal(after[0]["invoice_total"])
        differ = [pair for pair in amounts if pair[0] != pair[1]]
        counted = [pair for pair in quantities if pair[0] != pair[1]]
        kind = one["kind"]
        assert (kind == "quantity conversion") == bool(counted), one
        if kind == "currency unit":
            assert all(new == old * 100 for old, new in [*amounts, total]), one
        elif kind == "commit drawn":
            assert not differ, one
            assert total[1] == sum(old for old, _ in amounts) > total[0], one
        elif kind == "quantity conversion":
            [(old_quantity, new_quantity)] = counted
            assert new_quantity == old_quantity * 1000, one
            assert (differ, total[0]) == ([], total[1]), one
        else:
            [(old, new)] = differ
            assert total[1] - total[0] == new - old, one
            assert (old * 100, new * 100) == (one["amount_cents"], one["planted_cents"]), one
            if kind == "missing override":
                assert new == old * Decimal("0.75"), one
            elif kind == "rounding":
                [quantity] = [
                    old
                    for old, pair in zip([q for q, _ in quantities], amounts, strict=True)
                    if pair == (old_amount(one), new)
                ]
                assert new * 100 == quantity * one["rounded_cents"], one


def old_amount(one: dict[str, Any]) -> Decimal:
    return one["amount_cents"] / 100


def test_import_finds_what_was_planted_and_nothing_else(tmp_path: Path):
    """Catalog, customers and contracts are pushed; the old invoices are previewed on them and held to their totals."""
    server = BackgroundServer()
    try:
        where = ["--token", "legacy", "--push", server.url, "--without-invoices"]
        made = generate(tmp_path / "world", "--legacy", "--plant", *where, **SIZE)
        legacy = tmp_path / "world" / "legacy"
        files = [str(legacy / "legacy.csv"), "--mapping", str(legacy / "mapping.yaml")]
        where = ["--base-url", server.url, "--token", "legacy", "--json", str(tmp_path / "report.json")]
        done = CliRunner().invoke(main, ["import", *files, *where])
    finally:
        server.stop()

    assert made.exit_code == 0, made.output
    assert done.exit_code == 1, done.output
    report = json.loads((tmp_path / "report.json").read_bytes())
    found = {one["invoice"]: one["reason"] for one in report["differences"]}
    expected = {one["invoice"]: TOLD_AS.get(one["kind"], one["kind"]) for one in planted_in(tmp_path / "world")}
    assert found == expected
    assert report["invoices"]["out"] == len(expected) == EACH * len(KINDS)


TOLD_AS = {"missing override": "override"}


def test_the_rest_of_the_folder_is_the_same(folder: Path):
    """Legacy files stand beside the others and change none of them."""
    right, planted = (files_in(folder / name) for name in ("right", "planted"))

    assert {name for name in right if right[name] != planted[name]} == {"legacy/legacy.csv"}
    assert set(planted) - set(right) == {"legacy/planted.json"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plant"], "--plant plants into what --legacy writes; give both"),
        (["--without-invoices"], "--without-invoices says what --push loads; give both"),
        (["--legacy", "--shard", "1/2"], "--legacy: parts of other shards are missing"),
    ],
)
def test_wrong_usage_names_what_would_be_right(tmp_path: Path, options: list[str], message: str):
    done = generate(tmp_path / "out", *options)

    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
