"""Bodies that are no JSON, no JSON of the right kind, or JSON with one impossible value in it, for every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hostile.good_requests import Good
from hostile.sandbox import AUTHORIZATION, JSON_TYPE, Sandbox

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import BILLING, CONTROL, Document

OPERATIONS = {
    described.operation_id: described
    for name in (BILLING, CONTROL)
    for described in Document.load(name).operations()
    if described.operation_id in HANDLERS
}
WITH_BODY = [name for name, described in OPERATIONS.items() if "requestBody" in described.node]
WITHOUT_GOOD = {"restoreSnapshot"}
NEED_NO_BODY = ("listProducts-v1", "listRateCards-v1", "listPackages-v1")

DEEP = 100_000


def test_every_operation_has_a_good_request(sandbox: Sandbox, good: dict[str, Good]) -> None:
    assert set(good) == OPERATIONS.keys() - WITHOUT_GOOD


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS.keys() - WITHOUT_GOOD))
def test_the_good_request_is_answered(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    request = good[operation_id]
    body = b"" if request.body is None else json.dumps(request.body).encode()

    answer = sandbox.send(request.method, request.path, body, query=request.query.encode())

    assert answer.status == 200, answer


NO_JSON = {
    "truncated": b'{"name": "x',
    "a word": b"name",
    "two values": b"{}{}",
    "a trailing comma": b'{"name": "x",}',
    "single quotes": b"{'name': 'x'}",
    "a comment": b'{/* */"name": "x"}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": Infinity}',
    "minus Infinity": b'{"name": -Infinity}',
    "a number beyond a double": b'{"name": 1e999}',
    "another": b'{"name": -1e999}',
    "an integer of 400 digits": b'{"name": 1' + b"0" * 399 + b"}",
    "an integer of 100,000 digits": b'{"name": 1' + b"0" * 100_000 + b"}",
    "a leading zero": b'{"name": 01}',
    "hexadecimal": b'{"name": 0x1}',
    "100,000 arrays deep": b"[" * DEEP + b"]" * DEEP,
    "100,000 objects deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "100,000 arrays deep in a field": b'{"name":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep and never closed": b"[" * DEEP,
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "an overlong NUL": b'{"name": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-32": '{"name": "x"}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "a lone high surrogate": b'{"name": "\\ud800"}',
    "a lone low surrogate": b'{"name": "\\udc00"}',
    "a lone surrogate as a key": b'{"\\ud800": 1}',
    "a bare NUL": b"\x00",
    "a NUL in a text": b'{"name": "\x00"}',
    "a newline in a text": b'{"name": "\n"}',
    "blanks": b"   ",
    "a form": b"name=x&preview=true",
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
}

WRONG_KINDS = {
    "an array": b"[]",
    "an array of arrays": b"[[]]",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"1",
    "true": b"true",
    "nulls": b"[null]",
    "an object": b"{}",
}


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_a_body_that_is_no_json_is_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    method, path = _target(good, operation_id)
    for body in NO_JSON.values():
        answer = sandbox.refuses(method, path, body)

        assert answer.status == 400
        assert len(answer.body) < 2000


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_a_body_of_the_wrong_kind_is_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    method, path = _target(good, operation_id)
    accepts_nothing = operation_id in NEED_NO_BODY
    for name, body in WRONG_KINDS.items():
        if name == "an object" and accepts_nothing:
            assert sandbox.send(method, path, body).status == 200
        else:
            assert sandbox.refuses(method, path, body).status == 400


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_empty_body_is_refused_where_one_is_needed(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str
) -> None:
    method, path = _target(good, operation_id)
    if operation_id in NEED_NO_BODY:
        assert sandbox.send(method, path).status == 200
    else:
        assert sandbox.refuses(method, path).status == 400


@pytest.mark.parametrize("operation_id", [name for name in WITH_BODY if name != "restoreSnapshot"])
def test_a_body_that_is_too_long_is_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    method, path = _target(good, operation_id)
    twenty_megabytes = b'{"name": "' + b"x" * 20 * 1024 * 1024 + b'"}'
    pieces = [twenty_megabytes[start : start + 65536] for start in range(0, len(twenty_megabytes), 65536)]
    declared = [AUTHORIZATION, JSON_TYPE, (b"content-length", b"%d" % len(twenty_megabytes))]

    assert sandbox.refuses(method, path, twenty_megabytes).status == 413
    assert sandbox.refuses(method, path, pieces=pieces).status == 413
    assert sandbox.refuses(method, path, b"{}", headers=declared).status == 413


def test_a_snapshot_that_is_too_long_is_refused() -> None:
    sandbox = Sandbox(max_body=20_000)

    for length in (2_000_001, 20_000_000):
        assert sandbox.refuses("PUT", "/sandbox/snapshot", b" " * length, naming="2000000 bytes").status == 413
    assert sandbox.refuses("PUT", "/sandbox/snapshot", b" " * 2_000_000).status == 400


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_a_body_in_pieces_is_the_same_body(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    if operation_id in WITHOUT_GOOD:
        pytest.skip("has no good request")
    request = good[operation_id]
    body = json.dumps(request.body).encode()

    answer = sandbox.send(request.method, request.path, pieces=[body[:1], b"", *(bytes([one]) for one in body[1:])])

    assert answer.status == 200


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_a_body_that_is_not_sent_as_json_is_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    method, path = _target(good, operation_id)
    for content_type in (
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"",
        b";",
        b"\xff",
    ):
        answer = sandbox.refuses(method, path, b"{}", headers=[AUTHORIZATION, (b"content-type", content_type)])
        assert answer.status == 415
    for encoding in (b"gzip", b"br", b"deflate", b"gzip, gzip", b"\xff"):
        how = [AUTHORIZATION, JSON_TYPE, (b"content-encoding", encoding)]
        assert sandbox.refuses(method, path, b"{}", headers=how, naming="Content-Encoding").status == 415


DUPLICATES = b'{"customer_id": "%s", "customer_id": "%s"}'


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_keys_that_stand_twice_do_no_harm(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    """Both readings of such a body are possible; the one that is checked has to be the one that is executed."""
    if operation_id in WITHOUT_GOOD or not isinstance(good[operation_id].body, dict):
        pytest.skip("has no object to write twice")
    request = good[operation_id]
    for field, value in request.body.items():
        right = f"{json.dumps(field)}: {json.dumps(value)}"
        rest = json.dumps({key: item for key, item in request.body.items() if key != field})[1:-1]
        tail = f", {rest}" if rest else ""
        for wrong in ("null", "{}", "[]", "1e999", '"\\u0000"', '"' + "x" * 10_000 + '"'):
            first = f"{{{right}, {json.dumps(field)}: {wrong}{tail}}}".encode()
            second = f"{{{json.dumps(field)}: {wrong}, {right}{tail}}}".encode()
            sandbox.survives(request.method, request.path, first, query=request.query.encode())
            sandbox.survives(request.method, request.path, second, query=request.query.encode())


# One wrong value in a good request --------------------------------------------------------------------------------

NO_DATES = (
    *("", " ", "now", "0", "2024", "2024-08", "2024-08-01", "20240801T000000Z", "2024-W31-4T00:00:00Z"),
    *("2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z"),
    *("2024-08-00T00:00:00Z", "2024-08-01T24:00:01Z", "2024-08-01T25:00:00Z", "2024-08-01T00:60:00Z"),
    *("2024-08-01T00:00:61Z", "2024-08-01T00:00:00", "2024-08-01T00:00Z", "2024-08-01T00:00:00+24:00"),
    *("2024-08-01T00:00:00+0200", "2024-08-01T00:00:00+02", "2024-08-01T00:00:00 Z", "2024-08-01T00:00:00Zulu"),
    *("10000-01-01T00:00:00Z", "+2024-08-01T00:00:00Z", "-0001-08-01T00:00:00Z", "2024-08-01T00:00:00Z\n"),
    *(
        "2024-08-01T00:00:00.Z",
        "\uff12\uff10\uff12\uff14-08-01T00:00:00Z",
        "2024-08-01T00:00:00Z\x00",
        "1722470400",
        "Infinity",
    ),
    *("2024-08-01T00:00:00Z" * 1000, "2024-08-01T00:00:00." + "0" * 100_000 + "x"),
)
"""Never a date-time of RFC 3339."""

ODD_DATES = (
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00-23:59"),
    *("9999-12-31T23:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:00:00-23:59", "9999-01-01T00:00:00Z"),
    *("1969-12-31T23:00:00Z", "1900-01-01T00:00:00Z", "1582-10-10T00:00:00Z", "2016-12-31T23:59:60Z"),
    *("2024-06-30T23:59:60Z", "2024-08-01T24:00:00Z", "2024-08-01T00:00:00.000001Z", "2024-08-01T00:00:00.999999999Z"),
    *("2024-08-01T00:00:00." + "0" * 1000 + "Z", "2024-08-01T00:00:00+23:59", "2024-08-01T00:00:00-00:00"),
    *("2024-08-01t00:00:00z", "2024-08-01 00:00:00Z", "2024-07-31T23:00:00-01:00", "2200-12-31T23:00:00Z"),
)
"""Date-times of RFC 3339, or nearly: those that can be used may be, the others are a 400."""

NO_UUIDS = (
    *("", " ", "x", "null", "0", "{%s}", "urn:uuid:%s", "%s ", " %s", "%s\n", "%s\x00", "%s%s", "(%s)"),
    *("../%s", "%%2e", "'; DROP TABLE customers; --", "\U0001f4a9" * 9, "x" * 100_000, "\u202e%s"),
    *("gggggggg-gggg-gggg-gggg-gggggggggggg", "-" * 36, "0" * 36),
)

NO_NUMBERS = ('"5"', '""', '"NaN"', "true", "null", "[]", "{}", "[1]", '"1e3"', "NaN", "Infinity", "1e999", "-1e999")

NULLABLE = {
    "editContract-v2": ("priority", "update_net_payment_terms_days"),
    "editCommit-v2": ("priority",),
    "editCredit-v2": ("priority",),
    "getSubscriptionSeatsHistory-v1": ("limit",),
}
"""Numbers that may be ``null``, by operation."""

ODD_NUMBERS = (
    *("-1", "-0", "-0.0", "0", "0.0", "1e-400", "1e-30", "1e15", "1e22", "1e300", "-1e300", "1E+2", "0.1"),
    *("9" * 400, "-" + "9" * 400, "0." + "1" * 400, "1" + "0" * 4301, "9223372036854775808", "18446744073709551616"),
    *("999999999999999", "999999999999999.999999999999999999", "0.000000000000000001", "1e-18", "2.5", "100.0"),
)

KINDS = {"date": ("_at", "_date", "_before", "timestamp", "at", "now", "to"), "uuid": ("_id", "_ids", "id")}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every scalar of a body with the way to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def with_raw(body: Any, path: tuple[str | int, ...], raw: str) -> bytes:
    """Return a body as JSON in which the text ``raw`` stands for the value at ``path``."""
    copy = json.loads(json.dumps(body))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = "\ue000"
    return json.dumps(copy).replace(json.dumps("\ue000"), raw).encode()


def is_date(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("20") and value.endswith("Z")


def is_uuid(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 36 and value.count("-") == 4


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _target(good: dict[str, Good], operation_id: str) -> tuple[str, str]:
    if operation_id == "restoreSnapshot":
        return "PUT", "/sandbox/snapshot"
    return good[operation_id].method, good[operation_id].path


def _field(path: tuple[str | int, ...]) -> str:
    """The last name on the way to a value: what a message about it has to contain."""
    return next(step for step in reversed(path) if isinstance(step, str))


def _fields(good: dict[str, Good], operation_id: str) -> list[tuple[Good, tuple[str | int, ...], Any]]:
    request = good.get(operation_id)
    return [] if request is None else [(request, path, value) for path, value in leaves(request.body)]


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_what_is_no_date_is_refused_by_name(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    for request, path, value in _fields(good, operation_id):
        if is_date(value):
            for text in NO_DATES:
                body = with_raw(request.body, path, json.dumps(text))
                answer = sandbox.refuses(request.method, request.path, body, naming=_field(path))
                assert len(answer.body) < 2000


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_odd_date_is_right_or_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    before = sandbox.snapshot()
    for request, path, value in _fields(good, operation_id):
        if is_date(value):
            for text in ODD_DATES:
                answer = sandbox.survives(request.method, request.path, with_raw(request.body, path, json.dumps(text)))
                if answer.status == 200:
                    _is_alive(sandbox)
                _restore(sandbox, before)


@pytest.mark.parametrize("operation_id", WITH_BODY)
@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:00:00-23:59"])
def test_a_date_outside_of_the_calendar_is_refused_by_name(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str, text: str
) -> None:
    """The first has no place in any calendar, the others have none once they are in UTC."""
    for request, path, value in _fields(good, operation_id):
        if is_date(value) and path != ("as_of_date",):  # nothing edits a contract, so that one is not looked at
            sandbox.refuses(
                request.method, request.path, with_raw(request.body, path, json.dumps(text)), naming=_field(path)
            )


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_what_is_no_uuid_is_refused_by_name(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    for request, path, value in _fields(good, operation_id):
        if is_uuid(value):
            for pattern in (*NO_UUIDS, value.replace("-", ""), value[:-1], value + "0", value.replace("-", "_")):
                text = pattern.replace("%s", value)
                body = with_raw(request.body, path, json.dumps(text))
                answer = sandbox.refuses(request.method, request.path, body, naming=_field(path))
                assert len(answer.body) < 2000
            for raw in ("null", "1", "[]", "{}", "true", f'["{value}"]'):
                if isinstance(path[-1], str):
                    sandbox.refuses(
                        request.method, request.path, with_raw(request.body, path, raw), naming=_field(path)
                    )


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_a_uuid_in_upper_case_is_the_same_uuid(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    before = sandbox.snapshot()
    for request, path, value in _fields(good, operation_id):
        if is_uuid(value):
            usual = sandbox.post(request.path, request.body, query=request.query)
            _restore(sandbox, before)
            body = with_raw(request.body, path, json.dumps(value.upper()))
            assert sandbox.post(request.path, body, query=request.query) == usual
            _restore(sandbox, before)


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_what_is_no_number_is_refused_by_name(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    for request, path, value in _fields(good, operation_id):
        if is_number(value):
            for raw in NO_NUMBERS:
                if raw == "null" and path[-1] in NULLABLE.get(operation_id, ()):
                    continue
                is_json = raw[:1] not in ("N", "I") and "e999" not in raw
                body = with_raw(request.body, path, raw)
                sandbox.refuses(request.method, request.path, body, naming=_field(path) if is_json else "")


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_odd_number_is_right_or_refused_by_name(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    before = sandbox.snapshot()
    for request, path, value in _fields(good, operation_id):
        if is_number(value):
            for raw in ODD_NUMBERS:
                answer = sandbox.survives(request.method, request.path, with_raw(request.body, path, raw))
                if answer.status == 400 and "expected JSON" not in answer.message:
                    assert "_" in answer.message or _field(path) in answer.message, (raw, answer)
                if answer.status == 200:
                    _is_alive(sandbox)
                _restore(sandbox, before)


TEXTS = (
    "",
    " ",
    "\x00",
    "\x1f",
    "\u2028",
    "\U0001f4a9",
    "'",
    '"',
    "\\",
    "<script>",
    "${jndi:ldap://x}",
    "%s%n",
    "x" * 100_000,
)


@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_an_odd_text_is_right_or_refused(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    before = sandbox.snapshot()
    for request, path, value in _fields(good, operation_id):
        if isinstance(value, str):
            for text in TEXTS:
                body = with_raw(request.body, path, json.dumps(text))
                answer = sandbox.survives(request.method, request.path, body, query=request.query.encode())
                if answer.status == 200:
                    _is_alive(sandbox)
                else:
                    assert len(answer.body) < 2000, "a message is read by people"
                _restore(sandbox, before)


def _is_alive(sandbox: Sandbox) -> None:
    """Assert that what was let in does not break what is read afterwards: poison shows when it is drunk."""
    for customer in sandbox.call("GET", "/v1/customers")["data"]:
        sandbox.call("GET", f"/v1/customers/{customer['id']}/invoices")
        asked = {"customer_id": customer["id"], "include_contract_balances": True}
        sandbox.call("POST", "/v1/contracts/customerBalances/list", {**asked, "include_ledgers": True})
        sandbox.call("POST", "/v1/contracts/list", {"customer_id": customer["id"], "include_balance": True})
        sandbox.call("POST", "/v2/contracts/list", {"customer_id": customer["id"], "include_balance": True})
    assert sandbox.send("GET", "/sandbox/requests").status == 200
    assert sandbox.send("GET", "/sandbox/clock").status == 200


def _restore(sandbox: Sandbox, snapshot: bytes) -> None:
    assert sandbox.send("PUT", "/sandbox/snapshot", snapshot).status == 200
