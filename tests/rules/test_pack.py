"""The pack loads whole or not at all; every row is checked at start; the hash covers pack and site file."""

from __future__ import annotations

import re
import shutil
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from checking import pack

from cds_service.errors import ConfigurationError
from cds_service.rules.catalogue import Scope
from cds_service.rules.pack import FOLDER, load_pack
from cds_service.rules.registry import LOGIC
from cds_service.rules.tables import FILES

UNITS = tomllib.loads((FOLDER.parent / "record" / "units.toml").read_text(encoding="utf-8"))["concepts"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pack's files in a folder of their own, to be spoilt."""
    shutil.copytree(FOLDER / "pack", tmp_path / "pack")
    for name in (*FILES, "overrides.toml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def spoil(folder: Path, name: str, before: str, after: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_the_pack_as_shipped_loads_and_has_a_hash() -> None:
    loaded = pack()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", loaded.hash)
    assert loaded.hash == load_pack().hash
    assert len(loaded.rules) >= 40


def test_every_rule_has_a_static_alphanumeric_topic_a_version_sources_and_limits() -> None:
    topics = [rule.topic for rule in pack().rules.values()]
    assert len(set(topics)) == len(topics)
    for rule in pack().rules.values():
        assert re.fullmatch(r"[A-Za-z0-9]{1,100}", rule.topic)
        assert rule.version
        assert rule.limits
        assert rule.sources
        for source in rule.sources:
            assert source.label
            assert source.edition
            own = source.label.startswith(("MedGemma CDS design", "Local policy"))
            assert source.url == "" if own else source.url.startswith("https://")


def test_every_function_of_the_registry_is_used_by_a_rule() -> None:
    assert set(LOGIC) == {rule.function for rule in pack().rules.values()}


def test_rules_about_drugs_say_that_silence_is_not_safety() -> None:
    about_drugs = [
        rule
        for rule in pack().rules.values()
        if rule.scope is Scope.ORDER and rule.inputs[0] == "MedicationRequest" and "limited list" not in rule.limits
    ]
    quiet = [rule.id for rule in about_drugs if "no finding does not mean" not in rule.limits]
    assert quiet == ["metformin-start", "drug-name-mismatch"]


def test_every_override_reason_has_a_display() -> None:
    keys = {key for rule in pack().rules.values() for key in rule.override_reasons}
    assert keys <= set(pack().override_reasons)
    assert all(pack().override_reasons.values())


def test_inputs_name_concepts_of_the_units_table_or_resource_types() -> None:
    for rule in pack().rules.values():
        unknown = [name for name in rule.inputs if not name[0].isupper() and name not in UNITS]
        assert not unknown, (rule.id, unknown)


def test_critical_values_are_in_the_canonical_units_of_the_record() -> None:
    for limits in pack().tables.critical.limits.values():
        for limit in limits:
            assert UNITS[limit.concept]["unit"] == limit.unit
            assert limit.source.url.startswith("https://")
            assert limit.source.reviewed


def test_red_flags_ask_for_concepts_the_record_knows() -> None:
    for rule in pack().rules.values():
        for condition in rule.parameters.get("all_of", ()):
            assert condition["concept"] in UNITS


@pytest.mark.parametrize(
    ("name", "before", "after", "says"),
    [
        ("pack/record.toml", 'id = "news2"\n', 'id = "news2"\nurgent = true\n', "unknown field `urgent`"),
        ("pack/record.toml", 'sources = ["rcp-news2"]\n', "sources = []\n", "needs a source"),
        ("pack/record.toml", 'sources = ["rcp-news2"]\n', "", "missing required field `sources`"),
        ("pack/record.toml", 'sources = ["rcp-news2"]\n', 'sources = ["hearsay"]\n', "unknown source hearsay"),
        ("pack/record.toml", 'id = "qsofa"', 'id = "news2"', "id stands twice"),
        ("pack/record.toml", 'topic = "qsofa"', 'topic = "news2"', "topic news2 belongs to news2"),
        ("pack/record.toml", 'topic = "qsofa"', 'topic = "q-sofa"', "topic 'q-sofa'"),
        ("pack/record.toml", 'function = "aki"', 'function = "guess"', "no function is registered as 'guess'"),
        ("pack/record.toml", 'function = "aki"', 'function = "qt-pair"', "looks at the order"),
        ("pack/record.toml", "at = 5\nraised_at = 7", 'at = "five"\nraised_at = 7', "parameters"),
        ("pack/record.toml", "at = 5\nraised_at = 7", "at = 5", "missing required field `raised_at`"),
        ("pack/record.toml", "at = 5\nraised_at = 7", "at = 5\nraised_at = 7\nelse = 1", "unknown field `else`"),
        ("pack/record.toml", "at_most = 8 }", "at_most = 8, at_least = 3 }", "either at_least or at_most"),
        ("pack/record.toml", 'drugs = ["anticoagulant"]', 'drugs = ["blood thinner"]', "neither a class nor a drug"),
        ("pack/record.toml", 'groups = ["cancer"]', 'groups = ["tumours"]', "not in problems.toml"),
        ("pack/record.toml", 'found = "Severe allergy: {names}"', 'found = "{name}"', "uses {name}"),
        ("pack/record.toml", 'found = "Severe allergy: {names}"', 'found = "{names.x}"', "only plain {name} fields"),
        ("pack/record.toml", 'found = "Severe allergy: {names}"', 'found = "{names!r}"', "only plain {name} fields"),
        ("pack/record.toml", 'found = "Severe allergy: {names}"', 'found = "{names"', "template"),
        ("pack/record.toml", 'found = "Severe allergy: {names}"', 'other = "x"', "missing ['found']"),
        ("pack/record.toml", 'severity = "critical"', 'severity = "loud"', "loud"),
        ("pack/record.toml", 'raised = "critical"', 'raised = "info"', "raised is below severity"),
        ("pack/record.toml", '"already-known", "will-monitor", "data-wrong"', '"because"', "unknown override reason"),
        ("pack/record.toml", "[[rule]]", "[[rule]", "not readable TOML"),
        ("pack/record.toml", "[[rule]]", "[other]\n[[rule]]", "only [[rule]] rows"),
        ("pack/triage.toml", "news2 = [[5,", "news3 = [[5,", "unknown rules: news3"),
        ("pack/triage.toml", '[7, "asap"]', '[4, "asap"]', "must rise in value and urgency"),
        ("pack/triage.toml", '[7, "asap"]', '[7, "routine"]', "must rise in value and urgency"),
        ("pack/triage.toml", 'stat = "stat"', 'stat = "now"', "priority maps each"),
        ("pack/triage.toml", 'stat = "stat"', 'stat = "routine"', "must not fall"),
        ("pack/medications.toml", '30, inclusive = true, advice = "half', '10, advice = "half', "lowest clearance up"),
        ("pack/medications.toml", 'mechanism = "hyperkalaemia"', 'mechanism = "potash"', "not so: hyperkalaemia, potash"),
        ("pack/medications.toml", 'mechanism = "hyperkalaemia"', 'mechanism = "K+"', "mechanism 'K+'"),
        ("pack/record.toml", 'id = "qsofa"', 'id = "qsofa"\nmechanism = "sepsis"', "is for rules over orders"),
        ("pack/record.toml", '"qsofa", "shock-index"', '"qsofa", "stroke"', "news2 absorbs 'stroke'"),
        ("pack/record.toml", '"qsofa", "shock-index"', '"red-flag-hyperkalaemia"', "which is no rule over the record"),
        ("pack/medications.toml", 'mechanism = "hyperkalaemia"', "absorbs = { rules = [] }", "is for rules over the record"),
        ("pack/triage.toml", 'contrast = ["aki-stage"', 'contrast = ["aki"', "unknown rules: aki"),
        ("pack/medications.toml", "single_mg_per_kg = 200", "single_mg_per_kg = 10", "must lie above what is allowed"),
        ("pack/imaging.toml", 'authority = "stricter"', 'authority = "mine"', "authority must be"),
        ("critical_values.toml", "low = 2.8\n", "low = 6.8\n", "low limit 6.8 is not below"),
        ("critical_values.toml", 'concept = "sodium"', 'concept = "potassium"', "more than one row for potassium"),
        ("critical_values.toml", 'source = "homerton"', 'source = "rumour"', "unknown source 'rumour'"),
        ("critical_values.toml", "hours = 48\n", "hours = 0\n", "hours must be positive"),
        ("drugs.toml", '"advil" = ["ibuprofen"]', '"advil" = ["ibuprophen"]', "unknown drug ibuprophen"),
        ("drugs.toml", '"@ace-inhibitor"', '"@raas"', "contains itself"),
        ("pack/sources.toml", 'edition = "2012"', "", "edition"),
    ],
)  # fmt: skip
def test_a_corrupt_pack_refuses_to_start_and_names_the_fault(
    copy: Path, name: str, before: str, after: str, says: str
) -> None:
    spoil(copy, name, before, after)
    with pytest.raises(ConfigurationError) as refusal:
        load_pack(folder=copy)
    assert says in refusal.value.message


def test_the_refusal_names_file_and_row(copy: Path) -> None:
    spoil(copy, "pack/record.toml", "at = 5\nraised_at = 7", 'at = "five"\nraised_at = 7')
    with pytest.raises(ConfigurationError, match=r"pack/record\.toml, row 3 \(news2\): parameters: .*`int`"):
        load_pack(folder=copy)


def test_a_missing_file_refuses_to_start(copy: Path) -> None:
    (copy / "drugs.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"drugs\.toml cannot be read"):
        load_pack(folder=copy)


def test_any_changed_byte_changes_the_hash(copy: Path) -> None:
    before = load_pack(folder=copy).hash
    (copy / "overrides.toml").write_bytes((copy / "overrides.toml").read_bytes() + b"\n")
    assert load_pack(folder=copy).hash != before


def test_numbers_of_the_pack_are_exact_decimals() -> None:
    assert pack().rules["shock-index"].given.at == Decimal("0.9")
    potassium = next(limit for limit in pack().tables.critical.limits[""] if limit.concept == "potassium")
    assert potassium.low == Decimal("2.8")
