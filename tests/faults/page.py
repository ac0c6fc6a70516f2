"""Writes docs/faults.md from rows.toml and the tests that are there: ``python -m tests.faults.page``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "faults.md"
NAMED = re.compile(r"^ *(?:async )?def test_row_(\d\d)_\w+\(", re.MULTILINE)

HEAD = """# Faults: what may go wrong, and what the service does then

This page is written by `python -m tests.faults.page` from `tests/faults/rows.toml` and the names of the tests
(`test_row_NN_…`); a test fails when it is out of date. “Row NN” in the source means a row of this table.

Whatever happens, no call is answered late or with silence, nothing of a patient and no token is logged, and no finding of the rules
is lost or late for a model's sake.

| row | what happens | what the service does | tests |
| --- | --- | --- | --- |
"""


def rows() -> list[dict[str, Any]]:
    """The matrix."""
    found: list[dict[str, Any]] = tomllib.loads((HERE / "rows.toml").read_text(encoding="utf-8"))["row"]
    return found


def named() -> Iterator[tuple[int, str]]:
    """Row and file of every test that names one."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for number in NAMED.findall(path.read_text(encoding="utf-8")):
            yield int(number), str(path.relative_to(ROOT))


def tests_of(row: dict[str, Any], found: list[tuple[int, str]]) -> list[str]:
    """The files whose tests name a row, or that it names itself."""
    return list(dict.fromkeys([file for number, file in found if number == row["id"]] + row.get("elsewhere", [])))


def render() -> str:
    """The page."""
    found, lines = list(named()), []
    for row in rows():
        files = "<br>".join(f"`{file}`" for file in tests_of(row, found))
        lines.append(f"| {row['id']} | {row['fault']} | {row['answer']} | {files} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
