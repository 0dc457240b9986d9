"""Old invoices into a contract: read, previewed, reconciled with what they were, then applied."""
