"""The urgency floor: what asks for it, for which orders, never lower, and monotone in every value it reads."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from checking import drug_order, imaging_order, on_orders, one, order, pack, with_order
from feeding_records import born, creatinine, reading, record, vitals
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.hooks.clients.profiles import Profile
from cds_service.record.facts import Order, Record
from cds_service.rules.catalogue import Switch, Urgency
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.triage import Floor, urgency_floor
from cds_service.services import layout, priority
from cds_service.services.raising import suggest

LAB = order("Blood culture", category="laboratory")


def floor(subject: Record, draft: Order = LAB) -> Floor:
    return urgency_floor(pack(), evaluate_record(pack(), subject), draft)


@pytest.mark.parametrize(
    ("readings", "priority"),
    [
        ([reading("potassium", "6.0")], "urgent"),
        ([reading("potassium", "5.9")], ""),
        ([reading("potassium", "5.9", flags=("HH",))], "urgent"),
        ([reading("potassium", "6.4")], "urgent"),
        ([reading("potassium", "6.5")], "asap"),
        ([creatinine("1.0", days=5), creatinine("2.0")], "urgent"),
        ([creatinine("1.0", days=5), creatinine("1.9")], ""),
        (vitals(respiratory_rate=25, heart_rate=111), "urgent"),  # NEWS2 5
        (vitals(respiratory_rate=25, heart_rate=91), ""),  # NEWS2 4
        (vitals(respiratory_rate=25, heart_rate=131, body_temperature=38.1), "asap"),  # NEWS2 7
        (vitals(respiratory_rate=25, heart_rate=111, consciousness=None), "urgent"),  # at least 5
        ([reading("systolic_bp", 85), reading("lactate", 5)], "stat"),
        ([reading("gcs", 7)], "stat"),
        ([reading("qtc", 500)], "urgent"),
        ([reading("qtc", 499)], ""),
    ],
)
def test_what_raises_an_order_from_routine(readings: list[Any], priority: str) -> None:
    assert floor(record(*readings)).priority == priority


def test_the_floor_names_the_findings_that_ask_for_it_most_urgent_first() -> None:
    result = floor(record(reading("potassium", "6.9"), reading("sodium", 110), reading("egfr", 40)))
    assert result.urgency is Urgency.ASAP
    assert [f.rule.id for f in result.findings] == ["red-flag-hyperkalaemia", "critical-value"]
    assert [part.rule.id for part in result.findings[0].parts] == ["red-flag-hyperkalaemia", "critical-value"]


@pytest.mark.parametrize(
    ("own", "urgency", "suggested"),
    [
        ("", Urgency.URGENT, "urgent"),
        ("routine", Urgency.URGENT, "urgent"),
        ("urgent", Urgency.URGENT, ""),
        ("asap", Urgency.ASAP, ""),
        ("stat", Urgency.STAT, ""),
        ("whenever", Urgency.URGENT, "urgent"),
    ],
)
def test_the_floor_never_lowers_an_orders_own_priority(own: str, urgency: Urgency, suggested: str) -> None:
    result = floor(record(reading("potassium", "6.0")), replace(LAB, priority=own))
    assert (result.urgency, result.priority) == (urgency, suggested)


@pytest.mark.parametrize(
    ("draft", "raised"),
    [
        (imaging_order("CT chest"), True),
        (order("Blood culture", category="laboratory"), True),
        (order("Nephrology consult", category="consult"), True),
        (order("CT chest"), True),
        (imaging_order("CT chest, lung cancer screening"), False),
        (imaging_order("CT chest", reasons=("Annual surveillance",)), False),
        (order("Elective colonoscopy panel", category="laboratory"), False),
        (order("Physiotherapy"), False),
        (order("XYZ 17"), False),
        (drug_order("Ceftriaxone"), False),
        (order("Walker", kind="DeviceRequest"), False),
        (imaging_order("CT chest", do_not_perform=True), False),
    ],
    ids=lambda value: getattr(value, "label", value),
)
def test_only_acute_orders_of_the_sites_kinds_have_a_floor(draft: Order, raised: bool) -> None:
    result = floor(record(reading("potassium", "6.9")), draft)
    assert bool(result.priority) is raised
    assert result.urgency is (Urgency.ASAP if raised else Urgency.ROUTINE)


INJURED = [creatinine("1.0", days=5), creatinine("2.0")]


@pytest.mark.parametrize(
    ("draft", "prepared"),
    [
        ("CT abdomen with IV contrast", True),
        ("CT pulmonary angiogram", True),
        ("Coronary angiography", True),
        ("MRI brain with gadolinium", True),
        ("MRI brain with contrast (gadopentetate)", True),
        ("MRI brain with contrast (gadobutrol)", False),  # needs no preparation
        ("CT abdomen without contrast", False),
        ("CT abdomen", False),  # does not say that contrast is given
        ("MRI brain", False),
        ("Ultrasound of the kidneys", False),
    ],
)
def test_acute_kidney_injury_raises_a_study_and_is_named_apart_where_it_gives_contrast(
    draft: str, prepared: bool
) -> None:
    result = floor(record(*INJURED), imaging_order(draft))
    assert result.priority == "urgent"
    assert [f.rule.id for f in result.prepare] == (["aki-stage"] if prepared else [])


def test_acute_kidney_injury_still_raises_laboratory_and_consult() -> None:
    for category in ("laboratory", "consult"):
        assert floor(record(*INJURED), order("Electrolytes", category=category)).priority == "urgent"


def test_what_asks_for_more_than_a_kidney_injury_decides_a_contrast_study_too() -> None:
    result = floor(record(*INJURED, reading("potassium", "6.9")), imaging_order("CT chest with IV contrast"))
    assert (result.priority, [f.rule.id for f in result.prepare]) == ("asap", ["aki-stage"])


@pytest.mark.parametrize(
    ("draft", "rule"), [("CT chest with IV contrast", "contrast-kidney"), ("MRI with gadolinium", "gadolinium-kidney")]
)
def test_that_contrast_is_prepared_first_stands_on_the_contrast_card(draft: str, rule: str) -> None:
    injured = one(on_orders(rule, with_order(imaging_order(draft), *INJURED)))
    chronic = one(on_orders(rule, with_order(imaging_order(draft), reading("egfr", 20))))
    assert "preparation first" in " ".join(injured.details)
    assert "preparation first" not in " ".join(chronic.details)


def test_the_card_of_priorities_says_that_a_contrast_study_is_prepared_first() -> None:
    subject = record(*INJURED, reading("potassium", "6.9"))
    draft = imaging_order("CT chest with IV contrast")
    suggested = suggest(
        pack(), evaluate_record(pack(), subject), replace(draft, raw=b'{"id": "1"}'), None, labels=False
    )
    assert suggested is not None
    sheet = layout.Sheet(
        service="order-triage",
        profile=Profile(name="spec", deadline_ms={}),
        zone=ZoneInfo("UTC"),
        override_displays=pack().override_reasons,
    )
    laid = priority.card([suggested], sheet, {})
    assert laid is not None
    said = "Urgent is not unprepared: CT chest with IV contrast gives contrast, which needs preparation first."
    assert said in (laid.card.detail or "")


def test_with_the_rule_off_or_in_shadow_nothing_is_suggested() -> None:
    findings = evaluate_record(pack(), record(reading("potassium", "6.9")))
    for switch in (Switch.OFF, Switch.SHADOW):
        assert urgency_floor(pack().switched({"order-priority": switch}), findings, LAB).priority == ""


def test_findings_about_an_order_do_not_raise_orders() -> None:
    findings = [replace(f, order=LAB) for f in evaluate_record(pack(), record(reading("potassium", "6.9")))]
    assert urgency_floor(pack(), findings, LAB).urgency is Urgency.ROUTINE


def test_nobody_who_has_died_is_triaged() -> None:
    assert floor(record(reading("potassium", "6.9"), deceased=True)) == Floor(Urgency.ROUTINE, ())


def test_a_site_without_asap_may_map_it_to_urgent_but_never_below_the_orders_own() -> None:
    rule = pack().rules["order-priority"]
    table = replace(rule.given, priority={"routine": "routine", "urgent": "urgent", "asap": "urgent", "stat": "stat"})
    local = replace(pack(), rules={**pack().rules, "order-priority": replace(rule, given=table)})
    findings = evaluate_record(local, record(reading("potassium", "6.9")))
    assert urgency_floor(local, findings, LAB).priority == "urgent"
    assert urgency_floor(local, findings, replace(LAB, priority="urgent")).priority == ""


# --- monotone ------------------------------------------------------------------------------------------------------

# Item → values from harmless to worst. SpO2 and temperature worsen downwards here; each list is one direction.
WORSENING: dict[str, list[Any]] = {
    "respiratory_rate": [16, 20, 21, 22, 24, 25, 40],
    "oxygen_saturation": [98, 96, 95, 94, 93, 92, 91, 80],
    "systolic_bp": [120, 111, 110, 101, 100, 91, 90, 70],
    "heart_rate": [70, 90, 91, 110, 111, 130, 131, 180],
    "body_temperature": ["37.0", "38.0", "38.1", "39.0", "39.1", "41.0"],
    "consciousness": ["A", "V"],
    "oxygen_therapy": ["room air", "nasal cannula"],
    "gcs": [15, 14, 9, 8, 3],
    "lactate": ["1.0", "3.9", "4.0", "9.0"],
    "potassium": ["4.2", "5.9", "6.0", "6.4", "6.5", "8.0"],
    "sodium": [140, 121, 120, 105],
    "creatinine": ["0.9", "1.3", "1.4", "1.8", "2.7", "3.6", "8.0"],
    "qtc": [420, 499, 500, 600],
    "haemoglobin": ["13", "7.1", "7.0", "4.0"],
}
BASELINE = creatinine("0.9", days=6)
STATES = st.fixed_dictionaries(
    {}, optional={item: st.integers(0, len(values) - 1) for item, values in WORSENING.items()}
)


def made(state: dict[str, int], years: float = 60) -> Record:
    readings = [BASELINE]
    for item, step in state.items():
        value = WORSENING[item][step]
        if item in ("consciousness", "oxygen_therapy"):
            readings.append(reading(item, text=value))
        else:
            readings.append(reading(item, value))
    return record(*readings, born=born(years))


@given(STATES, st.data(), st.sampled_from([60, 30, 10, 4]))
def test_a_worse_value_never_lowers_the_floor(state: dict[str, int], data: st.DataObject, years: int) -> None:
    before = floor(made(state, years)).urgency
    items = sorted(item for item in state if state[item] < len(WORSENING[item]) - 1)
    if not items:
        return
    item = data.draw(st.sampled_from(items))
    worse = data.draw(st.integers(state[item], len(WORSENING[item]) - 1))
    assert floor(made({**state, item: worse}, years)).urgency >= before


@given(STATES, st.sampled_from(sorted(set(WORSENING) - {"gcs", "consciousness"})))
def test_a_further_result_never_lowers_the_floor(state: dict[str, int], item: str) -> None:
    without = {key: step for key, step in state.items() if key != item}
    if item == "creatinine":
        return
    harmless = {**without, item: 0}
    assert floor(made(harmless)).urgency >= floor(made(without)).urgency


@given(STATES)
def test_the_floor_is_the_highest_of_what_is_asked_and_never_below_the_orders_own(state: dict[str, int]) -> None:
    findings = evaluate_record(pack(), made(state))
    for own, rank in (("", 0), ("urgent", 1), ("stat", 3)):
        result = urgency_floor(pack(), findings, replace(LAB, priority=own))
        assert result.urgency == max(rank, *(f.urgency for f in findings), 0)
