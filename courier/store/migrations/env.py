"""Alembic's entry: runs revisions on the engine that `courier.store.session.migrate` hands over."""

from alembic import context

from courier.store.tables import Table

with context.config.attributes["engine"].connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
