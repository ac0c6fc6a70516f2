"""What the service and its decode workers say to each other, as MessagePack."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cds_service.imaging.read import Box
from cds_service.imaging.seen import Kind, Refused
from cds_service.models.families.square import Transform
from fhir_adapters.dicom.description import Header
from fhir_adapters.dicom.limits import Limits


class Source(Struct, frozen=True, kw_only=True):
    """One object: bytes, or a path the worker opens; the UIDs it must have, '' where any will do.

    On the way to a worker the bytes go beside the request, not in it.
    """

    data: bytes = b""
    path: str = ""
    frame: int | None = None  # counted from 0
    study_uid: str = ""
    instance_uid: str = ""


class Render(Struct, frozen=True, kw_only=True):
    """One file, or slices that belong together. ``describe``: headers alone; ``boxes`` are drawn for a person to look at."""

    sources: tuple[Source, ...]
    describe: bool = False
    allowed: tuple[str, ...] = ()
    voi: Literal["full-range", "embedded"] = "full-range"
    encoding: Literal["png", "jpeg"] = "png"
    boxes: tuple[Box, ...] = ()
    limits: Limits = Limits()


class Described(Struct, frozen=True, kw_only=True):
    """One header, or why there is none."""

    header: Header | None = None
    refused: Refused | None = None


class Picture(Struct, frozen=True, kw_only=True):
    """One picture and where it is from."""

    data: bytes
    media_type: str
    transform: Transform
    frame: int
    header: Header
    blank: bool = False  # nothing can be seen in it: the first and last slices of a volume may be so, not all of them


class Rendered(Struct, frozen=True, kw_only=True):
    """The answer. ``refused`` with the offending header, or pictures."""

    kind: Kind = "photo"
    pictures: tuple[Picture, ...] = ()
    steps: tuple[str, ...] = ()
    headers: tuple[Described, ...] = ()
    refused: Refused | None = None
