"""What the trace of an image read says: kind, counts, whether it was refused; no patient, no study, no word of the model."""

from __future__ import annotations

import msgspec
from opentelemetry.sdk.trace import ReadableSpan

from cds_service.imaging import catalogue
from cds_service.imaging.reading import Reader
from cds_service.imaging.work import ReadWork
from cds_service.models.prompting import templates
from cds_service.models.wrappers.traced import Traced
from fhir_adapters.dicom.description import Identity
from tests.imaging.image_engines import ScriptedEngine, by_finding
from tests.imaging.pictures import chest
from tests.imaging.test_read_work import HIS, RIGHT, WANTED, Archive, Kept
from tests.test_tracing import Traces, traces

__all__ = ["traces"]


async def test_a_read_is_a_span_with_every_question_below_it(traces: Traces) -> None:
    engine = ScriptedEngine(by_finding({"consolidation": RIGHT}), lambda _: 0.97)
    spans = await spans_of(traces, HIS, engine)
    read = spans["image read"]
    said = dict(read.attributes or {})
    assert said["cds.image.modality"] == "DX"
    assert said["cds.images"] == 1
    assert said["cds.rules.findings"] > 3
    assert said["cds.image.refused"] is False
    below = [span for span in traces.memory.get_finished_spans() if span.parent == read.context]
    assert len(below) == len(engine.asked)
    prompts = {(span.attributes or {})["gen_ai.prompt.name"] for span in below}
    assert prompts >= {"image-report@1", "image-classification@1"}
    assert {(span.attributes or {})["cds.images"] for span in below} == {1}
    words = (WANTED.study_uid, WANTED.patient, "19680203", "right lower zone")
    told = str([(span.name, dict(span.attributes or {})) for span in traces.memory.get_finished_spans()])
    assert not [word for word in words if word in told]


async def test_a_read_that_is_refused_says_so_without_saying_why(traces: Traces) -> None:
    somebody_else = Identity(birth_date="19990101", sex="M")
    spans = await spans_of(traces, somebody_else, ScriptedEngine(by_finding({})))
    assert (spans["image read"].attributes or {})["cds.image.refused"] is True
    assert set(spans) == {"image read"}
    assert "another patient" not in spans["image read"].to_json()


async def spans_of(traces: Traces, of: Identity, engine: ScriptedEngine) -> dict[str, ReadableSpan]:
    """The spans of one read, by name."""
    work = ReadWork(
        Archive(chest(), of),
        Reader(templates.load(), catalogue.load()),
        Traced(engine, traces.tracing),
        Kept(),
        security=lambda _: None,
        tracing=traces.tracing,
    )
    await work("k", msgspec.json.encode(WANTED))
    return await traces.ended()
