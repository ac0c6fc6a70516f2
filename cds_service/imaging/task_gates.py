"""What stands between an image and the model, and between the model's answer and a report.

Before: only a modality, body part and projection of the closed list is asked about; everything else is refused in words.
After: an answer that does not fit the image, contradicts itself or recites a normal report is discarded, and counted under
one of ``Reason``. A discarded answer never becomes "absent".
"""

from __future__ import annotations

from typing import Literal

from cds_service.imaging.catalogue import NONE, Catalogue, Kind, Sought, Structure
from cds_service.imaging.read import State
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.vocabulary import sides_in, vocabulary
from cds_service.models.families.square import GRID, Transform

Reason = Literal[
    "other modality", "other body part", "canned text", "beside the point", "side contradicts", "state contradicts",
    "place contradicts", "slices contradict", "change contradicts", "box unusable", "box on the wrong side",
]  # fmt: skip

FOREIGN = frozenset({"other modality", "other body part", "canned text", "beside the point"})  # not about this image
MOST_DROPPED = 0.2  # share of answers that may be discarded; with more, the whole read is
FEWEST_SLICES = 10  # of a volume: a chest in slices of 5 mm has about 60
SMALLEST, LARGEST = 0.001, 0.9  # of the square: a box outside these bounds shows nothing
MIDDLE = 0.05  # how far over the middle of the image the centre of a sided structure may lie
_MODALITIES = {
    "US": "ultrasound", "SC": "a secondary capture", "OT": "a picture of unknown origin", "XC": "a photograph",
    "MG": "a mammogram", "NM": "a nuclear medicine picture", "": "of unknown modality",
}  # fmt: skip
_IMAGED = {"L": "left", "R": "right"}


def admit(seen: Seen, catalogue: Catalogue) -> Kind | Refused:
    """The kind of image this is, or why no read of it is made (fault matrix row 59)."""
    if not seen.images:
        return Refused(reason="the study holds no image that can be shown to a model", code="not-an-image")
    kinds = [kind for kind in catalogue.kinds if seen.modality in kind.modalities]
    if not kinds or seen.kind in ("ultrasound", "photo"):
        what = _MODALITIES.get(seen.modality, f"of modality {seen.modality}")
        return Refused(reason=f"this is {what}; no read is made of it", code="modality")
    if not seen.body_part:
        return Refused(reason="neither image nor record says which part of the body is shown", code="body-part")
    fitting = [kind for kind in kinds if seen.body_part in kind.body_parts]
    if not fitting:
        return Refused(reason="no read is made of this part of the body with this modality", code="body-part")
    kind = fitting[0]
    if kind.views and seen.view not in kind.views:
        what = "a lateral view" if seen.view.startswith("LATERAL") else "not known to be a frontal view"
        return Refused(reason=f"this is {what}; a read is made of PA and AP views alone", code="view")
    return _volume_refused(seen) or kind if kind.prompt == "ct-volume" else kind


def _volume_refused(seen: Seen) -> Refused | None:
    """A scout, a study that is still being sent, or slices of another plane than the model was trained on."""
    if len(seen.images) < FEWEST_SLICES:
        count = "one slice" if len(seen.images) == 1 else f"{len(seen.images)} slices"
        return Refused(reason=f"{count} of a volume; a read is made of at least {FEWEST_SLICES}", code="too-few-slices")
    if seen.plane in ("coronal", "sagittal"):
        return Refused(reason=f"the slices are {seen.plane}; a read is made of axial slices alone", code="view")
    return None


def words_fault(text: str, seen: Seen) -> Reason | None:
    """Why the words of an answer do not fit the image that was shown; None when they do."""
    words = vocabulary()
    if words.other_modality(text, seen.modality):
        return "other modality"
    if words.other_body_part(text, seen.body_part):
        return "other body part"
    if words.canned(text):
        return "canned text"
    if words.beside_the_point(text):
        return "beside the point"
    imaged = _IMAGED.get(seen.laterality)
    return "side contradicts" if imaged and sides_in(text) - {imaged} else None


def finding_fault(text: str, state: State, side: str, place: str, sought: Sought, seen: Seen) -> Reason | None:
    """Why one answer about one finding is not used. ``text``: the sentence beside it; ``side``, ``place``: as answered."""
    if fault := words_fault(text, seen):
        return fault
    if state == "absent":
        return "state contradicts" if place != NONE or side != NONE else None
    if (imaged := _IMAGED.get(seen.laterality)) and side not in (imaged, NONE):
        return "side contradicts"
    if place == NONE:
        return "place contradicts" if state == "present" and sought.places else None
    return _place_fault(text, side, sought.places[place].side)


def _place_fault(text: str, side: str, implied: str) -> Reason | None:
    """The side of the place, the side that was answered and the side the sentence names are one."""
    if implied and side != implied:
        return "side contradicts"
    named = sides_in(text)
    if implied in ("left", "right") and named and implied not in named:
        return "side contradicts"
    return None


def slices_fault(state: State, first: int, last: int, slices: int) -> Reason | None:
    """Slice numbers must exist, be in order, and be there exactly when something is said to be seen."""
    if state == "absent" or (state == "uncertain" and not first):
        return "slices contradict" if first or last else None
    return None if 1 <= first <= last <= slices else "slices contradict"


def change_fault(change: str, state: State) -> Reason | None:
    """A finding that is there cannot be gone; one that is not there cannot be new, more, same or less."""
    wrong = {"present": ("gone",), "absent": ("new", "more", "same", "less")}.get(state, ())
    return "change contradicts" if change in wrong else None


def box_fault(box: tuple[int, int, int, int], structure: Structure, transform: Transform) -> Reason | None:
    """Why a box ``[y0, x0, y1, x1]`` of 0–1000 over the padded square is not used."""
    y0, x0, y1, x1 = box
    if y1 <= y0 or x1 <= x0 or not SMALLEST <= (y1 - y0) * (x1 - x0) / GRID**2 <= LARGEST:
        return "box unusable"
    top, left, bottom, right = transform.to_pixels(y0, x0, y1, x1)
    whole = (y1 - y0) * (x1 - x0) * (transform.side / GRID) ** 2
    if (bottom - top) * (right - left) < whole / 2:
        return "box unusable"  # mostly in the black border
    centre = (x0 + x1) / 2 / GRID
    wrong = {"right": centre > 0.5 + MIDDLE, "left": centre < 0.5 - MIDDLE}.get(structure.side, False)
    return "box on the wrong side" if wrong else None
