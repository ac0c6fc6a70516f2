"""The breaker, as a model and by example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds_service.db.breaker import Breaker, State


def test_it_opens_after_the_third_failure_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        outcome()
    assert breaker.state == State.CLOSED
    breaker.failed()
    assert breaker.state == State.OPEN
    assert not breaker.admits()


def test_after_its_rest_it_lets_one_probe_through_at_a_time() -> None:
    now = [0.0]
    breaker = Breaker(failures=1, rest=2.0, clock=lambda: now[0])
    breaker.failed()
    now[0] = 2.5
    assert breaker.state == State.HALF_OPEN
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.failed()
    assert not breaker.admits()
    now[0] = 5.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits(), breaker.admits()] == [True, True]


def test_a_probe_whose_caller_left_makes_room_for_the_next() -> None:
    now = [0.0]
    breaker = Breaker(failures=1, rest=1.0, clock=lambda: now[0])
    breaker.failed()
    now[0] = 2.0
    assert breaker.admits()
    breaker.abandoned()
    assert breaker.admits()


@given(st.lists(st.sampled_from(["ok", "fail", "wait"]), max_size=60))
def test_it_never_refuses_for_longer_than_its_rest(steps: list[str]) -> None:
    now = [0.0]
    breaker = Breaker(failures=2, rest=1.0, clock=lambda: now[0])
    for step in steps:
        if step == "wait":
            now[0] += 0.4
        elif breaker.admits():
            (breaker.succeeded if step == "ok" else breaker.failed)()
    now[0] += 1.01
    assert breaker.admits()
