"""Random bytes bought in bulk (cds_service/randomness.py)."""

from __future__ import annotations

import os
import threading
from uuid import UUID

from cds_service.randomness import BULK, random_bytes, uuid4


def test_every_id_is_a_uuid_of_version_four_and_comes_once() -> None:
    made = [uuid4() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert all(
        str(UUID(each)) == each and UUID(each).version == 4 and UUID(each).variant.startswith("spec") for each in made
    )


def test_more_bytes_than_one_purchase_holds_are_served_too() -> None:
    assert len(random_bytes(3 * BULK)) == 3 * BULK


def test_threads_are_never_handed_the_same_bytes() -> None:
    drawn: list[bytes] = []

    def draw() -> None:
        drawn.extend([random_bytes(12) for _ in range(3000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == len(drawn) == 12_000


def test_a_forked_process_draws_its_own_bytes() -> None:
    random_bytes(1)  # some are left over
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != random_bytes(16)
    os.close(reading)
    os.close(writing)
