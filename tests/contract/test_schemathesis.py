"""Every operation of both documents under generated requests: each answer is one that its document describes.

Schemathesis makes the requests, well-formed and malformed ones, in this process, and holds the answers against all of
its checks; the toolkit's ``aim.py`` sees to it that most of the well-formed ones meet things that exist. Every case
starts from the same tenant, and so does every sequence of calls, so a failure repeats by itself.

``SCHEMATHESIS_PROFILE=campaign`` (``make fuzz``) draws many more, other ones each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import hypothesis
import pytest
import schemathesis
from hostile.sandbox import TOKEN, Sandbox
from schemathesis import AuthContext, Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase

from metronome_sandbox.api.worlds import read
from metronome_sandbox.spec.document import BILLING, CONTROL, Document
from metronome_sandbox.toolkit.suites.aim import Aim
from metronome_sandbox.toolkit.suites.judgement import filter_of
from metronome_sandbox.toolkit.suites.tenant import settle
from metronome_sandbox.toolkit.suites.times import Times

CAMPAIGN = os.environ.get("SCHEMATHESIS_PROFILE") == "campaign"

SANDBOX = Sandbox(tokens=frozenset({TOKEN}))
"""Knows one token, so that a wrong one is refused and ``ignored_auth`` has something to see."""

SERVER = SANDBOX.app.server
IDS = settle(SANDBOX)
SNAPSHOT = SANDBOX.snapshot()
STATE = read(SNAPSHOT).state
AIM = Aim(IDS, Times(datetime(2024, 8, 15, tzinfo=UTC)), json.loads(SNAPSHOT))

METHODS = {"get", "put", "post", "delete", "options", "patch", "trace"}


def operations(document: Document) -> Iterator[dict[str, Any]]:
    """Yield what is special about an operation, as Schemathesis wants to be told.

    A path may have methods that the document does not describe but merely names: they answer 501, not 405, and the
    ``Allow`` header lists them.
    """
    for described in document.operations():
        named = {one.method.lower() for one in document.not_imitated() if one.path == described.path}
        yield {
            "include-operation-id": described.operation_id,
            "phases": {"coverage": {"unexpected-methods": sorted(METHODS - named)}},
            "checks": {"allow_header_conformance": {"enabled": not named}},
        }


def load(path: str, name: str) -> Any:
    """Return a document of the sandbox, as a source of requests."""
    config = {
        "generation": {
            "deterministic": not CAMPAIGN,
            "database": "none",
            "max-examples": 500 if CAMPAIGN else 10,
        },
        # Where an operation answers 501 its document says so, which status_code_conformance sees to.
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "501"]}},
        "operations": list(operations(Document.load(name))),
    }
    schema = schemathesis.openapi.from_asgi(path, SANDBOX.app, config=SchemathesisConfig.from_dict(config))
    schema.hook(filter_of(differs_in_form))
    schema.auth(refresh_interval=None)(Bearer)
    return schema


class Bearer:
    """Gives every request the token, but those from which a check takes it away."""

    def get(self, case: Case, context: AuthContext) -> str:
        return TOKEN

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


def differs_in_form() -> bool:
    """Whether the last request differed from its schema; the journal knows."""
    entry = next(reversed(SERVER.tenants.get(TOKEN).journal), None)
    return entry is not None and entry.operation_id is not None and bool(entry.findings)


BILLING_API = load("/openapi.json", BILLING)
CONTROL_PLANE = load("/openapi-sandbox.json", CONTROL)


def begin_again() -> None:
    """Put the tenant back to what all cases start from."""
    SERVER.tenants.get(TOKEN).inhabit(SERVER.worlds.restored(STATE))


def is_sound(response: Response) -> None:
    """Assert what no check of Schemathesis looks at: the sandbox agrees that its answer keeps the contract."""
    assert list(SERVER.contract_breaks) == []
    assert response.status_code < 500 or response.status_code == 501, response.text
    assert response.status_code < 400 or response.json()["message"], response.text


CROWDED = frozenset(("/v1/contracts/create", "/v1/contracts/amend", "/v2/contracts/edit", "/v1/packages/create"))
"""Where the body of a request can be misspelt in thousands of ways."""


def is_left_to_the_campaign(case: Case) -> bool:
    """Whether a run of some seconds does without this case."""
    return (
        not CAMPAIGN
        and case.path in CROWDED
        and case.meta is not None
        and case.meta.phase.name is TestPhase.COVERAGE
        and case.meta.generation.mode.is_negative
        and crc32(repr(case.body).encode("utf-8", "surrogatepass")) % 8 != 0
    )


def run(case: Case) -> None:
    if is_left_to_the_campaign(case):
        return
    begin_again()
    AIM.at(case)
    is_sound(case.call_and_validate())


@BILLING_API.parametrize()
def test_the_billing_api_answers_as_its_document_says(case: Case) -> None:
    run(case)


@CONTROL_PLANE.parametrize()
def test_the_control_plane_answers_as_its_document_says(case: Case) -> None:
    run(case)


class Sequences(BILLING_API.as_state_machine()):  # type: ignore[misc]
    """Calls that follow the links of the document: what one made, the next ones read, change and take away."""

    def setup(self) -> None:
        begin_again()
        self.made = ""

    def before_call(self, case: Case) -> None:
        AIM.at(case, known=self.made)

    def after_call(self, response: Response, case: Case) -> None:
        super().after_call(response, case)
        is_sound(response)
        self.made += response.text


TestSequences = Sequences.TestCase
TestSequences.settings = hypothesis.settings(
    max_examples=1500 if CAMPAIGN else 30,
    stateful_step_count=10,
    deadline=None,
    derandomize=not CAMPAIGN,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(autouse=True)
def no_break_of_the_contract_goes_unseen() -> Iterator[None]:
    SERVER.contract_breaks.clear()
    yield
    assert list(SERVER.contract_breaks) == []
