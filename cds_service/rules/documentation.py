"""Writes docs/rules.md from the catalogue itself: ``python -m cds_service.rules.documentation``."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cds_service.rules.calculators import CALCULATORS
from cds_service.rules.catalogue import Rule, Scope, Source
from cds_service.rules.critical import Limit
from cds_service.rules.feeding.windows import tables
from cds_service.rules.from_record import FED
from cds_service.rules.pack import Pack, load_pack
from cds_service.rules.scores.calculator import Calculator, Input, Kind

_PLAIN = (int, float, str, Decimal)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"

HEAD = """# Calculators and rules

This page is written from the catalogue by `make docs`: `cds_service/rules/scores` (calculators), `freshness.toml` and
`states.toml` (what a record feeds them), `cds_service/rules/pack` (rules). *Reviewed* is the day a formula or rule was
last read against the cited text or a table quoting it; without it, the source is cited but was not read again.

## How every calculator answers

`medgemma-cds calc NAME JSON` prints one JSON object with `status` and every result key. The first of these that holds:

| status | when |
| --- | --- |
| `invalid-input` | a declared key holds something impossible: negative, not a number, outside the physical range |
| `not-applicable` | the patient is outside the validated population; `reason` says why |
| `incomplete` | a required input is absent or null (`missing` names it); sex counts as absent unless male or female |
| `ok` | otherwise; a result key that does not apply is null |

Unknown keys are ignored; `age_years`, `pregnant`, `dialysis` and `aki` are always accepted. Numbers are compared as
exact decimals. An input marked `?` is optional; of alternatives one group must be complete.
"""

FEEDING = """
## What a record feeds

Values that are bounds (`<0.2`), refused, or too old never enter a formula. A score with missing parts is never
printed as a total: its lower bound is, with what was not recorded. A patient recorded as deceased has no scores.

| calculator | from a record |
| --- | --- |
"""

RULES = """
## Rules

`order` rules look at one draft order and the record, `record` rules at the record alone, `triage` rules at the findings
beside an order. Every rule has a switch: off, shadow (computed, audited, not shown) or on. Rules with the same
*mechanism* give one finding per draft: the most severe, with the facts and the sources of the others. A record rule that
*absorbs* others takes in their findings where they rest on its own facts and are no more severe.

The urgency floor holds for acute imaging, laboratory and consult orders: any critical value, AKI from stage 2 on or
NEWS2 from 5 on asks for at least `urgent`. Where AKI raises a study whose order says that iodinated contrast or gadolinium
is given (and names no agent that needs no preparation), the suggestion and the contrast card say that contrast needs
preparation first.
"""

SITE = """
## What a site changes

`CDS_SITE_RULES` names a TOML file. It is read and checked as strictly as the pack: a rule, parameter, concept or unit that
does not exist refuses to start, and the file is part of the hash on cards and in the audit. Parameters replace those of the
same name; of a table (ladders, hours) only the members that are named. Switches can be set at run time, too:
`medgemma-cds rules set ID off|shadow|on`.

```toml
[rules.duplicate-imaging]
switch = "shadow"              # off, shadow, on

[rules.nsaid-kidney]
severity = "warning"           # info, warning, critical; `raised` is the tier of the worse state
parameters = { caution_below = 45 }

[rules.order-priority.parameters.ladders]
news2 = [[5, "asap"], [7, "stat"]]

[critical.potassium]           # who signed it, and when, is required
source = { label = "Laboratory policy 12", edition = "2026-03" }
high = 6.2

[critical.glucose]             # in the unit of the table below; limits in another unit beside it, under `si`
source = { label = "Laboratory policy 12", edition = "2026-03" }
low = 45
high = 450
si = { unit = "mmol/L", low = 2.5, high = 25 }

[categories]                   # kinds of order: imaging, laboratory, consult, procedure, other
"urn:oid:1.2.3|RX-CT" = "imaging"
```
"""

CRITICAL = """
## Critical values

At or beyond a limit a value is critical. An example: a site signs its own. A result written in the other unit is compared with
that unit's own limits.
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD, "## Calculators\n", *(_calculator(c) for c in CALCULATORS.values()), FEEDING.strip() + "\n"]
    parts[-1] += "\n".join(_fed(name) for name in CALCULATORS) + "\n"
    pack = load_pack(None)
    parts += [_freshness(), RULES.strip() + "\n", _rules(pack.rules), CRITICAL.strip() + "\n", _critical(pack)]
    parts.append(SITE.strip() + "\n")
    return "\n".join(parts).rstrip() + "\n"


def _cell(text: str) -> str:
    """Text that cannot break a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _calculator(calculator: Calculator) -> str:
    text = calculator.text
    rows = [
        (f"`{i.key}`{'' if i.required else '?'}", i.meaning, _accepts(i), ", ".join(i.loinc)) for i in calculator.inputs
    ]
    parts = [f"### {calculator.name}: {text.title}\n", _table(("input", "meaning", "unit or values", "LOINC"), rows)]
    if calculator.alternatives:
        groups = " or ".join(" + ".join(f"`{key}`" for key in group) for group in calculator.alternatives)
        parts.append(f"Alternatives: {groups}.\n")
    outputs = "; ".join(f"`{o.key}` ({', '.join(filter(None, (o.meaning, o.unit)))})" for o in calculator.outputs)
    parts.append(f"Result: {outputs}.\n")
    parts.append(f"Formula: {text.formula}\n")
    refusals = ", ".join(f"`{guard.reason}`" for guard in calculator.guards) or "none"
    parts.append(f"Not applicable: {refusals}. Limits: {text.limits}\n")
    parts.append(f"Version {text.version}. Sources:\n\n{_sources(text.sources)}")
    return "\n".join(parts)


def _accepts(item: Input) -> str:
    """Unit with its range, or the words an input takes."""
    if item.kind is Kind.SEX:
        return "male, female"
    if item.kind in (Kind.BOOLEAN, Kind.EVENT):
        return "true, false"
    if item.kind is Kind.CHOICE:
        return ", ".join(item.choices)
    low = f">{item.minimum}" if item.positive else f"{item.minimum}"
    return f"{item.unit}, {low} to {item.maximum}{', whole' if item.kind is Kind.INTEGER else ''}"


def _sources(sources: Iterable[Source]) -> str:
    lines = []
    for source in sources:
        name = f"[{source.label}]({source.url})" if source.url else source.label
        reviewed = f"; reviewed {source.reviewed}" if source.reviewed else ""
        lines.append(f"- {name}, {source.edition}{reviewed}")
    return "\n".join(lines) + "\n"


def _fed(name: str) -> str:
    if name not in FED:
        why = "asked by the order rules" if name.startswith("Check_") else "not fed: it needs a person's judgement"
        return f"| {name} | {why} |"
    words = inspect.getdoc(FED[name]) or ""
    return f"| {name} | {_cell(words.partition(chr(10) * 2)[0].replace('``', '`'))} |"


def _freshness() -> str:
    """How old a value may be, and how far apart the values of one calculation may lie."""
    fresh, own, windows = tables()
    ages: dict[int, list[str]] = {}
    for concept, hours in fresh.items():
        ages.setdefault(hours, []).append(concept)
    rows = [(_span(hours * 60), ", ".join(concepts)) for hours, concepts in sorted(ages.items())]
    rows += [
        (_span(hours * 60), f"{concept} for {name}")
        for name, limits in own.items()
        for concept, hours in limits.items()
    ]
    apart = [(_span(minutes), "all others" if name == "default" else name) for name, minutes in windows.items()]
    return "\n".join(
        (
            "A value may be this old:\n",
            _table(("at most", "items"), rows),
            "The values of one calculation may lie this far apart (laboratory values: from the newest vital sign):\n",
            _table(("at most", "calculator"), apart),
        )
    )


def _span(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} d"


def _rules(rules: Mapping[str, Rule]) -> str:
    parts = []
    for scope in Scope:
        chosen = [rule for rule in rules.values() if rule.scope is scope]
        if chosen:
            parts.append(f"### Scope: {scope.value}\n")
            parts += [_rule(rule) for rule in sorted(chosen, key=lambda rule: rule.id)]
    return "\n".join(parts)


def _rule(rule: Rule) -> str:
    tier = rule.severity.value + (f", raised to {rule.raised.value}" if rule.raised else "")
    facts = [
        ("severity", tier),
        ("mechanism", rule.mechanism),
        ("absorbs", _absorbs(rule)),
        ("always mentioned", "yes" if rule.must_mention else ""),
        ("switch", rule.switch.value),
        ("inputs", ", ".join(rule.inputs)),
        ("thresholds", ", ".join(f"{k} {v}" for k, v in rule.parameters.items() if isinstance(v, _PLAIN))),
        ("override reasons", ", ".join(rule.override_reasons)),
        ("limits", rule.limits),
    ]
    table = _table(("", f"version {rule.version}"), [(key, value) for key, value in facts if value])
    return f"#### {rule.id}: {rule.title}\n\n{table}{_tables(rule.parameters)}\nSources:\n\n{_sources(rule.sources)}"


def _tables(parameters: Mapping[str, Any]) -> str:
    """The lists and tables of a rule, an item a line."""
    lines = []
    for name, value in parameters.items():
        if isinstance(value, dict):
            items = [f"{key}: {_written(item)}" for key, item in value.items()]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            items = [_written(item) for item in value]
        elif isinstance(value, list):
            items = [_written(value)]
        else:
            continue
        lines += [f"- `{name}` {item}" for item in items]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _written(value: Any) -> str:
    """A parameter in one line: 'drug dabigatran; bands below 15, advice …'."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_written(item)}" for key, item in value.items())
    if isinstance(value, list):
        nested = any(isinstance(item, dict | list) for item in value)
        return ("; " if nested else ", ").join(_written(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _critical(pack: Pack) -> str:
    """Every limit of every population, with its source."""
    rows = []
    for population, limits in pack.tables.critical.limits.items():
        rows += [_limit(population, limit) for limit in limits if limit.population == population]
    cited = {limit.source for limits in pack.tables.critical.limits.values() for limit in limits}
    head = ("item", "population", "low", "high", "unit", "other unit", "hours", "source, note")
    return f"{_table(head, rows)}\nSources:\n\n{_sources(sorted(cited, key=lambda source: source.label))}"


def _limit(population: str, limit: Limit) -> tuple[str, ...]:
    other = ""
    if limit.si is not None:
        edges = [
            f"{word} {edge}" for word, edge in (("low", limit.si.low), ("high", limit.si.high)) if edge is not None
        ]
        other = f"{', '.join(edges)} {limit.si.unit}"
    return (
        limit.concept,
        population or "all others",
        "" if limit.low is None else str(limit.low),
        "" if limit.high is None else str(limit.high),
        limit.unit,
        other,
        f"{limit.fresh.total_seconds() / 3600:g}",
        "; ".join(filter(None, (limit.source.label.partition(".")[0], limit.note))),
    )


def _absorbs(rule: Rule) -> str:
    """'qsofa, shock-index (from 7 on)'."""
    if rule.absorbs is None:
        return ""
    return ", ".join(rule.absorbs.rules) + (f" (from {rule.absorbs.at:g} on)" if rule.absorbs.at else "")


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
