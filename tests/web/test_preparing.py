"""The page behind a card's link: how a drafted text is getting on, and nothing of whom or what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from cds_service.models.faults import NotJson
from cds_service.settings import Client
from tests.assessments.doubles import Double, Stand
from tests.conformance import bodies
from tests.services.test_patient_summary_with_a_model import chart, service, until

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite
CANARIES = (bodies.PATIENT, "Potassium", "7.1", "Hyperkalaemia")


def links(client: TestClient, potassium: dict[str, Any]) -> list[str]:
    """Paths of the links to pages of this kind."""
    found = [link["url"] for card in chart(client, potassium)[1] for link in card.get("links", ())]
    return [urlsplit(url).path for url in found if "/review/texts/" in url]


def test_a_card_that_says_a_summary_is_being_prepared_links_to_a_page_that_follows_it_to_its_end(
    tmp_path: Path,
) -> None:
    with service(tmp_path, Stand(Double(delay=1.5))) as client:
        potassium = bodies.potassium("6.9")
        until(lambda: links(client, potassium), 20)
        (address,) = links(client, potassium)
        page = client.get(address)
        assert (page.status_code, page.headers["refresh"]) == (200, "5")
        assert "Being prepared" in page.text
        until(lambda: "Ready" in client.get(address).text, 20)
        ready = client.get(address)
        assert "refresh" not in ready.headers
        assert "default-src 'none'" in ready.headers["content-security-policy"]
        assert not any(canary in page.text + ready.text for canary in CANARIES)
        assert links(client, potassium) == [], "what is there needs no link"


def test_what_could_not_be_prepared_is_said_with_its_reason_and_the_unknown_is_not_found(tmp_path: Path) -> None:
    double = Double(delay=1.0, faults=[NotJson()])
    with service(tmp_path, Stand(double)) as client:
        double.faults = []
        double.text = "no json at all"
        potassium = bodies.potassium("6.8")
        until(lambda: links(client, potassium), 20)
        (address,) = links(client, potassium)
        until(lambda: "could not be used (not json)" in client.get(address).text, 20)
        for unknown in ("0" * 32, "x", "../../etc"):
            answer = client.get(f"/review/texts/{unknown}")
            assert answer.status_code == 404, unknown


def test_a_client_that_wants_no_pending_cards_gets_no_link(tmp_path: Path) -> None:
    clients = {"ward": Client(fhir_origins=["https://ehr.example.org"], profile="epic")}
    with service(tmp_path, Stand(Double(delay=30)), clients=clients) as client:
        potassium = bodies.potassium("6.7")
        until(lambda: links(client, potassium), 20)
        body = bodies.request(prefetch={"patient": bodies.patient(), "laboratory": bodies.bundle(potassium)})
        answer = client.post(
            "/cds-services/patient-summary",
            json=body
            | {
                "hookInstance": str(uuid4()),
                "fhirServer": "https://ehr.example.org/r4",
            },
        )
        cards = answer.json()["cards"]
        assert cards
        assert not [link for card in cards for link in card.get("links", ())]
        assert "being prepared" not in answer.text
