"""Every row of the fault matrix that this service answers for today has a test of its own, named after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"^(?:async )?def test_row_(\d\d)_\w+\(", re.MULTILINE)
# FHIR server and requests, tokens, engines and their answers, jobs, database and disk, record and rules, images, tenants.
ROWS = {*range(1, 38), *range(39, 64)}


def rows() -> Iterator[tuple[int, str]]:
    """Row and file of every test that names one."""
    for path in TESTS.rglob("test_*.py"):
        for number in NAMED.findall(path.read_text(encoding="utf-8")):
            yield int(number), path.name


def test_every_row_has_a_test_named_after_it() -> None:
    assert {number for number, _ in rows()} >= ROWS


def test_no_test_names_a_row_the_matrix_does_not_have() -> None:
    assert {number for number, _ in rows()} <= set(range(1, 65))
