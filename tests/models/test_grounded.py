"""Random weights through the whole text path: prompts, constrained decoding, grounding. Whatever comes is valid, and nothing false is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cds_service.assessments.task import Checked
from cds_service.models.faults import BadAnswer, SchemaViolated
from cds_service.models.in_process.engine import InProcess
from tests.assessments.tasks.doubles import TASKS, subject
from tests.grounding import held_out
from tests.grounding.charts import CHARTS, Chart
from tests.models.in_process.conftest import LOADED_S, loading

ALL = {**CHARTS, **held_out.CHARTS}
GENERATING = ("record-summary", "triage", "order-review", "considerations", "question")
SHORT, LONG = 15, 210


@pytest_asyncio.fixture(loop_scope="function")
async def engine(text_checkpoint: Path) -> AsyncIterator[InProcess]:
    """The small text checkpoint, loaded."""
    made = InProcess(loading(text_checkpoint))
    await made.start()
    await made.ready(LOADED_S)
    yield made
    await made.aclose()


async def run(engine: InProcess, number: int) -> tuple[Chart, Checked | None]:
    """One answer of one task over one chart; None where the weights found no end within the token limit."""
    name = GENERATING[number % len(GENERATING)]
    chart = list(ALL.values())[number // len(GENERATING) % len(ALL)]
    asked = subject(chart, budget=6 + number % 9, question=f"What of result {number}?")
    if asked.order is None and name in ("triage", "order-review"):
        name = "record-summary"
    try:
        return chart, await TASKS[name].run(engine, asked)
    except SchemaViolated:
        raise
    except BadAnswer:
        return chart, None


async def sober(engine: InProcess, runs: int) -> None:
    """No run gives anything but valid JSON or a named fault, and no sentence of random weights is ever shown."""
    answered = 0
    for number in range(runs):
        _, found = await run(engine, number)
        if found is not None:
            answered += 1
            assert found.statements == [], found.statements
    assert answered >= runs // 2, f"{answered} of {runs} came to an end"


async def test_random_weights_never_put_a_sentence_on_a_card(engine: InProcess) -> None:
    await sober(engine, SHORT)


@pytest.mark.long
async def test_so_it_is_in_two_hundred_runs(engine: InProcess) -> None:
    await sober(engine, LONG)
