"""Alembic's entry: runs the revisions on the connection that `workbench.store.engines` gives."""

from alembic import context

from workbench.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's DDL is transactional too: a migration is done whole or not at all
)
with context.begin_transaction():
    context.run_migrations()
