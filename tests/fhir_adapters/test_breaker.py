import pytest

from fhir_adapters.breaker import Breaker, BreakerState


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock, threshold=3, rest_s=5, longest_rest_s=20)


def fail(breaker: Breaker, clock: Clock, times: int) -> None:
    for _ in range(times):
        assert breaker.wait() == 0
        sent_at = clock.now
        clock.now += 0.5
        breaker.failed(sent_at)


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, 2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, clock, 1)
    assert breaker.state is BreakerState.OPEN
    assert breaker.wait() == 5


def test_a_success_in_between_starts_the_count_anew(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, 2)
    breaker.succeeded()
    fail(breaker, clock, 2)
    assert breaker.state is BreakerState.CLOSED


def test_requests_that_fail_together_count_once(breaker: Breaker, clock: Clock) -> None:
    sent_at = clock.now
    clock.now += 1.5
    for _ in range(12):
        breaker.failed(sent_at)
    assert breaker.failures == 1
    assert breaker.state is BreakerState.CLOSED


def test_after_its_rest_one_probe_passes_and_its_success_closes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, 3)
    clock.now += 5
    assert breaker.wait() == 0
    assert breaker.wait() > 0
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.wait() == 0


def test_a_failed_probe_doubles_the_rest_up_to_its_bound(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, 3)
    rests = []
    for _ in range(4):
        clock.now += breaker.wait()
        fail(breaker, clock, 1)
        rests.append(breaker.wait())
    assert rests == [10, 20, 20, 20]


def test_an_abandoned_probe_leaves_room_for_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, clock, 3)
    clock.now += 5
    assert breaker.wait() == 0
    breaker.abandoned()
    assert breaker.wait() == 0


def test_stragglers_of_before_do_not_lengthen_the_rest(breaker: Breaker, clock: Clock) -> None:
    sent_at = clock.now
    fail(breaker, clock, 3)
    clock.now += 2
    breaker.failed(sent_at)
    assert breaker.wait() == 3
