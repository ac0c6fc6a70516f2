"""What the doctor asks of imaging: whether decode workers start under their limits, and whether the archive answers a search."""

from __future__ import annotations

import asyncio

import msgspec

from cds_service.imaging.requests import Render
from cds_service.imaging.viewer import JOB, PRELOAD
from cds_service.settings import Settings
from fhir_adapters.addresses import origin_of
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import DicomError
from fhir_adapters.dicom.workers import WorkerLimits, Workers
from fhir_adapters.outbound import Outbound

PATIENCE_S = 20.0  # a fork server loads for some seconds on a busy machine


async def decoders(settings: Settings) -> tuple[bool, str]:
    """Whether a worker starts, is shut off and answers; and what to say."""
    workers = Workers(JOB, preload=PRELOAD, limits=WorkerLimits(count=1, memory_mb=settings.decode_memory_mb))
    try:
        await workers.run(msgspec.msgpack.encode(Render(sources=())), deadline=_soon())
    except DicomError as fault:
        return False, f"{fault.reason}; no image can be read here"
    finally:
        await workers.aclose()
    return (
        True,
        f"{settings.decode_workers} of {settings.decode_memory_mb} MB each, shut off from network, programs and files",
    )


async def archive(outbound: Outbound, base: str, authorization: str) -> tuple[bool, str]:
    """Whether the DICOMweb server at ``base`` answers a search; and what to say."""
    try:
        await DicomWeb(outbound, base, authorization).probe(deadline=_soon())
    except DicomError as fault:
        return False, f"{fault.reason}; check CDS_DICOMWEB_URL and CDS_DICOMWEB_AUTHORIZATION"
    return True, f"{origin_of(base)} answers a search"


def _soon() -> float:
    return asyncio.get_running_loop().time() + PATIENCE_S
