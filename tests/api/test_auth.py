"""Who may call: any bearer token, or those the server was started with; the control plane may want one of its own."""

from __future__ import annotations

import pytest

NEW = "/v1/things"
BODY = {"name": "x"}


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("-", "there is no bearer token"),
        ("Basic YTpi", "is not a bearer token"),
        ("Bearer", "the bearer token is empty"),
        ("Bearer  ", "the bearer token is empty"),
        ("Bearer a b", "is more than one word"),
        ("token", "is not a bearer token"),
        (f"Bearer {'x' * 2000}", "has 2000 characters, expected at most 1024"),
    ],
)
def test_a_missing_or_malformed_token_is_answered_401_and_told_how(call, header, problem):
    answer = call("POST", NEW, BODY, headers={"authorization": header})

    assert answer.status == 401
    assert list(answer.json) == ["message"]
    assert answer.message.startswith("Unauthorized: ")
    assert problem in answer.message
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["bearer alice", "BEARER  alice ", "Bearer alice"])
def test_every_spelling_of_a_token_is_the_same_tenant(call, header):
    call("POST", NEW, BODY)

    assert call("POST", NEW, BODY, headers={"authorization": header}).status == 200
    assert len(call.app.server.tenants) == 1


def test_only_the_tokens_that_are_allowed_pass(serve):
    call = serve(tokens=frozenset({"alice"}))

    assert call("POST", NEW, BODY).status == 200
    answer = call("POST", NEW, BODY, headers={"authorization": "Bearer bob"})
    assert answer.status == 401
    assert "--tokens" in answer.message
    assert "alice" not in answer.message


def test_two_tokens_are_two_worlds_with_the_same_ids(call):
    first = call("POST", NEW, BODY)
    second = call("POST", NEW, BODY, headers={"authorization": "Bearer bob"})

    assert first.body == second.body
    assert len(call.app.server.tenants) == 2


def test_an_open_operation_needs_no_token_and_makes_no_tenant(serve):
    assert serve(token=None)("GET", "/sandbox/health").json == {"tenants": 0}


def test_the_control_plane_wants_its_token_when_there_is_one(serve):
    call = serve(control_token="s3cret")

    refused = call("POST", "/sandbox/reset")
    assert refused.status == 401
    assert "X-Sandbox-Control-Token" in refused.message
    assert "s3cret" not in refused.message
    assert call("POST", "/sandbox/reset", headers={"x-sandbox-control-token": "wrong"}).status == 401
    assert call("POST", "/sandbox/reset", headers={"x-sandbox-control-token": "s3cret"}).status == 200


def test_the_billing_api_does_not_want_the_control_token(serve):
    assert serve(control_token="s3cret")("POST", NEW, BODY).status == 200


def test_one_tenant_too_many_is_answered_429_and_need_not_be_tried_again(serve):
    call = serve(max_tenants=1)
    call("POST", NEW, BODY)

    answer = call("POST", NEW, BODY, headers={"authorization": "Bearer bob"})

    assert answer.status == 429
    assert answer.headers["x-should-retry"] == "false"
    assert "at most 1 tenants" in answer.message
    assert call("POST", NEW, BODY).status == 200


def test_a_reset_gives_the_tenant_a_new_world_and_forgets_its_keys(call):
    first = call("POST", NEW, BODY, headers={"idempotency-key": "k"})
    call("POST", NEW, BODY)
    call("POST", "/sandbox/reset")

    again = call("POST", NEW, {"name": "y"}, headers={"idempotency-key": "k"})

    assert again.status == 200
    assert again.json["data"]["id"] == first.json["data"]["id"]
