"""A token id opens the door once, whichever replica it comes to."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from cds_service.db import models
from cds_service.db.breaker import Breaker
from cds_service.db.gateway import Gateway
from cds_service.db.token_ids import OwnTokenIds, SharedTokenIds
from cds_service.encryption import Cipher
from cds_service.errors import Unavailable


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def test_row_18_of_many_simultaneous_uses_on_two_replicas_one_is_the_first(
    database_url: str, tmp_path: Path
) -> None:
    gateways = [Gateway(database_url, tmp_path / name) for name in ("a", "b")]
    for gateway in gateways:
        await gateway.start()
    doors = [SharedTokenIds(gateway, Cipher([b"k" * 32])) for gateway in gateways]
    uses = [door.first_use("https://ehr.example.org", "jti-1", 1_790_000_000.0, soon()) for door in doors * 5]
    assert sorted(await asyncio.gather(*uses)) == [False] * 9 + [True]
    assert await doors[0].first_use("https://other.example.org", "jti-1", 1_790_000_000.0, soon())
    rows = await gateways[0].run(lambda c: c.execute(select(models.token_id)).all(), deadline=soon())
    assert "jti-1" not in repr(rows)
    await asyncio.gather(*[gateway.close() for gateway in gateways])


async def test_an_id_used_while_the_database_was_away_is_known_there_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    gateway = Gateway(database_url, tmp_path)
    await gateway.start()
    ids = SharedTokenIds(gateway, Cipher([b"k" * 32]))
    ids.tell("https://ehr.example.org", "jti-1", 4_000_000_000.0)
    for _ in range(250):
        if await gateway.run(lambda c: c.execute(select(models.token_id)).all(), deadline=soon()):
            break
        await asyncio.sleep(0.02)
    assert not await ids.first_use("https://ehr.example.org", "jti-1", 4_000_000_000.0, soon())
    await gateway.close()


async def test_row_18_an_id_used_before_a_restart_is_known_after_it(tmp_path: Path) -> None:
    cipher, later = Cipher([b"k" * 32]), time.time() + 300
    for first in (True, False, False):
        gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
        await gateway.start()
        ids = OwnTokenIds(gateway, cipher)
        await ids.load(soon())
        assert await ids.first_use("https://ehr.example.org", "jti-1", later, soon()) is first
        assert await ids.first_use("https://other.example.org", "jti-1", later, soon()) is first
        await gateway.close()


async def test_ids_of_expired_tokens_are_not_taken_over(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    await gateway.start()
    ids = OwnTokenIds(gateway, Cipher([b"k" * 32]))
    ids.tell("https://ehr.example.org", "jti-1", time.time() - 1)
    await gateway.close()
    again = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    await again.start()
    assert await OwnTokenIds(again, Cipher([b"k" * 32])).load(soon()) == 0
    await again.close()


async def test_a_database_that_cannot_tell_says_so(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path, breaker=Breaker(failures=1, rest=60))
    gateway.breaker.failed()
    with pytest.raises(Unavailable):
        await SharedTokenIds(gateway, Cipher([b"k" * 32])).first_use("iss", "jti", 1.0, soon())
    await gateway.close()
