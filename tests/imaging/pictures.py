"""Seen values for the tests of the tasks: what the viewer hands over, written by hand."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cds_service.imaging.read import Instance
from cds_service.imaging.seen import Seen
from cds_service.models.engine import Image
from cds_service.models.families.square import Transform

PNG = b"\x89PNG\r\n\x1a\n"
CHEST = Seen(
    images=(Image(data=PNG),),
    kind="radiograph",
    modality="DX",
    body_part="CHEST",
    view="PA",
    instances=(Instance(study_uid="1.2.3", series_uid="1.2.3.1", instance_uid="1.2.3.1.1"),),
    transforms=(Transform(rows=2000, columns=1600, side=2000, top=0, left=200, shown=896),),
    steps=("decoded",),
    performed="2026-11-20T08:10:00",
    size=(2000, 1600),
)


def chest(**changes: Any) -> Seen:
    """A frontal chest radiograph with some members changed."""
    return replace(CHEST, **changes)


def chest_ct(slices: int = 12) -> Seen:
    """A chest CT of so many slices."""
    images = tuple(Image(data=PNG, label=f"SLICE {n}") for n in range(1, slices + 1))
    return replace(CHEST, images=images, kind="ct", modality="CT", view="", transforms=())
