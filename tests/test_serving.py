"""A service that cannot start says why in one line: its log may hold no text of an exception."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_service import serve
from cds_service.cli import app

NOBODY = "postgresql+psycopg://cds@127.0.0.1:1/cds"  # nothing listens on port 1


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CDS_STATE_DIR", str(tmp_path / "state"))
    thresholds = gc.get_threshold()
    yield tmp_path
    gc.unfreeze()  # what serving does to the collector is for a process of its own
    gc.set_threshold(*thresholds)


def refused(*call: str) -> str:
    """The last line on standard error of a command that did not start."""
    ended = CliRunner().invoke(app, call)
    assert ended.exit_code == 1, ended.output
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    return ended.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_said(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(command, "--port", str(port))
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in said
    assert "--port" in said


def test_an_address_that_is_not_of_this_machine_is_said() -> None:
    assert "cannot listen on 192.0.2.1, port 8000: " in refused("serve", "--host", "192.0.2.1")


def test_a_name_that_nobody_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")  # no name server is asked by a test

    monkeypatch.setattr(serve.socket, "getaddrinfo", unknown)
    assert "cannot listen on nowhere.example, port 8000: Name or service not known" in refused(
        "serve", "--host", "nowhere.example"
    )


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_database_that_cannot_be_used_at_the_start_is_said(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", NOBODY)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    assert "the database cannot be used (OperationalError: Connection refused); check CDS_DATABASE_URL" in refused(
        command, "--port", str(free)
    )


def test_a_state_folder_that_cannot_be_made_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("CDS_STATE_DIR", str(folder / "file" / "state"))
    assert f"CDS_STATE_DIR {folder}/file/state cannot be made: Not a directory" in refused("serve")


def test_a_port_that_is_none_is_refused_and_not_wrapped_around() -> None:
    ended = CliRunner().invoke(app, ["serve", "--port", "99999"])
    assert (ended.exit_code, "65535" in ended.stderr) == (2, True)
