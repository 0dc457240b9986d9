"""Every probe says so when a rule is another one: in the sandbox's own code, or in what a target answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from toolkit.in_process import InProcess, Sandbox
from toolkit.other_rules import OTHER_RULES, Rule

from metronome_sandbox.client.asking import Answer
from metronome_sandbox.toolkit import probes
from metronome_sandbox.toolkit.probes import Verdict
from metronome_sandbox.toolkit.probes.table import Probe

Bend = Callable[[str, Any, Answer], Answer]

NUMBER = re.compile(rb"(?<=[:\[,])(-?\d+(?:\.\d+)?)(?=[,}\]])")
WORD = re.compile(rb'"([A-Z_]{4,})"')


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.mark.parametrize("rule", OTHER_RULES, ids=[rule.slug for rule in OTHER_RULES])
def test_a_probe_notices_another_rule(
    sandbox: Sandbox, rule: Rule, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule.apply(monkeypatch)
    ground = probes.explore(sandbox.connect, request.node.name)

    [found] = probes.run(ground, probes.by_slug([rule.slug]))

    assert found.verdict is Verdict.DIFFERS, found
    assert "the shape of an answer" not in [figure.what for figure in found.differences]


def replacing(old: bytes, new: bytes) -> Bend:
    return lambda path, body, answer: answer._replace(body=answer.body.replace(old, new))


def other_numbers(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(body=NUMBER.sub(rb"1\1", answer.body))


def other_words(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(body=WORD.sub(rb'"X\1"', answer.body))


BENDS: list[Bend] = [other_numbers, other_words, replacing(b"false", b"true")]


def noticed(bend: Bend, asked: list[Probe]) -> set[str]:
    sandbox = Sandbox()

    class Bent(InProcess):
        def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
            answer = super().send(method, path, body, headers)
            is_preparing = path.startswith(("/sandbox", "/v1/credit-types/list"))
            return answer if is_preparing else bend(path, body, answer)

    ground = probes.explore(lambda token: Bent(sandbox.app, token), "alice")
    return {one.slug for one in probes.run(ground, asked) if one.verdict is Verdict.DIFFERS}


def test_for_every_other_probe_there_is_a_target_that_differs() -> None:
    """What is no function but a default of a field."""
    ruled = {rule.slug for rule in OTHER_RULES}
    deaf = [probe for probe in probes.PROBES if probe.slug not in ruled]
    assert len(deaf) < 10
    for bend in BENDS:
        found = noticed(bend, deaf)
        deaf = [probe for probe in deaf if probe.slug not in found]

    assert [probe.slug for probe in deaf] == []
