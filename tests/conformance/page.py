"""Writes docs/conformance.md from rows.toml and the tests that are there: ``python -m tests.conformance.page``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "conformance.md"
ROW = re.compile(r"[A-Z]\d+")
TEST = re.compile(r"^(?:async )?def test_((?:[A-Z]\d+_)+)(\w+)\(", re.MULTILINE)

HEAD = """# Conformance statement

This page is written by `python -m tests.conformance.page` from `tests/conformance/rows.toml` and the names of the
tests; a test fails when it is out of date.

MedGemma CDS is a CDS service of **CDS Hooks 2.0.1** (<https://cds-hooks.hl7.org/2.0/>). Of the 3.0 ballot it does what
cannot disturb a 2.0 client (an OperationOutcome with every error, scopes of both SMART versions); it does not claim
3.0. Hooks: patient-view, order-select, order-sign, encounter-start.

Of {all} rows {met} are met and {partly} in part; {declined} options (MAY, or 3.0 only) are not taken.

The rows are rules for a CDS service in the specification's order: T transport, D discovery, P prefetch templates,
R requests, A answers, C cards, G suggestions, Y system actions, F feedback, J client trust, E extensions, X stale
guidance. Tests of `tests/conformance` talk HTTP; what a service can do wrong is tried with careless small services,
what the specification asks of every service is tried with those and with the whole application.

| row | rule | level | what this service does | state | tests |
| --- | --- | --- | --- | --- | --- |
"""


def rows() -> list[dict[str, Any]]:
    """The checklist."""
    found: list[dict[str, Any]] = tomllib.loads((HERE / "rows.toml").read_text(encoding="utf-8"))["row"]
    return found


def tests() -> dict[str, list[str]]:
    """Names of the conformance tests by the rows they name."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for prefix, rest in TEST.findall(path.read_text(encoding="utf-8")):
            for row in ROW.findall(prefix):
                found.setdefault(row, []).append(f"test_{prefix}{rest}")
    return found


def state(row: Mapping[str, Any], named: Mapping[str, list[str]]) -> str:
    """What the page says of a row: 'not shown' where no test names it, unless it is declined."""
    said: str = row.get("state", "met")
    shown = bool(named.get(row["id"]) or row.get("elsewhere"))
    return said if shown or said == "not taken" else "not shown"


def render() -> str:
    """The page."""
    named = tests()
    states = [state(row, named) for row in rows()]
    lines = []
    for row, said in zip(rows(), states, strict=True):
        shown = [f"`{name}`" for name in named.get(row["id"], [])]
        shown += [f"`{where.rpartition('::')[2]}`" for where in row.get("elsewhere", [])]
        cells = (row["id"], row["rule"], row["level"], row["how"], said, "<br>".join(shown))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    met, partly, declined = (states.count(said) for said in ("met", "in part", "not taken"))
    return HEAD.format(all=len(states), met=met, partly=partly, declined=declined) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
