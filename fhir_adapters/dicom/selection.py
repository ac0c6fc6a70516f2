"""Which series of a study and which images of a series are read. Pure."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Callable, Hashable, Sequence

from fhir_adapters.dicom import volumes
from fhir_adapters.dicom.qido import Instance, Series

RADIOGRAPHS = frozenset({"CR", "DX"})
VOLUMES = frozenset({"CT", "MR"})
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # and its multi-frame kinds; …1.1.77 are photographs
SCOUTS = ("localizer", "localiser", "scout", "topogram", "survey", "dose report", "screen save")
VIEWS = ("PA", "AP", "", "LATERAL", "LL", "RL", "LAT")  # most wanted first; an unmarked view may be frontal


def candidates(series: Sequence[Series], modalities: Sequence[str]) -> list[Series]:
    """Series that may be read, best first: radiographs before volumes, the largest volume before smaller ones.

    SR, PR, SEG, KO, RTDOSE and every other modality not asked for are left out, scouts by their description too.
    """
    wanted = [s for s in series if s.uid and s.modality in modalities and not s.description.startswith(SCOUTS)]
    return sorted(
        wanted,
        key=lambda s: (
            modalities.index(s.modality) if s.modality not in VOLUMES else len(modalities),
            -s.instances if s.modality in VOLUMES else 0,
            s.number,
        ),
    )


def admissible(instances: Sequence[Instance]) -> list[Instance]:
    """No localisers and secondary captures; for presentation before raw; originals before derived."""
    kept = [
        i
        for i in instances
        if i.uid and "LOCALIZER" not in i.image_type and not (i.sop_class + ".").startswith(SECONDARY_CAPTURE)
    ]
    shown = [i for i in kept if i.intent != "FOR PROCESSING"]
    return shown or kept


def radiograph(instances: Sequence[Instance]) -> Instance | None:
    """PA, then AP, then unmarked, then lateral; the newest of these; original before derived."""
    kept = admissible(instances)
    newest = sorted(kept, key=lambda i: (i.taken, i.number), reverse=True)
    return min(newest, key=lambda i: VIEWS.index(i.view) if i.view in VIEWS else len(VIEWS), default=None)


def volume(instances: Sequence[Instance]) -> list[Instance]:
    """The slices of one volume: originals where there are any, of one orientation, of one scan, no position twice."""
    kept = admissible(instances)
    originals = [i for i in kept if "DERIVED" not in i.image_type[:1]]
    seen: set[object] = set()
    slices = []
    for each in _one_scan(
        _largest(originals or kept, lambda i: i.axes and tuple(round(v, 1) for v in sum(i.axes, ())))
    ):
        place = each.position or each.uid
        if place not in seen:
            seen.add(place)
            slices.append(each)
    return slices


def unfit(slices: Sequence[Instance]) -> tuple[bool, bool]:
    """Not axial, derived: of several volumes the one with the least of this is read."""
    first = slices[0] if slices else Instance(uid="")
    return volumes.plane(first.axes) not in ("axial", ""), "DERIVED" in first.image_type[:1]


def _one_scan(slices: Sequence[Instance]) -> list[Instance]:
    """Scans (acquisition numbers) at different places are pieces of one volume: some scanners number every rotation.

    Of scans at the same place (phases of contrast, repetitions) the one of most slices is taken, the last of equal ones.
    """
    scans = sorted(_grouped(slices, lambda i: i.acquisition), key=lambda g: (len(g), g[0].acquisition), reverse=True)
    if len(scans) < 2:
        return list(slices)
    taken: list[tuple[float, float]] = []
    kept: list[Instance] = []
    for scan in scans:
        along = volumes.along([i.position for i in scan], scan[0].axes)
        if along is None:  # no geometry: where each scan has one slice they are one volume, else the fullest is
            return list(slices) if len(scans[0]) == 1 else scans[0]
        span = min(along), max(along)
        at = bisect(taken, span)
        if not any(_overlap(span, other) for other in taken[max(at - 1, 0) : at + 1]):
            insort(taken, span)
            kept += scan
    return kept


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the shorter of two stretches lies mostly within the other one."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    shorter = min(one[1] - one[0], other[1] - other[0])
    return common > shorter / 2 or common == shorter == 0


def _largest(slices: Sequence[Instance], key: Callable[[Instance], Hashable]) -> list[Instance]:
    return max(_grouped(slices, key), key=len, default=[])


def _grouped(slices: Sequence[Instance], key: Callable[[Instance], Hashable]) -> list[list[Instance]]:
    groups: dict[Hashable, list[Instance]] = {}
    for each in slices:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())
