"""patient-summary (patient-view): what matters now, what changed, what could not be seen. At most three cards."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from cds_service.hooks.markdown import escape
from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.models.summarise import Summariser, Summary
from cds_service.record import salience, wording
from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity
from cds_service.services import layout, templates
from cds_service.services.chart import Charts
from cds_service.services.not_seen import not_seen
from cds_service.services.service import Answer, Call, IssuedCard
from cds_service.services.showing import Showing

BUDGET = 24  # facts offered to the engine


class PatientSummary:
    """Critical and urgent findings by template; the rest of the record as checked statements, each with its facts."""

    id = "patient-summary"
    hook = "patient-view"
    title = "Patient summary"
    description = (
        "What matters now in this record: critical values, scores and risks computed by sourced rules, what changed, "
        "and what could not be seen. Every line carries its value, unit, date and resource."
    )
    prefetch = templates.prefetch(id)

    def __init__(self, charts: Charts, showing: Showing, summariser: Summariser) -> None:
        self._charts = charts
        self._showing = showing
        self._summariser = summariser
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """Findings first; the summary card always keeps its place."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, chart.findings)
        sheet = self._showing.sheet(self.id, call)
        summary = self._summariser.summarise(chart.record, salience.rank(chart.record, BUDGET), sheet.zone)
        alerts = [f for f in shown.findings if f.severity is not Severity.INFO]
        remarks = [f for f in shown.findings if f.severity is Severity.INFO]
        fixed = _summary_card(summary, remarks, chart.record, sheet)
        laid = layout.arrange(alerts, [fixed] if fixed else [], sheet)
        return shown.answer(laid, chart, {"statements_dropped": sum(summary.dropped.values())})


def _summary_card(
    summary: Summary, remarks: Sequence[Finding], record: Record, sheet: layout.Sheet
) -> layout.Laid | None:
    """The info card; None when there is nothing to say and nothing that could not be seen."""
    gaps = not_seen(record)
    if not (summary.statements or remarks or gaps):
        return None
    facts = {fact.id: fact for fact in summary.facts}
    parts = []
    if remarks:
        parts.append("**To keep in mind**\n\n" + "\n".join(f"- {_remark(f, sheet)}" for f in remarks))
    if summary.statements:
        lines = [
            f"- {escape(s.text)} *({escape(', '.join(facts[i].reference for i in s.fact_ids if i in facts))})*"
            for s in summary.statements
        ]
        parts.append(f"**From the record** ({escape(summary.label)})\n\n" + "\n".join(lines))
    if gaps:
        parts.append("**Not seen or not usable**\n\n" + "\n".join(f"- {escape(line)}" for line in gaps))
    uuid = str(uuid4())
    headline = _headline(summary, remarks, gaps)
    card = Card(
        summary=layout.fit(headline, sheet.profile.summary_length),
        indicator="info",
        source=Source(
            label=f"MedGemma CDS: {summary.label}",
            topic=Coding(code="recordsummary", system=layout.RULE_SYSTEM, display="Summary of the record"),
        ),
        uuid=uuid,
        detail="\n\n".join(parts),
    )
    return layout.Laid(
        card,
        IssuedCard(
            uuid=uuid,
            service=sheet.service,
            rules=tuple(f"{f.rule.id}@{f.rule.version}" for f in remarks),
            prompt=summary.prompt,
            engine=summary.engine,
        ),
    )


def _remark(finding: Finding, sheet: layout.Sheet) -> str:
    cited = "; ".join(wording.line(fact, sheet.zone) for fact in finding.facts[:3])
    missing = f" Not recorded: {', '.join(finding.missing)}." if finding.missing else ""
    source = f" — rule {finding.rule.id} {finding.rule.version}"
    return escape(f"{finding.summary}{missing}") + (f" *({escape(cited)})*" if cited else "") + escape(source)


def _headline(summary: Summary, remarks: Sequence[Finding], gaps: Sequence[str]) -> str:
    if remarks:
        return "; ".join(f.summary.rstrip(".") for f in remarks)
    if summary.statements:
        return summary.statements[0].text
    return "Parts of the record could not be seen: " + "; ".join(gaps)
