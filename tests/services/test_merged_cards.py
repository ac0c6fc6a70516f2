"""A card of several findings explains each, or says what it rests on where the client's limit leaves no room."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from cds_service.hooks.clients.profiles import Profile
from cds_service.rules.catalogue import Finding
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import load_pack
from cds_service.services.layout import Sheet, merged
from tests.record.resources import chart, observation

PACK = load_pack()
SICK = chart(
    observation(value="6.4", id="k"),
    observation("2951-2", "112", id="na"),
    observation("2345-7", "35", "mg/dL", id="glucose"),
    observation("9279-1", "26", "/min", id="rr"),
    observation("8867-4", "120", "/min", id="hr"),
    observation("8480-6", "80", "mm[Hg]", id="sbp"),
    observation("2951-2", "118", "mmol/L", id="na"),
)
FINDINGS = sorted(evaluate_record(PACK, SICK), key=lambda f: -f.severity.rank)


def detail(findings: list[Finding], **limits: int) -> str:
    displays = {key: key for f in findings for part in f.parts for key in part.rule.override_reasons}
    sheet = Sheet(
        service="order-triage",
        profile=replace(Profile(name="x", deadline_ms={}), **limits),
        zone=ZoneInfo("UTC"),
        override_displays=displays,
    )
    return merged(findings, sheet).card.detail or ""


def test_with_room_every_finding_is_explained_in_full() -> None:
    text = detail(FINDINGS)
    assert len(FINDINGS) > 2
    assert "did not fit" not in text
    assert all(f"**{n}. {f.rule.title}" in text for n, f in enumerate(FINDINGS, 1))


@pytest.mark.parametrize("room", range(1500, 4500, 500))
def test_without_room_each_finding_left_out_names_its_resources_and_its_rule(room: int) -> None:
    text = detail(FINDINGS, detail_length=room)
    assert len(text) <= room
    _, *explained = text.split("\n\n**")
    assert len(explained) == len(FINDINGS)
    for finding, said in zip(FINDINGS, explained, strict=True):
        assert finding.rule.id in said
        assert any(fact.reference in said for fact in finding.facts)
    assert "patient-view" not in text


def test_where_not_even_that_fits_the_number_is_said() -> None:
    text = detail(FINDINGS, detail_length=500)
    assert len(text) <= 500
    assert f"The explanations of {len(FINDINGS)} findings did not fit into this view." in text
