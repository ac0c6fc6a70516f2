"""docs/conformance.md says what the tests show, no more and no less."""

from __future__ import annotations

from . import page

CHECKLIST = {"T": 5, "D": 7, "P": 5, "R": 11, "A": 2, "C": 9, "G": 6, "Y": 1, "F": 3, "J": 7, "E": 1, "X": 1}


def test_the_page_is_current() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), "run: python -m tests.conformance.page"


def test_every_row_of_the_checklist_stands_on_the_page_once() -> None:
    expected = [f"{letter}{number}" for letter, most in CHECKLIST.items() for number in range(1, most + 1)]
    assert [row["id"] for row in page.rows()] == expected


def test_every_row_is_shown_by_a_test_or_is_an_option_not_taken() -> None:
    named = page.tests()
    assert [row["id"] for row in page.rows() if page.state(row, named) == "not shown"] == []


def test_no_test_names_a_row_that_is_not_on_the_page() -> None:
    assert page.tests().keys() <= {row["id"] for row in page.rows()}


def test_tests_named_from_elsewhere_exist() -> None:
    for row in page.rows():
        for where in row.get("elsewhere", []):
            path, _, name = where.partition("::")
            assert f"def {name}(" in (page.ROOT / path).read_text(encoding="utf-8"), where
