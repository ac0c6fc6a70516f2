"""What all text tasks have in common: what they ask, what they refuse, what they report."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cds_service.assessments.task import Checked
from cds_service.models.engine import Request
from cds_service.models.extractive import Extractive
from cds_service.models.faults import (
    BadAnswer,
    EngineFault,
    NotJson,
    Refusing,
    SchemaViolated,
    StrayTokens,
    Truncated,
    Unsupported,
)
from cds_service.rules.catalogue import Finding, Severity
from cds_service.rules.pack import load_pack
from tests.assessments.tasks.doubles import TASKS, Counting, Says, says, subject


def rated(request: Request) -> dict[str, Any]:
    """The letter, with reasons where they are asked for."""
    return {"code": "A"} | ({"statements": []} if "statements" in request.schema["properties"] else {})  # type: ignore[index]


EMPTY: dict[str, Any] = {
    "record-summary": {"statements": []}, "triage": rated, "order-review": {"statements": []},
    "considerations": {"statements": []}, "question": {"found": "no", "statements": []},
}  # fmt: skip
GENERATING = list(EMPTY)


def test_the_tasks_are_those_of_the_prompts() -> None:
    assert set(TASKS) == {*GENERATING, "triage-label"}
    assert all(task.name == name for name, task in TASKS.items())
    assert len({task.label for task in TASKS.values()}) == len(TASKS)


@pytest.mark.parametrize("name", GENERATING)
async def test_the_fixed_part_is_the_same_bytes_in_every_call(name: str) -> None:
    engine = Says(EMPTY[name])
    await TASKS[name].run(engine, subject())
    await TASKS[name].run(engine, subject(budget=5, question="Any allergy?"))
    first, *_, last = engine.asked
    assert first.fixed == last.fixed > 1000
    assert first.prompt[: first.fixed] == last.prompt[: last.fixed]
    assert first.prompt != last.prompt
    assert "F1 ·" not in first.prompt[: first.fixed]


@pytest.mark.parametrize("name", GENERATING)
async def test_nothing_follows_the_data(name: str) -> None:
    engine = Says(EMPTY[name])
    await TASKS[name].run(engine, subject())
    last_line = engine.asked[0].prompt.rstrip().splitlines()[-1]
    assert last_line.startswith("--- data ")
    assert last_line.endswith("---")


@pytest.mark.parametrize("name", GENERATING)
async def test_the_schema_admits_only_the_ids_of_this_prompt(name: str) -> None:
    engine = Says(EMPTY[name])
    asked = subject(budget=4)
    await TASKS[name].run(engine, asked)
    schema = msgspec.json.encode(engine.asked[0].schema).decode()
    offered = {fact.id for fact in TASKS[name].offered(asked)}
    assert 4 <= len(offered) < len(list(asked.record.facts())), "a part of the record"
    for number in range(1, 100):
        assert (f'"F{number}"' in schema) is (f"F{number}" in offered)


@pytest.mark.parametrize("name", GENERATING)
async def test_facts_beyond_the_context_are_dropped_from_the_tail_and_said_to_be(name: str) -> None:
    task, wide = TASKS[name], Counting(EMPTY[name], context_tokens=9000)
    await task.run(wide, subject())
    context = len(wide.asked[0].prompt.split()) + wide.asked[0].max_tokens - 60
    narrow = Counting(EMPTY[name], context_tokens=context)
    await task.run(narrow, subject())
    long, short = wide.asked[0].prompt, narrow.asked[0].prompt
    assert len(short.split()) + narrow.asked[0].max_tokens <= context
    assert "Left out for length:" in short
    kept = _fact_lines(short)
    assert 10 < len(kept) < len(_fact_lines(long))
    assert kept == _fact_lines(long)[: len(kept)]


def _fact_lines(prompt: str) -> list[str]:
    return [line for line in prompt.splitlines() if line.startswith("F") and " · " in line]


async def test_a_context_too_short_for_the_instructions_is_refused_before_the_engine_is_asked() -> None:
    engine = Counting(EMPTY["record-summary"], context_tokens=1500)
    with pytest.raises(Unsupported, match="longer context"):
        await TASKS["record-summary"].run(engine, subject())
    assert engine.asked == []


@pytest.mark.parametrize("name", GENERATING)
@pytest.mark.parametrize(
    ("text", "finish", "fault"),
    [
        ("{", "stop", NotJson), ('{"statements":1}', "stop", SchemaViolated), ('{"statements":[],"more":1}', "stop", SchemaViolated),
        ("{}", "length", Truncated), ("{}", "refusal", Refusing),
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_what_was_asked_for_is_no_answer(
    name: str, text: str, finish: Any, fault: type[BadAnswer]
) -> None:
    with pytest.raises(fault):
        await TASKS[name].run(Says(text, finish=finish), subject())


async def test_an_answer_that_holds_the_boundary_is_no_answer() -> None:
    def parrot(request: Any) -> dict[str, Any]:
        boundary = request.prompt.partition("--- data ")[2].split()[0]
        return {"statements": [says(boundary, "F1")]}

    with pytest.raises(StrayTokens):
        await TASKS["record-summary"].run(Says(parrot), subject())


@pytest.mark.parametrize("name", ["order-review", "considerations", "question", "triage", "triage-label"])
async def test_the_extractive_engine_is_not_asked_for_judgement(name: str) -> None:
    with pytest.raises(EngineFault, match=r"facts themselves|score labels"):
        await TASKS[name].run(Extractive(), subject())


async def test_the_extractive_engine_summarises_under_the_same_checks() -> None:
    found = await TASKS["record-summary"].run(Extractive(), subject())
    assert len(found.statements) >= 8
    assert not found.dropped
    assert found.identity.engine == "extractive"


async def test_what_is_kept_names_its_facts_by_resource_and_survives_the_store() -> None:
    engine = Says({"statements": [says("Potassium 6.1 mmol/L, high.", "F1"), says("Sodium 138 mmol/L.", "F5")]})
    found = await TASKS["record-summary"].run(engine, subject())
    assert found.facts == {"F1": "Observation/o1", "F5": "Observation/o5"}
    assert msgspec.json.decode(msgspec.json.encode(found), type=Checked) == found


async def test_more_than_a_fifth_dropped_discards_the_whole_text() -> None:
    wrong = says("Potassium 9.9 mmol/L.", "F1")
    right = [says("Sodium 138 mmol/L.", "F5"), says("Asthma.", "F5")]
    found = await TASKS["record-summary"].run(Says({"statements": [wrong, *right]}), subject())
    assert found.statements == []
    assert "of 3 statements were dropped" in found.discarded
    assert found.dropped["number not in the cited facts"] == 1


async def test_a_contradicted_fact_of_a_finding_discards_the_whole_text() -> None:
    chart = subject()
    fact = next(f for f in chart.selection.facts if f.id == "F5")
    rule = next(iter(load_pack(None).rules.values()))
    made = Finding(rule=rule, key="k", severity=Severity.CRITICAL, summary="Sodium", facts=(fact,))
    said = [says("Sodium 131 mmol/L.", "F5"), *(says("Heart rate 118/min.", "F8") for _ in range(9))]
    plain = await TASKS["record-summary"].run(Says({"statements": said}), chart)
    found = await TASKS["record-summary"].run(Says({"statements": said}), subject(findings=(made,)))
    assert len(plain.statements) == 9
    assert found.statements == []
    assert found.discarded.startswith("a critical fact was contradicted")


async def test_what_is_kept_for_later_is_not_said_relative_to_now() -> None:
    said = [says("Potassium 6.1 mmol/L today.", "F1"), *(says("Heart rate 118/min.", "F8") for _ in range(9))]
    found = await TASKS["record-summary"].run(Says({"statements": said}), subject())
    assert [each.text for each in found.statements] == ["Heart rate 118/min."] * 9
