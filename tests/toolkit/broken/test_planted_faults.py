"""``check`` sees every planted fault, and none in a healthy sandbox.

``CHECK_BROKEN=all`` (``make check-broken``) generates requests for every operation of every broken sandbox; otherwise
for the operations that the fault names alone.
"""

from __future__ import annotations

import os

import pytest
from toolkit.broken.faults import FAULTS, Broken, Fault

from metronome_sandbox.api.app import create_app
from metronome_sandbox.spec.document import Document
from metronome_sandbox.toolkit.checking import OWN_TOKEN, SUITES, check
from metronome_sandbox.toolkit.report import Run
from metronome_sandbox.toolkit.suites.profiles import PROFILES
from metronome_sandbox.toolkit.target import Application, Target

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
