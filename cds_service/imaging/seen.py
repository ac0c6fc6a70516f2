"""What the image model is shown of one study or file, and how its answers about places lead back to the pixels.

Nothing in these types is of a header except UIDs, modality, body part, view, side and time: no name, no number of a patient.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cds_service.imaging import read
from cds_service.models import engine
from cds_service.models.families.square import Transform

Kind = Literal["radiograph", "ct", "mr", "ultrasound", "photo"]


class Compared(Struct, frozen=True, kw_only=True):
    """What came of comparing the patient of an image with the patient of the record, by the names of the items."""

    differs: str = ""  # the item that makes it another patient: 'birth date'
    agree: tuple[str, ...] = ()  # 'patient id', 'birth date', 'sex'

    @property
    def known(self) -> bool:
        """Whether anything that tells people apart agrees."""
        return "patient id" in self.agree or "birth date" in self.agree


class Seen(Struct, frozen=True, kw_only=True):
    """What the model will be shown. ``images``, ``instances`` and ``transforms`` go together, one each per picture."""

    images: tuple[engine.Image, ...]  # encoded bytes, no header
    kind: Kind
    modality: str  # DICOM code: CR, DX, CT, MR, US …; '' where the object has none
    body_part: str  # 'CHEST', upper case; '' where neither header nor record says
    view: str = ""  # PA, AP, LATERAL …, '' where not given
    plane: str = ""  # of slices: axial, coronal, sagittal; '' where not given
    laterality: str = ""  # 'L', 'R', 'B' of the part imaged, '' where not given or unpaired
    instances: tuple[read.Instance, ...] = ()
    transforms: tuple[Transform, ...] = ()
    steps: tuple[str, ...] = ()  # what was done to the pixels, in order
    warnings: tuple[str, ...] = ()  # what a reader of the result must know
    performed: str = ""  # ISO 8601 as the header gives it, '' where it does not
    size: tuple[int, int] = (0, 0)  # stored rows, columns
    compared: tuple[
        str, ...
    ] = ()  # what agrees with the patient of the record in every image; nothing was compared: ()

    archive: str = ""  # base URL of the DICOMweb server they came from, '' for the configured one

    @property
    def study_uid(self) -> str:
        """The study all instances belong to, '' for an object without one."""
        return self.instances[0].study_uid if self.instances else ""


class Refused(Struct, frozen=True, kw_only=True):
    """Why nothing is shown to a model: ``reason`` for people, ``code`` for metrics and audit (a closed list)."""

    reason: str
    code: str
