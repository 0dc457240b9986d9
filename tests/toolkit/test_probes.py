"""The probes agree with the sandbox, and notice when a rule is another one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from toolkit.in_process import InProcess, Sandbox

from metronome_sandbox.client.asking import Answer, CannotAsk
from metronome_sandbox.toolkit import probes
from metronome_sandbox.toolkit.probes import Outcome, Verdict, report
from metronome_sandbox.toolkit.probes.lab import Figure
from metronome_sandbox.toolkit.probes.not_probed import NOT_PROBED
from metronome_sandbox.toolkit.probes.table import CLOCK

PAGE = Path(__file__).parents[2] / "docs" / "assumptions.md"
ROWS = re.findall(r"^\| (A-[a-z0-9-]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def outcomes(token: str = "alice", only: list[str] | None = None, sandbox: Sandbox | None = None) -> list[Outcome]:
    ground = probes.explore((sandbox or Sandbox()).connect, token)
    return list(probes.run(ground, probes.PROBES if only is None else probes.by_slug(only)))


class Vendor(InProcess):
    """An account that has no control plane."""

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        if path.startswith("/sandbox"):
            return Answer(404, {}, b'{"message": "Not found"}')
        return super().send(method, path, body, headers)


class Broken(Vendor):
    """One that says ``wrong`` where an invoice's total belongs, if its own rule gives ``right``."""

    def __init__(self, sandbox: Sandbox, right: bytes, wrong: bytes) -> None:
        super().__init__(sandbox.app, "alice")
        self._right, self._wrong = right, wrong

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        answer = super().send(method, path, body, headers)
        return answer._replace(body=answer.body.replace(self._right, self._wrong))


@pytest.fixture(scope="module")
def told() -> list[Outcome]:
    return outcomes()


def test_the_sandbox_does_what_the_page_says(told: list[Outcome]):
    found = [(one.slug, one.verdict, one.reason, one.differences) for one in told]

    assert [row for row in found if row[1] is not Verdict.AGREES] == []


def test_every_probe_looks_at_something_and_says_what_it_asks(told: list[Outcome]):
    assert [one.slug for one in told if not one.figures or not one.question] == []


def test_what_a_probe_makes_is_archived(told: list[Outcome]):
    assert [one.slug for one in told if one.left_behind] == []


def test_every_assumption_has_one_probe_or_a_reason():
    counted = Counter([*(probe.slug for probe in probes.PROBES), *NOT_PROBED])

    assert sorted(counted) == sorted(ROWS)
    assert [slug for slug, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("now", ["2030-01-31T23:30:00Z", "2026-03-01T00:10:00Z"])
def test_the_time_of_the_target_changes_nothing(now: str):
    sandbox = Sandbox()
    assert sandbox.connect("alice").send("PUT", "/sandbox/clock", {"now": now}).status == 200

    assert [one.slug for one in outcomes(sandbox=sandbox) if one.verdict is not Verdict.AGREES] == []


def test_an_account_without_a_clock_is_told_what_cannot_be_checked():
    sandbox = Sandbox()
    ground = probes.explore(lambda token: Vendor(sandbox.app, token), "alice")
    clocked = [probe for probe in probes.PROBES if probe.needs == CLOCK]

    found = list(probes.run(ground, clocked))

    assert not ground.is_sandbox
    assert len(found) >= 2
    assert {(one.verdict, one.reason) for one in found} == {(Verdict.CANNOT_BE_CHECKED, "needs a clock")}


def test_a_rule_that_is_broken_on_purpose_differs():
    sandbox = Sandbox()
    # 10 * 50 + 5 * 30 = 650 is our reading; a multiplier of the first tier only would give 10 * 50 + 5 * 60.
    ground = probes.explore(lambda _: Broken(sandbox, b'"total":650', b'"total":800'), "alice")

    [found] = probes.run(ground, probes.by_slug(["A-multiplier-on-tiers"]))

    assert found.verdict is Verdict.DIFFERS
    [figure] = found.differences
    assert (figure.expected, figure.got) == (650, 800)
    assert list(report.summary([found]))[:2] == ["These differ:", "    A-multiplier-on-tiers"]
    assert list(report.lines_of(found))[1].endswith("expected 650, got 800")


def test_a_status_that_is_another_one_differs():
    sandbox = Sandbox()

    class Lenient(Vendor):
        def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
            answer = super().send(method, path, body, headers)
            return Answer(200, {}, b'{"data": {"id": "x"}}') if answer.status == 400 else answer

    ground = probes.explore(lambda _: Lenient(sandbox.app, "alice"), "alice")
    [found] = probes.run(ground, probes.by_slug(["A-percentage-cap"]))

    assert [(one.expected, one.got) for one in found.differences] == [(400, 200)]


def test_a_call_that_only_prepares_and_is_refused_leaves_the_question_open():
    sandbox = Sandbox()

    class NoCards(Vendor):
        def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
            if path.endswith("rate-cards/create"):
                return Answer(403, {}, b'{"message": "not for this account"}')
            return super().send(method, path, body, headers)

    ground = probes.explore(lambda _: NoCards(sandbox.app, "alice"), "alice")
    [found] = probes.run(ground, probes.by_slug(["A-last-tier"]))

    assert found.verdict is Verdict.CANNOT_BE_CHECKED
    assert found.reason == "POST /v1/contract-pricing/rate-cards/create answered 403: not for this account"


class Refusing(Vendor):
    """An account on which some calls are answered with a status of their own, or with none if that is 0."""

    def __init__(self, sandbox: Sandbox, status: int, *ends: str) -> None:
        super().__init__(sandbox.app, "alice")
        self.refused: list[str] = []
        self._status, self._ends = status, ends

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
        if path.endswith(self._ends):
            self.refused.append(path)
            if not self._status:
                raise CannotAsk("nobody answers at host: gone")
            return Answer(self._status, {}, b'{"message": "not for you"}')
        return super().send(method, path, body, headers)


@pytest.mark.parametrize("status", [402, 403, 405, 429, 501])
def test_a_status_that_is_about_the_account_is_no_difference(status: int):
    sandbox = Sandbox()
    ground = probes.explore(lambda _: Refusing(sandbox, status, "packages/create", "/ingest"), "alice")

    found = {one.slug: one for one in probes.run(ground, probes.by_slug(["A-package-offset", "A-ingest-ahead"]))}

    assert {one.verdict for one in found.values()} == {Verdict.CANNOT_BE_CHECKED}
    assert found["A-package-offset"].reason == f"POST /v1/packages/create answered {status}: not for you"


def test_what_cannot_be_archived_is_told_with_the_reason():
    sandbox = Sandbox()
    ground = probes.explore(lambda _: Refusing(sandbox, 403, "customers/archive", "products/archive"), "alice")

    found = list(probes.run(ground, probes.by_slug(["A-last-tier", "A-default-priority"])))

    assert [one.verdict for one in found] == [Verdict.AGREES] * 2
    assert list(report.summary(found))[1:] == [
        "4 things could not be archived, their names begin with msbx-:",
        "    2 times: POST /v1/contract-pricing/products/archive answered 403: not for you",
        "    2 times: POST /v1/customers/archive answered 403: not for you",
    ]
    tree = report.tree(found, is_sandbox=False, at=datetime(2025, 1, 1, tzinfo=UTC), token="alice")
    assert sum(tree["left_behind"].values()) == 4
    assert "Not archived, 2 times: POST /v1/customers/archive" in report.page(tree)


def test_a_host_that_is_gone_ends_the_run_and_is_not_asked_to_archive_one_thing_after_the_other():
    account = Refusing(Sandbox(), 0, "contracts/create", "/archive")
    ground = probes.explore(lambda _: account, "alice")
    running = probes.run(ground, probes.by_slug(["A-last-tier", "A-void"]))

    outcome = next(running)
    with pytest.raises(CannotAsk, match="nobody answers"):
        next(running)

    assert outcome.verdict is Verdict.CANNOT_BE_CHECKED
    assert outcome.left_behind == ("nobody answers at host: gone",) * 4  # customer, metric, product, card
    assert account.refused[0] == "/v1/contracts/create"
    assert len(account.refused) == 2


def test_lines_fit_a_terminal_and_a_file_has_them_whole():
    figure = Figure("what is due of each product, the dearest first", {"first": 100}, {"first": 1000, "second": 10})
    differs = Outcome("A-composite-circle", "", Verdict.DIFFERS, (figure,))
    reason = "POST /v1/contract-pricing/rate-cards/setRateCardProductsOrder answered 403: not for this account"
    refused = Outcome("A-product-order", "", Verdict.CANNOT_BE_CHECKED, (), reason)

    lines = [line for one in (differs, refused) for line in report.lines_of(one, 80)]

    assert max(map(len, lines)) <= 80
    assert reason in " ".join(" ".join(lines).split())
    assert list(report.lines_of(refused)) == [f"{'A-product-order':<34} can't be checked there ({reason})"]


def test_an_answer_that_lacks_what_is_read_differs_and_ends_no_run():
    sandbox = Sandbox()
    ground = probes.explore(lambda _: Broken(sandbox, b'"total":', b'"sum":'), "alice")

    [found] = probes.run(ground, probes.by_slug(["A-last-tier"]))

    assert [(one.what, one.got) for one in found.differences] == [("the shape of an answer", "KeyError: 'total'")]


def test_floats_of_a_target_are_no_difference():
    assert Figure("x", Decimal(100) / 31, 3.2258064516129035).agrees
    assert Figure("x", [(1, "a")], [(Decimal("1.0"), "a")]).agrees
    assert not Figure("x", 100, 101).agrees
    assert not Figure("x", 1, True).agrees
    assert not Figure("x", 0, Decimal("0.01")).agrees


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(401, {}, b'{"message": "no"}'), "the token is not accepted"),
        (Answer(200, {}, b"<html>hello</html>"), "no billing API"),
        (Answer(302, {}, b""), "no billing API"),
    ],
)
def test_what_is_no_billing_api_is_not_probed(answer: Answer, message: str):
    class Other:
        def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
            return answer

    with pytest.raises(CannotAsk, match=message):
        probes.explore(lambda _: Other(), "secret")


def test_a_report_can_be_sent_to_anybody():
    customer = "0d1b9ac8-4d2c-4bb0-8c0c-1f7f1d6a8b11"
    reason = f"POST /v1/contracts/create answered 400: secret-token of jane@example.com may not, see {customer} <b>"
    outcome = Outcome("A-void", "A question", Verdict.CANNOT_BE_CHECKED, (Figure("an id", "", customer),), reason)

    found = report.tree([outcome], is_sandbox=False, at=datetime(2025, 1, 1, tzinfo=UTC), token="secret-token")
    text = json.dumps(found) + report.page(found)

    for secret in ("secret-token", "jane", customer, "<b>"):
        assert secret not in report.page(found)
        assert secret not in text or secret == "<b>"
    assert found["target"] == "another host"
    assert found["left_behind"] == {}
    assert found["summary"] == {"agrees": 0, "differs": 0, "can't be checked there": 1}
    assert found["not_probed"] == NOT_PROBED
