"""A notified study is read again in the record with our own access, and its read is queued; what cannot be is told again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cds_service.errors import Unavailable
from cds_service.imaging.work import Progress, Wanted
from cds_service.rules.catalogue import Switch
from cds_service.services.new_studies import NewStudies
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound
from tests.web.simulated import simulated

STUDY = "ImagingStudy/demo-pneumonia-imaging-1"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with simulated() as (address, _store):
        yield address


class Queue:
    """Keeps what is asked for; answers as told."""

    def __init__(self, state: str = "preparing") -> None:
        self.wanted: list[Wanted] = []
        self._state = state

    async def progress(self, wanted: Wanted, deadline: float) -> Progress:
        self.wanted.append(wanted)
        return Progress(state=self._state, why="too much is waiting")  # type: ignore[arg-type]


def told(base: str, reference: str, queue: Queue | None, tenant: str = "", ai: Switch = Switch.ON) -> None:
    async def run() -> None:
        async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:

            async def connect(_deadline: float) -> FhirClient:
                return FhirClient(outbound, base)

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
