"""Billing histories of companies that never were, from a seed: catalog, customers, contracts, invoices."""
