"""Where a tenant's values are kept: a small interface and its in-memory form."""
