"""A notification of a new imaging study becomes a read: the study and its patient are read again, with our own credentials.

Nothing of the notification is used but the id. The job is the one a hook call would ask for: whoever comes second joins it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo

from cds_service.errors import Unavailable
from cds_service.imaging.patient_check import Expected
from cds_service.imaging.work import Wanted
from cds_service.record.build import build
from cds_service.record.facts import Record
from cds_service.rules.catalogue import Switch
from cds_service.services import templates
from cds_service.services.imaging_read import ImagingRead, Reads, expected_of, order_of
from cds_service.telemetry import log
from fhir_adapters.client import FhirClient
from fhir_adapters.errors import FhirError, Gone, NotFound, PagingStopped
from fhir_adapters.gather import gather
from fhir_adapters.read.events import ImagingStudyView
from fhir_adapters.templates import is_id, resolve

PATIENCE_S = 20.0  # for one study: its record and the queue
RECENT = timedelta(hours=1)  # looked through for a notification that names no study
AGAIN_S = 60  # after which the sender may tell us again
Connect = Callable[[float], Awaitable[FhirClient]]
_log = log(__name__)


class NewStudies:
    """``on_study`` of a subscription. ``reads`` None: no image model, nothing to queue and nothing to repeat."""

    def __init__(
        self,
        connect: Connect | None,
        reads: Reads | None,
        clock: Callable[[], datetime],
        ai: Callable[[], Switch] = lambda: Switch.ON,
        zone: tzinfo = UTC,
    ) -> None:
        self._connect, self._reads, self._clock, self._ai, self._zone = connect, reads, clock, ai, zone

    async def __call__(self, reference: str, tenant: str = "") -> None:
        """Queue the read of 'ImagingStudy/ID', or of the last hour's studies for ''. ``Unavailable``: tell us again."""
        if self._reads is None or self._ai() is Switch.OFF:
            return
        if self._connect is None:
            raise Unavailable("no FHIR server of our own is configured: set CDS_WRITE_FHIR_URL", retry_after=AGAIN_S)
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        try:
            client = await self._connect(deadline)
            studies = [reference] if reference else await self._recent(client, deadline)
        except FhirError as fault:
            raise _due(fault) from fault
        due: Unavailable | None = None
        for study in studies:
            try:
                await self._read(client, self._reads, study, tenant, deadline)
            except Unavailable as fault:
                due = fault  # the others come first: told again, those that are queued are joined
        if due is not None:
            raise due

    async def _recent(self, client: FhirClient, deadline: float) -> list[str]:
        since = (self._clock() - RECENT).strftime("%Y-%m-%dT%H:%M:%SZ")
        found: list[str] = []
        try:
            async for page in client.search(f"ImagingStudy?_lastUpdated=ge{since}&_count=50", deadline=deadline):
                found += [f"ImagingStudy/{v.id}" for v in page.views if isinstance(v, ImagingStudyView) and is_id(v.id)]
        except PagingStopped as fault:
            _log.warning("not every study of the last hour is looked at", reason=fault.title, count=len(found))
        return found

    async def _read(self, client: FhirClient, reads: Reads, study: str, tenant: str, deadline: float) -> None:
        """One study; Unavailable while the record does not give it, nothing to repeat where it is gone."""
        try:
            await self._queue(client, reads, study, tenant, deadline)
        except (NotFound, Gone):
            _log.warning("a notified study is not in the record")
        except FhirError as fault:
            raise _due(fault) from fault

    async def _queue(self, client: FhirClient, reads: Reads, study: str, tenant: str, deadline: float) -> None:
        now, zone = self._clock(), self._zone
        wanted = await order(client, study, tenant=tenant, now=now, deadline=deadline, zone=zone)
        if wanted is None:
            _log.warning("a notified study has no patient or no Study Instance UID")
            return
        progress = await reads.progress(wanted, deadline)
        if progress.state == "waiting":
            raise Unavailable(f"the read cannot be queued: {progress.why}", retry_after=AGAIN_S)


def _due(fault: FhirError) -> Unavailable:
    return Unavailable(f"the record does not give the study: {fault.title}", retry_after=AGAIN_S)


async def order(
    client: FhirClient, study: str, *, tenant: str, now: datetime, deadline: float, zone: tzinfo
) -> Wanted | None:
    """'ImagingStudy/ID' with its patient's record as a job's order; None without a patient or a UID. Raises FhirError."""
    found = await client.read("ImagingStudy", study.partition("/")[2], deadline=deadline)
    view = next((v for v in found.views if isinstance(v, ImagingStudyView)), None)
    named = (view.subject.reference or "").split("/")[-2:] if view is not None and view.subject is not None else []
    if len(named) != 2 or named[0] != "Patient" or not is_id(named[1]):
        return None
    record, whose = await record_of(client, named[1], now, deadline, zone)
    mine = next((event for event in record.imaging if event.reference == study), None)
    return None if mine is None else order_of(record, mine, whose, tenant=tenant, patient=named[1])


async def record_of(
    client: FhirClient, patient: str, now: datetime, deadline: float, zone: tzinfo
) -> tuple[Record, Expected]:
    """The patient and the imaging studies, as far as the record gives them; and whose images they must be."""
    queries = {key: resolve(query, {"patientId": patient}) for key, query in ImagingRead.prefetch.items()}
    retrieved = await gather({}, queries, client, deadline)
    record = build(patient, retrieved, now, expected=templates.expected(ImagingRead.id), zone=zone)
    return record, expected_of(record.person, patient, retrieved)
