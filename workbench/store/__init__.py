"""The relational store: one schema, its migrations, SQLite and PostgreSQL."""
