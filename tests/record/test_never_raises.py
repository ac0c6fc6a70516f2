"""Damaged resources: reading and building never raise, and what is damaged is never half believed."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import WrongPatient
from cds_service.record import salience, wording
from cds_service.record.build import build
from cds_service.record.facts import Refusal
from fhir_adapters.read.resources import read
from tests.record.resources import LOINC, NOW, PATIENT, RXNORM, TIME, Answered, concept, resource

UTC = ZoneInfo("UTC")
AMOUNT = {"value": 4.1, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L", "comparator": "<"}
OBSERVATION = {
    "resourceType": "Observation", "id": "o", "meta": {"versionId": "1", "lastUpdated": TIME}, "status": "final",
    "code": concept("2823-3", display="Potassium", text="K"), "subject": {"reference": "Patient/p1"}, "issued": TIME,
    "effectiveDateTime": TIME, "valueQuantity": AMOUNT, "interpretation": [concept("H", "x")], "note": [{"text": "haemolysed"}],
    "referenceRange": [{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.1, "unit": "mmol/L"}}],
    "component": [{"code": concept("8480-6"), "valueQuantity": {"value": 107, "unit": "mm[Hg]"}}],
    "identifier": [{"system": "s", "value": "v"}], "effectivePeriod": {"start": TIME, "end": TIME},
}  # fmt: skip
VALID: list[dict[str, Any]] = [
    PATIENT | {"deceasedDateTime": TIME},
    OBSERVATION,
    {k: v for k, v in OBSERVATION.items() if k not in ("valueQuantity", "component")} | {"valueString": "<0.2 ng/mL"},
    resource("Condition", code=concept("1", "s", "x"), clinicalStatus=concept("active", "c"), onsetDateTime=TIME,
             verificationStatus=concept("confirmed", "v"), category=[concept("p", "c")], note=[{"text": "n"}]),
    resource("AllergyIntolerance", code=concept("7980", RXNORM), category=["medication"], criticality="high",
             reaction=[{"manifestation": [{"text": "rash"}], "severity": "severe", "substance": concept("1", "s")}]),
    resource("MedicationRequest", status="active", intent="order", medicationReference={"reference": "#m"}, authoredOn=TIME,
             contained=[{"resourceType": "Medication", "id": "m", "ingredient": [{"itemCodeableConcept": {"text": "x"}}]}],
             dosageInstruction=[{"text": "t", "route": {"text": "oral"}, "doseAndRate": [{"doseQuantity": AMOUNT}]}]),
    resource("MedicationStatement", status="active", medicationCodeableConcept={"text": "x"}, effectivePeriod={"start": TIME}),
    resource("MedicationAdministration", status="completed", dosage={"text": "t", "dose": AMOUNT}, effectiveDateTime=TIME),
    resource("Encounter", status="finished", type=[{"text": "x"}], period={"start": TIME, "end": TIME}),
    resource("Procedure", status="completed", code={"text": "x"}, performedPeriod={"start": TIME}, bodySite=[{"text": "y"}]),
    resource("Immunization", status="completed", vaccineCode={"text": "x"}, occurrenceDateTime=TIME),
    resource("DiagnosticReport", status="final", code={"text": "x"}, presentedForm=[{"contentType": "text/plain", "data": "QUJD"}]),
    resource("DocumentReference", status="current", content=[{"attachment": {"contentType": "text/html", "data": "PHA+"}}]),
    resource("ImagingStudy", status="available", identifier=[{"value": "urn:oid:1.2"}], modality=[{"code": "CT"}],
             series=[{"modality": {"code": "CT"}, "bodySite": {"code": "1"}}], started=TIME),
    resource("ServiceRequest", status="active", intent="order", code={"text": "CT"}, category=[{"text": "i"}], priority="urgent",
             occurrencePeriod={"start": TIME}, reasonReference=[{"display": "d"}]),
    resource("NutritionOrder", oralDiet={"type": [{"text": "x"}]}, supplement=[{"productName": "p"}]),
    resource("VisionPrescription", lensSpecification=[{"product": {"text": "x"}}]),
    resource("Goal", lifecycleStatus="active", description={"text": "x"},
             target=[{"measure": concept("59408-5", LOINC), "detailRange": {"low": AMOUNT, "high": AMOUNT}}]),
    resource("Consent", status="active", category=[concept("dnr", "c")], provision={"type": "deny", "code": [{"text": "x"}]}),
    resource("Flag", status="active", code={"text": "DNR"}, period={"start": TIME}),
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x", "details": {"text": "y"}}]},
]  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30) | st.sampled_from(["", "#", "#m", "urn:uuid:x", "Patient/p2", "9999-99-99", TIME, "-", "<", "NaN", "1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(p for key, part in inside for p in paths(part, (*here, key)))]


def damage(value: Any, path: tuple[Any, ...], junk: Any, how: str) -> Any:
    """The value with one place replaced, wrapped, removed or doubled."""
    if not path:
        return {"replace": junk, "wrap": [value], "remove": None, "double": [value, value]}[how]
    made = value.copy()
    head, rest = path[0], path[1:]
    if rest or how != "remove":
        made[head] = damage(made[head], rest, junk, how)
    else:
        del made[head]
    return made


@st.composite
def damaged(draw: st.DrawFn) -> list[Any]:
    """A valid chart with up to four places damaged."""
    chart: list[Any] = list(VALID)
    for _ in range(draw(st.integers(1, 4))):
        which = draw(st.integers(0, len(chart) - 1))
        path = draw(st.sampled_from(paths(chart[which])))
        how = draw(st.sampled_from(["replace", "wrap", "remove", "double"]))
        chart[which] = damage(chart[which], path, draw(JUNK), how)
    return chart


def judge(body: bytes, origin: str) -> None:
    found = read(body)
    answers = {"x": Answered("x", "Observation", resources=[found], origin=origin)}
    try:
        record = build("p1", answers, NOW, draft_orders=None, expected=["Observation", "Condition"])
    except WrongPatient:
        assert origin == "prefetch"
        return
    for fact in [*record.facts(), *record.refused]:
        line = wording.line(fact, UTC)
        assert line.isprintable() or "\n" in line
    for series in record.readings.values():
        assert all(r.refusal is None for r in series)
    assert all(isinstance(r.refusal, Refusal) for r in record.refused)
    assert len(salience.rank(record, 7).facts) <= 7


@given(damaged(), st.sampled_from(["prefetch", "fhir"]))
@settings(max_examples=250, deadline=None)
def test_a_damaged_chart_never_raises_in_readers_and_record(chart: list[Any], origin: str) -> None:
    judge(json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in chart]}).encode(), origin)


@given(st.sampled_from(VALID), JUNK, st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_resource_alone_never_raises(value: dict[str, Any], junk: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(value)))
    judge(json.dumps(damage(value, path, junk, "replace")).encode(), "fhir")


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_at_all_never_raise(body: bytes) -> None:
    judge(body, "fhir")


@given(st.integers(0, 2000), st.binary(max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_cut_or_corrupted_body_never_raises(place: int, noise: bytes) -> None:
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in VALID]}).encode()
    place %= len(body)
    judge(body[:place] + noise + body[place + len(noise) :], "fhir")
    judge(body[:place], "fhir")


@given(st.permutations([OBSERVATION | {"id": f"o{i}", "valueQuantity": {"value": i + 1, "unit": "mmol/L"},
                                       "effectiveDateTime": f"2026-11-20T0{i % 3}:00:00Z"} for i in range(6)]))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_order_of_arrival_never_changes_the_latest(order: list[dict[str, Any]]) -> None:
    def latest(entries: list[dict[str, Any]]) -> Any:
        body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in [PATIENT, *entries]]}).encode()
        record = build("p1", {"x": Answered("x", "Observation", resources=[read(body)])}, NOW)
        return record.latest("potassium"), record.readings, record.refused

    assert latest(order) == latest(sorted(order, key=lambda r: str(r["id"])))


@pytest.mark.parametrize(
    "path", [p for p in paths(OBSERVATION["valueQuantity"]) if p and p[0] in ("comparator", "value", "unit")]
)
@pytest.mark.parametrize("junk", [[], {}, 7.5, [1], {"a": 1}, True])
def test_a_half_read_quantity_is_never_a_number(path: tuple[Any, ...], junk: Any) -> None:
    broken = dict(OBSERVATION, valueQuantity=damage(OBSERVATION["valueQuantity"], path, junk, "replace"))
    broken.pop("component")
    record = build("p1", {"x": Answered("x", "Observation", resources=[read(json.dumps(broken).encode())])}, NOW)
    reading = record.latest("potassium")
    assert reading is None or not reading.exact
