"""An eGFR known only as a bound, or only for either sex, decides what it proves and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from checking import drug_order, imaging_order, on_orders, on_record, one, taking, with_order
from feeding_records import born, creatinine, problem, reading, record

from cds_service.record.facts import Order, Reading
from cds_service.rules.catalogue import Severity

UNIT = "mL/min/1.73 m²"


def egfr(comparator: str, value: int) -> Reading:
    return reading("egfr", value, unit="mL/min/{1.73_m2}", comparator=comparator)


def said(rule: str, draft: Order, *readings: Any, **more: Any) -> list[tuple[str, Severity]]:
    return [(f.summary, f.severity) for f in on_orders(rule, with_order(draft, *readings, **more))]


@pytest.mark.parametrize(("comparator", "value"), [("<", 15), ("<", 30), ("<=", 29), ("<", 10)])
def test_a_bound_below_30_is_as_good_as_a_value(comparator: str, value: int) -> None:
    bound, short = egfr(comparator, value), f"eGFR {comparator}{value}"
    assert said("metformin-start", drug_order("metformin 500 mg"), bound) == [
        (f"metformin 500 mg: contraindicated ({short})", Severity.CRITICAL)
    ]
    assert said("nsaid-kidney", drug_order("ibuprofen 400 mg"), bound) == [
        (f"ibuprofen: avoid below eGFR 30 ({short})", Severity.WARNING)
    ]
    assert said("gadolinium-kidney", imaging_order("MRI brain with gadodiamide"), bound) == [
        (f"gadodiamide is contraindicated: {short}", Severity.CRITICAL)
    ]
    assert said("contrast-kidney", imaging_order("CT chest with contrast"), bound) == [
        (f"CT chest with contrast: iodinated contrast and {short}", Severity.WARNING)
    ]
    assert one(on_record("metformin-active", record(bound, medications=taking("metformin 500 mg")))).facts[-1] is bound


@pytest.mark.parametrize(("comparator", "value"), [(">", 60), (">", 59), (">=", 60), (">", 90)])
def test_a_bound_of_60_or_more_is_not_called_unknown(comparator: str, value: int) -> None:
    bound = egfr(comparator, value)
    ckd = [problem("Chronic kidney disease")]
    assert said("metformin-start", drug_order("metformin 500 mg"), bound) == []
    assert said("nsaid-kidney", drug_order("ibuprofen 400 mg"), bound) == []
    assert said("contrast-kidney", imaging_order("CT chest with contrast"), bound, problems=ckd) == []


def test_the_label_s_range_ends_at_60_included_for_a_bound_as_for_a_value() -> None:
    draft, taken = imaging_order("CT chest with contrast"), taking("metformin 500 mg")
    assert said("metformin-contrast", draft, egfr(">", 60), medications=taken) == []
    ((summary, _),) = said("metformin-contrast", draft, egfr(">=", 60), medications=taken)
    assert "stop at or before the study" in summary


@pytest.mark.parametrize(("comparator", "value"), [("<", 60), ("<=", 30), (">", 30), (">=", 45), (">", 58)])
def test_a_bound_that_leaves_the_limits_open_stays_unknown(comparator: str, value: int) -> None:
    bound = egfr(comparator, value)
    assert said("metformin-start", drug_order("metformin 500 mg"), bound) == [
        ("metformin 500 mg: eGFR not known", Severity.INFO)
    ]
    assert on_record("kidney-function", record(bound)) == []


def test_reduced_function_known_as_a_bound_is_mentioned_with_the_category_it_proves() -> None:
    below_15 = one(on_record("kidney-function", record(egfr("<", 15))))
    assert below_15.summary == f"eGFR <15 {UNIT} as reported by the laboratory, a bound, category G5"
    assert below_15.severity is Severity.WARNING
    assert one(on_record("kidney-function", record(egfr("<", 30)))).summary.endswith("category G4 or worse")
    assert on_record("kidney-function", record(egfr(">", 60))) == []


def test_without_a_recorded_sex_what_holds_for_either_is_said() -> None:
    draft = imaging_order("MRI brain with gadodiamide")
    assert said("gadolinium-kidney", draft, creatinine(4.0), sex="unknown") == [
        ("gadodiamide is contraindicated: eGFR 12 if female, 16 if male", Severity.CRITICAL)
    ]
    metformin = drug_order("metformin 500 mg")
    assert said("metformin-start", metformin, creatinine(0.8), sex="other") == []
    assert said("metformin-start", metformin, creatinine(1.4), sex="other") == [
        ("metformin 500 mg: eGFR not known", Severity.INFO)
    ]


def test_a_bound_is_withheld_where_a_value_would_be() -> None:
    metformin, unknown = drug_order("metformin 500 mg"), [("metformin 500 mg: eGFR not known", Severity.INFO)]
    assert said("metformin-start", metformin, egfr("<", 15), born=born(12)) == unknown
    pregnant = [problem("Pregnancy", icd10="Z33.1")]
    assert said("metformin-start", metformin, egfr(">", 60), sex="female", born=born(30), problems=pregnant) == unknown
