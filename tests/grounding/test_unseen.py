"""Lies and true sentences by somebody who had not read the checks: what is caught of each sort, and what is dropped without need."""

from __future__ import annotations

import functools

import pytest

from tests.grounding.__main__ import both
from tests.grounding.rates import FALSE_DROPS, Rates, measure
from tests.grounding.unseen import FIRST, FOURTH, SECOND, THIRD, Unseen

# least share caught of a sort; every sort not named is held to OTHERS
LEAST = {"number": 0.99, "bound": 0.99, "unit": 0.99, "date": 0.99, "side": 0.97, "negation": 0.97}
OTHERS = 0.95
SORTS = sorted({lie.kind for lie in FIRST.lies})


@functools.cache
def rates() -> tuple[Rates, ...]:
    return tuple(_rates(each) for each in (FIRST, SECOND, THIRD, FOURTH))


def _rates(unseen: Unseen) -> Rates:
    return measure(unseen.charts, unseen.true, unseen.lies)


def test_the_sets_are_large_and_of_many_sorts() -> None:
    assert len(FIRST.true) >= 200
    assert len(FIRST.lies) >= 300
    assert len(SECOND.true) >= 100
    assert len(SECOND.lies) >= 150
    assert len(SORTS) >= 15


@pytest.mark.parametrize("sort", SORTS)
def test_lies_of_each_sort_are_caught(sort: str) -> None:
    lies = sum(each.lies[sort] for each in rates())
    missed = [lie.text for each in rates() for lie in each.missed if lie.kind == sort]
    assert 1 - len(missed) / lies >= LEAST.get(sort, OTHERS), missed


def test_of_all_true_sentences_of_all_sets_at_most_two_in_a_hundred_are_dropped() -> None:
    found = [*both(), *rates()]
    dropped = [each for one in found for each in one.dropped]
    assert sum(one.true for one in found) >= 800
    assert len(dropped) <= FALSE_DROPS * sum(one.true for one in found), dropped


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_of_no_set_alone_more_than_six_in_a_hundred_are_dropped(which: int) -> None:
    assert rates()[which].false_drop_rate <= 0.06, rates()[which].dropped
