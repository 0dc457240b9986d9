"""Whatever somebody does to a world, in whatever order, its books balance and nothing is half done.

A hypothesis state machine: contracts are made, renewed, edited, ended and archived, balances given, changed and
corrected by hand, usage sent and imported, invoices voided and made again, prices changed, and time jumps. What is
refused must be refused by a ``DomainError`` and leave no trace. After each step the lines of every invoice add up,
every balance is the sum of its ledger, and the world is the same when it was taken as a snapshot and restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from builders import number, only_for, override, price, utc
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from laws.effort import IS_CAMPAIGN, effort
from laws.test_world_laws import check_invoice, moved, view
from worlds import World

from metronome_sandbox.domain.amounts import USD_CENTS, ZERO
from metronome_sandbox.domain.balances import Balance, BalanceType, SpendingRate
from metronome_sandbox.domain.contracts import Contract, TransitionType
from metronome_sandbox.domain.errors import DomainError
from metronome_sandbox.domain.ids import RecurringId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus
from metronome_sandbox.domain.ledger import EntryKind
from metronome_sandbox.domain.payment_gates import GateType, Outcome, PaymentGate
from metronome_sandbox.domain.payment_schedules import Payment
from metronome_sandbox.domain.periods import Frequency
from metronome_sandbox.domain.recurring import Recurring, UnitAmount
from metronome_sandbox.domain.relative_dates import RelativeDate, RelativeUnit
from metronome_sandbox.domain.thresholds import PrepaidThreshold, SpendThreshold, ThresholdCommit
from metronome_sandbox.services import (
    balance_edits,
    balance_ends,
    contract_edits,
    contracts,
    invoices,
    ledgers,
    manual_entries,
    passage,
    payment_outcomes,
)
from metronome_sandbox.services.balance_changes import BalanceChange, PaymentChange, SegmentChange
from metronome_sandbox.services.balances import NewBalance, NewPayments, NewSegment
from metronome_sandbox.services.context import NEVER
from metronome_sandbox.services.contract_edits import EditContract, ScheduledChargeChange
from metronome_sandbox.services.contract_terms import NewTerms
from metronome_sandbox.services.manual_entries import NewManualEntry
from metronome_sandbox.services.recurring import NewRecurring
from metronome_sandbox.services.scheduled_charges import NewScheduledTerm
from metronome_sandbox.services.thresholds import ThresholdChange, ThresholdEdits
from metronome_sandbox.services.transitions import NewTransition

LIVES = effort(60, 3000, stateful_step_count=40 if IS_CAMPAIGN else 20)

START = utc("2024-06-01")
DAYS = st.sampled_from([-7, 0, 0.5, 1, 9, 14, 30, 45, 61, 92, 200])
INSTANTS = DAYS.map(lambda days: START + timedelta(days=days))
AMOUNTS = st.sampled_from(["7", "25", "40.5", "100", "333.33", "5000", "0"])
PRICES = st.sampled_from(["0", "0.3", "2", "7", "10"])
QUANTITIES = st.sampled_from(["0.5", "1", "2.5", "3", "10", "33.25"])
WHICH = st.integers(0, 7)
"""Chooses one of the things there are; it is counted round."""
GROUPS: dict[str, list[dict[str, str]]] = {
    "P": [{}],
    "Q": [{"project": "a"}, {"project": "b"}],
    "R": [{"region": "eu"}, {"region": "us"}],
}


def text(instant: datetime) -> str:
    return instant.isoformat()


class Life(RuleBasedStateMachine):
    """One customer's world. A rule that finds nothing to act on does nothing."""

    world: World
    done: ClassVar[Counter[str]] = Counter()
    """How often each kind of action was not refused, in all lives."""

    @initialize(grace=st.sampled_from([0, 24]), data=st.data(), imports=st.booleans(), days=st.sampled_from([0, 75]))
    def begin(self, grace: int, data: Any, imports: bool, days: int) -> None:
        self.world = World("2024-06-01", grace_hours=grace)
        self.made = 0
        world = self.world
        world.product("P", "7", tags=["x"])
        world.rate("P", "3.3", starting_at="2024-06-16", ending_before="2024-07-10", commit_price="2")
        world.product("Q", tiers=[("2", "10"), ("3", "4"), (None, "0.7")], presentation=("project",))
        world.product("R", pricing=("region",), tags=["x"])
        world.rate("R", "9", pricing={"region": "eu"})
        world.rate("R", "11", pricing={"region": "us"}, commit_price="10")
        world.composite("Support", "0.1", of=["P", "Q"])
        world.customer()
        generation = "2024-08-01" if imports else None
        self.attempt(
            "contract", lambda: world.contract("first", generation=generation, **self.terms_are(data.draw, START))
        )
        if not world.contracts:
            world.contract("first", generation=generation)
        world.travel(world.now + timedelta(days=days))

    # --- doing

    def name(self, of: str) -> str:
        self.made += 1
        return f"{of} {self.made}"

    def attempt(self, what: str, action: Callable[[], object]) -> None:
        """Do something; what is refused must leave no trace."""
        before, ids = self.world.dump(), dict(self.world.context.ids.counts)
        try:
            action()
        except DomainError:
            assert self.world.dump() == before
            assert self.world.context.ids.counts == ids
        else:
            self.done[what] += 1

    def a_contract(self, which: int) -> Contract | None:
        found = list(self.world.store.contracts.values())
        return found[which % len(found)] if found else None

    def a_balance(self, which: int) -> Balance | None:
        found = list(self.world.store.balances.values())
        return found[which % len(found)] if found else None

    def an_invoice(self, which: int, status: InvoiceStatus) -> Invoice | None:
        found = [one for one in self.world.store.invoices.values() if one.status is status]
        return found[which % len(found)] if found else None

    def balance_is(self, draw: Any, level: str) -> Any:
        """A commit or credit to be made."""
        kind = draw(st.sampled_from(BalanceType))
        start = draw(INSTANTS)
        end = start + timedelta(days=draw(st.sampled_from([0.5, 10, 30, 90, 365])))
        amount = draw(AMOUNTS)
        parts = [(amount, f"{text(start)}..{text(end)}")]
        if kind is not BalanceType.POSTPAID and draw(st.booleans()):
            parts.append((draw(AMOUNTS), f"{text(end)}..{text(end + timedelta(days=31))}"))
        payments = None
        if kind is BalanceType.POSTPAID:
            payments = [(text(end), amount)]
        elif kind is BalanceType.PREPAID and draw(st.booleans()):
            payments = [(text(start + timedelta(days=days)), draw(AMOUNTS)) for days in (0, 31)]
        paid_on = None
        if payments is not None and level == "customer":
            paid_on = next(iter(self.world.contracts), None)
        return self.world.new_balance(
            self.name("balance"),
            kind,
            *parts,
            payments=payments,
            paid_on=paid_on,
            priority=draw(st.sampled_from(["1", "2"])),
            rate_type=draw(st.sampled_from(SpendingRate)),
            products=draw(st.lists(st.sampled_from(["P", "Q", "R", "Support"]), max_size=1)),
            applicable_product_tags=draw(st.sampled_from([(), (), ("x",)])),
            rollover_fraction=draw(st.sampled_from([None, Decimal("0.5"), Decimal(1)]))
            if level == "contract"
            else None,
        )

    def override_is(self, draw: Any) -> Any:
        start = draw(INSTANTS)
        window = {"starting_at": start, "ending_before": draw(st.none() | st.just(start + timedelta(days=40)))}
        is_specific = draw(st.booleans())
        common = {**window, "name": "", "commit_specific": is_specific}
        if draw(st.integers(0, 3)) == 0:
            product = self.world.products["P"]
            return override(overwrite=price(draw(PRICES)), specifiers=[only_for(product=product)], **common)
        if draw(st.integers(0, 4)) == 0:
            return override(entitled=draw(st.booleans()), product=self.world.products["Q"], **window, name="")
        return override(multiplier=draw(st.sampled_from(["0", "0.5", "1.2"])), tags=["x"], **common)

    def charge_is(self, draw: Any) -> NewScheduledTerm:
        first = draw(INSTANTS)
        dates = [first, first + timedelta(days=30)]
        items = tuple(Payment(date, number(draw(AMOUNTS))) for date in dates)
        return NewScheduledTerm(self.world.commitment, NewPayments(items), self.name("charge"))

    def recurring_is(self, draw: Any, start: datetime) -> NewRecurring:
        kind = draw(st.sampled_from([BalanceType.PREPAID, BalanceType.CREDIT]))
        cost = UnitAmount(number(draw(AMOUNTS)), Decimal(1), USD_CENTS) if kind is BalanceType.PREPAID else None
        terms = Recurring(
            id=RecurringId(""),
            type=kind,
            product_id=self.world.commitment,
            access=UnitAmount(number(draw(AMOUNTS)), Decimal(2), USD_CENTS),
            priority=Decimal(1),
            starting_at=start,
            duration=draw(st.integers(1, 2)),
            name=self.name("grant"),
            price=cost,
            ending_before=draw(st.none() | st.just(start + timedelta(days=75))),
            frequency=draw(st.sampled_from([None, Frequency.WEEKLY])),
        )
        return NewRecurring(terms)

    def terms_are(self, draw: Any, start: datetime) -> dict[str, Any]:
        """Terms that a contract or an edit adds."""
        own = [self.balance_is(draw, "contract") for _ in range(draw(st.integers(0, 2)))]
        again = [self.recurring_is(draw, start) for _ in range(draw(st.sampled_from([0, 0, 1])))]
        return {
            "commits": tuple(one for one in own if one.type is not BalanceType.CREDIT),
            "credits": tuple(one for one in own if one.type is BalanceType.CREDIT),
            "overrides": tuple(self.override_is(draw) for _ in range(draw(st.integers(0, 2)))),
            "scheduled_charges": tuple(self.charge_is(draw) for _ in range(draw(st.sampled_from([0, 0, 1])))),
            "recurring_commits": tuple(one for one in again if one.terms.type is BalanceType.PREPAID),
            "recurring_credits": tuple(one for one in again if one.terms.type is BalanceType.CREDIT),
        }

    # --- contracts

    @precondition(lambda self: len(self.world.contracts) < 4)
    @rule(data=st.data(), imports=st.booleans(), weekly=st.booleans(), charges=st.booleans())
    def make_a_contract(self, data: Any, imports: bool, weekly: bool, charges: bool) -> None:
        start = data.draw(st.sampled_from([START, START, START + timedelta(days=10), self.world.now]))
        start = start.replace(minute=0, second=0, microsecond=0)
        end = data.draw(st.sampled_from([None, None, start + timedelta(days=61), start + timedelta(days=200)]))
        self.attempt(
            "contract",
            lambda: self.world.contract(
                self.name("contract"),
                starting_at=text(start),
                ending_before=None if end is None else text(end),
                generation="2024-08-01" if imports else None,
                frequency="WEEKLY" if weekly else "MONTHLY",
                charges_on_usage_invoices=charges,
                **self.terms_are(data.draw, start),
            ),
        )

    @precondition(lambda self: 0 < len(self.world.contracts) < 4)
    @rule(which=WHICH, when=INSTANTS, kind=st.sampled_from(TransitionType), keeps=st.booleans())
    def renew(self, which: int, when: datetime, kind: TransitionType, keeps: bool) -> None:
        earlier = self.a_contract(which)
        if earlier is not None:
            transition = NewTransition(kind, earlier.id, keeps)
            self.attempt(
                "renewal",
                lambda: self.world.contract(self.name("contract"), starting_at=text(when), transition=transition),
            )

    def edit(self, which: int, **changes: Any) -> None:
        contract = self.a_contract(which)
        if contract is not None:
            new = EditContract(customer_id=contract.customer_id, contract_id=contract.id, **changes)
            self.attempt("edit", lambda: contract_edits.edit_contract(self.world.context, new))

    @rule(which=WHICH, data=st.data())
    def add_terms(self, which: int, data: Any) -> None:
        contract = self.a_contract(which)
        if contract is not None:
            self.edit(which, add=NewTerms(**self.terms_are(data.draw, contract.starting_at)))

    @rule(which=WHICH, data=st.data())
    def add_a_commit_that_waits(self, which: int, data: Any) -> None:
        access = NewSegment(number(data.draw(AMOUNTS)), START, START + timedelta(days=92))
        new = NewBalance(
            BalanceType.PREPAID,
            self.world.commitment,
            (access,),
            name=self.name("gated"),
            payments=NewPayments((Payment(START, number(data.draw(AMOUNTS))),)),
            gate=PaymentGate(data.draw(st.sampled_from([GateType.EXTERNAL, GateType.STRIPE]))),
        )
        self.edit(which, add=NewTerms(commits=(new,)))
        if data.draw(st.booleans()):
            self.report(which, data.draw(st.sampled_from(Outcome)))

    @rule(which=WHICH, outcome=st.sampled_from(Outcome))
    def report_a_payment(self, which: int, outcome: Outcome) -> None:
        self.report(which, outcome)

    def report(self, which: int, outcome: Outcome) -> None:
        waiting = payment_outcomes.list_waiting_payments(self.world.context)
        if waiting:
            workflow = waiting[which % len(waiting)]
            self.attempt("payment", lambda: payment_outcomes.release_payment(self.world.context, workflow.id, outcome))

    @rule(which=WHICH, amount=st.sampled_from(["30", "100"]), waits=st.booleans(), data=st.data())
    def watch_the_spend(self, which: int, amount: str, waits: bool, data: Any) -> None:
        commit = ThresholdCommit(self.world.commitment, self.name("spend"), priority=number(data.draw(AMOUNTS)))
        gate = PaymentGate(GateType.EXTERNAL if waits else GateType.NONE)
        part = data.draw(st.sampled_from([None, Decimal("0.85"), ZERO]))
        self.edit(
            which,
            thresholds=ThresholdEdits(add_spend=SpendThreshold(number(amount), commit, gate, payment_fraction=part)),
        )

    @rule(which=WHICH, amount=st.sampled_from(["500", "800.5"]), waits=st.booleans(), weeks=st.integers(1, 60))
    def watch_the_balance(self, which: int, amount: str, waits: bool, weeks: int) -> None:
        commit = ThresholdCommit(
            self.world.commitment, self.name("recharge"), duration=RelativeDate(weeks, RelativeUnit.WEEKS)
        )
        gate = PaymentGate(GateType.EXTERNAL if waits else GateType.NONE)
        threshold = PrepaidThreshold(number(amount), commit, gate, recharge_to_amount=Decimal(2000))
        self.edit(which, thresholds=ThresholdEdits(add_prepaid=threshold))

    @rule(which=WHICH, enabled=st.booleans(), spend=st.booleans())
    def turn_a_threshold_on_or_off(self, which: int, enabled: bool, spend: bool) -> None:
        change = ThresholdChange(is_enabled=enabled)
        self.edit(which, thresholds=ThresholdEdits(**{"update_spend" if spend else "update_prepaid": change}))

    @rule(which=WHICH, end=st.none() | INSTANTS, strictly=st.booleans())
    def move_the_end(self, which: int, end: datetime | None, strictly: bool) -> None:
        self.edit(which, ending_before=end, allow_ending_before_finalized_invoice=not strictly)

    @rule(which=WHICH, one=WHICH)
    def remove_an_override(self, which: int, one: int) -> None:
        contract = self.a_contract(which)
        if contract is not None and contract.overrides:
            self.edit(which, remove_overrides=(contract.overrides[one % len(contract.overrides)].id,))

    @rule(which=WHICH, one=WHICH, amount=st.none() | AMOUNTS)
    def change_or_archive_a_charge(self, which: int, one: int, amount: str | None) -> None:
        contract = self.a_contract(which)
        if contract is None or not contract.scheduled_charges:
            return
        charge = contract.scheduled_charges[one % len(contract.scheduled_charges)]
        if amount is None or not charge.schedule.items:
            self.edit(which, archive_scheduled_charges=(charge.id,))
            return
        change = PaymentChange(charge.schedule.items[0].id, unit_price=number(amount))
        changed = ScheduledChargeChange(charge.id, BalanceChange(changed_payments=(change,)))
        self.edit(which, update_scheduled_charges=(changed,))

    @rule(which=WHICH, with_invoices=st.booleans(), really=st.integers(0, 3))
    def archive_a_contract(self, which: int, with_invoices: bool, really: int) -> None:
        contract = self.a_contract(which)
        if contract is not None and not really:
            self.attempt(
                "archive",
                lambda: contracts.archive_contract(
                    self.world.context, contract.customer_id, contract.id, void_invoices=with_invoices
                ),
            )

    # --- balances

    @precondition(lambda self: len(self.world.store.balances) < 12)
    @rule(data=st.data())
    def give_the_customer_a_balance(self, data: Any) -> None:
        self.attempt("balance", lambda: self.world.customer_balance(self.balance_is(data.draw, "customer")))

    @rule(which=WHICH, data=st.data())
    def change_a_balance(self, which: int, data: Any) -> None:
        balance = self.a_balance(which)
        if balance is None:
            return
        segment = data.draw(st.sampled_from(balance.segments)) if balance.segments else None
        changes = [
            BalanceChange(priority=Decimal(9)),
            BalanceChange(rate_type=SpendingRate.COMMIT_RATE),
            BalanceChange(applicable_product_ids=(self.world.products["Q"],)),
            BalanceChange(applicable_product_ids=()),
            BalanceChange(added_segments=(NewSegment(Decimal(50), utc("2024-09-01"), utc("2024-12-01")),)),
        ]
        if segment is not None:
            amount = number(data.draw(AMOUNTS))
            changes += [
                BalanceChange(changed_segments=(SegmentChange(segment.id, amount=amount),)),
                BalanceChange(changed_segments=(SegmentChange(segment.id, ending_before=data.draw(INSTANTS)),)),
                BalanceChange(removed_segments=(segment.id,)),
            ]
        change = data.draw(st.sampled_from(changes))
        how = balance_edits.edit_credit if balance.type is BalanceType.CREDIT else balance_edits.edit_commit
        self.attempt("change", lambda: how(self.world.context, balance.customer_id, balance.id, change))

    @rule(which=WHICH, what=st.sampled_from(["archive", "end", "no true-up"]), when=INSTANTS)
    def end_a_balance(self, which: int, what: str, when: datetime) -> None:
        balance = self.a_balance(which)
        if balance is None:
            return
        context, customer_id, is_credit = self.world.context, balance.customer_id, balance.type is BalanceType.CREDIT
        if what == "archive":
            archive = balance_ends.archive_credit if is_credit else balance_ends.archive_commit
            self.attempt("end", lambda: archive(context, customer_id, balance.id))
        elif what == "no true-up" and balance.contract_id is not None:
            contract_id = balance.contract_id
            self.attempt("end", lambda: balance_ends.disable_true_up(context, customer_id, balance.id, contract_id))
        elif is_credit:
            self.attempt("end", lambda: balance_ends.update_credit_end_date(context, customer_id, balance.id, when))
        else:
            self.attempt(
                "end", lambda: balance_ends.update_commit_end_date(context, customer_id, balance.id, when, None)
            )

    @rule(which=WHICH, amount=st.sampled_from(["-30", "-1.5", "4", "250"]), one=WHICH)
    def enter_by_hand(self, which: int, amount: str, one: int) -> None:
        balance = self.a_balance(which)
        if balance is None or not balance.segments:
            return
        segment = balance.segments[one % len(balance.segments)]
        new = NewManualEntry(balance.id, segment.id, number(amount), "by hand", balance.contract_id)
        self.attempt(
            "entry",
            lambda: manual_entries.add_manual_balance_ledger_entry(self.world.context, balance.customer_id, new),
        )

    # --- usage, prices, invoices, time

    @rule(product=st.sampled_from("PPQR"), hours=st.integers(0, 30 * 24), quantity=QUANTITIES, group=WHICH)
    def use(self, product: str, hours: int, quantity: str, group: int) -> None:
        groups = GROUPS[product][group % len(GROUPS[product])]
        instant = text(self.world.now - timedelta(hours=hours))
        self.attempt("usage", lambda: self.world.use(product, instant, quantity, **groups))

    @rule(
        which=WHICH,
        during=st.sampled_from(["2024-06", "2024-07", "2024-06-01..2024-06-16", "2024-06-16..2024-07-01"]),
        used=st.dictionaries(st.sampled_from("PQR"), QUANTITIES, min_size=1),
        by_day=st.booleans(),
    )
    def import_(self, which: int, during: str, used: dict[str, str], by_day: bool) -> None:
        if not self.world.contracts:
            return
        name = list(self.world.contracts)[which % len(self.world.contracts)]
        lines = []
        for product, quantity in used.items():
            groups = GROUPS[product][which % len(GROUPS[product])]
            day = during[:10] if ".." in during else f"{during}-04"
            amount: Any = {day: quantity} if by_day else quantity
            key = "presentation" if product == "Q" else "pricing"
            lines.append(self.world.line(product, amount, during, **{key: groups}))  # type: ignore[arg-type]
        asked = self.world.historical(during, lines, contract=name, granularity="DAY")
        self.attempt("import", lambda: self.world.import_(asked))

    @rule(which=WHICH)
    def void(self, which: int) -> None:
        invoice = self.an_invoice(which, InvoiceStatus.FINALIZED)
        if invoice is not None:
            self.attempt("void", lambda: self.world.void(invoice))

    @rule(which=WHICH)
    def regenerate(self, which: int) -> None:
        invoice = self.an_invoice(which, InvoiceStatus.VOID)
        if invoice is not None:
            self.attempt("regenerate", lambda: self.world.regenerate(invoice))

    @rule(cents=PRICES, start=INSTANTS)
    def change_a_price(self, cents: str, start: datetime) -> None:
        self.attempt("price", lambda: self.world.rate("P", cents, starting_at=text(start), commit_price="2.5"))

    @rule(hours=st.sampled_from([1, 24, 24 * 5, 24 * 17, 24 * 31, 24 * 70]))
    def let_time_pass(self, hours: int) -> None:
        self.world.travel(self.world.now + timedelta(hours=hours))

    # --- what must always hold

    @invariant()
    def the_books_balance(self) -> None:
        check_invoices(self.world)
        for balance in self.world.store.balances.values():
            check_balance(self.world, balance)

    @invariant()
    def what_is_bought_leaves_nothing_to_buy(self) -> None:
        passage.pass_time(self.world.context)
        known = len(self.world.store.balances)
        self.world.context.checked_revision = NEVER
        assert passage.pass_time(self.world.context) == []
        assert len(self.world.store.balances) == known

    @invariant()
    def a_restored_snapshot_is_the_same_world(self) -> None:
        copy = moved(self.world)  # compares the snapshots, byte by byte
        assert copy.dump() == self.world.dump()
        assert view(copy) == view(self.world)


def check_invoices(world: World) -> None:
    """Lines add up, each listed invoice can be read, and what final ones took is what the store says."""
    shown = world.invoices()
    acme = world.customers["Acme"]
    drawn: dict[str, Decimal] = {}
    for invoice in shown:
        check_invoice(invoice)
        assert invoices.get_invoice(world.context, acme, invoice.id) == invoice
        for draw in invoice.draws if invoice.status is InvoiceStatus.FINALIZED else ():
            drawn[draw.segment_id] = drawn.get(draw.segment_id, ZERO) + draw.amount
    assert len({invoice.id for invoice in shown}) == len(shown)
    stored = {
        segment.id: world.store.drawn.get(segment.id, ZERO)
        for balance in world.store.balances.values()
        for segment in balance.segments
    }
    assert {key: amount for key, amount in stored.items() if amount} == {key: drawn[key] for key in drawn if drawn[key]}


def check_balance(world: World, balance: Balance) -> None:
    """What a balance says is left is the sum of its ledger, entry by entry."""
    now = world.now
    balance = ledgers.current(world.context, balance)
    entries = ledgers.ledger_now(world.context, balance)
    assert [one.timestamp for one in entries] == sorted(one.timestamp for one in entries)
    if balance.is_withdrawn:
        assert entries == ()
        assert ledgers.balance_now(world.context, balance) == 0
        return
    known = {segment.id for segment in balance.segments}
    assert {one.segment_id for one in entries} <= known
    left = ZERO
    for segment in balance.segments:
        mine = [one for one in entries if one.segment_id == segment.id]
        booked = sum((one.amount for one in mine), ZERO)
        if balance.archived_at is None and segment.starting_at <= now < segment.ending_before:
            left += booked
        elif segment.ending_before <= now and not balance.is_trued_up:
            assert booked <= 0  # what was left has expired
            took_more = any(one.kind is EntryKind.MANUAL and one.amount < 0 for one in mine)
            assert booked == 0 or took_more
    assert ledgers.balance_now(world.context, balance) == max(left, ZERO)


ACTIONS = ["contract", "renewal", "edit", "balance", "entry", "usage", "import", "void", "payment"]


def test_whatever_somebody_does_the_books_balance_and_a_snapshot_is_the_world() -> None:
    run_state_machine_as_test(Life, settings=LIVES)

    # Lives in which everything is refused would say nothing.
    assert all(Life.done[what] for what in ACTIONS), Life.done
