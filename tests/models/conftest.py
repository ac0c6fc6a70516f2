"""Fixtures every test room of models shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.in_process.checkpoints import tiny_multimodal, tiny_text


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this run keeps its small checkpoints."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="session")
def text_checkpoint(checkpoints: Path) -> Path:
    """Random weights, text only."""
    return tiny_text(checkpoints)


@pytest.fixture(scope="session")
def multimodal_checkpoint(checkpoints: Path) -> Path:
    """Random weights, text and images."""
    return tiny_multimodal(checkpoints)
