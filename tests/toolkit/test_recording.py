"""Recordings: what is the same request, what it is answered, and what a recording proves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import metronome
import pytest
from toolkit.commands import Command
from toolkit.live import TOKEN, Live, Proxied

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.toolkit import har
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Sent
from metronome_sandbox.toolkit.recording import (
    BadRecording,
    Key,
    Recording,
    ReplayApp,
    canonical,
    load,
    mutation_score,
)

JSON = (("content-type", "application/json"),)
ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f1"
OTHER = "17b08a7b-3a9f-5671-9961-ac6216751334"
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
NAME = "/v1/customers/{}/setName"


def sent(method: str, path: str, body: Any = None) -> Sent:
    path, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Sent(method, path, query, JSON if raw else (), raw)


def exchange(method: str, path: str, body: Any = None, answer: Any = None, status: int = 200) -> Exchange:
    answered = Answered(status, JSON, json.dumps(answer).encode())
    return Exchange(sent(method, path, body), answered, datetime(2024, 8, 1, tzinfo=UTC))


def answers(app: ReplayApp, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = app.answer(sent(method, path, body))
    return answer.status, json.loads(answer.body)


def replay(*exchanges: Exchange) -> ReplayApp:
    return ReplayApp(Recording(exchanges))


# --- a session, recorded and played again


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Live]:
    with Live(create_app(Settings(scenario="acme"))) as live:
        yield live


def session(client: metronome.Metronome) -> list[Any]:
    """What a program does that imports July and reads it again."""
    [customer] = client.v1.customers.list()
    [contract] = client.v1.contracts.list(customer_id=customer.id).data
    products = {one.initial.name: one.id for one in client.v1.contracts.products.list()}
    july = {"inclusive_start_date": "2024-07-01T00:00:00Z", "exclusive_end_date": "2024-08-01T00:00:00Z"}
    invoice: Any = {
        "customer_id": customer.id,
        "contract_id": contract.id,
        "credit_type_id": USD,
        "issue_date": "2024-08-03T00:00:00Z",
        "usage_line_items": [{"product_id": products["API calls"], "quantity": 10.5, **july}],
        **july,
    }
    create = client.v1.contracts.create_historical_invoices
    preview = create(invoices=[invoice], preview=True)
    before = client.v1.customers.invoices.list(customer_id=customer.id, limit=1).data
    imported = create(invoices=[invoice], preview=False)
    after = [one.id for one in client.v1.customers.invoices.list(customer_id=customer.id, limit=1)]
    with pytest.raises(metronome.APIStatusError) as refused:
        client.v1.customers.retrieve(customer_id=OTHER)
    return [preview.to_dict(), [one.to_dict() for one in before], imported.to_dict(), after, str(refused.value)]


@pytest.fixture(scope="module")
def recorded(sandbox: Live, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    file = tmp_path_factory.mktemp("recording") / "july.har"
    with Proxied(sandbox.url, file) as proxied, metronome.Metronome(base_url=proxied.url, bearer_token=TOKEN) as client:
        result = session(client)
    return file, result


def test_a_program_gets_from_the_recording_what_it_got_from_the_api(recorded: tuple[Path, list[Any]]):
    file, result = recorded
    recording = load(file)

    for _ in range(2):  # each application begins from the start
        app = ReplayApp(recording)
        with Live(app) as live, metronome.Metronome(base_url=live.url, bearer_token="another") as client:
            assert session(client) == result
        assert app.refused == []


def test_a_recording_of_a_healthy_sandbox_has_nothing_to_find_in_its_answers(recorded: tuple[Path, list[Any]]):
    recording = load(recorded[0])

    assert [str(noted) for noted in recording.findings if noted.side == "answer"] == []
    assert recording.notes == ()


def test_a_real_recording_answers_no_altered_request(recorded: tuple[Path, list[Any]]):
    score = mutation_score(load(recorded[0]))

    assert (score.altered, score.answered, score.examples) == (84, 0, ())


def test_the_app_works_in_process(recorded: tuple[Path, list[Any]]):
    async def names() -> list[str]:
        transport = httpx.ASGITransport(app=ReplayApp(load(recorded[0])))
        async with httpx.AsyncClient(transport=transport, base_url="http://replay") as client:
            return [one["name"] for one in (await client.get("/v1/customers")).json()["data"]]

    assert asyncio.run(names()) == ["Acme Inc"]


# --- the same request


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b'{"a": 1, "b": [1, 2]}', b'{"b":[1,2],"a":1}', True),
        (b'{"a": 10}', b'{"a": 10.0}', True),
        (b'{"a": 10}', b'{"a": 1e1}', True),
        (b'{"a": 0.10}', b'{"a": 0.1}', True),
        (b'{"a": 0}', b'{"a": -0.0}', True),
        (b'{"a": 100}', b'{"a": 1000}', False),
        (b'{"a": 1}', b'{"a": -1}', False),
        (b'{"a": 0.1}', b'{"a": 0.10000000000000000001}', False),
        (b'{"a": 1e999999999}', b'{"a": 1e999999998}', False),
        (b'{"a": 1}', b'{"a": true}', False),
        (b'{"a": 1}', b'{"a": "1"}', False),
        (b'{"a": null}', b"{}", False),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}', False),
        (b"{}", b"", False),
        (b"{}", b"[]", False),
        (b"not json", b"not json", True),
        (b"not json", b"not jsom", False),
    ],
)
def test_bodies_are_compared_as_values(one: bytes, other: bytes, is_same: bool):
    recording = Recording([exchange("POST", "/v1/customers", one)])

    assert bool(recording.answers(sent("POST", "/v1/customers", other))) == is_same


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("limit=5&status=DRAFT", "status=DRAFT&limit=5", True),
        ("limit=5", "limit=05", True),
        ("status=A%20B", "status=A+B", True),
        ("limit=5", "limit=6", False),
        ("limit=5", "", False),
        ("limit=5", "limit=5&unheard_of=1", False),
        ("limit=x", "limit=y", False),
    ],
)
def test_queries_are_compared_as_the_operation_reads_them(one: str, other: str, is_same: bool):
    path = f"/v1/customers/{ID}/invoices"
    recording = Recording([exchange("GET", f"{path}?{one}")])

    assert bool(recording.answers(sent("GET", f"{path}?{other}"))) == is_same


def test_a_parameter_that_is_left_out_stands_for_its_default():
    recording = Recording([exchange("GET", "/v1/customers?limit=100")])

    assert recording.answers(sent("GET", "/v1/customers"))


def test_path_parameters_are_compared():
    recording = Recording([exchange("POST", NAME.format(ID), {"name": "A"})])

    assert recording.answers(sent("POST", NAME.format(ID), {"name": "A"}))
    assert not recording.answers(sent("POST", NAME.format(OTHER), {"name": "A"}))


def test_secrets_are_gone_on_both_sides():
    recorded = exchange("POST", "/v1/customers", {"name": "A", "webhook_secret": "[removed]"})

    assert Recording([recorded]).answers(sent("POST", "/v1/customers", {"name": "A", "webhook_secret": "hush"}))


def test_equal_texts_are_equal_values_only():
    assert canonical({"a,b": [], "c": {"d": None}}) == '{"a,b":[],"c":{"d":null}}'
    assert canonical(["1", 1]) == '["1",1e0]'


@pytest.mark.parametrize("depth", [99, 200, 5000, 100_000])
def test_absurdly_deep_bodies_are_compared_too(depth: int):
    deep, deeper = b"[" * depth + b"]" * depth, b"[" * (depth + 1) + b"]" * (depth + 1)
    app = replay(exchange("POST", "/v1/customers", deep, 1))

    assert answers(app, "POST", "/v1/customers", deeper)[0] == 501
    assert answers(app, "POST", "/v1/customers", deep) == (200, 1)
    assert mutation_score(app.recording).answered == 0


# --- which answer


def test_the_order_of_different_requests_is_nobodys_business():
    app = replay(
        exchange("POST", "/v1/customers", {"name": "A"}, 1), exchange("POST", "/v1/customers", {"name": "B"}, 2)
    )

    assert answers(app, "POST", "/v1/customers", {"name": "B"}) == (200, 2)
    assert answers(app, "POST", "/v1/customers", {"name": "A"}) == (200, 1)


def test_equal_requests_are_answered_in_their_order_and_a_read_goes_on_with_the_last():
    app = replay(exchange("GET", "/v1/customers", None, "first"), exchange("GET", "/v1/customers", None, "second"))

    assert [answers(app, "GET", "/v1/customers")[1] for _ in range(4)] == ["first", "second", "second", "second"]


def test_a_read_by_post_goes_on_as_well():
    app = replay(exchange("POST", "/v1/contracts/list", {"customer_id": ID}, "only"))

    assert [answers(app, "POST", "/v1/contracts/list", {"customer_id": ID})[1] for _ in range(2)] == ["only", "only"]


def test_a_write_is_not_answered_more_often_than_it_was():
    app = replay(
        exchange("POST", "/v1/customers", {"name": "A"}, 1), exchange("POST", "/v1/customers", {"name": "A"}, 2)
    )
    post = [answers(app, "POST", "/v1/customers", {"name": "A"}) for _ in range(3)]

    assert post[:2] == [(200, 1), (200, 2)]
    assert post[2][0] == 501
    assert "2 times, and this is one more" in post[2][1]["message"]
    assert app.refused == [post[2][1]["message"]]


def test_a_status_and_its_headers_are_answered_as_they_were_and_not_those_of_the_connection():
    headers = (
        *JSON,
        ("Retry-After", "7"),
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("Date", "x"),
    )
    call = Exchange(sent("GET", "/v1/customers"), Answered(429, headers, b"{}"), datetime(2024, 8, 1, tzinfo=UTC))

    assert replay(call).answer(sent("GET", "/v1/customers")) == Answered(429, (*JSON, ("Retry-After", "7")), b"{}")


# --- no answer


def test_a_refusal_names_the_nearest_request_and_where_it_differs():
    app = replay(
        exchange("POST", NAME.format(ID), {"name": "A", "x": [{"y": 1}]}),
        exchange("POST", NAME.format(OTHER), {"name": "something else", "z": 1}),
    )

    status, body = answers(app, "POST", NAME.format(ID), {"name": "A", "x": [{"y": 2}]})

    assert status == 501
    assert body["message"] == (
        "the recording has no such call of setCustomerName-v1; "
        "the nearest of 2 differs at x[0].y: recorded 1, received 2"
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/v1/credit-types/list", None, "the recording has no call of listCreditTypes-v1"),
        ("GET", "/nothing", None, "the recording has no call of GET /nothing"),
        ("POST", NAME.format(OTHER), {"name": "A"}, f'path parameter customer_id: recorded "{ID}", received "{OTHER}"'),
        ("POST", NAME.format(ID), {}, 'name: recorded "A", received nothing'),
        ("POST", f"{NAME.format(ID)}?x=1", {"name": "A"}, 'query parameter x: recorded nothing, received "1"'),
    ],
)
def test_what_was_never_recorded_is_a_501_that_says_why(method: str, path: str, body: Any, words: str):
    status, answer = answers(replay(exchange("POST", NAME.format(ID), {"name": "A"})), method, path, body)

    assert status == 501
    assert words in answer["message"]


def test_an_sdk_does_not_repeat_what_has_no_answer():
    app = replay(exchange("GET", "/v1/customers", None, {"data": [], "next_page": None}))
    with (
        Live(app) as live,
        metronome.Metronome(base_url=live.url, bearer_token="t") as client,
        pytest.raises(metronome.InternalServerError, match="no call of createCustomer-v1"),
    ):
        client.v1.customers.create(name="A")

    assert len(app.refused) == 1


# --- today's document


def test_a_recording_is_held_to_the_document_when_it_is_loaded(recorded: tuple[Path, list[Any]], tmp_path: Path):
    tree = json.loads(recorded[0].read_bytes())
    content = tree["log"]["entries"][0]["response"]["content"]
    content["text"] = content["text"].replace('"next_page":null', '"nextPage":null')
    file = tmp_path / "old.har"
    file.write_text(json.dumps(tree))

    found = [noted for noted in load(file).findings if noted.side == "answer"]

    assert {(noted.call, noted.number) for noted in found} == {("listCustomers-v1", 1)}
    assert "next" in str(found[0])


# --- files


def entry(url: str = "https://api.example.com/v1/customers", **more: Any) -> dict[str, Any]:
    request = {"method": "GET", "url": url, "headers": [], **more.pop("request", {})}
    response = {"status": 200, "headers": [], "content": {"text": "{}"}, **more.pop("response", {})}
    return {"request": request, "response": response, **more}


def written(tmp_path: Path, *entries: Any) -> Path:
    file = tmp_path / "some.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": list(entries)}}))
    return file


def test_what_is_written_is_read_again(tmp_path: Path):
    calls = [
        exchange("POST", "/v1/customers?a=1&b=%20", {"name": "Jürgen"}, {"x": "ü"}, status=409),
        Exchange(
            Sent("POST", "/v1/ingest", "", JSON, b"\xff\x00"),
            Answered(200, (), b"\xfe"),
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
        exchange("GET", "/v1/customers"),
    ]
    har.write(tmp_path / "calls.har", calls, "https://api.example.com/billing")

    entries = har.read(tmp_path / "calls.har").entries

    assert {one.origin for one in entries} == {"https://api.example.com"}
    assert [one.exchange.sent.path for one in entries] == [f"/billing{one.sent.path}" for one in calls]
    for one, call in zip(entries, calls, strict=True):
        assert one.exchange.answered == call.answered
        assert (one.exchange.sent.query, one.exchange.sent.headers) == (call.sent.query, call.sent.headers)
        assert (one.exchange.sent.body, one.exchange.started_at) == (call.sent.body, call.started_at)
    assert load(tmp_path / "calls.har").answers(sent("GET", "/v1/customers"))


def test_the_file_is_complete_after_each_call_and_its_owners_alone(tmp_path: Path):
    path = tmp_path / "calls.har"
    with har.HarFile(path, "http://127.0.0.1") as file:
        for number in range(3):
            assert len(json.loads(path.read_bytes())["log"]["entries"]) == number
            file.add(exchange("GET", "/v1/customers"))

    tree = json.loads(path.read_bytes())
    assert path.stat().st_mode & 0o077 == 0
    assert tree["log"]["version"] == "1.2"
    assert tree["log"]["creator"].keys() == {"name", "version"}
    for one in tree["log"]["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= one.keys()
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"} <= one[
            "request"
        ].keys()
        assert {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"} <= one[
            "response"
        ].keys()


def test_other_hosts_in_a_browsers_recording_are_left_out_with_a_note(tmp_path: Path):
    file = written(
        tmp_path,
        entry("https://www.example.com/v1/customers"),  # one call that looks like ours does not make the API
        entry("https://cdn.example.com/app.js"),
        entry("https://cdn.example.com/app.css"),
        entry(),
        entry(request={"method": "OPTIONS"}),
        entry("https://api.example.com/v1/credit-types/list", request={"headers": [{"name": ":path", "value": "/"}]}),
        entry("chrome-extension://abc/page.html"),
        entry("https://api.example.com/v1/billable-metrics", response={"status": 0}),
    )

    recording = load(file)

    assert [one.sent.path for one in recording.exchanges] == ["/v1/customers", "/v1/credit-types/list"]
    assert recording.notes == (
        f"{file}: left out 1 call of https://www.example.com",
        f"{file}: left out 2 calls of https://cdn.example.com",
    )


def test_calls_without_their_bodies_are_left_out_with_a_note(tmp_path: Path):
    file = written(tmp_path, entry(), entry(response={"content": {"size": 5000}}))

    recording = load(file)

    assert (len(recording), recording.notes) == (
        1,
        (f"{file}: left out 1 of its calls, whose bodies were not recorded",),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no HAR file, which is JSON"),
        ("<html>", "is no HAR file, which is JSON"),
        ("[" * 100_000, "is no HAR file, which is JSON"),
        ("[]", "the file: expected an object, received list"),
        ("{}", "log: expected an object, received null"),
        ('{"log": {}}', "log.entries: expected an array, received null"),
        ('{"log": {"entries": [5]}}', "log.entries[0]: expected an object, received 5"),
        ('{"log": {"entries": [{"request": {}}]}}', "log.entries[0].response: expected an object, received null"),
        ('{"log": {"entries": []}}', "holds 0 calls, and none of them is a call of the billing API"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_the_place(tmp_path: Path, text: str, problem: str):
    file = tmp_path / "some.har"
    file.write_text(text)

    with pytest.raises(BadRecording) as refused:
        load(file)

    assert str(file) in str(refused.value)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (entry(request={"url": 5}), "log.entries[0].request.url: expected a string, received 5"),
        (entry(request={"url": "http://[::"}), 'log.entries[0].request.url: expected a URL, received "http://[::"'),
        (entry(request={"method": None}), "log.entries[0].request.method: expected a string, received null"),
        (entry(response={"status": "200"}), 'log.entries[0].response.status: expected an integer, received "200"'),
        (entry(response={"headers": {}}), "log.entries[0].response.headers: expected an array, received dict"),
        (entry(response={"headers": [{"name": "a"}]}), "log.entries[0].response.headers[0].value: expected a string"),
        (entry(response={"content": "x"}), 'log.entries[0].response.content: expected an object, received "x"'),
        (entry(response={"content": {"text": "*", "encoding": "base64"}}), "content.text: expected base64"),
        (
            entry(request={"postData": {"text": 1}}),
            "log.entries[0].request.postData.text: expected a string, received 1",
        ),
        (entry("https://example.com/"), "holds 1 calls, and none of them is a call of the billing API"),
    ],
)
def test_an_entry_that_is_none_is_refused_with_the_place(tmp_path: Path, broken: Any, problem: str):
    with pytest.raises(BadRecording) as refused:
        load(written(tmp_path, broken))

    assert problem in str(refused.value)


def test_a_file_of_300_mb_is_refused_before_it_is_read(tmp_path: Path):
    file = tmp_path / "some.har"
    with file.open("w") as large:
        large.truncate(300 * 1024 * 1024)

    with pytest.raises(BadRecording, match=r"some\.har has 300 MB; a recording may have 256"):
        load(file)


def test_a_file_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(BadRecording, match=r"nowhere\.har cannot be read: No such file"):
        load(tmp_path / "nowhere.har")


# --- what a recording proves


class Lax(Recording):
    """A recording that looks at less than it should: each position of the key that is not asked for is empty."""

    def __init__(self, exchanges: Any, *, path: bool = True, query: bool = True, body: bool = True) -> None:
        self._looks = (path, query, body)
        super().__init__(exchanges)

    def key(self, sent: Sent) -> Key:
        target, query, body = super().key(sent)
        path, looks_at_query, looks_at_body = self._looks
        return target if path else target.split()[0], query if looks_at_query else "", body if looks_at_body else ""


CALLS = [
    exchange("GET", f"/v1/customers/{ID}/invoices?limit=5&status=DRAFT"),
    exchange("POST", NAME.format(ID), {"name": "A"}),
]


def test_the_score_counts_alterations_one_by_one():
    # GET: id changed; limit and status each changed and left out; one parameter added; a body added       = 7
    # POST: id changed; one parameter added; body left out; name changed and left out; one property added  = 6
    score = mutation_score(Recording(CALLS))

    assert (score.altered, score.answered, score.share) == (13, 0, 0.0)


@pytest.mark.parametrize(
    ("looks", "answered", "example"),
    [
        ({"body": False}, 5, "setCustomerName-v1: name changed"),  # of GET the added one, of POST four
        ({"query": False}, 6, "listInvoices-v1: query parameter limit changed"),  # five of GET, one of POST
        ({"path": False}, 2, "setCustomerName-v1: path parameter customer_id changed"),
        ({"path": False, "query": False, "body": False}, 13, "listInvoices-v1: a query parameter added"),
    ],
)
def test_a_recording_that_accepts_too_much_is_found_out(looks: dict[str, bool], answered: int, example: str):
    score = mutation_score(Lax(CALLS, **looks))

    assert (score.altered, score.answered) == (13, answered)
    assert example in score.examples
    assert str(score) == f"{answered} of 13 altered requests would still have been answered"


def test_an_alteration_that_was_recorded_as_well_is_none():
    both = [exchange("GET", "/v1/customers?limit=5"), exchange("GET", "/v1/customers")]

    # limit changed, a parameter added, a body added; without limit it is the other one. Of that: limit cannot be
    # left out or changed; a parameter added, a body added.
    assert mutation_score(Recording(both)).altered == 5


def test_a_recording_without_requests_proves_nothing():
    assert mutation_score(Recording([])).share == 1.0


def test_a_batch_of_a_thousand_events_is_altered_in_some_places_only():
    events = [{"transaction_id": str(number), "customer_id": "c", "event_type": "t"} for number in range(1000)]

    assert mutation_score(Recording([exchange("POST", "/v1/ingest", events)])).altered == 200


def test_a_body_of_a_megabyte_is_altered_in_a_few_places_only():
    world = {f"customer {number}": "x" * 1000 for number in range(1000)}

    # 16 MB of alterations together: 17 bodies
    assert mutation_score(Recording([exchange("PUT", "/sandbox/snapshot", world)])).altered == 17


# --- the command


def test_the_command_answers_and_tells_what_it_could_not(recorded: tuple[Path, list[Any]], tmp_path: Path):
    with Command("replay", str(recorded[0]), "--port", "0", folder=tmp_path) as command:
        with httpx.Client(base_url=command.url, trust_env=False) as client:
            assert client.get("/v1/customers").json()["data"][0]["name"] == "Acme Inc"
            assert client.get("/v1/credit-types/list").status_code == 501
        status = command.stop()

    assert (status, command.out) == (1, "the recording has no call of listCreditTypes-v1\n")
    assert "0 of 84 altered requests would still have been answered: 0%" in command.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "is no HAR file"),
        (
            json.dumps({"log": {"entries": [entry("https://www.example.com/")]}}),
            "none of them is a call of the billing",
        ),
    ],
    ids=["html", "browser"],
)
def test_the_command_refuses_what_is_no_recording(tmp_path: Path, text: str, said: str):
    (tmp_path / "page.har").write_text(text)
    with Command("replay", "page.har", "--port", "0", folder=tmp_path) as command:
        status = command.end()

    assert (status, command.out) == (2, "")
    assert command.err.startswith("metronome-sandbox: page.har ")
    assert said in command.err
    assert "Traceback" not in command.err
