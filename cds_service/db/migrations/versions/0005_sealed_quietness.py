"""What a finding stood at is sealed: beside a keyed hash a bare eGFR is still something of a patient."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The figures in the clear go away for good. So what was quiet is shown once more, the safe way round: a day of
    answers to warnings, a week of answers to critical findings; cards issued before quiet nothing."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA secure_delete = ON")  # no figure stays in the file's free pages
    op.drop_table("quiet")
    op.create_table(
        "quiet",
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("who", "finding", name="pk_quiet"),
    )
    op.create_index("ix_quiet_until", "quiet", ["until"])
    with op.batch_alter_table("issued_card") as table:
        table.drop_column("quiet")
        table.add_column(sa.Column("shown", sa.LargeBinary, nullable=True))
