"""``kill -9`` in the middle of jobs: each is finished, and finished once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cds_service.db import schema
from cds_service.db.engine import open_engine

ROOT = Path(__file__).resolve().parents[2]
TRIGGERS = {
    "sqlite": [
        "CREATE TABLE ended (key TEXT)",
        "CREATE TRIGGER ends AFTER UPDATE OF state ON assessment_job WHEN NEW.state = 'done'"
        " BEGIN INSERT INTO ended VALUES (NEW.key); END",
    ],
    "postgresql": [
        "CREATE TABLE ended (key TEXT)",
        "CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO ended VALUES (NEW.key); RETURN NEW; END $$",
        "CREATE TRIGGER ends AFTER UPDATE OF state ON assessment_job FOR EACH ROW"
        " WHEN (NEW.state = 'done') EXECUTE FUNCTION ends()",
    ],
}


@contextmanager
def process(
    url: str, folder: Path, *keys: str, seconds: float = 0.3, ahead_s: float = 0
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.assessments.running", url, str(folder), str(seconds), *keys]
    clock = {**os.environ, "AHEAD_S": str(ahead_s)}
    running = subprocess.Popen(command, cwd=ROOT, env=clock, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def until_ready(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    while (line := running.stdout.readline()) != "ready\n":
        assert line, "the process ended before it was ready"


def prepared(url: str) -> Engine:
    """The schema, and a trigger that counts every end of a job."""
    engine = open_engine(url)
    schema.prepare(engine)
    with engine.begin() as connection:
        for statement in TRIGGERS[engine.dialect.name]:
            connection.execute(text(statement))
    return engine


def ended(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(key for (key,) in connection.execute(text("SELECT key FROM ended")))


def wait_for(engine: Engine, count: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while len(ended(engine)) < count:
        assert time.monotonic() < until, f"{len(ended(engine))} of {count} jobs ended in {seconds} s"
        time.sleep(0.05)


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_service_killed_again_and_again_finishes_every_job_once(tmp_path: Path, kills: int) -> None:
    url = f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    engine = prepared(url)
    chance = random.Random(kills)
    asked: list[str] = []
    for kill in range(kills):
        keys = [f"{kill:016x}{number:016x}" for number in range(3)]
        asked += keys
        with process(url, tmp_path, *keys) as running:
            until_ready(running)
            with engine.connect() as connection:  # what was queued is what must be finished
                until = time.monotonic() + 60
                while (
                    int(connection.execute(text("SELECT count(*) FROM assessment_job")).scalar() or 0) < len(asked)
                    and time.monotonic() < until
                ):
                    time.sleep(0.01)
                    connection.rollback()
            time.sleep(0.3 + chance.random() * 0.5)
    with process(url, tmp_path):
        wait_for(engine, len(asked), 120)
        time.sleep(0.5)
    assert ended(engine) == sorted(asked)
    engine.dispose()


@pytest.mark.integration
def test_the_work_of_a_dead_replica_is_taken_over_by_another_whatever_their_clocks_say(
    postgres: object, tmp_path: Path
) -> None:
    url = postgres.database()  # type: ignore[attr-defined]
    engine = prepared(url)
    keys = [f"{number:032x}" for number in range(4)]
    with process(url, tmp_path, *keys, seconds=30, ahead_s=300) as first:
        until_ready(first)
        until = time.monotonic() + 60
        with engine.connect() as connection:
            while int(
                connection.execute(text("SELECT count(*) FROM assessment_job WHERE state = 'running'")).scalar() or 0
            ) < len(keys):
                assert time.monotonic() < until
                time.sleep(0.05)
                connection.rollback()
    began = time.monotonic()
    with process(url, tmp_path, seconds=0.05, ahead_s=-300):
        wait_for(engine, len(keys), 30)
        assert time.monotonic() - began < 30
        time.sleep(0.5)
    assert ended(engine) == keys
    engine.dispose()
