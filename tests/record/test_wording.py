"""How facts are printed: digits as written, converted values beside their source, dates in the site's zone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.record import wording
from tests.record.resources import RXNORM, chart, concept, observation, only, quantity, resource

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
RANGE = [{"low": quantity("3.5", "mmol/L"), "high": quantity("5.1", "mmol/L")}]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (observation(value="6.1"), "6.1 mmol/L"),
        (observation(value="6.10"), "6.10 mmol/L"),
        (observation("33959-8", None, valueQuantity=quantity("0.2", "ng/mL", comparator="<")), "<0.2 ng/mL"),
        (observation("2160-0", "88.4", "umol/L"), "0.9998 mg/dL (written 88.4 umol/L)"),
        (observation("2345-7", "28.0", "mmol/L"), "504.4 mg/dL (written 28.0 mmol/L)"),
        (observation("718-7", "69", "g/L"), "6.9 g/dL (written 69 g/L)"),
        (observation("8310-5", "98.6", "[degF]"), "37 °C (written 98.6 [degF])"),
        (observation("8480-6", "107", "mm[Hg]"), "107 mmHg"),
        (observation("59408-5", "93", "%"), "93 %"),
        (observation("9269-2", "14", "{score}"), "14"),
        (observation("6301-6", "2.3", "{INR}"), "2.3"),
        (observation("6690-2", "12.4", "10*3/uL"), "12.4 10³/µL"),
        (observation("29463-7", "81.23456789012345", "kg"), "81.23 kg"),
        (observation("777-3", "1.5e2", "10*3/uL"), "150 10³/µL"),
        (observation("67775-7", None, valueString="Alert"), "alert (A)"),
        (observation("67775-7", None, valueString="delirium"), "new confusion (C)"),
        (observation("67775-7", None, valueString="V"), "responds to voice (V)"),
        (observation("67775-7", None, valueString="responds to pain"), "responds to pain (P)"),
        (observation("67775-7", None, valueString="unconscious"), "unresponsive (U)"),
        (observation(unit="furlong"), "4.1 furlong"),
    ],
)  # fmt: skip
def test_a_value_is_printed_as_clinicians_write_it(made: dict[str, Any], words: str) -> None:
    assert wording.value(only(made)) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7.40", "7.40"), ("1E+2", "100"), ("0.0001", "0.0001"), ("0.000123456", "0.0001235"), ("123456.789012", "123457"),
        ("0.99977", "0.9998"), ("1E-7", "0.0000001"), ("-3.14159265", "-3.142"), ("0", "0"), ("0.00", "0.00"),
    ],
)  # fmt: skip
def test_only_long_fractions_are_rounded(value: str, text: str) -> None:
    assert wording.number(Decimal(value)) == text


def test_a_line_says_when_what_how_unusual_and_where_from() -> None:
    reading = only(observation(value="6.1", id="k1", referenceRange=RANGE))
    assert wording.line(reading, UTC) == (
        "2026-11-20 08:10 · Potassium 6.1 mmol/L · ref 3.5–5.1 · high · Observation/k1"
    )
    assert wording.line(reading, BERLIN).startswith("2026-11-20 09:10 · ")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-20T08:10:00Z", "2026-11-20 08:10"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11", "2026-11"),
        ("2026", "2026"),
        ("26", "undated (26)"),
        ("garbage", "undated (garbage)"),
    ],
)
def test_a_time_is_printed_no_finer_than_it_is_known(written: str, shown: str) -> None:
    assert wording.dated(only(observation(effectiveDateTime=written)), UTC) == shown


def test_a_day_stays_that_day_in_every_zone() -> None:
    reading = only(observation(effectiveDateTime="2026-11-20"))
    assert wording.moment(reading, ZoneInfo("Pacific/Honolulu")) == "2026-11-20"


def test_a_preliminary_or_refused_reading_says_so() -> None:
    assert "preliminary" in wording.line(only(observation(status="preliminary")), UTC)
    assert "not used: unknown unit" in wording.line(only(observation(unit="furlong")), UTC)


@pytest.mark.parametrize(
    ("members", "level"),
    [
        ({"referenceRange": RANGE}, "high"),
        ({"interpretation": [concept("HH", "x")]}, "critically high"),
        ({"interpretation": [concept("N", "x")], "referenceRange": RANGE}, "high"),
        ({"interpretation": [concept("L", "x")]}, "low"),
        ({}, ""),
    ],
)
def test_the_laboratory_s_flag_or_the_range_tells_what_is_unusual(members: dict[str, Any], level: str) -> None:
    assert wording.level(only(observation(value="6.1", **members))) == level


def test_a_bound_is_only_as_unusual_as_it_is_certain() -> None:
    def level(sign: str, value: str) -> str:
        made = observation(value=None, valueQuantity=quantity(value, "mmol/L", comparator=sign), referenceRange=RANGE)
        return wording.level(only(made))

    assert (level(">", "6.0"), level("<", "6.0"), level("<", "3.0"), level(">", "3.0")) == ("high", "", "low", "")


def test_every_kind_of_fact_has_a_line() -> None:
    reaction = [{"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}]
    record = chart(
        resource("Condition", code={"text": "Asthma"}, clinicalStatus="active", onsetDateTime="2019-05-04"),
        resource("AllergyIntolerance", code=concept("7980", RXNORM, "Penicillin G"), reaction=reaction, criticality="high"),
        resource("MedicationRequest", medicationCodeableConcept={"text": "Metformin"}, status="active",
                 dosageInstruction=[{"text": "500 mg twice daily"}], authoredOn="2026-01-02"),
        resource("Encounter", status="finished", type=[{"text": "Inpatient stay"}], period={"start": "2026-11-01", "end": "2026-11-10"}),
    )  # fmt: skip
    assert [wording.line(f, UTC) for f in record.facts()] == [
        "2019-05-04 · Asthma · active · Condition/condition",
        "undated · Allergy: Penicillin G · Anaphylaxis · severe · criticality high · AllergyIntolerance/allergyintolerance",
        "2026-01-02 · Metformin · 500 mg twice daily · active · MedicationRequest/medicationrequest",
        "2026-11-01 · Inpatient stay · finished · until 2026-11-10 · Encounter/encounter",
    ]
