"""Which function answers which operation: the whole API on one screen.

The key is the contract's ``operationId``, the value a function of ``api/handlers/<tag>.py``. An operation of the
contract that is missing here answers 501 and names itself, so a row is added when the imitation is good, not before.
"""

from __future__ import annotations

from metronome_sandbox.api.handlers import (
    balances,
    billable_metrics,
    contracts,
    control,
    credit_types,
    customers,
    invoices,
    products,
    rate_cards,
    usage,
)
from metronome_sandbox.api.requests import Handler

HANDLERS: dict[str, Handler] = {
    # Customers
    "createCustomer-v1": customers.create_customer,
    "getCustomer-v1": customers.get_customer,
    "listCustomers-v1": customers.list_customers,
    "archiveCustomer-v1": customers.archive_customer,
    # Billable metrics, usage
    "createBillableMetricV1-v1": billable_metrics.create_billable_metric,
    "getBillableMetric-v1": billable_metrics.get_billable_metric,
    "listAllBillableMetrics-v1": billable_metrics.list_billable_metrics,
    "ingest-v1": usage.ingest,
    # Settings
    "listCreditTypes-v1": credit_types.list_credit_types,
    # Products
    "createProduct-v1": products.create_product,
    "getProduct-v1": products.get_product,
    "listProducts-v1": products.list_products,
    # Rate cards
    "createRateCard-v1": rate_cards.create_rate_card,
    "getRateCard-v1": rate_cards.get_rate_card,
    "listRateCards-v1": rate_cards.list_rate_cards,
    "addRate-v1": rate_cards.add_rate,
    "addRates-v1": rate_cards.add_rates,
    "getRates-v1": rate_cards.get_rates,
    "getRateSchedule-v1": rate_cards.get_rate_schedule,
    # Contracts
    "createContract-v1": contracts.create_contract,
    "getContract-v1": contracts.get_contract_v1,
    "listContracts-v1": contracts.list_contracts_v1,
    "getContract-v2": contracts.get_contract_v2,
    "listContracts-v2": contracts.list_contracts_v2,
    "archiveContract-v1": contracts.archive_contract,
    "updateContractEndDate-v1": contracts.update_contract_end_date,
    "getContractRateSchedule-v1": contracts.get_contract_rate_schedule,
    "createHistoricalContractUsageInvoices-v1": invoices.create_historical_invoices,
    # Invoices
    "listInvoices-v1": invoices.list_invoices,
    "getInvoice-v1": invoices.get_invoice,
    "listBreakdownInvoices-v1": invoices.list_breakdowns,
    "voidInvoice-v1": invoices.void_invoice,
    "regenerateInvoice-v1": invoices.regenerate_invoice,
    # Credits and commits
    "createCustomerCommit-v1": balances.create_customer_commit,
    "listCustomerCommits-v1": balances.list_customer_commits,
    "createCustomerCredit-v1": balances.create_customer_credit,
    "listCustomerCredits-v1": balances.list_customer_credits,
    "listCustomerBalances-v1": balances.list_customer_balances,
    "getNetBalance-v1": balances.get_net_balance,
    # The control plane
    "getHealth": control.get_health,
    "getClock": control.get_clock,
    "setClock": control.set_clock,
    "advanceClock": control.advance_clock,
    "resetTenant": control.reset_tenant,
    "getSnapshot": control.get_snapshot,
    "restoreSnapshot": control.restore_snapshot,
    "loadScenario": control.load_scenario,
    "listRequests": control.list_requests,
    "clearRequests": control.clear_requests,
}
"""operationId -> handler."""
