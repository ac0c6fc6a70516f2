"""Quietness: findings a user has overridden or accepted, and what an issued card showed to whom, as keyed hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A new table, and a column of issued_card that is empty for the cards already issued: those quiet nothing."""
    op.create_table(
        "quiet",
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("worse", sa.Float, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("who", "finding", name="pk_quiet"),
    )
    op.create_index("ix_quiet_until", "quiet", ["until"])
    with op.batch_alter_table("issued_card") as table:
        table.add_column(sa.Column("quiet", sa.Text, nullable=False, server_default=""))
    with op.batch_alter_table("issued_card") as table:
        table.alter_column("quiet", existing_type=sa.Text(), existing_nullable=False, server_default=None)
