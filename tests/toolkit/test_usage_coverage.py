"""What a client used: counted from the journal of a sandbox and from recordings."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toolkit.in_process import Sandbox

from metronome_sandbox.cli import main
from metronome_sandbox.client.asking import Answer, CannotAsk
from metronome_sandbox.demo import running
from metronome_sandbox.toolkit.usage_coverage import Call, Coverage, of_har, of_journal, page

CUSTOMER = {"name": "Secret Inc", "custom_fields": {"secret_key": "secret"}, "nmae": "x"}


def of(*calls: Call) -> dict[str, Any]:
    coverage = Coverage()
    for call in calls:
        coverage.add(call)
    return coverage.tree()


def test_fields_values_and_statuses_are_counted_with_their_tests():
    product = {"name": "P", "type": "FIXED"}
    path = "/v1/contract-pricing/products/create"

    tree = of(
        Call("POST", path, 200, product, {"data": {"id": "1"}}, "test_a"),
        Call("POST", path, 400, {"name": "P"}, {"message": "no"}, "test_b"),
    )

    [operation] = tree["operations"].values()
    assert operation["calls"] == 2
    assert operation["statuses"]["400"] == {"times": 1, "tests": ["test_b"]}
    assert operation["sent"]["name"] == {"times": 2, "tests": ["test_a", "test_b"]}
    assert operation["sent"]["type"]["values"] == {"FIXED": {"times": 1, "tests": ["test_a"]}}
    assert operation["read"]["200"]["data.id"]["tests"] == ["test_a"]
    assert "tags" in operation["never_sent"]
    assert "type: USAGE" in operation["values_never_sent"]
    assert operation["used"]["fields"] == 2
    assert tree["summary"]["operations"]["used"] == 1
    assert "createContract-v1" in tree["not_used"]


def test_what_an_event_measures_is_known_and_named_nowhere():
    properties = {"secret_metric": 3, "deeper": {"secret_inner": 1}}
    event = {"transaction_id": "1", "customer_id": "c", "event_type": "e", "timestamp": "t", "properties": properties}

    [operation] = of(Call("POST", "/v1/ingest", 200, [{**event, "proprties": {}}], None))["operations"].values()

    assert list(operation["unknown"]) == ["[].proprties"]
    assert "[].properties" in operation["sent"]
    assert "secret" not in json.dumps(operation)


def test_two_coverages_add_up_to_what_one_would_have_counted():
    product = {"name": "P", "type": "FIXED", "nmae": 1}
    calls = [
        Call("POST", "/v1/contract-pricing/products/create", 200, product, {"data": {"id": "1"}}, "test_a"),
        Call("POST", "/v1/contract-pricing/products/create", 400, {"name": "P"}, {"message": "no"}, "test_b"),
        Call("POST", "/v1/contracts/create", 409, None, {"message": "no", "code": "CONFLICT"}, "test_b"),
        Call("GET", "/v1/customers?limit=5", 200, None, "no JSON", None),
        Call("PUT", "/nowhere", 404),
    ]
    first, second = Coverage(), Coverage()
    for call in calls[:2]:
        first.add(call)
    for call in calls[1:]:
        second.add(call)

    first.merge(json.loads(json.dumps(second.tree())))

    assert first.tree() == of(*calls[:2], *calls[1:])


def test_lists_and_windows_have_one_path_for_all_items():
    line = {"product_id": "1", "subtotals_with_quantity": [{"quantity": 1}, {"quantity": 2}]}
    body = {"preview": True, "invoices": [{"usage_line_items": [line, line]}]}

    [operation] = of(Call("POST", "/v1/contracts/createHistoricalInvoices", 200, body))["operations"].values()

    path = "invoices[].usage_line_items[].subtotals_with_quantity[].quantity"
    assert operation["sent"][path]["times"] == 4


def test_query_and_templated_paths_are_counted():
    path = "/v1/customers/0b9d7a53-6c0e-5a5e-9d2f-3c1f6a1e7b10/invoices?status=DRAFT&limit=5&wrong=1"

    [(name, operation)] = of(Call("GET", path, 200, None, {"data": []}))["operations"].items()

    assert name == "listInvoices-v1"
    assert set(operation["sent"]) == {"query status", "query limit"}
    assert set(operation["unknown"]) == {"query wrong"}


def test_error_codes_are_counted():
    body = {"code": "CustomerNotFound", "message": "no customer"}

    [operation] = of(Call("POST", "/v2/contracts/get", 404, {}, body))["operations"].values()

    assert operation["error_codes"] == {"CustomerNotFound": {"times": 1, "tests": []}}


def test_a_misspelt_field_is_unknown_and_nothing_of_a_customer_is_kept():
    tree = of(Call("POST", "/v1/customers", 200, CUSTOMER, {"data": {"id": "7", "name": "Secret Inc"}}))

    [operation] = tree["operations"].values()
    assert set(operation["unknown"]) == {"nmae"}
    assert "custom_fields{}" in operation["sent"]
    assert "ecret" not in json.dumps(tree)
    assert "ecret" not in page(tree)


def test_calls_of_other_hosts_are_counted_without_their_paths():
    assert of(Call("GET", "/secret/path", 200))["other_calls"] == {"GET": 1}


def test_a_prefix_of_a_gateway_is_left_out():
    assert list(of(Call("POST", "/billing/v1/customers", 200, {"name": "x"}))["operations"]) == ["createCustomer-v1"]


def test_the_journal_of_a_sandbox_is_a_source():
    alice = Sandbox().connect("alice")
    alice.send("POST", "/v1/customers", {"name": "Acme"})
    alice.send("GET", "/v1/customers?limit=3")

    calls = of_journal(alice, "test_x")

    assert [(one.method, one.path, one.status) for one in calls] == [
        ("POST", "/v1/customers", 200),
        ("GET", "/v1/customers?limit=3", 200),
    ]
    operations = of(*calls)["operations"]
    assert operations["createCustomer-v1"]["sent"]["name"] == {"times": 1, "tests": ["test_x"]}
    assert operations["listCustomers-v1"]["sent"]["query limit"]["times"] == 1


def test_what_keeps_no_journal_is_told():
    class Vendor:
        def send(self, method: str, path: str, body: Any = None, /) -> Answer:
            return Answer(404, {}, b'{"message": "Not found"}')

    with pytest.raises(CannotAsk, match="no journal of a sandbox"):
        of_journal(Vendor())


def har(**entry: Any) -> dict[str, Any]:
    request = {
        "method": "POST",
        "url": "https://api.example.com/v1/customers",
        "headers": [{"name": "Authorization", "value": "Bearer secret"}],
        "postData": {"mimeType": "application/json", "text": '{"name": "Acme"}'},
    }
    text = b64encode(b'{"data": {"id": "1", "name": "Acme"}}').decode()
    response = {"status": 200, "content": {"text": text, "encoding": "base64"}}
    entries = [{"pageref": "p", "request": request, "response": response, **entry}]
    return {"log": {"version": "1.2", "pages": [{"id": "p", "title": "test_names"}], "entries": entries}}


def test_a_recording_is_a_source_and_its_pages_are_tests(tmp_path: Path):
    file = tmp_path / "calls.har"
    file.write_text(json.dumps(har()))

    tree = of(*of_har(file))

    operation = tree["operations"]["createCustomer-v1"]
    assert operation["sent"]["name"]["tests"] == ["test_names"]
    assert operation["read"]["200"]["data.name"]["times"] == 1
    assert "secret" not in json.dumps(tree)


def test_a_call_without_an_answer_counts_for_what_it_sent():
    tree = of(Call("POST", "/v1/customers", 0, {"name": "Acme"}))

    operation = tree["operations"]["createCustomer-v1"]
    assert (operation["sent"]["name"]["times"], operation["statuses"], operation["read"]) == (1, {}, {})


def test_a_body_that_was_cut_is_told():
    tree = of(Call("POST", "/v1/customers", 200, '{"name": "Acm', '{"data": {"id"'))

    assert tree["bodies_not_read"] == 2
    assert tree["operations"]["createCustomer-v1"]["sent"] == {}


# --- the command


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(0) as server:
        yield server.url


def coverage(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["coverage", *arguments])


def test_the_command_reads_a_sandbox_and_writes_files(url: str, tmp_path: Path):
    from metronome_sandbox.client.asking import Host

    Host(url, "t").send("POST", "/v1/customers", {"name": "Acme", "nmae": "x"})
    out, html = tmp_path / "coverage.json", tmp_path / "coverage.html"

    done = coverage("--base-url", url, "--token", "t", "--test", "test_y", "--out", str(out), "--html", str(html))

    assert done.exit_code == 0, done.output
    assert "1 calls: 1 of" in done.output
    assert "createCustomer-v1: nmae is sent, and the document does not know it" in done.output
    assert json.loads(out.read_text())["operations"]["createCustomer-v1"]["tests"] == ["test_y"]
    assert "createCustomer-v1" in html.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "log.entries is missing"),
        ('{"log": {"entries": [{"request": 3}]}}', "log.entries[0] is no entry"),
        ('{"log": {"entries": [{"request": {"method": "GET", "url": "http://[x"}}]}}', "log.entries[0] is no entry"),
        ("<html>", "is no JSON"),
    ],
)
def test_a_broken_recording_is_one_sentence(tmp_path: Path, content: str, message: str):
    file = tmp_path / "broken.har"
    file.write_text(content)

    done = coverage("--har", str(file), "--out", str(tmp_path / "out.json"))

    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    file = tmp_path / "calls.har"
    file.write_text(json.dumps(har()))

    done = coverage("--har", str(file), "--out", str(tmp_path / "no" / "out.json"))

    assert (done.exit_code, "cannot be written" in done.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_a_recording_is_not_replaced_by_what_is_counted_in_it(tmp_path: Path, option: str):
    file = tmp_path / "b.har"
    file.write_text("no JSON, but it is not read either")
    others = () if option == "--out" else ("--out", str(tmp_path / "out.json"))

    done = coverage("--har", str(file), option, str(tmp_path / "x" / ".." / "b.har"), *others)

    assert done.exit_code == 2
    assert f"b.har is the recording {file}; name another file, this one would be replaced" in done.stderr
    assert file.read_text() == "no JSON, but it is not read either"
    assert not (tmp_path / "out.json").exists()
