"""Each engine behind the running service: patient-view over HTTP until the model's part is settled and the card says how.

The weights are random (or the double's words invented), so every sentence they write is dropped: what a card shows of the
record is then the rules' own, with a line that says what became of the model's.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.commands.doctor import checks_of
from cds_service.db.engine import open_engine
from cds_service.hooks.protocol import Card
from cds_service.models.faults import BadAnswer, in_words
from cds_service.settings import Settings
from tests.conformance import bodies
from tests.models import llama_server
from tests.models.answering_engine import least, serving
from tests.models.conftest import checkpoints, text_checkpoint
from tests.models.vertex_double import Endpoint

__all__ = ["checkpoints", "text_checkpoint"]

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite

LABEL = "AI-drafted, verify"
SETTLES_S = 180.0


@contextmanager
def service(folder: Path, **engine: Any) -> Iterator[TestClient]:
    """The whole service with one text engine."""
    with TestClient(create_app(Settings(mode="demo", state_dir=folder, **engine))) as client:
        yield client


def cards(client: TestClient) -> list[dict[str, Any]]:
    """Of one patient-view, each a card of the specification. The potassium is critical, so there always is one."""
    answer = client.post("/cds-services/patient-summary", json=bodies.request(hookInstance=str(uuid4())))
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["cards"]
    msgspec.convert(found, list[Card])
    assert found[0]["indicator"] == "critical"
    return found


def detail(client: TestClient) -> str:
    return unescape("\n".join(card.get("detail", "") for card in cards(client))).replace("\\", "")


def settled(client: TestClient, told: Callable[[str], bool]) -> str:
    """What the cards say once they tell what became of the model's part."""
    until = time.monotonic() + SETTLES_S
    while not told(said := detail(client)):
        assert time.monotonic() < until, said
        time.sleep(0.1)
    return said


def given_up(said: str) -> bool:
    """The model was asked for the summary, and nothing of its text was good enough."""
    made = ("was made and discarded", "was made and held nothing")
    failed = [f"could not be prepared: {in_words(fault.reason)}." for fault in BadAnswer.__subclasses__()]
    return any(f"AI-drafted summary {told}" in said for told in (*made, *failed))


def jobs(folder: Path) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
    """Task and state of every job, and the audit lines of those that ended."""
    engine = open_engine(f"sqlite:///{folder / 'cds.sqlite3'}")
    with engine.connect() as connection:
        states = [(row[0], row[1]) for row in connection.execute(text("SELECT task, state FROM assessment_job"))]
        lines = connection.execute(text("SELECT detail FROM audit_event WHERE kind = 'assessment'"))
        told = [json.loads(line[0]) for line in lines]
    engine.dispose()
    return states, told


def assert_ended(folder: Path, engine: str) -> None:
    """Every job has ended, and each line of the audit trail names its prompt and what was asked."""
    states, told = jobs(folder)
    assert ("text:record-summary", "done") in states or ("text:record-summary", "failed") in states
    lines = [line for line in told if "text:record-summary" in line["notes"]]
    assert lines
    for line in lines:
        assert line["prompts"][0].startswith("record-summary@2 sha256:")
        assert line["engines"][0].startswith(engine), line


def test_random_weights_in_process_settle_on_a_card_without_a_sentence_of_theirs(
    text_checkpoint: Path, tmp_path: Path
) -> None:
    with service(tmp_path, text_engine="in-process", text_model=str(text_checkpoint)) as client:
        said = settled(client, given_up)
        assert LABEL not in said
        assert "From the record" in said, "the rules' own words stand in"
    assert_ended(tmp_path, "in-process ")


@pytest.mark.integration
def test_random_weights_behind_llama_server_settle_on_a_card_without_a_sentence_of_theirs(
    text_checkpoint: Path, tmp_path: Path
) -> None:
    model = llama_server.converted(text_checkpoint, tmp_path / "tiny.gguf")
    with (
        llama_server.running(model, "--ctx-size", "16384") as url,
        service(
            tmp_path, text_engine="openai", text_base_url=url, text_model="tiny", text_profile="llama-server"
        ) as client,
    ):
        said = settled(client, given_up)
        assert LABEL not in said
        assert "From the record" in said
    assert_ended(tmp_path, "openai tiny")


def words(body: dict[str, Any]) -> str:
    """What the container says: the probe is obeyed (the schema stands in the prompt), anything else is made up."""
    prompt = body["messages"][-1]["content"]
    prompt = prompt if isinstance(prompt, str) else prompt[-1]["text"]
    schema = json.loads(prompt[prompt.rindex("\n{") :])
    if "word" in schema["properties"]:
        return json.dumps(least(schema))
    cited = schema["properties"]["statements"]["items"]["properties"]["fact_ids"]["items"]["enum"][0]
    made_up = {"text": "Sodium 163 mmol/L on 2019-01-01.", "fact_ids": [cited], "kind": "record"}
    return json.dumps({"statements": [made_up]})


def test_a_vertex_endpoint_that_invents_a_value_gets_no_sentence_on_a_card(tmp_path: Path) -> None:
    with serving(Endpoint(words)) as endpoint:
        with service(
            tmp_path,
            text_engine="vertex",
            text_base_url=endpoint.address,
            text_model="google/medgemma-27b-text-it",
            text_profile="vertex",
            text_api_key=endpoint.token,
        ) as client:
            said = settled(client, given_up)
            assert "discarded" in said
            assert "163" not in said
            assert LABEL not in said
        assert endpoint.bodies, "it was asked over its own route"
    assert_ended(tmp_path, "vertex google/medgemma-27b-text-it")


@contextmanager
def transformers_serve(checkpoint: Path, folder: Path) -> Iterator[str]:
    """The server of the transformers library, which takes a schema and does not read it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "hub" / "hub").mkdir(parents=True)
    command = Path(sys.executable).with_name("transformers")
    running = subprocess.Popen(
        [str(command), "serve", str(checkpoint), "--port", str(port), "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"},
    )
    try:
        until = time.monotonic() + 60
        while True:
            assert running.poll() is None, "transformers serve ended"
            assert time.monotonic() < until, "transformers serve did not start"
            with socket.socket() as looking:
                if looking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait(10)


async def doctor_says(settings: Settings) -> str:
    return "\n".join([f"{check.what} {check.state} {check.say}" async for check in checks_of(settings)])


@pytest.mark.integration
def test_a_server_that_ignores_the_schema_is_turned_away_and_doctor_says_why(
    text_checkpoint: Path, tmp_path: Path
) -> None:
    with transformers_serve(text_checkpoint, tmp_path) as url:
        engine: dict[str, Any] = {"text_engine": "openai", "text_base_url": url, "text_model": str(text_checkpoint)}
        told = asyncio.run(doctor_says(Settings(mode="demo", state_dir=tmp_path / "doctor", **engine)))
        assert "text engine fault refused: the server answers without regard to the schema" in told
        with service(tmp_path, **engine) as client:
            until = time.monotonic() + 5
            while time.monotonic() < until:
                said = detail(client)
                assert LABEL not in said
                assert "From the record" in said
                assert "being prepared" not in said
                time.sleep(0.5)
            assert "the server of the model was turned away: it ignores the schema of an answer" in said
    states, told_ = jobs(tmp_path)
    assert not [state for _, state in states if state == "done"]
    assert not [line for line in told_ if line["state"] == "done"]
