"""The mutation suite: shares of lies caught by class, and of true sentences dropped (``python -m tests.grounding`` prints them)."""

from __future__ import annotations

import functools

import pytest

from tests.grounding.__main__ import both
from tests.grounding.rates import FALSE_DROPS, THRESHOLDS, Rates

rates = functools.cache(both)


def known() -> Rates:
    return rates()[0]


def held_out() -> Rates:
    return rates()[1]


def test_there_are_enough_lies_and_truths() -> None:
    assert sum(known().lies.values()) >= 300
    assert known().true >= 300
    assert set(known().lies) == set(THRESHOLDS)
    assert sum(held_out().lies.values()) >= 300


@pytest.mark.parametrize("kind", THRESHOLDS)
def test_lies_of_each_class_are_caught_at_its_rate(kind: str) -> None:
    assert known().caught(kind) >= THRESHOLDS[kind], [lie.text for lie in known().missed if lie.kind == kind]


@pytest.mark.parametrize("kind", [kind for kind in THRESHOLDS if kind != "bound"])  # no bound stands in those charts
def test_lies_about_charts_the_checks_never_saw_are_caught_at_the_same_rate(kind: str) -> None:
    assert held_out().caught(kind) >= THRESHOLDS[kind], [lie.text for lie in held_out().missed if lie.kind == kind]


def test_at_most_two_in_a_hundred_true_sentences_are_dropped() -> None:
    assert known().false_drop_rate <= FALSE_DROPS, known().dropped


def test_on_charts_the_checks_never_saw_at_most_five_in_a_hundred_are_dropped() -> None:
    assert held_out().false_drop_rate <= 0.05, held_out().dropped


def test_each_class_of_lie_is_caught_for_a_reason_of_its_own() -> None:
    expected = {
        "number": "NUMBER",
        "unit": "UNIT",
        "date": "DATE",
        "side": "SIDE",
        "negation": "POLARITY",
        "tense": "TENSE",
        "id": "UNKNOWN_FACT",
    }
    for kind, reason in expected.items():
        assert known().reasons[kind][reason] > 0, known().reasons[kind]
