"""``medgemma-cds ask``: a checked answer with the facts it stands on, or that the record does not say, or why nobody can say."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from cds_service.cli import app
from cds_service.commands.operating import set_ai
from cds_service.rules.catalogue import Switch
from cds_service.settings import Settings
from tests.conformance import bodies
from tests.models.answering_engine import Server, serving
from tests.models.conftest import checkpoints, text_checkpoint

__all__ = ["checkpoints", "text_checkpoint"]


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """The command logs to the standard error of its runner, which ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One patient with one critical potassium."""
    path = tmp_path / "record.json"
    path.write_text(json.dumps(bodies.bundle(bodies.patient(), bodies.potassium(), bodies.penicillin_allergy())))
    return path


def asked(bundle: Path, *more: str, question: str = "Is the potassium high?", **environment: str) -> Result:
    """What the command says."""
    command = ["ask", question, "--patient", bodies.PATIENT, "--bundle", str(bundle), *more]
    settings = {"state_dir": str(bundle.parent / "state"), **environment}
    return CliRunner().invoke(app, command, env={f"CDS_{name.upper()}": value for name, value in settings.items()})


def answers(text: str, *, found: str = "yes") -> Callable[[dict[str, Any]], str]:
    """A model that says this of the potassium."""

    def content(body: dict[str, Any]) -> str:
        cited = re.search(r"(F\d+) · [^\n]*Potassium", body["messages"][0]["content"])
        assert cited
        said = [{"text": text, "fact_ids": [cited[1]], "kind": "record"}] if text else []
        return json.dumps({"found": found, "statements": said})

    return content


def by(server: Server) -> dict[str, str]:
    return {"text_engine": "openai", "text_base_url": server.url, "text_model": "tiny"}


def test_an_answer_comes_with_value_date_and_resource_and_with_model_and_prompt(bundle: Path) -> None:
    with serving(Server(answers("Potassium 7.1 mmol/L."))) as server:
        done = asked(bundle, **by(server))
    assert done.exit_code == 0, done.output
    assert "- Potassium 7.1 mmol/L." in done.stdout
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d · Potassium 7\.1 mmol/L · Observation/k1", done.stdout)
    assert "AI-drafted, verify · openai tiny · question@2 sha256:" in done.stdout


def test_as_json_it_is_whole(bundle: Path) -> None:
    with serving(Server(answers("Potassium 7.1 mmol/L."))) as server:
        done = asked(bundle, "--json", **by(server))
    reply = json.loads(done.stdout)
    assert [each["text"] for each in reply["statements"]] == ["Potassium 7.1 mmol/L."]
    assert reply["statements"][0]["facts"][0]["resource"] == "Observation/k1"
    assert (reply["model"], reply["dropped"], reply["discarded"]) == ("openai tiny", {}, "")


def test_the_record_does_not_say_is_an_answer(bundle: Path) -> None:
    with serving(Server(answers("", found="no"))) as server:
        done = asked(bundle, question="Which blood group?", **by(server))
    assert done.exit_code == 0
    assert "The record does not say." in done.stdout


def test_an_answer_against_the_record_is_discarded_with_its_reason_and_none_of_its_words(bundle: Path) -> None:
    with serving(Server(answers("Potassium 3.3 mmol/L."))) as server:
        done = asked(bundle, **by(server))
    assert done.exit_code == 3
    assert "discarded" in done.stdout
    assert "1 × number not in the cited facts" in done.stdout
    assert "3.3" not in done.stdout


def test_without_a_model_it_says_so_and_what_to_set(bundle: Path) -> None:
    done = asked(bundle)
    assert done.exit_code == 1
    assert "no model is configured" in done.stderr
    assert "CDS_TEXT_ENGINE" in done.stderr


def test_a_model_that_is_away_is_named_with_the_reason(bundle: Path) -> None:
    done = asked(bundle, text_engine="openai", text_base_url="http://127.0.0.1:9", text_model="tiny")
    assert done.exit_code == 1
    assert "the text model is absent: " in done.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [(["--patient", "no id"], "--patient"), (["--fhir", "http://127.0.0.1:9/fhir"], "--bundle FILE")],
)
def test_what_cannot_be_asked_is_refused_with_the_option_to_mend(bundle: Path, more: list[str], told: str) -> None:
    done = asked(bundle, *more, text_engine="openai", text_base_url="http://127.0.0.1:9", text_model="tiny")
    assert done.exit_code == 1
    assert told in done.stderr


def test_a_patient_who_is_not_in_the_record_is_said_before_a_model_is_asked(bundle: Path) -> None:
    with serving(Server(answers("Potassium 7.1 mmol/L."))) as server:
        done = asked(bundle, "--patient", "somebody-else", **by(server))
    assert done.exit_code == 1
    assert "patient" in done.stderr
    assert server.bodies == []


def test_random_weights_in_process_answer_nothing_that_is_not_in_the_record(
    bundle: Path, text_checkpoint: Path
) -> None:
    done = asked(bundle, text_engine="in-process", text_model=str(text_checkpoint))
    assert done.exit_code in (0, 1, 3), done.output
    if done.exit_code == 1:  # cut at the token limit
        assert "the model gave no usable answer" in done.stderr
    else:
        assert "The record does not say." in done.stdout or "discarded" in done.stdout


@pytest.mark.parametrize("state", [Switch.OFF, Switch.SHADOW])
def test_where_the_ai_part_is_not_on_no_model_is_asked_and_it_is_said_how_to_switch_it_on(
    bundle: Path, tmp_path: Path, state: Switch
) -> None:
    set_ai(Settings(state_dir=tmp_path), state)
    with serving(Server(answers("Potassium 7.1 mmol/L."))) as server:
        done = asked(bundle, state_dir=str(tmp_path), **by(server))
        assert done.exit_code not in (0, 3)
        assert f"the AI part of this site is {state.value}" in done.output
        assert "medgemma-cds ai on" in done.output
        assert not server.bodies
        set_ai(Settings(state_dir=tmp_path), Switch.ON)
        assert asked(bundle, state_dir=str(tmp_path), **by(server)).exit_code == 0


def test_a_question_makes_no_database(bundle: Path, tmp_path: Path) -> None:
    with serving(Server(answers("Potassium 7.1 mmol/L."))) as server:
        assert asked(bundle, state_dir=str(tmp_path / "none"), **by(server)).exit_code == 0
    assert not (tmp_path / "none").exists()
