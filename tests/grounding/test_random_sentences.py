"""An engine that writes schema-valid sentences at random, out of the very words, figures and dates of the facts it was given.

Harder than random letters: every part is true of some cited fact, only the whole may not be. What is kept must be borne out
by an oracle that knows nothing of the checks: it looks at the parts it put together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.record.facts import Fact, Problem, Reading
from cds_service.record.units import table
from cds_service.record.wording import level, number, unit
from tests.assessments.tasks.doubles import TASKS, Says, says, subject
from tests.grounding.charts import CHARTS, NOW, ZONE, Chart
from tests.grounding.held_out import CHARTS as OTHER_CHARTS

ALL = [*CHARTS.values(), *OTHER_CHARTS.values()]
CLAIMS = ("", "high", "low", "normal", "rising", "falling")
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Parts:
    """A sentence put together from the parts of four readings: whose name, whose value, whose unit, whose day."""

    def __init__(
        self, chart: Chart, name: Reading, value: Reading, units: Reading, day: Reading, claim: str, denied: bool
    ) -> None:
        self.chart, self.name, self.value, self.units, self.day, self.claim, self.denied = (
            chart,
            name,
            value,
            units,
            day,
            claim,
            denied,
        )

    @property
    def text(self) -> str:
        figure = f"{self.value.comparator}{number(self.value.value or 0)} {unit(self.units.unit)}".strip()  # type: ignore[arg-type]
        said = f"{'No ' if self.denied else ''}{self.name.label} {figure} on {self.day.time:%Y-%m-%d}"
        return f"{said}, {self.claim}." if self.claim else f"{said}."

    @property
    def cited(self) -> list[Reading]:
        return list({r.number: r for r in (self.name, self.value, self.units, self.day)}.values())

    @property
    def true(self) -> bool:
        """Some cited reading has this name, this value in this unit and this day, and is what is claimed of it."""
        return not self.denied and any(self._borne_out(reading) for reading in self.cited)

    def _borne_out(self, reading: Reading) -> bool:
        if (reading.label, reading.comparator) != (self.name.label, self.value.comparator):
            return False
        in_unit = reading.unit == self.units.unit or not unit(self.units.unit)  # nothing printed claims nothing
        same = (in_unit and reading.value == self.value.value) or self._converted(reading)
        return same and reading.time.date() == self.day.time.date() and self._claimed(reading)  # type: ignore[union-attr]

    def _converted(self, reading: Reading) -> bool:
        """By chance the figure may be the reading's own in another unit, to the digits that are written."""
        concept = table().concepts.get(reading.concept)
        found = concept.conversions.get(self.units.unit) if concept else None
        if found is None or reading.unit == self.units.unit or reading.comparator or reading.value is None:
            return False
        said = self.value.value or Decimal(0)
        off = abs(found.apply(said) - reading.value)
        return off <= abs(
            found.apply(said + Decimal(5).scaleb(int(said.as_tuple().exponent) - 1)) - found.apply(said)
        )  # half a digit

    def _claimed(self, reading: Reading) -> bool:
        if self.claim in ("rising", "falling"):
            series = sorted((r for r in self.cited if r.concept == reading.concept), key=lambda r: r.time)  # type: ignore[arg-type, return-value]
            if len(series) < 2:
                return False
            up = series[-1].value > series[0].value  # type: ignore[operator]
            return up is (self.claim == "rising")
        if self.claim == "normal":
            inside = (
                reading.low is not None and reading.high is not None and reading.low <= reading.value <= reading.high
            )  # type: ignore[operator]
            return level(reading) == "" and ("N" in reading.flags or inside)
        return not self.claim or self.claim in level(reading).split()


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    chart = draw(st.sampled_from(ALL))
    valued = [f for f in chart.facts if isinstance(f, Reading) and f.value is not None]
    name = draw(st.sampled_from(valued))
    alike = [r for r in valued if r.concept == name.concept]
    other = st.one_of(st.just(name), st.sampled_from(alike), st.sampled_from(valued))
    return Parts(
        chart,
        name,
        draw(other),
        draw(other),
        draw(other),
        draw(st.sampled_from(CLAIMS)),
        draw(st.booleans()) and draw(st.booleans()),
    )


def kept(made: Parts) -> bool:
    statement = Statement(text=made.text, fact_ids=tuple(r.id for r in made.cited))
    return bool(verify([statement], made.chart.facts, ZONE, person=made.chart.person, now=NOW).kept)


@settings(PATIENT, max_examples=400)
@given(parts())
def test_what_is_put_together_at_random_from_cited_facts_is_kept_only_where_it_is_true(made: Parts) -> None:
    assert not kept(made) or made.true, (made.text, [r.id for r in made.cited])


@pytest.mark.long
@settings(PATIENT, max_examples=20_000)
@given(parts())
def test_so_it_is_in_twenty_thousand_of_them(made: Parts) -> None:
    assert not kept(made) or made.true, (made.text, [r.id for r in made.cited])


def test_the_oracle_and_the_checks_agree_on_what_is_true_of_a_single_reading() -> None:
    """So that the property above is not won by dropping everything."""
    every = [
        Parts(chart, r, r, r, r, "", False)
        for chart in ALL
        for r in chart.facts
        if isinstance(r, Reading) and r.value is not None
    ]
    assert len(every) > 50
    assert all(made.true and kept(made) for made in every)


def stolen(chart: Chart) -> Iterator[tuple[Fact, str]]:
    """Sentences true of one fact, cited as if of another of the same kind."""
    for kind in (Reading, Problem):
        facts = [f for f in chart.facts if isinstance(f, kind)]
        for one, other in itertools.permutations(facts, 2):
            if one.label != other.label:
                said = (
                    one.label
                    if isinstance(one, Problem)
                    else f"{one.label} {number(one.value)} {unit(one.unit)}"
                    if one.value is not None
                    else ""
                )  # type: ignore[attr-defined]
                if said and not set(one.label.lower().split()) <= set(other.label.lower().split()):
                    yield other, f"{said}."


@pytest.mark.parametrize("chart", ALL, ids=[*CHARTS, *OTHER_CHARTS])
def test_a_sentence_true_of_one_fact_is_not_kept_under_the_id_of_another(chart: Chart) -> None:
    for fact, text in stolen(chart):
        assert not verify(
            [Statement(text=text, fact_ids=(fact.id,))], chart.facts, ZONE, person=chart.person, now=NOW
        ).kept, (text, fact.id)


@settings(PATIENT, max_examples=25)
@given(st.data())
async def test_of_a_random_answer_through_the_task_only_true_sentences_are_shown(data: st.DataObject) -> None:
    made = data.draw(st.lists(parts().filter(lambda p: p.chart is CHARTS["acute"]), min_size=1, max_size=12))
    wire: dict[str, Any] = {"statements": [says(each.text, *(r.id for r in each.cited)) for each in made]}
    found = await TASKS["record-summary"].run(Says(wire), subject())
    true = {each.text for each in made if each.true}
    assert {each.text for each in found.statements} <= true


def test_a_day_that_is_not_in_the_facts_is_never_kept() -> None:
    for chart in ALL:
        for fact in chart.facts:
            if isinstance(fact, Reading) and fact.time is not None and fact.value is not None:
                for days in (-400, -31, -1, 1):
                    text = f"{fact.label} on {fact.time + timedelta(days=days):%Y-%m-%d}."
                    assert not verify([Statement(text=text, fact_ids=(fact.id,))], chart.facts, ZONE, now=NOW).kept, (
                        text
                    )
