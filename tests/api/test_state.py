"""What a server keeps from one run to the next."""

from __future__ import annotations

import stat

import pytest

from metronome_sandbox.api.app import create_app
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.state import load, save
from metronome_sandbox.domain.errors import InvalidRequest


@pytest.fixture
def server():
    return create_app().server


def test_tenants_come_back_with_their_clock_and_their_ids(server, tmp_path):
    context = server.tenants.get("alice").context
    first = context.ids.next("customer")
    server.tenants.get("alice").clock.freeze(context.now)
    save(server, tmp_path / "state.json")

    again = create_app().server
    load(again, tmp_path / "state.json")

    tenant = again.tenants.get("alice")
    assert len(again.tenants) == 1
    assert tenant.clock.now() == context.now
    assert tenant.context.ids.next("customer") == context.ids.next("customer") != first


def test_a_file_that_is_not_there_yet_is_no_state(server, tmp_path):
    load(server, tmp_path / "state.json")

    assert len(server.tenants) == 0


def test_a_file_with_tokens_is_for_its_owner_only(server, tmp_path):
    server.tenants.get("alice")
    save(server, tmp_path / "state.json")

    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"format": "x", "version": 1, "tenants": []}', b"\xff"],
)
def test_a_file_of_something_else_is_refused_by_name(server, tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)

    with pytest.raises(InvalidRequest, match=r"state\.json: "):
        load(server, tmp_path / "state.json")


def test_a_file_that_was_edited_is_refused(server, tmp_path):
    server.tenants.get("alice").context.ids.next("customer")
    save(server, tmp_path / "state.json")
    saved = (tmp_path / "state.json").read_bytes()
    assert b'"customer":1' in saved
    (tmp_path / "state.json").write_bytes(saved.replace(b'"customer":1', b'"customer":2'))

    with pytest.raises(InvalidRequest, match="checksum"):
        load(create_app().server, tmp_path / "state.json")


def test_a_directory_is_refused_by_name(server, tmp_path):
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load(server, tmp_path)


def test_tenants_that_may_not_come_are_refused_and_their_tokens_not_told(server, tmp_path):
    server.tenants.get("alice-secret")
    save(server, tmp_path / "state.json")
    strict = create_app(Settings(tokens=frozenset({"bob"}))).server

    with pytest.raises(InvalidRequest, match="1 tenants whose tokens") as caught:
        load(strict, tmp_path / "state.json")
    assert "alice" not in str(caught.value)
