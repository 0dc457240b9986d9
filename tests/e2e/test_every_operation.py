"""Every operation that the sandbox has, called by the SDK, its answer held strictly against the SDK's model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from e2e.sdk import AUGUST, JULY, JUNE, SEPTEMBER, USD, Acme

from metronome_sandbox.api.operations import HANDLERS
from metronome_sandbox.spec.document import Document

START, END, OCTOBER = "2024-06-01T00:00:00Z", "2025-06-01T00:00:00Z", "2024-10-01T00:00:00Z"
ACCESS: Any = {"schedule_items": [{"amount": 500, "starting_at": START, "ending_before": END}]}


def create_metric(acme: Acme) -> Any:
    return acme.client.v1.billable_metrics.create(
        name="Tokens",
        aggregation_type="SUM",
        aggregation_key="tokens",
        event_type_filter={"in_values": ["completion"]},
        property_filters=[{"name": "tokens", "exists": True}, {"name": "region", "exists": True}],
        group_keys=[["region"]],
    )


def create_priced_product(acme: Acme) -> tuple[str, dict[str, str]]:
    """A product whose price depends on the region, and the pricing group values of its rate."""
    metric = create_metric(acme).data.id
    product = acme.client.v1.contracts.products.create(
        name="Tokens",
        type="USAGE",
        billable_metric_id=metric,
        pricing_group_key=["region"],
        tags=["ai"],
        quantity_conversion={"conversion_factor": 1000, "operation": "DIVIDE"},
        quantity_rounding={"decimal_places": 0, "rounding_method": "ROUND_UP"},
    )
    return product.data.id, {"region": "eu"}


def add_rate(acme: Acme) -> Any:
    product, region = create_priced_product(acme)
    return acme.client.v1.contracts.rate_cards.rates.add(
        rate_card_id=acme.rate_card_id,
        product_id=product,
        entitled=True,
        starting_at=START,
        rate_type="TIERED",
        tiers=[{"price": 3, "size": 10}, {"price": 2}],
        pricing_group_values=region,
        commit_rate={"rate_type": "FLAT", "price": 1.5},
    )


def add_rates(acme: Acme) -> Any:
    product, region = create_priced_product(acme)
    return acme.client.v1.contracts.rate_cards.rates.add_many(
        rate_card_id=acme.rate_card_id,
        rates=[
            {
                "product_id": product,
                "entitled": True,
                "starting_at": START,
                "rate_type": "FLAT",
                "price": 7,
                "pricing_group_values": region,
            }
        ],
    )


def create_contract(acme: Acme) -> Any:
    return acme.client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=JULY,
        ending_before=END,
        name="Everything",
        uniqueness_key="everything",
        net_payment_terms_days=30,
        usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"},
        commits=[
            {
                "type": "PREPAID",
                "product_id": acme.prepaid_usage,
                "name": "Paid in two",
                "access_schedule": ACCESS,
                "invoice_schedule": {
                    "schedule_items": [{"timestamp": JULY, "amount": 250}, {"timestamp": SEPTEMBER, "amount": 250}]
                },
                "applicable_product_ids": [acme.api_calls],
            },
            {
                "type": "POSTPAID",
                "product_id": acme.prepaid_usage,
                "access_schedule": ACCESS,
                "invoice_schedule": {"schedule_items": [{"timestamp": END, "amount": 500}]},
            },
        ],
        credits=[{"product_id": acme.prepaid_usage, "access_schedule": ACCESS, "priority": 1}],
        overrides=[
            {"starting_at": JULY, "type": "MULTIPLIER", "multiplier": 0.9, "product_id": acme.api_calls},
            {
                "starting_at": JULY,
                "type": "OVERWRITE",
                "overwrite_rate": {"rate_type": "FLAT", "price": 40},
                "override_specifiers": [{"product_id": acme.ids["products"]["Storage"]}],
            },
        ],
        custom_fields={},
    )


FEE: Any = {"schedule_items": [{"timestamp": SEPTEMBER, "amount": 70}, {"timestamp": END, "amount": 70}]}


def edit_contract(acme: Acme) -> Any:
    """An edit with everything that it may add and change, of a contract that has all of it."""
    contract = create_contract(acme).data.contract
    [commit, *_] = contract.commits
    [credit] = contract.credits
    of_this: Any = {"customer_id": acme.customer_id, "contract_id": contract.id}
    fee: Any = {"product_id": acme.prepaid_usage, "schedule": FEE}
    grant: Any = {
        "product_id": acme.prepaid_usage,
        "access_amount": {"unit_price": 10, "quantity": 2, "credit_type_id": USD},
        "priority": 5,
        "starting_at": JULY,
        "commit_duration": {"value": 1},
    }
    threshold: Any = {
        "is_enabled": False,
        "threshold_amount": 5000,
        "commit": {"product_id": acme.prepaid_usage, "name": "Automatic"},
        "payment_gate_config": {"payment_gate_type": "EXTERNAL", "tax_type": "NONE"},
        "discount_configuration": {"payment_fraction": 0.9},
    }
    kind: Any = {"entity": "Commit", "key": "kind", "value": "gift"}
    prepaid: Any = {
        **threshold,
        "recharge_to_amount": 10000,
        "threshold_balance_specifiers": [{"exclude": [{"custom_field_filters": [kind]}]}],
    }
    prepaid["commit"] = {**threshold["commit"], "duration": {"value": 6, "unit": "MONTHS"}, "priority": 3}
    added = acme.client.v2.contracts.edit(
        **of_this,
        add_spend_threshold_configuration=threshold,
        add_prepaid_balance_threshold_configuration=prepaid,
        add_scheduled_charges=[fee, fee],
        add_recurring_commits=[grant],
        add_recurring_credits=[grant],
    ).data.edit
    assert added is not None
    [recurring_commit] = added.add_recurring_commits or []
    [recurring_credit] = added.add_recurring_credits or []
    [changed, dropped] = added.add_scheduled_charges or []
    first, second = (item.id for item in changed.schedule.schedule_items or [])
    return acme.client.v2.contracts.edit(
        **of_this,
        uniqueness_key="an edit",
        update_contract_name="Everything and more",
        update_contract_end_date="2025-12-01T00:00:00Z",
        update_net_payment_terms_days=45,
        add_commits=[{"type": "PREPAID", "product_id": acme.prepaid_usage, "name": "More", "access_schedule": ACCESS}],
        add_credits=[{"product_id": acme.prepaid_usage, "name": "Thanks", "access_schedule": ACCESS}],
        add_overrides=[
            {
                "starting_at": JULY,
                "type": "MULTIPLIER",
                "multiplier": 0.5,
                "override_specifiers": [{"product_id": acme.api_calls}],
            }
        ],
        add_scheduled_charges=[{**fee, "name": "Support"}],
        add_discounts=[{**fee, "name": "Off", "custom_fields": {}}],
        add_professional_services=[
            {"product_id": acme.prepaid_usage, "unit_price": 10, "quantity": 2, "max_amount": 20, "description": "Work"}
        ],
        add_reseller_royalties=[
            {
                "reseller_type": "AWS",
                "fraction": 0.1,
                "netsuite_reseller_id": "7",
                "starting_at": JULY,
                "applicable_product_ids": [acme.api_calls],
                "aws_options": {"aws_account_number": "123"},
            }
        ],
        update_commits=[{"commit_id": commit.id, "name": "Paid in three", "applicable_product_ids": None}],
        update_credits=[
            {
                "credit_id": credit.id,
                "access_schedule": {
                    "add_schedule_items": [{"amount": 0.5, "starting_at": JULY, "ending_before": SEPTEMBER}]
                },
            }
        ],
        update_scheduled_charges=[
            {
                "scheduled_charge_id": changed.id,
                "invoice_schedule": {
                    "add_schedule_items": [{"timestamp": SEPTEMBER, "unit_price": 1.5, "quantity": 2}],
                    "update_schedule_items": [{"id": first, "timestamp": "2024-09-02T00:00:00Z", "amount": 9}],
                    "remove_schedule_items": [{"id": second}],
                },
            }
        ],
        update_recurring_commits=[
            {
                "recurring_commit_id": recurring_commit.id,
                "access_amount": {"unit_price": 7.5},
                "invoice_amount": {"unit_price": 5, "quantity": 1},
                "ending_before": "2025-01-01T00:00:00Z",
                "rate_type": "COMMIT_RATE",
                "proration_rounding": {"invoice": {"rounding_method": "FLOOR", "decimal_places": 0}},
            }
        ],
        update_recurring_credits=[{"recurring_credit_id": recurring_credit.id, "proration_rounding": None}],
        update_spend_threshold_configuration={
            "is_enabled": True,
            "threshold_amount": 7500.5,
            "commit": {"name": "", "priority": None},
            "discount_configuration": {"payment_fraction": None},
        },
        update_prepaid_balance_threshold_configuration={
            "recharge_to_amount": 20000,
            "commit": {"specifiers": [{"product_id": acme.api_calls}], "rollover_fraction": 0.5},
            "payment_gate_config": {"payment_gate_type": "NONE"},
            "discount_configuration": None,
            "threshold_balance_specifiers": None,
        },
        archive_scheduled_charges=[{"id": dropped.id}],
        remove_overrides=[{"id": contract.overrides[0].id}],
    )


def edited(acme: Acme) -> dict[str, Any]:
    """The customer and the contract that was edited last."""
    edit_contract(acme)
    found = acme.client.v2.contracts.list(customer_id=acme.customer_id).data
    [contract] = [one for one in found if one.name == "Everything and more"]
    return {"customer_id": acme.customer_id, "contract_id": contract.id}


def add_subscription_rate(acme: Acme) -> str:
    """A SUBSCRIPTION product at 2000 a month."""
    product = acme.client.v1.contracts.products.create(name="Seat", type="SUBSCRIPTION").data.id
    acme.client.v1.contracts.rate_cards.rates.add(
        rate_card_id=acme.rate_card_id,
        product_id=product,
        entitled=True,
        starting_at=START,
        rate_type="FLAT",
        price=2000,
        billing_frequency="MONTHLY",
    )
    return product


def subscribe(acme: Acme) -> Any:
    """A contract with a subscription of each kind, and all that an edit may change on them."""
    rate: Any = {"product_id": add_subscription_rate(acme), "billing_frequency": "MONTHLY"}
    terms: Any = {"subscription_rate": rate, "description": "Of the team", "custom_fields": {}, "starting_at": JUNE}
    prorated: Any = {
        "is_prorated": True,
        "invoice_behavior": "BILL_IMMEDIATELY",
        "rounding": {"rounding_method": "HALF_UP", "decimal_places": 0},
    }
    platform: Any = {
        **terms,
        "name": "Platform",
        "collection_schedule": "ARREARS",
        "proration": {},
        "initial_quantity": 1,
        "ending_before": END,
    }
    seats: Any = {
        **terms,
        "name": "Seats",
        "collection_schedule": "ADVANCE",
        "proration": prorated,
        "billing_cycle_config": {"anchor_date": START, "invoice_placement": "ON_USAGE_INVOICE"},
        "quantity_management_mode": "SEAT_BASED",
        "seat_config": {"seat_group_key": "user", "initial_seat_ids": ["ada"], "initial_unassigned_seats": 1},
    }
    made = acme.client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=START,
        name="Subscribed",
        subscriptions=[platform, seats],
    )
    of_this: Any = {"customer_id": acme.customer_id, "contract_id": made.data.id}
    first, second = (each.id for each in made.data.contract.subscriptions or [])
    assert first is not None
    assert second is not None
    named: Any = [{"seat_ids": ["grace", "edsger"], "starting_at": SEPTEMBER}]
    unassigned: Any = [{"quantity": 2, "starting_at": OCTOBER}]
    acme.client.v2.contracts.edit(
        **of_this,
        add_subscriptions=[{**platform, "name": "More", "starting_at": AUGUST}],
        update_subscriptions=[
            {
                "subscription_id": first,
                "name": "Platform",
                "quantity_updates": [
                    {"quantity": 3, "starting_at": SEPTEMBER},
                    {"quantity_delta": -1, "starting_at": OCTOBER},
                ],
                "ending_before": None,
                "proration_rounding": None,
            },
            {
                "subscription_id": second,
                "seat_updates": {
                    "add_seat_ids": named,
                    "remove_seat_ids": [{"seat_ids": ["ada"], "starting_at": OCTOBER}],
                    "add_unassigned_seats": unassigned,
                    "remove_unassigned_seats": unassigned,
                },
            },
        ],
    )
    return acme.client.v2.contracts.retrieve(**of_this)


def share_out(acme: Acme) -> Any:
    """What two seats can spend of a credit of which each has its own."""
    rate: Any = {"product_id": add_subscription_rate(acme), "billing_frequency": "MONTHLY"}
    seats: Any = {"seat_group_key": "user", "initial_seat_ids": ["ada", "grace"], "initial_unassigned_seats": 0}
    linked: Any = {
        "product_id": acme.prepaid_usage,
        "name": "Of each",
        "priority": 1,
        "starting_at": JULY,
        "commit_duration": {"value": 1, "unit": "PERIODS"},
        "access_amount": {"unit_price": 100, "credit_type_id": USD},
        "subscription_config": {
            "subscription_id": "team",
            "allocation": "INDIVIDUAL",
            "apply_seat_increase_config": {"is_prorated": True},
        },
    }
    made = acme.client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=JULY,
        subscriptions=[
            {
                "subscription_rate": rate,
                "collection_schedule": "ADVANCE",
                "proration": {"is_prorated": True},
                "quantity_management_mode": "SEAT_BASED",
                "seat_config": seats,
                "temporary_id": "team",
            }
        ],
        recurring_credits=[linked],
        recurring_commits=[{**linked, "invoice_amount": {"unit_price": 50, "quantity": 1, "credit_type_id": USD}}],
    )
    of_this: Any = {"customer_id": acme.customer_id, "contract_id": made.data.id}
    whole = acme.client.v2.contracts.retrieve(**of_this, include_ledgers=True).data
    configs = [each.subscription_config for each in (*whole.commits, *(whole.credits or []))]
    assert {config and config.allocation for config in configs} == {"INDIVIDUAL"}
    return acme.client.v1.contracts.list_seat_balances(
        **of_this, include_credits_and_commits=True, include_ledgers=True, limit=1
    )


def subscribed(acme: Acme, name: str) -> dict[str, Any]:
    """The subscription of that name."""
    contract = subscribe(acme).data
    found = next(each for each in contract.subscriptions or [] if each.name == name)
    return {"customer_id": acme.customer_id, "contract_id": contract.id, "subscription_id": found.id}


def amend(acme: Acme) -> Any:
    answer = acme.client.v1.contracts.amend(
        customer_id=acme.customer_id,
        contract_id=acme.contract_id,
        starting_at=AUGUST,
        credits=[{"product_id": acme.prepaid_usage, "name": "Thanks", "access_schedule": ACCESS}],
        scheduled_charges=[{"product_id": acme.prepaid_usage, "schedule": FEE, "name": "Support"}],
        total_contract_value=1000,
    )
    whole = acme.client.v1.contracts.retrieve(customer_id=acme.customer_id, contract_id=acme.contract_id).data
    assert [one.id for one in whole.amendments] == [answer.data.id]
    assert (len(whole.initial.credits or []), len(whole.current.credits or [])) == (0, 1)
    return answer


def schedule_services(acme: Acme) -> Any:
    of_this = edited(acme)
    [service] = acme.client.v2.contracts.retrieve(**of_this).data.professional_services or []
    line: Any = {"professional_service_id": service.id, "unit_price": 5, "quantity": 2, "metadata": "July"}
    return acme.client.v1.contracts.schedule_pro_services_invoice(**of_this, issued_at=SEPTEMBER, line_items=[line])


def move_issue_date(acme: Acme) -> Any:
    of_this = edited(acme)
    drafts = acme.invoices(contract_id=of_this["contract_id"], status="DRAFT")
    draft = next(one for one in drafts if one.type == "SCHEDULED")
    body = {"invoice_id": draft.id, "issue_date": SEPTEMBER}
    return acme.client.post("/v1/contracts/updateInvoiceIssueDate", body=body, cast_to=object)


def create_with_charges(acme: Acme) -> Any:
    """A renewal with the terms that the other contract does not have."""
    fee: Any = {"product_id": acme.prepaid_usage, "schedule": FEE, "name": "Support"}
    return acme.client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=AUGUST,
        scheduled_charges=[fee],
        scheduled_charges_on_usage_invoices="ALL",
        discounts=[{**fee, "name": "Off"}],
        reseller_royalties=[
            {
                "reseller_type": "GCP",
                "fraction": 0.1,
                "netsuite_reseller_id": "7",
                "starting_at": AUGUST,
                "applicable_product_tags": ["ai"],
            }
        ],
        transition={"type": "RENEWAL", "from_contract_id": acme.contract_id},
    )


def release_payment(acme: Acme) -> Any:
    """Pay for a commit that waits for it; what waits is told by the control plane."""
    acme.client.v2.contracts.edit(
        customer_id=acme.customer_id,
        contract_id=acme.contract_id,
        add_commits=[
            {
                "type": "PREPAID",
                "product_id": acme.prepaid_usage,
                "access_schedule": ACCESS,
                "invoice_schedule": {"schedule_items": [{"timestamp": AUGUST, "amount": 450}]},
                "payment_gate_config": {"payment_gate_type": "EXTERNAL"},
            }
        ],
    )
    waiting: Any = acme.client.get("/sandbox/payments", cast_to=object)
    body = {"workflow_id": waiting["data"][0]["workflow_id"], "outcome": "PAID"}
    return acme.client.post("/v1/contracts/commits/threshold-billing/release", body=body, cast_to=object)


def with_everything(acme: Acme) -> Acme:
    """Add the contract with every kind of balance and override, so that the lists have something to show."""
    edit_contract(acme)
    create_with_charges(acme)
    return acme


def offset(value: int, unit: str = "MONTHS") -> Any:
    return {"value": value, "unit": unit}


def create_package(acme: Acme, *, with_credits: bool = True) -> Any:
    """A package with every kind of term that it may have.

    The published document requires a credit template's ``type``, which the SDK's model does not know, so a package that
    is read back here has no credits.
    """
    access: Any = {"schedule_items": [{"amount": 500, "starting_at_offset": offset(0, "DAYS"), "duration": offset(12)}]}
    payments: Any = {"schedule_items": [{"unit_price": 250, "quantity": 2, "date_offset": offset(1, "WEEKS")}]}
    grant: Any = {
        "product_id": acme.prepaid_usage,
        "access_amount": {"unit_price": 10, "quantity": 2, "credit_type_id": USD},
        "priority": 5,
        "starting_at_offset": offset(1),
        "duration": offset(6),
        "commit_duration": {"value": 1},
        "recurrence_frequency": "MONTHLY",
        "temporary_id": "grant",
    }
    rate: Any = {"product_id": add_subscription_rate(acme), "billing_frequency": "MONTHLY"}
    follows: Any = {
        "subscription_id": "team",
        "allocation": "INDIVIDUAL",
        "apply_seat_increase_config": {"is_prorated": True},
    }
    for_seats: Any = {
        **grant,
        "access_amount": {"unit_price": 10, "credit_type_id": USD},
        "subscription_config": follows,
        "temporary_id": "of each seat",
    }
    return acme.client.v1.packages.create(
        name="Starter 2024",
        contract_name="Starter",
        uniqueness_key="starter 2024",
        aliases=[{"name": "starter", "starting_at": JUNE}],
        rate_card_id=acme.rate_card_id,
        duration=offset(1, "YEARS"),
        net_payment_terms_days=30,
        usage_statement_schedule={
            "frequency": "MONTHLY",
            "day": "CONTRACT_START",
            "invoice_generation_starting_at_offset": offset(1),
        },
        commits=[
            {
                "type": "PREPAID",
                "product_id": acme.prepaid_usage,
                "name": "Paid",
                "access_schedule": access,
                "invoice_schedule": payments,
                "rollover_fraction": 0.5,
                "applicable_product_ids": [acme.api_calls],
                "temporary_id": "paid",
            }
        ],
        credits=[{"product_id": acme.prepaid_usage, "access_schedule": access}] if with_credits else [],
        recurring_commits=[{**grant, "invoice_amount": {"unit_price": 5, "quantity": 1, "credit_type_id": USD}}],
        recurring_credits=[{**grant, "temporary_id": "gift"}, for_seats],
        overrides=[
            {
                "starting_at_offset": offset(0, "DAYS"),
                "duration": offset(3),
                "type": "MULTIPLIER",
                "multiplier": 0.9,
                "is_commit_specific": True,
                "override_specifiers": [{"commit_ids": ["paid"], "recurring_commit_ids": ["grant"]}],
            }
        ],
        scheduled_charges=[{"product_id": acme.prepaid_usage, "name": "Set-up", "schedule": payments}],
        scheduled_charges_on_usage_invoices="ALL",
        subscriptions=[
            {
                "subscription_rate": rate,
                "name": "Platform",
                "collection_schedule": "ADVANCE",
                "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
                "billing_cycle_config": {"invoice_placement": "ON_SCHEDULED_INVOICE"},
                "initial_quantity": 5,
                "starting_at_offset": offset(2, "WEEKS"),
                "duration": offset(3),
            },
            {
                "subscription_rate": rate,
                "name": "Seats",
                "collection_schedule": "ARREARS",
                "proration": {},
                "quantity_management_mode": "SEAT_BASED",
                "seat_config": {"seat_group_key": "user", "initial_unassigned_seats": 2},
                "temporary_id": "team",
            },
        ],
        spend_threshold_configuration={
            "is_enabled": True,
            "threshold_amount": 500,
            "commit": {"product_id": acme.prepaid_usage},
            "payment_gate_config": {"payment_gate_type": "NONE"},
        },
        prepaid_balance_threshold_configuration={
            "is_enabled": True,
            "threshold_amount": 500,
            "recharge_to_amount": 1500,
            "commit": {"product_id": acme.prepaid_usage},
            "payment_gate_config": {"payment_gate_type": "NONE"},
        },
    )


def create_contract_on_package(acme: Acme) -> str:
    package = create_package(acme).data.id
    made = acme.client.v1.contracts.create(customer_id=acme.customer_id, starting_at=JULY, package_alias="starter")
    assert made.data.contract is not None
    assert made.data.contract.ending_before is not None
    return package


def create_commit(acme: Acme) -> Any:
    return acme.client.v1.customers.commits.create(
        customer_id=acme.customer_id,
        type="PREPAID",
        product_id=acme.prepaid_usage,
        priority=50,
        name="On customer level",
        access_schedule=ACCESS,
        invoice_contract_id=acme.contract_id,
        invoice_schedule={"schedule_items": [{"timestamp": JUNE, "amount": 400}]},
        applicable_contract_ids=[acme.contract_id],
    )


def create_free_commit(acme: Acme) -> Any:
    return acme.client.v1.customers.commits.create(
        customer_id=acme.customer_id,
        type="PREPAID",
        product_id=acme.prepaid_usage,
        priority=50,
        access_schedule=ACCESS,
    )


def create_credit(acme: Acme) -> Any:
    return acme.client.v1.customers.credits.create(
        customer_id=acme.customer_id,
        product_id=acme.prepaid_usage,
        priority=10,
        name="Goodwill",
        access_schedule=ACCESS,
        specifiers=[{"product_id": acme.api_calls}],
    )


def void(acme: Acme) -> Any:
    [june, _] = acme.import_june_and_july()
    return acme.client.v1.invoices.void(id=june.id)


def regenerate(acme: Acme) -> Any:
    answer = acme.client.v1.invoices.regenerate(id=void(acme).data.id)
    statuses = sorted(invoice.status for invoice in acme.invoices())
    assert statuses == ["DRAFT", "FINALIZED", "FINALIZED", "VOID"]
    return answer


def import_by_hour(acme: Acme) -> Any:
    hours = [(9, 2), (10, 7)]
    subtotals = [
        {
            "inclusive_start_date": f"2024-06-03T{hour:02}:00:00Z",
            "exclusive_end_date": f"2024-06-03T{hour + 1:02}:00:00Z",
            "quantity": quantity,
        }
        for hour, quantity in hours
    ]
    invoice = acme.historical(JUNE, JULY, subtotals_with_quantity=subtotals)
    invoice["breakdown_granularity"] = "HOUR"
    return acme.client.v1.contracts.create_historical_invoices(invoices=[invoice], preview=False)


def list_breakdowns(acme: Acme) -> Any:
    import_by_hour(acme)
    return acme.client.v1.customers.invoices.list_breakdowns(
        customer_id=acme.customer_id, starting_on=JUNE, ending_before=SEPTEMBER, window_size="HOUR"
    )


def enter_by_hand(acme: Acme) -> Any:
    commit = acme.commit()
    return acme.client.v1.contracts.add_manual_balance_entry(
        id=commit.id,
        customer_id=acme.customer_id,
        contract_id=acme.contract_id,
        segment_id=commit.access_schedule.schedule_items[0].id,
        amount=-100,
        reason="An outage",
    )


def disable_true_up(acme: Acme) -> Any:
    postpaid: Any = {
        "type": "POSTPAID",
        "product_id": acme.prepaid_usage,
        "access_schedule": ACCESS,
        "invoice_schedule": {"schedule_items": [{"timestamp": END, "amount": 500}]},
    }
    contract = acme.client.v1.contracts.create(
        customer_id=acme.customer_id, rate_card_id=acme.rate_card_id, starting_at=START, commits=[postpaid]
    )
    [commit] = acme.client.v1.contracts.retrieve(
        customer_id=acme.customer_id, contract_id=contract.data.id
    ).data.current.commits
    return acme.client.post(
        "/v1/contracts/commits/disableTrueup",
        body={"customer_id": acme.customer_id, "contract_id": contract.data.id, "commit_id": commit.id},
        cast_to=object,
    )


def update_product(acme: Acme) -> Any:
    products = acme.client.v1.contracts.products
    product, _ = create_priced_product(acme)
    answer = products.update(product_id=product, starting_at=JULY, name="Tokens, all regions", tags=["ai", "metered"])
    assert products.retrieve(id=product).data.current.name == "Tokens, all regions"
    return answer


def preview_events(acme: Acme) -> Any:
    """Usage in credits, of a product that a composite one is a percentage of."""
    client = acme.client.v1
    credits = client.pricing_units.create(name="Credits").data.id
    card = acme.rate_card_id
    client.contracts.rate_cards.update(
        rate_card_id=card,
        add_credit_type_conversions=[{"custom_credit_type_id": credits, "fiat_per_custom_credit": 10}],
    )
    assert client.contracts.rate_cards.retrieve(id=card).data.credit_type_conversions
    product, region = create_priced_product(acme)
    rates = client.contracts.rate_cards.rates
    rate: Any = {"rate_card_id": card, "entitled": True, "starting_at": START}
    rates.add(
        **rate, product_id=product, rate_type="FLAT", price=2, credit_type_id=credits, pricing_group_values=region
    )
    support = client.contracts.products.create(name="Support", type="COMPOSITE", composite_product_ids=[product])
    rates.add(**rate, product_id=support.data.id, rate_type="PERCENTAGE", price=0.5)
    event = {"event_type": "completion", "properties": {"tokens": "3000", "region": "eu"}}
    answer = client.customers.preview_events(customer_id=acme.customer_id, events=[event], mode="replace")
    [invoice] = answer.data
    # 3000 / 1000 * 2 = 6 credits and half of that for support; 9 credits at 10 cents, which the commit pays.
    assert [(line.type, line.total) for line in invoice.line_items][-4:] == [
        ("usage", 6),
        ("usage", 3),
        ("cpu_conversion", 90),
        ("applied_commit_or_credit", -90),
    ]
    return answer


CALLS: dict[str, Callable[[Acme], Any]] = {
    "createCustomer-v1": lambda acme: acme.client.v1.customers.create(name="Globex", ingest_aliases=["globex"]),
    "getCustomer-v1": lambda acme: acme.client.v1.customers.retrieve(customer_id=acme.customer_id),
    "listCustomers-v1": lambda acme: acme.client.v1.customers.list(),
    "archiveCustomer-v1": lambda acme: acme.client.v1.customers.archive(id=acme.customer_id),
    "setCustomerName-v1": lambda acme: acme.client.v1.customers.set_name(
        customer_id=acme.customer_id, name="Acme GmbH"
    ),
    "setIngestAliases-v1": lambda acme: acme.client.v1.customers.set_ingest_aliases(
        customer_id=acme.customer_id, ingest_aliases=["acme", "acme-eu"]
    ),
    "createBillableMetricV1-v1": create_metric,
    "archiveBillableMetric-v1": lambda acme: acme.client.v1.billable_metrics.archive(id=create_metric(acme).data.id),
    "getBillableMetric-v1": lambda acme: acme.client.v1.billable_metrics.retrieve(
        billable_metric_id=acme.ids["billable_metrics"]["API calls"]
    ),
    "listAllBillableMetrics-v1": lambda acme: acme.client.v1.billable_metrics.list(),
    "ingest-v1": lambda acme: acme.client.v1.usage.ingest(
        usage=[
            {
                "transaction_id": "1",
                "customer_id": "acme",
                "event_type": "api_call",
                "timestamp": "2024-08-14T00:00:00Z",
                "properties": {"calls": "5"},
            }
        ]
    ),
    "listCreditTypes-v1": lambda acme: acme.client.v1.pricing_units.list(),
    "createCreditType-v1": lambda acme: acme.client.v1.pricing_units.create(name="Credits"),
    "archiveCreditType-v1": lambda acme: acme.client.v1.pricing_units.archive(
        id=acme.client.v1.pricing_units.create(name="Credits").data.id
    ),
    "createProduct-v1": create_priced_product,
    "updateProduct-v1": update_product,
    "archiveProductListItem-v1": lambda acme: acme.client.v1.contracts.products.archive(
        product_id=create_priced_product(acme)[0]
    ),
    "getProduct-v1": lambda acme: acme.client.v1.contracts.products.retrieve(id=create_priced_product(acme)[0]),
    "listProducts-v1": lambda acme: create_priced_product(acme) and acme.client.v1.contracts.products.list(),
    "createRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.create(
        name="Enterprise", description="For the few", fiat_credit_type_id=USD, aliases=[{"name": "enterprise"}]
    ),
    "getRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.retrieve(id=acme.rate_card_id),
    "listRateCards-v1": lambda acme: acme.client.v1.contracts.rate_cards.list(body={}),
    "updateRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.update(
        rate_card_id=acme.rate_card_id, description="Until 2025", aliases=[{"name": "standard"}]
    ),
    "archiveRateCard-v1": lambda acme: acme.client.v1.contracts.rate_cards.archive(id=acme.rate_card_id),
    "setRateCardProductsOrder-v1": lambda acme: acme.client.v1.contracts.rate_cards.product_orders.set(
        rate_card_id=acme.rate_card_id, product_order=[acme.api_calls]
    ),
    "moveRateCardProducts-v1": lambda acme: acme.client.v1.contracts.rate_cards.product_orders.update(
        rate_card_id=acme.rate_card_id, product_moves=[{"product_id": acme.api_calls, "position": 0}]
    ),
    "addRate-v1": add_rate,
    "addRates-v1": add_rates,
    "getRates-v1": lambda acme: (
        add_rate(acme) and acme.client.v1.contracts.rate_cards.rates.list(rate_card_id=acme.rate_card_id, at=AUGUST)
    ),
    "getRateSchedule-v1": lambda acme: (
        add_rate(acme)
        and acme.client.v1.contracts.rate_cards.retrieve_rate_schedule(
            rate_card_id=acme.rate_card_id, starting_at=AUGUST
        )
    ),
    "createContract-v1": create_contract,
    "getContract-v1": lambda acme: acme.client.v1.contracts.retrieve(
        customer_id=acme.customer_id,
        contract_id=create_contract(acme).data.id,
        include_balance=True,
        include_ledgers=True,
    ),
    "listContracts-v1": lambda acme: with_everything(acme).client.v1.contracts.list(
        customer_id=acme.customer_id, include_balance=True, include_ledgers=True
    ),
    "getContract-v2": lambda acme: acme.client.v2.contracts.retrieve(
        customer_id=acme.customer_id,
        contract_id=create_contract(acme).data.id,
        include_balance=True,
        include_ledgers=True,
    ),
    "listContracts-v2": lambda acme: with_everything(acme).client.v2.contracts.list(
        customer_id=acme.customer_id, include_balance=True, include_ledgers=True
    ),
    "archiveContract-v1": lambda acme: acme.client.v1.contracts.archive(
        customer_id=acme.customer_id, contract_id=acme.contract_id, void_invoices=True
    ),
    "updateContractEndDate-v1": lambda acme: acme.client.v1.contracts.update_end_date(
        customer_id=acme.customer_id, contract_id=acme.contract_id, ending_before="2024-12-01T00:00:00Z"
    ),
    "getContractRateSchedule-v1": lambda acme: (
        add_rate(acme)
        and acme.client.v1.contracts.retrieve_rate_schedule(
            customer_id=acme.customer_id, contract_id=create_contract(acme).data.id
        )
    ),
    "editContract-v2": edit_contract,
    "getContractEditHistory-v2": lambda acme: acme.client.v2.contracts.get_edit_history(**edited(acme)),
    "amendContract-v1": amend,
    "setUsageFilter-v1": lambda acme: acme.client.v1.contracts.set_usage_filter(
        customer_id=acme.customer_id,
        contract_id=acme.client.v1.contracts.create(customer_id=acme.customer_id, starting_at=JULY).data.id,
        group_key="project",
        group_values=["atlas"],
        starting_at=AUGUST,
    ),
    "getSubscriptionQuantityHistory-v1": lambda acme: acme.client.v1.contracts.retrieve_subscription_quantity_history(
        **subscribed(acme, "Platform")
    ),
    "getSubscriptionSeatsHistory-v1": lambda acme: acme.client.v1.contracts.get_subscription_seats_history(
        **subscribed(acme, "Seats"), limit=1
    ),
    "updateInvoiceIssueDate-v1": move_issue_date,
    "scheduleProServicesInvoice-v1": schedule_services,
    "createPackage-v1": create_package,
    "getPackage-v1": lambda acme: acme.client.v1.packages.retrieve(
        package_id=create_package(acme, with_credits=False).data.id
    ),
    "listPackages-v1": lambda acme: (
        create_package(acme, with_credits=False) and acme.client.v1.packages.list(archive_filter="ALL", limit=5)
    ),
    "archivePackage-v1": lambda acme: acme.client.v1.packages.archive(package_id=create_package(acme).data.id),
    "listContractsOnPackage-v1": lambda acme: acme.client.v1.packages.list_contracts_on_package(
        package_id=create_contract_on_package(acme), covering_date=AUGUST
    ),
    "createHistoricalContractUsageInvoices-v1": import_by_hour,
    "listInvoices-v1": lambda acme: with_everything(acme).client.v1.customers.invoices.list(
        customer_id=acme.customer_id
    ),
    "getInvoice-v1": lambda acme: acme.client.v1.customers.invoices.retrieve(
        customer_id=acme.customer_id, invoice_id=acme.invoices()[0].id
    ),
    "listBreakdownInvoices-v1": list_breakdowns,
    "previewCustomerEvents-v1": preview_events,
    "voidInvoice-v1": void,
    "regenerateInvoice-v1": regenerate,
    "createCustomerCommit-v1": create_commit,
    "listCustomerCommits-v1": lambda acme: (
        create_commit(acme)
        and acme.client.v1.customers.commits.list(
            customer_id=acme.customer_id, include_contract_commits=True, include_balance=True, include_ledgers=True
        )
    ),
    "createCustomerCredit-v1": create_credit,
    "listCustomerCredits-v1": lambda acme: (
        create_credit(acme)
        and acme.client.v1.customers.credits.list(
            customer_id=acme.customer_id, include_contract_credits=True, include_balance=True, include_ledgers=True
        )
    ),
    "listCustomerBalances-v1": lambda acme: (
        create_credit(acme)
        and create_commit(acme)
        and with_everything(acme).client.v1.contracts.list_balances(
            customer_id=acme.customer_id, include_contract_balances=True, include_balance=True, include_ledgers=True
        )
    ),
    "getNetBalance-v1": lambda acme: acme.client.v1.contracts.get_net_balance(
        customer_id=acme.customer_id,
        invoice_inclusion_mode="FINALIZED",
        filters=[{"balance_types": ["PREPAID_COMMIT"]}],
    ),
    "addManualBalanceLedgerEntry-v1": enter_by_hand,
    "listSeatBalances-v1": share_out,
    "editCommit-v2": lambda acme: acme.client.v2.contracts.edit_commit(
        customer_id=acme.customer_id, commit_id=acme.commit().id, name="Renamed", priority=None
    ),
    "editCredit-v2": lambda acme: acme.client.v2.contracts.edit_credit(
        customer_id=acme.customer_id, credit_id=create_credit(acme).data.id, specifiers=None
    ),
    "archiveCommit-v2": lambda acme: acme.client.post(
        "/v2/contracts/commits/archive",
        body={"customer_id": acme.customer_id, "commit_id": create_free_commit(acme).data.id},
        cast_to=object,
    ),
    "archiveCredit-v2": lambda acme: acme.client.post(
        "/v2/contracts/credits/archive",
        body={"customer_id": acme.customer_id, "credit_id": create_credit(acme).data.id},
        cast_to=object,
    ),
    "updateCommitEndDate-v1": lambda acme: acme.client.v1.customers.commits.update_end_date(
        customer_id=acme.customer_id, commit_id=create_commit(acme).data.id, access_ending_before=SEPTEMBER
    ),
    "updateCreditEndDate-v1": lambda acme: acme.client.v1.customers.credits.update_end_date(
        customer_id=acme.customer_id, credit_id=create_credit(acme).data.id, access_ending_before=SEPTEMBER
    ),
    "disableCommitTrueup-v1": disable_true_up,
    "releaseExternalPaymentGateThresholdCommit-v1": release_payment,
}


def billing_operations() -> set[str]:
    described = {operation.operation_id for operation in Document.load().operations()}
    return described & HANDLERS.keys()


def test_subscriptions_are_in_every_answer_that_may_have_them(acme: Acme):
    contract = subscribe(acme).data
    assert len(contract.subscriptions or []) == 3
    of_this: Any = {"customer_id": acme.customer_id, "contract_id": contract.id}

    older = acme.client.v1.contracts.retrieve(**of_this).data
    assert [each.id for each in older.subscriptions or []] == [each.id for each in contract.subscriptions or []]
    [edit] = acme.client.v2.contracts.get_edit_history(**of_this).data
    assert (len(edit.add_subscriptions or []), len(edit.update_subscriptions or [])) == (1, 2)
    lines = [line for one in acme.invoices(contract_id=contract.id) for line in one.line_items]
    billed = {line.subscription_id for line in lines if line.type == "subscription"}
    assert billed == {each.id for each in contract.subscriptions or []}
    rates = acme.client.v1.contracts.retrieve_rate_schedule(**of_this).data
    assert [rate.billing_frequency for rate in rates if rate.product_name == "Seat"] == ["MONTHLY"]


def test_subscriptions_of_a_package_are_those_of_its_contracts(acme: Acme):
    package = acme.client.v1.packages.retrieve(package_id=create_package(acme, with_credits=False).data.id).data
    first, second = package.subscriptions or []
    assert (first.starting_at_offset and first.starting_at_offset.value, first.initial_quantity) == (2, 5)
    linked = [each.subscription_config for each in package.recurring_credits or [] if each.subscription_config]
    assert [each.subscription_template_id for each in linked] == [second.id]

    made = acme.client.v1.contracts.create(customer_id=acme.customer_id, starting_at=JULY, package_id=package.id)
    contract = acme.client.v1.contracts.retrieve(customer_id=acme.customer_id, contract_id=made.data.id).data
    platform, seats = contract.subscriptions or []
    # From July 1: two weeks later, and three months from there.
    assert str(platform.starting_at) == "2024-07-15 00:00:00+00:00"
    assert str(platform.ending_before) == "2024-10-15 00:00:00+00:00"
    assert [each.quantity for each in seats.quantity_schedule] == [2]


def test_no_operation_is_left_out():
    assert CALLS.keys() == billing_operations()


@pytest.mark.parametrize("operation_id", CALLS)
def test_the_answer_fits_the_model_of_the_sdk(acme: Acme, operation_id: str):
    answer = CALLS[operation_id](acme)

    assert getattr(answer, "data", "none") != []
    journal: Any = acme.client.get("/sandbox/requests", cast_to=object)
    calls = {(call["operation_id"], call["status"]) for call in journal["data"]}
    assert (operation_id, 200) in calls
    assert {status for _, status in calls} == {200}
    assert [call for call in journal["data"] if call["findings"]] == []
