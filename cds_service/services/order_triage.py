"""order-triage (order-sign): safety findings per draft order, and a priority no lower than the findings ask for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from cds_service.hooks.protocol import Coding
from cds_service.rules.catalogue import Finding
from cds_service.rules.evaluate import switched_on
from cds_service.services import assessed, cited, gaps, layout, options, priority, templates
from cds_service.services.assessed import Assessed, Opinion
from cds_service.services.chart import Chart, Charts
from cds_service.services.raising import Suggested, suggest
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Showing

DUPLICATE = "duplicate-imaging"  # the logic whose rules find that a study was done or ordered already
OPTIONS = Coding(code="orderoptions", system=layout.RULE_SYSTEM, display="Options beside an order")


class OrderTriage:
    """Conflicts of the drafts with the record, each with its facts, and what could not be checked; else no cards.

    With a model its category may raise a suggestion above the rules' floor, and its options have a card of their own.
    """

    id = "order-triage"
    hook = "order-sign"
    title = "Order safety and triage"
    description = (
        "Checks draft orders against allergies, kidney function, pregnancy, current medication and earlier imaging, "
        "and suggests a higher priority where critical findings ask for it. It never lowers one."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing, assessed: Assessed | None = None) -> None:
        self._charts = charts
        self._showing = showing
        self._assessed = assessed
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """Order findings as cards; all priority suggestions share one, all options another that gives way first."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, chart.order_findings)
        sheet = self._showing.sheet(self.id, call)
        opinions = await self._assessed.orders(call, chart) if self._assessed else []
        shown_by_model = filter(None, (assessed.usable(each) for opinion in opinions for each in opinion.outcomes))
        ids = {i for checked in shown_by_model for i in checked.facts}
        facts = cited.facts_of(chart.record, ids) if ids else {}
        suggested = priority.card(self._priorities(chart, shown.findings, sheet, opinions), sheet, facts)
        optional = _options(opinions, sheet, facts)
        gap = gaps.card(self.title, chart.record, self.prefetch, gaps.needed(chart.record), sheet)
        laid = layout.arrange(shown.findings, [each for each in (suggested, gap) if each], sheet, optional)
        outcomes = [outcome for opinion in opinions for outcome in opinion.outcomes]
        answer = shown.answer(laid, chart)
        notes = (*assessed.notes(outcomes), *layout.given_way(optional, laid))
        return replace(answer, notes=(*answer.notes, *notes)) if notes else answer

    def _priorities(
        self, chart: Chart, shown: Sequence[Finding], sheet: layout.Sheet, opinions: Sequence[Opinion]
    ) -> list[Suggested]:
        """Findings about the patient are not shown on order-sign; they feed the floor.

        An order that is ``shown`` to repeat an earlier study is not made more urgent: one click would order it again.
        """
        if "ServiceRequest" not in (sheet.profile.suggestion_types or ("ServiceRequest",)):
            return []
        supporting = switched_on(chart.findings)
        labels = self._assessed is not None and self._assessed.labels
        said = {id(opinion.order): opinion for opinion in opinions}
        repeats = {id(found.order) for found in shown if any(part.rule.function == DUPLICATE for part in found.parts)}
        found = [
            suggest(chart.pack, supporting, order, said.get(id(order)), labels=labels)
            for order in chart.record.orders
            if order.resource_type == "ServiceRequest" and not order.do_not_perform and id(order) not in repeats
        ]
        return [each for each in found if each is not None]


def _options(opinions: Sequence[Opinion], sheet: layout.Sheet, facts: cited.Facts) -> list[layout.Laid]:
    found = [(opinion.order.label, assessed.usable(opinion.review)) for opinion in opinions]
    card = options.card(OPTIONS, [options.Options(about, made) for about, made in found if made], sheet, facts)
    return [card] if card else []
