"""A process that accepts a draft and is killed right after the record took it: ``python -m tests.faults.filing_process``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from cds_service.db.gateway import Gateway
from cds_service.drafts.draft import Accept, Draft, Person
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import Outcome, WriteBack
from cds_service.encryption import Cipher
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound
from tests.drafts.reads import read


class Killed(WriteBack):
    """Writes as ever, then dies before anything is committed."""

    async def settle(self, draft: Draft) -> Outcome:
        outcome = await super().settle(draft)
        assert outcome.filed == "preliminary", outcome
        os.kill(os.getpid(), signal.SIGKILL)
        return outcome


async def accept(base: str, folder: Path, *, killed: bool) -> Draft:
    gateway, cipher = (
        Gateway(f"sqlite:///{folder / 'd.sqlite3'}", folder),
        Cipher([folder.name.encode().ljust(32)[:32]]),
    )
    await gateway.start()
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:

        async def connect(_deadline: float) -> FhirClient:
            return FhirClient(outbound, base)

        write_back = (Killed if killed else WriteBack)(connect, {})
        drafts = Drafts(DraftStore(gateway, cipher), cipher, write_back, busy_s=0.5)
        draft = await drafts.put(read(), patient="demo-pneumonia", study_reference="ImagingStudy/s1", tenant="t")
        draft = await drafts.decide(draft.id, Accept(), Person(reference="Practitioner/demo-practitioner"))
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
        (draft,) = await store.newest()
    await gateway.close()
    return done, draft


if __name__ == "__main__":
    asyncio.run(accept(sys.argv[1], Path(sys.argv[2]), killed=True))
