"""Contracts of several customers that share balances (reference 3.12; pricing 4.11). USD cents, one unit costs 100."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from builders import number, override, utc
from worlds import World, headline, plain

from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import TransitionType
from metronome_sandbox.domain.errors import ContractNotFound, CustomerNotFound, InvalidRequest
from metronome_sandbox.domain.events import UsageEvent
from metronome_sandbox.domain.hierarchies import AccessType, ChildAccess, ContractLink, Membership, Payer
from metronome_sandbox.domain.ids import ContractId, CustomerId
from metronome_sandbox.domain.invoices import Invoice
from metronome_sandbox.domain.overrides import OverrideSpecifier
from metronome_sandbox.domain.payment_gates import PaymentGate
from metronome_sandbox.domain.thresholds import PrepaidThreshold, ThresholdCommit
from metronome_sandbox.services import (
    balance_edits,
    balance_ends,
    balances,
    contract_edits,
    contracts,
    hierarchies,
    passage,
    previews,
)
from metronome_sandbox.services.balance_changes import BalanceChange
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.hierarchies import NewHierarchy
from metronome_sandbox.services.previews import PreviewMode
from metronome_sandbox.services.transitions import NewTransition

YEAR = "2024-01-01..2025-01-01"
ALL = ChildAccess(AccessType.ALL)


@pytest.fixture
def world() -> World:
    world = World("2024-08-15")
    world.product("P", "100")
    return world


def parent(world: World, *commits: Any, **others: Any) -> None:
    others.setdefault("starting_at", "2024-08-01")
    world.contract("parent", customer="Group", commits=commits, **others)


def below(world: World, of: str = "parent", payer: Payer = Payer.SELF) -> NewHierarchy:
    contract = world.store.contracts[world.contracts[of]]
    return NewHierarchy(Membership(ContractLink(contract.id, contract.customer_id), payer))


def child(world: World, name: str, *commits: Any, of: str = "parent", payer: Payer = Payer.SELF, **others: Any) -> None:
    """A contract of that name for a customer of that name."""
    others.setdefault("starting_at", "2024-08-01")
    world.contract(name, customer=name, commits=commits, hierarchy=below(world, of, payer), **others)


def shared(world: World, amount: str = "1000", **others: Any) -> Any:
    others.setdefault("child_access", ALL)
    return world.prepaid("shared", (amount, YEAR), **others)


def lines(world: World, customer: str, **conditions: Any) -> list[str]:
    """The lines of a customer's invoices that stand."""
    found = (one for one in world.invoices(customer, **conditions) if one.status.value != "VOID")
    return [line for invoice in found for line in world.lines(invoice)]


def test_a_shared_commit_pays_for_the_usage_of_a_child(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 15, name="Acme")  # 15 * 100 = 1500, of which 1000 are there

    assert lines(world, "Acme") == ["P 10 @ 100 = 1000 [shared]", "shared applied -1000", "P 5 @ 100 = 500"]
    assert lines(world, "Group") == ["P 0 @ 100 = 0"]
    assert world.left("shared") == "0"


@pytest.mark.parametrize("access", [None, ChildAccess(AccessType.NONE)])
def test_a_commit_that_is_not_shared_is_the_parents_alone(world: World, access: ChildAccess | None) -> None:
    parent(world, shared(world, child_access=access))
    child(world, "Acme")
    world.use("P", "2024-08-02", 15, name="Acme")

    assert lines(world, "Acme") == ["P 15 @ 100 = 1500"]
    assert world.left("shared") == "1000"


def test_a_contract_outside_of_the_hierarchy_has_no_part_in_it(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.contract("other", customer="Acme", starting_at="2024-08-01")
    world.use("P", "2024-08-02", 4, name="Acme")  # billed on both contracts

    assert lines(world, "Acme", contract_id=world.contracts["other"]) == ["P 4 @ 100 = 400"]
    assert lines(world, "Acme", contract_id=world.contracts["Acme"])[0] == "P 4 @ 100 = 400 [shared]"


def test_a_commit_for_some_children_pays_for_these_only(world: World) -> None:
    parent(world)
    child(world, "Acme")
    child(world, "Beta")
    only = ChildAccess(AccessType.CONTRACT_IDS, (world.contracts["Beta"],))
    add(world, shared(world, child_access=only))
    for name in ("Acme", "Beta"):
        world.use("P", "2024-08-02", 3, name=name)

    assert lines(world, "Acme") == ["P 3 @ 100 = 300"]
    assert lines(world, "Beta") == ["P 3 @ 100 = 300 [shared]", "shared applied -300"]
    assert world.left("shared") == "700"  # 1000 - 300


def add(world: World, *commits: Any) -> None:
    contract = world.store.contracts[world.contracts["parent"]]
    edit = EditContract(customer_id=contract.customer_id, contract_id=contract.id, add=NewTerms(commits=commits))
    contract_edits.edit_contract(world.context, edit)


def test_parent_and_children_are_priced_together_by_period_then_creation(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    child(world, "Beta")
    for name, quantity in (("Beta", 4), ("Acme", 6), ("Group", 3)):
        world.use("P", "2024-08-02", quantity, name=name)

    # 1000: the parent takes 300, Acme 600, Beta the 100 that are left.
    assert lines(world, "Beta") == ["P 1 @ 100 = 100 [shared]", "shared applied -100", "P 3 @ 100 = 300"]
    assert lines(world, "Group") == ["P 3 @ 100 = 300 [shared]", "shared applied -300"]
    assert lines(world, "Acme") == ["P 6 @ 100 = 600 [shared]", "shared applied -600"]
    assert world.ledger("shared") == [
        "2024-01-01 PREPAID_COMMIT_SEGMENT_START 1000",
        "2024-09-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -300 for 2024-08",
        "2024-09-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -600 for 2024-08",
        "2024-09-01 PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION -100 for 2024-08",
    ]


def test_the_drafts_of_relatives_move_together(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 15, name="Acme")
    assert lines(world, "Acme")[0] == "P 10 @ 100 = 1000 [shared]"

    world.use("P", "2024-08-03", 8, name="Group")  # comes first: 1000 - 800 = 200 are left

    assert lines(world, "Acme") == ["P 2 @ 100 = 200 [shared]", "shared applied -200", "P 13 @ 100 = 1300"]
    assert lines(world, "Group") == ["P 8 @ 100 = 800 [shared]", "shared applied -800"]


def test_an_invoice_becomes_final_as_its_draft_stood(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    child(world, "Beta")
    for name, quantity in (("Beta", 4), ("Acme", 6), ("Group", 3)):
        world.use("P", "2024-08-02", quantity, name=name)
    drafts = {name: lines(world, name) for name in ("Group", "Acme", "Beta")}

    world.travel("2024-09-03")

    final = {name: world.invoices(name)[0] for name in drafts}
    assert {name: world.lines(invoice) for name, invoice in final.items()} == drafts
    assert [headline(invoice) for invoice in final.values()] == [
        "USAGE 2024-08 FINALIZED 2024-09-02 0",
        "USAGE 2024-08 FINALIZED 2024-09-02 0",
        "USAGE 2024-08 FINALIZED 2024-09-02 300",
    ]
    assert world.left("shared") == "0"


def test_void_gives_back_what_a_child_drew_and_the_relatives_have_it(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 8, name="Acme")
    world.travel("2024-09-03")
    world.use("P", "2024-09-02", 5, name="Group")
    assert lines(world, "Group")[-1] == "P 3 @ 100 = 300"  # 1000 - 800 = 200 pay 2 of 5

    [invoice, _] = world.invoices("Acme")
    world.void(invoice)
    assert lines(world, "Group", status=invoice.status.DRAFT) == ["P 5 @ 100 = 500 [shared]", "shared applied -500"]
    assert world.left("shared") == "500"

    world.regenerate(invoice)  # 800 of 1000 again: August comes before September
    assert lines(world, "Group")[-1] == "P 3 @ 100 = 300"
    assert world.left("shared") == "0"


def test_own_and_shared_balances_are_spent_in_one_order(world: World) -> None:
    parent(world, shared(world, "300", priority=1), world.prepaid("late", ("300", YEAR), child_access=ALL))
    child(world, "Acme", world.prepaid("own", ("300", YEAR)))
    world.use("P", "2024-08-02", 10, name="Acme")

    # By priority, and what only the child may spend before what others may spend as well.
    assert lines(world, "Acme") == [
        *("P 3 @ 100 = 300 [shared]", "shared applied -300"),
        *("P 3 @ 100 = 300 [own]", "own applied -300"),
        *("P 3 @ 100 = 300 [late]", "late applied -300"),
        "P 1 @ 100 = 100",
    ]


def test_a_childs_own_balances_are_not_the_parents(world: World) -> None:
    parent(world)
    child(world, "Acme", world.prepaid("own", ("300", YEAR), child_access=ALL))
    world.use("P", "2024-08-02", 1, name="Group")

    assert lines(world, "Group") == ["P 1 @ 100 = 100"]


def test_a_childs_balances_leave_out_what_the_parent_shares(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme", world.prepaid("own", ("300", YEAR)))
    world.use("P", "2024-08-02", 2, name="Acme")

    assert world.listed_balances("Acme") == ["own"]
    assert world.net(customer="Acme") == "100"  # 300 - 2 * 100: fewer contracts may spend it
    assert world.listed_balances("Group") == ["shared"]


def test_a_childs_usage_counts_towards_a_shared_commitment_and_holds_back_its_true_up(world: World) -> None:
    during = "2024-08-01..2024-09-01"
    parent(world, world.postpaid("promise", "1000", during, child_access=ALL))
    child(world, "Acme", frequency="QUARTERLY")  # its invoice ends on October 1 and is final on October 2
    world.use("P", "2024-08-02", 4, name="Acme")

    world.travel("2024-09-15")
    assert [headline(one) for one in world.invoices("Group", type="SCHEDULED")] == ["SCHEDULED DRAFT 2024-09-01 600"]

    world.travel("2024-10-03")  # 1000 - 4 * 100 = 600 are missing
    assert [headline(one) for one in world.invoices("Group", type="SCHEDULED")] == [
        "SCHEDULED FINALIZED 2024-09-01 600"
    ]


def test_seats_of_parent_and_child_meet_a_shared_balance_in_one_order(world: World) -> None:
    world.subscribable("Seat", "1000")
    parent(world, shared(world, "2500"), subscriptions=(world.subscribed("Seat", "1", scheduled=True),))
    child(world, "Acme", subscriptions=(world.subscribed("Seat", "1", scheduled=True),))

    def september() -> list[str]:
        found = [one for name in ("Acme", "Group") for one in world.invoices(name, type="SCHEDULED")]
        return [f"{plain(one.total)} {one.status}" for one in found if one.issued_at == utc("2024-09-01")]

    # August takes 1000 twice; of the 500 that are left, the parent's September comes first.
    assert september() == ["1000 DRAFT", "500 DRAFT"]
    world.travel("2024-09-01T01:00:00Z")
    assert september() == ["1000 FINALIZED", "500 FINALIZED"]


def test_a_childs_usage_brings_the_parents_balance_to_its_threshold(world: World) -> None:
    commit = ThresholdCommit(world.commitment, "T")
    threshold = PrepaidThreshold(number("5000"), commit, PaymentGate(), recharge_to_amount=number("10000"))
    parent(world, shared(world, "10000"), prepaid_threshold=threshold)
    child(world, "Acme")
    world.use("P", "2024-08-02", 60, name="Acme")

    passage.pass_time(world.context)

    assert [plain(one.amount) for one in world.balance("T").segments] == ["6000"]  # 10000 - (10000 - 60 * 100)


def test_customers_are_related_over_several_hierarchies(world: World) -> None:
    parent(world)
    child(world, "Acme")
    world.contract("below Acme", customer="Acme", starting_at="2024-08-01")
    child(world, "Beta", of="below Acme")
    world.contract("alone", customer="Alone")

    family = {world.customers[name] for name in ("Group", "Acme", "Beta")}
    for name in ("Group", "Acme", "Beta"):
        found = hierarchies.relatives(world.context, world.customers[name])
        assert (found[0], set(found)) == (world.customers[name], family)
    assert hierarchies.relatives(world.context, world.customers["Alone"]) == (world.customers["Alone"],)


def test_imports_of_relatives_meet_shared_balances_in_the_order_of_time(world: World) -> None:
    parent(world, shared(world), starting_at="2024-06-01", generation="2024-08-01")
    child(world, "Acme", starting_at="2024-06-01", generation="2024-08-01")
    july = world.historical("2024-07", {"P": 8}, contract="parent", customer="Group")
    june = world.historical("2024-06", {"P": 6}, contract="Acme", customer="Acme")

    later, earlier = world.import_(july, june)

    assert world.lines(earlier) == ["P 6 @ 100 = 600 [shared]", "shared applied -600"]
    assert world.lines(later)[-1] == "P 4 @ 100 = 400"  # 1000 - 600 = 400 pay 4 of 8


def test_a_preview_of_events_shows_the_customers_own_drafts_only(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 8, name="Group")
    event = UsageEvent("new", world.customers["Acme"], "P", utc("2024-08-03"), {"quantity": "5"}, world.now)

    shown = previews.preview_events(world.context, world.customers["Acme"], [event], PreviewMode.MERGE)

    # The parent's draft takes 800 of 1000 first.
    assert [world.lines(one) for one in shown] == [
        ["P 2 @ 100 = 200 [shared]", "shared applied -200", "P 3 @ 100 = 300"]
    ]


@pytest.mark.parametrize(("payer", "pays"), [(Payer.SELF, "Acme"), (Payer.PARENT, "parent")])
def test_who_pays_for_a_child(world: World, payer: Payer, pays: str) -> None:
    parent(world)
    child(world, "Acme", payer=payer)
    contract = world.store.contracts[world.contracts[pays]]

    assert hierarchies.payer(world.store.contracts[world.contracts["Acme"]]) == ContractLink(
        contract.id, contract.customer_id
    )
    assert hierarchies.payer(world.store.contracts[world.contracts["parent"]]) is None


def test_an_edit_shares_a_commit_and_takes_it_back(world: World) -> None:
    parent(world, world.prepaid("shared", ("1000", YEAR)))
    child(world, "Acme")
    world.use("P", "2024-08-02", 2, name="Acme")
    assert lines(world, "Acme") == ["P 2 @ 100 = 200"]

    edit(world, child_access=ChildAccess(AccessType.CONTRACT_IDS, (world.contracts["Acme"],)))
    assert lines(world, "Acme") == ["P 2 @ 100 = 200 [shared]", "shared applied -200"]

    edit(world, child_access=ChildAccess(AccessType.NONE))
    assert lines(world, "Acme") == ["P 2 @ 100 = 200"]


def edit(world: World, **change: Any) -> None:
    balance = world.balance("shared")
    balance_edits.edit_commit(world.context, balance.customer_id, balance.id, BalanceChange(**change))


def test_an_archived_parent_shares_nothing_any_more(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 2, name="Acme")

    contracts.archive_contract(world.context, world.customers["Group"], world.contracts["parent"], void_invoices=True)

    assert lines(world, "Acme") == ["P 2 @ 100 = 200"]


def refused(world: World, hierarchy: NewHierarchy, customer: str = "New") -> str:
    world.customer(customer)
    before = world.dump()
    with pytest.raises(InvalidRequest) as error:
        world.contract("new", customer=customer, hierarchy=hierarchy)
    assert world.dump() == before
    return str(error.value)


def test_a_hierarchy_has_one_level(world: World) -> None:
    parent(world)
    child(world, "Acme")

    assert "a hierarchy has one level" in refused(world, below(world, "Acme"))


def test_a_hierarchy_has_at_most_ten_contracts_and_archived_ones_make_room(world: World) -> None:
    parent(world)
    names = [f"Child {place}" for place in range(9)]
    for name in names:
        child(world, name)

    assert "at most 10 contracts" in refused(world, below(world))

    contracts.archive_contract(world.context, world.customers[names[0]], world.contracts[names[0]], void_invoices=True)
    child(world, "Tenth")
    left = hierarchies.children(world.context, world.contracts["parent"])
    assert [one.name for one in left] == [*names[1:], "Tenth"]


def test_a_child_that_ended_or_ends_with_a_renewal_makes_room(world: World) -> None:
    parent(world)
    for place in range(8):
        child(world, f"Child {place}")
    child(world, "short", ending_before="2024-09-01")

    assert "at most 10 contracts" in refused(world, below(world))

    child(world, "after", starting_at="2024-09-01")
    renewal = NewTransition(TransitionType.RENEWAL, world.contracts["Child 0"])
    renewed = world.contract(
        "renewed", customer="Child 0", starting_at="2024-10-01", hierarchy=below(world), transition=renewal
    )
    assert renewed.parent_id == world.contracts["parent"]


def test_a_parent_must_be_there_and_be_somebody_elses(world: World) -> None:
    parent(world)
    link = below(world).child_of
    assert link is not None
    nobody = "00000000-0000-5000-8000-000000000000"

    with pytest.raises(CustomerNotFound):
        world.contract(hierarchy=linked(link.parent.contract_id, CustomerId(nobody)))
    with pytest.raises(ContractNotFound):
        world.contract(hierarchy=linked(ContractId(nobody), link.parent.customer_id))
    with pytest.raises(InvalidRequest, match="does not belong to"):
        world.contract(hierarchy=linked(link.parent.contract_id, world.customer("Other")))
    with pytest.raises(InvalidRequest, match="is the customer itself"):
        world.contract(customer="Group", hierarchy=below(world))
    contracts.archive_contract(world.context, link.parent.customer_id, link.parent.contract_id, void_invoices=True)
    with pytest.raises(InvalidRequest, match="is archived"):
        world.contract(hierarchy=below(world))


def linked(contract_id: ContractId, customer_id: CustomerId) -> NewHierarchy:
    return NewHierarchy(Membership(ContractLink(contract_id, customer_id)))


def access_to(contract_ids: Iterable[str]) -> ChildAccess:
    return ChildAccess(AccessType.CONTRACT_IDS, tuple(ContractId(each) for each in contract_ids))


def test_only_children_can_be_given_access(world: World) -> None:
    parent(world)
    child(world, "Acme")
    world.contract("other")

    with pytest.raises(InvalidRequest) as error:
        add(world, shared(world, child_access=access_to([world.contracts["Acme"], world.contracts["other"]])))
    assert error.value.path == "add_commits[0].hierarchy_configuration.child_access.contract_ids[1]"
    with pytest.raises(ContractNotFound):
        add(world, shared(world, child_access=access_to(["00000000-0000-5000-8000-000000000000"])))


def test_a_balance_of_a_customer_has_no_children_to_share_with(world: World) -> None:
    parent(world)

    with pytest.raises(InvalidRequest, match="commits and credits of a contract"):
        balances.create_customer_balance(world.context, world.customers["Group"], shared(world))


def draws(invoice: Invoice) -> list[str]:
    return [plain(draw.amount) for draw in invoice.draws]


def test_a_final_invoice_of_a_child_keeps_the_parents_commit_from_being_archived(world: World) -> None:
    parent(world, shared(world))
    child(world, "Acme")
    world.use("P", "2024-08-02", 2, name="Acme")
    world.travel("2024-09-03")
    balance = world.balance("shared")

    with pytest.raises(InvalidRequest, match="void it first"):
        balance_ends.archive_commit(world.context, balance.customer_id, balance.id)

    world.void(world.invoices("Acme")[0])
    assert balance_ends.archive_commit(world.context, balance.customer_id, balance.id).type is BalanceType.PREPAID
    assert draws(world.regenerate(world.invoices("Acme")[0])) == []


def test_an_override_of_a_child_may_name_a_commit_of_its_parent(world: World) -> None:
    parent(world, shared(world))
    specifier = OverrideSpecifier(balance_ids=(world.balance("shared").id,))
    half = override(multiplier="0.5", commit_specific=True, specifiers=[specifier])
    child(world, "Acme", overrides=[half])
    world.use("P", "2024-08-02", 30, name="Acme")

    # 1000 buy 20 units at 100 * 0.5; the other 10 cost 100.
    assert lines(world, "Acme") == ["P 20 @ 50 = 1000 [shared]", "shared applied -1000", "P 10 @ 100 = 1000"]
    with pytest.raises(InvalidRequest, match="contract's parent"):
        world.contract(overrides=[half])
