"""Observations: status, codes, panels, subjects, samples; and the short way against the full one."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from cds_service.errors import WrongPatient
from cds_service.record.build import from_bundle
from cds_service.record.entries.patient import Whose
from cds_service.record.facts import Refusal
from cds_service.record.observations.readings import Reader
from fhir_adapters.read.observation import ObservationView
from fhir_adapters.read.resources import read
from tests.record.resources import (
    LOINC,
    NOW,
    PATIENT,
    SNOMED,
    answered,
    built,
    bundle,
    chart,
    concept,
    observation,
    only,
    quantity,
)  # fmt: skip


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "preliminary", "FINAL", " final "])
def test_a_result_counts_whatever_stage_it_is_in(status: str) -> None:
    reading = only(observation(status=status))
    assert (reading.refusal, reading.status) == (None, status.strip().lower())


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("entered-in-error", Refusal.ENTERED_IN_ERROR), ("cancelled", Refusal.NOT_FINAL), ("registered", Refusal.NOT_FINAL),
        ("unknown", Refusal.NOT_FINAL), ("nonsense", Refusal.NOT_FINAL), (None, Refusal.NOT_FINAL),
    ],
)  # fmt: skip
def test_what_is_no_result_is_refused(status: str | None, refusal: Refusal) -> None:
    assert only(observation(status=status)).refusal is refusal


def test_a_code_counts_only_under_its_system() -> None:
    race = "urn:oid:2.16.840.1.113883.6.238"
    reading = only({**observation("2160-0", "1.2", "mg/dL"), "code": concept("2160-0", race, "Panamanian")})
    assert reading.concept == ""
    assert reading.label == "Panamanian"


def test_a_code_without_system_is_not_matched_and_says_so() -> None:
    reading = only({**observation(), "code": {"coding": [{"code": "2823-3", "display": "Potassium"}]}})
    assert (reading.concept, reading.refusal) == ("", None)
    assert "without system" in reading.note


@pytest.mark.parametrize("system", ["urn:oid:2.16.840.1.113883.6.1", "https://loinc.org", " http://loinc.org "])
def test_other_spellings_of_a_system_are_the_same_system(system: str) -> None:
    reading = only({**observation(), "code": concept("2823-3", system)})
    assert reading.concept == "potassium"
    assert reading.codes[0].system == LOINC


def test_the_code_wins_over_a_name_that_contradicts_it() -> None:
    reading = only({**observation(), "code": concept("2823-3", display="Glucose [Mass/volume] in Serum")})
    assert (reading.concept, reading.label) == ("potassium", "Potassium")
    assert "contradicts" in reading.note


@pytest.mark.parametrize("display", ["Potassium [Moles/volume]", "K+", "Kalium", "Serum electrolyte", "K"])
def test_a_name_that_does_not_contradict_is_not_remarked(display: str) -> None:
    assert only({**observation(), "code": concept("2823-3", display=display)}).note == ""


def test_two_codes_of_one_concept_are_one_and_of_two_are_none() -> None:
    both = {"coding": [{"system": LOINC, "code": "59408-5"}, {"system": LOINC, "code": "2708-6"}]}
    assert only({**observation(value="97", unit="%"), "code": both}).concept == "oxygen_saturation"
    quarrel = {
        "coding": [{"system": LOINC, "code": "48065-7"}, {"system": LOINC, "code": "48066-5"}],
        "text": "D-dimer",
    }
    reading = only({**observation(value="500", unit="ng/mL"), "code": quarrel})
    assert (reading.concept, "disagree" in reading.note) == ("", True)


def test_a_local_code_beside_a_known_one_does_not_hide_it() -> None:
    code = {"coding": [{"system": "http://example.org/lab", "code": "KAL"}, {"system": LOINC, "code": "2823-3"}]}
    assert only({**observation(), "code": code}).concept == "potassium"


def test_an_observation_without_a_name_is_malformed() -> None:
    assert only({**observation(), "code": {}}).refusal is Refusal.MALFORMED
    assert only({k: v for k, v in observation().items() if k != "code"}).refusal is Refusal.MALFORMED


@pytest.mark.parametrize("panel", ["85354-9", "55284-4", "35094-2"])
def test_a_blood_pressure_is_read_from_its_components(panel: str) -> None:
    parts = [
        {"code": concept("8480-6"), "valueQuantity": quantity("107", "mmHg")},
        {"code": concept("8462-4"), "valueQuantity": quantity("60", "mmHg")},
    ]
    record = chart(observation(panel, None, component=parts))
    assert [(k, r[0].value, r[0].reference) for k, r in record.readings.items()] == [
        ("systolic_bp", Decimal(107), "Observation/o1"),
        ("diastolic_bp", Decimal(60), "Observation/o1"),
    ]
    assert not record.refused


def test_a_component_that_was_not_measured_does_not_take_its_sibling_along() -> None:
    parts = [
        {"code": concept("8480-6"), "valueQuantity": quantity("107", "mmHg")},
        {"code": concept("8462-4"), "dataAbsentReason": concept("not-performed", "x", "Not Performed")},
    ]
    record = chart(observation("85354-9", None, component=parts))
    assert [r.refusal for r in record.refused] == [Refusal.NOT_MEASURED]
    assert record.latest("systolic_bp") is not None


def test_an_unknown_component_is_named_with_its_panel() -> None:
    parts = [{"code": concept("9272-6", display="Colour"), "valueInteger": 2}]
    reading = only({**observation(value=None, component=parts), "code": {"text": "Apgar score"}})
    assert reading.label == "Apgar score: Colour"


def test_a_panel_of_members_is_no_missing_value() -> None:
    record = chart(observation("85353-1", None, hasMember=[{"reference": "Observation/o2"}]), observation(id="o2"))
    assert not record.refused
    assert record.latest("potassium") is not None


def test_a_supplemental_oxygen_component_of_a_saturation_is_read_too() -> None:
    parts = [{"code": concept("3151-8"), "valueQuantity": quantity("2", "L/min")}]
    record = chart(observation("59408-5", "93", "%", component=parts))
    assert set(record.readings) == {"oxygen_saturation", "oxygen_flow"}


@pytest.mark.parametrize(
    "reference",
    ["Patient/p1", "https://ehr.example/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:p1"],
)
def test_every_spelling_of_the_patient_is_the_patient(reference: str) -> None:
    assert only(observation(subject={"reference": reference})).refusal is None


def test_the_address_of_the_patient_s_own_entry_is_the_patient() -> None:
    body = bundle(PATIENT, observation(subject={"reference": "urn:uuid:77"}), urls={0: "urn:uuid:77"})
    assert from_bundle(body, NOW).latest("potassium") is not None


@pytest.mark.parametrize("reference", ["Patient/p2", "urn:uuid:p2", "Group/p1", "Patient/p11", "xPatient/p1"])
def test_somebody_else_s_reading_is_refused_where_it_was_fetched(reference: str) -> None:
    assert only(observation(subject={"reference": reference})).refusal is Refusal.OTHER_PATIENT


def test_somebody_else_s_reading_in_the_prefetch_spoils_the_request() -> None:
    stranger = observation(subject={"reference": "Patient/p2"})
    with pytest.raises(WrongPatient, match="Observation"):
        built(answered("labs", "Observation", stranger))
    assert built(answered("labs", "Observation", stranger, origin="fhir")).refused[0].refusal is Refusal.OTHER_PATIENT


def test_a_prefetched_subject_that_cannot_be_resolved_is_refused_without_blame() -> None:
    record = built(answered("labs", "Observation", observation(subject={"reference": "urn:uuid:9"})))
    assert record.refused[0].refusal is Refusal.OTHER_PATIENT


def test_a_missing_subject_is_said_and_not_refused() -> None:
    reading = only(observation(subject=None))
    assert (reading.refusal, reading.note) == (None, "subject not stated")


def test_what_is_about_the_fetus_is_not_about_the_patient() -> None:
    reading = only(observation("8867-4", "150", "/min", focus=[{"reference": "RelatedPerson/fetus"}]))
    assert reading.refusal is Refusal.OTHER_PATIENT
    assert only(observation(focus=[{"reference": "Patient/p1"}])).refusal is None


def test_an_extension_that_changes_the_meaning_is_not_read_over() -> None:
    assert only(observation(modifierExtension=[{"url": "http://example.org/x"}])).refusal is Refusal.MALFORMED
    assert only(observation(modifierExtension=[])).refusal is None


@pytest.mark.parametrize(
    "members",
    [
        {"note": [{"text": "Sample haemolysed."}]},
        {"note": [{"text": "specimen was grossly HEMOLYZED, please repeat"}]},
        {"interpretation": [{"text": "hemolysis present"}]},
        {"interpretation": [concept("H", "x", "High"), {"text": "Haemolysed"}]},
    ],
)
def test_row_48_a_haemolysed_potassium_is_flagged(members: dict[str, Any]) -> None:
    reading = only(observation(value="6.9", **members))
    assert (reading.refusal, reading.note) == (None, "sample: haemolysed")


@pytest.mark.parametrize("words", ["no haemolysis", "not hemolyzed", "Hemolysis index: 0", "haemolysis: none", "fine"])
def test_a_denied_fault_of_the_sample_is_no_fault(words: str) -> None:
    assert only(observation(note=[{"text": words}])).note == ""


@pytest.mark.parametrize(("notes", "noted"), [(["fine"], True), (["", " "], False), ([], False)])
def test_that_a_note_stands_beside_a_result_is_kept_and_not_its_words(notes: list[str], noted: bool) -> None:
    reading = only(observation(note=[{"text": text} for text in notes]))
    assert (reading.noted, reading.note) == (noted, "")


def test_a_note_of_a_panel_stands_beside_each_of_its_parts() -> None:
    parts = [{"code": concept(code), "valueQuantity": quantity("100", "mm[Hg]")} for code in ("8480-6", "8462-4")]
    record = chart(observation("85354-9", None, component=parts, note=[{"text": "left arm"}]))
    assert [record.readings[f"{part}_bp"][0].noted for part in ("systolic", "diastolic")] == [True, True]


def test_flags_of_the_laboratory_are_kept() -> None:
    v3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    assert only(observation(interpretation=[concept("HH", v3)])).flags == ("HH",)
    assert only(observation(interpretation=concept("L", v3))).flags == ("L",)
    assert only(observation(interpretation=[{"text": "H"}])).flags == ("H",)
    assert only(observation(interpretation=[concept("weird", v3)])).flags == ()


def ranged(*ranges: dict[str, Any], **more: Any) -> tuple[Decimal | None, Decimal | None]:
    reading = only(observation(referenceRange=list(ranges), **more))
    return reading.low, reading.high


def test_a_reference_range_is_in_the_reading_s_unit() -> None:
    low, high = quantity("3.5", "mmol/L"), quantity("5.1", "mmol/L")
    assert ranged({"low": low, "high": high}) == (Decimal("3.5"), Decimal("5.1"))
    assert ranged({"high": quantity("5.1")}) == (None, Decimal("5.1"))
    molar = {"low": quantity("53.052", "umol/L"), "high": quantity("1.2", "mg/dL")}
    assert ranged(molar, code="2160-0", valueQuantity=quantity("88.42", "umol/L")) == (
        Decimal("0.6"),
        Decimal("1.2"),
    )


def test_a_range_that_is_not_for_everybody_or_makes_no_sense_is_left_out() -> None:
    normal = {"low": quantity("3.5", "mmol/L"), "high": quantity("5.1", "mmol/L")}
    women = normal | {"appliesTo": [{"text": "women"}]}
    assert ranged(normal, women) == (Decimal("3.5"), Decimal("5.1"))
    assert ranged(normal, normal) == (None, None)
    assert ranged({"low": quantity("9", "mmol/L"), "high": quantity("5", "mmol/L")}) == (None, None)
    assert ranged({"low": quantity("3.5", "furlong")}) == (None, None)
    treatment = concept("treatment", "http://terminology.hl7.org/CodeSystem/referencerange-meaning")
    assert ranged(normal | {"type": treatment}) == (None, None)


def test_a_damaged_value_is_malformed_and_a_damaged_trifle_is_not() -> None:
    assert (
        only(observation(valueQuantity={"value": 4, "unit": "mmol/L", "comparator": []})).refusal is Refusal.MALFORMED
    )
    assert only(observation(referenceRange="x")).refusal is None


def usual_and_others() -> list[dict[str, Any]]:
    base = observation()
    quantities = [
        quantity("4.1", "mmol/L"), quantity("4.1", "mEq/L"), quantity("99", "mmol/L"), quantity("4.1"),
        quantity('"NaN"', "mmol/L"), quantity("1e-999999", "mmol/L"), quantity("4.1", "mmol/L", comparator="<"),
    ]  # fmt: skip
    changes: list[dict[str, Any]] = [
        *({"valueQuantity": q} for q in quantities),
        *({"effectiveDateTime": t} for t in ("2026-11-20", "2026", "2031-01-01T00:00:00Z", "2026-11-20T08:10:00+02:00")),
        *({"code": concept(c, s, d)} for c, s, d in (("2823-3", LOINC, "Glucose"), ("2823-3", SNOMED, None))),
        {"referenceRange": [{"low": quantity("3.5", "mmol/L"), "high": quantity("5.1", "mmol/L")}]},
        {"identifier": [{"system": "urn:lab", "value": "1"}]}, {"code": concept("9999-1", display="Something")},
        {"code": concept("2160-0"), "valueQuantity": quantity("88.4", "umol/L")}, {"code": concept("9999-1")},
        {"code": concept("8480-6"), "valueQuantity": quantity("0e-999999", "mm[Hg]")}, {"code": {"text": "Something"}},
        {"code": concept("9999-1"), "valueQuantity": quantity("1e16", "x")}, {"code": {}},
        {"code": concept("9999-1"), "valueQuantity": quantity("1e-31", "x")}, {"valueQuantity": quantity("4.1", "mmol/L", code="x")},
        {"code": {"coding": [*concept("2823-3")["coding"], {"system": "urn:local", "code": "K"}], "text": "K"}}, {"code": "K"},
        {"code": 7}, {"code": None}, {"referenceRange": "3.5-5.1"}, {"interpretation": "H"},
        {"interpretation": [concept("H", "x")]}, {"interpretation": [{"text": "haemolysed"}]},
        {"note": [{"text": "haemolysed"}]}, {"status": "amended"}, {"subject": {"reference": "Patient/p2"}}, {"valueString": "x"},
    ]  # fmt: skip
    return [base, *({**base, **change} for change in changes)]


@pytest.mark.parametrize("number", range(len(usual_and_others())))
def test_the_short_way_and_the_full_way_judge_the_same(number: int) -> None:
    views = [v for v in read(bundle(usual_and_others()[number])).views if isinstance(v, ObservationView)]
    short, full = (Reader(NOW, UTC, Whose("p1")) for _ in range(2))
    short.read_all([(view, "Observation/o1", "", False) for view in views])
    for view in views:
        full.read(view, "Observation/o1")
    assert short.found == full.found
