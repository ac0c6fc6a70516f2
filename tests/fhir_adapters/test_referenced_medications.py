"""Drugs named by reference alone are fetched inside the deadline, and what does not come is said."""

from __future__ import annotations

from typing import Any

from fhir_adapters.client import FhirClient
from fhir_adapters.gather import State, gather
from fhir_adapters.referenced import KEY, MOST
from tests.fhir_adapters.fixtures import within
from tests.fhir_adapters.misbehaving import Misbehaving, answer, bundle, hang
from tests.fhir_adapters.test_gather import ids, raw

QUERY = {"medications": "MedicationRequest?patient=p1"}
WARFARIN = {"resourceType": "Medication", "id": "m1", "code": {"text": "warfarin 5 mg tablet"}}


def request(number: int, reference: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": f"r{number}", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": reference}, **members,
    }  # fmt: skip


async def test_a_drug_named_by_reference_alone_is_fetched(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Medication", answer(WARFARIN))
    sent = bundle(request(1, "Medication/m1"), request(2, f"{ehr.base}/Medication/m1/_history/3"))
    found = await gather({"medications": raw(sent)}, QUERY, client, within(5))
    assert ids(found[KEY]) == ["m1"]
    assert (found[KEY].state, found[KEY].resource_type, found[KEY].truncated) == (State.PRESENT, "Medication", "")
    assert len(ehr.seen) == 1


async def test_a_draft_named_by_reference_alone_is_fetched_too(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Medication", answer(WARFARIN))
    drafts = raw(bundle(request(1, "Medication/m1", status="draft")))
    found = await gather({}, {}, client, within(5), drafts)
    assert ids(found[KEY]) == ["m1"]


async def test_nothing_is_fetched_that_is_there_or_no_longer_given(client: FhirClient, ehr: Misbehaving) -> None:
    sent = bundle(
        WARFARIN,
        request(1, "Medication/m1"),
        request(2, "#inside", contained=[{**WARFARIN, "id": "inside"}]),
        request(3, "Medication/old", status="stopped"),
        request(4, "Medication/coded", medicationCodeableConcept={"text": "aspirin"}),
        request(5, "Medication/../../Patient"),
    )
    found = await gather({"medications": raw(sent)}, QUERY, client, within(5))
    assert KEY not in found
    assert ehr.seen == []


async def test_a_server_that_hangs_or_refuses_leaves_the_drug_unchecked_and_says_so(
    client: FhirClient, ehr: Misbehaving
) -> None:
    sent = raw(bundle(request(1, "Medication/m1")))
    ehr.on("Medication", hang)
    found = await gather({"medications": sent}, QUERY, client, within(0.3))
    assert found[KEY].state is State.TIMED_OUT
    ehr.on("Medication", answer({}, 403))
    found = await gather({"medications": sent}, QUERY, client, within(5))
    assert found[KEY].state is State.NOT_PERMITTED


async def test_more_drugs_than_are_fetched_are_counted(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Medication", answer(WARFARIN))
    sent = bundle(*(request(n, f"Medication/x{n}") for n in range(MOST + 5)))
    found = await gather({"medications": raw(sent)}, QUERY, client, within(5))
    assert len(found[KEY].resources) == MOST
    assert found[KEY].truncated.startswith("5 drugs named by reference alone")


async def test_without_a_server_nothing_is_invented() -> None:
    found = await gather({"medications": raw(bundle(request(1, "Medication/m1")))}, QUERY, None, within(5))
    assert KEY not in found
