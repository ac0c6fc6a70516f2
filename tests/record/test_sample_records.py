"""The 24 Synthea patients and the HL7 examples: no exception, and every refusal explained."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cds_service.record import salience, wording
from cds_service.record.build import build, from_bundle
from cds_service.record.facts import Record, Refusal
from fhir_adapters.read.resources import read
from tests.record.resources import Answered

pytestmark = pytest.mark.sample_data
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def records(sample_data: Path) -> dict[str, Record]:
    """Every Synthea bundle, built."""
    folders = (sample_data / "fhir" / "generated-sample-data", sample_data / "fhir" / "bulk-data-server")
    return {f.name: from_bundle(f.read_bytes(), NOW, zone=ZONE) for d in folders for f in sorted(d.glob("*.json"))}


def test_all_patients_are_read_without_a_fault(records: dict[str, Record]) -> None:
    assert len(records) == 24
    for record in records.values():
        assert not record.faults
        assert not record.excluded
        assert record.person.sex in ("male", "female")
        assert record.person.age(NOW) is not None
        assert record.problems
        assert record.encounters


def test_every_refused_reading_has_one_of_the_known_reasons(records: dict[str, Record]) -> None:
    reasons = Counter(r.refusal for record in records.values() for r in record.refused)
    assert set(reasons) == {Refusal.SUPERSEDED, Refusal.IMPLAUSIBLE}
    implausible = {r.label for record in records.values() for r in record.refused if r.refusal is Refusal.IMPLAUSIBLE}
    assert implausible == {"Total protein", "Globulin"}  # values of one unit under the label of the other
    for record in records.values():
        for reading in record.refused:
            if reading.refusal is Refusal.SUPERSEDED:
                assert "the same result as Observation/" in reading.note


def test_no_observation_is_lost(sample_data: Path, records: dict[str, Record]) -> None:
    for folder in ("generated-sample-data", "bulk-data-server"):
        for file in (sample_data / "fhir" / folder).glob("*.json"):
            record = records[file.name]
            views = [v for v in read(file.read_bytes()).views if v.resourceType == "Observation"]
            cited = {r.reference for r in [*record.others, *record.refused]}
            cited |= {r.reference for series in record.readings.values() for r in series}
            assert {f"Observation/{v.id}" for v in views} - cited == set()


def test_old_and_new_blood_pressure_panels_and_blood_coded_chemistry_are_understood(
    sample_data: Path, records: dict[str, Record]
) -> None:
    for record in records.values():
        assert record.latest("systolic_bp") is not None
    for folder in ("generated-sample-data", "bulk-data-server"):
        for file in (sample_data / "fhir" / folder).glob("*.json"):
            entries = json.loads(file.read_bytes())["entry"]
            codes = {
                r["code"]["coding"][0]["code"] for e in entries if (r := e["resource"])["resourceType"] == "Observation"
            }
            measured = bool(codes & {"38483-4", "2160-0"})
            assert (records[file.name].latest("creatinine") is not None) is measured
    assert any(r.codes[0].code == "38483-4" for rec in records.values() for r in rec.readings.get("creatinine", ()))


def test_the_times_of_readings_are_newest_first(records: dict[str, Record]) -> None:
    for record in records.values():
        for series in record.readings.values():
            times = [r.time for r in series if r.time is not None]
            assert times == sorted(times, reverse=True)


def test_every_fact_is_printed_on_one_line_with_its_source(records: dict[str, Record]) -> None:
    for record in records.values():
        for fact in record.facts():
            line = wording.line(fact, ZONE)
            assert line.endswith(fact.reference)
            assert len(line) < 700
        selection = salience.rank(record, 40)
        assert len(selection.facts) + selection.left_out.total() == len(list(record.facts()))


def test_every_hl7_example_is_read_and_built(sample_data: Path) -> None:
    files = sorted((sample_data / "fhir" / "hl7-r4-examples").glob("*.json"))
    assert len(files) > 150
    faults: Counter[str] = Counter()
    for file in files:
        found = read(file.read_bytes())
        faults += found.faults
        assert found.kind == "resource"
        assert all(not view.damaged for view in found.views)
        record = build("example", {"x": Answered("x", "", resources=[found], origin="fhir")}, NOW)
        for fact in [*record.facts(), *record.refused]:
            assert wording.line(fact, ZONE)
    assert not faults


def test_every_hook_request_s_prefetch_and_drafts_are_read(sample_data: Path) -> None:
    for file in sorted((sample_data / "fhir" / "cds-hooks-requests").glob("*.json")):
        request = msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw])
        prefetch = msgspec.json.decode(request.get("prefetch", b"null"), type=dict[str, msgspec.Raw] | None) or {}
        for raw in prefetch.values():
            assert not read(raw).faults, file.name
