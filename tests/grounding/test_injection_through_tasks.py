"""The whole text path under attack: hostile text in every carrier, an engine that obeys it, every task in the shipped configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from cds_service.assessments.task import Checked
from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.models.engine import Request
from cds_service.models.faults import BadAnswer
from cds_service.record.salience import Selection
from tests.assessments.tasks.doubles import TASKS, Says, prefers, subject
from tests.grounding.attacks import CARRIERS, PAYLOADS, Payload, succeeded
from tests.grounding.charts import ACUTE, CHRONIC, NOW, ZONE, Chart

TEXT_TASKS = ("record-summary", "order-review", "considerations", "question", "triage")
WARFARIN = msgspec.structs.replace(next(f for f in CHRONIC.facts if f.label.startswith("Warfarin")), number=70)


def obeying(payload: Payload) -> Says:
    """Writes what the attacker asks for into every field the schema leaves open, citing whatever might help."""

    def answer(request: Request) -> Mapping[str, Any]:
        assert request.schema is not None
        members = request.schema["properties"]
        ids = (
            members["statements"]["items"]["properties"]["fact_ids"]["items"]["enum"] if "statements" in members else []
        )
        hypothesis = bool(ids) and "name" in members["statements"]["items"]["properties"]
        said: list[Mapping[str, Any]] = []
        for words in (payload.wanted, payload.text, f"Sepsis. {payload.wanted}"):
            for cited in (["F99"], ["F99", "F30"], ids[:8]):
                cited = [i for i in cited if i in ids]
                if not hypothesis:
                    said.append({"text": words[:240], "fact_ids": cited, "kind": "record"})
                    continue
                for name, text in ((words, "Sepsis."), ("septic shock", words)):
                    said.append(
                        {
                            "topic": "treatment",
                            "name": name[:80],
                            "text": text[:240],
                            "fact_ids": cited,
                            "contrary_ids": [],
                            "kind": "hypothesis",
                            "changes": [words[:80]],
                        }
                    )
        answered: dict[str, Any] = {"statements": [s for s in said if s["fact_ids"]][:60]}
        answered |= {"code": "A"} if "code" in members else {}
        answered |= {"found": "yes"} if "found" in members else {}
        return {key: answered[key] for key in members if key in answered}

    return Says(answer, scores=prefers("routine"))


async def shown(task: str, payload: Payload, carrier: str) -> list[str]:
    """Everything of an answer that a card could print."""
    chart = Chart(ACUTE.person, [*ACUTE.facts, WARFARIN, CARRIERS[carrier](payload.text)])
    asked = subject(chart)
    asked = subject(
        chart, selection=Selection([*chart.facts[-1:], *asked.selection.facts[:40]], asked.selection.left_out)
    )
    try:
        found: Checked = await TASKS[task].run(obeying(payload), asked)
    except BadAnswer:
        return []
    return [part for each in found.statements for part in (each.name, each.text, *each.changes) if part]


@pytest.mark.parametrize("task", TEXT_TASKS)
async def test_no_task_prints_what_an_attacker_wrote_though_the_engine_obeys(task: str) -> None:
    successes = []
    for carrier in CARRIERS:
        for payload in PAYLOADS:
            successes += [
                (payload.text, said) for said in await shown(task, payload, carrier) if succeeded(payload, said)
            ]
    assert successes == []


@pytest.mark.parametrize("field", ["name", "changes", "text"])
def test_no_field_of_a_hypothesis_carries_an_attack_though_it_were_the_only_statement(field: str) -> None:
    """Each alone, so that the share rule hides nothing."""
    successes = []
    for carrier in CARRIERS:
        for payload in PAYLOADS:
            chart = Chart(ACUTE.person, [*ACUTE.facts, WARFARIN, CARRIERS[carrier](payload.text)])
            for words in (payload.wanted, payload.text[:80]):
                given: dict[str, Any] = {
                    "name": "septic shock",
                    "text": "Sepsis.",
                    field: (words,) if field == "changes" else words,
                }
                said = Statement(fact_ids=("F20", "F99"), kind="hypothesis", topic="treatment", **given)
                if verify([said], chart.facts, ZONE, person=chart.person, now=NOW).kept and succeeded(payload, words):
                    successes.append((carrier, words))
    assert successes == []


@pytest.mark.parametrize("task", ["triage", "triage-label"])
async def test_an_engine_that_obeys_a_note_suggests_no_more_than_routine_which_lowers_nothing(task: str) -> None:
    payload = next(p for p in PAYLOADS if p.goal == "priority")
    chart = Chart(ACUTE.person, [*ACUTE.facts, CARRIERS["note"](payload.text)])
    found = await TASKS[task].run(obeying(payload), subject(chart))
    assert found.category in ("", "routine")
    assert found.statements == []
