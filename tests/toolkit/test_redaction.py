"""What leaves a message before it is written anywhere, and what has to stay."""

from __future__ import annotations

import json

import pytest

from metronome_sandbox.toolkit.exchanges import Sent
from metronome_sandbox.toolkit.redaction import REMOVED, Redaction, tokens_of

TOKEN = 'tok"en/with+odd=letters'


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "bearer_token",
        "webhook_secret",
        "clientSecret",
        "password",
        "api_key",
        "apiKey",
        "api-key",
        "privateKey",
    ],
)
def test_values_go_by_the_last_word_of_their_names(name: str):
    body = Redaction().body(json.dumps({"data": [{name: "hush"}]}).encode())

    assert json.loads(body) == {"data": [{name: REMOVED}]}
    assert Redaction().query(f"limit=1&{name}=hush") == f"limit=1&{name}={REMOVED}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_tokens", "120"),
        ("token", "120"),  # a usage property that counts
        ("token", 120),
        ("tokens", "many"),
        ("token_count", "many"),
        ("uniqueness_key", "k"),
        ("aggregation_key", "calls"),
        ("group_key", ["region"]),
        ("next_page", "abc"),
    ],
)
def test_what_is_billed_is_no_secret(name: str, value: object):
    raw = json.dumps({"properties": {name: value}}).encode()

    assert Redaction().body(raw) is not None
    assert Redaction().body(raw) == raw


def test_a_body_without_secrets_stays_as_it_was_byte_for_byte():
    for raw in (b'{ "a" : 1.10 }', b"<html>", b"", b"\xff\xfe\x00", b'{"a": 1', b"null"):
        assert Redaction([TOKEN]).body(raw) == raw


def test_a_token_goes_wherever_and_however_it_is_written():
    redaction = Redaction([TOKEN])

    assert redaction.body(json.dumps({"name": f"x {TOKEN} y"}).encode()) == f'{{"name": "x {REMOVED} y"}}'.encode()
    assert redaction.query("q=tok%22en%2Fwith%2Bodd%3Dletters") == f"q={REMOVED}"
    assert redaction.headers((("X-Note", f"by {TOKEN}"),)) == (("X-Note", f"by {REMOVED}"),)
    assert redaction.body(b"\xff" + TOKEN.encode()) == b"\xff" + REMOVED.encode()


def test_a_short_token_is_part_of_words_and_stays_in_them():
    body = b'{"name": "demo-customer"}'

    assert Redaction(["demo"]).body(body) == body


def test_credentials_are_read_from_every_scheme():
    sent = Sent("GET", "/", headers=(("Authorization", "bearer  abc"), ("x-sandbox-control-token", "def")))

    assert tokens_of(sent) == ["abc", "def"]
    assert tokens_of(Sent("GET", "/", headers=(("authorization", "naked"),))) == ["naked"]
    assert tokens_of(Sent("GET", "/")) == []


def test_headers_with_credentials_only_say_that_they_were_there():
    headers = (("Authorization", "Bearer x"), ("Cookie", "a=b"), ("X-Api-Key", "k"), ("Idempotency-Key", "1"))

    assert Redaction().headers(headers) == (
        ("Authorization", REMOVED),
        ("Cookie", REMOVED),
        ("X-Api-Key", REMOVED),
        ("Idempotency-Key", "1"),
    )
