"""Everything about a request but its body: token, method, path, query, headers."""

from __future__ import annotations

import json

import pytest
from hostile.good_requests import Good
from hostile.sandbox import AUTHORIZATION, JSON_TYPE, TOKEN, Sandbox

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import BILLING, CONTROL, Document
from metronome_sandbox.toolkit.suites.tenant import USD, Ids

DOCUMENTS = [Document.load(name) for name in (BILLING, CONTROL)]
OPERATIONS = {
    described.operation_id: described
    for document in DOCUMENTS
    for described in document.operations()
    if described.operation_id in HANDLERS
}
SECURED = [name for name, described in OPERATIONS.items() if not described.is_open]
POSTS = [name for name, described in OPERATIONS.items() if "requestBody" in described.node]
WITHOUT_GOOD = {"restoreSnapshot"}


def parameters(place: str) -> list[tuple[str, str, str]]:
    """Every parameter in a place: operation, name and the type or format that it has."""
    found = []
    for document in DOCUMENTS:
        for described in (one for one in document.operations() if one.operation_id in HANDLERS):
            for parameter in described.parameters:
                schema = document.resolve(parameter["schema"])
                if parameter["in"] == place and described.operation_id not in WITHOUT_GOOD:
                    kind = schema.get("format") or ("enum" if "enum" in schema else schema["type"])
                    found.append((described.operation_id, parameter["name"], kind))
    return found


# Who calls --------------------------------------------------------------------------------------------------------

NO_TOKENS = {
    "no header": [],
    "an empty header": [(b"authorization", b"")],
    "a scheme without a token": [(b"authorization", b"Bearer")],
    "an empty token": [(b"authorization", b"Bearer ")],
    "blanks": [(b"authorization", b"Bearer    ")],
    "a token without a scheme": [(b"authorization", TOKEN.encode())],
    "another scheme": [(b"authorization", b"Basic YTpi")],
    "two words": [(b"authorization", b"Bearer a b")],
    "a tab in between": [(b"authorization", b"Bearer\tattacker")],
    "a huge token": [(b"authorization", b"Bearer " + b"x" * 100_000)],
    "a million spaces": [(b"authorization", b" " * 1_000_000)],
    "a misspelt scheme": [(b"authorization", b"Bearerattacker")],
    "in the wrong header": [(b"x-authorization", b"Bearer attacker")],
    "NUL": [(b"authorization", b"\x00")],
}


@pytest.mark.parametrize("operation_id", SECURED)
def test_without_a_good_token_nothing_is_done(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    request = good.get(operation_id, Good("PUT", "/sandbox/snapshot", {}))
    tenants = len(sandbox.app.server.tenants)
    for headers in NO_TOKENS.values():
        body = json.dumps(request.body).encode()
        answer = sandbox.refuses(
            request.method, request.path, body, query=request.query.encode(), headers=[*headers, JSON_TYPE]
        )
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert len(answer.body) < 1000
    assert len(sandbox.app.server.tenants) == tenants


@pytest.mark.parametrize(
    "header",
    [b"bearer attacker", b"BEARER attacker", b"Bearer  attacker", b"  Bearer attacker  ", b"Bearer attacker\t"],
)
def test_another_spelling_of_the_header_is_the_same_tenant(sandbox: Sandbox, ids: Ids, header: bytes) -> None:
    answer = sandbox.send("GET", f"/v1/customers/{ids['customers'][0]}", headers=[(b"authorization", header)])

    assert answer.status == 200


@pytest.mark.parametrize("token", [b"\xff\xfe", b"\xc3\xa4", b"a\x00b", b"a,b", b'"', b"../..", b"x" * 1024])
def test_an_odd_token_is_a_tenant_like_any_other(token: bytes) -> None:
    sandbox = Sandbox(scenario=None)
    headers = [(b"authorization", b"Bearer " + token), JSON_TYPE]
    made = sandbox.send("POST", "/v1/customers", b'{"name": "x"}', headers=headers)
    listed = sandbox.send("GET", "/v1/customers", headers=headers)

    assert made.status == listed.status == 200
    assert len(listed.json["data"]) == 1
    assert len(sandbox.app.server.tenants) == 1


def test_more_tenants_than_allowed_are_refused() -> None:
    sandbox = Sandbox(scenario=None, max_tenants=3)
    answers = [
        sandbox.send("GET", "/sandbox/clock", headers=[(b"authorization", b"Bearer %d" % number)]).status
        for number in range(5)
    ]

    assert answers == [200, 200, 200, 429, 429]
    assert sandbox.send("GET", "/sandbox/clock", headers=[(b"authorization", b"Bearer 0")]).status == 200


def test_a_control_token_guards_the_whole_control_plane() -> None:
    sandbox = Sandbox(control_token="secret")
    for path in ("/sandbox/clock", "/sandbox/snapshot", "/sandbox/requests"):
        assert sandbox.send("GET", path).status == 401
        for wrong in (b"", b"Secret", b"secret ", b"secre", b"\xff"):
            headers = [AUTHORIZATION, (b"x-sandbox-control-token", wrong)]
            assert sandbox.send("GET", path, headers=headers).status == 401
        assert sandbox.send("GET", path, headers=[AUTHORIZATION, (b"x-sandbox-control-token", b"secret")]).status == 200


# Methods and paths ------------------------------------------------------------------------------------------------

METHODS = (
    "DELETE",
    "PUT",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "QUERY",
    "get",
    "",
    "G\x00T",
    "X" * 10_000,
)


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_a_method_that_a_path_does_not_have_is_refused(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str
) -> None:
    path = good.get(operation_id, Good("PUT", "/sandbox/snapshot")).path
    template = OPERATIONS[operation_id].path
    known = {one.method for document in DOCUMENTS for one in document.operations() if one.path == template}
    known |= {one.method for document in DOCUMENTS for one in document.not_imitated() if one.path == template}
    for method in METHODS:
        if method not in known:
            answer = sandbox.refuses(method, path)
            assert answer.status == 405
            assert known <= set(answer.headers["allow"].split(", "))
            assert len(answer.body) < 1000


@pytest.mark.parametrize("operation_id", [name for name, one in OPERATIONS.items() if one.method == "GET"])
def test_head_is_get_without_a_body(sandbox: Sandbox, good: dict[str, Good], operation_id: str) -> None:
    request = good[operation_id]
    answer = sandbox.send("HEAD", request.path, query=request.query.encode())

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


NO_PATHS = (
    *("", "*", "//", "/v1", "/v1/", "/v1/customers/", "//v1/customers", "/v1//customers", "/V1/customers"),
    *("/v1/customers/../customers", "/../../etc/passwd", "/v1/customers/..%2f..%2fetc", "/..\\..\\windows"),
    *("/docs/../../pyproject.toml", "/docs/../app.py", "/docs/%2e%2e/x", "/docs//etc/passwd", "/docs/..\\x"),
    *("/openapi.json/", "/openapi.json\x00", "/sandbox", "/sandbox/", "/sandbox/scenarios/", "/sandbox/scenarios//"),
    *(
        "/v1/customers\x00",
        "/v1/customers\n",
        "/v1/customers?",
        "/v1/customers;x",
        "/\U0001f4a9",
        "/\ufffd",
        "/" * 10_000,
    ),
    "/" + "x" * 100_000,
)


@pytest.mark.parametrize("path", NO_PATHS, ids=range(len(NO_PATHS)))
def test_a_path_that_there_is_not_is_refused(sandbox: Sandbox, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = sandbox.refuses(method, path, b"{}")

        # Where the last segment is a parameter it is a wrong value of that.
        assert answer.status in ((400, 404, 405) if "/customers/" in path or "/scenarios/" in path else (404,))
        assert len(answer.body) < 1000


NAMES = (
    "..",
    "../acme",
    "acme.yaml",
    "/etc/passwd",
    "..\\acme",
    "ACME",
    "a" * 65,
    "",
    " ",
    "acme\x00",
    "acme\n",
    "%2e%2e",
    "-",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_a_name_and_no_file(sandbox: Sandbox, name: str) -> None:
    answer = sandbox.refuses("POST", f"/sandbox/scenarios/{name}")

    assert answer.status in (400, 404)


NO_UUIDS = (
    "x",
    "null",
    "0" * 36,
    "{%s}",
    "urn:uuid:%s",
    "%s ",
    "%s\n",
    "%s\x00",
    "-" * 36,
    "x" * 50_000,
    "\U0001f4a9",
    "%%s",
    "..",
)


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [(operation_id, name) for operation_id, name, kind in parameters("path") if kind == "uuid"],
)
def test_a_path_parameter_that_is_no_uuid_is_refused(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str, name: str
) -> None:
    request = good[operation_id]
    body = b"" if request.body is None else json.dumps(request.body).encode()
    places = OPERATIONS[operation_id].path.split("/")
    values = request.path.split("/")
    at = places.index(f"{{{name}}}")
    for pattern in (*NO_UUIDS, values[at].replace("-", "")):
        path = "/".join([*values[:at], pattern.replace("%s", values[at]), *values[at + 1 :]])
        answer = sandbox.refuses(request.method, path, body, naming=name)
        assert answer.status == 400
        assert len(answer.body) < 1000
    upper = "/".join([*values[:at], values[at].upper(), *values[at + 1 :]])
    query = request.query.encode()
    as_upper = sandbox.send(request.method, upper, body, query=query)
    assert as_upper.status == 200
    assert as_upper == sandbox.send(request.method, request.path, body, query=query)


# The query --------------------------------------------------------------------------------------------------------

WRONG = {
    "integer": (
        "0",
        "-1",
        "101",
        "1001",
        "abc",
        "1e3",
        "1.0",
        "1.5",
        "",
        " ",
        "+1",
        "1 ",
        "0x1",
        "1" * 400,
        "%D9%A1",
        "NaN",
        "null",
    ),
    "boolean": ("", "yes", "1", "0", "True", "TRUE", "null", "truefalse"),
    "date-time": (
        *("", "now", "2024-08-01", "2024-02-30T00:00:00Z", "2024-08-01T00:00:00", "0000-01-01T00:00:00Z"),
        *("1722470400", "2024-08-01T00:00:00Z%00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00%2B23:59"),
    ),
    "enum": ("", "x", "null", "date_asc,date_desc"),
    "uuid": ("x", "00000000", "%7B%7D", "x" * 10_000),
}
"""What no parameter of a type can be."""

ODD = (
    "",
    "%00",
    "%ff",
    "%F0%9F%92%A9",
    "x" * 50_000,
    "%",
    "%zz",
    "a%2Cb",
    ",,,",
    "null",
    "%5B%5D",
    "..",
    "%0d%0aX:%20y",
)


@pytest.mark.parametrize(("operation_id", "name", "kind"), parameters("query"))
def test_a_query_parameter_of_the_wrong_type_is_refused(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str, name: str, kind: str
) -> None:
    request = good[operation_id]
    body = b"" if request.body is None else json.dumps(request.body).encode()
    others = "&".join(one for one in request.query.split("&") if one and not one.startswith(f"{name}="))
    for value in WRONG.get(kind, ()):
        if not (kind == "integer" and value == "101" and operation_id == "listRequests"):
            query = f"{others}&{name}={value}".encode()
            answer = sandbox.refuses(request.method, request.path, body, query=query, naming=name)
            assert answer.status == 400
            assert len(answer.body) < 2000


@pytest.mark.parametrize(("operation_id", "name", "kind"), parameters("query"))
def test_an_odd_query_parameter_is_right_or_refused(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str, name: str, kind: str
) -> None:
    request = good[operation_id]
    body = b"" if request.body is None else json.dumps(request.body).encode()
    others = "&".join(one for one in request.query.split("&") if one and not one.startswith(f"{name}="))
    for value in ODD:
        query = f"{others}&{name}={value}".encode()
        answer = sandbox.survives(request.method, request.path, body, query=query)
        assert answer.status == 200 or len(answer.body) < 2000


@pytest.mark.parametrize(("operation_id", "name", "kind"), parameters("query"))
def test_a_query_parameter_that_stands_twice_is_refused(
    sandbox: Sandbox, good: dict[str, Good], operation_id: str, name: str, kind: str
) -> None:
    if kind == "array":
        pytest.skip("a list may stand as often as one likes")
    request = good[operation_id]
    body = b"" if request.body is None else json.dumps(request.body).encode()
    query = f"{name}=1&{name}=1".encode()

    answer = sandbox.refuses(request.method, request.path, body, query=query, naming=name)

    assert answer.status == 400


@pytest.mark.parametrize(
    "query",
    [
        *(b"limit", b"limit=", b"=1", b"&&&&", b"limit[]=1", b"limit%00=1", b"\xff=\xff", b"limit=\xff", b"%ff=1"),
        *(b"x=1&" * 5000, b"&" * 100_000, b"limit=1;limit=2", b"?limit=1", b"limit=1#x", b"x" * 1_000_000),
    ],
    ids=range(15),
)
def test_a_malformed_query_does_no_harm(sandbox: Sandbox, query: bytes) -> None:
    sandbox.survives("GET", "/v1/customers", query=query)


def test_a_method_that_a_long_path_does_not_have_is_refused_in_few_words(sandbox: Sandbox) -> None:
    answer = sandbox.refuses("DELETE", "/v1/customers/" + "x" * 50_000)

    assert answer.status == 405
    assert len(answer.body) < 1000


def test_an_id_in_upper_case_is_the_same_id_in_a_query(sandbox: Sandbox, ids: Ids) -> None:
    customer, contract = ids["customers"][0], ids["contracts"][0]
    path = f"/v1/customers/{customer}/invoices"
    for place, name, value in (
        ("/v1/customers", "customer_ids", customer),
        (path, "contract_id", contract),
        (path, "credit_type_id", USD),
    ):
        usual = sandbox.call("GET", place, query=f"{name}={value}")["data"]
        assert usual
        assert sandbox.call("GET", place, query=f"{name}={value.upper()}")["data"] == usual


def test_an_event_for_an_id_in_upper_case_is_billed(sandbox: Sandbox, ids: Ids) -> None:
    customer = ids["customers"][0]
    event = {
        "transaction_id": "upper",
        "customer_id": customer.upper(),
        "event_type": "api_call",
        "timestamp": "2024-08-14T00:00:00Z",
        "properties": {"calls": "7"},
    }
    path = f"/v1/customers/{customer}/invoices"
    query = f"type=USAGE&status=DRAFT&contract_id={ids['contracts'][0]}"
    [before] = sandbox.call("GET", path, query=query)["data"]
    assert sandbox.post("/v1/ingest", [event]).status == 200
    [after] = sandbox.call("GET", path, query=query)["data"]

    assert after["line_items"][0]["quantity"] == before["line_items"][0]["quantity"] + 7


def test_a_cursor_of_another_list_is_refused(sandbox: Sandbox, ids: Ids) -> None:
    first = sandbox.call("GET", "/v1/credit-types/list", query="limit=1")
    cursor = first["next_page"]
    for path in ("/v1/customers", "/v1/billable-metrics", f"/v1/customers/{ids['customers'][0]}/invoices"):
        sandbox.refuses("GET", path, query=f"next_page={cursor}".encode(), naming="next_page")
    for wrong in (
        cursor[:-1],
        cursor + "A",
        cursor.swapcase(),
        "A" * 16,
        "/" * 16,
        "%00" * 16,
        cursor * 1000,
        "%C3%A4" * 16,
    ):
        sandbox.refuses("GET", "/v1/credit-types/list", query=f"next_page={wrong}".encode(), naming="next_page")


# Headers ----------------------------------------------------------------------------------------------------------

LENGTHS = (b"-1", b"abc", b"1e3", b"", b"+5", b" 2", b"9" * 400, b"9" * 5000, b"1, 2", b"\xb2", b"0x2")


@pytest.mark.parametrize("length", LENGTHS, ids=range(len(LENGTHS)))
def test_a_content_length_that_lies_does_no_harm(sandbox: Sandbox, length: bytes) -> None:
    headers = [AUTHORIZATION, JSON_TYPE, (b"content-length", length)]

    sandbox.survives("POST", "/v1/customers/archive", b"{}", headers=headers)


def test_a_huge_number_of_headers_does_no_harm(sandbox: Sandbox) -> None:
    headers = [AUTHORIZATION, JSON_TYPE, *((b"x-%d" % number, b"x" * 100) for number in range(10_000))]

    sandbox.survives("POST", "/v1/customers/archive", b"{}", headers=headers)


def test_a_client_that_leaves_in_the_middle_changes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.snapshot()
    sent: list[object] = []
    messages = iter(
        [{"type": "http.request", "body": b'{"name": "x"}', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> object:
        return next(messages)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/customers", "query_string": b"", "headers": [AUTHORIZATION]}
    with pytest.raises(StopIteration):
        sandbox.app(scope, receive, send).send(None)  # type: ignore[arg-type]

    assert sent == []
    assert sandbox.snapshot() == before


# The journal ------------------------------------------------------------------------------------------------------

BODIES = (
    *(b'{"name": "\\ud800"}', b'{"name": "\\udc00\\ud800"}', b"\xff\xfe", b"NaN", b'{"a": 1e999}', b'{"a": -1E+400}'),
    *(b"[" * 5000 + b"]" * 5000, b'{"a": 1' + b"0" * 400 + b"}", b'{"a": 1' + b"0" * 5000 + b"}", b"1e-999999999"),
    *(
        b'{"a": 1, "a": 2}',
        b'"',
        b"\x00",
        b'{"": ""}',
        b'"' + b"x" * 16384 + b'"',
        b'"' + b"\xe2\x82\xac" * 8000 + b'"',
    ),
)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_the_journal_shows_whatever_was_sent(sandbox: Sandbox, body: bytes) -> None:
    sandbox.call("DELETE", "/sandbox/requests")
    for path in ("/v1/customers", "/v1/ingest", "/nowhere", "/v1/customers\x00"):
        sandbox.send("POST", path, body, query=b"\xff=%ff&x=%00")

    entries = sandbox.call("GET", "/sandbox/requests")["data"]

    assert len(entries) == 4
