"""Which earlier image is compared: only one that is earlier by its own header."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import PriorStudy, Viewer
from tests.imaging.pictures import chest


class Held(Viewer):
    """An archive that holds studies by their UIDs, each taken at a time of its own header."""

    def __init__(self, **taken: str) -> None:
        super().__init__(None)
        self._taken = taken

    async def study(self, study_uid: str, **_: Any) -> Seen | Refused:
        return chest(performed=self._taken[study_uid])


@pytest.mark.parametrize(
    ("current", "header", "found"),
    [
        ("2026-11-20T08:10:00", "2026-11-20T08:09:59", True),
        ("2026-11-20T08:10:00", "2026-11-20T08:10:00", False),
        ("2026-11-20T08:10:00", "2026-11-20T08:40:00", False),  # taken later, whatever the record's clock says
        ("2026-11-20T08:10:00", "2026-11-20", False),  # which of the two came first is not known
        ("2026-11-20T08:10:00", "2026-11-19", True),
        ("2026-11-20T08:10:00", "", False),
        ("", "2026-11-19T08:00:00", False),
    ],
)
async def test_an_image_that_is_not_known_to_be_earlier_is_not_compared(current: str, header: str, found: bool) -> None:
    studies = [PriorStudy(study_uid="a", started="2026-11-20T07:40:00+00:00")]
    prior = await Held(a=header).prior(chest(performed=current), studies, patient_check=None, deadline=0)
    assert (prior is not None) == found


async def test_the_newest_earlier_image_is_compared_and_no_later_one() -> None:
    studies = [PriorStudy(study_uid=uid, started=f"{day}T08:00:00+00:00") for uid, day in
               (("old", "2025-01-01"), ("last", "2026-10-01"), ("next", "2026-12-01"))]  # fmt: skip
    archive = Held(old="2025-01-01T09:00:00", last="2026-10-01T09:00:00", next="2026-12-01T09:00:00")
    prior = await archive.prior(chest(performed="2026-11-20T08:10:00"), studies, patient_check=None, deadline=0)
    assert isinstance(prior, Seen), prior
    assert prior.performed == "2026-10-01T09:00:00"
