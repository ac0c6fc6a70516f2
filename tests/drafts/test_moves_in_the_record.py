"""What was filed moves with the decision: report, Task and findings in one transaction, each from the version found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cds_service.drafts import resources
from cds_service.drafts.draft import Accept, Draft, Edit, Reject
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.write_back import WriteBack
from fhir_adapters.client import FhirClient
from fhir_adapters.write import elements
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import read


@pytest.fixture
async def partial(house: House) -> tuple[Drafts, Draft]:
    """Filed before anybody looked at it: two findings, one open review."""
    drafts = house.make(file_unreviewed=True)
    draft = await drafts.put(read(), **WHERE)
    assert draft.filed == "partial"
    assert statuses(house, draft) == ("partial", ["requested"], ["preliminary", "preliminary"])
    return drafts, draft


def statuses(house: House, draft: Draft) -> tuple[str, list[str], list[str]]:
    (report,) = house.reports(draft.identifier)
    tasks, findings = house.of_draft("Task", draft.report), house.of_draft("Observation", draft.report)
    return report["status"], [each["status"] for each in tasks], [each["status"] for each in findings]


async def test_acceptance_completes_the_review_and_names_the_person_at_the_findings(
    house: House, partial: tuple[Drafts, Draft]
) -> None:
    drafts, draft = partial
    draft = await drafts.decide(draft.id, Accept(), PERSON)
    assert statuses(house, draft) == ("preliminary", ["completed"], ["preliminary", "preliminary"])
    assert house.of_draft("Task", draft.report)[0]["owner"]["reference"] == PERSON.reference
    for finding in house.of_draft("Observation", draft.report):
        assert PERSON.reference in [each.get("reference") for each in finding["performer"]]
    assert [len(p["target"]) for p in house.provenances(draft.report)] == [3, 4]


async def test_a_persons_own_words_retract_the_findings_that_were_filed(
    house: House, partial: tuple[Drafts, Draft]
) -> None:
    drafts, draft = partial
    draft = await drafts.decide(draft.id, Edit(conclusion="No acute change."), PERSON)
    assert statuses(house, draft) == ("preliminary", ["completed"], ["entered-in-error", "entered-in-error"])
    assert "result" not in house.reports(draft.identifier)[0]


@pytest.mark.parametrize("filed_before", [True, False])
async def test_a_persons_own_words_bear_no_label_of_ai_and_name_that_person_as_an_author(
    house: House, filed_before: bool
) -> None:
    drafts = house.make(file_unreviewed=filed_before)
    draft = await drafts.put(read(), **WHERE)
    draft = await drafts.decide(draft.id, Edit(conclusion="No acute change."), PERSON)
    (report,) = house.reports(draft.identifier)
    assert "_conclusion" not in report
    assert all(form["extension"] == elements.inline_label()["extension"] for form in report["presentedForm"])
    origin = next(p for p in house.provenances(draft.report) if len(p["agent"]) > 1)
    agents = [
        (agent["type"]["coding"][0]["code"], agent["who"]["reference"].partition("/")[0]) for agent in origin["agent"]
    ]
    assert agents == [("author", "Device"), ("author", "Practitioner"), ("verifier", "Practitioner")]
    assert {each["role"] for each in origin["entity"]} >= {"derivation"}


async def test_what_a_person_rejects_is_retracted_by_that_person_and_not_by_the_ai(
    house: House, partial: tuple[Drafts, Draft]
) -> None:
    drafts, draft = partial
    draft = await drafts.decide(draft.id, Reject(), PERSON)
    nullified = next(p for p in house.provenances(draft.report) if p["activity"]["coding"][0]["code"] == "NULLIFY")
    assert [(a["type"]["coding"][0]["code"], a["who"]["reference"]) for a in nullified["agent"]] == [
        ("performer", PERSON.reference)
    ]
    assert "reason" not in nullified


async def test_rejection_retracts_all_of_it(house: House, partial: tuple[Drafts, Draft]) -> None:
    drafts, draft = partial
    draft = await drafts.decide(draft.id, Reject(), PERSON)
    assert statuses(house, draft) == ("entered-in-error", ["cancelled"], ["entered-in-error", "entered-in-error"])


async def test_rejection_after_acceptance_takes_the_done_review_back_too(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    await house.drafts.decide(draft.id, Accept(), PERSON)
    draft = await house.drafts.decide(draft.id, Reject(), PERSON)
    assert statuses(house, draft) == (
        "entered-in-error", ["entered-in-error"], ["entered-in-error", "entered-in-error"],
    )  # fmt: skip


async def test_a_finding_that_somebody_signed_is_left_alone(house: House, partial: tuple[Drafts, Draft]) -> None:
    drafts, draft = partial
    signed = house.of_draft("Observation", draft.report)[0]
    house.record.put("Observation", signed["id"], msgspec.json.encode({**signed, "status": "final"}))
    draft = await drafts.decide(draft.id, Reject(), PERSON)
    assert sorted(statuses(house, draft)[2]) == ["entered-in-error", "final"]


async def test_an_edit_of_an_unfiled_draft_writes_no_findings_as_data(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    draft = await house.drafts.decide(draft.id, Edit(conclusion="Normal."), PERSON)
    assert statuses(house, draft) == ("preliminary", ["completed"], [])


async def test_a_change_between_looking_and_writing_stops_all_of_it_and_is_said(
    house: House, partial: tuple[Drafts, Draft]
) -> None:
    _, draft = partial

    class Raced(FhirClient):
        async def transaction(self, bundle: bytes, *, deadline: float) -> bytes:
            finding = house.of_draft("Observation", draft.report)[0]
            house.record.put("Observation", finding["id"], msgspec.json.encode({**finding, "note": [{"text": "x"}]}))
            return await super().transaction(bundle, deadline=deadline)

    async def connect(_deadline: float) -> FhirClient:
        return Raced(house.outbound, house.base)

    raced = house.make(write_back=WriteBack(connect, {}))
    failed = await raced.decide(draft.id, Accept(), PERSON)
    assert "changed meanwhile and stands as partial" in failed.fault
    assert statuses(house, draft) == ("partial", ["requested"], ["preliminary", "preliminary"])
    again = await house.drafts.decide(draft.id, Accept(), PERSON)
    assert again.settled
    assert statuses(house, draft)[:2] == ("preliminary", ["completed"])


async def test_what_is_not_r4_is_not_written_and_the_element_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    honest = resources.filing

    def odd(*given: Any) -> dict[str, Any]:
        made = honest(*given)
        report = next(e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
        report["conclusion"] = {"secret": "canary"}
        return made

    monkeypatch.setattr(resources, "filing", odd)
    failed = await house.drafts.decide(draft.id, Accept(), PERSON)
    assert "not valid R4: DiagnosticReport.conclusion" in failed.fault
    assert "canary" not in failed.fault
    assert house.reports(draft.identifier) == []
