"""Rules over records built from FHIR JSON: both unit systems, the demo patients, the sample patients."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from checking import on_record, pack
from msgspec import Raw

from cds_service.record.build import from_bundle
from cds_service.record.facts import Record
from cds_service.rules.evaluate import evaluate_orders, evaluate_record
from cds_service.rules.situation import Situation
from cds_service.rules.triage import urgency_floor
from cds_service.web.simulator.patients.demo_patient import DemoPatient, load_patients

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PEOPLE = {person.id: person for person in load_patients(NOW)}


def chart(*measured: tuple[str, str, str]) -> Record:
    """A man of 66 with some results: LOINC code, number as written, UCUM unit."""
    observations = [
        f'{{"resource": {{"resourceType": "Observation", "id": "o{n}", "status": "final", '
        f'"subject": {{"reference": "Patient/p"}}, "code": {{"coding": [{{"system": "http://loinc.org", "code": "{code}"}}]}}, '
        f'"effectiveDateTime": "{(NOW - timedelta(hours=1)).isoformat()}", "valueQuantity": {{"value": {number}, '
        f'"unit": "{unit}", "system": "http://unitsofmeasure.org", "code": "{unit}"}}}}}}'
        for n, (code, number, unit) in enumerate(measured)
    ]
    person = '{"resource": {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1960-01-01"}}'
    body = f'{{"resourceType": "Bundle", "type": "collection", "entry": [{", ".join([person, *observations])}]}}'
    return from_bundle(body.encode(), NOW)


@pytest.mark.parametrize(
    ("conventional", "si", "critical"),
    [
        (("2345-7", "484", "mg/dL"), ("14749-6", "26.9", "mmol/L"), True),
        (("2345-7", "483", "mg/dL"), ("14749-6", "26.8", "mmol/L"), False),
        (("2345-7", "46", "mg/dL"), ("14749-6", "2.6", "mmol/L"), True),
        (("2345-7", "47", "mg/dL"), ("14749-6", "2.7", "mmol/L"), False),
        (("2160-0", "7.4", "mg/dL"), ("14682-9", "654", "umol/L"), True),
        (("2160-0", "7.3", "mg/dL"), ("14682-9", "653", "umol/L"), False),
        (("718-7", "7.0", "g/dL"), ("718-7", "70", "g/L"), True),
        (("718-7", "7.1", "g/dL"), ("718-7", "71", "g/L"), False),
    ],
)
def test_critical_values_agree_in_both_unit_systems(
    conventional: tuple[str, str, str], si: tuple[str, str, str], critical: bool
) -> None:
    for measured in (conventional, si):
        subject = chart(measured)
        assert not subject.refused
        found = on_record("critical-value", subject)
        assert bool(found) is critical, measured


def record_of(person: DemoPatient) -> Record:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": Raw(r)} for r in person.resources]}
    drafts = person.draft_orders or {"resourceType": "Bundle", "entry": []}
    encode = msgspec.json.Encoder(decimal_format="number").encode
    return from_bundle(encode(bundle), NOW, person.id, draft_orders=Raw(encode(drafts)))


# What the rules must say of each demo patient: about the patient, about the drafts, and the highest suggested priority.
SAID: dict[str, tuple[set[str], set[str], str]] = {
    "demo-sepsis": (
        {"news2", "critical-value", "qsofa", "aki-stage", "shock-index", "code-status", "metformin-active"},
        set(),
        "asap",
    ),
    "demo-aki-contrast": (
        {"aki-stage", "shock-index", "code-status"},
        {"contrast-kidney", "nsaid-kidney", "triple-whammy"},
        "urgent",
    ),
    "demo-penicillin-allergy": ({"severe-allergy"}, {"allergy-drug"}, ""),
    "demo-hyperkalaemia": (
        {"red-flag-hyperkalaemia", "critical-value", "kidney-function", "code-status"},
        {"hyperkalaemia-pair", "hyperkalaemia-order"},
        "urgent",
    ),
    "demo-child": ({"danger-zone-vitals"}, {"paediatric-dose"}, ""),
    "demo-pregnancy": ({"pregnancy", "pregnancy-hypertension"}, {"pregnancy-drug", "pregnancy-imaging"}, ""),
    "demo-ckd-metformin": (
        {"kidney-function", "metformin-active"},
        {"metformin-start", "metformin-contrast", "contrast-kidney"},
        "",
    ),
    "demo-af": (
        {"stroke-risk", "anticoagulant-active", "reduced-dose-active", "code-status", "kidney-function"},
        {"anticoagulant-duplicate", "nsaid-anticoagulant", "nsaid-kidney", "renal-dosing"},
        "",
    ),
    "demo-pneumonia": ({"pneumonia-severity", "news2", "shock-index"}, {"duplicate-imaging"}, "asap"),
    "demo-healthy": (set(), set(), ""),
    "demo-dirty": ({"allergy-conflict", "severe-allergy"}, {"allergy-drug"}, ""),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_each_demo_patient(name: str) -> None:
    subject = record_of(PEOPLE[name])
    findings, about_orders = evaluate_record(pack(), subject), evaluate_orders(pack(), subject)
    floors = [urgency_floor(pack(), findings, order).priority for order in subject.orders]
    patient, orders, priority = SAID[name]
    assert {part.rule.id for f in findings for part in f.parts} == patient
    assert {part.rule.id for f in about_orders for part in f.parts} == orders
    assert max(floors, key=("", "urgent", "asap", "stat").index, default="") == priority


@pytest.mark.sample_data
def test_every_sample_patient_is_evaluated_without_a_fault_and_every_drug_is_mapped(sample_data: Path) -> None:
    seen, unmapped = 0, set()
    for path in sorted((sample_data / "fhir").glob("*-*/*_*.json")):
        body = path.read_bytes()
        content: dict[str, Any] = json.loads(body)
        if content.get("resourceType") != "Bundle" or not content.get("entry"):
            continue
        if not any(e.get("resource", {}).get("resourceType") == "Patient" for e in content["entry"]):
            continue
        subject = from_bundle(body, NOW)
        findings = evaluate_record(pack(), subject)
        assert not [f for f in findings if f.key.endswith(":failed")], path.name
        unmapped |= {m.label for m in Situation(subject, pack().tables).unmapped}
        seen += 1
    assert seen >= 24
    assert unmapped == set()
