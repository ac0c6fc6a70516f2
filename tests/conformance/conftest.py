"""The app under test: the minimal house, and the whole service where it can be composed."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI
from starlette.testclient import TestClient

from cds_service import telemetry
from cds_service.settings import Settings

from .minimal import Minimal

HOUSES = ["minimal"] + (["whole"] if importlib.util.find_spec("cds_service.app") else [])


def whole(settings: Settings) -> FastAPI:
    """The service as ``medgemma-cds serve`` composes it."""
    module = importlib.import_module("cds_service.app")
    app: FastAPI = module.create_app(settings)
    return app


@pytest.fixture(scope="module", params=HOUSES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Talks HTTP to each house in sandbox mode."""
    state: Path = tmp_path_factory.mktemp("state")
    settings = Settings(mode="sandbox", state_dir=state, public_url="http://testserver")
    app = Minimal(settings).app if request.param == "minimal" else whole(settings)
    with TestClient(app) as talking:
        yield talking


@pytest.fixture
def minimal() -> Minimal:
    """A minimal house of one's own, to look into."""
    return Minimal(Settings(mode="sandbox", public_url="http://testserver"))


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What the service logs, as production writes it."""
    written, root = StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("production", stream=written)
    yield written
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
