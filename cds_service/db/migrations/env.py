"""Alembic's entry: runs the migrations on the Engine of ``cds_service.db.migrate``, in one transaction, in turn."""

from alembic import context

from cds_service.db.models import metadata
from cds_service.db.schema import take_turn

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        take_turn(connection)
        context.run_migrations()
