"""README.md and docs/ name only what there is: files, settings, commands with their options, verbs of make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cds_service.cli import app
from cds_service.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
BASES = (ROOT, ROOT / "cds_service", ROOT / "docs")  # where a path in backticks may begin
COMMANDS = typer.main.get_command(app)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*)`")
KINDS = (".py", ".toml", ".md", ".yaml", ".json", ".lock", ".j2")
SETTING = re.compile(r"\bCDS_[A-Z0-9_]*[A-Z0-9]\b(?![_…*])")
CALL = re.compile(r"medgemma-cds((?: +[^\s`|#]+)*)")
MAKE = re.compile(r"(?:`|\$ )make ([a-z][a-z-]*)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_calls(text: str) -> Iterator[str]:
    """Calls of the command line whose command or option does not exist. A word in capitals or brackets is a placeholder."""
    for call in CALL.finditer(text):
        command: Any = COMMANDS
        for word in call[1].split():
            word = word.strip("[](),.;:")
            below = getattr(command, "commands", {})  # of a group
            if below and re.fullmatch(r"[a-z][a-z-]*", word):
                if word not in below:
                    yield f"medgemma-cds{call[1]}"
                    break
                command = below[word]
            elif word.startswith("--") and not any(word.partition("=")[0] in each.opts for each in command.params):
                yield f"{command.name} has no {word}"


@PAGE
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


@PAGE
def test_paths_in_backticks_exist(page: Path) -> None:
    ours = tuple(f"{folder.name}/" for folder in ROOT.iterdir() if folder.is_dir())
    found = PATH.findall(page.read_text(encoding="utf-8"))
    named = [path for path in found if path.startswith(ours) or path.endswith(KINDS)]
    assert [path for path in named if not any(next(base.glob(path), None) for base in BASES)] == []


@PAGE
def test_settings_commands_and_verbs_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(SETTING.findall(text)) - {f"CDS_{name}".upper() for name in Settings.model_fields} == set()
    assert list(wrong_calls(text)) == []
    verbs = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(MAKE.findall(text)) <= set(verbs)


@pytest.mark.parametrize(
    "text", ["medgemma-cds served", "`medgemma-cds rules sett RULE off`", "medgemma-cds serve --prot 1"]
)
def test_a_call_that_does_not_exist_is_noticed(text: str) -> None:
    assert list(wrong_calls(text))
