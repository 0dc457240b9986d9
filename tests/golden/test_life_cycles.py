"""Worked examples of what happens to a contract in its life, played through the services and the real store.

``life_cycles.yaml`` is a list of rows. A row is a catalog, and steps: each does one thing and says what is true
afterwards, in the notation of the reference (see ``worlds``). Every scalar is text; a figure is worked out from the
reference with its arithmetic beside it. A step that lists invoices, ledger entries or grants lists all of them.

``life_cycles_canaries.yaml`` holds rows with one fault each; a test proves that the runner rejects every one, for it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from builders import number, utc
from worlds import World, headline, plain, shown_time

from metronome_sandbox.domain.amounts import USD_CENTS
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.payment_schedules import (
    AmountDistribution,
    Payment,
    PaymentFrequency,
    RecurringPayments,
    expand,
)
from metronome_sandbox.domain.recurring import Recurring, UnitAmount
from metronome_sandbox.services import balance_ends, contract_edits, ledgers, manual_entries
from metronome_sandbox.services.balance_changes import BalanceChange
from metronome_sandbox.services.balances import NewPayments
from metronome_sandbox.services.contract_edits import EditContract
from metronome_sandbox.services.manual_entries import NewManualEntry
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.transitions import NewTransition

HERE = Path(__file__).parent


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of a row. A key that is not listed fails, so that a misspelt check is not a missing one."""


class BalanceIs(Strict):
    """A commit or credit of the contract; segments are ``[amount, period]``, payments ``[date, amount]``."""

    segments: list[tuple[str, str]]
    type: str = "PREPAID"
    payments: list[tuple[str, str]] | None = None
    products: list[str] = []
    rollover_fraction: str | None = None


class ChargeIs(Strict):
    """A scheduled charge that repeats."""

    amount: str
    starting_at: str
    ending_before: str
    frequency: str
    distribution: str = "EACH"


class RecurringIs(Strict):
    """A recurring commit: what each period grants, and what the customer pays for it."""

    amount: str
    price: str
    starting_at: str


class ContractIs(Strict):
    """A contract; ``renews`` names an earlier one."""

    starting_at: str
    ending_before: str | None = None
    generation: str | None = None
    balances: dict[str, BalanceIs] = {}
    charges: dict[str, ChargeIs] = {}
    recurring: dict[str, RecurringIs] = {}
    charges_on_usage_invoices: bool = False
    renews: str | None = None


class Step(Strict):
    """One action (the first group) and what is true after it (the second).

    Attributes:
        contract: A new one, by its name.
        use: ``[product, instant, quantity]``.
        import_: ``{period: {product: quantity}}`` for the row's only contract.
        widen: Lets a commit pay for every product.
        regenerate: Voids the usage invoice of a period and makes it again.
        enter: ``[balance, amount]``, an entry by hand.
        invoices: All of the customer's as ``headline: lines``, or ``headline: ""`` where the lines do not matter.
        grants: Access and amount of all that was granted again and again.
        rolled_over: Access and amount of all that a renewal took along.
    """

    contract: dict[str, ContractIs] = {}
    use: list[tuple[str, str, str]] = []
    import_: dict[str, dict[str, str]] = msgspec.field(default={}, name="import")
    travel: str | None = None
    widen: str | None = None
    regenerate: str | None = None
    disable_true_up: str | None = None
    enter: tuple[str, str] | None = None

    invoices: dict[str, list[str] | str] | None = None
    left: dict[str, str] = {}
    net: str | None = None
    ledger: dict[str, list[str]] = {}
    grants: list[str] | None = None
    rolled_over: list[str] | None = None


class Row(Strict):
    """One example."""

    name: str
    source: str
    now: str
    steps: list[Step]
    products: dict[str, str] = {}
    """Prices."""


class RowError(AssertionError):
    """A row is not what the services say, or not a row."""


def _differ(what: str, wanted: object, got: object) -> None:
    if wanted != got:
        raise RowError(f"{what} should be {wanted}, is {got}")


# --- what a step does


def _terms(world: World, about: ContractIs) -> dict[str, Any]:
    made = []
    for name, each in about.balances.items():
        share = None if each.rollover_fraction is None else number(each.rollover_fraction)
        others = {"payments": each.payments, "products": each.products, "rollover_fraction": share}
        made.append(world.new_balance(name, each.type, *each.segments, **others))  # type: ignore[arg-type]
    return {
        "commits": [one for one in made if one.type is not BalanceType.CREDIT],
        "credits": [one for one in made if one.type is BalanceType.CREDIT],
        "scheduled_charges": tuple(_charge(world, name, each) for name, each in about.charges.items()),
        "recurring_commits": tuple(_recurring(world, name, each) for name, each in about.recurring.items()),
        "charges_on_usage_invoices": about.charges_on_usage_invoices,
    }


def _charge(world: World, name: str, about: ChargeIs) -> NewScheduledTerm:
    schedule = RecurringPayments(
        utc(about.starting_at),
        utc(about.ending_before),
        PaymentFrequency(about.frequency),
        AmountDistribution(about.distribution),
        number(about.amount),
    )
    payments: tuple[Payment, ...] = tuple(expand(schedule, "schedule"))
    return NewScheduledTerm(world.commitment, NewPayments(payments), name)


def _recurring(world: World, name: str, about: RecurringIs) -> NewRecurring:
    terms = Recurring(
        id=RecurringId(""),
        type=BalanceType.PREPAID,
        product_id=world.commitment,
        access=UnitAmount(number(about.amount), Decimal(1), USD_CENTS),
        priority=Decimal(100),
        starting_at=utc(about.starting_at),
        duration=1,
        name=name,
        price=UnitAmount(number(about.price), Decimal(1), USD_CENTS),
    )
    return NewRecurring(terms)


def _contract(world: World, name: str, about: ContractIs) -> Contract:
    renewal = None
    if about.renews is not None:
        renewal = NewTransition(TransitionType.RENEWAL, world.contracts[about.renews])
    return world.contract(
        name,
        starting_at=about.starting_at,
        ending_before=about.ending_before,
        generation=about.generation,
        transition=renewal,
        **_terms(world, about),
    )


def _act(world: World, step: Step) -> None:
    for name, about in step.contract.items():
        _contract(world, name, about)
    for product, at, quantity in step.use:
        world.use(product, at, quantity)
    for period, usage in step.import_.items():
        (name,) = world.contracts
        world.import_(world.historical(period, usage, contract=name))
    if step.travel is not None:
        world.travel(step.travel)
    if step.regenerate is not None:
        world.regenerate(world.void(world.invoice(step.regenerate)))
    if step.widen is not None:
        commit = world.balance(step.widen)
        assert commit.contract_id is not None
        wider = ((commit.id, BalanceChange(applicable_product_ids=())),)
        edit = EditContract(customer_id=commit.customer_id, contract_id=commit.contract_id, update_commits=wider)
        contract_edits.edit_contract(world.context, edit)
    if step.disable_true_up is not None:
        commit = world.balance(step.disable_true_up)
        assert commit.contract_id is not None
        balance_ends.disable_true_up(world.context, commit.customer_id, commit.id, commit.contract_id)
    if step.enter is not None:
        name, amount = step.enter
        balance = world.balance(name)
        entry = NewManualEntry(balance.id, balance.segments[0].id, number(amount), "by hand", balance.contract_id)
        manual_entries.add_manual_balance_ledger_entry(world.context, balance.customer_id, entry)


# --- what is true afterwards


def _granted(world: World, *, rolled_over: bool) -> list[str]:
    """``2025-02-01..2025-03-01 3000``: access and amount."""
    return [
        f"{shown_time(segment.starting_at)}..{shown_time(segment.ending_before)} {plain(segment.amount)}"
        for one in (ledgers.current(world.context, each) for each in world.store.balances.values())
        if (one.rolled_over_from if rolled_over else one.recurring_id) is not None
        for segment in one.segments
    ]


def _check(world: World, step: Step) -> None:
    if step.invoices is not None:
        shown = world.invoices()
        _differ("invoices", list(step.invoices), [headline(one) for one in shown])
        for invoice in shown:
            lines = step.invoices[headline(invoice)]
            if lines != "":
                _differ(f"lines of {headline(invoice)}", lines, world.lines(invoice))
    for name, amount in step.left.items():
        _differ(f"what is left of {name}", amount, world.left(name))
    if step.net is not None:
        _differ("net balance", step.net, world.net())
    for name, entries in step.ledger.items():
        _differ(f"ledger of {name}", entries, world.ledger(name))
    if step.grants is not None:
        _differ("grants", step.grants, _granted(world, rolled_over=False))
    if step.rolled_over is not None:
        _differ("what rolled over", step.rolled_over, _granted(world, rolled_over=True))


def check(raw: Any) -> None:
    """Play one row and compare everything it says.

    Raises:
        RowError: It is not a row, has nothing to check, or the services say something else.
    """
    try:
        row = msgspec.convert(raw, Row, strict=False)
    except msgspec.ValidationError as error:
        raise RowError(f"not a row: {error}") from error
    if not row.source.strip():
        raise RowError("a row says where its figures come from")
    checked = ("invoices", "left", "net", "ledger", "grants", "rolled_over")
    if not any(getattr(step, field) for step in row.steps for field in checked):
        raise RowError("the row checks nothing")
    world = World(row.now)
    for name, price in row.products.items():
        world.product(name, price)
    for place, step in enumerate(row.steps, start=1):
        _act(world, step)
        try:
            _check(world, step)
        except RowError as error:
            raise RowError(f"step {place}: {error}") from None


# --- the tests


class TextLoader(yaml.SafeLoader):
    """Reads every scalar as text, and merges what ``<<`` says."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}


def _rows(name: str) -> list[Any]:
    found: list[Any] = yaml.load((HERE / name).read_text("utf-8"), Loader=TextLoader)
    return found


ROWS = _rows("life_cycles.yaml")
RIGHT, *WRONG = _rows("life_cycles_canaries.yaml")


@pytest.mark.parametrize("row", [pytest.param(row, id=row.get("name")) for row in ROWS])
def test_a_row_is_what_the_services_say(row: Any) -> None:
    check(row)


def test_the_row_that_the_canaries_are_made_from_is_right() -> None:
    check(RIGHT["row"])


@pytest.mark.parametrize("canary", [pytest.param(each, id=each["row"]["name"]) for each in WRONG])
def test_a_row_with_a_fault_is_rejected_for_it(canary: Any) -> None:
    with pytest.raises(RowError, match=re.escape(canary["fails_with"])):
        check(canary["row"])


def test_no_two_rows_have_the_same_name() -> None:
    names = [row["name"] for row in ROWS]

    assert sorted(names) == sorted(set(names))


WORKED_EXAMPLES = {
    *("G09", "G09b", "G09c", "G09d", "G18", "G18b", "G18c", "G18d", "G21", "G21b", "G21c"),
    *("G30", "G33", "G34", "G35", "G36", "G40"),
    *(f"pricing 5.3 no. {number}" for number in (14, 15)),
}


def test_every_worked_example_of_a_life_has_a_row() -> None:
    named = {found for row in ROWS for found in re.findall(r"G\d+[a-z]?\b|pricing 5\.3 no\. \d+", row["source"])}

    assert WORKED_EXAMPLES - named == set()
