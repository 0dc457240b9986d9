"""What the target has: all pages of it, and a sentence where it is no such target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import utc
from importer.targets import EUR, USD, Target, acme, id_of

from metronome_sandbox.client.asking import Answer, CannotAsk
from metronome_sandbox.importer.target_catalog import TargetCatalog


class Says:
    """Answers the same to everything."""

    def __init__(self, body: Any, status: int = 200) -> None:
        self._answer = Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())

    def send(self, *_: Any) -> Answer:
        return self._answer


def test_a_catalog_has_what_the_lists_have():
    catalog = acme().catalog

    storage = catalog.products[id_of("Storage")]
    assert (storage.name, storage.type, storage.pricing_group_key) == ("Storage", "USAGE", ("region",))
    assert catalog.customers[id_of("Acme Inc")].ingest_aliases == ("acme", "acme-eu")
    first, second = catalog.contracts(id_of("Globex"))
    assert (first.name, first.ending_before, first.credit_type_id) == ("Globex H1", utc("2024-07-01"), USD)
    assert (second.ending_before, catalog.contracts(id_of("Umlaut GmbH"))[0].credit_type_id) == (None, EUR)


def test_contracts_of_a_customer_are_asked_for_once():
    target = Target().customer("A").contract("A", "K1").contract("A", "K2").contract("A", "K3")
    catalog = target.catalog

    assert len(catalog.contracts(id_of("A"))) == len(catalog.contracts(id_of("A"))) == 3
    assert target.asked.count("POST /v2/contracts/list") == 2  # two pages


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (Says({"message": "no"}, 401), "POST /v1/contract-pricing/products/list was answered with 401: no"),
        (Says(b"<html>"), "was answered with no list; is --base-url the address of a billing API?"),
        (Says({"data": {}}), "was answered with no list"),
        (Says({"data": [1]}), "describes products otherwise than this API does (TypeError: "),
        (Says({"data": [{"id": "a"}]}), "describes products otherwise than this API does (KeyError: 'current')"),
    ],
)
def test_what_is_no_such_target_is_a_sentence(host: Says, problem: str):
    with pytest.raises(CannotAsk) as caught:
        TargetCatalog.of(host)

    assert problem in str(caught.value)
