"""encounter-brief (encounter-start): the critical findings and what must be kept in mind, as one card."""

from __future__ import annotations

from cds_service.rules.catalogue import Severity
from cds_service.services import gaps, layout, templates
from cds_service.services.assessed import Assessed
from cds_service.services.chart import Charts
from cds_service.services.patient_summary import PatientSummary
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Showing

# Where what must be mentioned stands.
MENTIONED_FROM = frozenset({"AllergyIntolerance", "Condition", "MedicationRequest", "Observation"})


class EncounterBrief:
    """The must-mention set alone; the full summary belongs to patient-view.

    With a model it asks for what patient-view will ask for and has the summary made: the same record, the same question.
    """

    id = "encounter-brief"
    hook = "encounter-start"
    title = "Encounter brief"
    description = (
        "At the start of an encounter: critical values, severe allergies, anticoagulants, pregnancy, code status, "
        "recent discharge."
    )

    def __init__(self, charts: Charts, showing: Showing, assessed: Assessed | None = None) -> None:
        self._charts = charts
        self._showing = showing
        self._assessed = assessed
        asks_like = PatientSummary.id if assessed is not None else self.id
        self.prefetch = templates.prefetch(asks_like)
        self._expected = templates.expected(asks_like)

    async def answer(self, call: Call) -> Answer:
        """One card of findings, and one of what could not be seen; none where all was seen and nothing must be said."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        if self._assessed is not None:
            self._assessed.warm_chart(call, chart)
        relevant = [f for f in chart.findings if f.rule.must_mention or f.severity is Severity.CRITICAL]
        shown = await self._showing.choose(call, relevant)
        sheet = self._showing.sheet(self.id, call)
        found = layout.one_or_merged(shown.findings, sheet) if shown.findings else None
        gap = gaps.card(self.title, chart.record, self.prefetch, MENTIONED_FROM, sheet)
        return shown.answer([each for each in (found, gap) if each], chart)
