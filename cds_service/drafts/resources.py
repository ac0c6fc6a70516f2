"""From a draft to the transaction that files it: the one place where a read becomes FHIR."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cds_service.drafts import report_text
from cds_service.drafts.draft import Draft, Edit, Person
from cds_service.imaging.read import Read
from fhir_adapters.write import (
    audit_event,
    bundle,
    device,
    diagnostic_report,
    document_reference,
    observation,
    provenance,
    task,
)
from fhir_adapters.write.elements import Json


def name(*parts: str) -> str:
    """A ``urn:uuid`` that is the same whenever the parts are."""
    return f"urn:uuid:{uuid.UUID(bytes=sha256(chr(0).join(parts).encode()).digest()[:16], version=5)}"


def examination(read: Read) -> str:
    """The printed name of the examination: the display of its code."""
    text: str = diagnostic_report.code_of(read.modality, read.body_part)["text"]
    return text


def edited_words(draft: Draft) -> str:
    """The person's own conclusion, '' where they took the drafted one."""
    return draft.decision.conclusion if isinstance(draft.decision, Edit) else ""


def forms(draft: Draft, text: str, pdf: bytes, created: str) -> list[Json]:
    """The report as text and as PDF."""
    title = "AI-drafted imaging report"
    return [
        diagnostic_report.attachment("text/plain; charset=utf-8", text.encode(), title, created),
        diagnostic_report.attachment("application/pdf", pdf, title, created),
    ]


def filing(draft: Draft, configuration: Mapping[str, str], text: str, pdf: bytes) -> Json:
    """The whole transaction: ``partial`` while nobody has decided, ``preliminary`` once a person took it."""
    read, person = draft.read, draft.person if draft.state in ("accepted", "edited") else None
    moment = draft.decided if person else draft.created
    machine = _device(read, configuration)
    papers = _papers(read)
    results = _observations(draft, machine["fullUrl"])
    report_url, verifier = draft.identifier, person.reference if person else ""
    report = diagnostic_report.build(
        identifier=draft.identifier,
        modality=read.modality,
        body_part=read.body_part,
        patient=draft.patient,
        study=draft.study_reference,
        device=machine["fullUrl"],
        issued=moment,
        conclusion=report_text.conclusion(read, edited_words(draft)),
        forms=forms(draft, text, pdf, moment),
        performed=read.performed,
        encounter=draft.encounter,
        based_on=draft.based_on,
        results=[entry["fullUrl"] for entry in results],
        status="preliminary" if person else "partial",
        verified_by=verifier,
    )
    review = task.build(
        identifier=name(draft.identifier, "task"),
        report=report_url,
        patient=draft.patient,
        authored=draft.created,
        status="completed" if person else "requested",
        reviewer=verifier,
    )
    origin = provenance.build(
        targets=[report_url, *(entry["fullUrl"] for entry in results)],
        recorded=moment,
        device=machine["fullUrl"],
        sources=[draft.study_reference],
        instances=[instance.instance_uid for instance in read.instances],
        derived_from=[entry["fullUrl"] for entry in papers],
        verifier=verifier,
    )
    entries = [
        machine,
        *papers,
        *results,
        bundle.create(report_url, report),
        bundle.create(name(draft.identifier, "task"), review),
        bundle.create(name(draft.identifier, "provenance"), origin),
        _audit("C", draft, person, report_url, machine["fullUrl"], moment),
    ]
    return bundle.transaction(entries)


def change(draft: Draft, found: dict[str, Any], configuration: Mapping[str, str], text: str, pdf: bytes) -> Json:
    """The transaction that moves a report that stands in the record, from exactly the version that was found."""
    machine, person = _device(draft.read, configuration), draft.person
    report = {**found, "status": "entered-in-error" if draft.state == "rejected" else "preliminary"}
    target = f"DiagnosticReport/{found['id']}"
    if draft.state != "rejected" and person:
        report["resultsInterpreter"] = [{"reference": person.reference}]
        report["issued"] = draft.decided
        report["conclusion"] = report_text.conclusion(draft.read, edited_words(draft))
        report["presentedForm"] = forms(draft, text, pdf, draft.decided)
    origin = provenance.build(
        targets=[target],
        recorded=draft.decided,
        device=machine["fullUrl"],
        activity="NULLIFY" if draft.state == "rejected" else "UPDATE",
        verifier=person.reference if person else "",
    )
    entries = [
        machine,
        bundle.update(report, str(found.get("meta", {}).get("versionId", ""))),
        bundle.create(name(draft.identifier, "provenance", draft.state), origin),
        _audit("U", draft, person, target, machine["fullUrl"], draft.decided),
    ]
    return bundle.transaction(entries)


def _audit(action: str, draft: Draft, person: Person | None, report: str, machine: str, moment: str) -> Json:
    event = audit_event.build(
        action=action,
        recorded=moment,
        report=report,
        patient=draft.patient,
        device=machine,
        person=person.reference if person else "",
    )
    return bundle.create(name(draft.identifier, "audit", action, draft.state), event)


def _device(read: Read, configuration: Mapping[str, str]) -> Json:
    identity = read.identity
    versions = {
        "engine": identity.engine if identity else "",
        "model-revision": identity.revision if identity else "",
        **configuration,
        **{f"prompt-{number}": prompt for number, prompt in enumerate(read.prompts, 1)},
    }
    model = (identity.model or identity.engine) if identity else "unnamed model"
    own = name("device", model, *(f"{kind}={value}" for kind, value in sorted(versions.items())))
    note = "Test weights that know nothing: for trying the service out." if read.test_weights else ""
    return bundle.create(own, device.build(identifier=own, name=model, versions=versions, note=note))


def _papers(read: Read) -> list[Json]:
    model = read.identity.model if read.identity else ""
    titles = [("AIInputPrompt", prompt, "") for prompt in read.prompts]
    if model.startswith("google/medgemma") and not read.test_weights:
        titles.append(("AIModelCard", model, f"https://huggingface.co/{model}"))
    entries = []
    for kind, title, url in titles:
        own = name(kind, title)
        made = document_reference.build(identifier=own, kind=kind, title=title, url=url)
        entries.append(bundle.create(own, made))
    return entries


def _observations(draft: Draft, machine: str) -> list[Json]:
    entries = []
    for number, finding in enumerate(draft.read.findings):
        if finding.state not in observation.STATES:
            continue
        own = name(draft.identifier, "finding", str(number), finding.key)
        made = observation.build(
            identifier=own,
            key=finding.key,
            name=finding.name,
            state=finding.state,
            patient=draft.patient,
            study=draft.study_reference,
            device=machine,
            issued=draft.created,
            where=report_text.where(finding),
            performed=draft.read.performed,
            encounter=draft.encounter,
        )
        entries.append(bundle.create(own, made))
    return entries
