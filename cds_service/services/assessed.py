"""Assessments on cards: how a service asks for them, and how a checked result, or its absence, is worded. Only by template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.texts import Outcome, Questions, Texts, Wanted
from cds_service.hooks.protocol import Link
from cds_service.models.faults import in_words
from cds_service.models.summarise import Summary
from cds_service.record.facts import Order
from cds_service.record.salience import Selection, rank
from cds_service.rules.evaluate import switched_on
from cds_service.services.chart import Chart
from cds_service.services.service import Call

SUMMARY, CONSIDERATIONS = "record-summary", "considerations"
TRIAGE, LABEL, REVIEW = "triage", "triage-label", "order-review"
DRAFTED = "AI-drafted, verify"
BUDGET = 24  # facts offered to the engine
MOST_ORDERS = 6  # drafts of one call that are put to the model; an order set may hold dozens
OFF = Outcome(task="", state="off", shown=False)


class Opinion(Struct, frozen=True, kw_only=True):
    """What the model made of one draft, each part ready, pending, failed, not asked for or off."""

    order: Order
    triage: Outcome | None = None  # None: not a kind of order that has a priority to raise
    label: Outcome | None = None
    review: Outcome

    @property
    def outcomes(self) -> Iterator[Outcome]:
        """Those that were asked for."""
        yield from filter(None, (self.triage, self.label, self.review))


class Assessed:
    """What a service needs of the assessments for one call.

    ``labels``: provisional labels may be shown. ``pages``: address below which each text under way has its page, '' for none.
    """

    def __init__(self, texts: Texts, zone: ZoneInfo, *, labels: bool = False, pages: str = "") -> None:
        self._texts = texts
        self._pages = pages
        self._zone = zone
        self.labels = labels

    async def chart(self, call: Call, chart: Chart, selection: Selection) -> tuple[Outcome, Outcome]:
        """The record summary and the considerations, each ready, pending or failed before the deadline of the call."""
        spared = self._spared(call, chart)
        if spared is not None:
            return spared, spared
        summary, considerations = await self._texts.get(self._about_chart(call, chart, selection))
        return summary, considerations

    async def orders(self, call: Call, chart: Chart) -> list[Opinion]:
        """What the model made of each draft before the deadline of the call."""
        drafts = _drafts(chart)
        tasks = [(order, task) for order in drafts for task in tasks_of(order)]
        spared = self._spared(call, chart)
        if spared is not None or not tasks:
            outcomes = [spared or OFF] * len(tasks)
        else:
            outcomes = await self._texts.get(self._about_orders(call, chart, tasks))
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

    def links(self, outcome: Outcome) -> list[Link]:
        """To the page of a text that is being prepared; the client's profile decides whether a card keeps it."""
        if not (self._pages and outcome.key):
            return []
        return [Link(label="How the AI draft is getting on", url=f"{self._pages}/{outcome.key}", type="absolute")]

    def warm_chart(self, call: Call, chart: Chart) -> None:
        """Have made what opening this chart will ask for; returns at once."""
        if self._spared(call, chart) is None:
            self._texts.warm(self._about_chart(call, chart, rank(chart.record, BUDGET)))

    def warm_orders(self, call: Call, chart: Chart) -> None:
        """Have made what signing these drafts will ask for; returns at once."""
        tasks = [(order, task) for order in _drafts(chart) for task in tasks_of(order)]
        if tasks and self._spared(call, chart) is None:
            self._texts.warm(self._about_orders(call, chart, tasks))

    def _spared(self, call: Call, chart: Chart) -> Outcome | None:
        return self._texts.spared(_tenant(call), chart.record.person.reference)

    def _about_chart(self, call: Call, chart: Chart, selection: Selection) -> Questions:
        subject = self._subject(chart, selection)
        return _questions(
            call,
            chart,
            [Wanted(task=task, subject=subject, wait=task == SUMMARY) for task in (SUMMARY, CONSIDERATIONS)],
        )

    def _about_orders(self, call: Call, chart: Chart, tasks: Sequence[tuple[Order, str]]) -> Questions:
        bare = self._subject(chart, rank(chart.record, BUDGET))
        about = {id(order): replace(bare, order=order) for order, _ in tasks}
        waited_for = (TRIAGE, LABEL) if self.labels else (TRIAGE,)
        return _questions(
            call,
            chart,
            [Wanted(task=task, subject=about[id(order)], wait=task in waited_for) for order, task in tasks],
        )

    def _subject(self, chart: Chart, selection: Selection) -> Subject:
        findings = switched_on(chart.findings)
        return Subject(record=chart.record, selection=selection, findings=findings, zone=self._zone)


def _questions(call: Call, chart: Chart, wanted: Sequence[Wanted]) -> Questions:
    return Questions(tenant=_tenant(call), pack=chart.pack, deadline=call.deadline, wanted=wanted)


def _tenant(call: Call) -> str:
    return call.tenant or call.client


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
    if outcome.state == "unasked":
        return f"No AI-drafted summary was asked for: {outcome.why}."
    if outcome.state == "failed":
        return f"An AI-drafted summary could not be prepared: {in_words(outcome.why)}."
    if outcome.checked is not None and outcome.checked.discarded:
        return "An AI-drafted summary was made and discarded: it did not agree with the record."
    if outcome.checked is not None and not outcome.checked.statements:
        return "An AI-drafted summary was made and held nothing that can be shown."
    return ""


def notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """For the audit line, each once: how they stand, which prompt and engine, what was dropped and why. No PHI."""
    said = [note for outcome in outcomes if outcome.state != "off" for note in _notes(outcome)]
    return tuple(dict.fromkeys(said))


def _notes(outcome: Outcome) -> Iterator[str]:
    """The audit line keeps ids and versions of one word, and plain sentences: what is longer goes in word by word."""
    if outcome.state == "unasked":
        yield f"no model was asked: {outcome.why}"
        return
    yield f"{outcome.task} {outcome.state}" + (f": {outcome.why}" if outcome.why else "")
    yield from outcome.prompt.split(" ")
    checked = outcome.checked
    if checked is None:
        return
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
