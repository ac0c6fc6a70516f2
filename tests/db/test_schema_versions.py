"""The schema: made fresh without alembic, migrated in a process of its own, equal either way."""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, inspect, select, update

from cds_service.db import models, schema
from cds_service.db.engine import open_engine
from cds_service.db.migrate import configuration, upgrade
from cds_service.errors import ConfigurationError


def shape(engine: Engine) -> dict[str, Any]:
    """Everything of the schema that could differ, without the order of columns."""
    with engine.connect() as connection:
        look = inspect(connection)
        return {
            table: {
                "columns": sorted(
                    (c["name"], str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)
                ),
                "key": look.get_pk_constraint(table)["constrained_columns"],
                "key name": look.get_pk_constraint(table)["name"],
                "indexes": sorted((i["name"], i["column_names"], i["unique"]) for i in look.get_indexes(table)),
            }
            for table in look.get_table_names()
        }


def test_a_fresh_database_is_stamped_with_the_newest_revision(database_url: str) -> None:
    engine = open_engine(database_url)
    schema.prepare(engine)
    with engine.connect() as connection:
        assert schema.revision(connection) == models.HEAD
    assert ScriptDirectory.from_config(configuration()).get_current_head() == models.HEAD
    engine.dispose()


def test_fresh_and_migrated_schemas_are_equal(database_url: str, tmp_path: Path) -> None:
    migrated = open_engine(database_url)
    upgrade(migrated)
    found = shape(migrated)
    with migrated.begin() as connection:
        models.metadata.drop_all(connection)
    schema.prepare(migrated)
    assert found == shape(migrated)
    assert set(found) == set(models.metadata.tables)
    migrated.dispose()


def test_an_old_schema_is_migrated_at_start_and_keeps_its_rows(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine, "0001")
    switch = {"name": "ai", "state": "off", "changed_by": "someone", "changed_at": 1}
    with engine.begin() as connection:
        connection.execute(insert(models.switch), switch)
    schema.prepare(engine)
    with engine.connect() as connection:
        assert schema.revision(connection) == models.HEAD
        assert dict(connection.execute(select(models.switch)).mappings().one()) == switch
    engine.dispose()


def test_cards_issued_before_quietness_was_known_quiet_nothing(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine, "0001")
    old = {c.name: "" for c in models.issued_card.columns if c.name != "shown"} | {"uuid": "u", "issued_at": 1}
    names = ", ".join(old)
    with engine.begin() as connection:
        values = ", ".join("1" if name == "issued_at" else f"'{value}'" for name, value in old.items())
        connection.exec_driver_sql(f"INSERT INTO issued_card ({names}) VALUES ({values})")
    schema.prepare(engine)
    with engine.connect() as connection:
        assert connection.execute(select(models.issued_card.c.shown)).scalar_one() is None
    engine.dispose()


def test_figures_that_stood_beside_keyed_hashes_leave_the_database(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine, "0004")
    card = {c.name: "'a'" for c in models.issued_card.columns if c.name != "shown"} | {"issued_at": "1"}
    shown = """'{"who": "a", "findings": [["b", 28.625]]}'"""
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO quiet VALUES ('a', 'b', 28.625, 'overridden', 9000000000000)")
        connection.exec_driver_sql(
            f"INSERT INTO issued_card ({', '.join(card)}, quiet) VALUES ({', '.join(card.values())}, {shown})"
        )
    schema.prepare(engine)
    with engine.connect() as connection:
        assert connection.execute(select(models.quiet)).all() == []
        assert connection.execute(select(models.issued_card.c.uuid, models.issued_card.c.shown)).all() == [("a", None)]
    engine.dispose()
    if file := engine.url.database if engine.dialect.name == "sqlite" else None:
        assert struct.pack(">d", 28.625) not in Path(file).read_bytes()
        assert b"28.625" not in Path(file).read_bytes()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    engine = open_engine(database_url)
    schema.prepare(engine)
    with engine.begin() as connection:
        connection.execute(update(models.alembic_version).values(version_num="9999"))
    with pytest.raises(ConfigurationError, match="start a newer version"):
        schema.prepare(engine)
    engine.dispose()


def test_tables_without_a_stamp_are_refused(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        models.switch.create(connection)
    with pytest.raises(ConfigurationError, match="without a schema version"):
        schema.prepare(engine)
    engine.dispose()


def test_processes_that_start_together_on_a_fresh_database_make_it_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as together:
        list(together.map(schema.prepare, engines))
    with engines[0].connect() as connection:
        assert connection.execute(select(models.alembic_version)).all() == [(models.HEAD,)]
    for engine in engines:
        engine.dispose()


def test_a_failing_migration_refuses_to_start_and_never_shows_the_password(tmp_path: Path) -> None:
    engine = open_engine("postgresql://someone:hunter2@127.0.0.1:1/none")
    with pytest.raises(ConfigurationError, match="could not be migrated") as refused:
        schema.migrate(engine)
    assert "hunter2" not in refused.value.message
    engine.dispose()


def test_a_schema_is_prepared_without_importing_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from cds_service.db.engine import open_engine; from cds_service.db import gateway, schema;"
        f"schema.prepare(open_engine('sqlite:///{tmp_path / 'a.sqlite3'}'));"
        "print(sorted({'alembic', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "not a url"])
def test_a_database_url_that_cannot_work_is_refused_with_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CDS_DATABASE_URL"):
        open_engine(url)
