"""Every row of the fault matrix has a test named after it, and docs/faults.md says so."""

from __future__ import annotations

import pytest

from tests.faults import page

ROWS = list(range(1, 64))


def test_every_row_stands_in_the_matrix_once() -> None:
    assert [row["id"] for row in page.rows()] == ROWS


@pytest.mark.parametrize("row", page.rows(), ids=lambda row: str(row["id"]))
def test_every_row_has_a_test_that_is_there(row: dict[str, object]) -> None:
    files = page.tests_of(row, list(page.named()))
    assert files
    assert all((page.ROOT / file).is_file() for file in files)


def test_no_test_names_a_row_the_matrix_does_not_have() -> None:
    assert {number for number, _ in page.named()} <= set(ROWS)


def test_the_page_is_current() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), "run: python -m tests.faults.page"
