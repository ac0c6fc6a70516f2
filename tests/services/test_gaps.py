"""Silence means that all was looked at: a service that shows findings alone names what it could not check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from msgspec import Raw
from starlette.testclient import TestClient

from cds_service.services import gaps
from tests.record.resources import PATIENT, RXNORM, Answered, built, bundle, concept, observation, resource
from tests.services import golden_cards

SERVICES = {"order-sign": "order-triage", "order-select": "order-precheck", "encounter-start": "encounter-brief"}
EMPTY = json.loads(bundle())
SEEN = dict.fromkeys(
    (
        "encounters", "vital-signs", "laboratory", "status-observations", "conditions", "allergies", "medications",
        "medication-statements", "procedures", "imaging-studies", "service-requests",
    ), EMPTY,
)  # fmt: skip
DRAFT = resource("MedicationRequest", status="draft", intent="order") | {
    "medicationCodeableConcept": concept("723", RXNORM, "amoxicillin")
}
LATEX = resource("AllergyIntolerance", code={"text": "latex"})
ELSEWHERE = {"reference": "urn:uuid:11111111-2222-3333-4444-555555555555"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with golden_cards.service() as made:
        yield made


def asked(client: TestClient, hook: str, prefetch: dict[str, Any], *drafts: dict[str, Any]) -> list[dict[str, Any]]:
    """The cards of one call without a FHIR server."""
    context: dict[str, Any] = {"userId": "Practitioner/7", "patientId": "p1", "encounterId": "e1"}
    if hook.startswith("order"):
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "entry": [{"resource": each} for each in drafts or (DRAFT,)],
        }
        context["selections"] = ["MedicationRequest/medicationrequest"]
    body = {
        "hook": hook,
        "hookInstance": str(uuid4()),
        "context": context,
        "prefetch": {"patient": PATIENT, **prefetch},
    }
    answer = client.post(f"/cds-services/{SERVICES[hook]}", json=body)
    assert answer.status_code == 200, answer.text
    cards: list[dict[str, Any]] = answer.json()["cards"]
    return cards


@pytest.mark.parametrize("hook", SERVICES)
def test_where_all_was_seen_and_nothing_found_there_are_no_cards(client: TestClient, hook: str) -> None:
    assert asked(client, hook, SEEN) == []


@pytest.mark.parametrize("hook", SERVICES)
@pytest.mark.parametrize(
    ("allergies", "said"),
    [
        ({"foo": 1}, "unreadable: allergies"),
        ("a text", "unreadable: allergies"),
        ({"resourceType": "Bundle", "entry": [{"fullUrl": "https://ehr.example/AllergyIntolerance/1"}]}, "unreadable"),
        (json.loads(bundle(resource("List", status="current"))), "unreadable: allergies"),
        (json.loads(bundle(LATEX | {"patient": ELSEWHERE})), "left out, as not of this patient: allergies"),
        ({"resourceType": "Bundle", "total": 3}, "failed: allergies"),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}, "not permitted"),
        (
            json.loads(bundle(LATEX)) | {"link": [{"relation": "next", "url": "https://ehr.example/next"}]},
            "allergies: more entries exist that were not sent",
        ),
        (..., "not asked: allergies"),
    ],
)
def test_allergies_that_were_not_seen_are_named(client: TestClient, hook: str, allergies: Any, said: str) -> None:
    prefetch = {key: value for key, value in (SEEN | {"allergies": allergies}).items() if value is not ...}
    (card,) = [each for each in asked(client, hook, prefetch) if "could not check everything" in each["summary"]]
    assert card["indicator"] == "warning"
    assert f"could not check everything: {said}" in card["summary"]
    assert "Do not read silence about them as an all-clear" in card["detail"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("vital-signs", "not asked: vital signs"),
        ("laboratory", "not asked: laboratory results"),
        ("status-observations", "not asked: code status and pregnancy observations"),
    ],
)
def test_of_the_observations_those_that_were_not_seen_are_named(client: TestClient, key: str, said: str) -> None:
    (card,) = asked(client, "order-sign", {name: value for name, value in SEEN.items() if name != key})
    assert card["summary"].endswith(f"could not check everything: {said}")


def test_a_gap_is_named_beside_findings_too(client: TestClient) -> None:
    level = observation(value="6.9", effectiveDateTime=f"{golden_cards.NOW:%Y-%m-%dT%H:%M:%SZ}")
    spironolactone = DRAFT | {"medicationCodeableConcept": concept("9997", RXNORM, "spironolactone")}
    prefetch = SEEN | {"laboratory": json.loads(bundle(level)), "allergies": {"foo": 1}}
    found = asked(client, "order-sign", prefetch, spironolactone)
    assert len(found) > 1
    assert "could not check everything: unreadable: allergies" in found[-1]["summary"]


@pytest.mark.parametrize("key", ["procedures", "imaging-studies", "service-requests", "laboratory"])
def test_what_only_widens_a_check_or_is_cut_at_its_old_end_makes_no_card(client: TestClient, key: str) -> None:
    without = {name: value for name, value in SEEN.items() if name != key}
    cut = EMPTY | {"entry": json.loads(bundle(observation("2951-2", "140")))["entry"]}
    cut["link"] = [{"relation": "next", "url": "https://ehr.example/next"}]
    assert asked(client, "order-sign", without if key != "laboratory" else SEEN | {key: cut}) == []


def test_a_subject_that_is_the_bare_id_of_this_patient_is_this_patient(client: TestClient) -> None:
    allergy = resource("AllergyIntolerance", code=concept("7980", RXNORM, "penicillin G")) | {
        "patient": {"reference": "p1"}, "reaction": [{"severity": "severe"}],
    }  # fmt: skip
    (card,) = asked(client, "order-sign", SEEN | {"allergies": json.loads(bundle(allergy))})
    assert card["indicator"] == "critical"


def test_values_of_another_patient_are_counted_and_not_printed(client: TestClient) -> None:
    strange = observation(value="6.9", id="k9", subject={"reference": "Group/other"})
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": "p1"},
        "prefetch": {"patient": PATIENT, "laboratory": json.loads(bundle(strange))},
    }
    text = client.post("/cds-services/patient-summary", json=body).text
    assert "1 result was not used: another patient (1)" in text
    assert "6.9" not in text


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ("MedicationStatement", []),
        ("ImagingStudy", []),
        ("AllergyIntolerance", ["not offered by the server: allergies"]),
        ("MedicationRequest", ["not offered by the server: medication orders"]),
    ],
)
def test_a_type_the_server_does_not_have_is_a_gap_only_where_a_draft_is_checked_against_it(
    absent: str, said: list[str]
) -> None:
    record = built(Answered("key", absent, "not offered"), draft_orders=Raw(json.dumps(DRAFT).encode()))
    assert gaps.lines(record, gaps.needed(record), set()) == said
