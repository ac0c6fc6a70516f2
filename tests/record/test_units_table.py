"""units.toml itself: complete, free of contradictions, and right against an independent count."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.record import units
from cds_service.record.units import Conversion, conversion_for, table

CANONICAL = {
    "respiratory_rate": "/min", "heart_rate": "/min", "oxygen_saturation": "%", "body_temperature": "Cel",
    "systolic_bp": "mm[Hg]", "diastolic_bp": "mm[Hg]", "mean_bp": "mm[Hg]", "oxygen_flow": "L/min", "inhaled_oxygen": "%",
    "gcs": "{score}", "pain": "{score}", "body_weight": "kg", "body_height": "cm", "bmi": "kg/m2", "urine_output": "mL/h",
    "leukocytes": "10*3/uL", "erythrocytes": "10*6/uL", "haemoglobin": "g/dL", "haematocrit": "%", "mcv": "fL",
    "platelets": "10*3/uL", "neutrophils": "10*3/uL", "lymphocytes": "10*3/uL", "bands": "%", "sodium": "mmol/L",
    "potassium": "mmol/L", "chloride": "mmol/L", "bicarbonate": "mmol/L", "anion_gap": "mmol/L", "urea_nitrogen": "mg/dL",
    "creatinine": "mg/dL", "egfr": "mL/min/{1.73_m2}", "calcium": "mg/dL", "ionised_calcium": "mmol/L",
    "magnesium": "mg/dL", "phosphate": "mg/dL", "glucose": "mg/dL", "albumin": "g/dL", "protein": "g/dL",
    "bilirubin_total": "mg/dL", "bilirubin_direct": "mg/dL", "alt": "U/L", "ast": "U/L", "alp": "U/L", "ggt": "U/L",
    "lipase": "U/L", "inr": "{INR}", "pt": "s", "aptt": "s", "fibrinogen": "mg/dL", "d_dimer_feu": "ng/mL",
    "d_dimer_ddu": "ng/mL", "troponin_i": "ng/L", "troponin_t": "ng/L", "nt_probnp": "pg/mL", "bnp": "pg/mL", "ck": "U/L",
    "ph": "[pH]", "paco2": "mm[Hg]", "pao2": "mm[Hg]", "base_excess": "mmol/L", "lactate": "mmol/L", "hba1c": "%",
    "cholesterol": "mg/dL", "triglycerides": "mg/dL", "ldl": "mg/dL", "hdl": "mg/dL", "crp": "mg/L",
    "procalcitonin": "ng/mL", "tsh": "m[IU]/L", "free_t4": "ng/dL", "ferritin": "ng/mL", "esr": "mm/h",
    "urine_acr": "mg/g", "qt": "ms", "qtc": "ms", "gestational_age": "wk",
}  # fmt: skip
WITHOUT_UNIT = {
    "oxygen_therapy", "consciousness", "pregnancy_status", "last_menstrual_period", "estimated_delivery_date",
    "code_status", "hypercapnic_target", "smoking_status",
}  # fmt: skip
MOLAR = {  # concept, unit, molar mass in g/mol, litres in the denominator of the canonical unit, moles in the source unit
    "glucose": ("mmol/L", "180.16"), "creatinine": ("umol/L", "113.12"), "urea_nitrogen": ("mmol/L", "28.01"),
    "bilirubin_total": ("umol/L", "584.66"), "calcium": ("mmol/L", "40.078"), "magnesium": ("mmol/L", "24.305"),
    "phosphate": ("mmol/L", "30.974"), "cholesterol": ("mmol/L", "386.65"), "triglycerides": ("mmol/L", "885.4"),
    "free_t4": ("pmol/L", "776.87"),
}  # fmt: skip
SCALE = {
    "mmol/L": Decimal("0.1"),
    "umol/L": Decimal("0.0001"),
    "pmol/L": Decimal("0.0001"),
}  # to mg/dL; to ng/dL for pmol


@pytest.mark.parametrize(("key", "unit"), CANONICAL.items())
def test_every_concept_rules_name_is_there_in_its_unit(key: str, unit: str) -> None:
    assert table().concepts[key].unit == unit


@pytest.mark.parametrize("key", sorted(WITHOUT_UNIT))
def test_concepts_that_are_no_numbers_have_no_unit(key: str) -> None:
    assert (table().concepts[key].unit, table().concepts[key].kind) in (("", "coded"), ("", "date"))


@pytest.mark.parametrize("key", MOLAR)
def test_molar_factors_agree_with_molar_masses(key: str) -> None:
    unit, mass = MOLAR[key]
    found = table().concepts[key].conversions[units.fold(unit)]
    expected = Decimal(mass) * SCALE[unit]
    assert abs(found.apply(Decimal(1)) / expected - 1) < Decimal("0.003")


def test_every_number_has_a_plausible_range_and_at_least_one_code() -> None:
    known = {concept.key for concept in table().codes.values()}
    for concept in table().concepts.values():
        if concept.kind == "number":
            assert concept.low < concept.high, concept.key
        assert concept.key in known or concept.key == "hypercapnic_target"


def test_no_spelling_has_two_meanings_within_a_concept() -> None:
    for concept in table().concepts.values():
        meanings: dict[str, set[tuple[units.Step, ...]]] = {}
        for spelling, conversion in concept.conversions.items():
            meanings.setdefault(spelling, set()).add(conversion.steps)
        assert all(len(m) == 1 for m in meanings.values()), concept.key


def test_plausible_bounds_of_a_source_unit_come_from_the_canonical_ones() -> None:
    kelvin_free = table().concepts["body_temperature"].conversions["[degF]"]
    assert (kelvin_free.low, kelvin_free.high) == (Decimal("68.0"), Decimal("114.8"))


@pytest.mark.parametrize(
    "text",
    [
        '[systems]\n[spellings]\n[concepts.a]\nlabel="A"\nunit="g"\nloinc=["1-1"]\n[concepts.b]\nlabel="B"\nunit="g"\nloinc=["1-1"]',
        '[systems]\n[spellings]\n[concepts.a]\nlabel="A"\nunit="g"\naccept={"kg"="^ 2"}',
        '[systems]\n[spellings]\n[concepts.a]\nunit="g"',
    ],
)
def test_a_table_that_contradicts_itself_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        units.load(text)


def test_the_code_decides_where_two_codes_of_a_concept_differ_in_meaning() -> None:
    nitrogen = conversion_for("urea_nitrogen", ("http://loinc.org", "3094-0"), "mg/dL", None, None)
    urea = conversion_for("urea_nitrogen", ("http://loinc.org", "3091-6"), "mg/dL", None, None)
    assert isinstance(nitrogen, Conversion)
    assert isinstance(urea, Conversion)
    assert (nitrogen.apply(Decimal(10)), urea.apply(Decimal(10))) == (Decimal(10), Decimal("4.6640"))


def test_a_unit_of_absurd_length_is_no_unit() -> None:
    assert isinstance(conversion_for("potassium", ("http://loinc.org", "2823-3"), "x" * 10_000, None, None), str)


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        ("39789-3", "potassium"), ("39790-1", "potassium"), ("41656-0", "potassium"), ("39791-9", "sodium"),
        ("39792-7", "sodium"), ("30350-3", "haemoglobin"), ("55782-7", "haemoglobin"), ("14743-9", "glucose"),
        ("41652-9", "glucose"), ("19239-3", "lactate"), ("38875-1", "inr"), ("48067-3", "d_dimer_feu"),
        ("48058-2", "d_dimer_ddu"), ("2110-5", "pregnancy_test"),
    ],
)  # fmt: skip
def test_results_of_blood_gas_analysers_and_bedside_meters_are_those_of_the_laboratory(code: str, concept: str) -> None:
    """Venous, capillary and arterial blood have LOINC codes of their own; whoever knows serum alone misses the first result."""
    assert table().codes[("http://loinc.org", code)].key == concept


@pytest.mark.parametrize(
    ("concept", "code", "written"),
    [
        ("leukocytes", "6690-2", "thou/mcL"), ("leukocytes", "6690-2", "x10(3)/mcL"), ("platelets", "777-3", "bil/L"),
        ("respiratory_rate", "9279-1", "rpm"), ("oxygen_saturation", "59408-5", "% saturation"),
        ("hba1c", "4548-4", "% of total Hgb"), ("ph", "2744-1", "pH Unit"), ("egfr", "98979-8", "mL/min/1.73 sq. m"),
    ],
)  # fmt: skip
def test_spellings_that_laboratories_print_are_read(concept: str, code: str, written: str) -> None:
    found = conversion_for(concept, ("http://loinc.org", code), written, None, None)
    assert isinstance(found, Conversion)
    assert found.steps == ()
