"""What the image model is shown of one study or file, and how its answers about places lead back to the pixels.

Nothing in these types is of a header except UIDs, modality, body part, view, side and time: no name, no number of a patient.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cds_service.imaging import read
from cds_service.models import engine

Kind = Literal["radiograph", "ct", "mr", "ultrasound", "photo"]
GRID = 1000  # MedGemma's boxes are integers of 0–1000 over the padded square


class Transform(Struct, frozen=True, kw_only=True):
    """From the stored pixels of one frame to the square the model sees, and back.

    ``rows × columns`` are the stored ones. The frame, mirrored first where ``mirrored``, stands in a black square of
    ``side`` source pixels with its upper left corner at (``top``, ``left``); the square is then scaled to ``shown``.
    """

    rows: int
    columns: int
    side: int
    top: int
    left: int
    shown: int
    mirrored: bool = False

    def to_pixels(self, y0: float, x0: float, y1: float, x1: float) -> tuple[float, float, float, float]:
        """A box ``[y0, x0, y1, x1]`` of 0–1000 over the square as (top, left, bottom, right) in stored pixels.

        Corners are put in order and kept within the image; a box wholly in the padding comes back with no area.
        """
        top, bottom = sorted(_within(y / GRID * self.side - self.top, self.rows) for y in (y0, y1))
        left, right = sorted(_within(x / GRID * self.side - self.left, self.columns) for x in (x0, x1))
        if self.mirrored:
            left, right = self.columns - right, self.columns - left
        return top, left, bottom, right

    def to_square(self, top: float, left: float, bottom: float, right: float) -> tuple[int, int, int, int]:
        """A box in stored pixels as ``[y0, x0, y1, x1]`` of 0–1000: the way a reference box is put before the model."""
        if self.mirrored:
            left, right = self.columns - right, self.columns - left
        rows = [round((y + self.top) / self.side * GRID) for y in (top, bottom)]
        columns = [round((x + self.left) / self.side * GRID) for x in (left, right)]
        return rows[0], columns[0], rows[1], columns[1]


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


def _within(value: float, most: int) -> float:
    return min(max(value, 0.0), float(most))
