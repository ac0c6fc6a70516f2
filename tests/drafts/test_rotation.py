"""A new encryption key: drafts made under the old one keep their place, and those that do not open are told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.drafts.draft import Accept
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftSealed, DraftStore
from cds_service.encryption import Cipher
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import STUDY, read
from tests.drafts.test_sweep import half_written

NEW = bytes(range(32))


def old(folder: Path) -> bytes:
    """The key of the house."""
    return folder.name.encode().ljust(32, b"x")[-32:]


def under(house: House, *keys: bytes, counted: list[str] | None = None) -> Drafts:
    """The drafts of the house as a process with these keys has them."""
    house.cipher = Cipher(keys)
    return house.make(count=counted.append) if counted is not None else house.make()


async def test_a_study_read_again_after_a_rotation_keeps_its_draft_and_makes_one_report(
    house: House, tmp_path: Path
) -> None:
    first = await house.drafts.put(read(), **WHERE)
    await house.drafts.decide(first.id, Accept(), PERSON)
    rotated = under(house, NEW, old(tmp_path))
    found = await rotated.of_study("t", STUDY)
    assert found is not None
    assert found.id == first.id
    again = await rotated.put(read(), **WHERE)
    assert (again.id, again.identifier, again.state) == (first.id, first.identifier, "accepted")
    assert [each.id for each in (await rotated.newest()).drafts] == [first.id]
    assert len(house.reports(first.identifier)) == 1


async def test_a_draft_decided_after_a_rotation_still_opens(house: House, tmp_path: Path) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    rotated = under(house, NEW, old(tmp_path))
    decided = await rotated.decide(draft.id, Accept(), PERSON)
    assert (decided.state, decided.fault) == ("accepted", "")
    assert await under(house, NEW).get(draft.id) == decided  # the change was sealed under the new key


async def test_without_the_old_key_the_list_stands_and_counts_what_it_cannot_open(house: House) -> None:
    sealed = await house.drafts.put(read(), **WHERE)
    rotated = under(house, NEW)
    open_one = await rotated.put(read(), **{**WHERE, "tenant": "u"})
    found = await rotated.newest()
    assert [draft.id for draft in found.drafts] == [open_one.id]
    assert found.unopened == 1
    with pytest.raises(DraftSealed, match="CDS_ENCRYPTION_KEY"):
        await rotated.get(sealed.id)


async def test_the_sweep_goes_on_past_a_draft_it_cannot_open(house: House) -> None:
    await half_written(house)
    house.ahead_s = 61
    counted: list[str] = []
    assert await under(house, NEW, counted=counted).resume() == 0
    assert counted == ["drafts:not opened"]


async def test_a_draft_under_a_name_of_ours_that_does_not_open_is_never_made_a_second_time(
    house: House, tmp_path: Path
) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    rotated = under(house, NEW, old(tmp_path))
    await rotated.decide(draft.id, Accept(), PERSON)
    back = under(house, old(tmp_path))  # the rotation taken back: the name is ours, the seal is not
    with pytest.raises(DraftSealed):
        await back.put(read(), **WHERE)
    assert (await DraftStore(house.gateway, house.cipher).newest()).unopened == 1
