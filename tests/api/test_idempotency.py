"""The Idempotency-Key header. Source: page "Idempotency"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from metronome_sandbox.api.idempotency import IdempotencyKeys, Kept

NEW = "/v1/things"
NOON = datetime(2024, 8, 1, 12, tzinfo=UTC)


def with_key(key="k"):
    return {"idempotency-key": key}


def test_a_repeated_call_gets_the_same_bytes_and_does_nothing_again(call):
    first = call("POST", NEW, {"name": "x"}, headers=with_key())
    second = call("POST", NEW, {"name": "x"}, headers=with_key())

    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert call.app.server.tenants.get("alice").context.ids.counts["thing"] == 1


def test_the_same_key_with_another_body_is_a_conflict(call):
    call("POST", NEW, {"name": "x"}, headers=with_key())

    answer = call("POST", NEW, {"name": "y"}, headers=with_key())

    assert answer.status == 409
    assert answer.message == (
        "Idempotency-Key 'k' was already used with other parameters; repeat them or send a new key"
    )


def test_the_query_belongs_to_the_parameters(call):
    call("POST", NEW, {"name": "x"}, headers=with_key())

    assert call("POST", f"{NEW}?a=1", {"name": "x"}, headers=with_key()).status == 409


def test_a_key_counts_within_its_path_and_its_tenant(call):
    call("POST", NEW, {"name": "x"}, headers=with_key())

    assert call("POST", "/v1/things/list", {"name": "y"}, headers=with_key()).status == 200
    assert call("POST", NEW, {"name": "y"}, headers={**with_key(), "authorization": "Bearer bob"}).status == 200


@pytest.mark.parametrize("name", ["invalid", "no customer", "crash"])
def test_an_error_from_the_execution_is_kept_like_any_answer(call, name):
    first = call("POST", NEW, {"name": name}, headers=with_key())
    second = call("POST", NEW, {"name": name}, headers=with_key())

    assert first.status >= 400
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["idempotency-replayed"] == "true"


def test_a_request_that_fails_validation_leaves_its_key_unused(call):
    assert call("POST", NEW, {"name": ""}, headers=with_key()).status == 400

    assert call("POST", NEW, {"name": "x"}, headers=with_key()).status == 200


def test_what_is_not_imitated_leaves_its_key_unused(call):
    call("POST", "/v1/things/forget", {}, headers=with_key())

    assert len(call.app.server.tenants.get("alice").idempotency) == 0


def test_a_get_has_no_use_for_a_key(call):
    path = "/v1/things/2714e483-4ff1-48e4-9e25-ac732e8f24f2"

    assert call("GET", path, headers=with_key()).status == 200
    assert "idempotency-replayed" not in call("GET", path, headers=with_key()).headers


def test_an_answer_is_kept_for_24_hours_of_the_tenants_time(call):
    call("POST", "/v1/things/list")
    clock = call.app.server.tenants.get("alice").clock
    clock.freeze(NOON)
    first = call("POST", NEW, {"name": "x"}, headers=with_key())

    clock.freeze(NOON + timedelta(hours=24) - timedelta(microseconds=1))
    assert call("POST", NEW, {"name": "x"}, headers=with_key()).body == first.body
    clock.freeze(NOON + timedelta(hours=24))
    assert call("POST", NEW, {"name": "y"}, headers=with_key()).status == 200


def test_a_clock_that_is_set_back_keeps_the_answers(call):
    first = call("POST", NEW, {"name": "x"}, headers=with_key())
    call.app.server.tenants.get("alice").clock.freeze(NOON)

    assert call("POST", NEW, {"name": "x"}, headers=with_key()).body == first.body


def test_the_oldest_answer_goes_when_there_are_too_many(serve):
    call = serve(max_idempotency_keys=2)
    for key in "abc":
        call("POST", NEW, {"name": "x"}, headers=with_key(key))

    assert call("POST", NEW, {"name": "y"}, headers=with_key("a")).status == 200
    assert call("POST", NEW, {"name": "y"}, headers=with_key("c")).status == 409


def test_the_oldest_answers_go_when_all_together_are_too_long():
    keys = IdempotencyKeys(limit=10, limit_bytes=10)
    for key, length in (("a", 4), ("b", 4), ("c", 4), ("d", 11)):
        keys.remember(("POST", NEW, key), Kept(b"", NOON, 200, b"x" * length, "", ()))
        kept = [name for name in "abcd" if keys.recall(("POST", NEW, name), b"", NOON)]
        assert kept == {"a": ["a"], "b": ["a", "b"], "c": ["b", "c"], "d": []}[key]


def test_a_key_of_255_characters_is_fine(call):
    assert call("POST", NEW, {"name": "x"}, headers=with_key("k" * 255)).status == 200
