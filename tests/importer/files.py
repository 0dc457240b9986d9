"""Old files and mappings as tests write them down."""

from __future__ import annotations

from pathlib import Path

from importer.targets import Target, acme

from metronome_sandbox.importer.findings import Unusable
from metronome_sandbox.importer.legacy import Finding, LegacyInvoice, LegacyLine
from metronome_sandbox.importer.mapping import load_mapping
from metronome_sandbox.importer.staging import Staging, stage

MAPPING = """\
decimal_mark: point
units: dollars
invoice_number: invoice
customer: {column: customer, by: name}
product: {column: product, by: name}
quantity: quantity
amount: amount
date: day
period: month
issue_date: {days_after_period: 2}
"""

HEADER = "invoice,customer,product,quantity,amount,day"


class Desk:
    """A folder with an old file and a mapping, and a target that they are held against."""

    def __init__(self, folder: Path, target: Target | None = None) -> None:
        self.folder = folder
        self.target = target or acme()
        self.mapping = MAPPING

    def without(self, *fields: str) -> Desk:
        """Take fields out of the mapping."""
        kept = (line for line in self.mapping.splitlines() if line.partition(":")[0] not in fields)
        self.mapping = "\n".join(kept) + "\n"
        return self

    def saying(self, *lines: str) -> Desk:
        """Put fields into the mapping, in place of those of the same name."""
        self.without(*(line.partition(":")[0] for line in lines))
        self.mapping += "\n".join(lines) + "\n"
        return self

    def read(self, content: str | bytes, name: str = "legacy.csv") -> Staging:
        """Stage a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.read_file(path)

    def read_file(self, path: Path) -> Staging:
        mapping = self.folder / "mapping.yaml"
        mapping.write_text(self.mapping, encoding="utf-8")
        return stage(path, load_mapping(mapping), self.target.catalog, self.folder / "work")

    def rows(self, *rows: str, header: str = HEADER) -> Staging:
        """Stage a file of CSV."""
        return self.read("\n".join((header, *rows)) + "\n")

    def problems(self, *rows: str, header: str = HEADER) -> list[str]:
        """Return what is found in a file of CSV."""
        return told(self.rows(*rows, header=header))

    def refused(self) -> list[str]:
        """Return what is found in the mapping."""
        mapping = self.folder / "mapping.yaml"
        mapping.write_text(self.mapping, encoding="utf-8")
        try:
            load_mapping(mapping)
        except Unusable as unusable:
            return [shown(finding) for finding in unusable.findings]
        return []


def told(staging: Staging) -> list[str]:
    """Return the findings as a reader would quote them."""
    return [shown(finding) for finding in staging.findings]


def shown(finding: Finding) -> str:
    place = " ".join(str(part) for part in (finding.line, finding.column, finding.value) if part is not None)
    return f"{place}: {finding.problem}"


def only(staging: Staging) -> LegacyInvoice:
    """Return the invoice of a file that has one and is fine."""
    assert told(staging) == []
    [invoice] = staging.invoices()
    return invoice


def line(invoice: LegacyInvoice) -> LegacyLine:
    [one] = invoice.lines
    return one
