"""The demo patients: valid R4, coherent, complete, and made around the start clock."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError
from simulator_over_http import NOW, Simulator

from cds_service.web.simulator.patients import DemoPatient, load_patients
from cds_service.web.simulator.patients.many import TOTAL
from cds_service.web.simulator.patients.moments import Clock

PATIENTS = {patient.id: patient for patient in load_patients(NOW)}


def resources(patient: DemoPatient) -> list[dict[str, Any]]:
    return [json.loads(body) for body in patient.resources]


def is_valid(resource: dict[str, Any]) -> bool:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError:
        return False
    return True


def test_there_are_a_dozen() -> None:
    assert list(PATIENTS) == [
        "demo-sepsis",
        "demo-aki-contrast",
        "demo-penicillin-allergy",
        "demo-hyperkalaemia",
        "demo-child",
        "demo-pregnancy",
        "demo-ckd-metformin",
        "demo-af",
        "demo-pneumonia",
        "demo-healthy",
        "demo-dirty",
        "demo-many",
    ]


@pytest.mark.parametrize("own_id", PATIENTS)
def test_every_resource_is_valid_r4_except_those_broken_on_purpose(own_id: str) -> None:
    patient = PATIENTS[own_id]
    assert tuple(row["id"] for row in resources(patient) if not is_valid(row)) == patient.invalid
    assert patient.invalid == () or own_id == "demo-dirty"


@pytest.mark.parametrize("own_id", PATIENTS)
def test_a_patient_is_somebody_obviously_made_up_with_a_story_and_orders(own_id: str) -> None:
    patient = PATIENTS[own_id]
    person = resources(patient)[0]
    assert (person["resourceType"], person["id"]) == ("Patient", own_id)
    assert person["name"][0]["family"] == "Demo"
    assert person["meta"]["security"][0]["code"] == "HTEST"
    assert patient.title
    assert patient.story
    assert patient.expect
    assert patient.encounter in {row["id"] for row in resources(patient)}


@pytest.mark.parametrize("own_id", PATIENTS)
def test_the_draft_orders_are_valid_drafts_of_the_same_patient(own_id: str) -> None:
    patient = PATIENTS[own_id]
    assert patient.draft_orders is not None
    assert is_valid(patient.draft_orders)
    orders = [entry["resource"] for entry in patient.draft_orders["entry"]]
    assert {order["status"] for order in orders} == {"draft"}
    assert {order["subject"]["reference"] for order in orders} == {f"Patient/{own_id}"}
    assert set(patient.selections) <= {f"{order['resourceType']}/{order['id']}" for order in orders}
    assert patient.selections


@pytest.mark.parametrize("own_id", PATIENTS)
def test_ids_are_unique_and_references_lead_somewhere(own_id: str) -> None:
    rows = resources(PATIENTS[own_id])
    keys = [f"{row['resourceType']}/{row['id']}" for row in rows]
    assert len(set(keys)) == len(keys)
    known = {*keys, "Practitioner/demo-practitioner"}
    text = json.dumps(rows)
    cited = {part.split('"')[0] for part in text.split('"reference": "')[1:]}
    dangling = cited - known
    assert dangling == (
        {"Observation/demo-healthy-potassium-1", "Observation/nowhere"} if own_id == "demo-dirty" else set()
    )


def test_only_the_dirty_chart_has_a_result_from_the_future() -> None:
    late = {
        own_id
        for own_id, patient in PATIENTS.items()
        for row in resources(patient)
        if (when := row.get("effectiveDateTime", "")) and len(when) > 19 and datetime.fromisoformat(when) > NOW
    }
    assert late == {"demo-dirty"}


def observed(own_id: str, loinc: str) -> dict[str, Any]:
    """The newest observation of a code in a chart."""
    rows = [
        row
        for row in resources(PATIENTS[own_id])
        if row["resourceType"] == "Observation"
        and {"system": "http://loinc.org", "code": loinc} in row["code"]["coding"]
    ]
    return max(rows, key=lambda row: row.get("effectiveDateTime", ""))


def test_the_newest_vital_signs_of_the_septic_patient_make_a_news2_of_seventeen() -> None:
    values = {
        code: observed("demo-sepsis", code)["valueQuantity"]["value"]
        for code in ("9279-1", "59408-5", "3151-8", "8867-4", "8310-5")
    }
    assert values == {"9279-1": 26, "59408-5": 91, "3151-8": 2, "8867-4": 122, "8310-5": 39.2}
    assert observed("demo-sepsis", "80288-4")["valueCodeableConcept"]["text"] == "New confusion"
    assert observed("demo-sepsis", "85354-9")["component"][0]["valueQuantity"]["value"] == 92


def test_a_laboratory_flag_is_the_charts_or_follows_from_the_range() -> None:
    lactate = observed("demo-sepsis", "2524-7")
    assert lactate["interpretation"][0]["coding"][0]["code"] == "HH"
    assert observed("demo-sepsis", "777-3")["interpretation"][0]["coding"][0]["code"] == "L"
    assert observed("demo-pregnancy", "718-7")["interpretation"][0]["coding"][0]["code"] == "N"


def test_decimals_of_a_chart_keep_their_digits() -> None:
    weights = [body for body in PATIENTS["demo-aki-contrast"].resources if b'"29463-7"' in body]
    assert b'"value":82.0,' in weights[0]


def test_the_chart_moves_with_the_clock() -> None:
    later = {patient.id: patient for patient in load_patients(NOW + timedelta(days=400))}
    born = json.loads(PATIENTS["demo-child"].resources[0])["birthDate"]
    assert json.loads(later["demo-child"].resources[0])["birthDate"] > born
    assert later["demo-child"].who == PATIENTS["demo-child"].who


@pytest.mark.parametrize(("written", "hours"), [("-2h", -2), ("-2h30min", -2.5), ("-3d4h", -76), ("+1w", 168)])
def test_relative_times_are_read(written: str, hours: float) -> None:
    assert Clock(NOW).moment(written) == NOW + timedelta(hours=hours)


def test_a_time_that_is_not_relative_is_refused() -> None:
    with pytest.raises(ValueError, match="no relative time"):
        Clock(NOW).moment("yesterday")


def test_the_long_stay_brings_twenty_thousand_observations_when_asked(simulator: Simulator) -> None:
    assert simulator.store.pending
    assert simulator.get("Patient/demo-many").status_code == 200
    assert simulator.store.pending
    bundle = simulator.get("Observation?patient=demo-many&code=http://loinc.org|718-7&_sort=-date&_count=200").json()
    values = [entry["resource"]["valueQuantity"]["value"] for entry in bundle["entry"]]
    assert values[0] < 7.7 < 9.5 < min(values[7:])
    assert simulator.get("Observation?patient=demo-many&_summary=count").json()["total"] == TOTAL == 20_000
    newest = simulator.get("Observation?patient=demo-many&_sort=-date&_count=50").json()["entry"]
    assert all(is_valid(entry["resource"]) for entry in newest)


def test_one_of_the_promised_observations_can_be_read_by_its_id(simulator: Simulator) -> None:
    assert simulator.get("Observation/demo-many-obs-20000").status_code == 200


def test_the_long_stay_is_the_same_on_every_start() -> None:
    again = next(patient for patient in load_patients(NOW) if patient.id == "demo-many")
    first = PATIENTS["demo-many"]
    assert first.more is not None
    assert again.more is not None
    assert list(first.more()) == list(again.more())
