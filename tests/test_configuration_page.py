"""docs/configuration.md is written from the settings, says what they say, and is a page a reader can read."""

from __future__ import annotations

from cds_service.configuration_page import PAGE, render
from cds_service.settings import Client, Settings, Subscription


def test_the_configuration_page_is_the_settings_own_words() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_row_is_one_line_with_all_its_cells_and_every_setting_has_one() -> None:
    page, _, _ = render().partition("## Example")
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert [len(rows) - 2 for rows in tables] == [
        len(model.model_fields) - (model is Settings)  # the clients are a table of their own
        for model in (Settings, Client, Subscription)
    ]
    for rows in tables:
        cells = {row.replace("\\|", "").count("|") for row in rows}
        assert len(cells) == 1, cells
        assert all(row.startswith("| ") and row.endswith(" |") for row in rows)
