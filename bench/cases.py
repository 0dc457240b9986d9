"""What is measured. Each function returns figures; :mod:`bench.report` knows what they should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from time import perf_counter

import orjson

from bench import plugin
from bench.load import Load, Prepared, put_load
from bench.servers import BILLING_PATH, SANDBOX, Kind, Running, Start, bare, running
from bench.world import (
    DAY,
    HOUR,
    IMPORT_PATH,
    INGEST_PATH,
    Tenant,
    World,
    event_body,
    fill,
    fill_large_contract,
    import_body,
    in_batches,
    invoices,
    request,
)

CONTRACTS = 20
BATCH = 1000
PAGE = 100


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: In each, every server gets every compared case once.
        seconds: Of load, for one server, case and round.
        starts: How often each server is started.
        repeats: Of what is measured one call at a time.
        many: Invoices of the large customer.
        generated: Customers whose histories are generated.
    """

    rounds: int
    seconds: int
    starts: int
    repeats: int
    many: int
    generated: int


FULL = Effort(rounds=9, seconds=2, starts=7, repeats=9, many=100_000, generated=500)
QUICK = Effort(rounds=3, seconds=1, starts=3, repeats=3, many=20_000, generated=200)

Say = Callable[[str], None]


# Compared with others ------------------------------------------------------------------------------------------------

CASES = {
    "import": "import 1 line",
    "preview": "preview 1 line",
    "get": "get invoice",
}
"""What every server is asked: import, import with ``preview`` true, read one of a few thousand stored invoices."""


@dataclass(frozen=True)
class Turn:
    """One server under one case in one round.

    Attributes:
        cpu_us: Microseconds of the server's CPU time for a request.
    """

    load: Load
    cpu_us: float


@dataclass(frozen=True)
class Compared:
    """One server under the compared cases.

    Attributes:
        turns: By case, one for each round.
    """

    starts: list[Start] = field(default_factory=list)
    turns: dict[str, list[Turn]] = field(default_factory=lambda: {case: [] for case in CASES})


STORED = 4000
"""Different invoices that are read, and different ones that are previewed."""


def _imports(token: str, world: World, number: int, *, preview: bool = False) -> Iterator[bytes]:
    for item in islice(invoices(world, DAY), number):
        yield request("POST", IMPORT_PATH, token, import_body([item], preview=preview))


def _stored(port: int) -> list[bytes]:
    """Import invoices and return the requests that read them, in no order."""
    tenant = Tenant(port, "get")
    found: list[bytes] = []
    for batch in in_batches(islice(invoices(fill(tenant, CONTRACTS), DAY), STORED), BATCH):
        for made in tenant.call("POST", IMPORT_PATH, {"invoices": batch, "preview": False})["data"]:
            path = f"/v1/customers/{made['customer_id']}/invoices/{made['id']}"
            found.append(request("GET", path, "get"))
    Random(1).shuffle(found)
    return found


def sample_answers(folder: Path) -> Path:
    """Record what the sandbox answers to an import and to reading the invoice; return the file for :func:`bare`."""
    with running(SANDBOX) as (server, _):
        tenant = Tenant(server.port, "sample")
        world = fill(tenant, 1)
        posted = tenant.call("POST", IMPORT_PATH, {"invoices": [next(invoices(world, DAY))], "preview": False})
        made = posted["data"][0]
        got = tenant.call("GET", f"/v1/customers/{made['customer_id']}/invoices/{made['id']}")
    path = folder / "answers.json"
    path.write_bytes(orjson.dumps({"POST": posted, "GET": got}))
    return path


def _take_turn(server: Running, requests: Prepared, seconds: int) -> Turn:
    before = server.cpu_seconds
    load = put_load(server.port, requests, seconds)
    return Turn(load, (server.cpu_seconds - before) * 1e6 / load.requests)


def compare(effort: Effort, others: Sequence[Kind], folder: Path, say: Say) -> dict[str, Compared]:
    """Put the same load on bare ASGI, the sandbox and ``others``, in turns.

    The tenant of the imports is made again before each of its turns, so that the same requests fit.

    Returns:
        What was measured, by the server's name.

    Raises:
        RuntimeError: The sandbox or bare ASGI refused a request; rates of refusals mean nothing.
    """
    kinds = [bare(sample_answers(folder)), SANDBOX, *others]
    found = {kind.name: Compared() for kind in kinds}
    for number in range(effort.starts):
        say(f"starting every server, {number + 1} of {effort.starts}")
        for kind in kinds:
            with running(kind) as (_, start):
                found[kind.name].starts.append(start)
    with ExitStack() as stack:
        servers = [stack.enter_context(running(kind))[0] for kind in kinds]
        sandbox = next(server for server in servers if not server.kind.is_stateless)
        say("preparing requests, warming up")
        world = fill(Tenant(sandbox.port, "preview"), CONTRACTS)
        requests = {
            "preview": Prepared(folder / "preview", _imports("preview", world, STORED, preview=True)),
            "get": Prepared(folder / "get", _stored(sandbox.port)),
        }
        warm = [put_load(server.port, requests[case], 1) for server in servers for case in requests]
        # Each import fits once. Nobody answers more of them than bare ASGI, which is the fastest here.
        imports = int(max(load.rate for load in warm) * effort.seconds * 1.5)
        requests["import"] = Prepared(folder / "import", _imports("import", world, imports))
        for number in range(effort.rounds):
            say(f"round {number + 1} of {effort.rounds}")
            for case in CASES:
                for server in servers:
                    if server is sandbox and case == "import":
                        fill(Tenant(sandbox.port, "import"), CONTRACTS)
                    turn = _take_turn(server, requests[case], effort.seconds)
                    if turn.load.refused and server in (servers[0], sandbox):
                        raise RuntimeError(f"{server.kind.name} refused {turn.load.refused} requests of case {case!r}")
                    found[server.kind.name].turns[case].append(turn)
    return found


# The sandbox alone ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sandbox:
    """What only the sandbox is asked.

    Attributes:
        batches: By the number of lines of an invoice: lines a second and lines a second of the server's CPU time, one
            pair for each batch.
        page_ms: Milliseconds of the server's CPU time for a page of a list, by its place; one figure for each call.
        bytes_an_invoice: Growth of resident memory over the import of the large customer.
        draft_ms: Milliseconds of the server's CPU time for reading the draft of a large contract, by what happened
            before; one figure for each call.
        first_call_ms: What the first call of a new token takes longer than its second, one figure for each token.
        new_world_ms: Making an empty world, in this process.
        fixture_ms: What the fixture of the pytest plugin adds to a test, one figure for each run.
        plugin_import_ms: What its import adds to every run of pytest, one figure for each process.
    """

    batches: dict[int, list[tuple[float, float]]]
    page_ms: dict[str, list[float]]
    bytes_an_invoice: float
    draft_ms: dict[str, list[float]]
    first_call_ms: list[float]
    new_world_ms: list[float]
    fixture_ms: list[float]
    plugin_import_ms: list[float]


def measure_sandbox(effort: Effort, say: Say) -> Sandbox:
    """Measure what needs state, one call at a time."""
    with running(SANDBOX) as (server, _):
        say("batches of 1,000 invoices")
        imported = _batches(server, effort.repeats)
        say("the draft of a large contract")
        drafts = _drafts(server, effort.repeats * 5)
        say("first calls of new tokens")
        first_calls = _first_calls(server)
    with running(SANDBOX) as (server, _):
        say(f"{effort.many:,} invoices of one customer, and pages of its list")
        bytes_an_invoice, large = _import_many(server, effort.many)
        pages = _pages(server, effort.many, large, effort.repeats * 5)
    say("the fixture of the pytest plugin")
    fixture, plugin_import = plugin.fixture_ms(min(effort.repeats, 5)), plugin.import_ms(effort.repeats)
    return Sandbox(imported, pages, bytes_an_invoice, drafts, first_calls, _new_worlds(), fixture, plugin_import)


def _batches(server: Running, repeats: int) -> dict[int, list[tuple[float, float]]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for lines in (1, 10):
        tenant = Tenant(server.port, f"batch-{lines}")
        batches = in_batches(invoices(fill(tenant, CONTRACTS), DAY, lines), BATCH)
        tenant.send("POST", IMPORT_PATH, import_body(next(batches), preview=True))
        figures = found[lines] = []
        for batch in islice(batches, repeats):
            body = import_body(batch)
            cpu_before, before = server.cpu_seconds, perf_counter()
            tenant.send("POST", IMPORT_PATH, body)
            wall, cpu = perf_counter() - before, server.cpu_seconds - cpu_before
            figures.append((BATCH * lines / wall, BATCH * lines / cpu))
    return found


def _drafts(server: Running, repeats: int) -> dict[str, list[float]]:
    """Return what reading a large contract's draft costs while its tenant stands still, and after it changed."""
    tenant, neighbour = Tenant(server.port, "draft"), Tenant(server.port, "neighbour")
    customer = fill_large_contract(tenant).contracts[0][0]
    fill_large_contract(neighbour)
    path = f"/v1/customers/{customer}/invoices"
    draft = tenant.call("GET", f"{path}?status=DRAFT")["data"][0]["id"]
    # The same calls make the same ids, so the neighbour's event is of a customer of that id as well.
    changes: dict[str, Callable[[int], object]] = {
        "nothing changed": lambda _: None,
        "another tenant changed": lambda number: neighbour.send("POST", INGEST_PATH, event_body(customer, number)),
        "one event more": lambda number: tenant.send("POST", INGEST_PATH, event_body(customer, number)),
    }
    found: dict[str, list[float]] = {name: [] for name in changes}
    for number in range(repeats):
        for name, change in changes.items():
            change(number)
            before = server.cpu_seconds
            tenant.send("GET", f"{path}/{draft}")
            if number:  # the first one compiles what checks the answer
                found[name].append((server.cpu_seconds - before) * 1e3)
    return found


def _first_calls(server: Running) -> list[float]:
    found: list[float] = []
    tenant = Tenant(server.port, "ordinary")
    call = partial(tenant.send, "GET", BILLING_PATH)
    call()
    for number in range(200):
        tenant.token = f"fresh-{number}"
        first = _milliseconds(call)
        found.append(first - _milliseconds(call))
    return found


def _import_many(server: Running, many: int) -> tuple[float, World]:
    tenant = Tenant(server.port, "large")
    world = fill(tenant, 1)
    batches = in_batches(islice(invoices(world, HOUR), many), BATCH)
    first = next(batches)
    tenant.send("POST", IMPORT_PATH, import_body(first, preview=True))  # room for a batch under way is not counted
    before = server.megabytes
    for batch in (first, *batches):
        tenant.send("POST", IMPORT_PATH, import_body(batch))
    return (server.megabytes - before) * 1e6 / many, world


def _pages(server: Running, many: int, large: World, repeats: int) -> dict[str, list[float]]:
    """Return what the first and the last page cost in a short and in a long list, measured in turns."""
    small = Tenant(server.port, "small")
    world = fill(small, 1)
    small.send("POST", IMPORT_PATH, import_body(list(islice(invoices(world, HOUR), BATCH))))
    calls: dict[str, Callable[[], bytes]] = {}
    for tenant, customer, size in (
        (small, world.contracts[0][0], BATCH),
        (Tenant(server.port, "large"), large.contracts[0][0], many),
    ):
        first, *_, last = _page_paths(tenant, customer)
        calls[f"first of {size:,}"] = partial(tenant.send, "GET", first)
        calls[f"last of {size:,}"] = partial(tenant.send, "GET", last)
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            before = server.cpu_seconds
            call()
            found[name].append((server.cpu_seconds - before) * 1e3)
    return found


def _page_paths(tenant: Tenant, customer: str) -> Iterator[str]:
    path = start = f"/v1/customers/{customer}/invoices?limit={PAGE}"
    while True:
        yield path
        cursor = tenant.call("GET", path)["next_page"]
        if cursor is None:
            return
        path = f"{start}&next_page={cursor}"


def _new_worlds() -> list[float]:
    from metronome_sandbox.api.settings import Settings
    from metronome_sandbox.api.worlds import Worlds

    worlds = Worlds(Settings(), {})
    return [_milliseconds(lambda: worlds(None)) for _ in range(300)]


def _milliseconds(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return (perf_counter() - started) * 1e3
