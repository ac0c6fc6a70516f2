"""The order of slices in space and which of them are taken. Pure arithmetic on header values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from fhir_adapters.dicom.description import Triple

MOST_SLICES = 85  # MedGemma 1.5 was trained on at most so many (CT notebook, 2026)
PLANES = ("sagittal", "coronal", "axial")  # the slice normal lies nearest to x, y, z (PS3.3 C.7.6.2.1.1)
GAP = 1.9  # times the usual distance of two slices: one is missing between them


def order(
    positions: Sequence[Triple | None], axes: tuple[Triple, Triple] | None, numbers: Sequence[int]
) -> tuple[list[int], str]:
    """Indices along the slice normal (position · rows × columns); by instance number where the geometry is missing."""
    indices = range(len(positions))
    places = along(positions, axes)
    if places and (max(places) > min(places) or len(places) == 1):
        return sorted(indices, key=lambda i: (places[i], numbers[i])), "slices sorted along the slice normal"
    return sorted(indices, key=lambda i: (numbers[i], i)), "slices sorted by instance number: no usable positions"


def along(positions: Sequence[Triple | None], axes: tuple[Triple, Triple] | None) -> list[float] | None:
    """How far each slice lies along the slice normal, mm; None where one of them does not say."""
    if axes is None or any(position is None for position in positions):
        return None
    normal = cross(*axes)
    return [sum(p * n for p, n in zip(position or (0, 0, 0), normal, strict=True)) for position in positions]


def stretch(positions: Sequence[Triple | None], axes: tuple[Triple, Triple] | None) -> tuple[float, float] | None:
    """From the first to the last slice, and the widest gap in it (0 where the slices lie evenly), mm; None if not known."""
    places = sorted(along(positions, axes) or ())
    steps = [after - before for before, after in pairwise(places)]
    if not steps or (usual := median(steps)) <= 0:
        return None
    return places[-1] - places[0], max(steps) if max(steps) > GAP * usual else 0.0


def plane(axes: tuple[Triple, Triple] | None) -> str:
    """axial, coronal or sagittal, whichever is nearest; '' where the orientation is not given or is none."""
    sizes = [abs(part) for part in cross(*axes)] if axes is not None else [0.0]
    return PLANES[sizes.index(max(sizes))] if max(sizes) > 0 else ""


def cross(a: Triple, b: Triple) -> Triple:
    """The normal of a slice from the directions of its rows and columns."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def sample(count: int, most: int = MOST_SLICES) -> list[int]:
    """At most ``most`` of ``count`` positions, evenly: round(i / most · (count − 1)), i = 1 … most (CT notebook, 2026)."""
    if count <= most:
        return list(range(count))
    return [round(i / most * (count - 1)) for i in range(1, most + 1)]
