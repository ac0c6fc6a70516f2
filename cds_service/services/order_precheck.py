"""order-precheck (order-select): one short card about the selected drafts while they are still being written."""

from __future__ import annotations

from cds_service.rules.catalogue import Severity
from cds_service.services import gaps, layout, templates
from cds_service.services.assessed import Assessed
from cds_service.services.chart import Charts
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Showing


class OrderPrecheck:
    """Only what would be a warning or worse at signing, only for the selected orders, at most one card; where there is
    nothing of that kind, what could not be checked."""

    id = "order-precheck"
    hook = "order-select"
    title = "Order pre-check"
    description = (
        "A first look at selected orders: conflicts with allergies, kidney function, pregnancy and current medication."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing, assessed: Assessed | None = None) -> None:
        self._charts = charts
        self._showing = showing
        self._assessed = assessed
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """Drafts are expected to be incomplete here: what cannot be checked yet is left to order-sign."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        if self._assessed is not None:
            self._assessed.warm_orders(call, chart)
        relevant = [
            finding
            for finding in chart.order_findings
            if finding.severity is not Severity.INFO and (finding.order is None or finding.order.selected)
        ]
        shown = await self._showing.choose(call, relevant)
        sheet = self._showing.sheet(self.id, call)
        gap = gaps.card(self.title, chart.record, self.prefetch, gaps.needed(chart.record), sheet)
        found = layout.one_or_merged(shown.findings, sheet) if shown.findings else gap
        return shown.answer([found] if found else [], chart)
