"""Repeated calls get the first answer, everything else its own: rows 17 (store side) and 63 of the fault matrix."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from cds_service.db import models
from cds_service.db.breaker import Breaker
from cds_service.db.gateway import Gateway
from cds_service.encryption import Cipher
from cds_service.hooks.replay import LARGEST, ReplayStore
from tests.db import postgres as fixtures

database_url, postgres = fixtures.database_url, fixtures.postgres

KEY = b"k" * 32
EHR, SERVICE, INSTANCE = "https://ehr.example.org", "patient-summary", "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
BODY, OTHER_BODY = sha256(b"body").digest(), sha256(b"other body").digest()
CARDS = b'{"cards":[{"summary":"Potassium 6.1 mmol/L","uuid":"0f1f"}]}'
QUESTION = (EHR, SERVICE, INSTANCE, BODY)


class Clock:
    """Wall time that tests move."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., ReplayStore]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway(database_url, tmp_path)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def make(gateway: Gateway, clock: Clock) -> Make:
    def store(**members: Any) -> ReplayStore:
        return ReplayStore(gateway, Cipher([KEY]), **{"window_s": 300, "clock": clock} | members)

    return store


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def written(gateway: Gateway, key_count: int = 1) -> None:
    """Wait until the answers are in the database."""
    for _ in range(100):
        rows = await gateway.run(lambda c: c.execute(select(models.answer)).all(), deadline=soon())
        if len(rows) >= key_count and gateway.depth == 0:
            return
        await asyncio.sleep(0.03)
    raise AssertionError("never written")


def everything_under(folder: Path) -> str:
    """What the files of a folder hold."""
    return "".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


async def test_row_17_a_repeated_call_gets_the_first_answer(make: Make) -> None:
    store = make()
    assert await store.find(*QUESTION, soon()) is None
    store.keep(*QUESTION, CARDS)
    assert await store.find(*QUESTION, soon()) == CARDS


async def test_row_17_the_first_answer_is_found_after_a_restart(make: Make, gateway: Gateway) -> None:
    make().keep(*QUESTION, CARDS)
    await written(gateway)
    restarted = make()
    await restarted.load(soon())
    assert await restarted.find(*QUESTION, soon()) == CARDS


@pytest.mark.integration
async def test_row_17_a_replica_on_the_same_database_gives_the_first_answer(
    postgres: fixtures.Cluster, tmp_path: Path, clock: Clock
) -> None:
    url = postgres.database()
    replicas = [Gateway(url, tmp_path / name) for name in ("a", "b")]
    await asyncio.gather(*[replica.start() for replica in replicas])
    first, second = (ReplayStore(r, Cipher([KEY]), window_s=300, clock=clock) for r in replicas)
    assert await second.find(*QUESTION, soon()) is None
    first.keep(*QUESTION, CARDS)
    await written(replicas[0])
    assert await second.find(*QUESTION, soon()) == CARDS
    await asyncio.gather(*[replica.close() for replica in replicas])


async def test_the_embedded_database_is_not_asked_on_a_hook_call(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'never-made.sqlite3'}", tmp_path)
    store = ReplayStore(gateway, Cipher([KEY]), window_s=300)
    assert await store.find(*QUESTION, soon()) is None
    assert not (tmp_path / "never-made.sqlite3").exists()
    await gateway.close()


async def test_another_body_under_the_same_hook_instance_is_a_new_question(make: Make) -> None:
    store = make()
    store.keep(*QUESTION, CARDS)
    other = (EHR, SERVICE, INSTANCE, OTHER_BODY)
    assert await store.find(*other, soon()) is None
    store.keep(*other, b'{"cards":[]}')
    assert await store.find(*other, soon()) == b'{"cards":[]}'
    assert await store.find(*QUESTION, soon()) is None


async def test_after_the_window_a_call_is_answered_anew(make: Make, clock: Clock, gateway: Gateway) -> None:
    store = make(window_s=60)
    store.keep(*QUESTION, CARDS)
    clock.now += 59
    assert await store.find(*QUESTION, soon()) == CARDS
    clock.now += 2
    assert await store.find(*QUESTION, soon()) is None
    await written(gateway)
    restarted = make(window_s=60)
    await restarted.load(soon())
    assert await restarted.find(*QUESTION, soon()) is None


async def test_a_window_of_zero_keeps_nothing(make: Make) -> None:
    store = make(window_s=0)
    store.keep(*QUESTION, CARDS)
    assert await store.find(*QUESTION, soon()) is None


async def test_memory_is_bounded_by_number_and_the_oldest_goes_first(make: Make, gateway: Gateway) -> None:
    gateway.shared = False
    store = make(most_answers=3)
    for number in range(5):
        store.keep(EHR, SERVICE, f"instance-{number}", BODY, CARDS)
    kept = [await store.find(EHR, SERVICE, f"instance-{n}", BODY, soon()) for n in range(5)]
    assert kept == [None, None, CARDS, CARDS, CARDS]


async def test_memory_is_bounded_by_bytes(make: Make, gateway: Gateway) -> None:
    gateway.shared = False
    store = make(most_bytes=10_000)
    for number in range(10):
        store.keep(EHR, SERVICE, f"instance-{number}", BODY, b"x" * 3000)
    kept = [await store.find(EHR, SERVICE, f"instance-{n}", BODY, soon()) for n in range(10)]
    assert [found is not None for found in kept] == [False] * 7 + [True] * 3


async def test_a_huge_answer_is_not_kept(make: Make) -> None:
    store = make()
    store.keep(*QUESTION, b"x" * (LARGEST + 1))
    assert await store.find(*QUESTION, soon()) is None


async def test_neither_memory_nor_database_holds_an_answer_in_the_clear(
    make: Make, gateway: Gateway, tmp_path: Path
) -> None:
    store = make()
    store.keep(*QUESTION, CARDS)
    await written(gateway)
    (row,) = await gateway.run(lambda c: c.execute(select(models.answer)).all(), deadline=soon())
    assert all(secret not in repr(row) + repr(store._kept) for secret in ("Potassium", INSTANCE, EHR))
    assert "Potassium" not in everything_under(tmp_path)


async def test_a_sealed_answer_moved_to_another_row_is_not_given(make: Make, gateway: Gateway) -> None:
    counts: Counter[str] = Counter()
    store = make(count=lambda name, n: counts.update({name: n}))
    store.keep(*QUESTION, CARDS)
    store.keep(EHR, SERVICE, "another", BODY, b"another patient's cards")
    await written(gateway, 2)
    theirs = store._kept[store._key(EHR, SERVICE, "another")].sealed
    mine = store._key(EHR, SERVICE, INSTANCE)
    statement = update(models.answer).where(models.answer.c.key == mine).values(sealed=theirs)
    await gateway.run(lambda c: c.execute(statement), deadline=soon())
    restarted = make(count=lambda name, n: counts.update({name: n}))
    await restarted.load(soon())
    assert await restarted.find(*QUESTION, soon()) is None
    assert counts["replays:unsealable"] == 1


@pytest.mark.integration
async def test_a_shared_database_that_fails_means_answered_freshly(
    postgres: fixtures.Cluster, tmp_path: Path, clock: Clock
) -> None:
    gateway = Gateway(postgres.database(), tmp_path)
    counts: Counter[str] = Counter()
    store = ReplayStore(
        gateway, Cipher([KEY]), window_s=300, clock=clock, count=lambda name, n: counts.update({name: n})
    )
    gateway.breaker = Breaker(failures=1, rest=60)
    gateway.breaker.failed()
    assert await store.find(*QUESTION, soon()) is None
    store.keep(*QUESTION, CARDS)
    assert await store.find(*QUESTION, soon()) == CARDS
    assert counts == {"replays:database failed": 1, "replays:memory": 1}
    await gateway.close()


names = st.text(alphabet="ab|/:\n", max_size=4)
questions = st.tuples(names, names, names, st.sampled_from([BODY, OTHER_BODY]))


@given(kept=questions, asked=questions)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_row_63_no_client_ever_reads_another_clients_answer(
    kept: tuple[str, str, str, bytes], asked: tuple[str, str, str, bytes], tmp_path: Path
) -> None:
    assume(kept != asked)
    gateway = Gateway(f"sqlite:///{tmp_path / 'unused.sqlite3'}", tmp_path)
    store = ReplayStore(gateway, Cipher([KEY]), window_s=300)

    async def ask() -> bytes | None:
        store.keep(*kept, CARDS)
        found = await store.find(*asked, soon())
        assert await store.find(*kept, soon()) == CARDS
        await gateway.close()
        return found

    assert asyncio.run(ask()) is None
