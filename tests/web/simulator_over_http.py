"""What the tests of the simulator share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.testclient import TestClient

from cds_service.web.simulator.store import Store

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Simulator(NamedTuple):
    """A client whose addresses start at the FHIR base, and the store behind it."""

    client: TestClient
    store: Store

    def search(self, query: str) -> list[str]:
        """The ids a search matches, in order."""
        answer = self.client.get(f"/simulator/fhir/{query}")
        assert answer.status_code == 200, answer.text
        return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/simulator/fhir/{path}", headers=headers)
