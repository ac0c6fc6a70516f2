"""What the constructors refuse, and that every draft they make is valid R4 by a second opinion."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from cds_service.drafts import offered, report_text, resources
from cds_service.drafts.draft import Accept, Draft, Edit, Person
from cds_service.imaging.read import ImageFinding
from cds_service.models.engine import Identity
from fhir_adapters.write import (
    audit_event,
    bundle,
    checks,
    device,
    diagnostic_report,
    elements,
    observation,
    provenance,
    task,
    validation,
)
from fhir_adapters.write.elements import Nonsense
from tests.drafts.reads import STUDY, read

URN = "urn:uuid:00000000-0000-4000-8000-000000000001"
MOMENT = "2026-11-20T09:00:00.000+00:00"
REPORT: dict[str, Any] = {
    "identifier": URN,
    "modality": "DX",
    "body_part": "CHEST",
    "patient": "p1",
    "study": "ImagingStudy/s1",
    "device": URN,
    "issued": MOMENT,
    "conclusion": "Consolidation is present.",
    "forms": [],
}

findings = st.lists(
    st.builds(
        ImageFinding,
        key=st.from_regex(r"[a-z]{1,12}(-[a-z]{1,8})?", fullmatch=True),
        name=st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20),
        region=st.sampled_from(["lungs", "pleura", "heart"]),
        state=st.sampled_from(["present", "absent", "uncertain"]),
        location=st.sampled_from(["", "left lower zone", "apex"]),
        side=st.sampled_from(["", "left", "right", "bilateral"]),
    ),
    max_size=8,
).map(tuple)


def draft(found: tuple[ImageFinding, ...], state: Any, **changes: Any) -> Draft:
    person = Person(reference="Practitioner/p") if state != "waiting" else None
    decision = {"waiting": None, "accepted": Accept(), "edited": Edit(conclusion="As before.")}[state]
    return Draft(
        id="d", identifier=URN, version=1, state=state, tenant="t", patient="p1", study_uid=STUDY, person=person,
        study_reference="ImagingStudy/s1", read=read(found, **changes), created=MOMENT, decided=MOMENT,
        decision=decision, resources=Raw(b"{}"),
    )  # fmt: skip


@given(
    findings,
    st.sampled_from(["waiting", "accepted", "edited"]),
    st.sampled_from(["DX", "CR", "CT", "MR", "ZZ"]),
    st.sampled_from(["", "2026-11-20", "2026-11-20T08:00:00", "2026-11-20T08:00:00+01:00"]),
)
@settings(max_examples=60, deadline=None)
def test_every_draft_is_valid_by_a_second_opinion_and_by_our_own(
    found: tuple[ImageFinding, ...], state: str, modality: str, performed: str
) -> None:
    made = draft(found, state, modality=modality, performed=performed)
    text = report_text.text(made.read, resources.examination(made.read))
    transaction = resources.filing(made, {"rule-pack": "sha256:aa"}, text, b"%PDF-1.4")
    Bundle.model_validate(transaction)
    for entry in transaction["entry"]:
        checks.check(entry["resource"])
    kinds = [entry["resource"]["resourceType"] for entry in transaction["entry"]]
    assert kinds.count("DiagnosticReport") == kinds.count("Provenance") == kinds.count("Task") == 1
    written = sum(finding.state != "absent" for finding in found)
    assert kinds.count("Observation") == (0 if state == "edited" else written)
    for finding in found:
        assert f"- {finding.name}: {report_text.SAID[finding.state]}" in text


@given(findings)
@settings(max_examples=30, deadline=None)
def test_every_reference_inside_the_bundle_leads_to_an_entry_of_it(found: tuple[ImageFinding, ...]) -> None:
    transaction = resources.filing(draft(found, "accepted"), {}, "text", b"%PDF-1.4")
    urls = [entry["fullUrl"] for entry in transaction["entry"]]
    assert len(set(urls)) == len(urls)
    assert set(_references(transaction)) <= set(urls)


@given(findings)
@settings(max_examples=20, deadline=None)
def test_the_report_that_a_client_is_offered_stands_alone_with_its_device_and_provenance(
    found: tuple[ImageFinding, ...],
) -> None:
    named = draft(found, "waiting", identity=Identity("openai", "google/medgemma-1.5-4b-it", "r1"), test_weights=False)
    whole = replace(
        named, resources=Raw(msgspec.json.encode(resources.filing(named, {"rule-pack": "x"}, "t", b"%PDF")))
    )
    made = offered.report(whole)
    checks.check(made)
    assert validation.faults_of({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": made}]}) == []
    inside = {f"#{each['id']}" for each in made["contained"] if each["resourceType"] != "Provenance"}
    assert _references(made) == []
    assert {
        each for each in _local(made) if each != "#"
    } == inside  # dom-3: each is referred to, or refers to the report
    assert not any("meta" in each for each in made["contained"])
    assert {label["code"] for label in made["meta"]["security"]} == {"AIAST", "PROCESSINLINELABEL"}
    (origin,) = [each for each in made["contained"] if each["resourceType"] == "Provenance"]
    assert origin["target"] == [{"reference": "#"}]
    assert "result" not in made


def _local(node: Any) -> list[str]:
    if isinstance(node, list):
        return [each for child in node for each in _local(child)]
    if not isinstance(node, dict):
        return []
    own = [node["reference"]] if str(node.get("reference", "")).startswith("#") else []
    return own + [each for child in node.values() for each in _local(child)]


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [each for child in node for each in _references(child)]
    if not isinstance(node, dict):
        return []
    own = [node["reference"]] if str(node.get("reference", "")).startswith("urn:uuid:") else []
    return own + [each for child in node.values() for each in _references(child)]


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended", "registered", "draft", ""])
def test_a_report_cannot_be_built_final_or_under_any_other_status(status: str) -> None:
    with pytest.raises(Nonsense, match="status"):
        diagnostic_report.build(**REPORT, status=status, verified_by="Practitioner/p")


def test_preliminary_takes_a_person_and_only_preliminary_names_one() -> None:
    with pytest.raises(Nonsense, match="status"):
        diagnostic_report.build(**REPORT, status="preliminary")
    with pytest.raises(Nonsense, match="status"):
        diagnostic_report.build(**REPORT, verified_by="Practitioner/p")
    assert "resultsInterpreter" not in diagnostic_report.build(**REPORT)


@pytest.mark.parametrize(
    ("member", "value"),
    [("patient", "../1"), ("study", "Patient/1"), ("issued", "2026-11-20"), ("conclusion", " "), ("identifier", "x")],
)
def test_a_report_refuses_what_cannot_be_right(member: str, value: str) -> None:
    with pytest.raises(Nonsense):
        diagnostic_report.build(**{**REPORT, member: value})


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-11-20T08:00:00+01:00", "2026-11-20T08:00:00+01:00"),
        ("2026-11-20T08:00:00", "2026-11-20"),
        ("2026-11-20", "2026-11-20"),
        ("", None),
        ("20.11.2026", None),
    ],
)
def test_of_a_time_without_an_offset_the_day_is_kept(given: str, written: str | None) -> None:
    assert diagnostic_report.build(**{**REPORT, "performed": given}).get("effectiveDateTime") == written


def test_whose_words_a_conclusion_is_has_to_be_named() -> None:
    with pytest.raises(Nonsense, match="whose"):
        diagnostic_report.build(**REPORT, own_words=True)
    with pytest.raises(Nonsense, match="agent"):
        provenance.build(targets=[URN], recorded=MOMENT, device=URN, own_words=True)
    with pytest.raises(Nonsense, match="agent"):
        provenance.build(targets=[URN], recorded=MOMENT, device=URN, activity="NULLIFY")


def test_an_absence_is_not_written_as_an_observation() -> None:
    with pytest.raises(Nonsense, match="present or uncertain"):
        observation.build(
            identifier=URN,
            key="a",
            name="A",
            state="absent",
            patient="p",
            study="ImagingStudy/1",
            device=URN,
            issued=MOMENT,
        )


def test_a_device_an_audit_event_a_task_and_a_bundle_refuse_to_be_empty_or_odd() -> None:
    with pytest.raises(Nonsense):
        device.build(identifier=URN, name="m", versions={"engine": ""})
    with pytest.raises(Nonsense):
        audit_event.build(action="D", recorded=MOMENT, report=URN, patient="p", device=URN)
    with pytest.raises(Nonsense):
        task.build(identifier=URN, report=URN, patient="p", authored=MOMENT, status="completed")
    with pytest.raises(Nonsense):
        bundle.transaction([])
    with pytest.raises(Nonsense):
        bundle.update({"resourceType": "DiagnosticReport", "id": "1"}, "")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", "final"),
        ("status", "draft"),
        ("subject", {"reference": "Group/1"}),
        ("imagingStudy", [{"reference": "Patient/1"}]),
        ("performer", [{"reference": "Device/1"}]),
    ],
)
def test_our_own_check_refuses_codes_and_reference_types_that_the_library_lets_pass(path: str, value: Any) -> None:
    report = diagnostic_report.build(**REPORT)
    checks.check(report)
    with pytest.raises(Nonsense, match=path):
        checks.check({**report, path: value})


def test_a_report_without_its_labels_is_refused() -> None:
    report = diagnostic_report.build(**REPORT)
    assert report["_conclusion"] == elements.inline_label()
    with pytest.raises(Nonsense, match="security"):
        checks.check({key: value for key, value in report.items() if key != "meta"})


def test_the_words_say_nothing_where_nothing_was_found() -> None:
    text = report_text.text(read((), impression=()), "XR Chest Views")
    assert "No finding was stated." in text
    assert report_text.NOTHING in text
    assert msgspec.json.encode(text)


def test_a_medgemma_device_names_its_kind_and_its_model_card_in_the_same_bundle() -> None:
    named = draft((), "waiting", identity=Identity("openai", "google/medgemma-1.5-4b-it", "r1"), test_weights=False)
    made = resources.filing(named, {}, "text", b"%PDF-1.4")["entry"]
    machine = next(entry["resource"] for entry in made if entry["resource"]["resourceType"] == "Device")
    kind, card = machine["extension"]
    assert kind["valueCodeableConcept"]["coding"][0]["code"] == "Large-Language-Models"
    paper = next(e["resource"] for e in made if e["fullUrl"] == card["valueReference"]["reference"])
    assert paper["type"]["coding"][0]["code"] == "AIModelCard"
    assert paper["category"][0]["coding"][0]["code"] == "AImodelCardMarkdownFormat"
    assert validation.faults_of({"resourceType": "Bundle", "type": "transaction", "entry": made}) == []


def test_faults_are_named_by_their_element_and_hold_no_value() -> None:
    odd = {"resourceType": "Task", "status": "requested", "intent": "order", "focus": "canary"}
    entry = {"resource": odd, "request": {"method": "POST", "url": "Task"}}
    found = validation.faults_of({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert found == ["Task.focus"]
    foreign = {**entry, "resource": {"resourceType": "Foo"}}
    assert validation.faults_of({"resourceType": "Bundle", "type": "transaction", "entry": [foreign]}) == [
        "resourceType"
    ]


@pytest.mark.parametrize(
    ("modality", "part", "code", "text"),
    [
        ("DX", "CHEST", "30745-4", "Chest radiograph"),
        ("CT", "CHEST", "24627-2", "CT of the chest"),
        ("CT", "ABDOMEN", "18748-4", "CT of the abdomen"),
        ("MR", "HEAD", "18748-4", "Diagnostic imaging study"),
    ],
)
def test_a_report_is_coded_by_what_is_sure_and_named_in_words(modality: str, part: str, code: str, text: str) -> None:
    made = diagnostic_report.code_of(modality, part)
    assert (made["coding"][0]["code"], made["text"]) == (code, text)
