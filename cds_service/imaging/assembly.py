"""The parts of imaging put together for an application that has an image engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from cds_service.drafts.drafts import Drafts
from cds_service.imaging import catalogue
from cds_service.imaging.reading import Reader
from cds_service.imaging.viewer import Viewer
from cds_service.imaging.work import ReadWork
from cds_service.models.engine import Engine
from cds_service.models.prompting import Prompts


def marked_as_test(model: str) -> bool:
    """Whether the checkpoint in this folder says ``"test_weights": true`` in its config.json. Model ids of a hub never do."""
    config = Path(model) / "config.json"
    if not config.is_file():
        return False
    try:
        found = msgspec.json.decode(config.read_bytes(), type=dict[str, object])
    except msgspec.DecodeError:
        return False  # the engine itself will refuse it, with the reason
    return found.get("test_weights") is True


def work_of(
    viewer: Viewer,
    prompts: Prompts,
    engine: Engine,
    drafts: Drafts,
    *,
    model: str,
    security: Callable[[str], None],
    count: Callable[[str, int], None],
) -> tuple[Reader, ReadWork]:
    """The reader and the work of the job kind ``image``."""
    reader, test = Reader(prompts, catalogue.load()), marked_as_test(model)
    work = ReadWork(viewer, reader, engine, drafts, security=security, count=count, test_weights=lambda: test)
    return reader, work
