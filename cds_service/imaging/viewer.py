"""From a file or a study to what the image model is shown: fetch, select, decode in workers, prepare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from cds_service.imaging.seen import Kind, Refused, Seen, Transform

__all__ = ["Identity", "Kind", "PatientCheck", "PriorStudy", "Refused", "Seen", "Transform", "Viewer"]


class Identity(Struct, frozen=True, kw_only=True):
    """Who an object says it is of. Given to a PatientCheck, then forgotten; never logged, stored or shown."""

    patient_id: str = ""  # (0010,0020)
    issuer: str = ""  # (0010,0021)
    birth_date: str = ""  # (0010,0030), YYYYMMDD
    sex: str = ""  # (0010,0040): M, F, O


PatientCheck = Callable[[Identity], str]  # '' when it is the patient, else in words what differs ('patient id')


class PriorStudy(Struct, frozen=True, kw_only=True):
    """A study of the record that may be a prior, as ImagingStudy gives it."""

    study_uid: str
    started: str = ""  # ISO 8601
    modalities: tuple[str, ...] = ()


class Viewer:
    """Owns the decode workers and the DICOMweb client. ``start`` before use, ``aclose`` at the end."""

    async def start(self) -> None:
        """Warm the fork server; the first read then waits for no interpreter."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End the workers."""
        raise NotImplementedError

    async def file(self, path: Path, frame: int | None = None) -> Seen | Refused:
        """One DICOM file, or a folder with the files of one series."""
        raise NotImplementedError

    async def study(self, study_uid: str, *, patient_check: PatientCheck | None, deadline: float) -> Seen | Refused:
        """One study of the DICOMweb server. ``deadline`` is a moment of the event loop's clock."""
        raise NotImplementedError

    async def prior(
        self, seen: Seen, studies: Sequence[PriorStudy], *, patient_check: PatientCheck | None, deadline: float
    ) -> Seen | Refused | None:
        """The newest earlier study of the same body part and kind; None where there is none."""
        raise NotImplementedError
