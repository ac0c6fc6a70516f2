"""One running engine for the tests of a module: starting a worker takes some seconds of imports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cds_service.models.in_process.engine import InProcess
from cds_service.models.in_process.wire import Load

LOADED_S = 120.0


def loading(checkpoint: Path, **changes: object) -> Load:
    """Settings for a small checkpoint on two cores shared with everybody."""
    return Load(**{"model": str(checkpoint), "device": "cpu", "threads": 1, "window_ms": 20.0, **changes})  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def text_engine(text_checkpoint: Path) -> AsyncIterator[InProcess]:
    """The small text checkpoint, loaded."""
    engine = InProcess(loading(text_checkpoint))
    await engine.start()
    await engine.ready(LOADED_S)
    yield engine
    await engine.aclose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def image_engine(multimodal_checkpoint: Path) -> AsyncIterator[InProcess]:
    """The small checkpoint with a vision tower, loaded."""
    engine = InProcess(loading(multimodal_checkpoint))
    await engine.start()
    await engine.ready(LOADED_S)
    yield engine
    await engine.aclose()
