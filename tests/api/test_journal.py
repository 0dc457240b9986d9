"""The journal of a tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from metronome_sandbox.api.journal import BODY_LIMIT, Journal, readable
from metronome_sandbox.spec.findings import Finding

NEW = "/v1/things"


def journal_of(call, token="alice"):
    return list(call.app.server.tenants.get(token).journal)


def test_a_call_is_kept_with_its_bodies(call):
    call("POST", f"{NEW}?a=1", b'{"name": "x", "amount": 0.10}')

    (entry,) = journal_of(call)
    assert (entry.id, entry.operation_id, entry.method, entry.path, entry.query) == (
        1,
        "createThing-v1",
        "POST",
        NEW,
        b"a=1",
    )
    assert entry.status == 200
    assert entry.duration_ms > 0
    assert entry.request_value == {"name": "x", "amount": Decimal("0.10")}
    assert entry.response_value["data"]["name"] == "x"
    assert entry.findings == ()


def test_the_time_of_a_call_is_the_tenants(call):
    call("POST", NEW, {"name": "x"})
    noon = datetime(2024, 8, 1, 12, tzinfo=UTC)
    call.app.server.tenants.get("alice").clock.freeze(noon)
    call("POST", NEW, {"name": "x"})

    assert journal_of(call)[1].timestamp == noon


def test_a_request_against_the_contract_is_kept_with_its_findings(call):
    call("POST", NEW, {"name": 5})

    (entry,) = journal_of(call)
    assert entry.status == 400
    assert entry.findings == (Finding("name", "type", "expected a string", "5"),)


def test_an_answer_against_the_contract_is_kept_with_its_findings(serve):
    call = serve()
    call("POST", NEW, {"name": "misspelt"})

    (entry,) = journal_of(call)
    assert entry.status == 500
    assert entry.findings[0].where == "data.ammount"


def test_an_unknown_path_is_kept_but_makes_no_tenant(call):
    call("POST", NEW + "s", {"name": "x"})
    assert len(call.app.server.tenants) == 0

    call("POST", NEW, {"name": "x"})
    call("POST", NEW + "s", {"name": "x"})
    entry = journal_of(call)[-1]
    assert (entry.operation_id, entry.path, entry.status) == (None, "/v1/thingss", 404)


def test_what_is_not_imitated_is_kept(call):
    call("POST", "/v1/alerts/create", {})

    assert [(entry.operation_id, entry.status) for entry in journal_of(call)] == [("createAlert-v1", 501)]


def test_the_control_plane_is_not_kept(call):
    call("POST", "/sandbox/reset")

    assert journal_of(call) == []


def test_a_reset_keeps_the_journal(call):
    call("POST", NEW, {"name": "x"})
    call("POST", "/sandbox/reset")

    assert len(journal_of(call)) == 1


def test_each_tenant_has_its_own(call):
    call("POST", NEW, {"name": "x"})
    call("POST", NEW, {"name": "x"}, headers={"authorization": "Bearer bob"})

    assert len(journal_of(call)) == len(journal_of(call, "bob")) == 1


def test_no_header_is_kept(call):
    call("POST", NEW, {"name": "x"}, headers={"authorization": "Bearer very-secret"})

    assert "very-secret" not in repr(journal_of(call, "very-secret"))


def test_the_oldest_entries_go_and_their_numbers_do_not_come_back(serve):
    call = serve(journal_size=2)
    for _ in range(3):
        call("POST", NEW, {"name": "x"})

    assert [entry.id for entry in journal_of(call)] == [2, 3]
    call.app.server.tenants.get("alice").journal.clear()
    call("POST", NEW, {"name": "x"})
    assert [entry.id for entry in journal_of(call)] == [4]


def test_a_journal_of_size_none_keeps_nothing(serve):
    call = serve(journal_size=0)
    call("POST", NEW, {"name": "x"})

    assert journal_of(call) == []


def test_a_long_body_is_cut(serve):
    call = serve()
    call("POST", NEW, {"name": "x", "anything": "y" * 2 * BODY_LIMIT})

    (entry,) = journal_of(call)
    assert len(entry.request_body) == BODY_LIMIT
    assert isinstance(entry.request_value, str)


def test_the_newest_comes_first_when_asked_backwards():
    journal = Journal(10)
    for number in range(3):
        journal.add(datetime.now(UTC), None, "GET", f"/{number}", b"", 200, 1_500_000, b"", b"")

    assert [entry.path for entry in reversed(journal)] == ["/2", "/1", "/0"]
    assert next(iter(journal)).duration_ms == 1.5


def test_a_body_is_readable_whatever_it_is():
    assert readable(b"") is None
    assert readable(b'{"a": 0.10}') == {"a": Decimal("0.10")}
    assert readable(b"\xff{") == "�{"
    assert readable(b"NaN") == "NaN"
    assert readable(b"[" * 16_000) == "[" * 16_000
