"""A notified study is read again in the record with our own access, and its read is queued; what cannot be is told again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from cds_service.errors import Unavailable
from cds_service.imaging.work import Progress, Wanted
from cds_service.rules.catalogue import Switch
from cds_service.services.new_studies import NewStudies
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.errors import PagingCap
from fhir_adapters.outbound import Outbound
from fhir_adapters.read.events import ImagingStudyView
from fhir_adapters.read.resources import Resources
from tests.web.simulated import simulated

STUDY = "ImagingStudy/demo-pneumonia-imaging-1"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with simulated() as (address, store):
        held = store.get("ImagingStudy", STUDY.partition("/")[2])
        assert held is not None
        store.put("ImagingStudy", "second", held.body.replace(b"urn:oid:2.25.", b"urn:oid:2.25.9"))
        yield address


class Queue:
    """Keeps what is asked for; answers as told."""

    def __init__(self, state: str = "preparing") -> None:
        self.wanted: list[Wanted] = []
        self._state = state

    async def progress(self, wanted: Wanted, deadline: float) -> Progress:
        self.wanted.append(wanted)
        return Progress(state=self._state, why="too much is waiting")  # type: ignore[arg-type]


def told(
    base: str,
    reference: str,
    queue: Queue | None,
    tenant: str = "",
    ai: Switch = Switch.ON,
    client: type[FhirClient] = FhirClient,
) -> None:
    async def run() -> None:
        async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:

            async def connect(_deadline: float) -> FhirClient:
                return client(outbound, base)

            await NewStudies(connect, queue, lambda: datetime.now(UTC), lambda: ai)(reference, tenant)

    asyncio.run(run())


def test_a_notified_study_is_queued_as_a_hook_call_would_ask_for_it(base: str) -> None:
    queue = Queue()
    told(base, STUDY, queue, tenant="https://ehr.example.org\nward")
    (wanted,) = queue.wanted
    assert (wanted.study_reference, wanted.patient) == (STUDY, "demo-pneumonia")
    assert wanted.tenant == "https://ehr.example.org\nward"
    assert wanted.study_uid.startswith("2.25.")
    assert (len(wanted.expected.birth_date), wanted.expected.sex) == (8, "male")


def test_a_notification_that_names_nothing_queues_what_the_record_changed_lately(base: str) -> None:
    queue = Queue()
    told(base, "", queue)
    assert STUDY in {wanted.study_reference for wanted in queue.wanted}


def test_a_study_the_record_does_not_hold_is_let_go(base: str) -> None:
    queue = Queue()
    told(base, "ImagingStudy/none", queue)
    assert queue.wanted == []


class Vanishing(FhirClient):
    """Lists a study before all others that is no longer there when it is read."""

    async def search(self, query: str, *, deadline: float) -> AsyncIterator[Resources]:
        async for page in super().search(query, deadline=deadline):
            if "_lastUpdated" in query:
                page.views.insert(0, ImagingStudyView(id="gone"))
            yield page


class Capped(FhirClient):
    """Has more pages than are read."""

    async def search(self, query: str, *, deadline: float) -> AsyncIterator[Resources]:
        async for page in super().search(query, deadline=deadline):
            yield page
        if "_lastUpdated" in query:
            raise PagingCap("GET ImagingStudy", detail="20 pages")


@pytest.mark.parametrize("client", [Vanishing, Capped])
def test_one_study_that_vanished_or_a_page_too_many_costs_the_others_nothing(
    base: str, client: type[FhirClient]
) -> None:
    usual, queue = Queue(), Queue()
    told(base, "", usual)
    told(base, "", queue, client=client)
    assert [wanted.study_reference for wanted in queue.wanted] == [wanted.study_reference for wanted in usual.wanted]
    assert len(queue.wanted) > 1


def test_one_study_that_cannot_be_queued_lets_the_others_go_first_and_is_told_again(base: str) -> None:
    class Full(Queue):
        async def progress(self, wanted: Wanted, deadline: float) -> Progress:
            self._state = "preparing" if self.wanted else "waiting"
            return await super().progress(wanted, deadline)

    usual, queue = Queue(), Full()
    told(base, "", usual)
    with pytest.raises(Unavailable, match="too much is waiting"):
        told(base, "", queue)
    assert len(queue.wanted) == len(usual.wanted)


def test_without_a_model_or_with_ai_off_nothing_is_read_and_nothing_repeated(base: str) -> None:
    queue = Queue()
    told(base, STUDY, None)
    told(base, STUDY, queue, ai=Switch.OFF)
    assert queue.wanted == []


def test_a_full_queue_a_silent_record_and_no_record_are_told_again_by_the_sender(base: str) -> None:
    with pytest.raises(Unavailable, match="too much is waiting"):
        told(base, STUDY, Queue("waiting"))
    with pytest.raises(Unavailable, match="the record does not give the study"):
        told("http://127.0.0.1:9/simulator/fhir", STUDY, Queue())
    with pytest.raises(Unavailable, match="CDS_WRITE_FHIR_URL"):
        asyncio.run(NewStudies(None, Queue(), lambda: datetime.now(UTC))(STUDY))
