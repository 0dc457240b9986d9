"""What a test holds: one tenant of a sandbox, or an account of the real API, behind the same words.

The sandbox of a test run is a thread of it, started when the first test asks; a token of its own gives each test a
world of its own. What only a sandbox can do raises :class:`NeedsSandbox` elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol
from urllib.parse import quote
from uuid import uuid4

from metronome_sandbox.toolkit.connection import CallFailed, Connection
from metronome_sandbox.toolkit.differences import Things, described, difference
from metronome_sandbox.toolkit.journal import READS, Call, read_entry

if TYPE_CHECKING:
    from metronome_sandbox.listening import Application, Receive, Scope, Send
    from metronome_sandbox.serving import BackgroundServer

__tracebackhide__ = True
"""Read by pytest: a failed test shows the test's own line and not how it came to the call."""

USD_CENTS = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
"""Source: the vendor's samples; the same for every client."""

MAX_JOURNAL = 1000
"""As many calls as the control plane tells at once."""

MOST_HEALTH_BYTES = 1024 * 1024

QUANTITY = "quantity"
"""The property of a usage event that :meth:`Sandbox.priced_contract` adds up."""

JsonObject = dict[str, Any]


class NeedsSandbox(Exception):
    """The target of this run is no sandbox and cannot do this."""


class MayNotWrite(Exception):
    """A test that only reads, by its own word, wants to write."""


def _needs_sandbox(what: str) -> NoReturn:
    raise NeedsSandbox(what)


class Server(Protocol):
    """What answers in this process."""

    @property
    def url(self) -> str:
        """Where it listens."""

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same without a port."""

    def forget(self, token: str) -> None:
        """Forget a tenant and everything that it has."""


def start_server(around: Callable[[Application], Application] = lambda sandbox: sandbox) -> BackgroundServer:
    """Start a sandbox in a thread of this process; imports the server, which takes half a second.

    Args:
        around: Returns what answers in its place, and asks it.

    Raises:
        CannotServe: It does not start.
    """
    from metronome_sandbox.serving import BackgroundServer

    return BackgroundServer(MAX_JOURNAL, around)


def is_sandbox(base_url: str) -> bool:
    """Whether a sandbox answers at a URL. No token is sent.

    Raises:
        CallFailed: Nobody answers.
    """
    connection = Connection(base_url, None, most_bytes=MOST_HEALTH_BYTES)
    try:
        health = connection.send("GET", "/sandbox/health")
        return health.status == 200 and "version" in health.json
    except (ValueError, TypeError):
        return False  # a page for people
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Deal:
    """A customer with a contract that has one price, and what belongs to it.

    Attributes:
        commit_id: Of the prepaid commit, if there is one.
        event_type: Of the usage events that it is billed for.
    """

    customer_id: str
    contract_id: str
    product_id: str
    rate_card_id: str
    billable_metric_id: str
    commit_id: str | None
    event_type: str


class Passage(NamedTuple):
    """Where the clock stands now, and what happened on the way there, as the control plane tells it."""

    now: datetime
    events: Sequence[Mapping[str, Any]]


class Clock:
    """The clock of a tenant. It is real time until it is set, and stands still from then on."""

    def __init__(self, control: Callable[..., Any]) -> None:
        self._control = control

    @property
    def now(self) -> datetime:
        """The tenant's time, aware, UTC."""
        return _instant(self._control("GET", "/sandbox/clock")["now"])

    def set(self, to: datetime | str) -> Passage:
        """Set and freeze the clock; forward only once the tenant has a contract."""
        return _passage(self._control("PUT", "/sandbox/clock", {"now": _text(to)}))

    def advance(self, by: timedelta | str | None = None, *, to: datetime | str | None = None) -> Passage:
        """Let time pass, by ``timedelta(days=1)`` or ``"P1M"``, or up to an instant."""
        if (by is None) == (to is None):
            raise ValueError("expected one of a duration and to=, an instant")
        if isinstance(by, timedelta):
            by = f"PT{by.total_seconds():f}S"
        body = {"by": by} if to is None else {"to": _text(to)}
        return _passage(self._control("POST", "/sandbox/clock/advance", body))


class Faults:
    """What goes wrong on purpose. Every method takes ``call``, ``count``, ``probability`` and ``seed`` as well."""

    def __init__(self, control: Callable[..., Any]) -> None:
        self._control = control
        self._lasting: JsonObject | None = None

    def inject(self, kind: str, operation_id: str | None = None, **more: Any) -> JsonObject:
        """Let calls go wrong, those of one operation or all; return the fault as the control plane tells it."""
        body = {"kind": kind, "operation_id": operation_id, **more}
        made: JsonObject = self._control(
            "POST", "/sandbox/faults", {name: value for name, value in body.items() if value is not None}
        )
        return made

    def lose_answer(self, operation_id: str | None = None, **more: Any) -> JsonObject:
        """The work is done, then the connection ends without an answer."""
        return self.inject("lose_answer", operation_id, **more)

    def drop(self, operation_id: str | None = None, **more: Any) -> JsonObject:
        """The connection ends before anything is done."""
        return self.inject("drop", operation_id, **more)

    def status(self, status: int, operation_id: str | None = None, **more: Any) -> JsonObject:
        """An error is answered and nothing is done; ``message`` and ``retry_after_seconds`` say more about it."""
        _require_number_first("status", status, 503, operation_id)
        return self.inject("status", operation_id, status=status, **more)

    def delay(self, seconds: float, operation_id: str | None = None, **more: Any) -> JsonObject:
        """The work waits, and is done then, even if the client has given up."""
        _require_number_first("delay", seconds, 2.5, operation_id)
        return self.inject("delay", operation_id, delay_seconds=seconds, **more)

    def broken_json(self, operation_id: str | None = None, **more: Any) -> JsonObject:
        """The work is done, and half of the answer's bytes come."""
        return self.inject("broken_json", operation_id, **more)

    def truncated_page(self, operation_id: str | None = None, **more: Any) -> JsonObject:
        """The second half of a list's page is missing."""
        return self.inject("truncated_page", operation_id, **more)

    def last(self, kind: str, operation_id: str, *, call: int, **more: Any) -> None:
        """Disturb one call, even if a scenario or a snapshot takes the place of everything before it comes."""
        self._lasting = {**self.inject(kind, operation_id, call=call, **more), "more": more}

    @contextmanager
    def _carried_over(self) -> Iterator[None]:
        """Let what is to last outlive the block, which puts another world in the place of the tenant's."""
        lasting = self._lasting
        now = next((one for one in self.list() if one["id"] == lasting["id"]), None) if lasting else None
        yield
        if lasting is not None and now is not None and not now["disturbed"]:
            self.last(now["kind"], now["operation_id"], call=now["call"] - now["seen"], **lasting["more"])

    def list(self) -> Sequence[JsonObject]:
        """Every fault, with how many calls it has ``seen`` and ``disturbed``."""
        faults: Sequence[JsonObject] = self._control("GET", "/sandbox/faults")["data"]
        return faults

    def clear(self) -> None:
        """Let everything go well again."""
        self._control("DELETE", "/sandbox/faults")


def _require_number_first(method: str, number: Any, example: float, operation_id: Any) -> None:
    """Make sure that a number comes first and the operation behind it.

    Raises:
        TypeError: It does not; the message shows the call that was meant.
    """
    if isinstance(number, int | float):
        return
    if isinstance(operation_id, int | float):
        example = operation_id
    what = "status" if method == "status" else "number of seconds"
    raise TypeError(
        f"faults.{method}({number!r}, ...): expected the {what} first and the operation behind it: "
        f"faults.{method}({example}, {number!r})"
    )


class Sandbox:
    """One tenant, empty at first.

    Args:
        base_url: What a client is pointed at.
        token: The bearer token, which names the tenant.
        server: The one of this process; None for another one.
        control_token: What the control plane of that other one wants.
        has_control: Whether there is a control plane; the real API has none.
        may_write: Whether this test may.
        unavailable: Called with a sentence when there is none and a test needs it; does not return.

    Attributes:
        has_control: As given.
        clock: Reads, sets and advances the tenant's time.
        faults: Lets calls go wrong.
        own_calls: The ids of the calls that this object made and not the client; None while nobody wants them noted.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        server: Server | None = None,
        control_token: str | None = None,
        has_control: bool = True,
        may_write: bool = True,
        unavailable: Callable[[str], NoReturn] = _needs_sandbox,
    ) -> None:
        self.base_url = base_url
        self.token = token
        self._server = server
        self._control_token = control_token
        self.has_control = has_control
        self._may_write = may_write
        self._unavailable = unavailable
        self._connection = Connection(base_url, token, control_token)
        self._beginning: bytes | None = None
        self._numbers = count(1)
        self.own_calls: set[int] | None = None
        self.clock = Clock(self._control)
        self.faults = Faults(self._control)

    @classmethod
    def of(cls, server: Server, **options: Any) -> Sandbox:
        """Return a new tenant of the server of this process."""
        return cls(server.url, _new_token(), server=server, **options)

    @classmethod
    def at(cls, base_url: str, control_token: str | None = None, **options: Any) -> Sandbox:
        """Return a new tenant of a sandbox that runs already."""
        return cls(base_url, _new_token(), control_token=control_token, **options)

    @property
    def asgi(self) -> Application:
        """The sandbox as an ASGI application, for ``httpx.ASGITransport``: the same tenants without a port."""
        if self._server is None:
            self._unavailable("an ASGI application is there only for the sandbox of this process")
        return self._server.asgi

    @property
    def requests(self) -> Sequence[Call]:
        """The calls to the billing API so far, oldest first; the latest thousand of them."""
        journal = self._control("GET", f"/sandbox/requests?limit={MAX_JOURNAL}")
        return tuple(read_entry(entry, self.own_calls or ()) for entry in reversed(journal["data"]))

    def load(self, scenario: str) -> Mapping[str, Mapping[str, str]]:
        """Put a ready-made company in place of everything; return its ids, by kind and name."""
        with self.faults._carried_over():
            made = self._control("POST", f"/sandbox/scenarios/{quote(scenario, safe='')}")
        ids: Mapping[str, Mapping[str, str]] = made["ids"]
        self._beginning = self.snapshot()
        return ids

    def snapshot(self) -> bytes:
        """Return everything that the tenant has, for :meth:`restore`."""
        return self._controlled("GET", "/sandbox/snapshot")

    def restore(self, snapshot: bytes) -> None:
        """Bring back what the tenant had, its clock and its ids included. Faults and idempotency keys go."""
        with self.faults._carried_over():
            self._controlled("PUT", "/sandbox/snapshot", snapshot)
        self._beginning = snapshot

    def explain(self, invoice_id: str) -> JsonObject:
        """Return why every figure of an invoice is what it is."""
        explanation: JsonObject = self._control("GET", f"/sandbox/invoices/{quote(invoice_id, safe='')}/explanation")
        return explanation

    # In one line

    def priced_contract(
        self,
        price: float = 1000,
        *,
        prepaid: float | None = None,
        name: str = "Acme Inc",
        starting_at: datetime | str | None = None,
        event_type: str = "api_call",
    ) -> Deal:
        """Make a customer with a contract that has one price.

        Args:
            price: US cents for a unit.
            prepaid: US cents of a prepaid commit that is spent first, for a year; None for no commit.
            name: Of the customer.
            starting_at: Of the contract, at midnight UTC; the first of the current month unless given. Bills monthly.
            event_type: Of the events that count; their property ``quantity`` is added up.
        """
        start = _midnight(self._now()).replace(day=1) if starting_at is None else _instant(_text(starting_at))
        customer = self.call("POST", "/v1/customers", {"name": name})["data"]["id"]
        metric = self._made(
            "/v1/billable-metrics/create",
            name=f"{event_type} {QUANTITY}",
            aggregation_type="SUM",
            aggregation_key=QUANTITY,
            event_type_filter={"in_values": [event_type]},
            property_filters=[{"name": QUANTITY, "exists": True}],
        )
        product = self._made(
            "/v1/contract-pricing/products/create", name=event_type, type="USAGE", billable_metric_id=metric
        )
        card = self._made("/v1/contract-pricing/rate-cards/create", name=f"Prices of {name}")
        self.call(
            "POST",
            "/v1/contract-pricing/rate-cards/addRate",
            {
                "rate_card_id": card,
                "product_id": product,
                "starting_at": _text(start),
                "entitled": True,
                "rate_type": "FLAT",
                "price": price,
            },
        )
        contract = self._made(
            "/v1/contracts/create",
            customer_id=customer,
            rate_card_id=card,
            starting_at=_text(start),
            usage_statement_schedule={"frequency": "MONTHLY"},
        )
        commit = None if prepaid is None else self._prepaid(customer, contract, prepaid, start)
        return Deal(customer, contract, product, card, metric, commit, event_type)

    def _prepaid(self, customer: str, contract: str, amount: float, start: datetime) -> str:
        """Give a customer an amount to spend within a year, paid already."""
        product = self._made("/v1/contract-pricing/products/create", name="Prepaid usage", type="FIXED")
        span = {"starting_at": _text(start), "ending_before": _text(start + timedelta(days=365))}
        return self._made(
            "/v1/contracts/customerCommits/create",
            customer_id=customer,
            type="PREPAID",
            product_id=product,
            priority=100,
            applicable_contract_ids=[contract],
            access_schedule={"credit_type_id": USD_CENTS, "schedule_items": [{"amount": amount, **span}]},
        )

    def use(self, deal: Deal, quantity: float, *, at: datetime | str | None = None) -> None:
        """Send a usage event of a deal; now, unless ``at`` says when."""
        event = {
            "transaction_id": f"{self.token[:80]}-{next(self._numbers)}",
            "customer_id": deal.customer_id,
            "event_type": deal.event_type,
            "timestamp": _text(self._now() if at is None else at),
            "properties": {QUANTITY: str(quantity)},
        }
        self.call("POST", "/v1/ingest", [event], has_answer=False)

    def invoices(self, customer: Deal | str, **query: str) -> Sequence[JsonObject]:
        """Return a customer's invoices as ``listInvoices-v1`` does, the first hundred; ``query`` narrows them."""
        customer_id = customer.customer_id if isinstance(customer, Deal) else customer
        filters = "".join(f"&{name}={quote(value)}" for name, value in query.items())
        found: Sequence[JsonObject] = self.call("GET", f"/v1/customers/{customer_id}/invoices?limit=100{filters}")[
            "data"
        ]
        return found

    def call(self, method: str, path: str, body: Any = None, *, has_answer: bool = True) -> Any:
        """Make a call of the test's own and return its JSON; it has to be answered with 200.

        Raises:
            CallFailed: It is not.
            MayNotWrite: It may change something, and this test may not.
        """
        if not self._may_write and not (method == "GET" or path.rpartition("/")[2].startswith(READS)):
            raise MayNotWrite(f"{method} {path}: this test only reads; mark it with metronome(writes=True)")
        try:
            if has_answer:
                return self._connection.ok(method, path, body)
            answer = self._connection.send(method, path, body)
            if answer.status != 200:
                raise CallFailed(f"{method} {path}", answer.message, answer.status)
            return None
        finally:
            self._note_own(method, path)

    def _note_own(self, method: str, path: str) -> None:
        if self.own_calls is None:
            return
        for entry in self._control("GET", "/sandbox/requests?limit=5")["data"]:  # threads of the client may call too
            if (entry["method"], entry["path"]) == (method, path) and int(entry["id"]) not in self.own_calls:
                self.own_calls.add(int(entry["id"]))
                return

    def _made(self, path: str, **body: Any) -> str:
        made: str = self.call("POST", path, body)["data"]["id"]
        return made

    def _now(self) -> datetime:
        return self.clock.now if self.has_control else datetime.now(UTC)

    # For a person who reads what a test did

    def difference(self) -> Sequence[str]:
        """Return a line for each customer, contract, balance and invoice that is not as it was at the beginning.

        The beginning is an empty tenant, the scenario loaded last or the snapshot restored last. Two tenants of their
        own are looked at, so that nothing of this shows in the journal.
        """
        before: Things = {} if self._beginning is None else self._things(self._beginning)
        return tuple(difference(before, self.things()))

    def things(self) -> Things:
        """Return the customers, contracts, balances and invoices of now, with a few facts of each."""
        return self._things(self.snapshot())

    def _things(self, snapshot: bytes) -> Things:
        looking = Sandbox(self.base_url, f"{_new_token()}-look", server=self._server, control_token=self._control_token)
        try:
            looking.restore(snapshot)
            return described(looking._connection)
        finally:
            looking.close()

    def close(self) -> None:
        """Give everything back that the tenant has."""
        try:
            if self._server is not None:
                self._server.forget(self.token)
            elif self.has_control:
                self._control("POST", "/sandbox/reset")
        finally:
            self._connection.close()

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self._controlled(method, path, body))

    def _controlled(self, method: str, path: str, body: Any = None) -> bytes:
        if not self.has_control:
            self._unavailable(f"{method} {path} needs a sandbox, and {self.base_url} is none")
        answer = self._connection.send(method, path, body)
        if answer.status != 200:
            raise CallFailed(f"{method} {path}", answer.message, answer.status)
        return answer.body


def _passage(answer: Any) -> Passage:
    return Passage(_instant(answer["now"]), answer["events"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _text(instant: datetime | str) -> str:
    """Return RFC 3339; a text with a time goes as it is, a day alone means its midnight in UTC.

    Raises:
        ValueError: The text is neither, or the datetime does not say in which zone it is.
    """
    if isinstance(instant, str):
        if ":" in instant:
            return instant
        try:
            return f"{datetime.strptime(instant, '%Y-%m-%d').date().isoformat()}T00:00:00Z"
        except ValueError:
            raise ValueError(
                f'expected a day such as "2024-08-15", a time such as "2024-08-15T12:00:00Z" or a datetime with a '
                f"time zone, received {instant!r}"
            ) from None
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; use datetime(..., tzinfo=UTC)")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _new_token() -> str:
    return f"test-{uuid4()}"
