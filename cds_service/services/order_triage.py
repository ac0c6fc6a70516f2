"""order-triage (order-sign): safety findings per draft order, and a priority no lower than the findings ask for."""

from __future__ import annotations

from cds_service.rules.triage import urgency_floor
from cds_service.services import layout, priority, templates
from cds_service.services.chart import Chart, Charts
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Showing, switched_on


class OrderTriage:
    """Conflicts of the drafts with the record, each with its facts; nothing to say means no cards."""

    id = "order-triage"
    hook = "order-sign"
    title = "Order safety and triage"
    description = (
        "Checks draft orders against allergies, kidney function, pregnancy, current medication and earlier imaging, "
        "and suggests a higher priority where critical findings ask for it. It never lowers one."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing) -> None:
        self._charts = charts
        self._showing = showing
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """Order findings as cards; all priority suggestions share one."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, chart.order_findings)
        sheet = self._showing.sheet(self.id, call)
        suggested = self._priority(chart, sheet)
        laid = layout.arrange(shown.findings, [suggested] if suggested else [], sheet)
        return shown.answer(laid, chart)

    def _priority(self, chart: Chart, sheet: layout.Sheet) -> layout.Laid | None:
        """Findings about the patient are not shown on order-sign; they feed the floor."""
        supporting = switched_on(chart.findings)
        floors = []
        for order in chart.record.orders:
            if order.resource_type != "ServiceRequest" or order.do_not_perform:
                continue
            floor = urgency_floor(chart.pack, supporting, order)
            if floor.priority and "ServiceRequest" in (sheet.profile.suggestion_types or ("ServiceRequest",)):
                floors.append((order, floor.priority, floor.urgency, floor.findings))
        return priority.card(floors, sheet)
