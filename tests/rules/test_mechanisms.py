"""One draft, one mechanism, one finding: the most severe, with the facts and the sources of the others."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from checking import drug_order, pack, taking, with_order
from feeding_records import reading
from msgspec.structs import replace

from cds_service.hooks.clients.profiles import Profile
from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity, Switch
from cds_service.rules.evaluate import evaluate_orders, one_per_mechanism
from cds_service.rules.pack import Pack
from cds_service.services import layout
from cds_service.services.hygiene import quietable


def found(subject: Record, mechanism: str, using: Pack | None = None) -> list[Finding]:
    return [f for f in evaluate_orders(using or pack(), subject) if f.rule.mechanism == mechanism]


def potassium(value: str, *others: str) -> Record:
    return with_order(
        drug_order("potassium chloride 20 mmol"),
        reading("potassium", value, unit="mmol/L"),
        medications=taking(*others),
    )


def test_a_potassium_order_beside_an_ace_inhibitor_with_high_potassium_is_one_finding_of_both_rules() -> None:
    (finding,) = found(potassium("5.7", "Lisinopril 10 mg"), "hyperkalaemia")
    assert [part.rule.id for part in finding.parts] == ["hyperkalaemia-pair", "hyperkalaemia-order"]
    assert finding.severity is Severity.CRITICAL
    assert {fact.label for fact in finding.facts} >= {"potassium chloride 20 mmol", "Lisinopril 10 mg"}
    assert {fact for part in finding.absorbed for fact in part.facts} <= set(finding.facts)


def test_each_rule_alone_is_a_finding_that_absorbed_nothing() -> None:
    for subject, rule in ((potassium("4.0", "Lisinopril"), "pair"), (potassium("5.7"), "order")):
        (finding,) = found(subject, "hyperkalaemia")
        assert finding.rule.id == f"hyperkalaemia-{rule}"
        assert finding.absorbed == ()


def test_two_drugs_that_prolong_qt_while_qtc_is_long_are_one_finding() -> None:
    subject = with_order(drug_order("Haloperidol"), reading("qtc", "510"), medications=taking("Methadone"))
    (finding,) = found(subject, "qt-prolongation")
    assert [part.rule.id for part in finding.parts] == ["qt-pair", "qt-order"]


def test_the_more_severe_absorbs_the_other_and_of_equals_the_first_of_the_pack_does() -> None:
    (both,) = found(potassium("5.7", "Lisinopril"), "hyperkalaemia")
    pair, order = replace(both, absorbed=()), both.absorbed[0]
    lesser, worse = replace(pair, severity=Severity.INFO), replace(order, severity=Severity.CRITICAL)
    (joined,) = one_per_mechanism([lesser, worse])
    assert (joined.rule.id, joined.absorbed) == ("hyperkalaemia-order", (lesser,))
    assert set(joined.facts) == {*worse.facts, *lesser.facts}
    assert one_per_mechanism([pair, worse])[0].rule.id == "hyperkalaemia-pair"


def test_drafts_do_not_absorb_each_other() -> None:
    subject = potassium("5.7")
    twice = replace(subject, orders=(*subject.orders, drug_order("Spironolactone 25 mg")))
    assert len({f.order for f in found(twice, "hyperkalaemia")}) == 2


@pytest.mark.parametrize("shadowed", ["hyperkalaemia-pair", "hyperkalaemia-order"])
def test_a_rule_in_shadow_absorbs_nothing_that_is_shown_and_hides_nowhere(shadowed: str) -> None:
    using = pack().switched({shadowed: Switch.SHADOW})
    findings = found(potassium("5.7", "Lisinopril"), "hyperkalaemia", using)
    assert {f.rule.id: f.rule.switch for f in findings} == {
        "hyperkalaemia-pair": Switch.SHADOW if shadowed == "hyperkalaemia-pair" else Switch.ON,
        "hyperkalaemia-order": Switch.SHADOW if shadowed == "hyperkalaemia-order" else Switch.ON,
    }
    assert all(f.absorbed == () for f in findings)


def test_a_rule_that_fails_is_said_beside_what_the_other_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    logic = next(logic for rule, logic in pack().order_checks if rule.id == "hyperkalaemia-pair")
    monkeypatch.setattr(logic, "_run", broken)
    summaries = [f.summary for f in found(potassium("5.7", "Lisinopril"), "hyperkalaemia")]
    assert len(summaries) == 2
    assert any(summary.startswith("Not checked") for summary in summaries)


def test_the_card_says_both_sentences_and_cites_both_rules_and_the_ledger_counts_both() -> None:
    (finding,) = found(potassium("5.7", "Lisinopril"), "hyperkalaemia")
    text = layout.block(finding, ZoneInfo("UTC"))
    assert "Also: potassium chloride raises potassium" in text
    assert text.count("*Rule hyperkalaemia-") == 2
    assert all(text.count(fact.reference) == 1 for fact in finding.facts)
    sheet = layout.Sheet(
        service="order-triage",
        profile=Profile(name="spec", deadline_ms={}),
        zone=ZoneInfo("UTC"),
        override_displays=pack().override_reasons,
    )
    assert layout.single(finding, sheet).issued.rules == ("hyperkalaemia-pair@1", "hyperkalaemia-order@1")


def test_a_line_both_rules_say_stands_on_the_card_once() -> None:
    long = reading("qtc", 512, unit="ms")
    subject = with_order(drug_order("Ondansetron 4 mg"), long, medications=taking("Amiodarone 200 mg"))
    (finding,) = found(subject, "qt-prolongation")
    text = layout.block(finding, ZoneInfo("UTC"))
    assert "Also: ondansetron prolongs the QT interval, and QTc is 512 ms" in text
    assert text.count("ondansetron (label: warnings and precautions, QT prolongation)") == 1


def test_an_override_quiets_what_was_absorbed_too_but_never_a_critical_part() -> None:
    (finding,) = found(potassium("5.7", "Lisinopril"), "hyperkalaemia")
    assert [topic for topic, _, _ in quietable([finding])] == ["hyperkalaemiaorder"]
    assert len(quietable([replace(finding, severity=Severity.WARNING)])) == 2
