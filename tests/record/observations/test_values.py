"""Numbers and answers: units by table, exact decimals, bounds, texts that are never numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.record.facts import Refusal
from tests.record.resources import SNOMED, UCUM, concept, observation, only, quantity


def test_a_decimal_keeps_its_digits() -> None:
    reading = only(observation(value="7.40"))
    assert str(reading.value) == "7.40"
    assert reading.unit == "mmol/L"
    assert reading.exact


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        ("2345-7", "5.5", "mmol/L", "99.0880"),
        ("2160-0", "176.84", "umol/L", "2"),
        ("14682-9", "88.42", "µmol/L", "1"),
        ("22664-7", "10", "mmol/L", "28.010"),
        ("17861-6", "2.5", "mmol/L", "10.0200"),
        ("19123-9", "1", "mmol/L", "2.431"),
        ("2777-1", "1", "mmol/L", "3.097"),
        ("1975-2", "17.10", "umol/L", "1"),
        ("2093-3", "5", "mmol/L", "193.35"),
        ("2571-8", "2", "mmol/L", "177.14"),
        ("718-7", "120", "g/L", "12"),
        ("718-7", "8", "mmol/L", "12.888"),
        ("1751-7", "40", "g/L", "4"),
        ("2019-8", "6", "kPa", "45.00372"),
        ("8310-5", "98.6", "[degF]", "37"),
        ("29463-7", "100", "[lb_av]", "45.359237"),
        ("29463-7", "3500", "g", "3.5"),
        ("8302-2", "1.75", "m", "175"),
        ("59261-8", "48", "mmol/mol", "6.54304"),
        ("4544-3", "0.42", "L/L", "42"),
        ("3150-6", "0.28", "1", "28"),
        ("1988-5", "12", "mg/dL", "120"),
        ("48065-7", "0.5", "ug/mL FEU", "500"),
        ("6598-7", "0.05", "ng/mL", "50"),
        ("3091-6", "50", "mg/dL", "23.32"),
        ("14920-3", "12.87", "pmol/L", "1"),
        ("2524-7", "18.016", "mg/dL", "2"),
    ],
)
def test_a_known_unit_is_converted_exactly_and_the_source_is_kept(
    code: str, value: str, unit: str, expected: str
) -> None:
    reading = only(observation(code, value, unit))
    assert reading.refusal is None
    assert reading.value == Decimal(expected)
    assert reading.written == f"{value} {unit}"
    assert reading.written_value == Decimal(value)
    assert reading.written_unit


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("8480-6", "mmHg"), ("8480-6", "mm Hg"), ("8480-6", "MMHG"), ("6690-2", "K/uL"), ("6690-2", "10^9/L"),
        ("6690-2", "x10(3)/µL"), ("1742-6", "IU/L"), ("2823-3", "mEq/L"), ("2823-3", "mmol/l"), ("8867-4", "bpm"),
        ("8867-4", None), ("9279-1", "breaths/min"), ("6301-6", None), ("3016-3", "uIU/mL"), ("33914-3", "mL/min"),
        ("33914-3", "mL/min/1.73m2"), ("9269-2", "{score}"), ("33762-6", "ng/L"), ("89579-7", "pg/mL"),
    ],
)  # fmt: skip
def test_another_spelling_of_the_same_unit_changes_nothing(code: str, unit: str | None) -> None:
    value = {"8480-6": "120", "8867-4": "80", "9279-1": "16", "9269-2": "14"}.get(code, "5.5")
    reading = only(observation(code, value, unit))
    assert reading.refusal is None
    assert reading.value == Decimal(value)
    assert reading.written == ""


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        ("2160-0", "1.2", "umol/L"),  # a mg/dL value under the molar label
        ("2160-0", "88", "mg/dL"),
        ("2345-7", "5.5", "mg/dL"),
        ("2345-7", "200", "mmol/L"),
        ("718-7", "132", "g/dL"),
        ("718-7", "13.2", "g/L"),
        ("8310-5", "98.6", "Cel"),
        ("8310-5", "37", "[degF]"),
        ("17861-6", "9.4", "mmol/L"),
        ("17861-6", "2.35", "mg/dL"),
        ("8302-2", "1.75", "cm"),
        ("59408-5", "103", "%"),
        ("59408-5", "0.97", "%"),
        ("2703-7", "95", "kPa"),
        ("10834-0", "2.5", "g/L"),
        ("6690-2", "7400", "10*3/uL"),
        ("4548-4", "48", "%"),
        ("2823-3", "1e999999", "mmol/L"),
        ("2823-3", "-4.1", "mmol/L"),
    ],
)
def test_a_value_no_patient_has_is_refused_and_shown_as_written(code: str, value: str, unit: str) -> None:
    reading = only(observation(code, value, unit))
    assert reading.refusal is Refusal.IMPLAUSIBLE
    assert reading.value is None
    assert reading.written


@pytest.mark.parametrize(
    ("code", "unit"),
    [("2823-3", None), ("2823-3", ""), ("2823-3", "mg/dL"), ("2345-7", "units"), ("48065-7", "ng/mL DDU")],
)
def test_a_missing_or_unknown_unit_is_refused(code: str, unit: str | None) -> None:
    reading = only(observation(code, "500" if code == "48065-7" else "4.1", unit))
    assert reading.refusal is Refusal.UNKNOWN_UNIT
    assert reading.value is None


def test_a_unit_that_contradicts_its_code_is_no_unit() -> None:
    value = quantity("88", "mg/dL", system=UCUM, code="umol/L")
    reading = only(observation("2160-0", None, valueQuantity=value))
    assert reading.refusal is Refusal.UNKNOWN_UNIT
    assert "contradicts" in reading.note


def test_a_ucum_code_nobody_knows_is_not_saved_by_its_unit() -> None:
    value = quantity("4.1", "mmol/L", system=UCUM, code="furlong")
    assert only(observation("2823-3", None, valueQuantity=value)).refusal is Refusal.UNKNOWN_UNIT


def test_a_local_unit_code_leaves_the_word_to_decide() -> None:
    value = quantity("4.1", "mmol/L", system="http://example.org/units", code="17")
    assert only(observation("2823-3", None, valueQuantity=value)).value == Decimal("4.1")


def test_case_decides_nothing_except_where_it_does() -> None:
    assert only(observation("718-7", "13", "G/DL")).value == 13
    assert only(observation("3016-3", "2", "MIU/L")).refusal is None


@pytest.mark.parametrize(
    ("sign", "kept"), [("<", "<"), ("<=", "<="), (">=", ">="), (">", ">"), ("≤", "<="), ("≥", ">=")]
)
def test_a_comparator_makes_a_bound_that_enters_no_formula(sign: str, kept: str) -> None:
    reading = only(observation("33959-8", None, valueQuantity=quantity("0.2", "ng/mL", comparator=sign)))
    assert (reading.comparator, reading.value, reading.exact) == (kept, Decimal("0.2"), False)


def test_an_unknown_comparator_is_refused() -> None:
    reading = only(observation(value=None, valueQuantity=quantity("4.1", "mmol/L", comparator="~")))
    assert reading.refusal is Refusal.MALFORMED


def test_a_bound_is_converted_like_a_value() -> None:
    reading = only(observation("2160-0", None, valueQuantity=quantity("8.842", "umol/L", comparator="<")))
    assert (reading.comparator, reading.value) == ("<", Decimal("0.1"))


@pytest.mark.parametrize(
    ("code", "words", "comparator", "value"),
    [
        ("33959-8", "<0.2 ng/mL", "<", "0.2"),
        ("98979-8", ">90", ">", "90"),
        ("98979-8", "≥ 60 mL/min/1.73m2", ">=", "60"),
        ("6301-6", "> 8.0", ">", "8.0"),
    ],
)
def test_a_string_that_is_strictly_a_bound_with_a_known_unit_is_one(
    code: str, words: str, comparator: str, value: str
) -> None:
    reading = only(observation(code, None, valueString=words))
    assert (reading.comparator, reading.value, reading.refusal) == (comparator, Decimal(value), None)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("33959-8", "<0.2"),  # no unit, and ng/mL is not the only one in use
        ("2823-3", "4.1 mmol/L"),
        ("2823-3", "approx. <4"),
        ("2823-3", "haemolysed"),
        ("2823-3", "<4 bananas"),
        ("89579-7", ">90"),
    ],
)
def test_any_other_string_stays_a_text_and_is_no_number(code: str, words: str) -> None:
    reading = only(observation(code, None, valueString=words))
    assert reading.refusal is Refusal.NO_VALUE
    assert reading.value is None
    assert reading.text == words


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("valueBoolean", True, "yes"),
        ("valueTime", "08:10", "08:10"),
        ("valueRange", {"low": quantity("5", "x"), "high": quantity("10", "x")}, "5 x – 10 x"),
        ("valueRatio", {"numerator": quantity("1"), "denominator": quantity("128")}, "1 : 128"),
        ("valuePeriod", {"start": "2026-01-01", "end": "2026-01-02"}, "2026-01-01 – 2026-01-02"),
        ("valueSampledData", {"origin": quantity("0"), "period": 10, "dimensions": 1}, "sampled data"),
        ("valueDateTime", "2026-09-01", "2026-09-01"),
        ("valueString", "pale\u202e", "pale"),
    ],
)
def test_every_kind_of_value_becomes_a_text_where_it_is_no_quantity(member: str, value: Any, text: str) -> None:
    reading = only(observation("99999-9", None, **{member: value}))
    assert (reading.text, reading.value, reading.refusal) == (text, None, None)


def test_an_integer_is_a_number_without_unit() -> None:
    assert only(observation("9269-2", None, valueInteger=14)).value == 14
    assert only(observation("2823-3", None, valueInteger=4)).refusal is Refusal.UNKNOWN_UNIT


def test_two_values_are_none() -> None:
    assert only(observation(valueString="4.1")).refusal is Refusal.MALFORMED
    assert only(observation(value=None, valueString="x", valueInteger=4)).refusal is Refusal.MALFORMED


def test_a_reason_for_absence_is_said_and_no_value_is_used_beside_it() -> None:
    reason = concept("error", "http://terminology.hl7.org/CodeSystem/data-absent-reason", "Error")
    reading = only(observation(value=None, dataAbsentReason=reason))
    assert (reading.refusal, reading.text) == (Refusal.NOT_MEASURED, "Error")
    assert only(observation(dataAbsentReason=reason)).refusal is Refusal.NOT_MEASURED


def test_no_value_at_all_is_refused_as_such() -> None:
    assert only(observation(value=None)).refusal is Refusal.NO_VALUE
    assert only(observation(value=None, valueQuantity={"unit": "mmol/L"})).refusal is Refusal.NO_VALUE


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (concept("LA9340-6"), "A"), (concept("LA6560-2"), "C"), (concept("LA17108-4"), "V"), (concept("LA17107-6"), "P"),
        (concept("LA9343-0"), "U"), (concept("248234008", SNOMED), "A"), (concept("130987000", SNOMED), "C"),
        (concept("300202002", SNOMED), "V"), (concept("450847001", SNOMED), "P"), (concept("422768004", SNOMED), "U"),
        ({"text": "Alert"}, "A"), ({"text": "New confusion"}, "C"), ({"text": "Responds to voice"}, "V"),
        ({"text": "responds to PAIN"}, "P"), ({"text": "Unresponsive."}, "U"), ({"text": "v"}, "V"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", ["80288-4", "67775-7", "11454-5"])
def test_consciousness_is_one_of_five_letters(code: str, answer: dict[str, Any], letter: str) -> None:
    reading = only(observation(code, None, valueCodeableConcept=answer))
    assert (reading.concept, reading.text, reading.refusal) == ("consciousness", letter, None)


@pytest.mark.parametrize("words", ["not alert", "Drowsy", "unresponsive to voice", "A/V", ""])
def test_consciousness_in_other_words_is_never_guessed(words: str) -> None:
    reading = only(observation("67775-7", None, valueCodeableConcept={"text": words}))
    assert reading.refusal is Refusal.NO_VALUE


def test_a_loinc_answer_under_another_system_is_no_answer() -> None:
    reading = only(observation("67775-7", None, valueCodeableConcept=concept("LA9340-6", "http://example.org")))
    assert reading.refusal is Refusal.NO_VALUE


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("82810-3", {"valueCodeableConcept": concept("77386006", SNOMED)}, "pregnant"),
        ("82810-3", {"valueCodeableConcept": concept("LA26683-5")}, "not pregnant"),
        ("82810-3", {"valueBoolean": True}, "pregnant"),
        ("82810-3", {"valueString": "Not pregnant"}, "not pregnant"),
        ("72166-2", {"valueCodeableConcept": concept("266919005", SNOMED, "Never smoker")}, "never smoked"),
        ("75320-2", {"valueString": "DNR"}, "do not resuscitate"),
        ("75320-2", {"valueString": "see chart"}, "see chart"),
        ("2106-3", {"valueString": "Positive"}, "positive"),
        ("8665-2", {"valueDateTime": "2026-09-01"}, "2026-09-01"),
        ("11778-8", {"valueDateTime": "2027-06-01"}, "2027-06-01"),
    ],
)
def test_coded_items_are_put_into_the_words_of_the_table(code: str, value: dict[str, Any], expected: str) -> None:
    reading = only(observation(code, None, **value))
    assert (reading.text, reading.refusal) == (expected, None)
    assert reading.concept


def test_an_answer_where_a_number_is_asked_for_is_refused() -> None:
    assert only(observation("2823-3", None, valueCodeableConcept={"text": "high"})).refusal is Refusal.NO_VALUE
    assert only(observation("80288-4", "4", "{score}")).refusal is Refusal.MALFORMED


@pytest.mark.parametrize("value", ['"NaN"', '"Infinity"', '"sNaN"', "true", "[]", "{}", '"abc"'])
def test_what_is_no_number_never_becomes_one(value: str) -> None:
    reading = only(observation(value=value))
    assert reading.refusal in (Refusal.IMPLAUSIBLE, Refusal.MALFORMED)
    assert reading.value is None


def test_a_number_written_as_a_string_is_read() -> None:
    assert only(observation(value='"4.10"')).value == Decimal("4.10")


@pytest.mark.parametrize("code", ["3151-8", "3150-6"])
def test_room_air_in_place_of_an_oxygen_flow_is_an_answer_about_oxygen(code: str) -> None:
    reading = only(observation(code, None, valueString="Room air"))
    assert (reading.concept, reading.text, reading.refusal) == ("oxygen_therapy", "room air", None)
    assert only(observation(code, None, valueString="some")).refusal is Refusal.NO_VALUE
