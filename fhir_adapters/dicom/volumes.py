"""The order of slices in space and which of them are taken. Pure arithmetic on header values."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_adapters.dicom.description import Triple

MOST_SLICES = 85  # MedGemma 1.5 was trained on at most so many (CT notebook, 2026)


def order(
    positions: Sequence[Triple | None], axes: tuple[Triple, Triple] | None, numbers: Sequence[int]
) -> tuple[list[int], str]:
    """Indices along the slice normal (position · rows × columns); by instance number where the geometry is missing."""
    indices = range(len(positions))
    if axes is not None and all(position is not None for position in positions):
        normal = cross(*axes)
        along = [sum(p * n for p, n in zip(position or (0, 0, 0), normal, strict=True)) for position in positions]
        if max(along) > min(along) or len(positions) == 1:
            return sorted(indices, key=lambda i: (along[i], numbers[i])), "slices sorted along the slice normal"
    return sorted(indices, key=lambda i: (numbers[i], i)), "slices sorted by instance number: no usable positions"


def cross(a: Triple, b: Triple) -> Triple:
    """The normal of a slice from the directions of its rows and columns."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def sample(count: int, most: int = MOST_SLICES) -> list[int]:
    """At most ``most`` of ``count`` positions, evenly: round(i / most · (count − 1)), i = 1 … most (CT notebook, 2026)."""
    if count <= most:
        return list(range(count))
    return [round(i / most * (count - 1)) for i in range(1, most + 1)]
