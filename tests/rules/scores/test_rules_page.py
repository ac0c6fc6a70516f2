"""docs/rules.md is what the catalogue says; ``make docs`` writes it."""

from __future__ import annotations

from cds_service.rules import documentation
from cds_service.rules.calculators import CALCULATORS
from cds_service.rules.pack import load_pack


def test_the_page_is_current() -> None:
    assert documentation.PAGE.read_text(encoding="utf-8") == documentation.render(), "run: make docs"


def test_every_calculator_and_every_rule_is_listed_with_version_and_source() -> None:
    page = documentation.render()
    for calculator in CALCULATORS.values():
        assert f"### {calculator.name}: {calculator.text.title}" in page
        assert all(source.url in page and source.label in page for source in calculator.text.sources)
    for rule in load_pack(None).rules.values():
        assert f"#### {rule.id}: {rule.title}" in page
        assert all(source.label in page for source in rule.sources)
