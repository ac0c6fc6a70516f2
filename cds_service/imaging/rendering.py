"""The job of a decode worker: objects in, pictures as the model sees them out. Runs in worker processes alone.

The answer holds UIDs, sizes and a few codes of the header, and the identity for the check; no other header value.
"""

from __future__ import annotations

import warnings
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from cds_service.imaging import admission, gates, marking
from cds_service.imaging.requests import Described, Picture, Render, Rendered, Source
from cds_service.imaging.seen import Kind, Refused
from cds_service.models.families import medgemma_images
from fhir_adapters.dicom import header as headers
from fhir_adapters.dicom import pixels, volumes
from fhir_adapters.dicom.description import Header
from fhir_adapters.dicom.errors import DicomError, NoSuchFrame

_decode = msgspec.msgpack.Decoder(Render).decode
_encode = msgspec.msgpack.Encoder().encode


class _Slice(Struct, frozen=True):
    image: pixels.Object
    frame: int


def render(payload: bytes, *objects: bytes) -> bytes:
    """One request as MessagePack, its sources' bytes in their order, empty where a path is given; ``Rendered`` back."""
    warnings.simplefilter("ignore")
    request = _decode(payload)
    if objects:
        pairs = zip(request.sources, objects, strict=True)
        request = replace(request, sources=tuple(replace(source, data=data) for source, data in pairs))
    return _encode(answer(request))


def answer(request: Render) -> Rendered:
    """What is asked of one file or of slices that belong together."""
    try:
        if request.describe:
            return Rendered(headers=tuple(_describe(source, request) for source in request.sources))
        return _render(request)
    except DicomError as error:
        return Rendered(refused=Refused(reason=error.reason, code=error.code))


def _describe(source: Source, request: Render) -> Described:
    """The header alone; what cannot be read is said in its place, so that one bad file spoils no folder."""
    try:
        header, _ = headers.read(headers.load(source.data or source.path, request.limits), request.limits)
    except DicomError as error:
        return Described(refused=Refused(reason=error.reason, code=error.code))
    kind = admission.admit(header, request.allowed)
    return Described(header=header, refused=kind if isinstance(kind, Refused) else None)


def _render(request: Render) -> Rendered:
    slices: list[_Slice] = []
    kind: Kind | None = None
    for source in request.sources:
        data = headers.load(source.data or source.path, request.limits)
        header, _ = headers.read(data, request.limits)
        found = _admitted(source, header, request)
        if isinstance(found, Refused):
            return Rendered(refused=found, headers=(Described(header=header),))
        kind = kind or found
        image = pixels.open_object(data, header, request.limits)
        slices += [_Slice(image, frame) for frame in _frames(header, kind, source.frame)]
    if kind is None:
        return Rendered(refused=Refused(reason="nothing to show", code="no-image"))
    return _shown(slices, kind, request)


def _admitted(source: Source, header: Header, request: Render) -> Kind | Refused:
    """Asked for by UID, it must be that object (row 58); then the gates of the header."""
    for asked, given in ((source.study_uid, header.study_uid), (source.instance_uid, header.instance_uid)):
        if asked and asked != given:
            return Refused(reason="the server sent another object than the one asked for", code="uid-mismatch")
    return admission.admit(header, request.allowed)


def _frames(header: Header, kind: Kind, asked: int | None) -> list[int]:
    """The frame asked for, else the first; of an enhanced CT or MR the sampled ones in the order of space."""
    count = header.shape.frames if header.shape else 1
    if asked is not None:
        if not 0 <= asked < count:
            raise NoSuchFrame(f"frame {asked + 1} of {count}")
        return [asked]
    if kind in ("ct", "mr") and count > 1:
        positions = header.frame_positions if len(header.frame_positions) == count else (None,) * count
        order, _ = volumes.order(positions, header.axes, range(count))
        return [order[i] for i in volumes.sample(count)]
    return [0]


def _shown(slices: list[_Slice], kind: Kind, request: Render) -> Rendered:
    steps: dict[str, None] = {}
    pictures: list[Picture] = []
    for each, (shown, taken) in zip(slices, _eight_bit(slices, kind, request), strict=True):
        header = each.image.header
        refusal = gates.non_diagnostic(shown, kind)
        if refusal and len(slices) == 1:
            return Rendered(refused=refusal, headers=(Described(header=header),))
        flip = admission.mirrored(header, kind)
        picture, transform = medgemma_images.square(shown, mirrored=flip)
        if request.boxes:
            picture = marking.marked(picture, transform, request.boxes)
        data, media_type = medgemma_images.encode(picture, request.encoding)
        steps.update(dict.fromkeys(taken))
        steps.update(dict.fromkeys(_geometry(transform.rows, transform.columns, flip=flip)))
        pictures.append(
            Picture(
                data=data,
                media_type=media_type,
                transform=transform,
                frame=each.frame,
                header=header,
                blank=refusal is not None,
            )
        )
    return Rendered(kind=kind, pictures=tuple(pictures), steps=tuple(steps))


def _eight_bit(slices: list[_Slice], kind: Kind, request: Render) -> Any:
    """Each slice as 8 bits with the steps taken, one at a time where that can be."""
    if kind == "ct":
        windows = "three windows as red, green, blue: −1024…1024, −135…215, 0…80 HU"
        for each in slices:
            yield (
                medgemma_images.ct_rgb(pixels.hounsfield(each.image, each.frame)),
                ["rescaled to HU, clipped", windows],
            )
    elif kind == "mr":
        volume: list[NDArray[np.float32]] = [pixels.modality_values(each.image, each.frame) for each in slices]
        low, high = min(float(v.min()) for v in volume), max(float(v.max()) for v in volume)
        for values in volume:
            yield (
                medgemma_images.mr_grey(values, low, high),
                [f"stretched from {low:g}–{high:g} of the volume to 0–255"],
            )
    elif kind == "radiograph":
        for each in slices:
            yield pixels.acquired_grey(each.image, each.frame, request.voi)
    else:
        for each in slices:
            yield pixels.colour(each.image, each.frame)


def _geometry(rows: int, columns: int, *, flip: bool) -> list[str]:
    side = max(rows, columns)
    steps = ["mirrored: stored with the patient's left on the left"] if flip else []
    if rows != columns:
        steps.append(f"padded with black from {rows} × {columns} to {side} × {side}")
    return [*steps, f"resized from {side} × {side} to {medgemma_images.SIDE} × {medgemma_images.SIDE}, bilinear"]
