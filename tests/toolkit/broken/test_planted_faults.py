"""``check`` sees every planted fault, and none in a healthy sandbox.

``CHECK_BROKEN=all`` (``make check-broken``) generates requests for every operation of every broken sandbox; otherwise
for the operations that the fault names alone.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from toolkit.broken.faults import FAULTS, BreaksOnOddInput, Broken, Fault, Passing, WrongTotal

from metronome_sandbox.api.app import create_app
from metronome_sandbox.listening import Application
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit.checking import OWN_TOKEN, SUITES, check
from metronome_sandbox.toolkit.report import Run
from metronome_sandbox.toolkit.suites.profiles import PROFILES
from metronome_sandbox.toolkit.target import Target

ALL = os.environ.get("CHECK_BROKEN") == "all"
DOCUMENT = Document.load()


def checked(app: Application, fault: Fault) -> Run:
    suites = SUITES if ALL or fault.operations else ("workflows",)
    with Target(app=app, token=OWN_TOKEN) as target:
        target.connect()
        return check(target, PROFILES["smoke"], DOCUMENT, only=() if ALL else fault.operations, suites=suites)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: type[Fault]) -> None:
    found = checked(Broken(fault()), fault())

    assert found.failures, fault.__doc__


def test_there_are_at_least_twenty_faults_and_each_says_what_it_is() -> None:
    assert len({fault.__doc__ for fault in FAULTS}) == len(FAULTS) >= 20


def test_the_wrapper_by_itself_is_no_fault() -> None:
    assert checked(Broken(Fault()), Fault()).failures == []


def test_a_healthy_sandbox_gives_no_finding() -> None:
    with Target(app=create_app(), token=OWN_TOKEN) as target:
        target.connect()
        found = check(target, PROFILES["smoke"], DOCUMENT)

    assert found.failures == []
    assert found.calls > 400


def test_a_tenant_is_left_as_it_was() -> None:
    with Target(app=create_app(), token=OWN_TOKEN) as target:
        target.connect()
        target.call("POST", "/v1/customers", {"name": "Here before"})
        before = target.snapshot()
        check(target, PROFILES["smoke"], DOCUMENT, only=("archiveCustomer-v1", "createCustomer-v1"))

        assert target.snapshot() == before


class NotMadeYet(Fault):
    """Who asks for a customer that was just made meets an error, once."""

    def __init__(self) -> None:
        self._made = ""

    def go_out(self, passing: Passing) -> None:
        if passing.method == "POST" and passing.path == "/v1/customers" and passing.status == 200:
            self._made = passing.answer["data"]["id"]
        elif self._made and self._made in passing.path:
            passing.status, passing.answer, self._made = 500, {"message": "no such customer yet"}, ""


LINKED = ("createCustomer-v1", "getCustomer-v1", "setCustomerName-v1")


@pytest.mark.parametrize("fault", [Fault, NotMadeYet])
def test_sequences_along_the_links_reach_what_an_earlier_call_made(fault: type[Fault]) -> None:
    profile = replace(PROFILES["full"], examples=1, tries_every_field=False, sequences=12)
    with Target(app=Broken(fault()), token=OWN_TOKEN) as target:
        target.connect()
        found = check(target, profile, DOCUMENT, only=LINKED, suites=("generated",))
    [batch] = [batch for batch in found.batches if batch.suite == "sequences"]

    assert len(batch.exchanges) > 20
    rules = {failure.finding.rule for failure in batch.failures}
    assert rules == (set() if fault is Fault else {"not a server error", "status code conformance"})
    assert all(len(failure.exchanges) > 1 for failure in batch.failures)


def test_a_rule_about_money_is_a_check_of_schemathesis_too() -> None:
    with Target(app=Broken(WrongTotal()), token=OWN_TOKEN) as target:
        target.connect()
        only = ("listInvoices-v1",)
        found = check(target, replace(PROFILES["smoke"], examples=20), DOCUMENT, only=only, suites=("generated",))

    assert [failure.finding.rule for failure in found.failures] == ["lines add up"]


def test_the_smallest_of_the_requests_that_break_is_shown() -> None:
    with Target(app=Broken(BreaksOnOddInput()), token=OWN_TOKEN) as target:
        target.connect()
        only = BreaksOnOddInput.operations
        found = check(target, PROFILES["smoke"], DOCUMENT, only=only, suites=("generated",))

    assert found.failures
    assert all(len(failure.exchanges[-1].sent.body) < 120 for failure in found.failures)
