"""What the target has already, where an old invoice wants to be.

The start of ``invoice_generation_starting_at`` cannot be read from the API, but what it makes can: a draft or a final
invoice stands in every period from then on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from metronome_sandbox.importer.conversion import shown
from metronome_sandbox.importer.findings import Findings
from metronome_sandbox.importer.legacy import LegacyInvoice
from metronome_sandbox.importer.staging import Progress, Staging
from metronome_sandbox.importer.target_catalog import TargetCatalog, TargetInvoice
from metronome_sandbox.importer.watch import CUSTOMERS


def check_existing(
    staging: Staging,
    catalog: TargetCatalog,
    is_ours: Callable[[LegacyInvoice, TargetInvoice], bool] = lambda _, __: False,
    progress: Progress = lambda _, __: None,
) -> Findings:
    """Return a finding for each old invoice whose time an invoice of the same contract has already.

    Args:
        is_ours: Whether that invoice is this one, imported by a run before; then it is in nobody's way.

    Raises:
        CannotAsk: The target does not answer.

    Source: reference, section 1.4.
    """
    findings = Findings(str(staging.path))
    for number, customer_id in enumerate(staging.customers(), 1):
        there: dict[str, list[TargetInvoice]] = {}
        for invoice in sorted(catalog.invoices(customer_id), key=lambda one: one.starting_at):
            there.setdefault(invoice.contract_id, []).append(invoice)
        for line, legacy in staging.of_customer(customer_id) if there else ():
            for invoice in _sharing(there.get(legacy.contract_id, ()), legacy):
                if not is_ours(legacy, invoice):
                    findings.add(line, "period", _shown(legacy), _problem(legacy, invoice))
        progress(CUSTOMERS, number)
    return findings


def _sharing(there: Sequence[TargetInvoice], legacy: LegacyInvoice) -> Sequence[TargetInvoice]:
    """Return which of the invoices of a contract, sorted by start, share time with an old one."""
    before = bisect_right(there, legacy.ending_before, key=lambda one: one.starting_at)
    return [
        one
        for one in there[:before]
        if one.ending_before > legacy.starting_at and one.starting_at < legacy.ending_before
    ]


def _problem(legacy: LegacyInvoice, invoice: TargetInvoice) -> str:
    what = f"shares time with invoice {invoice.id} of the same contract"
    if invoice.status == "DRAFT":
        return (
            f"{what}, a draft that the target makes by itself; create the contract with "
            f"usage_statement_schedule.invoice_generation_starting_at {legacy.ending_before:%Y-%m-%d} or later"
        )
    return f"{what}, which is there already ({invoice.status}); void it to import the period again"


def _shown(legacy: LegacyInvoice) -> str:
    return f"{legacy.number}: {shown(int(legacy.starting_at.timestamp()), int(legacy.ending_before.timestamp()))}"
