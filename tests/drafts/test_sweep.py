"""What is left half written is finished by the service, once; and drafts are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from cds_service.db.gateway import DatabaseUnavailable
from cds_service.drafts.draft import Accept, Draft
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.sweep import Sweep
from cds_service.drafts.write_back import Outcome, WriteBack
from cds_service.metrics import Metrics
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import read


class Died(WriteBack):
    """Writes, then never comes back: as a process that was killed."""

    async def settle(self, draft: Draft) -> Outcome:
        await super().settle(draft)
        raise asyncio.CancelledError


async def half_written(house: House) -> Draft:
    dying = house.make(write_back=Died(house.connect, {}))
    draft = await dying.put(read(), **WHERE)
    with pytest.raises(asyncio.CancelledError):
        await dying.decide(draft.id, Accept(), PERSON)
    return draft


async def test_a_write_that_died_is_resumed_once_by_whichever_replica_comes_first(house: House) -> None:
    draft = await half_written(house)
    assert await house.drafts.resume() == 0  # its claim still stands
    house.ahead_s = 61
    assert sum(await asyncio.gather(*(house.make().resume() for _ in range(3)))) == 1
    done = await house.drafts.get(draft.id)
    assert done is not None
    assert done.settled
    assert len(house.reports(draft.identifier)) == 1
    assert len(house.provenances(done.report)) == 1
    assert await house.drafts.resume() == 0


async def test_the_sweep_resumes_counts_and_survives_a_round_that_fails(house: House) -> None:
    draft = await half_written(house)
    house.ahead_s = 61
    metrics, counted, rounds = Metrics(), asyncio.Event(), 0

    def told(by_state: Mapping[str, int]) -> None:
        metrics.drafts_kept(by_state)
        counted.set()

    class Shaky(Drafts):
        async def resume(self) -> int:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise DatabaseUnavailable("away")
            return await house.make(count=metrics.count).resume()

    shaky = house.make()
    shaky.__class__ = Shaky
    sweep = Sweep(shaky, told=told, count=metrics.count, every_s=0.05)
    sweep.start()
    async with asyncio.timeout(30):
        await counted.wait()
    await sweep.aclose()
    found = await house.drafts.get(draft.id)
    assert found is not None
    assert found.settled
    page = metrics.exposition()[0].decode()
    for line in (
        'cds_drafts_kept{state="accepted"} 1.0',
        'cds_drafts_total{event="resumed"} 1.0',
        'cds_drafts_total{event="sweep failed"} 1.0',
        'cds_draft_writes_total{outcome="preliminary"} 1.0',
    ):
        assert line in page


async def test_a_read_repeated_after_a_crash_before_filing_is_filed(house: House) -> None:
    unfiled = await house.drafts.put(read(), **WHERE)
    filed = await house.make(file_unreviewed=True).put(read(), **WHERE)
    assert (filed.id, filed.filed) == (unfiled.id, "partial")
