"""A call arrives once: sent again where that is safe, at a pace that all threads share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from random import Random

import pytest
from client.hosts import Reply, Seen, scripted

from metronome_sandbox.client.asking import Answer, NoAnswer, value_of
from metronome_sandbox.client.sending import GaveUp, Sender, Stopped, retry_after
from metronome_sandbox.serving import BackgroundServer

OK: Reply = (200, {"Content-Type": "application/json"}, b'{"data":1}')
TIED = 2.0
"""Seconds in which anything here is over, unless something hangs."""


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 3))
        self.seconds += seconds
        return False


def sender(url: str, clock: Time | None = None, **settings) -> Sender:
    clock = clock or Time()
    return Sender(url, "t", random=Random(7), now=clock.now, wait=clock.wait, **settings)


def answers(*replies: Reply):
    """Answer with one after the other, then with the last."""
    return lambda n, _: replies[min(n, len(replies)) - 1]


# Again, where it is safe


@pytest.mark.parametrize("trouble", [None, (502, {}, b""), (503, {}, b""), (504, {}, b""), (200, {}, b"")])
@pytest.mark.parametrize(("method", "key"), [("GET", None), ("POST", "key")])
def test_a_read_and_a_write_with_a_key_are_sent_again(trouble: Reply, method: str, key: str | None):
    if trouble is not None and trouble[0] == 200:
        trouble = (200, {"Content-Type": "application/json"}, b'{"data": [1')
    seen: list[Seen] = []
    with scripted(answers(OK, trouble, trouble, OK), seen) as url, closing(sender(url)) as host:
        host.send("GET", "/v1/first")
        assert value_of(host.send(method, "/v1/x", {"a": 1} if key else None, key)) == {"data": 1}

    assert len(seen) == 4
    assert [one.headers.get("idempotency-key") for one in seen[1:]] == [key] * 3
    assert len({one.body for one in seen[1:]}) == 1


def test_a_write_without_a_key_is_sent_once_unless_the_host_had_no_time_for_it():
    seen: list[Seen] = []
    busy: Reply = (429, {}, b'{"message":"slow down"}')
    with scripted(answers(busy, (503, {}, b""), None), seen) as url, closing(sender(url)) as host:
        assert host.send("POST", "/v1/x", {}).status == 503
        with pytest.raises(NoAnswer):
            host.send("POST", "/v1/x", {})

    assert len(seen) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
def test_a_refusal_is_an_answer(status: int):
    seen: list[Seen] = []
    with scripted(answers((status, {}, b'{"message":"no"}')), seen) as url, closing(sender(url)) as host:
        assert host.send("POST", "/v1/x", {}, "key").status == status

    assert len(seen) == 1


def test_a_conflict_with_an_earlier_try_is_waited_for_and_any_other_is_an_answer():
    conflict: Reply = (409, {}, b'{"message":"a request with this key is under way"}')
    seen: list[Seen] = []
    with scripted(answers(OK, None, conflict, conflict, OK), seen) as url, closing(sender(url)) as host:
        host.send("GET", "/v1/first")
        assert host.send("POST", "/v1/x", {}, "key").status == 200
    assert len(seen) == 5

    seen.clear()
    with scripted(answers(OK, None, conflict), seen) as url, closing(sender(url)) as host:
        host.send("GET", "/v1/first")
        assert host.send("POST", "/v1/x", {}, "key").status == 409  # for ever: with something else


def test_what_the_host_calls_final_is_final():
    for header in ({"x-should-retry": "false"}, {"idempotency-replayed": "true"}):
        seen: list[Seen] = []
        with scripted(answers((503, header, b"{}")), seen) as url, closing(sender(url)) as host:
            assert host.send("POST", "/v1/x", {}, "key").status == 503
        assert len(seen) == 1


def test_an_answer_without_a_body_is_whole():
    seen: list[Seen] = []
    with scripted(answers((200, {"Content-Type": "application/json"}, b"")), seen) as url, closing(sender(url)) as host:
        assert host.send("POST", "/v1/x", {}, "key").body == b""
    assert len(seen) == 1


# How long


def test_waits_double_and_are_drawn_between_none_and_that():
    clock = Time()
    with scripted(answers(*[(503, {}, b"")] * 8, OK), []) as url, closing(sender(url, clock)) as host:
        host.send("GET", "/v1/x")

    draw = Random(7)
    assert clock.waits == [round(draw.uniform(0, most), 3) for most in (0.5, 1, 2, 4, 8, 16, 20, 20)]


def test_retry_after_is_seconds_or_a_date_of_the_hosts_own_clock():
    date = {"date": "Sun, 01 Sep 2024 00:00:00 GMT", "retry-after": "Sun, 01 Sep 2024 00:01:30 GMT"}
    assert retry_after(Answer(429, date, b"")) == 90
    assert retry_after(Answer(429, {"retry-after": "Sun, 01 Sep 2024 00:01:30 GMT"}, b"")) == 0  # long ago
    assert [retry_after(Answer(429, {"retry-after": text}, b"")) for text in ("7", "0.5", "-3")] == [7, 0.5, 0]
    assert [retry_after(Answer(429, {"retry-after": text}, b"")) for text in ("", "soon", "nan", "inf")] == [None] * 4
    assert retry_after(Answer(429, {}, b"")) is None


def test_retry_after_is_waited_for_by_every_thread():
    clock = Time()
    with (
        scripted(answers((429, {"Retry-After": "30"}, b"{}"), OK), []) as url,
        closing(sender(url, clock)) as host,
    ):
        host.send("POST", "/v1/x", {})

        assert 30 <= clock.seconds < 31
        assert host.pace.rate == 5  # and from now on 5 a second, as nothing better is known
        host.pace.pause(12)
        before = clock.seconds
        host.send("GET", "/v1/other")
        assert clock.seconds >= before + 12


def test_who_gives_up_says_so():
    clock = Time()
    busy: Reply = (503, {}, b'{"message":"back soon"}')
    with (
        scripted(answers(OK, busy), []) as url,
        closing(sender(url, clock, patience_seconds=60)) as host,
    ):
        host.send("GET", "/v1/first")
        with pytest.raises(GaveUp, match=r"^127\.0\.0\.1 did not answer GET /v1/x in 60 seconds .*: 503 back soon$"):
            host.send("GET", "/v1/x")
        assert clock.seconds <= 60


def test_a_host_that_wants_more_time_than_there_is_patience_is_given_up_at_once():
    clock = Time()
    with (
        scripted(answers((429, {"Retry-After": "3600"}, b"{}")), []) as url,
        closing(sender(url, clock)) as host,
        pytest.raises(GaveUp, match="left alone for 3600 seconds"),
    ):
        host.send("GET", "/v1/x")
    assert clock.seconds == 0


def test_a_host_that_never_answered_is_not_waited_for_long():
    seen: list[Seen] = []
    with (
        scripted(answers(None), seen) as url,
        closing(sender(url)) as host,
        pytest.raises(NoAnswer, match="nobody answers at"),
    ):
        host.send("GET", "/v1/x")
    assert len(seen) == 3


# Numbers


def test_numbers_arrive_with_every_digit():
    seen: list[Seen] = []
    with scripted(answers(OK), seen) as url, closing(sender(url)) as host:
        host.send("POST", "/v1/x", {"a": Decimal("0.10"), "b": 10**20, "c": Decimal("12345678901234567890.123")})
        host.send("POST", "/v1/x", b'{"raw":1.0}')

    assert seen[0].body == b'{"a":0.10,"b":100000000000000000000,"c":12345678901234567890.123}'
    assert seen[1].body == b'{"raw":1.0}'
    assert seen[0].headers["content-type"] == "application/json"
    assert seen[0].headers["user-agent"].startswith("metronome-sandbox/")


def test_a_cookie_is_not_kept():
    seen: list[Seen] = []
    with scripted(answers((200, {"Set-Cookie": "a=b"}, b"{}")), seen) as url, closing(sender(url)) as host:
        host.send("GET", "/v1/x")
        host.send("GET", "/v1/x")

    assert "cookie" not in seen[1].headers


# Many at once


def test_what_belongs_together_is_sent_in_order_and_the_rest_at_the_same_time():
    at_once: list[int] = []
    busy = 0
    lock = threading.Lock()

    def answer(_: int, __: Seen) -> Reply:
        nonlocal busy
        with lock:
            busy += 1
            at_once.append(busy)
        time.sleep(0.005)
        with lock:
            busy -= 1
        return OK

    seen: list[Seen] = []
    with scripted(answer, seen) as url, closing(Sender(url, "t", concurrency=4)) as host:

        def run(sequence: str) -> str:
            for step in range(3):
                host.send("GET", f"/{sequence}/{step}")
            return sequence

        done = list(host.in_order("abcdefgh", run))

    assert sorted(done) == list("abcdefgh")
    for sequence in "abcdefgh":
        assert [one.path[-1] for one in seen if one.path.startswith(f"/{sequence}/")] == ["0", "1", "2"]
    assert 1 < max(at_once) <= 4


def test_few_sequences_are_taken_ahead():
    taken = 0

    def sequences() -> Iterator[int]:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield number

    with scripted(answers(OK), []) as url, closing(Sender(url, "t", concurrency=4)) as host:
        results = host.in_order(sequences(), lambda number: number)
        assert {next(results) for _ in range(10)} <= set(range(20))
        assert taken <= 10 + 8
        results.close()

    with pytest.raises(Stopped):
        host.send("GET", "/v1/x")


def test_the_first_error_stops_everything():
    with scripted(answers(OK), []) as url, closing(Sender(url, "t", concurrency=2)) as host:
        done = []

        def run(number: int) -> int:
            if number == 5:
                raise ValueError("the fifth")
            host.send("GET", "/v1/x")
            done.append(number)
            return number

        with pytest.raises(ValueError, match="the fifth"):
            list(host.in_order(range(1_000_000), run))
        count = len(done)
        assert count < 12
        time.sleep(0.02)
        assert len(done) == count
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sender-")]


def test_whoever_waits_is_told_to_stop():
    with (
        scripted(answers((429, {"Retry-After": "100"}, b"{}")), []) as url,
        closing(Sender(url, "t", concurrency=4)) as host,
    ):
        threading.Timer(0.1, host.stop).start()
        started = time.monotonic()
        with pytest.raises(Stopped):
            list(host.in_order(range(4), lambda _: host.send("GET", "/v1/x")))

    assert time.monotonic() - started < TIED


def test_a_pace_is_shared_by_all_threads():
    seen: list[Seen] = []
    first = threading.Event()

    def answer(_: int, __: Seen) -> Reply:
        if not first.is_set():
            first.set()
            return (429, {}, b"{}")
        return OK

    with scripted(answer, seen) as url, closing(Sender(url, "t", concurrency=8)) as host:
        host.send("GET", "/v1/x")
        started = time.monotonic()
        list(host.in_order(range(4), lambda _: host.send("GET", "/v1/x")))

        assert host.pace.rate is not None
        assert time.monotonic() - started > 0.4  # 3 waits of a fifth of a second, less what the rate rose


# The faults of the sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    server = BackgroundServer()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after_seconds": 0},
        {"kind": "status", "status": 503},
        {"kind": "drop"},
        {"kind": "lose_answer"},
        {"kind": "broken_json"},
        {"kind": "delay", "delay_seconds": 0.05},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_customer_is_made_once_whatever_goes_wrong(server: BackgroundServer, fault: dict):
    token = f"sending-{fault['kind']}-{fault.get('status')}"
    with closing(Sender(server.url, token, wait=lambda seconds: time.sleep(min(seconds, 0.01)) or False)) as host:
        fault = {**fault, "operation_id": "createCustomer-v1", "count": 2}
        assert host.send("POST", "/sandbox/faults", fault).status == 200
        answer = host.send("POST", "/v1/customers", {"name": "Acme"}, "acme")

        assert answer.status == 200
        customers = value_of(host.send("GET", "/v1/customers"))["data"]
        assert [one["id"] for one in customers] == [value_of(answer)["data"]["id"]]
        disturbed = value_of(host.send("GET", "/sandbox/faults"))["data"][0]["disturbed"]
        assert disturbed == (1 if fault["kind"] == "delay" else 2)
