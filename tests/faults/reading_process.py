"""A process that reads the demo patient's study and files its draft: ``python -m tests.faults.reading_process BASE FOLDER``.

Everything is the service's own, jobs, archive, pixels, drafts and write-back, but for MedGemma's weights. It says ``ready``
when the read is queued and ``drafted`` when the draft stands in the record.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from cds_service.assessments.jobs import Jobs, Limits
from cds_service.assessments.store import Store
from cds_service.db.gateway import Gateway
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import WriteBack
from cds_service.encryption import Cipher
from cds_service.imaging.assembly import work_of
from cds_service.imaging.viewer import Viewer
from cds_service.imaging.work import KIND, ImageReads
from cds_service.models.engine import Generation, Request
from cds_service.models.prompting import templates
from cds_service.services.new_studies import order
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.outbound import Outbound
from tests.imaging.image_engines import ScriptedEngine, by_finding, finding

STUDY = "ImagingStudy/demo-pneumonia-imaging-1"
KEY = bytes(range(32))
RIGHT = finding("present", "right", "right lower zone", "Dense right lower zone.")


class Slow(ScriptedEngine):
    """Takes a moment for each answer, so that there is something to kill."""

    async def generate(self, request: Request) -> Generation:
        await asyncio.sleep(0.03)
        return await super().generate(request)


def _lean(name: str) -> float:
    return 0.97 if name == "consolidation" else 0.01


async def main(base: str, folder: Path) -> None:
    gateway, cipher = Gateway(f"sqlite:///{folder / 'cds.sqlite3'}", folder), Cipher([KEY])
    await gateway.start()
    store, engine = Store(cipher, ttl_s=3600), Slow(by_finding({"consolidation": RIGHT}), _lean)
    outbound = Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")]))

    async def connect(_deadline: float) -> FhirClient:
        return FhirClient(outbound, base)

    write_back = WriteBack(connect, {})
    drafts = Drafts(DraftStore(gateway, cipher), cipher, write_back, file_unreviewed=True, busy_s=0.5)
    viewer = Viewer(DicomWeb(outbound, f"{base.removesuffix('/fhir')}/dicomweb"))
    reader, work = work_of(viewer, templates.load(), engine, drafts, security=lambda _: None, count=lambda _n, _c: None)
    limits = Limits(slots=2, beat_s=0.3, stale_s=1.5)
    jobs = Jobs(gateway, store, {KIND: work}, url=f"sqlite:///{folder / 'jobs.sqlite3'}", limits=limits)
    jobs.start()
    now = asyncio.get_running_loop().time
    wanted = await order(
        FhirClient(outbound, base), STUDY, tenant="t", now=datetime.now(UTC), deadline=now() + 20, zone=UTC
    )
    assert wanted is not None
    reads, said = ImageReads(cipher, store, jobs, drafts, reader, engine), set[str]()
    while True:
        progress = await reads.progress(wanted, now() + 5)
        filed = progress.draft is not None and progress.draft.filed == "partial"
        word = {"preparing": "ready", "drafted": "drafted" if filed else "ready"}.get(progress.state, progress.why)
        if word not in said:
            said.add(word)
            print(word, flush=True)
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
