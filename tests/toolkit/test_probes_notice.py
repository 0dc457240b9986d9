"""Every probe can say that a rule differs: for each there is a way to bend the target that it notices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from toolkit.in_process import InProcess, Sandbox

from metronome_sandbox.client.asking import Answer
from metronome_sandbox.toolkit import probes
from metronome_sandbox.toolkit.probes import Verdict
from metronome_sandbox.toolkit.probes.table import Probe

Bend = Callable[[str, Any, Answer], Answer]

NUMBER = re.compile(rb"(?<=[:\[,])(-?\d+(?:\.\d+)?)(?=[,}\]])")
WORD = re.compile(rb'"([A-Z_]{4,})"')
LIST = re.compile(rb'"data":\[.*\]', re.DOTALL)


def replacing(old: bytes, new: bytes) -> Bend:
    return lambda path, body, answer: answer._replace(body=answer.body.replace(old, new))


def other_numbers(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(body=NUMBER.sub(rb"1\1", answer.body))


def other_words(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(body=WORD.sub(rb'"X\1"', answer.body))


def empty_lists(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(body=LIST.sub(b'"data":[]', answer.body))


def other_refusals(path: str, body: Any, answer: Answer) -> Answer:
    return answer._replace(status=422) if answer.status in (400, 404, 409) else answer


def no_composites(path: str, body: Any, answer: Answer) -> Answer:
    is_composite = isinstance(body, dict) and body.get("type") == "COMPOSITE"
    return answer._replace(status=400) if is_composite else answer


def no_second_unit() -> Bend:
    seen: set[str] = set()

    def bend(path: str, body: Any, answer: Answer) -> Answer:
        if path != "/v1/credit-types/create" or body["name"] not in seen:
            seen.update([body["name"]] if path == "/v1/credit-types/create" else [])
            return answer
        return answer._replace(status=409)

    return bend


BENDS: list[Bend] = [
    other_numbers,
    other_words,
    empty_lists,
    other_refusals,
    no_composites,
    no_second_unit(),
    replacing(b'"2024-0', b'"2023-0'),
    replacing(b"false", b"true"),
    replacing(b'"data":[]', b'"data":[{}]'),
    replacing(b'"initial":{', b'"initial":{"starting_at":"2024-01-01T00:00:00Z",'),
    replacing(b'new"', b'old"'),
]


def noticed(bend: Bend, asked: list[Probe]) -> set[str]:
    sandbox = Sandbox()

    class Bent(InProcess):
        def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, /) -> Answer:
            answer = super().send(method, path, body, headers)
            is_preparing = path.startswith(("/sandbox", "/v1/credit-types/list"))
            return answer if is_preparing else bend(path, body, answer)

    ground = probes.explore(lambda token: Bent(sandbox.app, token), "alice")
    return {one.slug for one in probes.run(ground, asked) if one.verdict is Verdict.DIFFERS}


def test_for_every_probe_there_is_a_target_that_differs():
    deaf = list(probes.PROBES)
    for bend in BENDS:
        found = noticed(bend, deaf)
        deaf = [probe for probe in deaf if probe.slug not in found]

    assert [probe.slug for probe in deaf] == []
