import asyncio
import json
import threading
import time
from typing import Any

import pytest
from msgspec import Raw

from fhir_adapters.client import FhirClient, Paging
from fhir_adapters.gather import Retrieved, State, gather
from fhir_adapters.outbound import Outbound
from tests.fhir_adapters.fixtures import within
from tests.fhir_adapters.misbehaving import (
    Exchange,
    Misbehaving,
    answer,
    bundle,
    hang,
    in_turn,
    late,
    observation,
    outcome,
    pages,
)

PATIENT = {"resourceType": "Patient", "id": "p1"}
QUERIES = {
    "patient": "Patient/p1",
    "labs": "Observation?patient=p1&category=laboratory",
    "conditions": "Condition?patient=p1",
    "allergies": "AllergyIntolerance?patient=p1",
}


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def condition(number: int) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": f"c{number}", "subject": {"reference": "Patient/p1"}}


def ids(found: Retrieved) -> list[str | None]:
    return [view.id for page in found.resources for view in page.views]


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (PATIENT, State.PRESENT),
        (bundle(observation(1)), State.PRESENT),
        ({"resourceType": "Bundle", "entry": [{"resource": PATIENT}]}, State.PRESENT),
        (bundle({"resourceType": "Basic", "id": "b"}), State.PRESENT),
        (bundle(), State.NONE_FOUND),
        (bundle(total=0), State.NONE_FOUND),
        (bundle(outcome("not-found", "warning"), total=0), State.NONE_FOUND),
        (outcome("informational", "information"), State.NONE_FOUND),
        (bundle(total=7), State.FAILED),
        (outcome("exception", "fatal"), State.FAILED),
        (bundle(outcome("throttled")), State.FAILED),
        (outcome("forbidden"), State.NOT_PERMITTED),
        (None, State.NONE_REPORTED),
        ({}, State.UNREADABLE),
        ([], State.UNREADABLE),
        ("text", State.UNREADABLE),
        (bundle({"id": "no type"}), State.UNREADABLE),
    ],
)
async def test_each_form_of_prefetch_has_its_state(value: Any, state: State) -> None:
    found = await gather({"labs": raw(value)}, QUERIES, None, within(5))
    assert found["labs"].state is state
    assert found["labs"].resource_type == "Observation"
    assert found["labs"].origin == "prefetch"
    assert found["patient"].state is State.NOT_ASKED


async def test_what_is_prefetched_is_not_asked_for_again(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Condition", answer(bundle(condition(1))))
    prefetch = {"patient": raw(PATIENT), "labs": raw(bundle()), "allergies": raw(None)}
    found = await gather(prefetch, QUERIES, client, within(5))
    assert [seen.path for seen in ehr.seen] == ["/fhir/Condition"]
    assert {key: (answer.state, answer.origin) for key, answer in found.items()} == {
        "patient": (State.PRESENT, "prefetch"),
        "labs": (State.NONE_FOUND, "prefetch"),
        "allergies": (State.NONE_REPORTED, "prefetch"),
        "conditions": (State.PRESENT, "fhir"),
    }


async def test_prefetch_keys_of_the_clients_own_are_kept_by_resource_type(client: FhirClient, ehr: Misbehaving) -> None:
    sent = {"vendor-labs": raw(bundle(observation(7), next="http://x.example/next")), "junk": raw({})}
    found = await gather(sent, {"patient": "Patient/p1"}, client, within(5))
    assert found["vendor-labs"].resource_type == "Observation"
    assert ids(found["vendor-labs"]) == ["o7"]
    assert found["vendor-labs"].truncated == "more entries exist that were not asked for"
    assert found["junk"].state is State.UNREADABLE


async def test_missing_keys_are_fetched_side_by_side(client: FhirClient, ehr: Misbehaving) -> None:
    together = threading.Barrier(4)

    async def meet(exchange: Exchange) -> None:
        await asyncio.to_thread(together.wait, 5)
        await answer(bundle(observation(1)))(exchange)

    for kind in ("Patient", "Observation", "Condition", "AllergyIntolerance"):
        ehr.on(kind, meet)
    found = await gather({}, QUERIES, client, within(10))
    assert {answer.state for answer in found.values()} == {State.PRESENT}


async def test_what_is_ready_at_the_deadline_is_returned_and_the_rest_timed_out(
    client: FhirClient, ehr: Misbehaving
) -> None:
    ehr.on("Patient", answer(PATIENT))
    ehr.on("Condition", answer(bundle(condition(1))))
    ehr.on("Observation", hang)
    ehr.on("AllergyIntolerance", late(30, answer(bundle())))
    deadline = within(0.4)
    found = await gather({}, QUERIES, client, deadline)
    assert asyncio.get_running_loop().time() < deadline + 0.2
    assert {key: answer.state for key, answer in found.items()} == {
        "patient": State.PRESENT,
        "conditions": State.PRESENT,
        "labs": State.TIMED_OUT,
        "allergies": State.TIMED_OUT,
    }


async def test_a_deadline_already_past_asks_nobody(client: FhirClient, ehr: Misbehaving) -> None:
    found = await gather({"patient": raw(PATIENT)}, QUERIES, client, within(-1))
    assert found["patient"].state is State.PRESENT
    assert found["labs"].state is State.TIMED_OUT
    assert ehr.seen == []


async def test_pages_read_before_the_deadline_are_kept_and_the_cut_said(client: FhirClient, ehr: Misbehaving) -> None:
    three = pages([observation(1)], [observation(2)], [observation(3)])
    ehr.on("Observation", in_turn(three, three, hang))
    found = await gather({}, {"labs": QUERIES["labs"]}, client, within(0.5))
    assert found["labs"].state is State.PRESENT
    assert ids(found["labs"]) == ["o1", "o2"]
    assert found["labs"].truncated == "timed out"


async def test_a_failure_in_mid_paging_keeps_the_pages_before(client: FhirClient, ehr: Misbehaving) -> None:
    two = pages([observation(1)], [observation(2)])
    ehr.on("Observation", in_turn(two, answer(b"", 500)))
    found = await gather({}, {"labs": QUERIES["labs"]}, client, within(5))
    assert (found["labs"].state, ids(found["labs"])) == (State.PRESENT, ["o1"])
    assert found["labs"].truncated == "server error (500)"


async def test_a_cap_is_said(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Observation", pages(*([observation(n)] for n in range(5))))
    client = FhirClient(outbound, ehr.base, paging=Paging(pages=2))
    found = await gather({}, {"labs": QUERIES["labs"]}, client, within(5))
    assert ids(found["labs"]) == ["o0", "o1"]
    assert found["labs"].truncated == "more pages than are read: 2 pages"


async def test_an_ignored_count_is_no_fault(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle(*(observation(n) for n in range(500)))))
    found = await gather({}, {"labs": "Observation?patient=p1&_count=10"}, client, within(5))
    assert len(ids(found["labs"])) == 500
    assert found["labs"].truncated == ""


async def test_further_pages_of_a_prefetched_bundle_are_fetched(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle(observation(2))))
    first = bundle(observation(1), next=f"{ehr.base}/Observation?page=2")
    found = await gather({"labs": raw(first)}, {"labs": QUERIES["labs"]}, client, within(5))
    assert ids(found["labs"]) == ["o1", "o2"]
    assert (found["labs"].origin, found["labs"].truncated) == ("prefetch", "")
    assert ehr.seen[0].query == "page=2"


async def test_missing_further_pages_of_a_prefetched_bundle_are_said(client: FhirClient, ehr: Misbehaving) -> None:
    first = {"labs": raw(bundle(observation(1), next=f"{ehr.base}/Observation?page=2"))}
    queries = {"labs": QUERIES["labs"]}
    without = await gather(first, queries, None, within(5))
    assert without["labs"].truncated == "more entries exist that were not sent"
    ehr.on("Observation", answer(b"", 403))
    refused = await gather(first, queries, client, within(5))
    assert refused["labs"].truncated == "further pages: not permitted (403)"
    ehr.on("Observation", hang)
    late_one = await gather(first, queries, client, within(0.3))
    assert late_one["labs"].truncated == "further pages: timed out"
    for found in (without, refused, late_one):
        assert (found["labs"].state, ids(found["labs"])) == (State.PRESENT, ["o1"])


async def test_further_pages_that_are_late_are_said_alike_when_the_loop_is_held_up_over_the_deadline(
    client: FhirClient, ehr: Misbehaving
) -> None:
    first = {"labs": raw(bundle(observation(1), next=f"{ehr.base}/Observation?page=2"))}
    ehr.on("Observation", hang)
    deadline = within(0.3)
    asyncio.get_running_loop().call_at(deadline - 0.05, time.sleep, 0.1)
    found = await gather(first, {"labs": QUERIES["labs"]}, client, deadline)
    assert found["labs"].truncated == "further pages: timed out"
    assert (found["labs"].state, ids(found["labs"])) == (State.PRESENT, ["o1"])


async def test_the_next_link_of_a_prefetched_bundle_never_leads_the_token_elsewhere(
    client: FhirClient, ehr: Misbehaving
) -> None:
    for link in (
        "http://127.0.0.1:9/x",
        "https://evil.example/x",
        "//evil.example/x",
        "file:///etc/passwd",
        "http://[",
    ):
        found = await gather({"labs": raw(bundle(observation(1), next=link))}, QUERIES, client, within(5))
        assert found["labs"].truncated == "further pages: next page on another server", link
    assert ehr.asked("Observation") == []


async def test_prefetch_that_is_no_use_is_asked_for_again(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle(observation(1))))
    ehr.on("Condition", answer(b"", 500))
    prefetch = {
        "patient": raw(PATIENT),
        "labs": raw(outcome("timeout")),
        "conditions": raw({}),
        "allergies": raw(outcome("forbidden")),
    }
    found = await gather(prefetch, QUERIES, client, within(5))
    assert (found["labs"].state, found["labs"].origin) == (State.PRESENT, "fhir")
    assert found["conditions"].state is State.FAILED
    assert found["conditions"].detail == "server error (500); prefetch: no resourceType"
    assert found["allergies"].state is State.NOT_PERMITTED
    assert ehr.asked("AllergyIntolerance") == []


async def test_a_patient_that_is_not_there_is_none_found_and_a_deleted_one_is_gone(
    client: FhirClient, ehr: Misbehaving
) -> None:
    query = {"patient": "Patient/p1"}
    assert (await gather({}, query, client, within(5)))["patient"].state is State.NONE_FOUND
    ehr.on("Patient", answer(outcome("deleted"), 410))
    assert (await gather({}, query, client, within(5)))["patient"].state is State.GONE


async def test_a_resource_type_the_server_does_not_know_is_not_offered_and_is_not_none(
    client: FhirClient, ehr: Misbehaving
) -> None:
    found = await gather({}, {"labs": QUERIES["labs"]}, client, within(5))
    assert (found["labs"].state, found["labs"].detail) == (State.NOT_OFFERED, "not found (404): not-found")


async def test_a_chart_empty_in_every_search_is_asked_for_in_the_other_spelling(
    outbound: Outbound, ehr: Misbehaving
) -> None:
    async def wants_a_type(exchange: Exchange) -> None:
        typed = exchange.seen.parameters["patient"] == ["Patient/p1"]
        await answer(bundle(observation(1)) if typed else bundle())(exchange)

    ehr.on("Patient", answer(PATIENT))
    ehr.on("Observation", wants_a_type)
    ehr.on("Condition", answer(bundle()))
    ehr.on("AllergyIntolerance", answer(bundle()))
    found = await gather({}, QUERIES, FhirClient(outbound, ehr.base), within(5))
    assert ids(found["labs"]) == ["o1"]
    assert found["conditions"].state is State.NONE_FOUND
    ehr.seen.clear()
    again = await gather({}, QUERIES, FhirClient(outbound, ehr.base), within(5))
    assert ids(again["labs"]) == ["o1"]
    assert len(ehr.seen) == 4


async def test_a_server_that_understands_the_bare_id_is_not_asked_twice_for_an_empty_chart(
    outbound: Outbound, ehr: Misbehaving
) -> None:
    for kind in ("Observation", "Condition", "AllergyIntolerance"):
        ehr.on(kind, answer(bundle()))
    ehr.on("Observation", in_turn(answer(bundle(observation(1))), answer(bundle())))
    for _ in range(2):
        await gather({"patient": raw(PATIENT)}, QUERIES, FhirClient(outbound, ehr.base), within(5))
    assert len(ehr.seen) == 6


async def test_a_large_prefetch_is_read_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import fhir_adapters.gather as module

    threads: list[int] = []
    really = module.read

    def noted(body: bytes | Raw) -> Any:
        threads.append(threading.get_ident())
        return really(body)

    monkeypatch.setattr(module, "read", noted)
    large = raw(bundle(*(observation(n) for n in range(2000))))
    await gather({"labs": large, "patient": raw(PATIENT)}, QUERIES, None, within(5))
    await gather({"patient": raw(PATIENT)}, QUERIES, None, within(5))
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [False, False, True]


async def test_an_address_that_may_not_be_called_fails_each_key_and_raises_nothing(outbound: Outbound) -> None:
    client = FhirClient(outbound, "http://169.254.169.254/fhir", "token")
    found = await gather({}, QUERIES, client, within(5))
    assert {answer.state for answer in found.values()} == {State.FAILED}
    assert found["labs"].detail == "unsafe address: https required"


async def test_a_caller_that_goes_away_takes_every_fetch_with_it(client: FhirClient, ehr: Misbehaving) -> None:
    for kind in ("Patient", "Observation", "Condition", "AllergyIntolerance"):
        ehr.on(kind, hang)
    task = asyncio.create_task(gather({}, QUERIES, client, within(30)))
    await ehr.arrived(4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for seen in ehr.seen:
        assert await asyncio.to_thread(seen.gone.wait, 5)
