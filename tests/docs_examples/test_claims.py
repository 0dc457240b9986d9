"""The tables of the README say what is."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import click
import pytest
from docs_examples.snippets import ROOT, table
from metronome import APIStatusError

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.api.settings import Settings
from metronome_sandbox.api.wire.contracts import LATER_FEATURES
from metronome_sandbox.cli import main
from metronome_sandbox.demo import client_of, running
from metronome_sandbox.spec.document import CONTROL, Document
from metronome_sandbox.toolkit.sandboxes import Sandbox

README = ROOT / "README.md"
CALL = re.compile(r"`((?:GET|PUT|POST|DELETE) /[^`]+)`")


def calls_in(column: str, heading: str) -> list[str]:
    return [call for row in table(README, heading) for call in CALL.findall(row[column])]


def calls_of(document: Document) -> list[str]:
    return [f"{one.method} {one.path}" for one in document.operations() if one.operation_id in HANDLERS]


def test_the_readme_lists_the_operations_that_are_imitated():
    assert sorted(calls_in("Operations", "What it imitates")) == sorted(calls_of(Document.load()))


def test_the_readme_lists_the_control_plane():
    assert sorted(calls_in("Call", "The control plane")) == sorted(calls_of(Document.load(CONTROL)))


@pytest.mark.parametrize(
    ("command", "heading"), [("serve", "Settings"), ("check", "Checking an API"), ("generate", "Generate invoices")]
)
def test_the_readme_explains_every_option(command: str, heading: str):
    options = {option.opts[0] for option in main.commands[command].params if isinstance(option, click.Option)}

    explained = {name for row in table(README, heading) for name in re.findall(r"`(--[a-z-]+)`", row["Option"])}

    assert explained == options


def test_the_readme_names_the_limits_as_they_are():
    limits = " ".join(README.read_text(encoding="utf-8").partition("\n## Limits\n")[2].partition("\n## ")[0].split())
    settings = Settings()

    assert f"{settings.max_tenants:,} tenants" in limits
    assert f"{settings.max_body // 1024 // 1024} MiB" in limits
    assert f"last {settings.journal_size} calls" in limits
    assert f"{settings.max_idempotency_keys:,} idempotency keys" in limits


def test_the_readme_explains_everything_that_the_fixture_has():
    rows = list(table(README, "In your tests"))
    with closing(Sandbox("http://127.0.0.1:1", "none", has_control=False)) as sandbox:
        public = {name for name in dir(sandbox) if not name.startswith("_")} - {"of", "at", "close", "has_control"}
        faults = {name for name in dir(sandbox.faults) if not name.startswith("_")}

    assert {name for row in rows for name in re.findall(r"`(\w+)[`(]", row["`metronome_sandbox`"])} == public
    [of_faults] = [row[""] for row in rows if row["`metronome_sandbox`"] == "`faults`"]
    assert faults <= set(re.findall(r"`(\w+)`", of_faults))


Ask = Callable[[Any, Any], Any]
AT = "2024-07-01T00:00:00Z"


def term(name: str, value: Any) -> Ask:
    """A contract with one more term."""
    return lambda post, ids: post(
        "/v1/contracts/create",
        {
            "customer_id": ids["customers"]["Acme Inc"],
            "rate_card_id": ids["rate_cards"]["Acme list prices"],
            "starting_at": AT,
            name: value,
        },
    )


def rate(product: dict[str, Any], rate_type: str) -> Ask:
    """A rate of a product that is made for it."""

    def ask(post: Any, ids: Any) -> Any:
        if product["type"] == "COMPOSITE":
            product["composite_product_ids"] = [ids["products"]["API calls"]]
        made = post("/v1/contract-pricing/products/create", {"name": "New", **product})
        new = {
            "product_id": made["data"]["id"],
            "starting_at": AT,
            "entitled": True,
            "rate_type": rate_type,
            "price": 1,
        }
        return post(
            "/v1/contract-pricing/rate-cards/addRate",
            {"rate_card_id": ids["rate_cards"]["Acme list prices"], **new},
        )

    return ask


def call(path: str) -> Ask:
    return lambda post, ids: post(path, {})


TRACKER: dict[str, Any] = {
    "alias": "a",
    "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
    "reset_frequency": "BILLING_PERIOD",
    "applicable_spend_specifiers": [],
}


def capped(ids: Any) -> dict[str, Any]:
    """A threshold whose discount ends by a spend tracker."""
    cap = {"amount": 1, "spend_tracker_alias": "a"}
    return {**threshold(ids), "discount_configuration": {"payment_fraction": 0.5, "cap": cap}}


def threshold(ids: Any) -> dict[str, Any]:
    return {
        "is_enabled": True,
        "threshold_amount": 500,
        "payment_gate_config": {"payment_gate_type": "NONE"},
        "commit": {"product_id": ids["products"]["Prepaid usage"]},
    }


def consolidated(ids: Any) -> dict[str, Any]:
    parent = {"customer_id": ids["customers"]["Acme Inc"], "contract_id": ids["contracts"]["Acme 2024"]}
    return {"parent": parent, "payer": "PARENT", "usage_statement_behavior": "CONSOLIDATE"}


def prepaid(ids: Any, **others: Any) -> dict[str, Any]:
    items = [{"amount": 1, "starting_at": AT, "ending_before": "2024-08-01T00:00:00Z"}]
    product = ids["products"]["Prepaid usage"]
    return {"type": "PREPAID", "product_id": product, "access_schedule": {"schedule_items": items}, **others}


def made(name: str, value: Callable[[Any], Any]) -> Ask:
    """A contract with a term whose value needs ids."""
    return lambda post, ids: term(name, value(ids))(post, ids)


def units(post: Any, ids: Any) -> str:
    """A custom unit with a conversion on the card."""
    unit = post("/v1/credit-types/create", {"name": "tokens"})["data"]["id"]
    worth = {"custom_credit_type_id": unit, "fiat_per_custom_credit": 1}
    card = {"rate_card_id": ids["rate_cards"]["Acme list prices"], "add_credit_type_conversions": [worth]}
    post("/v1/contract-pricing/rate-cards/update", card)
    return str(unit)


def minimum_beside_units(post: Any, ids: Any) -> Any:
    """A rate that may have a minimum, on a card with a custom unit."""
    units(post, ids)
    composed = {"composite_product_ids": [ids["products"]["API calls"]]}
    product = post("/v1/contract-pricing/products/create", {"name": "New", "type": "COMPOSITE", **composed})
    card, percentage = ids["rate_cards"]["Acme list prices"], {"rate_type": "PERCENTAGE", "price": 1}
    new = {"rate_card_id": card, "product_id": product["data"]["id"], "starting_at": AT, "entitled": True}
    return post("/v1/contract-pricing/rate-cards/addRate", {**new, **percentage, "minimum_config": {"minimum": 1}})


def postpaid_in_units(post: Any, ids: Any) -> Any:
    """A postpaid commit that counts in a custom unit."""
    access = {**prepaid(ids)["access_schedule"], "credit_type_id": units(post, ids)}
    payment = {"schedule_items": [{"timestamp": "2024-08-01T00:00:00Z", "amount": 1}]}
    commit = {**prepaid(ids), "type": "POSTPAID", "access_schedule": access, "invoice_schedule": payment}
    return term("commits", [commit])(post, ids)


CONCATENATED = {"parent_behavior": {"invoice_consolidation_type": "CONCATENATE"}}
NOT_YET: dict[str, list[Ask]] = {
    "Composites over several contracts": [
        rate({"type": "COMPOSITE", "composite_scope": "CUSTOMER"}, "PERCENTAGE"),
    ],
    "Some terms beside custom units": [minimum_beside_units, postpaid_in_units],
    "Spend trackers": [
        made("spend_threshold_configuration", capped),
        made(
            "prepaid_balance_threshold_configuration",
            lambda ids: {**capped(ids), "recharge_to_amount": 5000},
        ),
        made("spend_trackers", lambda ids: [TRACKER]),
    ],
    "One invoice for a whole hierarchy": [
        made("hierarchy_configuration", consolidated),
        term("hierarchy_configuration", CONCATENATED),
    ],
    "Notifications and alerts": [call("/v1/alerts/create"), call("/v2/notifications/create")],
    "Billing providers": [
        lambda post, ids: post(
            "/v1/customers",
            {
                "name": "Globex",
                "customer_billing_provider_configurations": [
                    {"billing_provider": "stripe", "delivery_method": "direct_to_billing_provider"}
                ],
            },
        )
    ],
    "Other reports": [
        call("/v1/usage"),
        lambda post, ids: post(f"/v1/customers/{AT}/invoices/{AT}/pdf", None),
    ],
}


def test_the_readme_lists_what_is_not_imitated():
    assert [row["Not yet"] for row in table(README, "What it does not do yet")] == list(NOT_YET)


def test_the_terms_of_a_contract_that_the_readme_names_are_refused_ones():
    rows = [row["Where you meet it"] for row in table(README, "What it does not do yet")]
    named = {name for row in rows if row.endswith("of a contract") for name in re.findall(r"`([a-z_]+)`", row)}

    assert named
    assert named <= LATER_FEATURES.keys()


@pytest.fixture(scope="module")
def url():
    with running(0) as server:
        yield server.url


@pytest.mark.parametrize("feature", NOT_YET)
def test_what_is_not_imitated_is_refused_with_501(url: str, feature: str):
    token = f"not-yet-{feature}".replace(" ", "-")
    with client_of(url, token, None, is_own=True).with_options(max_retries=0) as client:
        ids = client.post("/sandbox/scenarios/acme", cast_to=object)["ids"]

        def post(path: str, body: Any) -> Any:
            if body is None:
                return client.get(path, cast_to=object)
            return client.post(path, body=body, cast_to=object)

        for ask in NOT_YET[feature]:
            with pytest.raises(APIStatusError) as refused:
                ask(post, ids)
            assert refused.value.status_code == 501, refused.value.body
