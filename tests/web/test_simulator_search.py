"""Search on the simulated FHIR server, each parameter over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulator_over_http import Simulator

LOINC = "http://loinc.org"


def observation(own_id: str, code: str, when: str, **more: Any) -> bytes:
    resource = {
        "resourceType": "Observation",
        "id": own_id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": when,
        **more,
    }
    return json.dumps(resource).encode()


@pytest.fixture
def filled(simulator: Simulator) -> Simulator:
    """Patient p1 with four observations, beside the demo patients."""
    put = simulator.store.put
    put("Patient", "p1", b'{"resourceType":"Patient","id":"p1","name":[{"family":"Demo","given":["Search"]}]}')
    lab = {"category": [{"coding": [{"system": "http://x/cat", "code": "laboratory"}]}]}
    put("Observation", "k-old", observation("k-old", "2823-3", "2026-11-18T08:00:00Z", **lab))
    put("Observation", "k-new", observation("k-new", "2823-3", "2026-11-20T08:00:00Z", **lab))
    put("Observation", "na", observation("na", "2951-2", "2026-11-19T08:00:00+01:00", status="preliminary", **lab))
    put("Observation", "hr", observation("hr", "8867-4", "2026-11-19"))
    return simulator


@pytest.mark.parametrize(
    "spelling",
    [
        "patient=p1",
        "patient=Patient/p1",
        "subject=p1",
        "subject=Patient/p1",
        "subject:Patient=p1",
        "patient=http://elsewhere/fhir/Patient/p1",
    ],
)
def test_a_patient_is_found_in_every_spelling(filled: Simulator, spelling: str) -> None:
    assert sorted(filled.search(f"Observation?{spelling}")) == ["hr", "k-new", "k-old", "na"]


def test_several_patients_may_be_asked_for_at_once(filled: Simulator) -> None:
    found = filled.search("Encounter?patient=demo-sepsis,demo-child")
    assert found == ["demo-sepsis-ed", "demo-child-ed"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("code=2823-3", ["k-new", "k-old"]),
        (f"code={LOINC}|2823-3", ["k-new", "k-old"]),
        (f"code={LOINC}|2823-3,{LOINC}|2951-2", ["k-new", "k-old", "na"]),
        (f"code={LOINC}|", ["hr", "k-new", "k-old", "na"]),
        ("code=http://other|2823-3", []),
        ("code=|2823-3", []),
        ("category=laboratory", ["k-new", "k-old", "na"]),
        ("category=http://x/cat|laboratory", ["k-new", "k-old", "na"]),
        ("category=laboratory&code=2951-2", ["na"]),
        ("status=final", ["hr", "k-new", "k-old"]),
        ("status=final,preliminary", ["hr", "k-new", "k-old", "na"]),
        ("status:not=final", ["na"]),
        ("_id=na,hr", ["hr", "na"]),
        ("_lastUpdated=ge2026-11-20", ["hr", "k-new", "k-old", "na"]),
        ("_lastUpdated=gt2026-11-20", []),
    ],
)
def test_tokens_match_by_code_by_system_and_by_any_of_a_list(filled: Simulator, query: str, found: list[str]) -> None:
    assert sorted(filled.search(f"Observation?patient=p1&{query}")) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-11-19", ["hr", "na"]),
        ("eq2026-11-20T08:00:00Z", ["k-new"]),
        ("ge2026-11-19", ["hr", "k-new", "na"]),
        ("gt2026-11-19", ["k-new"]),
        ("lt2026-11-19", ["k-old"]),
        ("le2026-11-19", ["hr", "k-old", "na"]),
        ("ge2026-11-19&date=lt2026-11-20", ["hr", "na"]),
        ("ne2026-11-19", ["k-new", "k-old"]),
        ("2026-11", ["hr", "k-new", "k-old", "na"]),
        ("2026", ["hr", "k-new", "k-old", "na"]),
        ("sa2026-11-19", ["k-new"]),
        ("eb2026-11-19", ["k-old"]),
        ("ge2026-11-19T08:00:00%2B01:00", ["hr", "k-new", "na"]),
        ("ge2026-11-19T08:00:00+01:00", ["hr", "k-new", "na"]),
    ],
)
def test_dates_are_compared_by_prefix_and_precision(filled: Simulator, value: str, found: list[str]) -> None:
    assert sorted(filled.search(f"Observation?patient=p1&date={value}")) == found


def test_sorting_by_date_puts_the_newest_first_and_the_undated_last(filled: Simulator) -> None:
    filled.store.put("Observation", "undated", observation("undated", "2823-3", ""))
    assert filled.search("Observation?patient=p1&_sort=-date") == ["k-new", "na", "hr", "k-old", "undated"]
    assert filled.search("Observation?patient=p1&_sort=date") == ["k-old", "hr", "na", "k-new", "undated"]
    assert filled.search("Observation?patient=p1&_sort=-_id") == ["undated", "na", "k-old", "k-new", "hr"]


def test_an_order_is_made_new_when_a_resource_changes(filled: Simulator) -> None:
    assert filled.search("Observation?patient=p1&_sort=-date&_count=1") == ["k-new"]
    filled.store.put("Observation", "k-new", observation("k-new", "2823-3", "2026-11-01T08:00:00Z"))
    assert filled.search("Observation?patient=p1&_sort=-date") == ["na", "hr", "k-old", "k-new"]
    filled.store.delete("Observation", "na")
    assert filled.search("Observation?patient=p1&_sort=-date") == ["hr", "k-old", "k-new"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Condition?patient=demo-dirty&clinical-status=active&verification-status=refuted", ["demo-dirty-problem-2"]),
        ("AllergyIntolerance?patient=demo-dirty&criticality=high", ["demo-dirty-allergy-2"]),
        ("MedicationRequest?patient=demo-af&status=active,on-hold&intent=order&_count=1", ["demo-af-medication-1"]),
        ("MedicationStatement?patient=demo-af&status=active", ["demo-af-statement-1"]),
        ("Encounter?patient=demo-aki-contrast&class=IMP", ["demo-aki-contrast-ward"]),
        ("Encounter?patient=demo-sepsis&date=le2026-11-20", ["demo-sepsis-ed"]),
        ("Encounter?patient=demo-sepsis&date=lt2026-11-20", []),
        ("ImagingStudy?patient=demo-pneumonia&modality=DX&_sort=-started", ["demo-pneumonia-imaging-1"]),
        ("DiagnosticReport?patient=demo-pneumonia&category=RAD", ["demo-pneumonia-report-1"]),
        ("Patient?identifier=https://example.org/demo-patients|DEMO-AF", ["demo-af"]),
        ("Patient?name=sep", ["demo-sepsis"]),
        ("Patient?gender=female&birthdate=gt1990-01-01&_sort=birthdate", ["demo-penicillin-allergy", "demo-pregnancy"]),
        ("Observation?encounter=demo-child-ed&code=29463-7", ["demo-child-body-weight-1"]),
        ("Observation?combo-code=8480-6&patient=demo-child", ["demo-child-blood-pressure-1"]),
    ],
)
def test_the_parameters_of_our_templates_find_the_demo_charts(
    simulator: Simulator, query: str, found: list[str]
) -> None:
    assert simulator.search(query) == found


def test_post_search_takes_a_form_and_answers_the_same(filled: Simulator) -> None:
    form = {"patient": "Patient/p1", "code": f"{LOINC}|2823-3", "_sort": "-date"}
    answer = filled.client.post(
        "/simulator/fhir/Observation/_search", data=form, headers={"Accept": "application/json+fhir"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["k-new", "k-old"]
    query = f"Observation?patient=Patient/p1&code={LOINC}|2823-3&_sort=-date"
    assert answer.json() == filled.get(query).json()


def test_pages_follow_an_opaque_next_link_to_the_end(filled: Simulator) -> None:
    address = "/simulator/fhir/Observation?patient=p1&_sort=-date&_count=3"
    first = filled.client.get(address).json()
    assert first["total"] == 4
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert "patient=p1" in links["self"]
    assert "patient" not in links["next"]
    filled.store.put("Observation", "later", observation("later", "2823-3", "2026-11-20T08:30:00Z"))
    second = filled.client.get(links["next"]).json()
    ids = [entry["resource"]["id"] for page in (first, second) for entry in page["entry"]]
    assert ids == ["k-new", "na", "hr", "k-old"]
    assert [link["relation"] for link in second["link"]] == ["self"]


def test_an_unknown_page_is_gone(filled: Simulator) -> None:
    answer = filled.get("Observation?_page=made-up")
    assert answer.status_code == 410
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_counting_alone_brings_no_entries(filled: Simulator) -> None:
    for query in ("_summary=count", "_count=0"):
        bundle = filled.get(f"Observation?patient=p1&{query}").json()
        assert bundle["total"] == 4
        assert "entry" not in bundle


def test_an_empty_answer_is_a_bundle_without_the_entry_member(filled: Simulator) -> None:
    bundle = filled.get("Procedure?patient=p1").json()
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 0)
    assert "entry" not in bundle


def test_the_total_is_left_out_on_request(filled: Simulator) -> None:
    assert "total" not in filled.get("Observation?patient=p1&_total=none").json()


def test_include_brings_the_medication_a_request_refers_to(simulator: Simulator) -> None:
    address = "MedicationRequest?patient=demo-af&_include=MedicationRequest:medication"
    entries = simulator.get(address).json()["entry"]
    modes = {entry["resource"]["id"]: entry["search"]["mode"] for entry in entries}
    assert modes["demo-af-medication-1"] == "match"
    assert modes["demo-af-medication-1-drug"] == "include"
    assert sum(mode == "include" for mode in modes.values()) == 1


def test_include_may_be_narrowed_to_a_target_type(simulator: Simulator) -> None:
    base = "Encounter?_id=demo-af-visit&_include=Encounter:subject"
    assert len(simulator.search(f"{base}:Patient")) == 2
    assert len(simulator.search(f"{base}:Group")) == 1


def test_revinclude_brings_what_refers_to_a_match(filled: Simulator) -> None:
    provenance = {"resourceType": "Provenance", "id": "pv", "target": [{"reference": "Observation/na"}]}
    filled.store.put("Provenance", "pv", json.dumps(provenance).encode())
    assert filled.search("Observation?_id=na&_revinclude=Provenance:target") == ["na", "pv"]


def test_elements_leave_the_asked_members_and_mark_the_rest_as_missing(filled: Simulator) -> None:
    entry = filled.get("Observation?_id=na&_elements=status,code").json()["entry"][0]["resource"]
    assert set(entry) == {"resourceType", "id", "meta", "status", "code"}
    assert entry["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_an_unknown_parameter_is_passed_over_and_not_in_the_self_link(filled: Simulator) -> None:
    bundle = filled.get("Observation?patient=p1&favourite-colour=blue").json()
    assert bundle["total"] == 4
    assert "colour" not in bundle["link"][0]["url"]


@pytest.mark.parametrize(
    ("query", "prefer"),
    [
        ("Observation?favourite-colour=blue", "handling=strict"),
        ("Observation?patient.name=Demo", ""),
        ("Patient?_has:Observation:patient:code=1", ""),
        ("Observation?code:below=1", ""),
        ("Observation?date=yesterday", ""),
        ("Observation?_count=many", ""),
        ("Observation?_sort=favourite", ""),
    ],
)
def test_what_cannot_be_searched_is_refused_with_an_outcome(filled: Simulator, query: str, prefer: str) -> None:
    answer = filled.get(query, Prefer=prefer)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["severity"] == "error"


def test_numbers_keep_the_digits_they_were_written_with(filled: Simulator) -> None:
    body = observation("digits", "2823-3", "2026-11-20")[:-1]
    body += b',"valueQuantity":{"value":7.40,"comparator":"<","unit":"1"},"x":1234567890.123456789}'
    filled.store.put("Observation", "digits", body)
    text = filled.get("Observation?_id=digits").text
    assert '"value":7.40' in text
    assert "1234567890.123456789" in text
