"""Worlds: made, taken down into a snapshot, and put up again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from builders import utc
from worlds import World as Played

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import World
from metronome_sandbox.api.worlds import FORMAT, VERSION, Snapshot, Worlds, read, state_of, take
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.errors import InvalidRequest, ScenarioNotFound
from metronome_sandbox.domain.ids import PackageId
from metronome_sandbox.domain.packages import (
    UNDATED,
    BalanceTemplate,
    Package,
    PackageAlias,
    SegmentTemplate,
    SubscriptionTemplate,
)
from metronome_sandbox.domain.payment_gates import GateType, PaymentGate
from metronome_sandbox.domain.rate_cards import BillingFrequency
from metronome_sandbox.domain.recurring import Rounding, RoundingMethod
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit
from metronome_sandbox.domain.subscriptions import Collection, QuantityManagement
from metronome_sandbox.domain.thresholds import FieldCondition, PrepaidThreshold, ThresholdCommit
from metronome_sandbox.services import contract_edits, contracts, packages
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.contract_terms import NewTerms


@pytest.fixture
def worlds() -> Worlds:
    return Worlds(Settings(), HANDLERS)


def served(played: Played) -> World:
    return World(played.context, played.clock)


@pytest.fixture
def full() -> World:
    """A world with something in every table."""
    played = Played("2024-08-15")
    played.product("P", "1000", tags=("a",))
    played.product("Q", pricing=("region",))
    ladder = [("5", "0.000000000000000001"), (None, "999999999999999")]
    played.rate("Q", tiers=ladder, pricing={"region": 'é\u2028"\\'})
    played.customer("Acme", "acme")
    played.imported(
        commits=[
            played.prepaid("C", ("25000", "2024-06-01..2025-06-01"), payments=[("2024-12-01", "20000")]),
            played.postpaid("D", "33.33", "2024-06"),
        ],
        uniqueness_key="key",
        custom_fields={"x": "y"},
    )
    played.customer_balance(played.credit("R", ("1", "2024-08"), uniqueness_key="k"))
    final, _ = played.import_(
        played.historical("2024-06", {"P": {"2024-06-01": "0.1", "2024-06-02": "3"}}, granularity="DAY"),
        played.historical("2024-07", {"P": "1"}, issue_date="2024-09-01"),
    )
    played.void(final)
    with played.context.transaction():
        played.store.settled.put("a charge", final.id)
    contracts.update_contract_end_date(played.context, final.customer_id, final.contract_id, utc("2030-01-01"))
    played.use("P", "2024-08-02", "2")
    gated = played.prepaid("G", ("5", "2024-08"), payments=[("2024-08-01", "4")], gate=PaymentGate(GateType.EXTERNAL))
    add = NewTerms(commits=(gated,))
    edit = EditContract(customer_id=final.customer_id, contract_id=final.contract_id, add=add)
    contract_edits.edit_contract(played.context, edit)
    month = RelativeDate(1, RelativeUnit.MONTHS)
    seats = SubscriptionTemplate(
        "",
        played.subscribable("Seat", "0.1"),
        BillingFrequency.MONTHLY,
        Collection.ADVANCE,
        duration=month,
        seat_group_key="user",
        unassigned_seats=Decimal(2),
        management=QuantityManagement.SEAT_BASED,
        rounding=Rounding(RoundingMethod.FLOOR, -2),
    )
    package = Package(
        PackageId(""),
        "Starter",
        UNDATED,
        rate_card_id=played.card,
        subscriptions=(seats,),
        aliases=(PackageAlias("starter"),),
        duration=month,
        prepaid_threshold=PrepaidThreshold(
            Decimal("500.1"),
            ThresholdCommit(played.commitment, duration=month),
            PaymentGate(),
            recharge_to_amount=Decimal("1500.1"),
            excluded=((FieldCondition("Commit", "kind", "gift"),),),
        ),
        credits=(
            BalanceTemplate(
                "", BalanceType.CREDIT, played.commitment, (SegmentTemplate("", Decimal("0.1"), month, month),)
            ),
        ),
    )
    packages.create_package(played.context, package)
    return served(played)


def test_an_empty_world_has_the_currencies_and_nothing_else(worlds: Worlds) -> None:
    world = worlds(None)

    rows = msgspec.to_builtins(state_of(world).store)
    assert len(rows.pop("credit_types")) == 20
    assert not any(rows.values())
    assert not world.clock.is_frozen


def test_worlds_share_nothing(worlds: Worlds) -> None:
    one, other = worlds(None), worlds(None)
    before = take(other)

    with one.context.transaction():
        one.context.store.uniqueness_keys.put(("contract", "k"), "c")
        one.context.ids.next("contract")

    assert take(other) == before
    assert take(one) != before


def test_a_world_of_a_scenario_is_the_same_each_time(worlds: Worlds) -> None:
    one, other = worlds("acme"), worlds("acme")

    assert take(one) == take(other)
    assert one.clock.now() == utc("2024-08-15")
    assert worlds.playing("acme")[1] == worlds.playing("acme")[1]


def test_random_ids_differ(worlds: Worlds) -> None:
    random = Worlds(Settings(random_ids=True), HANDLERS)

    assert take(random(None)) != take(random(None))
    assert take(worlds(None)) == take(worlds(None))


def test_a_scenario_that_does_not_exist(worlds: Worlds) -> None:
    with pytest.raises(ScenarioNotFound, match="acme"):
        worlds("nothing")


def test_the_grace_period_is_the_servers(full: World) -> None:
    strict = Worlds(Settings(grace_period=timedelta(0)), HANDLERS)

    assert strict(None).context.grace_period == timedelta(0)
    assert strict.restored(state_of(full)).context.grace_period == timedelta(0)


def test_every_table_survives_a_snapshot(worlds: Worlds, full: World) -> None:
    assert all(msgspec.to_builtins(state_of(full).store).values())

    restored = worlds.restored(read(take(full)).state)

    assert state_of(restored) == state_of(full)
    assert take(restored) == take(full)


def test_a_snapshot_says_what_it_is(full: World) -> None:
    snapshot = msgspec.json.decode(take(full))

    assert (snapshot["format"], snapshot["version"]) == (FORMAT, VERSION)
    assert snapshot["checksum"].startswith("sha256:")
    assert set(snapshot["state"]) == {"frozen_at", "id_seed", "id_counts", "store"}


def test_numbers_keep_every_digit(worlds: Worlds, full: World) -> None:
    text = take(full).decode()

    assert '"1E-18"' in text
    assert '"999999999999999"' in text


def test_a_restored_world_is_a_copy(worlds: Worlds, full: World) -> None:
    before = take(full)
    restored = worlds.restored(read(before).state)

    with restored.context.transaction():
        restored.context.store.uniqueness_keys.put(("contract", "other"), "c")
        restored.context.ids.next("contract")
    restored.clock.freeze(utc("2030-01-01"))

    assert take(full) == before


@pytest.mark.parametrize("frozen", [True, False])
def test_the_clock_is_part_of_a_world(worlds: Worlds, frozen: bool) -> None:
    world = worlds(None)
    if frozen:
        world.clock.freeze(utc("2024-08-15T10:30:15"))

    restored = worlds.restored(read(take(world)).state)

    assert restored.clock.is_frozen is frozen
    if frozen:
        assert restored.clock.now() == utc("2024-08-15T10:30:15")


def test_what_was_due_happens_in_a_restored_world(worlds: Worlds, full: World) -> None:
    restored = worlds.restored(read(take(full)).state)
    restored.clock.freeze(utc("2024-09-02"))

    restored.catch_up()

    statuses = [invoice.status.value for invoice in restored.context.store.invoices.values()]
    # June, July's import, the payment of a gated commit, August
    assert statuses == ["VOID", "FINALIZED", "FINALIZED", "FINALIZED"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "state"),
        (b"[]", "state"),
        (b"{}", "state"),
        (b'{"format": 1}', "state"),
        (b"\xff\xfe", "state"),
        (b"null", "state"),
    ],
)
def test_what_is_no_snapshot_is_refused(body: bytes, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)

    assert caught.value.path == path


def test_a_snapshot_of_another_version_or_format_is_refused(full: World) -> None:
    snapshot = msgspec.json.decode(take(full), type=Snapshot)

    for changed in (
        msgspec.structs.replace(snapshot, version=VERSION + 1),
        msgspec.structs.replace(snapshot, format="another"),
    ):
        with pytest.raises(InvalidRequest, match=r"version: .* cannot be read; expected 1"):
            read(msgspec.json.encode(changed))


def test_a_snapshot_that_was_edited_is_refused(full: World) -> None:
    body = take(full)
    assert b'"25000"' in body

    with pytest.raises(InvalidRequest, match="checksum"):
        read(body.replace(b'"25000"', b'"25001"'))


def test_only_a_store_in_memory_can_be_taken_down(full: World) -> None:
    full.context.store = object()  # type: ignore[assignment]

    with pytest.raises(TypeError, match="object cannot be taken down"):
        take(full)
