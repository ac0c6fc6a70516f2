"""patient-summary (patient-view): what matters now, what changed, what could not be seen. At most three cards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from cds_service.assessments.texts import Outcome
from cds_service.grounding.statement import Statement
from cds_service.hooks.markdown import escape
from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.models.extractive import LABEL as COMPOSED
from cds_service.models.summarise import WITHHELD, Summariser, Summary
from cds_service.randomness import uuid4
from cds_service.record import salience, wording
from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity
from cds_service.services import assessed, cited, layout, newer, noted, options, templates
from cds_service.services.assessed import BUDGET, Assessed
from cds_service.services.chart import Chart, Charts
from cds_service.services.not_seen import lacking, not_seen
from cds_service.services.service import Answer, Call, IssuedCard
from cds_service.services.showing import Showing

CITED = 8  # facts printed beside a remark
ROOM_FOR_COUNT = 10  # of a headline: ' +12 more'
CONSIDERATIONS = Coding(code="considerations", system=layout.RULE_SYSTEM, display="What could be considered")


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

    def __init__(
        self, charts: Charts, showing: Showing, summariser: Summariser, assessed: Assessed | None = None
    ) -> None:
        self._charts = charts
        self._showing = showing
        self._summariser = summariser
        self._assessed = assessed
        self._expected = templates.expected(self.id)

    async def answer(self, call: Call) -> Answer:
        """Findings first; the summary card always keeps its place."""
        chart = await self._charts.open(call, self.prefetch, self._expected)
        shown = await self._showing.choose(call, chart.findings)
        sheet = self._showing.sheet(self.id, call)
        selection = salience.rank(chart.record, BUDGET)
        outcomes = await self._assessed.chart(call, chart, selection) if self._assessed else ()
        summary, said = self._summary(outcomes[0] if outcomes else None, chart, selection, sheet)
        alerts = [f for f in shown.findings if f.severity is not Severity.INFO]
        remarks = [f for f in shown.findings if f.severity is Severity.INFO]
        fixed = _summary_card(summary, remarks, chart.record, sheet, said, left_out(selection, summary))
        if fixed and said and outcomes and self._assessed and (links := self._assessed.links(outcomes[0])):
            fixed = layout.Laid(replace(fixed.card, links=links), fixed.issued)
        optional = _considerations(outcomes[1], chart.record, sheet) if outcomes else []
        laid = layout.arrange(alerts, [fixed] if fixed else [], sheet, optional)
        answer = shown.answer(laid, chart, _counts(summary))
        notes = (*assessed.notes(outcomes), *layout.given_way(optional, laid))
        return replace(answer, notes=(*answer.notes, *notes)) if notes else answer

    def _summary(
        self, outcome: Outcome | None, chart: Chart, selection: salience.Selection, sheet: layout.Sheet
    ) -> tuple[Summary, str]:
        """The model's summary where it is ready and stood up to the record, else the extractive one and why."""
        made = assessed.as_summary(outcome, selection) if outcome else None
        said = assessed.remark(outcome, pending=sheet.profile.pending_card) if outcome else ""
        return made or self._summariser.summarise(chart.record, selection, sheet.zone), said


def _counts(summary: Summary) -> dict[str, int]:
    """For the metrics: what was left out of a summary composed in this call. A model's is counted when it is made."""
    if summary.label != COMPOSED:
        return {}
    return {f"statements_dropped:{reason}": n for reason, n in summary.dropped.items()}


def _considerations(outcome: Outcome, record: Record, sheet: layout.Sheet) -> list[layout.Laid]:
    """Options about the patient, where they are there; they wait for a later opening of the chart otherwise."""
    checked = assessed.usable(outcome)
    if checked is None:
        return []
    card = options.card(CONSIDERATIONS, [options.Options("", checked)], sheet, cited.facts_of(record, checked.facts))
    return [card] if card else []


def _summary_card(
    summary: Summary,
    remarks: Sequence[Finding],
    record: Record,
    sheet: layout.Sheet,
    said: str = "",
    unsaid: str = "",
) -> layout.Laid | None:
    """The info card; None when there is nothing to say and nothing that could not be seen."""
    facts = {fact.id: fact for fact in summary.facts}
    statements = newer.said(summary.statements, facts, record, sheet.zone)
    gaps = not_seen(record)
    if withheld := summary.dropped[WITHHELD]:
        gaps.append(f"{withheld} {'entry was' if withheld == 1 else 'entries were'} left out: {WITHHELD}")
    if said:
        gaps.append(said)
    if not (statements or remarks or gaps):
        return None
    used = [facts[i] for each in statements for i in each.fact_ids if i in facts]
    if with_note := noted.line([*used, *(fact for remark in remarks for fact in remark.facts)]):
        gaps.append(with_note)
    parts = []
    if remarks:
        parts.append("**To keep in mind**\n\n" + "\n".join(f"- {_remark(f, sheet)}" for f in remarks))
    if statements:
        lines = [f"- {cited.statement(each, facts)}" for each in statements]
        parts.append(f"**From the record** ({escape(summary.label)})\n\n" + "\n".join(lines))
        parts += [escape(unsaid)] if unsaid else []
    if gaps:
        parts.append("**Not seen or not usable**\n\n" + "\n".join(f"- {escape(line)}" for line in gaps))
    uuid = uuid4()
    card = Card(
        summary=_headline(statements, remarks, gaps, lacking(record), sheet.profile.summary_length),
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


def left_out(selection: salience.Selection, summary: Summary) -> str:
    """'24 of the 61 facts read are stated; left out: laboratory results (12), …'; '' when every fact is stated."""
    stated = {fact_id for statement in summary.statements for fact_id in statement.fact_ids}
    unsaid: defaultdict[str, int] = defaultdict(int, selection.left_out)
    for fact in selection.facts:
        if fact.id not in stated:
            unsaid[salience.kind_of(fact)] += 1
    missing = sum(unsaid.values())
    if not missing:
        return ""
    whole = len(selection.facts) + selection.left_out.total()
    kinds = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(unsaid.items(), key=lambda kind: -kind[1]) if n)
    return f"{whole - missing:,} of the {whole:,} facts read are stated; left out: {kinds}."


def _remark(finding: Finding, sheet: layout.Sheet) -> str:
    lines = [wording.line(fact, sheet.zone) for fact in finding.facts[:CITED]]
    printed = "; ".join(filter(None, (*lines, newer.line(finding.unusable, sheet.zone).rstrip("."))))
    missing = f". Not recorded: {', '.join(finding.missing)}." if finding.missing else ""
    source = f"— rule {finding.rule.id} {finding.rule.version}"
    summary = finding.summary.rstrip(".") if missing else finding.summary
    return escape(f"{summary}{missing}") + (f" *({escape(printed)})*" if printed else "") + f" {escape(source)}"


def _headline(
    statements: Sequence[Statement], remarks: Sequence[Finding], gaps: Sequence[str], unseen: Sequence[str], limit: int
) -> str:
    """What findings come from and was not had stands first: whoever reads no further must not take it for looked at."""
    first = f"Not seen: {', '.join(unseen)}. " if unseen else ""
    if remarks:
        return layout.fit_list([f.summary.rstrip(".") for f in remarks], limit, first)
    if not statements:
        return layout.fit_list(gaps, limit, "Parts of the record could not be seen: ")
    said = [statement.text for statement in statements]
    head = f"{first}From the record: "
    if len(said) == 1 or len(head) + len(said[0]) + ROOM_FOR_COUNT <= limit:
        return layout.fit_list(said, limit, head, " ")
    return layout.fit_list([*said[0].rstrip(".").split("; "), *said[1:]], limit, head)
