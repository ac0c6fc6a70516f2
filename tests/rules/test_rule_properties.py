"""What holds for all rules: the order of facts does not matter, nor do facts that concern nothing; unknown stays unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from checking import allergy, drug_order, event, imaging_order, order, pack, stay, taking
from feeding_records import NOW, born, creatinine, medication, problem, reading, record, vitals
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity, Switch
from cds_service.rules.evaluate import evaluate_orders, evaluate_record
from cds_service.rules.logic import Given, Logic
from cds_service.rules.situation import Situation

READINGS = [
    *vitals(respiratory_rate=26, heart_rate=128, systolic_bp=88),
    creatinine("1.0", days=5),
    creatinine("2.6"),
    reading("potassium", "6.6"),
    reading("lactate", "4.4"),
    reading("body_weight", 70),
    reading("qtc", 510),
]
PROBLEMS = [problem("Chronic heart failure"), problem("Lung cancer"), problem("Cirrhosis of liver")]
ALLERGIES = [allergy("Penicillin", "Anaphylaxis"), allergy("Iodinated contrast", "Hives"), allergy("Peanut")]
MEDICATIONS = taking("Lisinopril", "Furosemide", "Apixaban", "Metformin", "Lorazepam", "Methadone", "House mixture")
ENCOUNTERS = [stay(), event("Stay", "Encounter", category="IMP", end=NOW - timedelta(days=9))]
ORDERS = [
    imaging_order("CT abdomen with IV contrast"),
    imaging_order("CT abdomen"),
    drug_order("Amoxicillin 500 mg"),
    drug_order("Ibuprofen 400 mg"),
    drug_order("Morphine 5 mg"),
    drug_order("Haloperidol 1 mg"),
    drug_order("Spironolactone 25 mg"),
    order("XYZ 17"),
]
FULL: dict[str, Any] = {
    "problems": PROBLEMS,
    "allergies": ALLERGIES,
    "medications": MEDICATIONS,
    "encounters": ENCOUNTERS,
    "orders": ORDERS,
}


def said(subject: Record) -> list[tuple[str, str, int]]:
    """Everything a reader sees of all findings, in a fixed order."""
    findings = evaluate_record(pack(), subject) + evaluate_orders(pack(), subject)
    return sorted((part.key, part.severity.value, int(part.urgency)) for f in findings for part in f.parts)


def test_the_example_says_enough_to_be_worth_shuffling() -> None:
    assert len(said(record(*READINGS, **FULL))) >= 30


@given(st.data())
def test_the_order_of_facts_does_not_matter(data: st.DataObject) -> None:
    shuffled = {name: data.draw(st.permutations(facts)) for name, facts in FULL.items() if name != "encounters"}
    readings = data.draw(st.permutations(READINGS))
    assert said(record(*readings, **{**FULL, **shuffled})) == said(record(*READINGS, **FULL))


IRRELEVANT = [
    {"problems": [problem("Myopia")]},
    {"problems": [problem("History of breast cancer")]},
    {"problems": [problem("Lung cancer", active=False)]},
    {"allergies": [allergy("Grass pollen", "Sneezing")]},
    {"allergies": [allergy("Ceftriaxone", "Anaphylaxis", negated=True)]},
    {"medications": taking("Bisoprolol 2.5 mg")},
    {"medications": [medication("Warfarin 3 mg", active=False)]},
    {"medications": taking("Hydrocortisone cream")},
    {"imaging": [event("MRI knee", "ImagingStudy")]},
    {"procedures": [event("Appendectomy", "Procedure", hours=9000)]},
    {"immunizations": [event("Influenza vaccine", "Immunization")]},
    {"documents": [event("Letter", "DocumentReference", text="Potassium 9.9, allergic to everything")]},
    {"others": [reading("", "3.1")]},
    {"readings": [reading("crp", "3"), reading("hdl", "50"), reading("potassium", "4.0", hours=40)]},
]


@given(st.sampled_from(IRRELEVANT))
def test_a_fact_that_concerns_nothing_changes_nothing(extra: dict[str, list[Any]]) -> None:
    more = {name: [*FULL.get(name, []), *facts] for name, facts in extra.items() if name != "readings"}
    subject = record(*READINGS, *extra.get("readings", []), **{**FULL, **more})
    assert said(subject) == said(record(*READINGS, **FULL))


def test_an_empty_record_concludes_nothing_and_invents_nothing() -> None:
    assert evaluate_record(pack(), record(born=None, sex="")) == []


def test_unknown_stays_unknown_in_every_finding_about_orders() -> None:
    subject = record(born=None, sex="", orders=ORDERS)
    for finding in evaluate_orders(pack(), subject):
        assert finding.severity is not Severity.CRITICAL
        assert finding.rule.id in (
            "order-not-checked",
            "opioid-benzodiazepine",
            "qt-pair",
            "duplicate-imaging",
            "renal-dosing",
        ), finding.summary


def test_every_finding_carries_the_facts_it_rests_on() -> None:
    subject = record(*READINGS, **FULL)
    for finding in evaluate_record(pack(), subject) + evaluate_orders(pack(), subject):
        assert finding.facts, finding.rule.id
        assert len({id(fact) for fact in finding.facts}) == len(finding.facts)
        assert finding.summary
        assert "{" not in finding.summary + " ".join(finding.details)


def test_keys_do_not_hang_on_ids_of_the_call() -> None:
    renumbered = [replace(o, number=o.number + 100, reference=f"{o.resource_type}/new-{o.number}") for o in ORDERS]
    first = [f.key for f in evaluate_orders(pack(), record(*READINGS, **FULL)) if f.rule.id != "duplicate-imaging"]
    second = [
        f.key
        for f in evaluate_orders(pack(), record(*READINGS, **{**FULL, "orders": renumbered}))
        if f.rule.id != "duplicate-imaging"
    ]
    assert first == second


class _Broken(Logic[Given]):
    """A rule with a fault in it."""

    def on_record(self, rule: Any, situation: Situation) -> list[Finding]:
        raise RuntimeError(rule.id)


def test_a_rule_that_fails_is_said_and_takes_no_other_with_it() -> None:
    rule = pack().rules["active-cancer"]
    broken = _Broken("active-problem", rule.scope, Given, {}, None)
    checks = tuple((r, broken if r.id == "active-cancer" else logic) for r, logic in pack().record_checks)
    subject = record(*READINGS, **FULL)
    found = evaluate_record(replace(pack(), record_checks=checks), subject)
    failed = [f for f in found if f.key == "active-cancer:failed"]
    assert [f.values["fault"] for f in failed] == ["RuntimeError"]
    assert failed[0].summary == "Not checked: Active cancer"
    rest = [f.key for f in found if f.rule.id != "active-cancer"]
    assert sorted(rest) == sorted(f.key for f in evaluate_record(pack(), subject) if f.rule.id != "active-cancer")


def test_rules_that_are_off_are_not_run() -> None:
    switched = pack().switched({rule: Switch.OFF for rule in pack().rules if rule != "news2"})
    assert {f.rule.id for f in evaluate_record(switched, record(*READINGS, **FULL))} == {"news2"}
    assert evaluate_orders(switched, record(*READINGS, **FULL)) == []


def test_a_newborn_a_child_and_the_very_old_are_evaluated_without_fault() -> None:
    for years in (0.01, 0.5, 5, 15.99, 16, 120):
        subject = record(*READINGS, **{**FULL, "born": born(years)})
        findings = evaluate_record(pack(), subject) + evaluate_orders(pack(), subject)
        assert not [f for f in findings if f.key.endswith(":failed")]
