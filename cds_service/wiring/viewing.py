"""A Viewer from the settings: for the application, and for commands that run without it."""

from __future__ import annotations

from cds_service.errors import ConfigurationError
from cds_service.imaging.admission import ALLOWABLE
from cds_service.imaging.viewer import JOB, PRELOAD, Viewer
from cds_service.settings import Settings
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.workers import WorkerLimits, Workers
from fhir_adapters.outbound import Outbound


def viewer(settings: Settings, outbound: Outbound, base: str = "") -> Viewer:
    """``outbound`` must admit the DICOMweb server. ``base`` in place of the configured one."""
    if unknown := set(settings.image_allow) - ALLOWABLE:
        raise ConfigurationError(
            f"CDS_IMAGE_ALLOW knows {', '.join(sorted(ALLOWABLE))}, not {', '.join(sorted(unknown))}"
        )
    base = base or settings.dicomweb_url
    limits = WorkerLimits(
        count=settings.decode_workers, memory_mb=settings.decode_memory_mb, seconds=settings.decode_seconds
    )
    authorization = settings.dicomweb_authorization.get_secret_value()
    return Viewer(
        DicomWeb(outbound, base, authorization) if base else None,
        Workers(JOB, preload=PRELOAD, limits=limits),
        allowed=settings.image_allow,
        voi=settings.image_window,
        elsewhere=lambda archive: DicomWeb(outbound, archive),  # never with the credentials of the configured one
    )
