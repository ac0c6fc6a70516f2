"""Text of a record is data: cleaned, bounded, and never kept in a cache when it is long."""

from __future__ import annotations

import pytest

from cds_service.record import text
from cds_service.record.coding import coded
from fhir_adapters.read.datatypes import CodeableConcept, Coding
from tests.record.resources import chart, observation


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("Glomerular\u200b filtration", "Glomerular filtration"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("two\n\tlines  here", "two lines here"),
        ("µmol · Größe", "µmol · Größe"),
        ("\ud800x", "x"),
        ("", ""),
    ],
)
def test_unseen_characters_go_and_space_is_one_blank(dirty: str, clean: str) -> None:
    assert text.clean(dirty, 100) == clean


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert text.clean("x" * 500, 100) == "x" * 99 + "…"


def test_lines_are_kept_where_a_note_has_them() -> None:
    assert text.lines("a\u200b\n\n  b \r\nc", 100) == "a\nb\nc"
    assert len(text.lines("line\n" * 10_000, 100)) <= 100


def test_a_huge_name_is_judged_and_not_kept() -> None:
    from cds_service.record import coding

    before = coding._many.cache_info().currsize
    huge = CodeableConcept(coding=[Coding("http://loinc.org", "2823-3", "Potassium " + "x" * 100_000)])
    found = coded(huge)
    assert found.concept is not None
    assert found.concept.key == "potassium"
    assert coding._many.cache_info().currsize == before


def test_a_huge_name_of_a_usual_observation_is_read_the_long_way() -> None:
    made = observation()
    made["code"]["text"] = "y" * 100_000
    assert chart(made).latest("potassium") is not None
