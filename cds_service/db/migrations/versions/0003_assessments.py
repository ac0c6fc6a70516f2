"""Assessments: a model's checked results by key, the jobs that make them, the snapshots these work from, who runs them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Four new tables; nothing that stands is touched."""
    op.create_table(
        "assessment",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_assessment"),
    )
    op.create_index("ix_assessment_expires_at", "assessment", ["expires_at"])
    op.create_table(
        "assessment_job",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("round", sa.BigInteger, nullable=False),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_assessment_job"),
    )
    op.create_index("ix_assessment_job_state", "assessment_job", ["state"])
    op.create_index("ix_assessment_job_expires_at", "assessment_job", ["expires_at"])
    op.create_table(
        "assessment_snapshot",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_assessment_snapshot"),
    )
    op.create_index("ix_assessment_snapshot_expires_at", "assessment_snapshot", ["expires_at"])
    op.create_table(
        "executor",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_executor"),
    )
    op.create_index("ix_executor_beat_at", "executor", ["beat_at"])
