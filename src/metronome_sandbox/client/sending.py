"""Many calls to one host, from many threads, each of which arrives once.

A call is sent again only where that cannot do its work twice: reads always, writes with an ``Idempotency-Key``, under
which the host answers a repeated call with its first answer; and whatever was refused for want of time (429), since
nothing was done. All threads of a sender share one pace.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from random import Random
from threading import Event, Thread
from typing import Any, Generic, TypeVar

import msgspec

from metronome_sandbox import __version__
from metronome_sandbox.client.asking import Answer, CannotAsk, Host, NoAnswer, message_of
from metronome_sandbox.client.encoding import encode
from metronome_sandbox.client.pace import Pace

USER_AGENT = f"metronome-sandbox/{__version__}"
TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 300
"""How long one call is tried before its sender gives up."""

FIRST_TRIES = 3
"""Of a host that never answered: it is more likely misspelt than restarting."""

BASE_SECONDS, CAP_SECONDS = 0.5, 20.0
TOO_EARLY = frozenset({408, 502, 503, 504})
CONFLICT, NO_TIME = 409, 429
CONFLICT_TRIES = 6
"""Of a call whose earlier try may still be at work (409), before the conflict is taken for one with something else."""

LAST_CALLS_SECONDS = 5.0
"""What calls under way are given to end when everything is stopped."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class GaveUp(CannotAsk):
    """A call was tried for as long as there is patience. A write may have been done or not."""


class Stopped(CannotAsk):
    """The sender was told to stop before the call was sent, or sent again."""


class Sender:
    """A host that is asked by many threads.

    Args:
        base_url, token, control_token: As ``Host`` has them.
        concurrency: Calls under way at the same time.
        user_agent: How the calls name their program.
        patience_seconds: How long one call is tried.
        timeout_seconds: How long the host may be silent.
        random: Of the waits.
        now: Seconds of a clock that never goes back.
        wait: Waits for some seconds, and tells whether the sender was stopped meanwhile.

    Attributes:
        name: The host.
        pace: What all threads keep to.
        concurrency: As given.

    Raises:
        CannotAsk: The address is none.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        control_token: str | None = None,
        *,
        concurrency: int = 4,
        user_agent: str = USER_AGENT,
        patience_seconds: float = PATIENCE_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        random: Random | None = None,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._host = Host(
            base_url,
            token,
            control_token,
            connections=concurrency,
            user_agent=user_agent,
            timeout_seconds=timeout_seconds,
        )
        self.name = self._host.name
        self.concurrency = concurrency
        self.pace = Pace(now)
        self._patience_seconds = patience_seconds
        self._random = random or Random()
        self._now = now
        self._stopped = Event()
        self._wait = wait or self._stopped.wait
        self._has_answered = False

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        idempotency_key: str | None = None,
        /,
        *,
        is_read: bool = False,
    ) -> Answer:
        """Return the answer to one call, sent as often as that is safe and of use.

        Args:
            body: JSON to be, in which ``Decimal`` keeps its digits; or the bytes of it; None for no body.
            idempotency_key: Under which the host does the work of a repeated call once.
            is_read: Whether the call changes nothing, though it is a POST.

        Raises:
            NoAnswer: None came, and the call must not be sent again, or the host never answered.
            GaveUp: It was tried for as long as there is patience.
            Stopped: The sender was told to stop.
            CannotAsk: An answer came that does not end.
        """
        data = body if body is None or isinstance(body, bytes) else encode(body)
        headers = None if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        is_safe = is_read or method in ("GET", "HEAD") or idempotency_key is not None
        started = self._now()
        tries = 0
        is_in_doubt = False
        while True:
            self._take_turn()
            sent_at = self._now()
            tries += 1
            answer: Answer | None = None
            try:
                answer = self._host.send_once(method, path, data, headers)
                trouble = _trouble(answer, may_be_ours=is_in_doubt and tries < CONFLICT_TRIES)
            except NoAnswer as error:
                if not is_safe or (tries >= FIRST_TRIES and not self._has_answered):
                    raise
                trouble = str(error)
            if answer is not None:
                self._has_answered = True
                if answer.status == NO_TIME:
                    self.pace.refused(sent_at)
                else:
                    self.pace.answered()
                if trouble is None or not (is_safe or answer.status == NO_TIME):
                    return answer
            is_in_doubt = is_in_doubt or answer is None or answer.status != NO_TIME
            asked = None if answer is None else retry_after(answer)
            pause = self._random.uniform(0, min(CAP_SECONDS, BASE_SECONDS * 2 ** min(tries - 1, 16)))
            if asked is not None:
                self.pace.pause(asked)
                pause = asked
            if self._now() + pause - started > self._patience_seconds:
                wish = f", and wants to be left alone for {asked:.0f} seconds" if asked else ""
                raise GaveUp(
                    f"{self.name} did not answer {method} {path} in {self._patience_seconds:.0f} seconds "
                    f"and {tries} tries: {trouble}{wish}"
                )
            if pause > 0 and self._wait(pause):
                raise Stopped(f"stopped before {method} {path} was answered: {trouble}")

    def _take_turn(self) -> None:
        while True:
            wait = self.pace.take()
            if self._stopped.is_set() or (wait > 0 and self._wait(wait)):
                raise Stopped("stopped before the call was sent")
            if not self.pace.is_paused():
                return

    def in_order(self, sequences: Iterable[Item], run: Callable[[Item], Result]) -> Iterator[Result]:
        """Run what belongs together one after the other, and what does not at the same time.

        Args:
            sequences: Of each, ``run`` does all the calls in one thread. Few are taken ahead of being run.
            run: Does one, by this sender.

        Yields:
            What ``run`` returned, in the order in which it came.

        Raises:
            Exception: The first that ``run`` or ``sequences`` raised. The sender is stopped then, and so it is when
                the iterator is closed or interrupted: calls under way may end, none is sent any more.
        """
        return _Pool(self, run).results(sequences)

    def stop(self) -> None:
        """Send nothing any more; what waits in any thread raises ``Stopped``."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and close what is open."""
        self.stop()
        self._host.close()


class Reader:
    """A sender for calls that change nothing, lists that are asked for by POST among them: all may be repeated."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def send(self, method: str, path: str, body: Any = None, /) -> Answer:
        """Return the answer to one call; see ``Sender.send``."""
        return self._sender.send(method, path, body, is_read=True)


class _Done(Generic[Result]):
    __slots__ = ("error", "result")

    def __init__(self, result: Result | None = None, error: BaseException | None = None) -> None:
        self.result = result
        self.error = error


class _Pool(Generic[Item, Result]):
    """Threads that run sequences.

    Not an executor of the standard library: that one waits for its threads when the process ends, for as long as a
    silent host is given, and takes all of its work at once.
    """

    def __init__(self, sender: Sender, run: Callable[[Item], Result]) -> None:
        self._sender = sender
        self._run = run
        self._waiting: SimpleQueue[Item | None] = SimpleQueue()
        self._done: SimpleQueue[_Done[Result]] = SimpleQueue()
        self._is_over = Event()

    def results(self, sequences: Iterable[Item]) -> Iterator[Result]:
        size = self._sender.concurrency
        threads = [Thread(target=self._work, name=f"sender-{n}", daemon=True) for n in range(size)]
        for thread in threads:
            thread.start()
        source = iter(sequences)
        ahead = 0
        is_whole = False
        try:
            while True:
                while ahead < 2 * size and not is_whole:
                    try:
                        item = next(source)
                    except StopIteration:
                        is_whole = True
                        break
                    self._waiting.put(item)
                    ahead += 1
                if ahead == 0:
                    return
                done = self._done.get()
                ahead -= 1
                if done.error is not None:
                    raise done.error
                yield done.result  # type: ignore[misc]  # a result that is None is one
        except BaseException:
            self._sender.stop()
            raise
        finally:
            self._is_over.set()
            for _ in threads:
                self._waiting.put(None)
            end = time.monotonic() + LAST_CALLS_SECONDS
            for thread in threads:
                thread.join(max(end - time.monotonic(), 0))

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None and not self._is_over.is_set():
            try:
                self._done.put(_Done(self._run(item)))
            except BaseException as error:
                self._done.put(_Done(error=error))


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait for: a number, or the time until a date; None without either."""
    said = answer.headers.get("retry-after", "").strip()
    try:
        return max(float(said), 0.0) if said and float(said) < float("inf") else None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(said)
        asked = answer.headers.get("date")
        # The host's own clock, where it tells: this machine's may be wrong by minutes.
        now = parsedate_to_datetime(asked) if asked else datetime.now(UTC)
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _trouble(answer: Answer, *, may_be_ours: bool) -> str | None:
    """Return why an answer is not the last word on its call, None where it is.

    Args:
        may_be_ours: Whether an earlier try may still be at work, so that a conflict is with ourselves.
    """
    status = answer.status
    wish = answer.headers.get("x-should-retry")
    if status == NO_TIME:
        return f"429 {message_of(answer)}"
    if wish == "false" or (status >= 400 and answer.headers.get("idempotency-replayed") == "true"):
        return None
    if status == CONFLICT and not may_be_ours and "retry-after" not in answer.headers:
        return None
    if status == CONFLICT or status in TOO_EARLY or wish == "true":
        return f"{status} {message_of(answer)}"
    is_json = "json" in answer.headers.get("content-type", "") and bool(answer.body)
    return f"{status} with broken JSON" if 200 <= status < 300 and is_json and not _is_whole(answer.body) else None


def _is_whole(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True
