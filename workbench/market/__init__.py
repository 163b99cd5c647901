"""Market data: import, check, store, snapshot."""
