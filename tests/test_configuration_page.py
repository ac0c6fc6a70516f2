"""docs/configuration.md is written from the settings, and says what they say."""

from __future__ import annotations

from cds_service.configuration_page import PAGE, render


def test_the_configuration_page_is_the_settings_own_words() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()
