"""The relational store: one schema on SQLite and PostgreSQL, its migrations, and how it is opened."""

from workbench.store.engines import database_name, open_store, read_only, upgrade, writing_connection
from workbench.store.errors import NewerDatabaseError, StoreMissingError, StoreUrlError

__all__ = [
    "NewerDatabaseError",
    "StoreMissingError",
    "StoreUrlError",
    "database_name",
    "open_store",
    "read_only",
    "upgrade",
    "writing_connection",
]
