"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port of the loopback address.

A test that asks for ``database_url`` runs on SQLite and on PostgreSQL. Modules outside this folder take both
fixtures over by assignment: ``database_url, postgres = fixtures.database_url, fixtures.postgres``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

USER = "cds"
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]


class Cluster:
    """A running server. ``database()`` makes an empty database and gives its URL."""

    def __init__(self, binaries: Path, folder: Path, account: str | None) -> None:
        self._binaries = binaries
        self._folder = folder
        self._account = account
        self.port = _free_port()

    def start(self) -> None:
        """Make the cluster if there is none yet and wait until it answers; nothing is synced to disk."""
        data = self._folder / "data"
        if not data.exists():
            self._run(
                "initdb", "-D", str(data), "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale"
            )
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", str(data), "-l", log, "-o", options)

    def kill(self) -> None:
        """Stop at once, as a crash would; ``start`` brings it back with its data."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", str(self._folder / "data"))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the server: SIGSTOP freezes it with its connections open."""
        leader = int((self._folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        stats = [(path.parent.name, path.read_text()) for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
        children = [int(name) for name, stat in stats if stat.rsplit(") ", 1)[1].split()[1] == str(leader)]
        for process in (leader, *children):
            with suppress(ProcessLookupError):  # a worker that has just ended
                os.kill(process, number)

    def stop(self) -> None:
        """Stop at once and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"t{uuid4().hex}"
        server = f"postgresql://{USER}@127.0.0.1:{self.port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{server}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            user=self._account,
            group=pwd.getpwnam(self._account).pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path | None:
    """The folder that holds initdb and pg_ctl: the newest of Debian's, else the one on PATH."""
    debian = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), key=lambda p: float(p.parent.name)
    )
    if debian:
        return debian[-1]
    found = shutil.which("pg_ctl")
    return Path(found).parent if found else None


def _unprivileged() -> str | None:
    """The account to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def new_cluster() -> Cluster:
    """A server nobody else uses, started. Without the binaries the test is skipped, but fails in CI."""
    binaries = _binaries()
    if binaries is None:
        message = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    account = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
    if account:
        entry = pwd.getpwnam(account)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    cluster = Cluster(binaries, folder, account)
    try:
        cluster.start()
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return cluster


_running = lru_cache(maxsize=1)(new_cluster)  # the one cluster of the run, whichever modules ask for it


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Cluster:
    """A server for the whole run. Without the binaries: skipped, but a failure in CI."""
    first = _running.cache_info().currsize == 0
    cluster = _running()
    if first:
        pytestconfig.add_cleanup(cluster.stop)
    return cluster


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database: a SQLite file, then a PostgreSQL database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database()
