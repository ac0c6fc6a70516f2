"""The container files speak of settings there are, and hold no password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_service.settings import Settings

FOLDER = Path(__file__).resolve().parents[1] / "docker"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file())


@pytest.mark.parametrize("name", FILES)
def test_every_setting_a_container_file_names_exists(name: str) -> None:
    named = set(re.findall(r"\bCDS_([A-Z_]+)", (FOLDER / name).read_text("utf-8")))
    assert {each.lower() for each in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", FILES)
def test_a_password_has_no_default(name: str) -> None:
    given = re.findall(r"\$\{(\w*(?:PASSWORD|AUTHORIZATION))(:[-?])", (FOLDER / name).read_text("utf-8"))
    assert all(operator == ":?" for _, operator in given), given
