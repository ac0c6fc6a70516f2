"""The parts of imaging put together for an application that has an image engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.drafts.drafts import Drafts
from cds_service.imaging import catalogue
from cds_service.imaging.archives import Archives
from cds_service.imaging.reading import Reader
from cds_service.imaging.viewer import Viewer
from cds_service.imaging.work import ReadWork
from cds_service.models.engine import Engine
from cds_service.models.prompting.templates import Prompts
from cds_service.tracing import OFF, Tracing


def work_of(
    viewer: Viewer,
    prompts: Prompts,
    engine: Engine,
    drafts: Drafts,
    *,
    security: Callable[[str], None],
    count: Callable[[str, int], None],
    tracing: Tracing = OFF,
    issuers: Mapping[str, str] | None = None,
    archives: Archives | None = None,
    off: Callable[[], bool] = lambda: False,
) -> tuple[Reader, ReadWork]:
    """The reader and the work of the job kind ``image``."""
    reader = Reader(prompts, catalogue.load())
    return reader, ReadWork(
        viewer,
        reader,
        engine,
        drafts,
        security=security,
        count=count,
        tracing=tracing,
        issuers=issuers,
        archives=archives,
        off=off,
    )
