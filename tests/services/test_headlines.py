"""A headline says whole findings and how many more there are: never half a dose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds_service.hooks.markdown import fit
from cds_service.services.layout import fit_list

LIMIT = 139
DOSE = "enoxaparin: creatinine clearance 25 mL/min; treatment: 1 mg/kg once daily; prophylaxis: 30 mg once daily"
WORDS = st.text("abc ,;", min_size=1, max_size=200).map(str.strip).filter(bool)


def test_findings_that_fit_are_all_said() -> None:
    assert fit_list(["NEWS2 17, high risk", "Lactate 4.3 mmol/L"], LIMIT, "2 findings: ") == (
        "2 findings: NEWS2 17, high risk; Lactate 4.3 mmol/L"
    )


def test_a_finding_that_does_not_fit_whole_is_counted_with_those_behind_it() -> None:
    bleeding = "enoxaparin with naproxen: increased risk of bleeding"
    said = fit_list([bleeding, DOSE, "naproxen: caution"], LIMIT, "3 findings: ")
    assert said == f"3 findings: {bleeding}; +2 more"


def test_the_first_finding_is_said_whole_where_it_fits_beside_the_count() -> None:
    assert fit_list([DOSE, "naproxen: caution, not for prolonged use"], LIMIT, "2 findings: ") == (
        f"2 findings: {DOSE}; +1 more"
    )


def test_a_first_finding_too_long_by_itself_is_cut_and_the_others_are_counted() -> None:
    said = fit_list(["word " * 60, "another"], LIMIT)
    assert said.endswith(" word…; +1 more")
    assert len(said) <= LIMIT


def test_a_text_is_cut_after_a_clause_near_the_limit_rather_than_within_the_next() -> None:
    assert fit("AKI stage 2: creatinine 2.3 mg/dL, 2.3 times the lowest", 40) == "AKI stage 2: creatinine 2.3 mg/dL…"
    assert fit("shares a side chain with amoxicillin (Anaphylaxis, with collapse)", 48) == (
        "shares a side chain with amoxicillin…"
    )
    assert fit("AKI, stage 2 of the guideline by creatinine alone", 40) == "AKI, stage 2 of the guideline by…"


@given(st.lists(WORDS, min_size=1, max_size=8), st.integers(40, 200))
def test_no_headline_is_longer_than_the_client_shows_and_none_says_more_than_there_is(
    parts: list[str], limit: int
) -> None:
    said = fit_list(parts, limit)
    assert len(said) <= limit
    shown, plus, count = said.rpartition("; +")
    if not plus:
        assert said == "; ".join(parts) or (len(parts) == 1 and said.endswith("…"))
        return
    whole = len(parts) - int(count.removesuffix(" more"))
    assert shown == "; ".join(parts[:whole]) or (whole == 1 and shown.endswith("…"))
