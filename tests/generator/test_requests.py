"""The requests are ones that the document describes, and hold nothing that a careful reader would frown at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from generator.rendering import ENCODER, START

from metronome_sandbox.generator.catalog import catalog_of
from metronome_sandbox.generator.histories import history_of
from metronome_sandbox.generator.ids import id_of
from metronome_sandbox.generator.profiles import PROFILES, Profile, told_by
from metronome_sandbox.generator.requests import JsonObject, Requests, invoice_request
from metronome_sandbox.spec.bodies import Bodies
from metronome_sandbox.spec.document import Document
from metronome_sandbox.spec.operations import operations_of

SEED, MONTHS, UNTIL = 7, 14, date(2024, 3, 1)


@pytest.fixture(scope="module")
def document() -> Document:
    return Document.load()


def sent(profile: Profile) -> Iterator[tuple[str, JsonObject]]:
    """Yield paths and bodies of a small run."""
    requests = Requests(profile, SEED)
    for creation in requests.catalog():
        yield creation.path, creation.body
    for body in requests.rates():
        yield "/v1/contract-pricing/rate-cards/addRates", body
    for number in range(1, 31):
        history = history_of(profile, SEED, number, START, MONTHS)
        yield "/v1/customers", requests.customer(history.customer).body
        for contract in history.contracts:
            yield "/v1/contracts/create", requests.contract(contract, UNTIL).body
        bodies = [requests.invoice(history, invoice) for invoice in history.invoices[-2:]]
        yield "/v1/contracts/createHistoricalInvoices", {"preview": False, "invoices": bodies}
        for invoice in history.invoices:
            if invoice.corrects is not None:
                wrong = next(each for each in history.invoices if each.key == invoice.corrects)
                yield "/v1/invoices/void", requests.void(wrong)


@pytest.mark.parametrize("name", PROFILES)
def test_every_request_is_as_the_document_has_it(name, document):
    operations = {each.path: each for each in operations_of(document) if each.method == "POST"}
    bodies = Bodies(document)
    paths = set()
    for path, body in sent(PROFILES[name]):
        paths.add(path)
        raw = ENCODER.encode(body)

        assert operations[path].body_findings(msgspec.json.decode(raw)) == [], path
        schema = document.tree["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert bodies.findings(raw, schema) == [], path
    assert len(paths) == 8


def test_what_a_request_names_was_made_before():
    for name, profile in PROFILES.items():
        requests = Requests(profile, SEED)
        known = set()
        for creation in requests.catalog():
            assert named(creation.body) <= known
            known.add(id_of(SEED, name, creation.kind, creation.key))
        for number in range(1, 11):
            history = history_of(profile, SEED, number, START, MONTHS)
            mine = known | {id_of(SEED, name, "customer", history.customer.key)}
            for contract in history.contracts:
                body = requests.contract(contract, UNTIL).body
                own = body.pop("uniqueness_key")
                assert named(body) <= mine
                mine.add(own)
            for invoice in history.invoices:
                assert named(invoice_request(profile, SEED, invoice, history)) <= mine


def named(value: object) -> set[str]:
    """Return all ids of the generator inside of a body."""
    if isinstance(value, dict):
        return set().union(*(named(one) for one in value.values()), set())
    if isinstance(value, list):
        return set().union(*(named(one) for one in value), set())
    is_id = isinstance(value, str) and len(value) == 36 and value[14] == "5"
    return {value} if is_id else set()


def test_the_windows_of_a_line_fill_its_month_by_day_or_by_hour():
    for granularity, first_end, count in (("DAY", "2023-01-02T00:00:00Z", 31), ("HOUR", "2023-01-01T01:00:00Z", 744)):
        profile = told_by(PROFILES["ai-api"], granularity)
        history = next(
            each
            for each in (history_of(profile, SEED, number, START, 1) for number in range(1, 20))
            if each.invoices and each.invoices[0].lines[0].quantity
        )
        body = invoice_request(profile, SEED, history.invoices[0], history)
        windows = body["usage_line_items"][0]["subtotals_with_quantity"]

        assert body["breakdown_granularity"] == granularity
        assert len(windows) == count
        assert windows[0]["inclusive_start_date"] == "2023-01-01T00:00:00Z"
        assert windows[0]["exclusive_end_date"] == first_end
        assert windows[-1]["exclusive_end_date"] == "2023-02-01T00:00:00Z"
        assert all(a["exclusive_end_date"] == b["inclusive_start_date"] for a, b in pairwise(windows))
        assert sum(each["quantity"] for each in windows) == history.invoices[0].lines[0].quantity


def test_every_price_is_exact_in_few_digits():
    for profile in PROFILES.values():
        for card in catalog_of(profile).rate_cards:
            for rate in card.rates:
                for tier in rate.tiers:
                    assert isinstance(tier.price, Decimal)
                    assert -tier.price.as_tuple().exponent <= 6
                assert rate.tiers[-1].size is None


def test_ids_differ_by_everything_they_are_made_of():
    ids = {
        id_of(s, p, k, key) for s in (1, 2) for p in ("a", "b") for k in ("customer", "contract") for key in ("x", "y")
    }

    assert len(ids) == 16
    assert id_of(7, "ai-api", "customer", "customer-000001") == id_of(7, "ai-api", "customer", "customer-000001")
