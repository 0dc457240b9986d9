"""Generated requests: Schemathesis makes them from the document and holds the answers to its checks and ours.

A sandbox is put back before every request that follows a change, so a failure repeats by itself; so is it before every
sequence along the document's links. Elsewhere things stay as they were left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import hypothesis
import schemathesis
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import Case, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.errors import NoLinksFound
from schemathesis.core.failures import Failure as Complaint
from schemathesis.core.failures import FailureGroup
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction, ScenarioRecorder

from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.findings import Finding
from metronome_sandbox.spec.operations import operations_of
from metronome_sandbox.toolkit import checks
from metronome_sandbox.toolkit.checks import Blame
from metronome_sandbox.toolkit.exchanges import Answered, Exchange, Headers, Sent
from metronome_sandbox.toolkit.journal import UNKNOWN
from metronome_sandbox.toolkit.redaction import Redaction
from metronome_sandbox.toolkit.report import Batch, Failure
from metronome_sandbox.toolkit.suites.aim import Aim
from metronome_sandbox.toolkit.suites.ids import collect
from metronome_sandbox.toolkit.suites.judgement import READS, filter_of
from metronome_sandbox.toolkit.suites.profiles import Profile
from metronome_sandbox.toolkit.suites.smallest import smallest
from metronome_sandbox.toolkit.suites.times import Times
from metronome_sandbox.toolkit.target import TIMEOUT_SECONDS, CannotCheck, Target

METHODS = {"get", "put", "post", "delete", "options", "patch", "trace"}
STEPS = 8

NO_PROXY = {"http": None, "https": None, "all": None}
"""Whatever proxy the environment names, this machine is not behind it."""

PathOf = Callable[[str], str]

DOCUMENTED = frozenset(
    (
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "allow_header_conformance",
        "unsupported_method",
        "missing_required_header",
    )
)
"""Checks that hold the API to the document: where the API is the one that counts, the document is wrong."""


def run(
    target: Target, document: Document, now: datetime, profile: Profile, *, only: Collection[str] = ()
) -> Iterator[Batch]:
    """Ask generated requests; yield a batch for each operation, then one for the sequences.

    Args:
        only: Operations to ask; all that the profile allows, unless given.

    Raises:
        CannotCheck: The target stopped answering.
    """
    source = _Source(target, document, now, profile, only)
    if not source.operations:
        return
    with source.hooked():
        yield from source.single_requests()
        if profile.sequences and target.may_write:
            yield source.sequences()


class _Source:
    def __init__(
        self, target: Target, document: Document, now: datetime, profile: Profile, only: Collection[str]
    ) -> None:
        self._target = target
        self._profile = profile
        self._aim = Aim(collect(target), Times(now))
        self._snapshot = target.snapshot() if target.is_sandbox else b""
        self._is_changed = False
        self._made = ""
        self._in_sequence = False
        described = {one.operation_id: one for one in document.operations()}
        self.operations = [
            name
            for name in described
            if (not only or name in only)
            and (name in only or name not in profile.leaves_out)
            and (target.may_write or name.startswith(READS))
        ]
        checks.register()
        self._document = document
        self._operations = {operation.operation_id: operation for operation in operations_of(document)}

    def _schema(self, *, in_sequences: bool) -> Any:
        """Return the document as a source of requests, single ones or sequences."""
        config = SchemathesisConfig.from_dict(self._config(in_sequences))
        schema = schemathesis.openapi.from_dict(self._document.tree, config=config)
        if self._target.app is not None:
            schema.app = self._target.app
        schema.hook(filter_of(self._differs_in_form if self._target.is_sandbox else None))
        return schema

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Aim every call and note what changed something, for as long as the block takes.

        Schemathesis knows these hooks for all schemas at once only.
        """

        def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
            kwargs["allow_redirects"] = False  # the token belongs to the address that was given
            if self._target.is_near:
                kwargs["proxies"] = NO_PROXY
            if not self._in_sequence:
                self._restore()
            self._aim.at(case, known=self._made)
            self._target.pace()

        def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
            if response.status_code < 400 and not _operation_id(case).startswith(READS):
                self._is_changed = True

        hooks = (before_call, after_call)
        for hook in hooks:
            schemathesis.hook(hook)
        try:
            yield
        finally:
            for hook in hooks:
                schemathesis.hooks.unregister(hook)

    def _config(self, in_sequences: bool) -> dict[str, Any]:
        target, profile, document = self._target, self._profile, self._document
        return {
            "seed": 1,
            "workers": 1,
            "base-url": target.base_url,
            "request-timeout": TIMEOUT_SECONDS,
            "headers": {"Authorization": f"Bearer {target.token}"},
            "generation": {"deterministic": True, "database": "none", "max-examples": profile.examples},
            "phases": {
                "examples": {"enabled": False},
                "coverage": {"enabled": profile.tries_every_field and target.may_write},
                "fuzzing": {"enabled": True},
                "stateful": {"enabled": in_sequences},
            },
            "checks": {
                # Where an operation answers 501 its document says so, which status_code_conformance sees to.
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "501"]},
                "ignored_auth": {"enabled": False},  # a sandbox takes any token; a workflow asks without one
            },
            "operations": [
                {**_described(document, one), "enabled": one.operation_id in self.operations}
                for one in document.operations()
            ],
        }

    # single requests

    def single_requests(self) -> Iterator[Batch]:
        """Ask everything, then make what shows a finding smaller: while Schemathesis asks, nobody else may."""
        batches: list[tuple[Batch, list[str]]] = []
        for event in from_schema(self._schema(in_sequences=False)).execute():
            if isinstance(event, events.ScenarioFinished):
                batches.append(self._batch(event.label or event.phase.value, event.recorder, event.elapsed_time))
            elif isinstance(event, events.NonFatalError):
                batches.append((self._trouble(event), []))
            elif isinstance(event, events.FatalError):
                raise CannotCheck(f"Schemathesis stopped: {event.exception}")
        for batch, failed in batches:
            for number, check in enumerate(failed):
                batch.failures[number] = self._made_smaller(batch.failures[number], check)
            yield batch

    def _batch(self, label: str, recorder: ScenarioRecorder, seconds: float) -> tuple[Batch, list[str]]:
        """Return what a scenario did, and the check that each of its failures failed."""
        batch = Batch("generated", label, seconds=seconds)
        found: dict[str, tuple[int, Failure]] = {}
        for case_id, interaction in recorder.interactions.items():
            exchange = _exchange(interaction, self._target.path_of)
            batch.exchanges.append(exchange)
            for node in recorder.checks.get(case_id, ()):
                if node.failure_info is None:
                    continue
                failure = self._failure(
                    "generated", label, recorder.cases[case_id].value, node.name, node.failure_info.failure, (exchange,)
                )
                size = len(exchange.sent.target) + len(exchange.sent.body)
                if node.name not in found or size < found[node.name][0]:
                    found[node.name] = size, failure
        batch.failures += [failure for _, failure in found.values()]
        return batch, list(found)

    def _made_smaller(self, failure: Failure, check: str) -> Failure:
        operation = self._operations.get(failure.operation_id)
        if operation is None or not (self._target.is_sandbox or failure.operation_id.startswith(READS)):
            return failure  # to ask again would leave things behind
        shown = smallest(self._target, operation, check, failure.exchanges[-1], self._begin_again)
        return replace(failure, exchanges=(shown,))

    def _trouble(self, event: events.NonFatalError) -> Batch:
        """Return what Schemathesis could not do; a target that went away ends the run."""
        import requests

        if isinstance(event.value, requests.RequestException):
            raise CannotCheck(f"{self._target.base_url} stopped answering: {type(event.value).__name__}")
        text = " ".join(str(event.info).split())[:300]
        finding = Finding("", "requests can be generated", text)
        failure = Failure("generated", event.label, event.label, finding, Blame.DOCUMENT, ())
        return Batch("generated", event.label, failures=[failure])

    # sequences

    def sequences(self) -> Batch:
        source = self
        batch = Batch("sequences", "along the links")
        found: dict[tuple[str, str], Failure] = {}

        class Sequences(self._schema(in_sequences=True).as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                super().setup()
                source._begin_again()
                source._made = ""
                self.steps: list[Exchange] = []

            def after_call(self, response: Response, case: Case[Any]) -> None:
                super().after_call(response, case)
                source._made += response.text
                self.steps.append(_exchange_of(response, source._target.path_of))
                batch.exchanges.append(self.steps[-1])

            def validate_response(self, response: Response, case: Case[Any], **how: Any) -> None:
                try:
                    super().validate_response(response, case, **how)
                except FailureGroup as group:
                    for complaint in group.exceptions:
                        name = complaint.checks[0] if complaint.checks else complaint.title
                        failure = source._failure(
                            "sequences", case.operation.label, case, name, complaint, tuple(self.steps)
                        )
                        known = found.get((name, case.operation.label))
                        if known is None or len(failure.exchanges) < len(known.exchanges):
                            found[name, case.operation.label] = failure

        self._in_sequence = True
        with suppress(NoLinksFound):  # the operations that are asked have no link to another
            run_state_machine_as_test(
                Sequences,
                settings=hypothesis.settings(
                    max_examples=self._profile.sequences,
                    stateful_step_count=STEPS,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=list(hypothesis.HealthCheck),
                    print_blob=False,
                ),
            )
        self._in_sequence = False
        batch.failures += found.values()
        return batch

    # around each call

    def _begin_again(self) -> None:
        self._is_changed = True
        self._restore()

    def _restore(self) -> None:
        if self._is_changed and self._snapshot:
            self._target.restore(self._snapshot)
            self._is_changed = False

    def _differs_in_form(self) -> bool:
        entries = self._target.call("GET", "/sandbox/requests", query={"limit": 1})["data"]
        noted = entries[0].get("findings") if entries else ()
        return any(finding["rule"] != UNKNOWN for finding in noted or ())

    def _failure(
        self,
        suite: str,
        label: str,
        case: Case[Any],
        check: str,
        complaint: Complaint,
        exchanges: tuple[Exchange, ...],
    ) -> Failure:
        status = exchanges[-1].answered.status
        if status in (401, 403, 429):
            blame = Blame.CLIENT
        elif check in DOCUMENTED and not self._target.is_sandbox and status < 500:
            blame = Blame.DOCUMENT
        else:
            blame = Blame.SERVER
        said = [line for line in complaint.message.splitlines() if line.strip()]
        text = f"{complaint.title}: {' '.join(' '.join(said).split())[:300]}" if said else complaint.title
        return Failure(suite, label, _operation_id(case), Finding("", check.replace("_", " "), text), blame, exchanges)


def _described(document: Document, one: Any) -> dict[str, Any]:
    """Return what is special about an operation, as Schemathesis wants to be told.

    A path may have methods that the document does not describe but merely names: they answer 501, not 405, and the
    ``Allow`` header lists them.
    """
    named = {other.method.lower() for other in document.not_imitated() if other.path == one.path}
    return {
        "include-operation-id": one.operation_id,
        "phases": {"coverage": {"unexpected-methods": sorted(METHODS - named)}},
        "checks": {"allow_header_conformance": {"enabled": not named}},
    }


def _operation_id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def _exchange(interaction: Interaction, path_of: PathOf) -> Exchange:
    request, response = interaction.request, interaction.response
    return Exchange(
        _sent(request.method, path_of(request.uri), _pairs(request.headers), request.body or b""),
        Answered(0, is_dropped=True) if response is None else _answered(response),
        datetime.fromtimestamp(interaction.timestamp, UTC),
        0.0 if response is None else response.elapsed,
    )


def _exchange_of(response: Response, path_of: PathOf) -> Exchange:
    request = response.request
    raw = request.body.encode() if isinstance(request.body, str) else request.body
    headers = tuple((name.lower(), str(value)) for name, value in request.headers.items())
    body = raw if isinstance(raw, bytes) else b""
    return Exchange(
        _sent(str(request.method), path_of(str(request.url)), headers, body),
        _answered(response),
        datetime.now(UTC),
        response.elapsed,
    )


def _sent(method: str, target: str, headers: Headers, body: bytes) -> Sent:
    path, _, query = target.partition("?")
    return Sent(method, path, query, Redaction().headers(headers), body)


def _answered(response: Response) -> Answered:
    return Answered(response.status_code, Redaction().headers(_pairs(response.headers)), response.content)


def _pairs(headers: Any) -> Headers:
    return tuple((name.lower(), ", ".join(values)) for name, values in headers.items())
