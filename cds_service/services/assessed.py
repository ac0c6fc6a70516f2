"""Assessments on cards: how a service asks for them, and how a checked result, or its absence, is worded. Only by template."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.texts import Outcome, Texts, Wanted
from cds_service.models.summarise import Summary
from cds_service.record.facts import Order
from cds_service.record.salience import Selection, rank
from cds_service.services.chart import Chart
from cds_service.services.service import Call
from cds_service.services.showing import switched_on

SUMMARY, CONSIDERATIONS = "record-summary", "considerations"
TRIAGE, LABEL, REVIEW = "triage", "triage-label", "order-review"
DRAFTED = "AI-drafted, verify"
BUDGET = 24  # facts offered to the engine
MOST_ORDERS = 6  # drafts of one call that are put to the model; an order set may hold dozens


class Opinion(Struct, frozen=True, kw_only=True):
    """What the model made of one draft, each part ready, pending, failed or off."""

    order: Order
    triage: Outcome | None = None  # None: not a kind of order that has a priority to raise
    label: Outcome | None = None
    review: Outcome

    @property
    def outcomes(self) -> Iterator[Outcome]:
        """Those that were asked for."""
        yield from filter(None, (self.triage, self.label, self.review))


class Assessed:
    """What a service needs of the assessments for one call. ``labels``: provisional labels may be shown."""

    def __init__(self, texts: Texts, zone: ZoneInfo, *, labels: bool = False) -> None:
        self._texts = texts
        self._zone = zone
        self.labels = labels

    async def chart(self, call: Call, chart: Chart, selection: Selection) -> tuple[Outcome, Outcome]:
        """The record summary and the considerations, each ready, pending or failed before the deadline of the call."""
        lines: dict[int, str] = {}
        wanted = [self._wanted(task, call, chart, selection, lines) for task in (SUMMARY, CONSIDERATIONS)]
        summary, considerations = await asyncio.gather(*(self._texts.get(each) for each in wanted))
        return summary, considerations

    async def orders(self, call: Call, chart: Chart) -> list[Opinion]:
        """What the model made of each draft before the deadline of the call."""
        drafts = _drafts(chart)
        tasks = [(order, task) for order in drafts for task in tasks_of(order)]
        selection = rank(chart.record, BUDGET) if drafts else Selection([])
        lines: dict[int, str] = {}
        wanted = [self._wanted(task, call, chart, selection, lines, order) for order, task in tasks]
        outcomes = await asyncio.gather(*(self._texts.get(each) for each in wanted))
        found = {(id(order), task): outcome for (order, task), outcome in zip(tasks, outcomes, strict=True)}
        return [
            Opinion(
                order=order,
                triage=found.get((id(order), TRIAGE)),
                label=found.get((id(order), LABEL)),
                review=found[id(order), REVIEW],
            )
            for order in drafts
        ]

    def warm_orders(self, call: Call, chart: Chart) -> None:
        """Have made what signing these drafts will ask for; returns at once."""
        selection = rank(chart.record, BUDGET)
        lines: dict[int, str] = {}
        for order in _drafts(chart):
            for task in tasks_of(order):
                self._texts.warm(self._wanted(task, call, chart, selection, lines, order))

    def _wanted(
        self,
        task: str,
        call: Call,
        chart: Chart,
        selection: Selection,
        lines: dict[int, str],
        order: Order | None = None,
    ) -> Wanted:
        return Wanted(
            tenant=call.tenant or call.client,
            task=task,
            subject=Subject(
                record=chart.record,
                selection=selection,
                findings=switched_on(chart.findings),
                zone=self._zone,
                order=order,
                lines=lines,
            ),
            pack=chart.pack,
            deadline=call.deadline,
            wait=task in (SUMMARY, TRIAGE) or (task == LABEL and self.labels),
        )


def tasks_of(order: Order) -> tuple[str, ...]:
    """Only a ServiceRequest has a category to raise; any draft can be reviewed."""
    return (TRIAGE, LABEL, REVIEW) if order.resource_type == "ServiceRequest" else (REVIEW,)


def _drafts(chart: Chart) -> list[Order]:
    """Those the model is asked about; no order of a dead person is urgent."""
    if chart.record.person.deceased:
        return []
    return [order for order in chart.record.orders if not order.do_not_perform][:MOST_ORDERS]


def usable(outcome: Outcome | None) -> Checked | None:
    """The result if it is there and may be shown."""
    if outcome is None or not outcome.shown or outcome.checked is None or outcome.checked.discarded:
        return None
    return outcome.checked


def label(checked: Checked) -> str:
    """'AI-drafted, verify · openai medgemma @ 1 · triage@1': model, version and prompt."""
    return f"{DRAFTED} · {checked.identity.label} · {checked.prompt.partition(' ')[0]}"


def as_summary(outcome: Outcome, selection: Selection) -> Summary | None:
    """The model's statements in the place of the extractive ones; None where nothing of them may be shown."""
    checked = usable(outcome)
    if checked is None or not checked.statements:
        return None
    return Summary(
        statements=checked.statements,
        dropped=Counter(checked.dropped),
        prompt=checked.prompt,
        engine=checked.identity.label,
        label=label(checked),
        facts=selection.facts,
    )


def remark(outcome: Outcome, *, pending: bool) -> str:
    """What a card says of a summary that is not there; '' where it need say nothing. ``pending``: the client may be told."""
    if not outcome.shown:
        return ""
    if outcome.state == "pending":
        return "An AI-drafted summary is being prepared; opening the chart again shows it." if pending else ""
    if outcome.state == "failed":
        return f"An AI-drafted summary could not be prepared: {outcome.why}."
    if outcome.checked is not None and outcome.checked.discarded:
        return "An AI-drafted summary was made and discarded: it did not agree with the record."
    if outcome.checked is not None and not outcome.checked.statements:
        return "An AI-drafted summary was made and held nothing that can be shown."
    return ""


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """For the metrics: statements that did not stand up to the record, by reason."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.checked is not None:
            total.update(outcome.checked.dropped)
    return {f"statements_dropped:{reason}": count for reason, count in total.items()}


def notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """For the audit line, each once: how they stand, which prompt and engine, what was dropped and why. No PHI."""
    said = [note for outcome in outcomes if outcome.state != "off" for note in _notes(outcome)]
    return tuple(dict.fromkeys(said))


def _notes(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.task} {outcome.state}" + (f": {outcome.why}" if outcome.why else "")
    checked = outcome.checked
    if checked is None:
        return
    yield from checked.prompt.split(" ")  # the audit line keeps names and versions of one word, and plain sentences
    yield checked.identity.label.replace(" ", ":")
    for reason, count in checked.dropped.items():
        yield f"{outcome.task}:dropped={count}"
        yield f"{outcome.task} dropped: {reason}"
    if not outcome.shown:
        yield f"{outcome.task} in shadow"
    if checked.discarded:
        yield f"{outcome.task} discarded"
    if checked.category:
        yield f"{outcome.task} says {checked.category}"
