"""What a hook call leaves behind: issued cards, feedback, answers for retries, token ids, switches, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _moment(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _table(name: str, key: str, *columns: sa.Column, indexes: tuple[str, ...] = ()) -> None:  # type: ignore[type-arg]
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(key, name=f"pk_{name}"))
    for column in indexes:
        op.create_index(f"ix_{name}_{column}", name, [column])


def upgrade() -> None:
    """Six tables; ids are keyed hashes, times milliseconds since 1970 (UTC)."""
    _table(
        "issued_card",
        "uuid",
        *_texts("uuid", "client", "service", "indicator", "rules", "prompt", "engine", "pack", "suggestions"),
        *_texts("user_key"),
        _moment("issued_at"),
        indexes=("issued_at",),
    )
    _table(
        "feedback",
        "id",
        *_texts("id", "card", "client", "service", "outcome", "reasons"),
        sa.Column("words", sa.LargeBinary, nullable=True),
        *_texts("suggestions", "rules", "prompt", "engine", "user_key"),
        sa.Column("known", sa.Boolean, nullable=False),
        _moment("outcome_at"),
        _moment("received_at"),
        indexes=("card", "outcome_at"),
    )
    _table(
        "answer",
        "key",
        *_texts("key", "request"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _moment("expires_at"),
        indexes=("expires_at",),
    )
    _table("token_id", "id", *_texts("id"), _moment("expires_at"), indexes=("expires_at",))
    _table("switch", "name", *_texts("name", "state", "changed_by"), _moment("changed_at"))
    _table(
        "audit_event",
        "id",
        *_texts("id"),
        _moment("at"),
        *_texts("kind", "client", "service", "outcome", "patient", "detail"),
        indexes=("at", "patient"),
    )
