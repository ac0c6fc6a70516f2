"""Boxes of the localize task: which are kept, and where they come to lie in the stored pixels."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from cds_service.imaging import catalogue, task_gates
from cds_service.imaging.marking import marked
from cds_service.imaging.read import Box
from cds_service.models.families.square import Transform

SQUARE = Transform(rows=2000, columns=1000, side=2000, top=0, left=500, shown=896)
ANATOMY = catalogue.load().anatomy


@pytest.mark.parametrize(
    ("box", "structure", "reason"),
    [
        ((100, 300, 800, 480), "right-lung", None),
        ((100, 520, 800, 700), "left-lung", None),
        ((100, 520, 800, 700), "right-lung", "box on the wrong side"),
        ((100, 300, 800, 480), "left-lung", "box on the wrong side"),
        ((100, 0, 800, 240), "right-lung", "box unusable"),  # black border
        ((800, 300, 100, 480), "right-lung", "box unusable"),  # upside down
        ((0, 0, 1000, 1000), "heart", "box unusable"),
        ((500, 400, 505, 405), "heart", "box unusable"),
        ((300, 300, 800, 700), "heart", None),
    ],
)
def test_a_box_is_kept_only_where_its_structure_can_lie(
    box: tuple[int, int, int, int], structure: str, reason: str | None
) -> None:
    assert task_gates.box_fault(box, ANATOMY[structure], SQUARE) == reason


def test_every_place_that_implies_a_side_names_it() -> None:
    for kind in catalogue.load().kinds:
        for sought in kind.findings:
            for words, place in sought.places.items():
                if place.side in ("left", "right"):
                    assert place.side in words
                assert ("left" in words or "right" in words) == (place.side in ("left", "right"))


@pytest.mark.parametrize(
    "corners", [(1990, 500, 2000, 1000), (0, 990, 2000, 1000), (700, 900, 1000, 1000), (500, 400, 500, 400)]
)
def test_a_box_at_the_edge_or_thinner_than_its_lines_is_drawn_and_named_within_the_picture(
    corners: tuple[float, float, float, float],
) -> None:
    top, left, bottom, right = corners
    box = Box(structure="left hilar structures", instance=0, top=top, left=left, bottom=bottom, right=right)
    square = Image.new("RGB", (896, 896))
    inked = np.asarray(marked(square, SQUARE, (box,)))
    plain = np.asarray(marked(square, SQUARE, (replace(box, structure=" "),)))
    letters = np.argwhere((inked != plain).any(axis=2))
    assert len(letters) > 1000  # the whole name, wherever the box lies
    assert letters.max() < 895
