"""What the doctor says of engines: ready, ready but unfit for records, absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.commands import doctor
from cds_service.metrics import Metrics
from cds_service.models.engine import Capabilities, Identity
from cds_service.models.faults import NotReady
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from tests.models.answering_engine import Server, obedient, serving


async def said(settings: Settings) -> doctor.Check:
    return next(check for check in [c async for c in doctor.checks_of(settings)] if check.what == "text engine")


@pytest.mark.parametrize(
    ("model", "state", "words"),
    [
        ("medgemma-27b-it", "ok", "openai medgemma-27b-it is ready"),
        ("medgemma-4b-it", "note", "use a 27B variant for text"),
        ("another", "ok", "openai another is ready"),
    ],
)
async def test_a_variant_that_is_weak_at_records_is_warned_against(
    tmp_path: Path, model: str, state: str, words: str
) -> None:
    with serving(Server(obedient, listed=model)) as server:
        check = await said(
            Settings(
                state_dir=tmp_path,
                text_engine="openai",
                text_base_url=server.url,
                text_model=model,
            )
        )
    assert (check.state, words in check.say) == (state, True), check.say


async def test_an_absent_engine_is_a_fault_that_says_what_to_check(tmp_path: Path) -> None:
    check = await said(
        Settings(state_dir=tmp_path, text_engine="openai", text_base_url="http://127.0.0.1:9", text_model="tiny")
    )
    assert check.state == "fault"
    assert "check that it runs" in check.say or "no connection" in check.say


class Loads:
    """A model that is ready at the second look."""

    capabilities = Capabilities(schema=True)
    looks = 0

    def __init__(self, engine: str) -> None:
        self.identity = Identity(engine, "medgemma-27b-text-it")

    async def probe(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise NotReady("the model is still loading: weights")


@pytest.mark.parametrize(("engine", "state"), [("in-process", "ok"), ("openai", "note")])
async def test_a_model_that_doctor_itself_loads_is_waited_for_and_a_server_that_loads_is_not(
    engine: str, state: str
) -> None:
    check = await doctor._engine(Standing(Loads(engine), "text", Metrics()))  # type: ignore[arg-type]
    assert check.state == state, check.say
    assert ("is ready" if state == "ok" else "still loading: weights") in check.say
