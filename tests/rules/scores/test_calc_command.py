"""``medgemma-cds calc``: clean JSON on stdout, exit codes, stdin, batches that never crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner
from valid_inputs import OTHER_UNITS, RESULT_KEYS, VALID

from cds_service.commands.calc import calc
from cds_service.rules.calculators import run

app = typer.Typer()
app.command("calc")(calc)
runner = CliRunner()


@pytest.mark.parametrize("name", sorted(VALID))
def test_every_calculator_answers_the_command(name: str) -> None:
    result = runner.invoke(app, [name, json.dumps(VALID[name])])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == run(name, VALID[name])
    assert result.stdout.count("\n") == 1


def test_inputs_are_read_from_stdin_where_none_are_given() -> None:
    result = runner.invoke(app, ["ShockIndex"], input='\ufeff{"hr": 90, "sbp": 100}')
    assert json.loads(result.stdout) == {"status": "ok", "value": 0.9}


@pytest.mark.parametrize("inputs", ["{}", '{"hr": -1}', '{"age_years": 17}', '{"hr": NaN}', '{"hr": 1e99999999999999}'])
def test_any_status_is_an_answer_and_exits_0(inputs: str) -> None:
    result = runner.invoke(app, ["ShockIndex", inputs])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] in ("incomplete", "invalid-input", "not-applicable")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["news2", "{}"], "did you mean NEWS2"),
        (["Apgar", "{}"], "--list shows all"),
        (["NEWS2", "[]"], "one JSON object"),
        (["NEWS2", "null"], "one JSON object"),
        (["NEWS2", '{"rr": 16'], "not JSON"),
        (["NEWS2", "rr=16"], "not JSON"),
        (["NEWS2", '{"rr": ' + "[" * 100_000], "not JSON"),
        (["NEWS2", '{"rr": ' + "9" * 5000 + "}"], "not JSON"),
        ([], "name a calculator"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unknown_calculator_or_bad_json_is_one_line_on_stderr_and_exit_2(arguments: list[str], words: str) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def batch(*lines: bytes) -> list[dict[str, Any]]:
    result = runner.invoke(app, ["--batch"], input=b"\n".join(lines))
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_batch_answers_line_by_line_in_order() -> None:
    requests = [
        {"calculator": name, "inputs": inputs} for table in (VALID, OTHER_UNITS) for name, inputs in table.items()
    ]
    answers = batch(*(json.dumps(request).encode() for request in requests))
    assert answers == [run(request["calculator"], request["inputs"]) for request in requests]


def test_a_faulty_line_of_a_batch_is_an_error_on_that_line_alone() -> None:
    good = b'{"calculator": "ShockIndex", "inputs": {"hr": 90, "sbp": 100}}'
    faulty = [
        b"",
        b"not json",
        b"[]",
        b'{"calculator": "Apgar", "inputs": {}}',
        b'{"calculator": ["NEWS2"], "inputs": {}}',
        b'{"calculator": "NEWS2"}',
        b'{"calculator": "NEWS2", "inputs": [1]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"calculator": "NEWS2", "inputs": {"rr": ' + b"9" * 5000 + b"}}",
    ]
    answers = batch(good, *faulty, good)
    assert answers[0] == answers[-1] == {"status": "ok", "value": 0.9}
    assert len(answers) == len(faulty) + 2
    assert all(set(answer) == {"error"} and answer["error"] for answer in answers[1:-1])


def test_numbers_are_taken_exactly_as_written() -> None:
    line = b'{"calculator": "KDIGO_AKI", "inputs": {"baseline_mg_dl": 0.9, "current_mg_dl": 1.2, "hours": 48}}'
    assert batch(line) == [{"status": "ok", "stage": 1}]


def test_the_list_is_json_where_no_terminal_reads_it() -> None:
    listed = json.loads(runner.invoke(app, ["--list"]).stdout)
    assert {row["name"]: set(row["outputs"]) for row in listed} == RESULT_KEYS
    news2 = listed[0]
    assert [item["key"] for item in news2["inputs"]] == list(VALID["NEWS2"])
    assert news2["sources"][0]["url"].startswith("https://")
    one = json.loads(runner.invoke(app, ["qSOFA", "--list"]).stdout)
    assert [row["name"] for row in one] == ["qSOFA"]
