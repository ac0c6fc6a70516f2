"""imaging-read (patient-view): says at once whether the newest imaging studies were read. Only where imaging is on."""

from __future__ import annotations

from uuid import uuid4

from cds_service.hooks.markdown import escape
from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.record import wording
from cds_service.services import layout, templates
from cds_service.services.chart import Charts
from cds_service.services.service import Answer, Call, IssuedCard
from cds_service.services.showing import Showing
from cds_service.settings import Settings

SHOWN = 3


class ImagingRead:
    """Lists the newest studies and says truthfully whether anything has read them."""

    id = "imaging-read"
    hook = "patient-view"
    title = "Imaging read"
    description = (
        "The state of a draft read of the patient's newest imaging study. Image interpretation is investigational, "
        "not for diagnostic use, and never replaces a radiologist's report."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing, settings: Settings) -> None:
        self._charts = charts
        self._showing = showing
        self._engine = settings.image_engine
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """No study, no card; a study without an image model is said to be unread."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, [])
        studies = chart.record.imaging[:SHOWN]
        if not studies:
            return shown.answer([], chart)
        sheet = self._showing.sheet(self.id, call)
        uuid = str(uuid4())
        lines = "\n".join(f"- {escape(wording.line(study, sheet.zone))}" for study in studies)
        card = Card(
            uuid=uuid,
            summary=layout.fit(
                f"Imaging not read by a model: no image model is configured ({studies[0].label})",
                sheet.profile.summary_length,
            ),
            indicator="info",
            source=Source(
                label="MedGemma CDS imaging",
                topic=Coding(code="imagingread", system=layout.RULE_SYSTEM, display="Draft read of an imaging study"),
            ),
            detail="No image model is configured: nothing was read, nothing is implied about these studies.\n\n"
            + lines,
        )
        return shown.answer([layout.Laid(card, IssuedCard(uuid=uuid, service=self.id))], chart)
