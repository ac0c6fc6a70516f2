"""The unit system of the site (CDS_UNITS): every concept that has two, in both, with its range and its source's own writing."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.models.engine import Material
from cds_service.models.extractive import compose
from cds_service.record import salience, wording
from cds_service.record.facts import Reading
from cds_service.record.units import table
from tests.record.resources import chart, observation, only, quantity

# concept: LOINC, conventional value and range as printed; the same in SI units, counted by hand from the factors of units.toml
BOTH = {
    "haemoglobin": ("718-7", "g/dL", "13.2", "12.0", "15.5", "g/L", "132", "120", "155"),
    "haematocrit": ("4544-3", "%", "41.3", "36", "46", "L/L", "0.413", "0.360", "0.460"),
    "mchc": ("786-4", "g/dL", "33.1", "32", "36", "g/L", "331", "320", "360"),
    "urea_nitrogen": ("3094-0", "mg/dL", "20", "7", "21", "mmol/L", "7.1", "2.5", "7.5"),
    "creatinine": ("2160-0", "mg/dL", "1.8", "0.6", "1.1", "umol/L", "159", "53", "97"),
    "calcium": ("17861-6", "mg/dL", "9.6", "8.5", "10.5", "mmol/L", "2.40", "2.12", "2.62"),
    "magnesium": ("19123-9", "mg/dL", "2.1", "1.7", "2.4", "mmol/L", "0.86", "0.70", "0.99"),
    "phosphate": ("2777-1", "mg/dL", "3.4", "2.5", "4.5", "mmol/L", "1.10", "0.81", "1.45"),
    "glucose": ("2345-7", "mg/dL", "180", "70", "100", "mmol/L", "10.0", "3.9", "5.6"),
    "albumin": ("1751-7", "g/dL", "3.9", "3.5", "5.0", "g/L", "39", "35", "50"),
    "globulin": ("10834-0", "g/dL", "2.8", "2.0", "3.5", "g/L", "28", "20", "35"),
    "protein": ("2885-2", "g/dL", "7.1", "6.0", "8.3", "g/L", "71", "60", "83"),
    "bilirubin_total": ("1975-2", "mg/dL", "1.4", "0.2", "1.2", "umol/L", "24", "3", "21"),
    "bilirubin_direct": ("1968-7", "mg/dL", "0.4", "0.1", "0.3", "umol/L", "7", "2", "5"),
    "fibrinogen": ("3255-7", "mg/dL", "310", "200", "400", "g/L", "3.10", "2.00", "4.00"),
    "paco2": ("2019-8", "mm[Hg]", "40", "35", "45", "kPa", "5.3", "4.7", "6.0"),
    "pao2": ("2703-7", "mm[Hg]", "90", "75", "100", "kPa", "12.0", "10.0", "13.3"),
    "hba1c": ("4548-4", "%", "7.0", "4.0", "5.6", "mmol/mol", "53", "20", "38"),
    "cholesterol": ("2093-3", "mg/dL", "200", "100", "190", "mmol/L", "5.17", "2.59", "4.91"),
    "triglycerides": ("2571-8", "mg/dL", "150", "40", "150", "mmol/L", "1.69", "0.45", "1.69"),
    "ldl": ("13457-7", "mg/dL", "130", "50", "100", "mmol/L", "3.36", "1.29", "2.59"),
    "hdl": ("2085-9", "mg/dL", "40", "40", "60", "mmol/L", "1.03", "1.03", "1.55"),
    "free_t4": ("3024-7", "ng/dL", "1.2", "0.8", "1.8", "pmol/L", "15.4", "10.3", "23.2"),
    "urine_acr": ("14959-1", "mg/g", "30", "0", "30", "mg/mmol", "3.4", "0.0", "3.4"),
}  # fmt: skip
UTC = ZoneInfo("UTC")


def made(key: str, si: bool) -> dict[str, object]:
    """An observation of the concept with its reference range, written in one system."""
    loinc, *rest = BOTH[key]
    unit, value, low, high = rest[4:] if si else rest[:4]
    span = {"low": quantity(low, unit), "high": quantity(high, unit)}
    return observation(loinc, value, unit, referenceRange=[span])


def test_every_concept_with_an_si_unit_is_counted_here() -> None:
    assert {key for key, concept in table().concepts.items() if concept.si is not None} == set(BOTH)


@pytest.mark.parametrize("key", BOTH)
def test_a_conventional_result_is_printed_in_si_units_with_the_original_beside_it(key: str) -> None:
    _, unit, value, _, _, si, number, low, high = BOTH[key]
    reading = only(made(key, si=False), units="si")
    assert wording.value(reading) == f"{number} {wording.unit(si)} (written {value} {wording.unit(unit)})"
    assert wording.reference_range(reading) == f"ref {low}–{high}"
    assert reading.value == Decimal(value)  # rules go on computing in the canonical unit


@pytest.mark.parametrize("key", BOTH)
def test_an_si_result_is_printed_as_its_source_wrote_it(key: str) -> None:
    _, _, _, _, _, si, number, low, high = BOTH[key]
    reading = only(made(key, si=True), units="si")
    assert wording.value(reading) == f"{number} {wording.unit(si)}"
    assert wording.reference_range(reading) == f"ref {low}–{high}"
    assert reading.unit == table().concepts[key].unit


@pytest.mark.parametrize("key", BOTH)
def test_a_site_with_conventional_units_sees_no_si_unit_but_as_the_original(key: str) -> None:
    _, unit, value, low, high, _, number, _, _ = BOTH[key]
    own = only(made(key, si=False))
    assert (wording.value(own), wording.reference_range(own)) == (f"{value} {wording.unit(unit)}", f"ref {low}–{high}")
    shown = wording.value(only(made(key, si=True)))
    assert shown.partition(" (written ")[0].endswith(wording.unit(unit))
    assert f"(written {number} " in shown


@pytest.mark.parametrize("si", [False, True])
@pytest.mark.parametrize("key", BOTH)
def test_what_the_extractive_engine_says_in_si_units_is_kept(key: str, si: bool) -> None:
    record = chart(made(key, si), units="si")
    selection = salience.rank(record, 24)
    statements = compose(Material(facts=selection.facts, person=record.person, zone=UTC, now=record.now))
    verdict = verify(statements, selection.facts, UTC, now=record.now)
    assert len(statements) == 1
    assert not verdict.dropped
    assert wording.value(record.readings[key][0]) in verdict.kept[0].text


def test_a_bound_and_a_third_unit_keep_their_original_beside_them() -> None:
    bound = only(observation("1975-2", None, valueQuantity=quantity("0.2", "mg/dL", comparator="<")), units="si")
    assert wording.value(bound) == "<3 µmol/L (written <0.2 mg/dL)"
    assert wording.value(only(observation("17861-6", "4.8", "meq/L"), units="si")) == "2.40 mmol/L (written 4.8 meq/L)"


@pytest.mark.parametrize(("loinc", "unit", "value"), [("8480-6", "mm[Hg]", "120"), ("1742-6", "U/L", "30"), ("2823-3", "mmol/L", "4.1")])  # fmt: skip
def test_a_concept_with_one_unit_is_printed_alike_in_both_systems(loinc: str, unit: str, value: str) -> None:
    reading = observation(loinc, value, unit)
    assert wording.value(only(reading, units="si")) == wording.value(only(reading)) == f"{value} {wording.unit(unit)}"


def test_levels_come_from_the_source_and_not_from_rounded_numbers() -> None:
    span = [{"low": quantity("70", "mg/dL"), "high": quantity("100", "mg/dL")}]
    assert wording.level(only(observation("2345-7", "101", "mg/dL", referenceRange=span), units="si")) == "high"


def test_a_display_outlives_the_stored_record_of_a_job() -> None:
    record = chart(made("creatinine", si=False), units="si")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(record.readings["creatinine"][0]), type=Reading)
    assert wording.value(again) == "159 µmol/L (written 1.8 mg/dL)"


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("Creatinine is 159 µmol/L.", True),
        ("Creatinine is 1.8 mg/dL.", True),
        ("Creatinine is above 97 µmol/L.", True),
        ("Creatinine is 160 µmol/L.", False),
        ("Creatinine is 1.9 mg/dL.", False),
        ("Creatinine is 159 mg/dL.", False),
        ("Creatinine is 1.8 µmol/L.", False),
    ],
)
def test_a_model_may_say_either_form_of_a_converted_value_and_nothing_else(said: str, holds: bool) -> None:
    record = chart(made("creatinine", si=False), units="si")
    (fact,) = record.readings["creatinine"]
    verdict = verify([Statement(text=said, fact_ids=(fact.id,))], [fact], UTC, now=record.now)
    assert bool(verdict.kept) is holds, verdict
