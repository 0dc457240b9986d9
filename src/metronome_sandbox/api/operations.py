"""Which function answers which operation: the whole API on one screen.

The key is the contract's ``operationId``, the value a function of ``api/handlers/<tag>.py``. An operation of the
contract that is missing here answers 501 and names itself, so a row is added when the imitation is good, not before.
"""

from __future__ import annotations

from metronome_sandbox.api.handlers import (
    balances,
    billable_metrics,
    contract_edits,
    contracts,
    control,
    credit_types,
    customers,
    explanations,
    faults,
    invoices,
    packages,
    payment_gates,
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
    "setCustomerName-v1": customers.set_customer_name,
    "setIngestAliases-v1": customers.set_ingest_aliases,
    # Billable metrics, usage
    "createBillableMetricV1-v1": billable_metrics.create_billable_metric,
    "getBillableMetric-v1": billable_metrics.get_billable_metric,
    "listAllBillableMetrics-v1": billable_metrics.list_billable_metrics,
    "archiveBillableMetric-v1": billable_metrics.archive_billable_metric,
    "ingest-v1": usage.ingest,
    # Settings
    "listCreditTypes-v1": credit_types.list_credit_types,
    "createCreditType-v1": credit_types.create_credit_type,
    "archiveCreditType-v1": credit_types.archive_credit_type,
    # Products
    "createProduct-v1": products.create_product,
    "getProduct-v1": products.get_product,
    "listProducts-v1": products.list_products,
    "updateProduct-v1": products.update_product,
    "archiveProductListItem-v1": products.archive_product,
    # Rate cards
    "createRateCard-v1": rate_cards.create_rate_card,
    "getRateCard-v1": rate_cards.get_rate_card,
    "listRateCards-v1": rate_cards.list_rate_cards,
    "addRate-v1": rate_cards.add_rate,
    "addRates-v1": rate_cards.add_rates,
    "getRates-v1": rate_cards.get_rates,
    "getRateSchedule-v1": rate_cards.get_rate_schedule,
    "updateRateCard-v1": rate_cards.update_rate_card,
    "archiveRateCard-v1": rate_cards.archive_rate_card,
    "setRateCardProductsOrder-v1": rate_cards.set_product_order,
    "moveRateCardProducts-v1": rate_cards.move_products,
    # Contracts
    "createContract-v1": contracts.create_contract,
    "getContract-v1": contracts.get_contract_v1,
    "listContracts-v1": contracts.list_contracts_v1,
    "getContract-v2": contracts.get_contract_v2,
    "listContracts-v2": contracts.list_contracts_v2,
    "archiveContract-v1": contracts.archive_contract,
    "updateContractEndDate-v1": contracts.update_contract_end_date,
    "getContractRateSchedule-v1": contracts.get_contract_rate_schedule,
    "editContract-v2": contract_edits.edit_contract,
    "getContractEditHistory-v2": contract_edits.get_edit_history,
    "amendContract-v1": contract_edits.amend_contract,
    "setUsageFilter-v1": contract_edits.set_usage_filter,
    "updateInvoiceIssueDate-v1": contract_edits.update_invoice_issue_date,
    "scheduleProServicesInvoice-v1": contract_edits.schedule_pro_services_invoice,
    "createHistoricalContractUsageInvoices-v1": invoices.create_historical_invoices,
    # Packages
    "createPackage-v1": packages.create_package,
    "getPackage-v1": packages.get_package,
    "listPackages-v1": packages.list_packages,
    "archivePackage-v1": packages.archive_package,
    "listContractsOnPackage-v1": packages.list_contracts_on_package,
    # Invoices
    "listInvoices-v1": invoices.list_invoices,
    "getInvoice-v1": invoices.get_invoice,
    "listBreakdownInvoices-v1": invoices.list_breakdowns,
    "voidInvoice-v1": invoices.void_invoice,
    "regenerateInvoice-v1": invoices.regenerate_invoice,
    "previewCustomerEvents-v1": invoices.preview_events,
    # Credits and commits
    "createCustomerCommit-v1": balances.create_customer_commit,
    "listCustomerCommits-v1": balances.list_customer_commits,
    "createCustomerCredit-v1": balances.create_customer_credit,
    "listCustomerCredits-v1": balances.list_customer_credits,
    "listCustomerBalances-v1": balances.list_customer_balances,
    "getNetBalance-v1": balances.get_net_balance,
    "addManualBalanceLedgerEntry-v1": balances.add_manual_balance_ledger_entry,
    "editCommit-v2": balances.edit_commit,
    "editCredit-v2": balances.edit_credit,
    "archiveCommit-v2": balances.archive_commit,
    "archiveCredit-v2": balances.archive_credit,
    "updateCommitEndDate-v1": balances.update_commit_end_date,
    "updateCreditEndDate-v1": balances.update_credit_end_date,
    "disableCommitTrueup-v1": balances.disable_commit_true_up,
    "releaseExternalPaymentGateThresholdCommit-v1": payment_gates.release_payment,
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
    "listFaults": faults.list_faults,
    "createFault": faults.create_fault,
    "clearFaults": faults.clear_faults,
    "listPayments": payment_gates.list_payments,
    "explainInvoice": explanations.explain_invoice,
}
"""operationId -> handler."""
