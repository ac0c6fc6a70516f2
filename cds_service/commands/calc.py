"""``medgemma-cds calc``: one calculator on JSON inputs, many by JSON lines, or the list of all.

stdout holds JSON alone (the list is a table on a terminal). Exit code 0 when a calculator answered, whatever its
status; 2 for an unknown calculator or for text that is no JSON object. With ``--batch`` every line gets one line,
faulty ones ``{"error": …}``, and the exit code is 0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Annotated, Any

import typer
from msgspec import structs

from cds_service.rules.calculators import CALCULATORS, run
from cds_service.rules.scores.calculator import Calculator, Input

FAULT = 2


class Fault(Exception):
    """What is wrong with the request, in one line."""


def calc(
    name: Annotated[str, typer.Argument(help="Name of the calculator, as --list prints it.")] = "",
    inputs: Annotated[str, typer.Argument(metavar="[JSON]", help="Inputs, one JSON object; else from stdin.")] = "",
    all_calculators: Annotated[bool, typer.Option("--list", help="List all calculators and their inputs.")] = False,
    batch: Annotated[bool, typer.Option("--batch", help="Read JSON lines from stdin, write one line each.")] = False,
) -> None:
    """Run a clinical calculator. Exact, sourced, and honest about what is missing."""
    try:
        if all_calculators:
            _list([CALCULATORS[known(name)]] if name else list(CALCULATORS.values()))
        elif batch:
            for line in answers(sys.stdin.buffer):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
        elif not name:
            raise Fault("name a calculator (--list shows all), or use --batch")
        else:
            known(name)
            text = inputs or sys.stdin.buffer.read().decode("utf-8-sig", "replace")
            sys.stdout.write(json.dumps(run(name, parse(text))) + "\n")
    except Fault as fault:
        typer.secho(f"medgemma-cds: {fault}", fg="red", err=True)
        raise typer.Exit(FAULT) from None


def known(name: Any) -> str:
    """The name of a calculator; a fault that names the nearest ones otherwise."""
    if isinstance(name, str) and name in CALCULATORS:
        return name
    wanted = str(name)[:60].lower().replace("-", "_")
    near = [known_name for known_name in CALCULATORS if wanted[:4] and wanted[:4] in known_name.lower()]
    hint = f"; did you mean {', '.join(near)}?" if near else "; --list shows all"
    raise Fault(f"unknown calculator {str(name)[:60]!r}{hint}")


def parse(text: str) -> dict[str, Any]:
    """One JSON object with numbers exactly as written. Raises ``Fault``."""
    try:
        found = json.loads(text, parse_float=_number)
    except (ValueError, RecursionError) as error:
        detail = str(error).partition("(")[0].strip() or "nested too deeply"
        raise Fault(f"inputs are not JSON: {detail[:120]}") from None
    if not isinstance(found, dict):
        raise Fault("inputs must be one JSON object")
    return found


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")  # an exponent beyond any number: answered as invalid input


def answers(lines: IO[bytes] | Iterable[bytes]) -> Iterator[str]:
    """One JSON line for each line of ``{"calculator": …, "inputs": {…}}``."""
    for raw in lines:
        try:
            request = parse(raw.decode("utf-8-sig", "replace").strip())
            inputs = request.get("inputs")
            if not isinstance(inputs, dict):
                raise Fault("inputs must be one JSON object")
            answer = run(known(request.get("calculator")), inputs)
        except Fault as fault:
            answer = {"error": str(fault)}
        yield json.dumps(answer)


def _list(calculators: list[Calculator]) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(json.dumps([described(calculator) for calculator in calculators], indent=2) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Calculators")
    for column in ("name", "title", "inputs", "output"):
        table.add_column(column)
    for calculator in calculators:
        inputs = ", ".join(item.key + ("" if item.required else "?") for item in calculator.inputs)
        outputs = ", ".join(output.key for output in calculator.outputs)
        table.add_row(calculator.name, calculator.text.title, inputs, outputs)
    Console().print(table)


def described(calculator: Calculator) -> dict[str, Any]:
    """A calculator as JSON: inputs with unit and LOINC, outputs, formula, sources, version, limits."""
    text = calculator.text
    return {
        "name": calculator.name,
        "title": text.title,
        "inputs": [_described(item) for item in calculator.inputs],
        "any_of": [list(group) for group in calculator.alternatives],
        "outputs": {output.key: output.meaning for output in calculator.outputs},
        "not_applicable": [guard.reason for guard in calculator.guards],
        "formula": text.formula,
        "version": text.version,
        "limits": text.limits,
        "sources": [structs.asdict(source) for source in text.sources],
    }


def _described(item: Input) -> dict[str, Any]:
    return {
        "key": item.key,
        "meaning": item.meaning,
        "kind": item.kind.value,
        "unit": item.unit,
        "loinc": list(item.loinc),
        "choices": list(item.choices),
        "required": item.required,
    }
