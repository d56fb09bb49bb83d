"""Run by Alembic: applies the steps on the connection that the caller has opened."""

from alembic import context

from gateway.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
