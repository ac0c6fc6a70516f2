"""Which series of a study and which images of a series are read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
    """The slices of one acquisition: originals where there are any, the largest acquisition number, no position twice."""
    kept = admissible(instances)
    originals = [i for i in kept if "DERIVED" not in i.image_type[:1]]
    kept = originals or kept
    newest = max((i.acquisition for i in kept), default=0)
    seen: set[object] = set()
    slices = []
    for each in (i for i in kept if i.acquisition == newest):
        place = each.position or each.uid
        if place not in seen:
            seen.add(place)
            slices.append(each)
    return slices
