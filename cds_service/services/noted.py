"""Results beside which the source wrote a note (Observation.note): said wherever they are used, by template.

The words of a note are free text that nobody checked: they reach no card and no prompt. Only what makes a sample doubtful
is kept of them, from a fixed vocabulary (record/observations/samples.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.record.facts import Fact, Reading

NAMED = 5  # results named in one line; of more, the number


def line(facts: Iterable[Fact]) -> str:
    """'With a note in the record that is not shown here: Potassium (Observation/k1).'; '' where none carries one."""
    found = list(dict.fromkeys(_named(fact) for fact in facts if isinstance(fact, Reading) and fact.noted))
    if not found:
        return ""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"With a note in the record that is not shown here: {', '.join(found[:NAMED])}{more}."


def _named(reading: Reading) -> str:
    """Label and resource, and what is kept of the note."""
    return f"{reading.label} ({'; '.join(part for part in (reading.note, reading.reference) if part)})"
