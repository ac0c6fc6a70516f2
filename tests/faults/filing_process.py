"""A process that decides on a draft and is killed on the way: ``python -m tests.faults.filing_process BASE FOLDER MOMENT DECISION``.

Moments: ``claimed`` (decided and claimed, nothing sent), ``sent`` (the record took it, its answer was not read), ``written``
(read back, nothing of it stored here).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from cds_service.db.gateway import Gateway
from cds_service.drafts.draft import Accept, Decision, Draft, Person, Reject
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import Outcome, WriteBack
from cds_service.encryption import Cipher
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound
from tests.drafts.reads import read

DECISIONS: dict[str, Decision] = {"accept": Accept(), "reject": Reject()}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KilledOnceSent(FhirClient):
    """The transaction is done in the record; nobody here learns of it."""

    async def transaction(self, bundle: bytes, *, deadline: float) -> Any:
        await super().transaction(bundle, deadline=deadline)
        die()


class Killed(WriteBack):
    """Dies before it writes, or after it wrote and before anything is committed here."""

    moment = ""

    async def settle(self, draft: Draft) -> Outcome:
        if self.moment == "claimed":
            die()
        outcome = await super().settle(draft)
        assert not outcome.fault, outcome
        if self.moment == "written":
            die()
        return outcome


async def decide(base: str, folder: Path, decision: str = "accept", moment: str = "") -> Draft:
    """The draft after its decision, made and decided by this process unless it dies at ``moment``."""
    gateway, cipher = (
        Gateway(f"sqlite:///{folder / 'd.sqlite3'}", folder),
        Cipher([folder.name.encode().ljust(32)[:32]]),
    )
    await gateway.start()
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:

        async def connect(_deadline: float) -> FhirClient:
            return (KilledOnceSent if moment == "sent" else FhirClient)(outbound, base)

        write_back = Killed(connect, {})
        write_back.moment = moment
        drafts = Drafts(DraftStore(gateway, cipher), cipher, write_back, busy_s=0.5)
        draft = await drafts.put(read(), patient="demo-pneumonia", study_reference="ImagingStudy/s1", tenant="t")
        draft = await drafts.decide(draft.id, DECISIONS[decision], Person(reference="Practitioner/demo-practitioner"))
    await gateway.close()
    return draft


async def resumed(base: str, folder: Path, replicas: int) -> tuple[int, Draft]:
    """What ``replicas`` do at their start, all at once, a minute later: how many drafts they finished; the draft."""
    gateway, cipher = (
        Gateway(f"sqlite:///{folder / 'd.sqlite3'}", folder),
        Cipher([folder.name.encode().ljust(32)[:32]]),
    )
    await gateway.start()
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:

        async def connect(_deadline: float) -> FhirClient:
            return FhirClient(outbound, base)

        store = DraftStore(gateway, cipher)
        services = [Drafts(store, cipher, WriteBack(connect, {})) for _ in range(replicas)]
        done = sum(await asyncio.gather(*(service.resume() for service in services)))
        (draft,) = (await store.newest()).drafts
    await gateway.close()
    return done, draft


if __name__ == "__main__":
    asyncio.run(decide(sys.argv[1], Path(sys.argv[2]), decision=sys.argv[4], moment=sys.argv[3]))
