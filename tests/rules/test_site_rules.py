"""What a site changes in its own file: switches, tiers, parameters, critical limits, order categories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checking import imaging_order, on_orders, on_record, order, pack, with_order
from feeding_records import medication, problem, reading, record
from msgspec.structs import replace

from cds_service.errors import ConfigurationError
from cds_service.record.facts import Code
from cds_service.rules.catalogue import Severity, Switch, Urgency
from cds_service.rules.documentation import PAGE
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import Pack, load_pack
from cds_service.rules.triage import urgency_floor


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def loaded(site: Path, text: str) -> Pack:
    site.write_text(text, encoding="utf-8")
    return load_pack(site)


def test_a_rule_switched_off_is_not_run(site: Path) -> None:
    changed = loaded(site, '[rules.active-cancer]\nswitch = "off"')
    subject = record(problems=[problem("Malignant neoplasm of breast")])
    assert on_record("active-cancer", subject)
    assert not on_record("active-cancer", subject, changed)


def test_a_rule_in_shadow_is_run_and_says_so_and_asks_for_no_urgency(site: Path) -> None:
    changed = loaded(site, '[rules.critical-value]\nswitch = "shadow"')
    draft = order("Potassium", category="laboratory")
    subject = with_order(draft, reading("sodium", 110, unit="mmol/L"))
    findings = on_record("critical-value", subject, changed)
    assert [f.rule.switch for f in findings] == [Switch.SHADOW]
    assert urgency_floor(changed, findings, draft).urgency is Urgency.ROUTINE
    assert urgency_floor(pack(), on_record("critical-value", subject), draft).urgency is Urgency.URGENT


def test_a_run_time_switch_turns_a_rule_off_and_on_again() -> None:
    subject = record(problems=[problem("Malignant neoplasm of breast")])
    off = pack().switched({"active-cancer": Switch.OFF, "rule-of-an-older-pack": Switch.OFF})
    assert not on_record("active-cancer", subject, off)
    assert on_record("active-cancer", subject, off.switched({"active-cancer": Switch.ON}))
    assert off.hash == pack().hash


def test_a_site_re_tiers_both_tiers_of_a_rule(site: Path) -> None:
    changed = loaded(site, '[rules.kidney-function]\nseverity = "warning"\nraised = "critical"')
    mild, severe = record(reading("egfr", 45)), record(reading("egfr", 20))
    assert [on_record("kidney-function", r, changed)[0].severity for r in (mild, severe)] == [
        Severity.WARNING,
        Severity.CRITICAL,
    ]
    assert [on_record("kidney-function", r)[0].severity for r in (mild, severe)] == [Severity.INFO, Severity.WARNING]


def test_a_site_changes_a_parameter_and_keeps_the_others(site: Path) -> None:
    changed = loaded(site, "[rules.news2.parameters]\nat = 6")
    assert changed.rules["news2"].given.at == 6
    assert changed.rules["news2"].given.raised_at == 7


def test_a_site_that_names_one_ladder_keeps_the_others(site: Path) -> None:
    changed = loaded(site, '[rules.order-priority.parameters.ladders]\nnews2 = [[5, "asap"], [7, "stat"]]')
    before, after = (p.rules["order-priority"].given.ladders for p in (pack(), changed))
    assert after == before | {"news2": [(5.0, "asap"), (7.0, "stat")]}
    hours = loaded(site, "[rules.duplicate-imaging.parameters.hours]\nCT = 24").rules["duplicate-imaging"].given.hours
    assert (hours["CT"], hours["default"], hours["MR"]) == (24, 72, 168)


def test_the_example_of_the_rules_page_is_a_site_file_that_loads(site: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    changed = loaded(site, example)
    assert changed.rules["duplicate-imaging"].switch is Switch.SHADOW
    limits = changed.tables.critical.by_concept[""]
    assert limits["glucose"].source.label == "Laboratory policy 12"
    assert limits["sodium"] == pack().tables.critical.by_concept[""]["sodium"]


def test_a_site_chooses_the_authority_that_leads_on_metformin(site: Path) -> None:
    changed = loaded(site, '[rules.metformin-contrast.parameters]\nauthority = "acr-manual"')
    subject = with_order(
        imaging_order("CT abdomen with IV contrast"),
        reading("egfr", 50),
        medications=[medication("Metformin 500 mg tablet")],
    )
    strict, local = on_orders("metformin-contrast", subject)[0], on_orders("metformin-contrast", subject, changed)[0]
    assert (strict.values["lead"], local.values["lead"]) == ("hold-48h", "continue")
    assert strict.details == local.details
    assert local.severity is Severity.INFO


SIGNED = 'source = { label = "Local policy", edition = "2026" }'
CRITICAL = """
[critical.potassium]
source = { label = "Local policy LAB-12", edition = "2026-03" }
high = 6.6
[critical.ferritin]
source = { label = "Local policy LAB-12", edition = "2026-03" }
unit = "ng/mL"
high = 10000
hours = 72
"""


def test_a_site_overrides_a_critical_limit_and_adds_one_with_its_own_source(site: Path) -> None:
    changed = loaded(site, CRITICAL)
    below, at = record(reading("potassium", 6.5)), record(reading("potassium", 6.6))
    assert on_record("critical-value", below)
    assert not on_record("critical-value", below, changed)
    assert on_record("critical-value", at, changed)[0].values["source"] == "Local policy LAB-12"
    assert on_record("critical-value", record(reading("potassium", 2.8)), changed)
    assert on_record("critical-value", record(reading("ferritin", 12000)), changed)


def test_a_site_adds_an_order_category_to_the_triage_table(site: Path) -> None:
    with_code = replace(order("XYZ 17"), categories=(Code("urn:local", "RX-CT"),))
    changed = loaded(site, '[categories]\n"urn:local|RX-CT" = "imaging"')
    findings = evaluate_record(changed, record(reading("potassium", 6.2)))
    assert urgency_floor(pack(), findings, with_code).priority == ""
    assert urgency_floor(changed, findings, with_code).priority == "urgent"


def test_the_site_file_is_part_of_the_hash(site: Path) -> None:
    one = loaded(site, "[rules.news2.parameters]\nat = 6").hash
    two = loaded(site, "[rules.news2.parameters]\nat = 5").hash
    assert len({one, two, pack().hash}) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[rules.newest]\nswitch = "off"', "unknown rules: newest"),
        ('[rules.news2]\nswitch = "silent"', "silent"),
        ("[rules.news2]\ncolour = 3", "unknown field `colour`"),
        ("[rules.news2.parameters]\nwhen = 3", "unknown field `when`"),
        ("[critical.potassium]\nhigh = 6.6", "missing required field `source`"),
        (f"[critical.potasium]\n{SIGNED}\nhigh = 6.6", "potasium: no such concept"),
        (f'[critical.glucose]\n{SIGNED}\nunit = "mmol/L"\nlow = 2.6\nhigh = 25', "glucose: its limits are in mg/dL"),
        (f'[critical.sodium]\n{SIGNED}\nsi = {{ unit = "mg/dL", low = 1 }}', "sodium: 'mg/dL' is no unit of it"),
        (f"[critical.ferritin]\n{SIGNED}\nhigh = 10000", "ferritin: Object missing required field `unit`"),
        ('[categories]\n"urn:x|y" = "urgent things"', "urgent things"),
        ("[wishes]\nx = 1", "unknown field `wishes`"),
        ("not toml", "not readable TOML"),
        ("\n".join(f'[rules.{rule}]\nswitch = "off"' for rule in pack().rules), "zero rules"),
    ],
)
def test_a_site_file_that_does_not_hold_together_refuses_to_start(site: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        loaded(site, text)
    assert says in refusal.value.message


def test_a_site_file_that_is_not_there_refuses_to_start(site: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"site\.toml cannot be read"):
        load_pack(site)
