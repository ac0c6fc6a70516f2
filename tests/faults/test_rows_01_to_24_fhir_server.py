"""Rows 1–12, 13, 15 and 22–24 of the fault matrix, as far as they concern what we ask of a FHIR server."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from msgspec import Raw

from fhir_adapters import errors
from fhir_adapters.addresses import Policy
from fhir_adapters.auth import Bearer
from fhir_adapters.breaker import BreakerState
from fhir_adapters.client import FhirClient
from fhir_adapters.gather import State, gather
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Limits
from fhir_adapters.templates import resolve
from tests.fhir_adapters.fixtures import within
from tests.fhir_adapters.misbehaving import (
    Behaviour,
    Misbehaving,
    answer,
    bomb,
    bundle,
    drip,
    flood,
    hang,
    in_turn,
    observation,
    outcome,
    pages,
    serving,
)

PATIENT = Raw(b'{"resourceType":"Patient","id":"p1"}')
LABS = {"labs": "Observation?patient=p1&category=laboratory"}
CHART = {"patient": "Patient/p1", **LABS, "conditions": "Condition?patient=p1"}
CONDITION = {"resourceType": "Condition", "id": "c1"}


@pytest.fixture
async def touchy(ehr: Misbehaving) -> AsyncIterator[Outbound]:
    """A door whose breakers open after two failures and rest for a moment."""
    limits = Limits(failures_to_open=2, rest_s=0.2, patience_s=0.02)
    async with Outbound(Policy(operator=[ehr.origin]), limits=limits) as door:
        yield door


async def test_row_01_a_server_that_hangs_is_given_up_at_the_deadline_and_counts_once(
    outbound: Outbound, client: FhirClient, ehr: Misbehaving
) -> None:
    for kind in ("Observation", "Condition"):
        ehr.on(kind, hang)
    deadline = within(0.3)
    found = await gather({"patient": PATIENT}, CHART, client, deadline)
    assert asyncio.get_running_loop().time() < deadline + 0.2
    assert {key: answer.state for key, answer in found.items()} == {
        "patient": State.PRESENT,
        "labs": State.TIMED_OUT,
        "conditions": State.TIMED_OUT,
    }
    assert outbound.server(ehr.base).breaker.failures == 1
    assert len(ehr.seen) == 2


async def test_row_02_a_500_once_is_tried_once_more(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", in_turn(answer(b"", 500), answer(bundle(observation(1)))))
    found = await gather({}, LABS, client, within(5))
    assert (found["labs"].state, found["labs"].truncated) == (State.PRESENT, "")
    assert client.counts["retried"] == 1
    assert len(ehr.seen) == 2


async def test_row_03_a_500_for_ever_opens_the_breaker_and_a_probe_recovers(touchy: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(b"", 500))
    breaker = touchy.server(ehr.base).breaker
    first = await gather({}, LABS, FhirClient(touchy, ehr.base), within(5))
    assert first["labs"].detail == "server error (500)"
    assert (len(ehr.seen), breaker.state) == (2, BreakerState.OPEN)
    second = await gather({}, LABS, FhirClient(touchy, ehr.base), within(5))
    assert second["labs"].detail == "server left alone after repeated failures"
    assert len(ehr.seen) == 2
    await asyncio.sleep(0.25)
    ehr.on("Observation", answer(bundle(observation(1))))
    third = await gather({}, LABS, FhirClient(touchy, ehr.base), within(5))
    assert (third["labs"].state, breaker.state) == (State.PRESENT, BreakerState.CLOSED)


async def test_row_03_of_many_calls_after_the_rest_one_alone_is_the_probe(touchy: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(b"", 500))
    await gather({}, LABS, FhirClient(touchy, ehr.base), within(5))
    await asyncio.sleep(0.25)
    ehr.seen.clear()
    ehr.on("Observation", hang)
    calls = [gather({}, LABS, FhirClient(touchy, ehr.base), within(0.3)) for _ in range(6)]
    await asyncio.gather(*calls)
    assert len(ehr.seen) == 1


async def test_row_04_a_429_with_a_long_wait_is_not_tried_again_and_the_server_is_left_alone(
    outbound: Outbound, client: FhirClient, ehr: Misbehaving
) -> None:
    ehr.on("Observation", answer(outcome("throttled"), 429, retry_after="30"))
    ehr.on("Condition", answer(bundle(CONDITION)))
    found = await gather({"patient": PATIENT}, LABS, client, within(2))
    assert (found["labs"].state, found["labs"].detail) == (State.FAILED, "throttled (429): throttled")
    later = await gather({}, {"conditions": CHART["conditions"]}, FhirClient(outbound, ehr.base), within(2))
    assert later["conditions"].detail == "throttled (429): asked to wait"
    assert len(ehr.seen) == 1


async def test_row_04_a_wait_that_fits_the_deadline_is_waited(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", in_turn(answer(b"", 429, retry_after="1"), answer(bundle(observation(1)))))
    found = await gather({}, LABS, client, within(5))
    assert found["labs"].state is State.PRESENT


@pytest.mark.parametrize("status", [401, 403])
async def test_row_05_one_type_not_permitted_is_not_none_and_the_others_are_used(
    client: FhirClient, ehr: Misbehaving, status: int
) -> None:
    ehr.on("Observation", answer(outcome("forbidden"), status))
    ehr.on("Condition", answer(bundle(CONDITION)))
    ehr.on("Patient", answer(bytes(PATIENT)))
    found = await gather({}, CHART, client, within(5))
    assert found["labs"].state is State.NOT_PERMITTED
    assert {found["patient"].state, found["conditions"].state} == {State.PRESENT}
    assert len(ehr.asked("Observation")) == 1


async def test_row_06_a_slow_drip_is_stopped_by_the_deadline_of_the_whole_read(
    client: FhirClient, ehr: Misbehaving
) -> None:
    ehr.on("Observation", drip)
    found = await gather({}, LABS, client, within(0.4))
    assert found["labs"].state is State.TIMED_OUT
    assert 2 <= ehr.seen[0].sent < 100


@pytest.mark.parametrize("content_type", ["text/html", "application/fhir+json"])
async def test_row_07_a_captive_portal_is_a_failure_and_not_kept(
    client: FhirClient, ehr: Misbehaving, content_type: str
) -> None:
    portal = answer(b"<html><body>Please log in</body></html>", content_type=content_type)
    ehr.on("Observation", in_turn(portal, answer(bundle(observation(1)))))
    found = await gather({}, LABS, client, within(5))
    assert (found["labs"].state, found["labs"].detail) == (State.FAILED, "a web page instead of FHIR")
    again = await gather({}, LABS, client, within(5))
    assert again["labs"].state is State.PRESENT


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (outcome("exception", "fatal"), State.FAILED),
        (outcome("security", "error"), State.NOT_PERMITTED),
        (bundle(outcome("timeout", "error")), State.FAILED),
        (outcome("informational", "information"), State.NONE_FOUND),
        (bundle(outcome("not-found", "warning")), State.NONE_FOUND),
        (bundle(observation(1), outcome("incomplete", "error")), State.PRESENT),
    ],
)
async def test_row_08_an_outcome_in_a_200_is_judged_by_its_severity(
    client: FhirClient, ehr: Misbehaving, body: Any, state: State
) -> None:
    ehr.on("Observation", answer(body))
    found = await gather({}, LABS, client, within(5))
    assert found["labs"].state is state
    assert found["labs"].truncated == ("server reported: incomplete" if state is State.PRESENT else "")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Obs', "cut off or malformed"),
        (b'{"resourceType":"Observation","id":"o1","valueQuantity":{"value":NaN}}', "NaN is not a number"),
        (b'{"resourceType":"Observation","id":"o1","id":"o2"}', "a member twice"),
        (b'\xef\xbb\xbf{"resourceType":"Observation","id":"o1"}', "byte order mark"),
        (b'{"resourceType":"Observation","id":"\xff\xfe"}', "not UTF-8"),
    ],
)
async def test_row_09_unsound_json_is_rejected_and_the_rest_is_used(
    client: FhirClient, ehr: Misbehaving, body: bytes, why: str
) -> None:
    ehr.on("Observation", answer(body))
    ehr.on("Condition", answer(bundle(CONDITION)))
    found = await gather({"patient": PATIENT}, CHART, client, within(5))
    assert (found["labs"].state, found["labs"].detail) == (State.UNREADABLE, f"invalid JSON: {why}")
    assert found["conditions"].state is State.PRESENT


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (flood(200), "too large"),
        (answer(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "nested too deeply"),
        (answer(b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(1_000_000)) + b"}"), "too large"),
    ],
    ids=["200 MB", "depth 10,000", "a million keys"],
)
async def test_row_10_monstrous_answers_are_refused_in_bounded_memory(
    client: FhirClient, ehr: Misbehaving, behaviour: Behaviour, why: str
) -> None:
    ehr.on("Observation", behaviour)
    tracemalloc.start()
    found = await gather({}, LABS, client, within(20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["labs"].state in {State.FAILED, State.UNREADABLE}
    assert found["labs"].detail == why
    assert peak < 48 * 1024 * 1024


async def test_row_11_a_gzip_bomb_is_given_up_at_the_cap(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", bomb(64))
    tracemalloc.start()
    found = await gather({}, LABS, client, within(20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found["labs"].state, found["labs"].detail) == (State.FAILED, "too large")
    assert peak < 32 * 1024 * 1024


async def test_row_12_a_next_link_in_a_circle_ends_and_what_was_read_is_kept(
    client: FhirClient, ehr: Misbehaving
) -> None:
    ehr.on("Observation", answer(bundle(observation(1), next=f"{ehr.base}/Observation?page=2")))
    found = await gather({}, LABS, client, within(5))
    assert (found["labs"].state, found["labs"].truncated) == (State.PRESENT, "paging went in a circle")
    assert len(ehr.seen) == 2


async def test_row_12_pages_without_end_stop_at_the_page_cap(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", pages(*([observation(n)] for n in range(1000))))
    found = await gather({}, LABS, client, within(20))
    assert found["labs"].truncated == "more pages than are read: 20 pages"
    assert len(ehr.seen) == 20


async def test_row_12_a_next_link_to_another_host_is_refused_and_gets_no_token(
    client: FhirClient, ehr: Misbehaving
) -> None:
    thief = Misbehaving()
    with serving(thief) as port:
        for link in (
            f"http://127.0.0.1:{port}/fhir/Observation",
            f"http://localhost:{port}/x",
            "https://evil.example/x",
        ):
            ehr.on("Observation", answer(bundle(observation(1), next=link)))
            found = await gather({}, LABS, client, within(5))
            assert found["labs"].truncated == "next page on another server"
    assert thief.seen == []


async def test_row_13_null_missing_empty_object_and_empty_bundle_are_four_states() -> None:
    prefetch = {"a": Raw(b"null"), "c": Raw(b"{}"), "d": Raw(b'{"resourceType":"Bundle","type":"searchset"}')}
    queries = dict.fromkeys("abcd", "Observation?patient=p1")
    found = await gather(prefetch, queries, None, within(5))
    assert [found[key].state for key in "abcd"] == [
        State.NONE_REPORTED,
        State.NOT_ASKED,
        State.UNREADABLE,
        State.NONE_FOUND,
    ]


@pytest.mark.parametrize(
    "patient",
    ["../../admin", "..", "p1/../p2", "p1?x=1", "p1|p2", "p1&patient=p2", "p1#", "p 1", "", "p" * 10_240, "%2e%2e"],
)
def test_row_15_a_patient_id_that_is_no_id_never_becomes_part_of_a_query(patient: str) -> None:
    for template in ("Patient/{{context.patientId}}", "Observation?patient={{context.patientId}}"):
        with pytest.raises(ValueError, match="not a FHIR id") as refusal:
            resolve(template, {"patientId": patient})
        assert not patient or patient not in str(refusal.value)


@pytest.mark.parametrize(
    "server",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/fhir",
        "http://localhost:{port}/fhir",
        "https://localhost:{port}/fhir",
        "https://127.0.0.1:{port}/fhir",
        "https://[::ffff:10.0.0.1]/fhir",
        "https://[::ffff:127.0.0.1]:{port}/fhir",
        "https://2130706433:{port}/fhir",
        "https://rebinding.example.org:{port}/fhir",
    ],
)
async def test_row_22_a_server_at_a_private_address_is_refused_before_any_connection(server: str) -> None:
    async def rebinding(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    connections = 0

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listener:
        url = server.format(port=listener.sockets[0].getsockname()[1])
        policy = Policy(request=[url] if "2130706433" not in url else [])
        async with Outbound(policy, resolver=rebinding) as door:
            with pytest.raises(errors.UnsafeAddress):
                await FhirClient(door, url, "token").read("Patient", "p1", deadline=within(5))
            found = await gather({}, {"patient": "Patient/p1"}, FhirClient(door, url, "token"), within(5))
    assert found["patient"].state is State.FAILED
    assert found["patient"].detail.startswith("unsafe address")
    assert connections == 0


def test_row_23_http_is_refused_unless_the_operator_wrote_that_exact_origin() -> None:
    policy = Policy(
        operator=["http://hapi.internal:8080"], request=["http://ehr.example.org", "https://ehr.example.org"]
    )
    assert policy.admit("http://hapi.internal:8080/fhir")
    with pytest.raises(errors.UnsafeAddress, match="https required"):
        policy.admit("http://ehr.example.org/fhir")


async def test_row_24_a_token_the_server_calls_invalid_is_not_used_again(outbound: Outbound, ehr: Misbehaving) -> None:
    client = FhirClient(outbound, ehr.base, Bearer("short-lived", expires_in=300))
    expired = answer(outcome("expired"), 401, www_authenticate='Bearer error="invalid_token"')
    ehr.on("Observation", in_turn(pages([observation(1)], [observation(2)]), expired))
    found = await gather({}, LABS, client, within(5))
    assert (found["labs"].state, found["labs"].truncated) == (State.PRESENT, "not permitted (401): expired")
    later = await gather({}, {"conditions": CHART["conditions"]}, client, within(5))
    assert (later["conditions"].state, later["conditions"].detail) == (
        State.NOT_PERMITTED,
        "access token expired: no longer valid",
    )
    assert len(ehr.seen) == 2


async def test_row_24_a_token_past_its_time_is_not_sent(outbound: Outbound, ehr: Misbehaving) -> None:
    now = 1000.0
    client = FhirClient(outbound, ehr.base, Bearer("short-lived", expires_in=60, clock=lambda: now))
    ehr.on("Observation", answer(bundle(observation(1))))
    assert (await gather({}, LABS, client, within(5)))["labs"].state is State.PRESENT
    now += 61
    assert (await gather({}, LABS, client, within(5)))["labs"].state is State.NOT_PERMITTED
    assert len(ehr.seen) == 1
