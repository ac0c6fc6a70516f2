"""A record that hangs, conflicts or no longer takes our token: the time is kept, the draft is kept, and it is said."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import delete

from cds_service.db.models import draft as table
from cds_service.drafts import archived, drafts, write_back
from cds_service.drafts.draft import Accept, Reject
from cds_service.drafts.write_back import WriteBack
from cds_service.web.simulator.misbehaviour import Rule
from fhir_adapters.backend import BackendServices
from fhir_adapters.client import FhirClient
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import read


def test_a_claim_outlasts_the_longest_write() -> None:
    assert drafts.BUSY_S > write_back.PATIENCE_S + archived.PATIENCE_S + 10


async def test_a_record_that_hangs_is_given_up_in_time(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    house.record.misbehaviour.set(Rule("hang"))
    impatient = house.make(write_back=WriteBack(house.connect, {}, patience_s=0.5))
    async with asyncio.timeout(3):
        failed = await impatient.decide(draft.id, Accept(), PERSON)
    assert (failed.state, failed.filed) == ("accepted", "")
    assert "not known (timed out); the draft is kept" in failed.fault


@pytest.mark.parametrize("status", [409, 412])
async def test_a_conflict_is_said_and_trying_again_finishes_it(house: House, status: int) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    house.gate.refusals = [status]
    failed = await house.drafts.decide(draft.id, Accept(), PERSON)
    assert "changed meanwhile" in failed.fault
    assert (failed.state, failed.filed) == ("accepted", "")
    assert (await house.drafts.decide(draft.id, Accept(), PERSON)).settled
    assert len(house.reports(draft.identifier)) == 1


def slow(house: House) -> tuple[list[bytes], WriteBack]:
    """A record that does not answer a transaction in time, and the transactions it was sent."""
    late: list[bytes] = []

    class Slow(FhirClient):
        async def transaction(self, bundle: bytes, *, deadline: float) -> bytes:
            late.append(bundle)
            raise TimeoutError

    async def connect(_deadline: float) -> FhirClient:
        return Slow(house.outbound, house.base)

    return late, WriteBack(connect, {"rule-pack": "sha256:bb"})


async def test_a_transaction_that_is_committed_long_after_it_was_given_up_leaves_one_of_each(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    late, write_back = slow(house)
    failed = await house.make(write_back=write_back).decide(draft.id, Accept(), PERSON)
    assert "not known (timed out)" in failed.fault
    done = await house.drafts.decide(draft.id, Accept(), PERSON)
    assert done.settled, done.fault
    client = await house.connect(0)
    await client.transaction(late[0], deadline=asyncio.get_running_loop().time() + 10)
    assert len(house.reports(draft.identifier)) == len(house.provenances(done.report)) == 1
    events = [
        e for e in house.kept("AuditEvent") if any(each["what"].get("reference") == done.report for each in e["entity"])
    ]
    assert len(events) == 1


async def test_what_was_rejected_is_retracted_when_an_earlier_write_arrives_after_all(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    late, write_back = slow(house)
    await house.make(write_back=write_back).decide(draft.id, Accept(), PERSON)
    rejected = await house.drafts.decide(draft.id, Reject(), PERSON)
    assert rejected.settled
    client = await house.connect(0)
    await client.transaction(late[0], deadline=asyncio.get_running_loop().time() + 10)
    assert [report["status"] for report in house.reports(draft.identifier)] == ["preliminary"]
    assert await house.drafts.resume() == 0
    house.ahead_s += int(drafts.LATE_S) + 1
    assert await house.drafts.resume() == 1
    assert [report["status"] for report in house.reports(draft.identifier)] == ["entered-in-error"]
    assert await house.drafts.resume() == 0


async def test_a_report_that_a_person_took_is_never_retracted_by_a_draft_made_anew(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    taken = await house.drafts.decide(draft.id, Accept(), PERSON)
    await house.gateway.run(
        lambda connection: connection.execute(delete(table)) and None, deadline=asyncio.get_running_loop().time() + 5
    )
    anew = await house.make(file_unreviewed=True).put(read(), **WHERE)
    assert (anew.identifier, anew.state) == (draft.identifier, "waiting")
    assert "holds this report as preliminary" in anew.fault
    assert [report["status"] for report in house.reports(draft.identifier)] == [taken.filed] == ["preliminary"]


async def test_an_identifier_that_the_record_knows_twice_is_a_conflict_and_nothing_is_written(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    device = draft.resource("Device")
    for own_id in ("twin-1", "twin-2"):
        house.record.put("Device", own_id, msgspec.json.encode({**device, "id": own_id}))
    failed = await house.drafts.decide(draft.id, Accept(), PERSON)
    for own_id in ("twin-1", "twin-2"):
        house.record.compartment("Device").rows.pop(own_id)
    assert "changed meanwhile" in failed.fault
    assert house.reports(draft.identifier) == []


def signed_in(house: House) -> tuple[BackendServices, WriteBack]:
    root = house.base.removesuffix("/simulator/fhir")
    key = ECKey.generate_key("P-384")
    backend = BackendServices(house.outbound, house.base, client_id="us", key=key, token_url=f"{root}/token")

    async def connect(deadline: float) -> FhirClient:
        return FhirClient(house.outbound, house.base, await backend.bearer(deadline=deadline))

    return backend, WriteBack(connect, {}, spend=backend.spend)


async def test_a_token_that_is_no_longer_taken_is_renewed_once_and_the_write_goes_on(house: House) -> None:
    backend, back = signed_in(house)
    signed = house.make(write_back=back)
    draft = await signed.put(read(), **WHERE)
    await backend.bearer(deadline=asyncio.get_running_loop().time() + 5)
    before, house.gate.good = house.gate.handed_out, set()  # revoked at the server
    accepted = await signed.decide(draft.id, Accept(), PERSON)
    assert (accepted.fault, accepted.filed) == ("", "preliminary")
    assert house.gate.handed_out == before + 1
    assert len(house.reports(draft.identifier)) == 1


async def test_a_new_token_that_is_refused_too_ends_it(house: House) -> None:
    _, back = signed_in(house)
    signed = house.make(write_back=back)
    draft = await signed.put(read(), **WHERE)
    house.gate.refusals, house.gate.writes = [401, 401, 401], 0
    failed = await signed.decide(draft.id, Accept(), PERSON)
    assert "not permitted" in failed.fault
    assert house.gate.writes == 2
