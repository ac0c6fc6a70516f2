"""Shared fixtures: a clean environment for every test, and the sample records where they are present."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# A property holds or does not; how long an example took says how busy the machine was.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in [n for n in os.environ if n.startswith("CDS_") or n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A service a test started writes into streams that end with the test; the next one logs where it did before."""
    root, found = logging.getLogger(), structlog.get_config() if structlog.is_configured() else None
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    if found is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**found)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of sample FHIR and DICOM files that may lie beside the checkout."""
    if not SAMPLE_DATA.is_dir():
        pytest.skip("no sample data beside this checkout (../shared/data)")
    return SAMPLE_DATA
