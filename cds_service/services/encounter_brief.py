"""encounter-brief (encounter-start): the critical findings and what must be kept in mind, as one card."""

from __future__ import annotations

from cds_service.rules.catalogue import Severity
from cds_service.services import layout, templates
from cds_service.services.chart import Charts
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Showing


class EncounterBrief:
    """The must-mention set alone; the full summary belongs to patient-view."""

    id = "encounter-brief"
    hook = "encounter-start"
    title = "Encounter brief"
    description = (
        "At the start of an encounter: critical values, severe allergies, anticoagulants, pregnancy, code status, "
        "recent discharge."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing) -> None:
        self._charts = charts
        self._showing = showing
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """One card, or none where nothing must be mentioned."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        relevant = [f for f in chart.findings if f.rule.must_mention or f.severity is Severity.CRITICAL]
        shown = await self._showing.choose(call, relevant)
        sheet = self._showing.sheet(self.id, call)
        laid = [layout.one_or_merged(shown.findings, sheet)] if shown.findings else []
        return shown.answer(laid, chart)
