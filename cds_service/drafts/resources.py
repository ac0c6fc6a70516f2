"""From a draft to the transaction that files it: the one place where a read becomes FHIR."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from cds_service.drafts import report_text
from cds_service.drafts.draft import Draft, Edit, Person
from cds_service.imaging.read import ImageFinding, Read
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
        own_words=draft.state == "edited",
    )
    review = task.build(
        identifier=task_identifier(draft),
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
        person=verifier,
        own_words=draft.state == "edited",
    )
    entries = [
        machine,
        *papers,
        *results,
        bundle.create(report_url, report),
        bundle.create(task_identifier(draft), review),
        bundle.create(name(draft.identifier, "provenance", "filed", draft.state), origin),
        _audit("C", draft, person, report_url, machine["fullUrl"], moment),
    ]
    return bundle.transaction(entries)


class Standing(Struct, frozen=True, kw_only=True):
    """What stands in the record of one draft, as it was found there."""

    report: Json
    task: Json | None = None
    observations: tuple[Json, ...] = ()


def task_identifier(draft: Draft) -> str:
    """``Task.identifier`` of the draft's review."""
    return name(draft.identifier, "task")


def finding_identifiers(draft: Draft) -> list[str]:
    """``Observation.identifier`` of every finding that may have been written."""
    return [own for own, _ in _written(draft)]


def change(draft: Draft, found: Standing, configuration: Mapping[str, str], text: str, pdf: bytes) -> Json:
    """The transaction that moves what stands in the record, each resource from exactly the version that was found."""
    rejected, person = draft.state == "rejected", draft.person
    target = f"DiagnosticReport/{found.report['id']}"
    moved = [_moved_report(draft, found.report, text, pdf), *_moved_findings(draft, found), *_moved_task(draft, found)]
    machine, papers = _device(draft.read, configuration), _papers(draft.read)
    origin = provenance.build(
        targets=[f"{each['resourceType']}/{each['id']}" for each in moved],
        recorded=draft.decided,
        device=machine["fullUrl"],
        activity="NULLIFY" if rejected else "UPDATE",
        derived_from=[] if rejected else [entry["fullUrl"] for entry in papers],
        person=person.reference if person else "",
        own_words=draft.state == "edited",
    )
    entries = [
        machine,
        *papers,
        *(bundle.update(each, str(each.get("meta", {}).get("versionId", ""))) for each in moved),
        bundle.create(name(draft.identifier, "provenance", draft.state), origin),
        _audit("U", draft, person, target, machine["fullUrl"], draft.decided),
    ]
    return bundle.transaction(entries)


def _moved_report(draft: Draft, found: Json, text: str, pdf: bytes) -> Json:
    if draft.state == "rejected" or draft.person is None:
        return {**found, "status": "entered-in-error"}
    report = {
        **found,
        "status": "preliminary",
        "resultsInterpreter": [{"reference": draft.person.reference}],
        "issued": draft.decided,
        "conclusion": report_text.conclusion(draft.read, edited_words(draft)),
        "presentedForm": forms(draft, text, pdf, draft.decided),
    }
    if draft.state == "edited":
        report.pop("result", None)
        report.pop("_conclusion", None)
    return report


def _moved_findings(draft: Draft, found: Standing) -> list[Json]:
    """Findings taken with the report; retracted with it, or where the person's own words took their place."""
    ours = [each for each in found.observations if each.get("status") == "preliminary"]  # others were signed there
    if draft.state == "accepted" and draft.person is not None:
        return [observation.accepted(each, draft.person.reference) for each in ours]
    return [{**each, "status": "entered-in-error"} for each in ours]


def _moved_task(draft: Draft, found: Standing) -> list[Json]:
    if found.task is None or found.task.get("status") in ("cancelled", "entered-in-error"):
        return []
    if draft.state == "rejected" or draft.person is None:
        return [task.retracted(found.task)]
    return [task.completed(found.task, draft.person.reference)]


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
    card = next((entry["fullUrl"] for entry in _papers(read) if _is_card(entry)), "")
    versions = {
        "engine": identity.engine if identity else "",
        "model-revision": identity.revision if identity else "",
        **configuration,
        **{f"prompt-{number}": prompt for number, prompt in enumerate(read.prompts, 1)},
    }
    model = (identity.model or identity.engine) if identity else "unnamed model"
    own = name("device", model, *(f"{kind}={value}" for kind, value in sorted(versions.items())))
    note = "Test weights that know nothing: for trying the service out." if read.test_weights else ""
    return bundle.create(own, device.build(identifier=own, name=model, versions=versions, note=note, model_card=card))


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


def _is_card(paper: Json) -> bool:
    return bool(paper["resource"]["type"]["coding"][0]["code"] == "AIModelCard")


def _written(draft: Draft) -> list[tuple[str, ImageFinding]]:
    return [
        (name(draft.identifier, "finding", str(number), finding.key), finding)
        for number, finding in enumerate(draft.read.findings)
        if finding.state in observation.STATES
    ]


def _observations(draft: Draft, machine: str) -> list[Json]:
    """None beside a person's own conclusion: what they did not confirm does not become data."""
    if draft.state == "edited":
        return []
    person = draft.person.reference if draft.person and draft.state == "accepted" else ""
    entries = []
    for own, finding in _written(draft):
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
            accepted_by=person,
        )
        entries.append(bundle.create(own, made))
    return entries
