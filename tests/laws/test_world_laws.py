"""Laws of whole worlds: what must hold whatever is agreed, imported, used, voided and however time passes.

A world has one customer with two contracts that were billed elsewhere until August and one that was not, prices that
are flat, tiered, dimensional and change in June, and commits and credits on both levels. A story is a list of actions
on it; an action may be refused, and then nothing may have changed. Numbers are small and awkward, so that balances run
out in the middle of a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from builders import utc
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws.effort import effort
from worlds import World, headline

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.tenants import World as ServedWorld
from metronome_sandbox.api.worlds import Worlds, read, take
from metronome_sandbox.domain.amounts import ZERO
from metronome_sandbox.domain.balances import BalanceType
from metronome_sandbox.domain.errors import DomainError
from metronome_sandbox.domain.ids import OverrideId, SegmentId
from metronome_sandbox.domain.invoices import Invoice, InvoiceStatus, LineType
from metronome_sandbox.domain.overrides import Override, OverrideType
from metronome_sandbox.services import contracts, historical_invoices, invoices, ledgers
from metronome_sandbox.services.drafts import drafts_of
from metronome_sandbox.services.historical_invoices import HistoricalInvoice
from metronome_sandbox.services.passage import pass_time

law = effort(40, 2000)

NOW = "2024-08-15"
CUSTOMER = "Acme"
IMPORTED = ("A", "B")
"""Contracts whose invoices the system makes from August on."""
GENERATED = "G"
"""A contract whose invoices it makes from the start."""

# Worlds --------------------------------------------------------------------------------------------------------------

MONEY = st.sampled_from(["0", "1", "7", "25", "40.5", "100", "333.33", "1000"])
SEGMENTS = st.sampled_from(
    [
        "2024-06",
        "2024-07",
        "2024-06-01..2024-06-16",
        "2024-06-10T12:00..2024-07-20",
        "2024-06-01..2025-06-01",
        "2024-08-01..2024-08-20",
        "2024-08-12..2024-10-01",
        "2024-09",
    ]
)
DATES = st.sampled_from(["2024-06-01", "2024-08-15", "2024-08-20T06:00", "2024-09-01", "2024-10-01"])


class BalanceIs(NamedTuple):
    """A commit or credit; ``where`` is a contract, ``customer`` for all of them, or ``customer A`` for that one."""

    where: str
    type: BalanceType
    segments: list[tuple[str, str]]
    priority: int
    rate_type: str
    products: list[str]
    payments: list[tuple[str, str]]


BALANCES = st.builds(
    BalanceIs,
    st.sampled_from(["A", "B", "G", "customer", "customer A"]),
    st.sampled_from(BalanceType),
    st.lists(st.tuples(MONEY, SEGMENTS), min_size=1, max_size=2),
    st.integers(1, 2),
    st.sampled_from(["LIST_RATE", "COMMIT_RATE"]),
    st.lists(st.sampled_from("PQR"), max_size=2, unique=True),
    st.lists(st.tuples(DATES, MONEY), max_size=2),
)


class WorldIs(NamedTuple):
    """What a world begins with."""

    balances: list[BalanceIs]
    multiplier: str | None
    frequency: str
    grace_hours: int


WORLDS = st.builds(
    WorldIs,
    st.lists(BALANCES, max_size=4),
    st.none() | st.sampled_from(["0", "0.5", "1.1"]),
    st.sampled_from(["MONTHLY", "WEEKLY"]),
    st.sampled_from([0, 24]),
)


def new_balance(world: World, number: int, about: BalanceIs) -> Any:
    segments, payments = about.segments, about.payments or None
    if about.type is BalanceType.POSTPAID:
        segments = segments[:1]
        payments = [("2025-01-01", segments[0][0])]
    if about.type is BalanceType.CREDIT:
        payments = None
    is_customers = about.where.startswith("customer")
    return world.new_balance(
        f"balance {number}",
        about.type,
        *segments,
        payments=payments,
        paid_on="A" if payments and is_customers else None,
        priority=about.priority,
        rate_type=about.rate_type,
        products=about.products,
        contracts=["A"] if about.where == "customer A" else [],
    )


def build(about: WorldIs) -> World:
    world = World(NOW, grace_hours=about.grace_hours)
    world.product("P", "7")
    world.rate("P", "3.3", starting_at="2024-06-16", ending_before="2024-07-10", commit_price="2")
    world.product("Q", tiers=[("2", "10"), ("3", "4"), (None, "0.7")], presentation=("project",))
    world.product("R", pricing=("region",))
    world.rate("R", "9", pricing={"region": "eu"})
    world.rate("R", "11", pricing={"region": "us"}, commit_price="10")
    overrides = []
    if about.multiplier is not None:
        overrides.append(
            Override(
                OverrideId(""),
                utc("2024-06-01"),
                utc("2024-06-10"),
                utc("2024-08-10"),
                OverrideType.MULTIPLIER,
                product_id=world.products["P"],
                multiplier=Decimal(about.multiplier),
            )
        )
    own: dict[str, list[Any]] = {name: [] for name in "ABG"}
    for number, each in enumerate(about.balances):
        if each.where in own:
            own[each.where].append(new_balance(world, number, each))
    for name in IMPORTED:
        world.imported(
            name=name,
            commits=[each for each in own[name] if each.type is not BalanceType.CREDIT],
            credits=[each for each in own[name] if each.type is BalanceType.CREDIT],
            overrides=overrides,
        )
    world.contract(GENERATED, starting_at="2024-07-10", frequency=about.frequency, commits=own["G"])
    for number, each in enumerate(about.balances):
        if each.where not in own:
            world.customer_balance(new_balance(world, number, each))
    return world


# Stories -------------------------------------------------------------------------------------------------------------

QUANTITIES = st.sampled_from(["0", "0.5", "1", "2.5", "3", "10", "33.25"])
GROUPS = {
    "P": [({}, {})],
    "Q": [({}, {"project": "a"}), ({}, {"project": "b"})],
    "R": [({"region": "eu"}, {}), ({"region": "us"}, {})],
}


class LineIs(NamedTuple):
    """A line item: a product with its groups, a whole quantity or ``{day of the period: quantity}``."""

    product: str
    groups: tuple[dict[str, str], dict[str, str]]
    quantity: str | dict[int, str]


LINES = st.sampled_from("PQR").flatmap(
    lambda product: st.builds(
        LineIs,
        st.just(product),
        st.sampled_from(GROUPS[product]),
        QUANTITIES | st.dictionaries(st.integers(0, 14), QUANTITIES, min_size=1, max_size=3),
    )
)
PERIODS = ["2024-06-01..2024-06-16", "2024-06-16..2024-07-01", "2024-07", "2024-06"]


class InvoiceIs(NamedTuple):
    """An invoice to import."""

    contract: str
    period: str
    lines: list[LineIs]
    issue_date: str


INVOICES = st.builds(
    InvoiceIs,
    st.sampled_from(IMPORTED),
    st.sampled_from(PERIODS),
    st.lists(LINES, min_size=1, max_size=3),
    st.sampled_from(["2024-07-03", "2024-07-03", "2024-08-15", "2024-08-20", "2024-09-05T12:00"]),
)


@st.composite
def batches(draw: st.DrawFn) -> list[InvoiceIs]:
    """Invoices that do not overlap each other."""
    found: list[InvoiceIs] = []
    for each in draw(st.lists(INVOICES, min_size=1, max_size=4)):
        taken = {one.period for one in found if one.contract == each.contract}
        halves = set(PERIODS[:2])
        overlaps = each.period in taken or ("2024-06" in taken and each.period in halves)
        if not overlaps and not (each.period == "2024-06" and taken & halves):
            found.append(each)
    return found


def historical(world: World, about: InvoiceIs) -> HistoricalInvoice:
    start = utc(about.period[:10] if ".." in about.period else f"{about.period}-01")
    lines = []
    for line in about.lines:
        quantity: Any = line.quantity
        if isinstance(quantity, dict):
            quantity = {(start + timedelta(days=day)).isoformat(): each for day, each in quantity.items()}
        pricing, presentation = line.groups
        lines.append(world.line(line.product, quantity, about.period, pricing=pricing, presentation=presentation))
    return world.historical(
        about.period, lines, contract=about.contract, issue_date=about.issue_date, granularity="DAY"
    )


ACTIONS = st.one_of(
    st.tuples(st.just("import"), batches()),
    st.tuples(st.just("import"), batches()),
    st.tuples(
        st.just("use"), st.tuples(st.sampled_from("PQR"), st.integers(0, 30 * 24), QUANTITIES, st.integers(0, 1))
    ),
    st.tuples(st.just("void"), st.integers(0, 5)),
    st.tuples(st.just("regenerate"), st.integers(0, 5)),
    st.tuples(st.just("travel"), st.sampled_from(["1", "5", "17", "40"])),
    st.tuples(st.just("price"), st.sampled_from(["1", "20"])),
    st.tuples(st.just("forget the price"), st.none()),
    st.tuples(st.just("give"), BALANCES.filter(lambda about: about.where.startswith("customer"))),
    st.tuples(
        st.just("end"),
        st.tuples(st.sampled_from("ABG"), st.sampled_from(["2024-07-01", "2024-08-10", "2024-08-18", None])),
    ),
    st.tuples(st.just("archive"), st.tuples(st.sampled_from("ABG"), st.booleans())),
)
STORIES = st.lists(ACTIONS, max_size=6)


def of_status(world: World, status: InvoiceStatus) -> list[Invoice]:
    return [invoice for invoice in world.store.invoices.values() if invoice.status is status]


def act(world: World, kind: str, what: Any) -> object:
    """Do one thing and return what it answers. Raises what the service raises."""
    context, acme = world.context, world.customers[CUSTOMER]
    if kind == "import":
        batch = [historical(world, each) for each in what]
        return historical_invoices.create_historical_invoices(context, batch, preview=False)
    if kind == "use":
        product, hours, quantity, group = what
        pricing, presentation = GROUPS[product][group % len(GROUPS[product])]
        return world.use(product, (world.now - timedelta(hours=hours)).isoformat(), quantity, **pricing, **presentation)
    if kind in ("void", "regenerate"):
        found = of_status(world, InvoiceStatus.FINALIZED if kind == "void" else InvoiceStatus.VOID)
        return getattr(world, kind)(found[what % len(found)]) if found else None
    if kind == "travel":
        return world.travel(world.now + timedelta(days=int(what)))
    if kind == "price":
        return world.rate("P", what, starting_at="2024-06-20")
    if kind == "forget the price":  # another entry with the same start takes its place
        return world.rate("P", "7", starting_at="2000-01-01", ending_before="2024-06-10")
    if kind == "give":
        return world.customer_balance(new_balance(world, len(world.store.balances), what))
    name, option = what
    if kind == "end":
        end = None if option is None else utc(option)
        return contracts.update_contract_end_date(context, acme, world.contracts[name], end)
    return contracts.archive_contract(context, acme, world.contracts[name], void_invoices=option)


def play(world: World, story: Sequence[tuple[str, Any]]) -> list[object]:
    """Play a story and return the answers; what is refused must leave no trace."""
    answers: list[object] = []
    for kind, what in story:
        before, ids = world.dump(), dict(world.context.ids.counts)
        try:
            answers.append(act(world, kind, what))
        except DomainError as error:
            assert (world.dump(), world.context.ids.counts) == (before, ids)
            answers.append(str(error))
    return answers


# What one sees of a world --------------------------------------------------------------------------------------------


def figures(invoice: Invoice) -> Any:
    """All of an invoice but its id and place."""
    return msgspec.structs.replace(invoice, id="", sequence=0, regenerated_from_invoice_id=None)  # type: ignore[arg-type]


def untraced(invoice: Invoice) -> Invoice:
    """Leave out what a draft notes of balances it draws nothing of: later invoices of its batch may draw on them."""
    return msgspec.structs.replace(invoice, trace=None)


def names(world: World) -> list[str]:
    return [balance.name or "" for balance in world.store.balances.values()]


def view(world: World) -> Any:
    """What every read answers: invoices, balances, ledgers, breakdowns."""
    acme = world.customers[CUSTOMER]
    return (
        [msgspec.to_builtins(one) for one in world.invoices()],
        {name: (world.left(name), world.ledger(name)) for name in names(world)},
        {with_drafts: world.net(with_drafts=with_drafts) for with_drafts in (False, True)},
        world.breakdowns("DAY", "2024-06-01..2024-12-01"),
        [one.id for one in contracts.list_contracts(world.context, acme, include_archived=True)],
    )


# The laws of an import -----------------------------------------------------------------------------------------------


@law
@given(WORLDS, STORIES, batches())
def test_a_preview_is_the_import_without_its_traces(about: WorldIs, story: Any, asked: list[InvoiceIs]) -> None:
    world = build(about)
    play(world, story)
    batch = [historical(world, each) for each in asked]
    before, seen = world.dump(), view(world)
    try:
        first, refusal = world.preview(*batch), None
    except DomainError as error:
        first, refusal = [], str(error)
    assert (world.dump(), view(world)) == (before, seen)
    if refusal is not None:
        assert play(world, [("import", asked)]) == [refusal]
        return
    assert world.preview(*batch) == first
    assert (world.dump(), view(world)) == (before, seen)

    imported = world.import_(*batch)

    assert list(map(figures, imported)) == list(map(figures, first))
    shown = [invoices.get_invoice(world.context, one.customer_id, one.id) for one in imported]
    assert list(map(untraced, shown)) == list(map(untraced, imported))


@law
@given(WORLDS, batches())
def test_voiding_an_import_restores_every_balance_and_ledger(about: WorldIs, asked: list[InvoiceIs]) -> None:
    world = build(about)
    batch = [historical(world, each._replace(issue_date="2024-08-03")) for each in asked]
    _, kept, net, *_ = view(world)
    drafts = drafts_of(world.context, world.customers[CUSTOMER])

    for invoice in world.import_(*batch):
        world.void(invoice)

    _, after, net_after, *_ = view(world)
    assert (after, net_after) == (kept, net)
    assert drafts_of(world.context, world.customers[CUSTOMER]) == drafts


@law
@given(WORLDS, STORIES, batches(), st.randoms(use_true_random=False))
def test_the_order_of_invoices_in_a_request_does_not_matter(
    about: WorldIs, story: Any, asked: list[InvoiceIs], random: Any
) -> None:
    shuffled = random.sample(range(len(asked)), len(asked))
    one, other = build(about), build(about)
    play(one, story)
    play(other, story)
    try:
        answered = one.import_(*(historical(one, each) for each in asked))
    except DomainError:
        assume(False)

    again = other.import_(*(historical(other, asked[place]) for place in shuffled))

    assert again == [answered[place] for place in shuffled]
    assert one.dump() == other.dump()
    assert view(one) == view(other)


@law
@given(WORLDS, batches(), st.randoms(use_true_random=False))
def test_the_order_of_lines_in_an_invoice_does_not_matter(about: WorldIs, asked: list[InvoiceIs], random: Any) -> None:
    """Two lines of one group and window are one after the other either way, so only their sum is the same."""
    for each in asked:
        groups = [(line.product, str(line.groups)) for line in each.lines]
        assume(len(groups) == len(set(groups)))
    shuffled = [each._replace(lines=random.sample(each.lines, len(each.lines))) for each in asked]
    one, other = build(about), build(about)

    answered = one.import_(*(historical(one, each) for each in asked))
    again = other.import_(*(historical(other, each) for each in shuffled))

    for first, second in zip(answered, again, strict=True):
        assert (first.lines, first.total, first.draws) == (second.lines, second.total, second.draws)


@law
@given(WORLDS, STORIES, batches())
def test_a_batch_gives_what_its_invoices_give_one_by_one(about: WorldIs, story: Any, asked: list[InvoiceIs]) -> None:
    """In the order of time, that is: a final invoice is not priced again for an earlier one that comes later."""
    together, apart = build(about), build(about)
    play(together, story)
    play(apart, story)
    in_time = sorted(asked, key=lambda each: (historical(together, each).period.starting_at, each.contract))
    try:
        answered = together.import_(*(historical(together, each) for each in in_time))
    except DomainError:
        assume(False)

    one_by_one = [apart.import_(historical(apart, each))[0] for each in in_time]

    assert one_by_one == answered
    assert apart.dump() == together.dump()


# The laws of books ---------------------------------------------------------------------------------------------------


def check_invoice(invoice: Invoice) -> None:
    """The total is the sum of the lines that count, each product of its figures; draws are the applications."""
    counted = [line.total for line in invoice.lines if line.counts]
    assert sum(counted, ZERO) == invoice.total
    for line in invoice.lines:
        if line.quantity is not None and line.unit_price is not None and line.type is LineType.USAGE:
            assert line.quantity >= 0
            assert abs(line.quantity * line.unit_price - line.total) < Decimal("1e-12")
    applied: dict[SegmentId, Decimal] = {}
    for line in invoice.lines:
        if line.type is LineType.APPLIED_COMMIT_OR_CREDIT and line.applied and line.applied.segment_id:
            assert line.total <= 0
            applied[line.applied.segment_id] = applied.get(line.applied.segment_id, ZERO) - line.total
    assert {one.segment_id: one.amount for one in invoice.draws} == {key: sum_ for key, sum_ in applied.items() if sum_}


def check_books(world: World) -> None:
    """Balances, ledgers, totals and invoices of a world agree."""
    context, now = world.context, world.now
    shown = world.invoices()
    for invoice in shown:
        check_invoice(invoice)
    usage = [one for one in shown if one.status is not InvoiceStatus.VOID and one.period is not None]
    for contract_id in world.contracts.values():
        periods = sorted(
            (one.period.starting_at, one.period.ending_before)
            for one in usage
            if one.contract_id == contract_id and one.period
        )
        assert all(end <= start for (_, end), (start, _) in pairwise(periods))
    drafted = ledgers.drawn_by_drafts(context, world.customers[CUSTOMER])
    for balance in world.store.balances.values():
        entries = ledgers.ledger_now(context, balance)
        assert [one.timestamp for one in entries] == sorted(one.timestamp for one in entries)
        assert all(one.amount for one in entries)
        left = ZERO
        for segment in balance.segments:
            final = world.store.drawn.get(segment.id, ZERO)
            recorded = sum(
                (
                    draw.amount
                    for invoice in of_status(world, InvoiceStatus.FINALIZED)
                    for draw in invoice.draws
                    if draw.segment_id == segment.id
                ),
                ZERO,
            )
            assert final == recorded
            rest = segment.amount - final - drafted.get(segment.id, ZERO)
            assert 0 <= rest <= segment.amount
            booked = sum((one.amount for one in entries if one.segment_id == segment.id), ZERO)
            if segment.starting_at > now:
                assert booked == rest - segment.amount  # nothing is granted yet
            elif now < segment.ending_before and balance.archived_at is None:
                assert booked == rest
                left += rest
            elif balance.type is not BalanceType.POSTPAID or balance.archived_at is not None:
                assert booked == 0  # what was left has expired
        assert ledgers.balance_now(context, balance) == left


@law
@given(WORLDS, STORIES)
def test_books_balance_whatever_happens(about: WorldIs, story: Any) -> None:
    world = build(about)
    check_books(world)
    for action in story:
        play(world, [action])
        check_books(world)


@law
@given(WORLDS, STORIES)
def test_what_is_final_changes_only_by_being_voided(about: WorldIs, story: Any) -> None:
    world = build(about)
    for action in story:
        before = dict(world.store.invoices.dump())  # type: ignore[attr-defined]
        play(world, [action])
        for invoice_id, invoice in before.items():
            after = world.store.invoices[invoice_id]
            if invoice.status is InvoiceStatus.FINALIZED:
                assert after in (invoice, msgspec.structs.replace(invoice, status=InvoiceStatus.VOID))
            if invoice.status is InvoiceStatus.VOID:
                assert after == invoice


@law
@given(WORLDS, STORIES)
def test_every_invoice_that_is_listed_can_be_read(about: WorldIs, story: Any) -> None:
    world = build(about)
    play(world, story)
    acme = world.customers[CUSTOMER]
    listed = invoices.list_invoices(world.context, acme)

    assert len({one.id for one in listed}) == len(listed)
    assert [invoices.get_invoice(world.context, acme, one.id) for one in listed] == list(listed)
    assert [one.order for one in listed] == sorted(one.order for one in listed)


# The laws of time ----------------------------------------------------------------------------------------------------


@law
@given(WORLDS, STORIES, st.integers(1, 80))
def test_one_leap_is_as_good_as_many_steps(about: WorldIs, story: Any, days: int) -> None:
    leaping, walking = build(about), build(about)
    play(leaping, story)
    play(walking, story)
    end = leaping.now + timedelta(days=days)

    leap = leaping.travel(end)
    walk = []
    while walking.now < end:
        walk += walking.travel(walking.now + timedelta(days=1))
        drafts_of(walking.context, walking.customers[CUSTOMER])  # reading must not matter

    assert walking.dump() == leaping.dump()
    assert view(walking) == view(leaping)
    assert sorted(map(msgspec.json.encode, walk)) == sorted(map(msgspec.json.encode, leap))
    assert [event.timestamp for event in leap] == sorted(event.timestamp for event in leap)


@law
@given(WORLDS, STORIES, st.integers(1, 80))
def test_a_draft_becomes_final_as_it_stood(about: WorldIs, story: Any, days: int) -> None:
    """While nobody does anything, what a draft said is what the final invoice says, under the same id."""
    world = build(about)
    play(world, story)
    drafts = [
        one
        for one in drafts_of(world.context, world.customers[CUSTOMER])
        if one.issued_at <= world.now + timedelta(days=days)
    ]

    world.travel(world.now + timedelta(days=days))

    for draft in drafts:
        final = world.store.invoices[draft.id]
        assert final.status is InvoiceStatus.FINALIZED
        stood = msgspec.structs.replace(draft, status=InvoiceStatus.FINALIZED)
        assert figures(untraced(final)) == figures(untraced(stood))


# The laws of state ---------------------------------------------------------------------------------------------------


@law
@given(WORLDS, STORIES)
def test_the_same_calls_give_the_same_world(about: WorldIs, story: Any) -> None:
    one, other = build(about), build(about)

    assert play(one, story) == play(other, story)
    assert one.dump() == other.dump()


def moved(world: World) -> World:
    """The world after a snapshot was taken and restored, as bytes that were written to a file and read again."""
    served = ServedWorld(world.context, world.clock)
    snapshot = take(served)
    restored = Worlds(Settings(grace_period=world.context.grace_period), HANDLERS).restored(read(snapshot).state)
    assert take(restored) == snapshot
    copy = World(NOW)
    copy.context, copy.clock = restored.context, restored.clock
    copy.store = restored.context.store  # type: ignore[assignment]
    for name in ("card", "commitment", "products", "customers", "contracts", "_event_number"):
        setattr(copy, name, getattr(world, name))
    return copy


@law
@given(WORLDS, STORIES, STORIES)
def test_a_restored_world_answers_and_goes_on_like_the_one_it_was_taken_from(
    about: WorldIs, story: Any, sequel: Any
) -> None:
    world = build(about)
    play(world, story)

    copy = moved(world)

    assert copy.dump() == world.dump()
    assert view(copy) == view(world)
    assert play(copy, sequel) == play(world, sequel)
    assert copy.dump() == world.dump()
    assert copy.context.ids.counts == world.context.ids.counts


@law
@given(WORLDS, STORIES)
def test_reading_changes_nothing(about: WorldIs, story: Any) -> None:
    world = build(about)
    play(world, story)
    before, revision = world.dump(), world.store.revision

    seen = view(world)

    assert view(world) == seen
    assert pass_time(world.context) == []
    assert (world.dump(), world.store.revision) == (before, revision)


def test_stories_are_not_all_refused() -> None:
    """A law over stories that never get anywhere would say nothing."""
    done: dict[str, int] = {}

    @settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(WORLDS, STORIES)
    def count(about: WorldIs, story: Any) -> None:
        world = build(about)
        for (kind, _), answer in zip(story, play(world, story), strict=True):
            done[kind] = done.get(kind, 0) + (not isinstance(answer, str) and answer is not None)
        for invoice in world.invoices():
            done[headline(invoice).split()[0]] = done.get(headline(invoice).split()[0], 0) + bool(invoice.draws)

    count()

    assert all(done.get(kind) for kind in ("import", "void", "travel", "give", "end", "archive", "USAGE")), done
