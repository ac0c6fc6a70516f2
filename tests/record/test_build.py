"""The record as a whole: person, numbering, order, identity, caps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from cds_service.errors import WrongPatient
from cds_service.record.build import build, from_bundle
from cds_service.record.facts import Person
from tests.record.resources import NOW, PATIENT, answered, built, bundle, chart, concept, observation, resource


def person(**members: Any) -> Person:
    return built(answered("patient", "Patient", {"resourceType": "Patient", "id": "p1", **members})).person


@pytest.mark.parametrize(
    ("birth", "age", "precision"),
    [
        ("1950-11-20", 76, "day"), ("1950-11-21", 75, "day"), ("1950-11", 75, "month"), ("1950", 75, "year"),
        ("2010-11-20", 16, "day"), ("2010-11-21", 15, "day"), ("1906-01-01", 120, "day"), ("2026-11-01", 0, "day"),
        (None, None, ""), ("20.11.1950", None, ""), ("1950-02-30", None, ""), ("1950-13", None, ""), ("0000", None, ""),
    ],
)  # fmt: skip
def test_an_age_is_the_lowest_that_is_certain(birth: str | None, age: int | None, precision: str) -> None:
    made = person(**({"birthDate": birth} if birth else {}))
    assert (made.age(NOW), made.birth_precision) == (age, precision)


def test_a_newborn_has_months() -> None:
    assert person(birthDate="2026-09-21").age_months(NOW) == 1


def test_death_is_known_by_either_member() -> None:
    assert person(deceasedBoolean=True).deceased
    dead = person(deceasedDateTime="2026-01-02T03:04:05Z")
    assert (dead.deceased, dead.deceased_at) == (True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert not person(deceasedBoolean=False).deceased


@pytest.mark.parametrize("sex", ["male", "female", "other", "unknown"])
def test_sex_is_as_written(sex: str) -> None:
    assert person(gender=sex).sex == sex


def test_no_name_identifier_or_address_of_the_patient_is_kept() -> None:
    members = {
        "name": [{"family": "Canary-Family", "given": ["Canary-Given"]}],
        "identifier": [{"value": "CANARY-MRN"}],
        "address": [{"line": ["Canary-Street"]}],
        "telecom": [{"value": "+1-CANARY"}],
        "contact": [{"name": {"text": "Canary-Contact"}}],
    }
    record = built(answered("patient", "Patient", {"resourceType": "Patient", "id": "p1", **members}))
    assert "canary" not in repr(record).casefold()


def test_a_patient_of_another_id_in_the_prefetch_spoils_the_request() -> None:
    with pytest.raises(WrongPatient):
        built(answered("patient", "Patient", {"resourceType": "Patient", "id": "p2"}))
    fetched = built(answered("patient", "Patient", {"resourceType": "Patient", "id": "p2"}, origin="fhir"))
    assert fetched.person.birth_date is None


@pytest.mark.parametrize(
    "kind",
    ["Condition", "AllergyIntolerance", "MedicationRequest", "Encounter", "Immunization", "ServiceRequest", "Consent"],
)
def test_any_resource_of_another_patient_in_the_prefetch_spoils_the_request(kind: str) -> None:
    member = "patient" if kind in ("AllergyIntolerance", "Immunization", "Consent") else "subject"
    with pytest.raises(WrongPatient, match=kind):
        built(answered("x", kind, resource(kind) | {member: {"reference": "Patient/p2"}}))


def full_chart() -> list[dict[str, Any]]:
    return [
        *(observation(id=f"k{i}", value=f"4.{i}", effectiveDateTime=f"2026-11-1{i}T08:00:00Z") for i in range(6)),
        *({**observation(id=f"x{i}"), "code": concept(f"999{i}-1", display=f"Other {i}")} for i in range(4)),
        *(observation(id=f"bad{i}", unit="furlong") for i in range(3)),
        *(resource("Condition", code={"text": f"Problem {i}"}) | {"id": f"c{i}"} for i in range(4)),
        *(
            resource("AllergyIntolerance", code={"text": n}) | {"id": n}
            for n in ("nka-no", "Latex", "No known allergies")
        ),
        *(
            resource("MedicationRequest", medicationCodeableConcept={"text": f"D{i}"}) | {"id": f"m{i}"}
            for i in range(3)
        ),
        resource("Encounter", status="finished", period={"start": "2026-10-01", "end": "2026-10-03"}),
        resource("Procedure", status="completed", code={"text": "Biopsy"}),
    ]


def test_facts_are_numbered_in_record_order_and_refused_readings_last() -> None:
    record = chart(*full_chart())
    assert [f.number for f in record.facts()] == list(range(1, len(list(record.facts())) + 1))
    first_refused = record.refused[0].number
    assert first_refused == len(list(record.facts())) + 1


def test_the_same_input_gives_the_same_record() -> None:
    body = bundle(PATIENT, *full_chart())
    assert from_bundle(body, NOW) == from_bundle(body, NOW)


def test_the_order_of_entries_changes_nothing() -> None:
    made = full_chart()
    assert chart(*made) == chart(*reversed(made)) == chart(*made[7:], *made[:7])


def test_a_record_is_frozen() -> None:
    record = chart(observation())
    with pytest.raises(AttributeError):
        record.person = Person(reference="x")  # type: ignore[misc]
    with pytest.raises(AttributeError):
        record.readings["potassium"][0].value = None  # type: ignore[misc]


def test_concepts_stand_in_the_order_of_the_table() -> None:
    record = chart(observation(), observation("8867-4", "80", "/min", id="hr"), observation("2951-2", "140", id="na"))
    assert list(record.readings) == ["heart_rate", "sodium", "potassium"]


def test_two_keys_that_bring_the_same_resource_bring_it_once() -> None:
    record = built(answered("a", "Observation", observation()), answered("b", "Observation", observation()))
    assert len(record.readings["potassium"]) == 1
    assert not record.refused


def test_row_52_twenty_thousand_observations_are_all_kept_and_a_cut_is_said() -> None:
    made = [
        observation(
            "8867-4", str(60 + i % 40), "/min", id=f"o{i}", effectiveDateTime=(NOW - timedelta(minutes=i)).isoformat()
        )
        for i in range(20_000)
    ]
    record = built(answered("vital-signs", "Observation", *made, truncated="2,000 more were not fetched"))
    kept = sum(map(len, record.readings.values())) + len(record.refused)
    assert kept == 20_000
    assert record.latest("heart_rate") is not None
    assert record.truncated == ["vital-signs: 2,000 more were not fetched"]


def test_a_bundle_without_a_patient_needs_a_name() -> None:
    with pytest.raises(ValueError, match="Patient"):
        from_bundle(bundle(observation()), NOW)
    assert from_bundle(bundle(observation()), NOW, "p1").latest("potassium") is not None


def test_a_resource_without_id_is_cited_by_its_entry_s_address() -> None:
    body = bundle(PATIENT, observation(id=None), urls={1: "urn:uuid:42"})
    assert from_bundle(body, NOW).readings["potassium"][0].reference == "urn:uuid:42"


def test_a_hostile_id_is_cleaned_and_bounded() -> None:
    reading = chart(observation(id="a\u202eb\n" + "x" * 5000)).readings["potassium"][0]
    assert len(reading.reference) <= 80
    assert reading.reference.isprintable()


def test_an_empty_record_needs_nothing() -> None:
    record = build("p1", {}, NOW)
    assert record.person == Person(reference="Patient/p1")
    assert msgspec.structs.asdict(record)["readings"] == {}


def test_birth_date_is_a_date() -> None:
    assert person(birthDate="1950-02").birth_date == date(1950, 2, 28)


def test_a_refused_reading_is_kept_under_its_concept_and_never_the_latest() -> None:
    record = chart(
        observation(id="a", value="9.9", unit="furlong", effectiveDateTime="2026-11-20T09:00:00Z"),
        observation(id="b", effectiveDateTime="2026-11-20T08:00:00Z"),
    )
    latest = record.latest("potassium")
    assert latest is not None
    assert latest.reference == "Observation/b"
    assert [(r.concept, r.reference) for r in record.refused] == [("potassium", "Observation/a")]
