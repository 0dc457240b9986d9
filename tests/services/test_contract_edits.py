"""Contracts changed after they were made: edits and their history, amendments, moved issue dates."""

from __future__ import annotations

from typing import Any

import pytest
from builders import number, override, utc
from worlds import World, headline, shown_time

from metronome_sandbox.domain.contract_history import ContractEdit
from metronome_sandbox.domain.contracts import Contract
from metronome_sandbox.domain.errors import (
    ContractNotFound,
    InvalidRequest,
    NotAllowedNow,
    NotFound,
    NotImitated,
    UniquenessKeyTaken,
)
from metronome_sandbox.domain.ids import ContractId, InvoiceId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.overrides import OverrideSpecifier
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.reseller_royalties import ResellerType, RoyaltyChange
from metronome_sandbox.services import contract_edits, contracts
from metronome_sandbox.services.balance_changes import BalanceChange, PaymentChange
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.contract_edits import AmendContract, EditContract, ScheduledChargeChange
from metronome_sandbox.services.contract_history import history_of
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.usage_filters import NewUsageFilter


def contract_of(world: World, name: str = "contract") -> Contract:
    return world.store.contracts[world.contracts[name]]


def edit(world: World, /, on: str = "contract", **fields: Any) -> ContractEdit:
    contract = contract_of(world, on)
    new = EditContract(customer_id=contract.customer_id, contract_id=contract.id, **fields)
    return contract_edits.edit_contract(world.context, new)


def charge(world: World, name: str, *payments: tuple[str, str]) -> NewScheduledTerm:
    items = tuple(Payment(utc(at), number(amount)) for at, amount in payments)
    return NewScheduledTerm(world.commitment, NewPayments(items), name)


def headlines(world: World, **conditions: Any) -> list[str]:
    return [headline(one) for one in world.invoices(**conditions)]


def scheduled(world: World) -> list[Invoice]:
    return world.invoices(type="SCHEDULED")


@pytest.fixture
def world() -> World:
    """August 15 on a contract since August 1; P costs 1000."""
    world = World("2024-08-15")
    world.product("P", "1000")
    world.contract(starting_at="2024-08-01")
    return world


# --- G21: the scope of a commit is widened


@pytest.fixture
def reads() -> World:
    """A prepaid commit of 100000 for Reads only; 10 Reads and 10 Writes in February, 3 and 2 in March."""
    world = World("2025-02-01")
    world.product("Reads", "1000")
    world.product("Writes", "500")
    commit = world.prepaid("C", ("100000", "2025-01-01..2026-01-01"), products=["Reads"])
    world.contract(starting_at="2025-02-01", commits=[commit])
    for product in ("Reads", "Writes"):
        world.use(product, "2025-02-01", "10")
    world.travel("2025-03-10")
    world.use("Reads", "2025-03-02", "3")
    world.use("Writes", "2025-03-02", "2")
    return world


def widen(world: World) -> None:
    edit(world, update_commits=((world.balance("C").id, BalanceChange(applicable_product_ids=())),))


def test_g21_a_commit_for_one_product_leaves_the_other_to_be_paid(reads: World) -> None:
    assert reads.lines(reads.invoice("2025-02")) == [
        "Reads 10 @ 1000 = 10000 [C]",
        "C applied -10000",
        "Writes 10 @ 500 = 5000",
    ]
    assert headlines(reads) == ["USAGE 2025-02 FINALIZED 2025-03-02 5000", "USAGE 2025-03 DRAFT 2025-04-02 1000"]
    assert reads.left("C") == "87000"  # 100000 - 10 * 1000 - 3 * 1000


def test_g21b_a_wider_scope_covers_the_whole_draft_and_leaves_final_invoices_alone(reads: World) -> None:
    widen(reads)

    assert headlines(reads) == ["USAGE 2025-02 FINALIZED 2025-03-02 5000", "USAGE 2025-03 DRAFT 2025-04-02 0"]
    assert reads.lines(reads.invoice("2025-03")) == [
        "Reads 3 @ 1000 = 3000 [C]",
        "C applied -3000",
        "Writes 2 @ 500 = 1000 [C]",
        "C applied -1000",
    ]
    assert reads.left("C") == "86000"  # 87000 - 2 * 500


def test_g21c_void_and_regenerate_takes_the_edit_into_a_final_invoice(reads: World) -> None:
    widen(reads)

    reads.regenerate(reads.void(reads.invoice("2025-02")))

    february = reads.invoice("2025-02")
    assert reads.lines(february) == [
        "Reads 10 @ 1000 = 10000 [C]",
        "C applied -10000",
        "Writes 10 @ 500 = 5000 [C]",
        "C applied -5000",
    ]
    assert headline(february) == "USAGE 2025-02 FINALIZED 2025-03-02 0"
    assert reads.left("C") == "81000"  # 100000 - 15000 - 4000


# --- edits


def test_an_edit_adds_terms_and_drafts_follow_at_once(world: World) -> None:
    world.use("P", "2024-08-02", "10")

    made = edit(
        world,
        add=NewTerms(
            commits=(world.prepaid("C", ("4000", "2024-08"), payments=[("2024-08-20", "4000")]),),
            credits=(world.credit("R", ("1000", "2024-08")),),
            overrides=(override(multiplier="0.8", product=world.products["P"], starting_at="2024-08-01"),),
            scheduled_charges=(charge(world, "Fee", ("2024-08-20", "70")),),
            discounts=(charge(world, "Off", ("2024-08-20", "20")),),
        ),
    )

    assert world.lines(world.invoice("2024-08")) == [
        "P 1.25 @ 800 = 1000 [R]",  # free before paid; 1000 * 0.8 = 800 each
        "R applied -1000",
        "P 5 @ 800 = 4000 [C]",
        "C applied -4000",
        "P 3.75 @ 800 = 3000",  # 10 - 1.25 - 5
    ]
    assert headlines(world, type="SCHEDULED") == ["SCHEDULED DRAFT 2024-08-20 4050"]  # 4000 + 70 - 20
    assert [one.name for one in (*made.added.commits, *made.added.credits)] == ["C", "R"]
    assert [one.name for one in (*made.added.scheduled_charges, *made.added.discounts)] == ["Fee", "Off"]
    assert len(made.added.overrides) == 1


def test_an_override_is_taken_out(world: World) -> None:
    world.use("P", "2024-08-02", "10")
    edit(world, add=NewTerms(overrides=(override(multiplier="0.5", starting_at="2024-08-01"),)))
    assert world.lines(world.invoice("2024-08")) == ["P 10 @ 500 = 5000"]
    (added,) = contract_of(world).overrides

    edit(world, remove_overrides=(added.id,))

    assert world.lines(world.invoice("2024-08")) == ["P 10 @ 1000 = 10000"]


def test_an_override_of_an_edit_may_name_a_commit_of_the_same_edit(world: World) -> None:
    world.use("P", "2024-08-02", "10")
    cheaper = override(
        multiplier="0.5", starting_at="2024-08-01", commit_specific=True, specifiers=(specifier_for("mine"),)
    )

    edit(
        world,
        add=NewTerms(commits=(world.prepaid("C", ("1000", "2024-08"), temporary_id="mine"),), overrides=(cheaper,)),
    )

    assert world.lines(world.invoice("2024-08")) == [
        "P 2 @ 500 = 1000 [C]",  # half the price for what C pays
        "C applied -1000",
        "P 8 @ 1000 = 8000",
    ]


def specifier_for(name: str) -> Any:
    return OverrideSpecifier(balance_ids=(name,))  # type: ignore[arg-type]


def test_name_end_and_payment_terms_change_and_null_clears_them(world: World) -> None:
    edit(world, name="Acme", ending_before=utc("2024-12-01"), net_payment_terms_days=number(30))
    changed = contract_of(world)
    assert (changed.name, changed.ending_before) == ("Acme", utc("2024-12-01"))
    assert changed.net_payment_terms_days == 30

    edit(world, name=None, ending_before=None, net_payment_terms_days=None)

    cleared = contract_of(world)
    assert (cleared.name, cleared.ending_before, cleared.net_payment_terms_days) == (None, None, None)


def test_what_an_edit_does_not_name_stays(world: World) -> None:
    edit(world, name="Acme", ending_before=utc("2024-12-01"))

    edit(world)

    assert (contract_of(world).name, contract_of(world).ending_before) == ("Acme", utc("2024-12-01"))


def test_an_edit_that_fails_in_one_place_changes_nothing(world: World) -> None:
    before = world.dump()

    with pytest.raises(NotFound, match="no override nowhere"):
        edit(
            world,
            name="Acme",
            add=NewTerms(commits=(world.prepaid("C", ("1", "2024-08")),)),
            remove_overrides=("nowhere",),
        )
    with pytest.raises(InvalidRequest, match=r"^add_overrides\[0\]\.multiplier: -1 is less than 0"):
        edit(
            world,
            add=NewTerms(
                credits=(world.credit("R", ("1", "2024-08")),),
                overrides=(override(multiplier="-1", starting_at="2024-08-01"),),
            ),
        )

    assert world.dump() == before


def test_a_uniqueness_key_is_good_for_one_edit_and_a_contract_may_have_the_same(world: World) -> None:
    world.contract("other", uniqueness_key="key")
    edit(world, name="A", uniqueness_key="key")

    with pytest.raises(UniquenessKeyTaken):
        edit(world, name="B", uniqueness_key="key")

    assert contract_of(world).name == "A"


def test_an_end_before_a_final_invoice_is_refused_on_request(world: World) -> None:
    world.travel("2024-10-05")
    with pytest.raises(InvalidRequest, match=r"^update_contract_end_date: .* is before the end of finalized invoice"):
        edit(world, ending_before=utc("2024-09-15"), allow_ending_before_finalized_invoice=False)

    edit(world, ending_before=utc("2024-09-15"))

    assert headlines(world) == ["USAGE 2024-08 FINALIZED 2024-09-02 0", "USAGE 2024-09 FINALIZED 2024-10-02 0"]


def test_an_archived_contract_cannot_be_edited(world: World) -> None:
    contract = contract_of(world)
    contracts.archive_contract(world.context, contract.customer_id, contract.id, void_invoices=False)

    with pytest.raises(NotAllowedNow, match="is archived"):
        edit(world, name="A")


def test_a_commit_is_archived_by_an_edit_and_only_on_its_own_contract(world: World) -> None:
    world.use("P", "2024-08-02", "1")
    edit(world, add=NewTerms(commits=(world.prepaid("C", ("1000", "2024-08")),)))
    assert headline(world.invoice("2024-08")) == "USAGE 2024-08 DRAFT 2024-09-02 0"
    world.contract("other", starting_at="2024-09-01")
    with pytest.raises(NotFound):
        edit(world, "other", archive_commits=(world.balance("C").id,))
    with pytest.raises(NotFound):
        edit(world, archive_credits=(world.balance("C").id,))

    edit(world, archive_commits=(world.balance("C").id,))

    assert headline(world.invoice("2024-08")) == "USAGE 2024-08 DRAFT 2024-09-02 1000"


# --- scheduled charges


@pytest.fixture
def charged(world: World) -> World:
    """A fee of 10 on August 20 and September 20; the first is final."""
    edit(world, add=NewTerms(scheduled_charges=(charge(world, "Fee", ("2024-08-20", "10"), ("2024-09-20", "10")),)))
    world.travel("2024-08-25")
    return world


def change_fee(world: World, **fields: Any) -> None:
    (fee,) = contract_of(world).scheduled_charges
    edit(world, update_scheduled_charges=(ScheduledChargeChange(fee.id, BalanceChange(**fields)),))


def item(world: World, place: int) -> str:
    (fee,) = contract_of(world).scheduled_charges
    return fee.schedule.items[place].id


def test_dates_of_a_charge_are_added_changed_and_removed(charged: World) -> None:
    change_fee(
        charged,
        added_payments=(Payment(utc("2024-10-20"), number(5), number(3)),),
        changed_payments=(PaymentChange(item(charged, 1), timestamp=utc("2024-09-25"), unit_price=number(12)),),
    )
    assert headlines(charged, type="SCHEDULED") == [
        "SCHEDULED FINALIZED 2024-08-20 10",
        "SCHEDULED DRAFT 2024-09-25 12",
        "SCHEDULED DRAFT 2024-10-20 15",  # 3 * 5
    ]

    change_fee(charged, removed_payments=(item(charged, 2),))

    assert headlines(charged, type="SCHEDULED") == [
        "SCHEDULED FINALIZED 2024-08-20 10",
        "SCHEDULED DRAFT 2024-09-25 12",
    ]


def test_a_date_that_comes_to_a_final_invoice_gets_one_of_its_own(charged: World) -> None:
    change_fee(charged, added_payments=(Payment(utc("2024-08-20"), number(7)),))

    first, second, _ = scheduled(charged)
    assert [headline(first), headline(second)] == [
        "SCHEDULED FINALIZED 2024-08-20 10",
        "SCHEDULED FINALIZED 2024-08-20 7",
    ]
    assert first.id != second.id


def test_what_is_on_a_final_invoice_can_neither_change_nor_go_and_on_a_void_one_not_go(charged: World) -> None:
    path = r"^update_scheduled_charges\[0\]\.invoice_schedule\."
    for fields in (
        {"changed_payments": (PaymentChange(item(charged, 0), unit_price=number(1)),)},
        {"removed_payments": (item(charged, 0),)},
    ):
        with pytest.raises(NotAllowedNow, match=f"{path}.* FINALIZED invoice"):
            change_fee(charged, **fields)
    (invoice, _) = scheduled(charged)
    charged.void(invoice)
    with pytest.raises(NotAllowedNow, match=f"{path}.* VOID invoice"):
        change_fee(charged, removed_payments=(item(charged, 0),))

    change_fee(charged, changed_payments=(PaymentChange(item(charged, 0), unit_price=number(8)),))

    assert headline(charged.regenerate(invoice)) == "SCHEDULED FINALIZED 2024-08-20 8"


def test_a_charge_is_archived_once_its_final_invoices_are_void(charged: World) -> None:
    (fee,) = contract_of(charged).scheduled_charges
    (invoice, _) = scheduled(charged)
    with pytest.raises(NotAllowedNow, match=r"^archive_scheduled_charges\[0\]\.id: .* void it first"):
        edit(charged, archive_scheduled_charges=(fee.id,))
    charged.void(invoice)

    edit(charged, archive_scheduled_charges=(fee.id,))

    assert headlines(charged, type="SCHEDULED") == ["SCHEDULED VOID 2024-08-20 10"]
    with pytest.raises(NotAllowedNow, match=r"nothing that invoice .* billed is left"):
        charged.regenerate(invoice)
    with pytest.raises(NotAllowedNow, match="is archived already"):
        edit(charged, archive_scheduled_charges=(fee.id,))


# --- history


def test_the_history_lists_edits_ends_and_filters_in_their_order(world: World) -> None:
    world.contract("bare", starting_at="2024-08-01", without_card=True)
    contract = contract_of(world, "bare")
    edit(world, "bare", name="Acme", uniqueness_key="key")
    world.travel("2024-08-16")
    contracts.update_contract_end_date(world.context, contract.customer_id, contract.id, utc("2024-12-01"))
    chosen = NewUsageFilter("project", ("atlas",), utc("2024-09-01"))
    contract_edits.set_usage_filter(world.context, contract.customer_id, contract.id, chosen)

    first, second, third = contract_edits.get_edit_history(world.context, contract.customer_id, contract.id)

    assert (first.timestamp, first.name, first.uniqueness_key) == (utc("2024-08-15"), "Acme", "key")
    assert (second.timestamp, second.ending_before) == (utc("2024-08-16"), utc("2024-12-01"))
    assert [one.starting_at for one in third.usage_filters] == [utc("2024-09-01")]
    assert len({first.id, second.id, third.id}) == 3


def test_a_contract_reads_as_it_was_at_a_date(world: World) -> None:
    contract = contract_of(world)
    world.travel("2024-08-16")
    edit(world, name="second", add=NewTerms(commits=(world.prepaid("C", ("1", "2024-08")),)))
    world.travel("2024-08-17")
    edit(world, name="third")
    history = history_of(world.context, contract.id)

    def name_at(at: str) -> str | None:
        version = history.version_at(utc(at))
        return "now" if version is None else version.contract.name

    assert [name_at(at) for at in ("2024-07-01", "2024-08-15T23:59", "2024-08-16", "2024-08-16T23:59")] == [
        "contract",
        "contract",
        "second",
        "second",
    ]
    assert name_at("2024-08-17") == "now"
    assert [len(version.balances) for version in history.versions] == [0, 1]


# --- amendments


def test_an_amendment_adds_terms_and_changes_nothing_else(world: World) -> None:
    world.use("P", "2024-08-02", "10")
    contract = contract_of(world)

    made = contract_edits.amend_contract(
        world.context,
        AmendContract(
            customer_id=contract.customer_id,
            contract_id=contract.id,
            starting_at=utc("2024-08-10"),
            add=NewTerms(
                credits=(world.credit("R", ("3000", "2024-08")),),
                scheduled_charges=(charge(world, "Fee", ("2024-09-01", "5")),),
            ),
            total_contract_value=number(1000),
        ),
    )

    assert headlines(world) == ["USAGE 2024-08 DRAFT 2024-09-02 7000", "SCHEDULED DRAFT 2024-09-01 5"][::-1]
    assert [one.name for one in made.added.credits] == ["R"]
    assert contract_of(world).total_contract_value == 1000
    assert history_of(world.context, contract.id).amendments == (made,)
    assert contract_edits.get_edit_history(world.context, contract.customer_id, contract.id) == ()


def test_an_amendment_starts_inside_of_its_contract(world: World) -> None:
    contract = contract_of(world)

    with pytest.raises(InvalidRequest, match=r"^starting_at: .* is outside of the contract's time"):
        contract_edits.amend_contract(
            world.context,
            AmendContract(customer_id=contract.customer_id, contract_id=contract.id, starting_at=utc("2024-07-01")),
        )


# --- royalties


def test_the_first_royalty_of_a_type_is_whole_and_later_ones_change_it(world: World) -> None:
    whole = RoyaltyChange(
        ResellerType.AWS, number("0.1"), "ns-1", utc("2024-08-01"), applicable_product_ids=(world.products["P"],)
    )
    with pytest.raises(InvalidRequest, match=r"^add_reseller_royalties\[0\]\.fraction: is missing"):
        edit(world, add=NewTerms(reseller_royalties=(RoyaltyChange(ResellerType.AWS),)))
    edit(world, add=NewTerms(reseller_royalties=(whole,)))

    later = RoyaltyChange(ResellerType.AWS, number("0.2"), starting_at=utc("2024-09-01"))
    edit(world, add=NewTerms(reseller_royalties=(later,)))

    assert [(one.fraction, one.starting_at, one.ending_before) for one in contract_of(world).reseller_royalties] == [
        (number("0.1"), utc("2024-08-01"), utc("2024-09-01")),
        (number("0.2"), utc("2024-09-01"), None),
    ]


# --- issue dates


def move(world: World, invoice: Invoice, to: str) -> None:
    contract_edits.update_invoice_issue_date(world.context, invoice.id, utc(to))


def test_a_scheduled_draft_is_issued_at_another_time_while_its_charge_keeps_its_date(world: World) -> None:
    edit(world, add=NewTerms(scheduled_charges=(charge(world, "Fee", ("2024-08-20", "10"), ("2024-09-20", "10")),)))
    first, _ = scheduled(world)

    move(world, first, "2024-08-25")
    assert headlines(world, type="SCHEDULED") == ["SCHEDULED DRAFT 2024-08-25 10", "SCHEDULED DRAFT 2024-09-20 10"]
    world.travel("2024-08-24")
    assert headlines(world, type="SCHEDULED")[0] == "SCHEDULED DRAFT 2024-08-25 10"
    world.travel("2024-08-25")

    final = scheduled(world)[0]
    assert (headline(final), final.id) == ("SCHEDULED FINALIZED 2024-08-25 10", first.id)
    (fee,) = contract_of(world).scheduled_charges
    assert fee.schedule.items[0].timestamp == utc("2024-08-20")


def test_a_time_that_is_over_makes_the_draft_final_at_once(world: World) -> None:
    edit(world, add=NewTerms(scheduled_charges=(charge(world, "Fee", ("2024-08-20", "10")),)))

    move(world, scheduled(world)[0], "2024-08-10")

    assert headlines(world, type="SCHEDULED") == ["SCHEDULED FINALIZED 2024-08-10 10"]


def test_an_import_that_waits_can_be_moved_as_well() -> None:
    world = World("2024-08-15")
    world.product("P", "1000")
    world.imported()
    (waiting,) = world.import_(world.historical("2024-07", {"P": "1"}, issue_date="2024-09-01"))

    move(world, waiting, "2024-10-01")
    world.travel("2024-09-15")

    assert headline(world.invoice("2024-07")) == "USAGE 2024-07 DRAFT 2024-10-01 1000"


def test_only_drafts_move_and_not_behind_the_end_of_the_contract(world: World) -> None:
    edit(
        world,
        ending_before=utc("2024-12-01"),
        add=NewTerms(scheduled_charges=(charge(world, "Fee", ("2024-08-10", "10"), ("2024-09-20", "10")),)),
    )
    final, draft = scheduled(world)

    with pytest.raises(NotAllowedNow, match=r"^invoice_id: invoice .* is FINALIZED; only a DRAFT can be moved"):
        move(world, final, "2024-09-01")
    with pytest.raises(InvalidRequest, match=r"^issue_date: .* is after the contract's end"):
        move(world, draft, "2024-12-01T01:00")
    with pytest.raises(NotImitated, match="other issue dates for the invoices of billing periods"):
        move(world, world.invoice("2024-08"), "2024-09-10")
    with pytest.raises(NotFound):
        contract_edits.update_invoice_issue_date(world.context, InvoiceId("nowhere"), utc("2024-09-01"))


def test_a_contract_of_another_customer_is_not_found(world: World) -> None:
    world.customer("Globex")
    stranger = EditContract(
        customer_id=world.customers["Globex"], contract_id=ContractId(world.contracts["contract"]), name="B"
    )

    with pytest.raises(ContractNotFound):
        contract_edits.edit_contract(world.context, stranger)


def ends(world: World) -> list[str | None]:
    overrides = contract_of(world).overrides
    return [None if one.ending_before is None else shown_time(one.ending_before) for one in overrides]


def test_an_earlier_end_cuts_overrides_and_a_later_one_does_not_bring_them_back(world: World) -> None:
    of = world.products["P"]
    new = [
        override(multiplier="0.5", product=of, starting_at="2024-08-01"),
        override(multiplier="0.6", product=of, starting_at="2024-08-01", ending_before="2024-08-20"),
        override(multiplier="0.1", product=of, starting_at="2024-09-01"),
    ]
    edit(world, add=NewTerms(overrides=tuple(new)))

    edit(world, ending_before=utc("2024-09-01"))
    assert ends(world) == ["2024-09-01", "2024-08-20"]  # the last one would begin with the end

    edit(world, ending_before=None)
    world.travel("2024-09-01T12:00:00Z")
    world.use("P", "2024-08-21", 1)
    world.use("P", "2024-09-01", 1)
    world.travel("2024-09-03")

    assert ends(world) == ["2024-09-01", "2024-08-20"]
    assert headlines(world) == ["USAGE 2024-08 FINALIZED 2024-09-02 500", "USAGE 2024-09 DRAFT 2024-10-02 1000"]


def test_an_edit_may_remove_an_override_that_its_earlier_end_would_take_along(world: World) -> None:
    edit(world, add=NewTerms(overrides=(override(entitled=False, starting_at="2024-10-01"),)))
    [late] = contract_of(world).overrides

    edit(world, ending_before=utc("2024-09-01"), remove_overrides=(late.id,))

    assert contract_of(world).overrides == ()
