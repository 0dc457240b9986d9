"""The pytest plugin in runs of its own: what a user writes, and what pytest then says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from toolkit.runs import PLUGIN, Run, runner
from toolkit.servers import answering, says

from metronome_sandbox.demo import running


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(pytester, monkeypatch)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A sandbox that runs already, as another process."""
    with running(0) as server:
        yield server.url


def test_each_test_has_a_tenant_of_its_own_on_one_server(run):
    result = run(
        """
        import pytest

        SEEN = set()

        @pytest.mark.parametrize("number", range(3))
        def test_it_is_empty(metronome_sandbox, number):
            assert metronome_sandbox.call("GET", "/v1/customers")["data"] == []
            metronome_sandbox.priced_contract()
            SEEN.add((metronome_sandbox.base_url, metronome_sandbox.token))

        def test_one_server_and_three_tokens():
            assert len(SEEN) == 3
            assert len({url for url, _ in SEEN}) == 1
        """
    )

    result.assert_outcomes(passed=4)


def test_the_official_sdk_needs_no_argument_and_the_environment_is_as_before_afterwards(run, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost")
    result = run(
        """
        import os

        from metronome import Metronome

        def test_code_with_the_sdk(metronome_sandbox):
            with Metronome() as client:
                client.v1.customers.create(name="Acme")
            assert os.environ["NO_PROXY"] == "localhost,127.0.0.1"
            assert [call.operation_id for call in metronome_sandbox.requests] == ["createCustomer-v1"]

        def test_afterwards():
            assert "METRONOME_BASE_URL" not in os.environ
            assert os.environ["NO_PROXY"] == "localhost"
        """
    )

    result.assert_outcomes(passed=2)


def test_a_failing_test_tells_its_requests_and_what_changed(run):
    result = run(
        """
        import pytest

        def test_bills(metronome_sandbox):
            metronome_sandbox.clock.set("2024-08-15")
            deal = metronome_sandbox.priced_contract(price=1000)
            metronome_sandbox.use(deal, 3)
            metronome_sandbox.faults.status(503, "listInvoices-v1", message="later")
            with pytest.raises(Exception):
                metronome_sandbox.invoices(deal)
            assert metronome_sandbox.invoices(deal)[0]["total"] == 4000
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- metronome: requests, oldest first -*",
            "200 POST /v1/customers  createCustomer-v1",
            "200 POST /v1/ingest  ingest-v1",
            "503 GET /v1/customers/*/invoices[?]limit=100  listInvoices-v1  fault: status",
            "    later",
            "200 GET /v1/customers/*/invoices[?]limit=100  listInvoices-v1",
            "*- metronome: what this test changed -*",
            "+ customer *: name Acme Inc",
            "+ usage invoice *: status DRAFT; total 3000;*",
        ]
    )


def test_a_failing_test_tells_what_the_api_ignored_without_a_word(run):
    result = run(
        """
        from metronome import Metronome

        def test_aliases(metronome_sandbox):
            with Metronome() as client:
                made = client.v1.customers.create(name="Acme", extra_body={"ingestAliases": ["acme"]}).data
            assert made.ingest_aliases == ["acme"]
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "200 POST /v1/customers  createCustomer-v1",
            "    ingestAliases: unknown here and ignored by the API; did you mean ingest_aliases[?]",
        ]
    )


def test_what_went_wrong_is_shown_at_the_line_of_the_test(run):
    result = run(
        """
        def test_refused(metronome_sandbox):
            metronome_sandbox.clock.advance("soon")

        def test_no_day(metronome_sandbox):
            metronome_sandbox.clock.set("15.08.2024")

        def test_wrong_order(metronome_sandbox):
            metronome_sandbox.faults.status("createCustomer-v1")

        def test_not_found(metronome_sandbox):
            metronome_sandbox.call("GET", "/v1/nothing")
        """
    )

    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            '>*clock.advance("soon")',
            "E *CallFailed: *by: 'soon' is no ISO 8601 duration*",
            '>*clock.set("15.08.2024")',
            "E *ValueError: *received '15.08.2024'",
            '>*faults.status("createCustomer-v1")',
            "E *TypeError: *faults.status(503, 'createCustomer-v1')",
            '>*call("GET", "/v1/nothing")',
            "E *CallFailed: *there is no path /v1/nothing*",
        ]
    )
    for file in ("sandboxes.py", "connection.py"):
        result.stdout.no_fnmatch_line(f"*toolkit*{file}:*")


def test_a_fixture_that_fails_tells_it_too(run):
    result = run(
        """
        import pytest

        @pytest.fixture
        def company(metronome_sandbox):
            metronome_sandbox.call("POST", "/v1/customers", {"name": 5})

        def test_bills(company):
            pass
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["400 POST /v1/customers  createCustomer-v1", "    name: expected a string, received 5"]
    )


def test_a_test_without_the_fixture_fails_without_a_word_of_ours(run):
    result = run("def test_bills(): assert 0")

    result.assert_outcomes(failed=1)
    assert "metronome" not in result.stdout.str().replace(PLUGIN, "")


def test_each_worker_of_xdist_has_a_server(run):
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it_is_empty(metronome_sandbox, number):
            assert metronome_sandbox.call("GET", "/v1/customers")["data"] == []
            metronome_sandbox.priced_contract()
        """,
        *("-p", "xdist", "-n", "2"),
    )

    result.assert_outcomes(passed=6)


# What a test may do

READS_AND_WRITES = """
    import pytest

    @pytest.mark.metronome(writes=False)
    def test_reads(metronome_sandbox):
        assert isinstance(metronome_sandbox.call("GET", "/v1/customers?limit=1")["data"], list)

    @pytest.mark.metronome(writes=True)
    def test_writes(metronome_sandbox):
        metronome_sandbox.priced_contract()

    def test_says_nothing(metronome_sandbox):
        metronome_sandbox.priced_contract()
"""


def test_a_sandbox_lets_every_test_do_what_it_says(run):
    run(READS_AND_WRITES).assert_outcomes(passed=3)


def test_a_test_that_breaks_its_word_fails(run):
    result = run(
        """
        import pytest
        from metronome import Metronome

        @pytest.mark.metronome(writes=False)
        def test_reads(metronome_sandbox):
            with Metronome() as client:
                client.v1.customers.create(name="Acme")
        """
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*this test says that it only reads, and it called POST /v1/customers"])


@pytest.mark.parametrize("arguments", ["", "True", "writes=1", "wirtes=True", "writes=True, reads=True"])
def test_a_mark_that_says_something_else_is_refused(run, arguments):
    result = run(
        f"""
        import pytest

        @pytest.mark.metronome({arguments})
        def test_reads(metronome_sandbox):
            pass
        """
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*received metronome({arguments})"])


# Other targets


def test_the_same_tests_run_against_a_sandbox_at_a_url(run, url):
    result = run(READS_AND_WRITES, "--metronome-target", url)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"metronome target: {url}"])


REAL = """
    import pytest

    from metronome_sandbox.toolkit import connection

    ASKED = []

    @pytest.fixture(autouse=True)
    def no_network(monkeypatch):
        def send(self, method, path, body=None, headers=None):
            ASKED.append((self._host, method, path))
            return connection.Answer(200, {}, b'{"data": []}')

        monkeypatch.setattr(connection.Connection, "send", send)

    @pytest.mark.metronome(writes=False)
    def test_reads(metronome_sandbox):
        assert metronome_sandbox.token == "secret"
        metronome_sandbox.call("GET", "/v1/customers")

    @pytest.mark.metronome(writes=True)
    def test_writes(metronome_sandbox):
        metronome_sandbox.call("POST", "/v1/customers", {"name": "Acme"})

    def test_says_nothing(metronome_sandbox):
        raise AssertionError("this must not run")

    @pytest.mark.metronome(writes=False)
    def test_travels(metronome_sandbox):
        metronome_sandbox.clock.advance("P1M")
        raise AssertionError("this must not go on")

    def test_what_was_asked():
        print("ASKED", ASKED)
"""
"""Tests against the real API, which is never asked."""

REAL_URL = "https://api.metronome.com"


def test_production_is_read_and_not_written(run, monkeypatch):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")

    result = run(REAL, "--metronome-target", REAL_URL, "-s")

    result.assert_outcomes(passed=2, errors=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "*ASKED [[]('api.metronome.com', 'GET', '/v1/customers')[]]",
            "this test writes, and api.metronome.com is no sandbox; if that is what you want, say "
            '--metronome-allow-writes "yes, write to api.metronome.com", or choose those that only read: '
            '-m "metronome(writes=False)"',
        ]
    )
    assert "secret" not in result.stdout.str()


def test_production_is_written_when_it_is_asked_for_in_words(run, monkeypatch):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")
    words = ("--metronome-allow-writes", "yes, write to api.metronome.com")

    result = run(REAL, "--metronome-target", REAL_URL, *words, "-s")

    result.assert_outcomes(passed=3, skipped=2)
    result.stdout.fnmatch_lines(["*('api.metronome.com', 'POST', '/v1/customers')*"])


@pytest.mark.parametrize("words", ["yes", "yes, write to metronome.com", "Yes, write to api.metronome.com", "1"])
def test_other_words_allow_nothing(run, monkeypatch, words):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")

    run(REAL, "--metronome-target", REAL_URL, "--metronome-allow-writes", words).assert_outcomes(
        passed=2, errors=1, skipped=2
    )


def test_another_host_is_no_safer_since_a_proxy_may_lead_anywhere(run, monkeypatch):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")

    result = run(REAL, "--metronome-target", "http://127.0.0.1:4999")

    result.assert_outcomes(passed=2, errors=1, skipped=2)
    result.stdout.fnmatch_lines(['*--metronome-allow-writes "yes, write to 127.0.0.1"*'])


def test_the_way_to_choose_tests_that_only_read_works(run, monkeypatch):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")

    result = run(REAL, "--metronome-target", REAL_URL, "-m", "metronome(writes=False)")

    result.assert_outcomes(passed=1, skipped=1, deselected=3)


def test_the_real_api_needs_a_token(run):
    result = run(REAL, "--metronome-target", REAL_URL, "-k", "reads")

    result.assert_outcomes(errors=1, deselected=4)
    result.stdout.fnmatch_lines(["*needs a bearer token in METRONOME_BEARER_TOKEN"])


def test_a_target_where_nobody_answers_is_one_sentence(run):
    result = run(READS_AND_WRITES, "--metronome-target", "http://127.0.0.1:9")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["--metronome-target http://127.0.0.1:9: GET /sandbox/health: *refused*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("answer", "scheme", "said"),
    [
        (says(b" " * 1024 * 1024 * 2), "http", "GET /sandbox/health: the answer has more than 1 MB"),
        (says(b"{}"), "https", "GET /sandbox/health: *SSL*"),
    ],
    ids=["long", "no TLS"],
)
def test_a_target_that_is_no_api_is_one_sentence(run, answer, scheme, said):
    with answering(answer) as url:
        result = run(READS_AND_WRITES, "--metronome-target", url.replace("http", scheme), "-k", "reads")

    result.assert_outcomes(errors=1, deselected=2)
    result.stdout.fnmatch_lines([f"--metronome-target {scheme}://*: {said}"])
    assert "Traceback" not in result.stdout.str()


def test_a_page_for_people_is_no_sandbox_and_no_api(run, monkeypatch):
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "secret")
    with answering(says(b"<html>Welcome</html>", content_type="text/html")) as url:
        result = run(READS_AND_WRITES, "--metronome-target", url, "-k", "reads")

    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["E *CallFailed: GET /v1/customers?limit=1 answered 200: no JSON: b'<html>*"])


def test_a_target_that_is_none_is_wrong_usage(run):
    result = run(READS_AND_WRITES, "--metronome-target", "sandbx")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --metronome-target: 'sandbx' is no target; expected 'sandbox', *"])


# What it costs those who do not use it


def test_the_plugin_imports_nothing_but_pytest_before_somebody_asks():
    program = f"""
import sys, pytest
before = set(sys.modules)
import {PLUGIN}
ours = {{name for name in sys.modules if name.startswith("metronome_sandbox")}}
print(sorted(set(sys.modules) - before - ours), sorted(ours))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True, env=dict(os.environ)
    )

    assert done.stdout.split("] [")[0] == "["
    assert done.stdout.strip().endswith(f"['metronome_sandbox', 'metronome_sandbox.toolkit', '{PLUGIN}']")
