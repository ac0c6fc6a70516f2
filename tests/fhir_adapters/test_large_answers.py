"""Large bodies are read beside the event loop, by few threads: each more would keep every deadline waiting longer."""

from __future__ import annotations

import asyncio
import json
import threading

from fhir_adapters import answers
from fhir_adapters.server import Reply

BODY = json.dumps(
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Observation", "id": "o" * 60}}] * 4000}
)


async def test_however_many_large_answers_come_at_once_few_threads_read_them() -> None:
    reply = Reply(200, {}, BODY.encode(), "https://ehr.example.org/fhir/Observation")
    assert len(reply.body) > answers.LARGE_BYTES
    pages = await asyncio.gather(*(answers.unpack(reply, "GET Observation") for _ in range(8)))
    assert [len(page.views) for page in pages] == [4000] * 8
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("fhir-reader")]
    assert 0 < len(readers) <= answers.READERS
