"""Whatever is wrong with a request: the right 4xx, a message that names the place, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from metronome_sandbox.services.ids import IdFactory

NEW = "/v1/things"

UUID = "expected a UUID such as 2714e483-4ff1-48e4-9e25-ac732e8f24f2, received"
DATE_TIME = "expected a date-time with an offset such as 2024-08-01T00:00:00Z, received"
UNKNOWN = "unknown here, leave it out or check its spelling"

NO_JSON: list[tuple[str, bytes, str]] = [
    ("single quotes", b"{'name': 'x'}", "line 1, column 2"),
    ("cut in the middle", b'{"name":\n "x', "line 2, column 4"),
    ("more after it", b'{"name": "x"} {}', "line 1, column 15"),
    ("a comma too many", b'{"name": "x",}', "line 1, column 13"),
    ("NaN", b'{"amount": NaN}', "line 1, column 12"),
    ("a number out of range", b'{"amount": 1e999}', "line 1, column 12"),
    ("a number of 5,000 digits", b'{"amount": ' + b"1" * 5000 + b"}", "line 1, column 12"),
    ("100,000 levels", b"[" * 100_000, "line 1, column 1026"),
    ("half a surrogate pair", b'{"name": "\\ud800"}', "line 1, column 11"),
    ("byte order mark", b'\xef\xbb\xbf{"name": "x"}', "line 1, column 1"),
]


@pytest.mark.parametrize(("body", "place"), [row[1:] for row in NO_JSON], ids=[row[0] for row in NO_JSON])
def test_a_body_that_is_not_json_is_answered_400_with_the_place(call, body, place):
    answer = call("POST", NEW, body)

    assert answer.status == 400
    assert list(answer.json) == ["message"]
    assert answer.message.startswith("body: expected JSON: ")  # the reason is in orjson's words
    assert answer.message.endswith(f" at {place}")


BODIES: list[tuple[str, Any, str]] = [
    ("nothing at all", b"", "body: required, but empty; send a JSON object"),
    ("no UTF-8", b'{"name": "\xff"}', "body: expected JSON in UTF-8, received the byte 0xff at position 10"),
    ("array for object", [1, 2], "body: expected an object, received an array of 2 items"),
    (
        "1,000 levels",
        b'{"anything": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        "body: expected at most 255 levels of arrays and objects, received more",
    ),
    ("null for object", b"null", "body: expected an object, received null"),
    ("missing field", {}, "name: required, but missing"),
    ("number for text", {"name": 5}, "name: expected a string, received 5"),
    ("empty text", {"name": ""}, 'name: expected at least 1 character, received ""'),
    (
        "long text",
        {"name": "x" * 100},
        f'name: expected at most 20 characters, received "{"x" * 60}"… (100 characters)',
    ),
    ("text for number", {"amount": "5", "name": "x"}, 'amount: expected a number, received "5"'),
    ("boolean for number", {"amount": True, "name": "x"}, "amount: expected a number, received true"),
    ("too small", {"amount": -0.5, "name": "x"}, "amount: expected at least 0, received -0.5"),
    ("too large", {"amount": 10**30, "name": "x"}, "amount: expected at most 1000, received 1e+30"),
    ("no UUID", {"name": "x", "owner_id": "acme"}, f'owner_id: {UUID} "acme"'),
    ("no date", {"name": "x", "starting_at": "soon"}, f'starting_at: {DATE_TIME} "soon"'),
    (
        "date-time without offset",
        {"name": "x", "starting_at": "2024-08-01T00:00:00"},
        f'starting_at: {DATE_TIME} "2024-08-01T00:00:00"',
    ),
    (
        "30 February",
        {"name": "x", "starting_at": "2024-02-30T00:00:00Z"},
        f'starting_at: {DATE_TIME} "2024-02-30T00:00:00Z"',
    ),
    ("date without time", {"name": "x", "starting_at": "2024-08-01"}, f'starting_at: {DATE_TIME} "2024-08-01"'),
    (
        "no such choice",
        {"name": "x", "frequency": "DAILY"},
        'frequency: expected one of "MONTHLY", "ANNUAL", received "DAILY"',
    ),
    ("null where none is allowed", {"name": None}, "name: expected a string, received null"),
    (
        "wrong value in a map",
        {"name": "x", "custom_fields": {"a b": 1}},
        'custom_fields["a b"]: expected a string, received 1',
    ),
    ("unknown field of a closed object", {"name": "x", "closed": {"knwon": "y"}}, f"closed.knwon: {UNKNOWN}"),
    (
        "wrong in one branch",
        {"name": "x", "parts": [{"type": "SIZE", "size": 1}, {"type": "SIZE", "size": 0}]},
        "parts[1].size: expected at least 1, received 0",
    ),
    (
        "missing in one branch",
        {"name": "x", "parts": [{"type": "label"}]},
        "parts[0].label: required, but missing",
    ),
    (
        "no such branch",
        {"name": "x", "parts": [{"type": "WEIGHT"}]},
        'parts[0].type: expected one of "SIZE", "LABEL", "label", received "WEIGHT"',
    ),
    ("of no branch's type", {"name": "x", "parts": ["SIZE"]}, 'parts[0]: expected an object, received "SIZE"'),
    ("two things at once", {"amount": "5"}, 'name: required, but missing; amount: expected a number, received "5"'),
]


@pytest.mark.parametrize(("body", "message"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_body_against_the_contract_is_answered_400_and_the_message_names_the_place(call, body, message):
    answer = call("POST", NEW, body)

    assert answer.status == 400
    assert answer.json == {"message": message}


def test_many_errors_are_told_as_the_first_three(call):
    answer = call("POST", NEW, {"name": "", "amount": "", "frequency": "", "owner_id": "", "starting_at": ""})

    assert answer.status == 400
    assert answer.message.count(";") == 3
    assert answer.message.endswith("; and more")


def test_unknown_fields_are_ignored(call):
    assert call("POST", NEW, {"name": "x", "colour": "red"}).status == 200


def test_a_long_body_is_searched_for_its_first_mistake_only(call):
    """The validator needs 25 microseconds for each mistake, and a body may have a hundred thousand."""
    answer = call("POST", NEW, {"name": 1, "amount": "x", "anything": "y" * 10_000})

    assert answer.status == 400
    assert ";" not in answer.message


def test_a_nullable_field_takes_null(call):
    assert call("POST", NEW, {"name": "x", "note": None}).status == 200


def test_a_body_of_twenty_megabytes_is_refused_before_it_is_read(call):
    answer = call("POST", NEW, headers={"content-length": "20000000"}, chunks=[])

    assert answer.status == 413
    assert answer.json == {"message": "body: expected at most 10485760 bytes (--max-body), received 20000000 bytes"}


def test_a_chunked_body_that_is_too_long_is_not_waited_for(serve):
    call = serve(max_body=1000)

    answer = call("POST", NEW, chunks=[b" " * 600, b" " * 600, b"never asked for"])

    assert answer.status == 413
    assert answer.message == "body: expected at most 1000 bytes (--max-body), received 1200 bytes and more"


def test_a_body_that_is_too_long_and_hides_its_length_is_refused(serve):
    answer = serve(max_body=10)("POST", NEW, b'{"name": "x"}', headers={"content-length": "-"})

    assert answer.status == 413


def test_a_chunked_body_is_read_to_its_end(call):
    answer = call("POST", NEW, headers={"content-type": "application/json"}, chunks=[b'{"na', b'me": "', b'x"}', b""])

    assert answer.status == 200
    assert answer.json["data"]["name"] == "x"


@pytest.mark.parametrize("chunks", [[None], [b'{"name"', None]])
def test_a_client_that_leaves_gets_no_answer_and_changes_nothing(call, chunks):
    assert call("POST", NEW, chunks=chunks).status == 0
    assert call("POST", NEW, {"name": "x"}).json["data"]["id"] == IdFactory().next("thing")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml; a=b"])
def test_a_body_that_is_not_sent_as_json_is_answered_415(call, content_type):
    answer = call("POST", NEW, {"name": "x"}, headers={"content-type": content_type})

    assert answer.status == 415
    assert answer.message == f"header Content-Type: expected application/json, received {content_type!r}"


@pytest.mark.parametrize(
    "content_type", ["-", "application/json; charset=UTF-8", "Application/JSON", "application/vnd.x+json"]
)
def test_json_under_another_name_is_fine(call, content_type):
    assert call("POST", NEW, {"name": "x"}, headers={"content-type": content_type}).status == 200


def test_a_compressed_body_is_answered_415(call):
    answer = call("POST", NEW, {"name": "x"}, headers={"content-encoding": "gzip"})

    assert answer.status == 415
    assert "Content-Encoding" in answer.message


def test_a_body_that_nothing_requires_may_be_missing(call):
    assert call("POST", "/v1/things/list").json["body"] == "{}"


def test_a_body_with_a_required_property_may_not_be_missing(call):
    """The published contract marks all bodies as optional."""
    assert call("POST", "/v1/things/touch").message == "body: required, but empty; send a JSON object"


CUSTOMER = "customer_id=2714e483-4ff1-48e4-9e25-ac732e8f24f2"

TOO_MUCH = "query: expected at most 1000 fields of percent-encoded UTF-8"

QUERIES = [
    ("limit=500", "query parameter limit: expected at most 100, received 500"),
    ("limit=0", "query parameter limit: expected at least 1, received 0"),
    ("limit=ten", 'query parameter limit: expected an integer, received "ten"'),
    ("limit=1.0", 'query parameter limit: expected an integer, received "1.0"'),
    ("limit=1_0", 'query parameter limit: expected an integer, received "1_0"'),
    ("limit=%D9%A3", 'query parameter limit: expected an integer, received "٣"'),
    ("limit=", 'query parameter limit: expected an integer, received ""'),
    (
        f"limit={'9' * 5000}",
        f'query parameter limit: expected an integer, received "{"9" * 60}"… (5000 characters)',
    ),
    ("limit=1&limit=2", "query parameter limit: expected once, received 2 times"),
    ("archived=yes", 'query parameter archived: expected true or false, received "yes"'),
    ("ratio=0", "query parameter ratio: expected more than 0, received 0"),
    ("ratio=inf", 'query parameter ratio: expected a number, received "inf"'),
    ("since=yesterday", f'query parameter since: {DATE_TIME} "yesterday"'),
    ("sort=up", 'query parameter sort: expected one of "date_asc", "date_desc", received "up"'),
    ("ids=a", f'query parameter ids[0]: {UUID} "a"'),
    ("next_page=%FF", TOO_MUCH),
    ("&".join(f"a{number}=" for number in range(1001)), TOO_MUCH),
]


@pytest.mark.parametrize(("query", "message"), QUERIES, ids=[row[0][:20] for row in QUERIES])
def test_a_broken_query_parameter_is_answered_400_and_named(call, query, message):
    answer = call("GET", f"/v1/things?{CUSTOMER}&{query}")

    assert answer.status == 400
    assert answer.json == {"message": message}


def test_a_missing_query_parameter_is_named(call):
    assert call("GET", "/v1/things").message == "query parameter customer_id: required, but missing"
    assert call("GET", "/v1/things?limit=1").message == "query parameter customer_id: required, but missing"


def test_query_parameters_arrive_converted_and_completed(call):
    a, b = "2714e483-4ff1-48e4-9e25-ac732e8f24f2", "0b9d7a53-6c0e-5a5e-9d2f-3c1f6a1e7b10"

    answer = call(
        "GET",
        f"/v1/things?{CUSTOMER}&archived=true&ratio=0.5&ids={a},{b}&ids={a}&unknown=1&since=2024-08-01T00:00:00%2B02:00",
    )

    assert answer.json["query"] == {
        "limit": 100,
        "customer_id": a,
        "archived": True,
        "ratio": pytest.approx(0.5),
        "ids": [a, b, a],
        "since": "2024-08-01T00:00:00+02:00",
    }


def test_a_broken_path_parameter_is_named(call):
    answer = call("GET", "/v1/things/acme")

    assert answer.status == 400
    assert answer.message == f'path parameter thing_id: {UUID} "acme"'


def test_a_uuid_in_a_path_becomes_lower_case(call):
    answer = call("GET", "/v1/things/2714E483-4FF1-48E4-9E25-AC732E8F24F2/parts")

    assert answer.json["path"] == {"thing_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2"}


@pytest.mark.parametrize("key", ["", " ", "k" * 256])
def test_an_idempotency_key_that_is_empty_or_too_long_is_named(call, key):
    answer = call("POST", NEW, {"name": "x"}, headers={"idempotency-key": key})

    assert answer.status == 400
    assert answer.message.startswith("header Idempotency-Key: expected 1 to 255 characters, received ")
