"""An account hierarchy through the SDK: a parent's commit pays for a child's usage."""

from __future__ import annotations

from typing import Any

from e2e.sdk import AUGUST, SEPTEMBER, Acme


def test_a_parent_shares_its_commit_with_a_child(acme: Acme):
    client = acme.client
    group = client.v1.customers.create(name="Group").data.id
    commit: Any = {
        "type": "PREPAID",
        "product_id": acme.prepaid_usage,
        "name": "Shared",
        "access_schedule": {"schedule_items": [{"amount": 4500, "starting_at": AUGUST, "ending_before": SEPTEMBER}]},
        "hierarchy_configuration": {"child_access": {"type": "ALL"}},
    }
    parent = client.v1.contracts.create(
        customer_id=group, rate_card_id=acme.rate_card_id, starting_at=AUGUST, commits=[commit]
    ).data.id
    child = client.v1.contracts.create(
        customer_id=acme.customer_id,
        rate_card_id=acme.rate_card_id,
        starting_at=AUGUST,
        hierarchy_configuration={"parent": {"customer_id": group, "contract_id": parent}, "payer": "PARENT"},
    ).data.id

    [invoice] = [one for one in acme.invoices(status="DRAFT") if one.contract_id == child]
    assert (invoice.payer.customer_id, invoice.payer.contract_id) == (group, parent)
    hierarchy: Any = client.v2.contracts.retrieve(customer_id=group, contract_id=parent).data.hierarchy_configuration
    assert [(one.customer_id, one.contract_id) for one in hierarchy.children] == [(acme.customer_id, child)]
    [shared] = client.v1.contracts.list_balances(
        customer_id=group, include_contract_balances=True, include_balance=True, include_ledgers=True
    )
    drawn = [entry for entry in shared.ledger if entry.type == "PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION"]
    assert [(entry.contract_id, entry.invoice_id) for entry in drawn] == [(child, invoice.id)]
    assert (drawn[0].amount, shared.balance) == (-3000, 1500)  # the scenario's 3 calls at 1000 each
    paid = [line for line in invoice.line_items if line.type == "applied_commit_or_credit"]
    assert [(line.total, line.applied_commit_or_credit.id) for line in paid] == [(-3000, shared.id)]
