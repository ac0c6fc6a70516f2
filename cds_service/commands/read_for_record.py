"""``medgemma-cds read --patient``: the study as the record knows it, and the draft that is kept for its patient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from cds_service.drafts.draft import Draft
from cds_service.errors import ConfigurationError, NotAllowed
from cds_service.imaging.patient_check import Expected, PatientCheck, check_of
from cds_service.imaging.read import Read
from cds_service.imaging.viewer import AUDITED
from cds_service.imaging.work import Wanted
from cds_service.record.facts import Record
from cds_service.services.imaging_read import order_of
from cds_service.services.new_studies import record_of
from cds_service.settings import Settings
from cds_service.wiring.own_access import archives, record_access
from cds_service.wiring.parts import Parts, parts_of
from fhir_adapters.dicom.errors import DicomError
from fhir_adapters.errors import FhirError
from fhir_adapters.templates import is_id

PATIENCE_S = 30.0


class ForRecord:
    """One command's access to the record and to the drafts."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def order(self, study_uid: str, patient: str, client: str) -> Wanted:
        """What a hook call would ask for. ConfigurationError where the record has no such study of this patient."""
        settings = self.parts.settings
        if client and client not in settings.clients:
            raise ConfigurationError(f"--client names '{client}', which [clients] of the settings lacks")
        record, whose = await self._record(patient)
        study = next((each for each in record.imaging if study_uid in each.identifiers), None)
        tenant = f"{settings.clients[client].issuer}\n" if client else ""
        wanted = None if study is None else order_of(record, study, whose, tenant=tenant, patient=patient)
        if wanted is None:
            raise NotAllowed("the record holds no such study of this patient: nothing was read")
        return wanted

    async def whose(self, patient: str) -> Expected:
        """Whose images those of a file must be. ConfigurationError where the record does not answer."""
        return (await self._record(patient))[1]

    async def archive(self, wanted: Wanted) -> str:
        """The DICOMweb server of the study, '' for the configured one. ConfigurationError where there is none."""
        try:
            return await archives(self.parts.settings, self.parts.outbound).of(wanted.study_reference)
        except DicomError as fault:
            raise ConfigurationError(f"no archive can be asked: {fault.reason}") from fault

    def check(self, expected: Expected) -> PatientCheck:
        """The comparison of the images' patient with this one."""
        return check_of(expected, self.parts.settings.patient_id_issuers)

    def refused(self, code: str) -> None:
        """A refusal for the audit trail, where it is a security event (fault matrix row 58)."""
        if code in AUDITED:
            self.parts.audit.write("images refused", outcome="refused", notes=[code])

    async def _record(self, patient: str) -> tuple[Record, Expected]:
        if not is_id(patient):
            raise ConfigurationError("--patient is the patient's FHIR id, without Patient/")
        connect = record_access(self.parts.settings, self.parts.outbound).connect
        if connect is None:
            raise ConfigurationError("--patient needs a FHIR server: set CDS_WRITE_FHIR_URL")
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        try:
            return await record_of(await connect(deadline), patient, datetime.now(UTC), deadline, self.parts.zone)
        except FhirError as fault:
            raise ConfigurationError(f"the record does not answer: {fault.title}") from fault

    async def keep(self, read: Read, wanted: Wanted) -> tuple[Draft, str]:
        """The draft, filed where ``file_unreviewed_drafts`` says so, and the address it is reviewed at."""
        draft = await self.parts.drafts.put(
            read, patient=wanted.patient, study_reference=wanted.study_reference, tenant=wanted.tenant,
        )  # fmt: skip
        return draft, f"{self.parts.settings.public_url.rstrip('/')}/review/{draft.id}"


@asynccontextmanager
async def opened(settings: Settings, *, write: bool) -> AsyncIterator[ForRecord]:
    """The parts that are used, started; closed at the end."""
    file_unreviewed = write or settings.file_unreviewed_drafts
    parts = parts_of(settings.model_copy(update={"imaging": True, "file_unreviewed_drafts": file_unreviewed}))
    async with AsyncExitStack() as closing:
        await parts.gateway.start()
        closing.push_async_callback(parts.gateway.close)
        closing.push_async_callback(parts.outbound.aclose)
        closing.push_async_callback(parts.engine_door.aclose)
        closing.push_async_callback(parts.engines.aclose)
        if parts.viewer is not None:
            closing.push_async_callback(parts.viewer.aclose)
        yield ForRecord(parts)
