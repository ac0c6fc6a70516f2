"""What tests of whole services share."""

from __future__ import annotations

import pytest

from cds_service.assessments import texts


@pytest.fixture
def unhurried_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call's look for kept results may take its time: what is kept is found, however busy this machine is."""
    monkeypatch.setattr(texts, "LOOK_S", 5.0)
