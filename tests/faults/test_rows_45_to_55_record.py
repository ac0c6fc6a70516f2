"""Rows 45–49, 51–53 and 55 of the fault matrix on the record's side; the readers' and rules' tests go into detail."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cds_service.record.facts import Refusal
from tests.record.resources import (
    LOINC,
    NOW,
    RXNORM,
    SNOMED,
    answered,
    built,
    chart,
    concept,
    observation,
    only,
    quantity,
    resource,
)  # fmt: skip


@pytest.mark.parametrize(("seconds", "refusal"), [(-300, None), (300, None), (301, Refusal.FUTURE)])
def test_row_45_five_minutes_of_skew_are_small_leeway_and_no_more(seconds: int, refusal: Refusal | None) -> None:
    written = (NOW + timedelta(seconds=seconds)).isoformat()
    assert only(observation(effectiveDateTime=written)).refusal is refusal


def test_row_45_freshness_counts_from_the_servers_clock() -> None:
    record = chart(observation(effectiveDateTime=(NOW - timedelta(hours=5)).isoformat()))
    assert record.latest("potassium", timedelta(hours=4)) is None
    assert record.latest("potassium", timedelta(hours=6)) is not None


@pytest.mark.parametrize("written", ["2031-01-01T00:00:00Z", "1899-01-01", None, "2026", "2026-11", "soon"])
def test_row_46_a_time_that_is_no_day_of_the_past_is_never_the_latest(written: str | None) -> None:
    older = observation(id="old", value="4.0", effectiveDateTime="2026-11-01T08:00:00Z")
    record = chart(older, observation(id="odd", value="6.9", effectiveDateTime=written))
    latest = record.latest("potassium")
    assert latest is not None
    assert latest.reference == "Observation/old"


@pytest.mark.parametrize(
    ("code", "value", "unit", "refusal"),
    [
        ("2160-0", "1.2", "umol/L", Refusal.IMPLAUSIBLE),
        ("2160-0", "1.2", None, Refusal.UNKNOWN_UNIT),
        ("2160-0", "1.2", "furlong", Refusal.UNKNOWN_UNIT),
        ("8480-6", "120", "mmHg", None),
    ],
)
def test_row_47_synonyms_are_known_and_what_is_unknown_or_impossible_is_not_computed(
    code: str, value: str, unit: str | None, refusal: Refusal | None
) -> None:
    reading = only(observation(code, value, unit))
    assert reading.refusal is refusal
    assert reading.exact is (refusal is None)


def test_row_48_a_bound_never_enters_a_formula_and_a_text_is_never_a_number() -> None:
    bound = only(observation("98979-8", None, valueString=">90"))
    assert (bound.comparator, bound.value, bound.exact) == (">", Decimal(90), False)
    assert only(observation(value=None, valueString="haemolysed")).note.endswith("sample: haemolysed")
    absent = concept("not-performed", "http://terminology.hl7.org/CodeSystem/data-absent-reason")
    assert only(observation(value=None, dataAbsentReason=absent)).refusal is Refusal.NOT_MEASURED


def test_row_48_a_haemolysed_potassium_keeps_its_value_and_its_flag() -> None:
    reading = only(observation(value="6.9", note=[{"text": "Specimen hemolyzed"}]))
    assert (reading.value, reading.note) == (Decimal("6.9"), "sample: haemolysed")


def test_row_49_the_corrected_result_wins_the_error_is_excluded_and_every_id_is_kept() -> None:
    record = chart(
        observation(id="first", value="8.1"),
        observation(id="copy", value="8.1"),
        observation(id="wrong", value="9.9", status="entered-in-error"),
        observation(id="right", value="4.1", status="corrected"),
    )
    assert [r.reference for r in record.readings["potassium"]] == ["Observation/right"]
    assert {(r.reference, r.refusal) for r in record.refused} == {
        ("Observation/first", Refusal.SUPERSEDED),
        ("Observation/copy", Refusal.SUPERSEDED),
        ("Observation/wrong", Refusal.ENTERED_IN_ERROR),
    }


@pytest.mark.parametrize("sex", ["unknown", "other", None])
def test_row_51_an_unknown_sex_stays_unknown(sex: str | None) -> None:
    patient = {"resourceType": "Patient", "id": "p1"} | ({"gender": sex} if sex else {})
    assert built(answered("patient", "Patient", patient)).person.sex == (sex or "")


def test_row_51_an_unknown_pregnancy_status_is_an_answer_and_a_missing_one_is_none() -> None:
    unknown = observation("82810-3", None, valueCodeableConcept=concept("LA4489-6", LOINC))
    latest = chart(unknown).latest("pregnancy_status")
    assert latest is not None
    assert latest.text == "unknown"
    assert chart().latest("pregnancy_status") is None


def test_row_52_twenty_thousand_observations_and_five_hundred_notes_are_held_newest_first() -> None:
    vitals = [
        observation("8867-4", str(60 + i % 40), "/min", id=f"o{i}",
                    effectiveDateTime=(NOW - timedelta(minutes=i)).isoformat())
        for i in range(20_000)
    ]  # fmt: skip
    notes = [
        resource("DocumentReference", status="current", date=(NOW - timedelta(days=i)).isoformat(),
                 content=[{"attachment": {"contentType": "text/plain", "data": "QUFB" * 3000}}]) | {"id": f"d{i}"}
        for i in range(500)
    ]  # fmt: skip
    record = built(answered("all", "Observation", *vitals, *notes, truncated="more were not fetched"))
    assert len(record.readings["heart_rate"]) == 20_000
    assert record.readings["heart_rate"][0].reference == "Observation/o0"
    assert sum(len(d.text) for d in record.documents) <= 400_000
    assert record.documents[0].text
    assert len(record.truncated) == 2


def test_row_53_the_allergy_is_honoured_beside_no_known_allergies() -> None:
    record = chart(
        resource("AllergyIntolerance", code=concept("716186003", SNOMED, "No known allergy")) | {"id": "none"},
        resource("AllergyIntolerance", code=concept("7980", RXNORM, "Penicillin G"), criticality="high")
        | {"id": "pen"},
    )
    (penicillin,) = [a for a in record.allergies if a.active and not a.negated]
    assert penicillin.label == "Penicillin G"
    assert all("conflict" in a.note for a in record.allergies)


def test_row_55_an_unknown_or_local_code_is_shown_and_not_interpreted() -> None:
    reading = only({**observation(), "code": concept("KAL", "http://example.org/lab", "Potassium (local)")})
    assert (reading.concept, reading.label, reading.refusal) == ("", "Potassium (local)", None)


def test_row_55_the_code_wins_over_a_display_that_contradicts_it_and_the_mismatch_is_noted() -> None:
    reading = only({**observation(), "code": concept("2823-3", LOINC, "Sodium [Moles/volume] in Serum")})
    assert reading.concept == "potassium"
    assert "contradicts" in reading.note


def test_row_47_an_exact_decimal_is_exact_after_conversion() -> None:
    low, high = (
        only(observation("2160-0", None, valueQuantity=quantity(v, "umol/L"))).value for v in ("88.42", "114.946")
    )
    assert low is not None
    assert high is not None
    assert high - low == Decimal("0.3")
