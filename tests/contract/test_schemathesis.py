"""Every operation of both documents under generated requests: each answer is one that its document describes.

Schemathesis makes the requests, well-formed and malformed ones, in this process, and holds the answers against all of
its checks; the toolkit's ``aim.py`` sees to it that most of the well-formed ones meet things that exist. Every case
starts from the same tenant, and so does every sequence of calls, so a failure repeats by itself.

``SCHEMATHESIS_PROFILE=campaign`` (``make fuzz``) draws many more, other ones each time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

import hypothesis
import pytest
import schemathesis
from hostile.sandbox import TOKEN, Sandbox
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

from metronome_sandbox.api.worlds import read
from metronome_sandbox.spec.document import BILLING, CONTROL, Document
from metronome_sandbox.toolkit.suites.aim import Aim
from metronome_sandbox.toolkit.suites.times import Times
from metronome_sandbox.toolkit.suites.tenant import settle

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
            "max-examples": 500 if CAMPAIGN else 25,
        },
        # Where an operation answers 501 its document says so, which status_code_conformance sees to.
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "501"]}},
        "operations": list(operations(Document.load(name))),
    }
    schema = schemathesis.openapi.from_asgi(path, SANDBOX.app, config=SchemathesisConfig.from_dict(config))
    schema.hook(filter_failure)
    schema.auth(refresh_interval=None)(Bearer)
    return schema


class Bearer:
    """Gives every request the token, but those from which a check takes it away."""

    def get(self, case: Case, context: AuthContext) -> str:
        return TOKEN

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


READS = ("get", "list", "explain")
"""How the ids of operations begin that change nothing. What the others are asked has to keep rules of billing, which no
schema can say."""

RULES_OF_READING = re.compile(
    "|".join(
        (
            "is no cursor of this list",
            "no (customer|contract|package) .* in this tenant",  # v2 and net balance declare no 404
            "cannot stand beside",  # two filters that exclude each other
            "is not after starting_",  # a stretch of time that ends before it starts
            "is none of DRAFT, FINALIZED and VOID",  # the published document leaves the status a plain string
            "VOID has no breakdowns",
        )
    )
)
"""All rules of the operations that change nothing."""


def filter_failure(context: HookContext, failure: Any, case: Case, response: Response) -> bool:
    """Keep a failure, unless the sandbox was right all the same."""
    if isinstance(failure, RejectedPositiveData):
        return not breaks_a_rule(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not is_well_formed_as_sent(case, response)
    return True


def breaks_a_rule(case: Case, response: Response) -> bool:
    """Whether a well-formed request was refused for what it asks, not for its form.

    The sandbox notes in its journal where a request differs from the schema; nothing may stand there.
    """
    if response.status_code != 400:
        return False
    entry = next(reversed(SERVER.tenants.get(TOKEN).journal), None)
    differs_in_form = entry is not None and entry.operation_id is not None and bool(entry.findings)
    reads = case.operation.definition.raw["operationId"].startswith(READS)
    is_rule = not reads or RULES_OF_READING.search(response.json()["message"]) is not None
    return is_rule and not differs_in_form


LISTS = ("customer_ids", "salesforce_account_ids")
SENT = {"limit": re.compile("[1-9][0-9]?|100"), "only_archived": re.compile("true|false")}


def is_well_formed_as_sent(case: Case, response: Response) -> bool:
    """Whether the list of customers was asked with what can be read as a right query.

    Two of its parameters are lists of any texts. Whatever else is put there travels as a text, ``{}`` for example, and
    so it is one.
    """
    if case.operation.definition.raw["operationId"] != "listCustomers-v1" or case.meta is None:
        return False
    query = parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    return (
        case.method == "GET"
        and not case.meta.is_negative_at(ParameterLocation.HEADER)
        and all(SENT[name].fullmatch(value) for name, value in query if name in SENT)
        and all(value.count(",") < 100 for name, value in query if name in LISTS)
    )


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
    max_examples=1500 if CAMPAIGN else 40,
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
