"""``python -m tests.assessments.running DATABASE_URL STATE_DIR SECONDS [KEY …]``: a process that runs jobs until it is killed.

Queues the keys it is given, says ``ready`` once it can take work, and prints each key it finishes. ``AHEAD_S``: how wrong its
clock is.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from cds_service.assessments.jobs import WARM, Jobs, Limits
from cds_service.assessments.store import Store
from cds_service.db.gateway import Gateway
from cds_service.encryption import Cipher

KEY = bytes(range(32))


def jobs_url(database: str, state_dir: Path) -> str:
    """Where dbos keeps its tables, as the application chooses it."""
    return database if database.startswith("postgresql") else f"sqlite:///{state_dir / 'jobs.sqlite3'}"


async def main(database: str, state_dir: Path, seconds: float, keys: list[str]) -> None:
    gateway = Gateway(database, state_dir)
    await gateway.start()

    async def work(_key: str, snapshot: bytes) -> bytes:
        await asyncio.sleep(seconds)
        return b"made of " + snapshot

    def ended(key: str, _task: str, state: str, _reason: str) -> None:
        print(state, key, flush=True)

    limits = Limits(slots=4, beat_s=0.3, stale_s=1.5)
    wrong = float(os.environ.get("AHEAD_S", "0"))
    store = Store(Cipher([KEY]), ttl_s=3600, clock=lambda: time.time() + wrong)
    jobs = Jobs(gateway, store, {"text": work}, url=jobs_url(database, state_dir), limits=limits, ended=ended)
    jobs.start()
    while not jobs.ready:  # noqa: ASYNC110 - dbos starts in a thread
        await asyncio.sleep(0.01)
    for key in keys:
        assert not jobs.ask(key, "text:record-summary", key.encode, WARM)
    print("ready", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
