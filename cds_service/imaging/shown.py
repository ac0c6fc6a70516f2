"""Pictures of one study put together into what the model is shown, with what a reader of the result must know of them."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.imaging import admission, read
from cds_service.imaging.patient_check import PatientCheck
from cds_service.imaging.requests import Picture, Rendered
from cds_service.imaging.seen import Compared, Kind, Refused, Seen
from cds_service.models import engine
from fhir_adapters.dicom import qido, volumes
from fhir_adapters.dicom.description import Header, Identity, Triple


def seen(
    made: Sequence[Rendered],
    check: PatientCheck | None,
    series: qido.Series | None = None,
    steps: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Seen | Refused:
    """Pictures put together. One slice that was refused, or is of somebody else, refuses them all."""
    pictures: list[Picture] = []
    agree: list[tuple[str, ...]] = []
    for each in made:
        for told in [check(identity) for identity in _identities(each)] if check else ():
            if told.differs or not told.known:
                return not_this_patient(told)
            agree.append(told.agree)
        if each.refused is not None:
            return each.refused
        pictures += each.pictures
    if len({p.header.study_uid for p in pictures}) > 1:
        return Refused(reason="images of more than one study", code="uid-mismatch")
    if all(p.blank for p in pictures):
        return Refused(reason="every slice is blank", code="blank")
    header = pictures[0].header
    many = len(pictures) > 1
    shape = header.shape
    return Seen(
        images=tuple(
            engine.Image(p.data, p.media_type, f"SLICE {i}" if many else "") for i, p in enumerate(pictures, start=1)
        ),
        kind=made[0].kind,
        modality=header.modality,
        body_part=header.body_part or (series.body_part if series else ""),
        view=admission.view(header),
        plane=volumes.plane(header.axes) if made[0].kind in ("ct", "mr") else "",
        laterality=header.laterality or (series.laterality if series else ""),
        instances=tuple(
            read.Instance(
                study_uid=p.header.study_uid,
                series_uid=p.header.series_uid,
                instance_uid=p.header.instance_uid,
                frame=p.frame,
            )
            for p in pictures
        ),
        transforms=tuple(p.transform for p in pictures),
        steps=(*steps, *dict.fromkeys(step for each in made for step in each.steps)),
        warnings=(*warnings, *_warnings(header, made[0].kind, len(pictures))),
        performed=header.performed,
        size=(shape.rows, shape.columns) if shape else (0, 0),
        compared=tuple(item for item in agree[0] if all(item in each for each in agree)) if agree else (),
    )


def _warnings(header: Header, kind: Kind, shown: int) -> tuple[str, ...]:
    found, frames = [], header.shape.frames if header.shape else 1
    if header.burned_in != "NO":
        found.append("the header does not say that no text is burned into the image")
    if kind == "radiograph" and not header.acquired:
        found.append("the header names no exposure, detector or pixel spacing: what took the image is not known")
    if kind == "radiograph" and len(header.orientation) > 1 and header.orientation[1].startswith("H"):
        found.append("stored upside down: shown as stored")
    if kind in ("ultrasound", "photo", "radiograph") and frames > shown:
        found.append(f"{shown} of {frames} frames shown")
    return tuple(found)


def _identities(made: Rendered) -> list[Identity]:
    return [d.header.identity for d in made.headers if d.header] + [p.header.identity for p in made.pictures]


def not_this_patient(told: Compared) -> Refused:
    """What differs, or that nothing agrees (fault matrix row 58)."""
    if told.differs:
        return Refused(reason=f"the images are of another patient: {told.differs} differs", code="other-patient")
    return Refused(
        reason="nothing says whose images these are: neither patient id nor birth date agrees", code="unknown-patient"
    )


def covered(positions: Sequence[Triple | None], axes: tuple[Triple, Triple] | None) -> tuple[str, ...]:
    """How much of the body the slices cover, and whether some are missing, as when a study is still being sent."""
    stretch = volumes.stretch(positions, axes)
    if stretch is None:
        return ("how much of the body the slices cover is not known",) if len(positions) > 1 else ()
    covered = f"the slices cover {stretch[0] / 10:.0f} cm; what lies beyond was not looked at"
    missing = f"slices are missing: a gap of {stretch[1]:.0f} mm" if stretch[1] else ""
    return (covered, missing) if missing else (covered,)


def listed(found: int, said: int) -> tuple[str, ...]:
    """A warning where the server gives fewer images of a series than it says there are."""
    return (f"the archive lists {found} of {said} images of the series",) if found < said else ()


def taken(taken: int, of: int) -> tuple[str, ...]:
    """A step that says how many slices were left out, where some were."""
    return (f"{taken} of {of} slices taken, evenly",) if taken < of else ()
