"""The path of a request: routing, the 501 of what is not imitated, the check of answers, errors, faults."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from metronome_sandbox.api.requests import ContractBroken, Fault, Reply, prepare

THING_ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
NEW = "/v1/things"


# Routing


def test_a_call_reaches_its_handler_and_its_answer_comes_back_as_json(call):
    answer = call("POST", NEW, {"name": "x", "amount": 5})

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.json["data"]["name"] == "x"


def test_digits_survive_the_way_in_and_out(call):
    answer = call("POST", NEW, b'{"name": "x", "amount": 0.12345678901234567890123}')

    assert answer.json["data"]["amount"] == Decimal("0.12345678901234567890123")


def test_an_unknown_path_is_answered_404_with_a_message(call):
    answer = call("GET", "/v1/nothing/here")

    assert answer.status == 404
    assert answer.json == {"message": "there is no path /v1/nothing/here; GET /docs lists those there are"}


def test_an_unknown_method_is_answered_405_and_told_which_there_are(call):
    answer = call("DELETE", NEW)

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert answer.json == {"message": "/v1/things has no method DELETE; it has GET, HEAD, POST"}


def test_a_literal_path_hides_the_template_that_fits_it_too(call):
    """Source: OpenAPI 3.0.3, "Path Templating Matching"."""
    answer = call("GET", "/v1/things/list")

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_a_method_that_a_template_lacks_is_told_with_those_it_has(call):
    assert call("PUT", f"/v1/things/{THING_ID}").headers["allow"] == "GET, HEAD"


def test_parameters_of_a_path_arrive_by_name(call):
    assert call("GET", f"/v1/things/{THING_ID}/parts").json["path"] == {"thing_id": THING_ID}


def test_head_answers_like_get_without_a_body(call):
    got = call("GET", f"/v1/things/{THING_ID}")
    answer = call("HEAD", f"/v1/things/{THING_ID}")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(got.body))


def test_a_reply_of_nothing_is_null(call):
    answer = call("POST", "/v1/things/touch", {"id": "x"})

    assert (answer.status, answer.body) == (200, b"null")


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/v1/things/forget", "forgetThing-v1"), ("/v1/alerts/create", "createAlert-v1")],
    ids=["without a handler", "only named by the contract"],
)
def test_what_is_not_imitated_is_answered_501_and_names_itself(call, path, operation):
    answer = call("POST", path, {})

    assert answer.status == 501
    assert dict(answer.headers)["x-should-retry"] == "false"  # an SDK would wait and try again in vain
    assert answer.json == {"message": f"{operation} (POST {path}) is not imitated by this sandbox yet"}


def test_what_is_not_imitated_asks_for_the_token_first(serve):
    assert serve(token=None)("POST", "/v1/alerts/create", {}).status == 401


# Answers that break the contract


def test_an_answer_with_a_misspelt_field_is_our_bug_and_answered_500(serve, caplog):
    call = serve()

    answer = call("POST", NEW, {"name": "misspelt"})

    assert answer.status == 500
    assert "data.ammount: unknown here" in answer.message
    assert "createThing-v1" in caplog.text
    assert len(call.app.server.contract_breaks) == 1


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"id": THING_ID}, "data.name"),
        ({"id": "x", "name": "x"}, "data.id"),
        ({"id": THING_ID, "name": "x", "parent": {"name": "p", "id": 1}}, "data.parent.id"),
        ({"id": THING_ID, "name": "x", "parts": [{"type": "SIZE", "size": 1, "unit": "m"}]}, "data.parts[0].unit"),
        ({"id": THING_ID, "name": "x", "amount": Decimal("NaN")}, "data.amount"),
    ],
    ids=["missing", "wrong format", "unknown in a reference", "unknown in a branch", "not a number"],
)
def test_an_answer_is_held_to_the_contract_in_every_part(serve, data, where):
    call = serve({"createThing-v1": lambda context, request: Reply({"data": data})})

    answer = call("POST", NEW, {"name": "x"})

    assert answer.status == 500
    assert f"breaks the contract: {where}:" in answer.message


@pytest.mark.parametrize(
    "data",
    [
        {"parent": None, "name": "x", "id": THING_ID},
        {"parent": {"name": "p"}, "name": "x", "id": THING_ID},
        {"parts": [{"type": "LABEL", "label": "l"}], "name": "x", "id": THING_ID, "amount": Decimal("1E+3")},
        {"custom_fields": {"anything": "goes"}, "name": "x", "id": THING_ID},
    ],
)
def test_an_answer_that_keeps_the_contract_goes_out(serve, data):
    call = serve({"createThing-v1": lambda context, request: Reply({"data": data})})

    assert call("POST", NEW, {"name": "x"}).json == {"data": data}


def test_a_status_that_the_contract_does_not_declare_is_our_bug(serve):
    call = serve({"createThing-v1": lambda context, request: Reply({}, status=201)})

    answer = call("POST", NEW, {"name": "x"})

    assert answer.status == 500
    assert "status: expected one of 200, 400, 404, 409, received 201" in answer.message


def test_a_prepared_answer_is_checked_when_it_is_prepared(serve):
    prepared: list[Reply] = []

    def handler(context, request):
        if not prepared:
            prepared.append(
                prepare(request.operation, {"data": {"id": THING_ID, "name": "x", "amount": Decimal("0.1")}})
            )
        return prepared[0]

    call = serve({"createThing-v1": handler})

    assert call("POST", NEW, {"name": "x"}).body == call("POST", NEW, {"name": "x"}).body == prepared[0].body


def test_preparing_an_answer_against_the_contract_fails(serve):
    raised: list[ContractBroken] = []

    def handler(context, request):
        with pytest.raises(ContractBroken) as caught:
            prepare(request.operation, {"data": {}})
        raised.append(caught.value)
        return Reply({"data": {"id": THING_ID, "name": "x"}})

    serve({"createThing-v1": handler})("POST", NEW, {"name": "x"})

    assert "data.name: required, but missing" in str(raised[0])


def test_bytes_of_another_type_go_out_as_they_are(serve):
    pdf = Reply(body=b"%PDF-1.7", content_type="application/pdf", headers=((b"x-pages", b"1"),))

    answer = serve({"getThing-v1": lambda context, request: pdf})("GET", f"/v1/things/{THING_ID}")

    assert answer.body == b"%PDF-1.7"
    assert answer.headers == {"content-type": "application/pdf", "content-length": "8", "x-pages": "1"}


# Errors


def test_an_error_of_the_domain_is_its_message_and_nothing_else(call):
    answer = call("POST", NEW, {"name": "invalid"})

    assert answer.status == 400
    assert answer.json == {"message": "name: expected a better name, received 'invalid'"}


def test_a_missing_customer_is_404_in_v1(call):
    answer = call("POST", NEW, {"name": "no customer"})

    assert answer.status == 404
    assert answer.json == {"message": "no customer c1 in this tenant"}


@pytest.mark.parametrize(
    ("what", "status", "body"),
    [
        ("customer", 400, {"code": "CustomerNotFound", "message": "no customer c1 in this tenant"}),
        ("contract", 404, {"message": "no contract k1 in this tenant"}),
        ("other", 400, {"code": "BadRequest", "message": "id: expected another one"}),
    ],
    ids=["a code the contract lists", "a code it does not list", "any other broken request"],
)
def test_a_code_goes_with_an_error_where_the_contract_declares_one(call, what, status, body):
    answer = call("POST", "/v2/things/edit", {"id": what})

    assert (answer.status, answer.json) == (status, body)


def test_a_broken_body_has_a_code_too_where_the_contract_declares_one(call):
    assert call("POST", "/v2/things/edit", {"id": 5}).json["code"] == "BadRequest"


def test_a_crash_is_answered_500_without_its_trace_and_logged_with_it(call, caplog):
    answer = call("POST", NEW, {"name": "crash"})

    assert answer.status == 500
    assert answer.json == {
        "message": "Internal error of the sandbox, not of your request: ZeroDivisionError in createThing-v1. "
        "Please report it."
    }
    assert "Traceback" in caplog.text


def test_a_number_beyond_all_bounds_is_the_callers_mistake(call):
    answer = call("POST", NEW, {"name": "overflow"})

    assert answer.status == 400
    assert answer.message == "a number or a date is too large or too small to be used"


def test_a_server_goes_on_after_a_crash(call, caplog):
    caplog.set_level(logging.CRITICAL)
    call("POST", NEW, {"name": "crash"})

    assert call("POST", NEW, {"name": "x"}).status == 200


# Faults


def disturb(call, **fault):
    call("POST", NEW, {"name": "x"})  # makes the tenant
    tenant = call.app.server.tenants.get("alice")
    faults = [Fault(**fault)]
    tenant.next_fault = lambda operation: faults.pop() if faults else None
    return tenant


def test_a_fault_can_answer_in_place_of_the_operation(call):
    disturb(call, reply=Reply({"message": "slow down"}, 429, headers=((b"retry-after", b"1"),)))

    answer = call("POST", NEW, {"name": "x"})

    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert call("POST", NEW, {"name": "x"}).status == 200


def test_a_fault_can_drop_the_connection_before_anything_is_done(call):
    tenant = disturb(call, drop="before")
    before = dict(tenant.context.ids.counts)

    call("POST", NEW, {"name": "x"})

    assert [message["type"] for message in call.sent] == ["http.response.start"]
    assert tenant.context.ids.counts == before


def test_a_fault_can_lose_the_answer_of_what_was_done(call):
    tenant = disturb(call, drop="after")

    call("POST", NEW, {"name": "x"}, headers={"idempotency-key": "k"})

    assert [message["type"] for message in call.sent] == ["http.response.start"]
    assert tenant.context.ids.counts["thing"] == 2
    assert call("POST", NEW, {"name": "x"}, headers={"idempotency-key": "k"}).status == 200
    assert tenant.context.ids.counts["thing"] == 2


def test_a_fault_can_spoil_the_bytes_of_an_answer(call):
    disturb(call, corrupt=lambda body: body[:5])

    answer = call("POST", NEW, {"name": "x"})

    assert (answer.body, answer.headers["content-length"]) == (b'{"dat', "5")


def test_a_fault_can_delay(call):
    disturb(call, delay_seconds=0.001)

    assert call("POST", NEW, {"name": "x"}).status == 200
