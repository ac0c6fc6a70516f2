"""The tables, once for SQLite and PostgreSQL. Times are UTC, in whole milliseconds since 1970: exact, sortable, the
same in both.

Nothing here holds PHI in the clear: ids are keyed hashes; answers, comments and what a finding stood at are sealed; cards
are remembered by the rules and prompts that spoke, not by what they said. Lists stand as JSON text. Rows that have an expiry (answers,
quietness, token ids, assessments with their jobs and snapshots) are deleted when it comes; audit, feedback and issued
cards when the days the site keeps them are over (settings; for good if it names none).

The table ``alembic_version`` is declared as alembic declares it: a fresh database is made from here and stamped with
``HEAD`` without importing alembic.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

HEAD = "0005"  # the newest revision of migrations/versions; revisions are numbered in order

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s",
    }
)


def _text(name: str, *, index: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, index=index, primary_key=key)


def _moment(name: str, *, index: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=False, index=index)


issued_card = Table(
    "issued_card",
    metadata,
    _text("uuid", key=True),
    _text("client"),
    _text("service"),
    _text("indicator"),
    _text("rules"),  # ["rule-id@version", …]
    _text("prompt"),
    _text("engine"),
    _text("pack"),  # hash of the rule pack
    _text("suggestions"),  # [suggestion uuid, …]
    _text("user_key"),  # keyed hash
    Column("shown", LargeBinary, nullable=True),  # to whom, which findings at which value, sealed
    _moment("issued_at", index=True),
)

feedback = Table(
    "feedback",
    metadata,
    _text("id", key=True),  # hash of the entry: the same entry sent twice is one row
    _text("card", index=True),
    _text("client"),
    _text("service"),
    _text("outcome"),  # accepted, overridden
    _text("reasons"),  # [{"code", "system"}, …]
    Column("words", LargeBinary, nullable=True),  # comment and displays, sealed: people write names into them
    _text("suggestions"),  # [accepted suggestion uuid, …]
    _text("rules"),  # copied from the card
    _text("prompt"),
    _text("engine"),
    _text("user_key"),
    Column("known", Boolean, nullable=False),  # False: no card of this client had the uuid when it came
    _moment("outcome_at", index=True),
    _moment("received_at"),
)

answer = Table(
    "answer",
    metadata,
    _text("key", key=True),  # keyed hash of client, service, hookInstance
    _text("request"),  # keyed hash of the request body
    Column("sealed", LargeBinary, nullable=False),
    _moment("expires_at", index=True),
)

token_id = Table("token_id", metadata, _text("id", key=True), _moment("expires_at", index=True))  # keyed hash of a jti

switch = Table("switch", metadata, _text("name", key=True), _text("state"), _text("changed_by"), _moment("changed_at"))

audit_event = Table(
    "audit_event",
    metadata,
    _text("id", key=True),
    _moment("at", index=True),
    _text("kind"),  # hook, feedback, switch, refused
    _text("client"),
    _text("service"),
    _text("outcome"),
    _text("patient", index=True),  # keyed hash
    _text("detail"),  # the whole event as JSON
)

quiet = Table(
    "quiet",
    metadata,
    _text("who", key=True),  # keyed hash of client, user, patient; of client, patient for answers to critical findings
    _text("finding", key=True),  # keyed hash of who, rule topic, finding key
    Column("sealed", LargeBinary, nullable=False),  # how bad it was then; who answered a critical one
    _text("outcome"),
    _moment("until", index=True),
)

assessment = Table(
    "assessment",
    metadata,
    _text("key", key=True),  # keyed hash of everything the result depends on, tenant first
    Column("sealed", LargeBinary, nullable=False),
    _moment("expires_at", index=True),
)

assessment_job = Table(
    "assessment_job",
    metadata,
    _text("key", key=True),  # of the assessment it makes
    _text("task"),
    _text("state", index=True),  # queued, running, done, failed, shed
    _text("reason"),  # why it failed or was shed, in words of ours
    Column("attempts", BigInteger, nullable=False),
    Column("round", BigInteger, nullable=False),  # counts anew each time a spent key is asked for again
    _moment("queued_at"),
    _moment("changed_at"),
    _moment("expires_at", index=True),
)

assessment_snapshot = Table(
    "assessment_snapshot",
    metadata,
    _text("key", key=True),
    Column("sealed", LargeBinary, nullable=False),  # the record as the call saw it; gone when the job has ended
    _moment("expires_at", index=True),
)

executor = Table("executor", metadata, _text("id", key=True), _moment("beat_at", index=True))  # processes that run jobs

draft = Table(
    "draft",
    metadata,
    _text("id", key=True),  # keyed hash of tenant, study, prompts, engine
    _text("study", index=True),  # keyed hash of tenant, study
    _text("state"),  # waiting, accepted, edited, rejected
    _moment("version"),
    _moment("busy_until"),  # somebody is writing it to the record until then
    _moment("created_at", index=True),
    Column("sealed", LargeBinary, nullable=False),
)

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
