"""Assessments on cards: how a service asks for one, and how a checked result, or its absence, is worded. Only by template."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

from cds_service.assessments.task import Subject
from cds_service.assessments.texts import Outcome, Texts, Wanted
from cds_service.models.summarise import Summary
from cds_service.record.salience import Selection
from cds_service.services.chart import Chart
from cds_service.services.service import Call
from cds_service.services.showing import switched_on

SUMMARY = "record-summary"
DRAFTED = "AI-drafted, verify"


class Assessed:
    """What a service needs of the assessments for one call."""

    def __init__(self, texts: Texts, zone: ZoneInfo) -> None:
        self._texts = texts
        self._zone = zone

    async def summary(self, service: str, call: Call, chart: Chart, selection: Selection) -> Outcome:
        """The record summary by the model, ready, pending or failed before the deadline of the call."""
        return await self._texts.get(self._wanted(service, SUMMARY, call, chart, selection))

    def _wanted(self, service: str, task: str, call: Call, chart: Chart, selection: Selection) -> Wanted:
        return Wanted(
            tenant=call.tenant or call.client,
            service=service,
            task=task,
            subject=Subject(
                record=chart.record, selection=selection, findings=switched_on(chart.findings), zone=self._zone
            ),
            pack=chart.pack,
            deadline=call.deadline,
        )


def as_summary(outcome: Outcome, selection: Selection) -> Summary | None:
    """The model's statements in the place of the extractive ones; None where nothing of them may be shown."""
    checked = outcome.checked
    if checked is None or not outcome.shown or checked.discarded or not checked.statements:
        return None
    return Summary(
        statements=checked.statements,
        dropped=Counter(checked.dropped),
        prompt=checked.prompt,
        engine=checked.identity.label,
        label=f"{DRAFTED} · {checked.identity.label} · {checked.prompt.partition(' ')[0]}",
        facts=selection.facts,
    )


def remark(outcome: Outcome, *, pending: bool) -> str:
    """What a card says of a result that is not there; '' where it need say nothing. ``pending``: the client may be told."""
    if not outcome.shown:
        return ""
    if outcome.state == "pending":
        return "An AI-drafted summary is being prepared; opening the chart again shows it." if pending else ""
    if outcome.state == "failed":
        return f"An AI-drafted summary could not be prepared: {outcome.why}."
    if outcome.checked is not None and outcome.checked.discarded:
        return "An AI-drafted summary was made and discarded: it did not agree with the record."
    return ""


def notes(outcome: Outcome) -> tuple[str, ...]:
    """For the audit line: how it stands, which prompt and engine, and that it was not shown. No PHI."""
    said = [f"assessment {outcome.state}"] if outcome.state != "off" else []
    if outcome.checked is not None:
        said += [outcome.checked.prompt.partition(" ")[0], outcome.checked.prompt.partition(" ")[2]]
        if not outcome.shown:
            said.append("assessment in shadow")
        if outcome.checked.discarded:
            said.append("assessment discarded")
    return tuple(filter(None, said))
