"""A card of options a model supposes: "Consider NAME" with what speaks for and against it, and what would change it.

Everything but the names and the supporting sentences is a template, so that an option is never a directive. Always info.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cds_service.assessments.task import Checked
from cds_service.grounding.statement import Statement
from cds_service.hooks.markdown import escape, fit
from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.randomness import uuid4
from cds_service.services import assessed, cited, layout
from cds_service.services.service import IssuedCard

FOOT = (
    "Options to weigh against the patient in front of you; the record alone supports them, and none is an instruction."
)
ROOM = 300  # characters of the detail kept for the lines that close it


class Options(Struct, frozen=True):
    """The options of one answer and what they are about: an order's label, or '' for the patient."""

    about: str
    checked: Checked


def card(topic: Coding, found: Sequence[Options], sheet: layout.Sheet, facts: cited.Facts) -> layout.Laid | None:
    """One card for all options; None where there are none."""
    found = [each for each in found if each.checked.statements]
    if not found:
        return None
    first, uuid = found[0].checked, uuid4()
    names = dict.fromkeys(said.name for each in found for said in each.checked.statements)
    label = assessed.label(first)
    made = Card(
        uuid=uuid,
        summary=fit(f"To consider ({assessed.DRAFTED}): {'; '.join(names)}", sheet.profile.summary_length),
        indicator="info",
        source=Source(label=f"MedGemma CDS: {label}", topic=topic),
        detail=_detail(found, label, sheet, facts),
        overrideReasons=layout.overrides(("already-known", "not-applicable", "disagree"), sheet),
    )
    issued = IssuedCard(uuid=uuid, service=sheet.service, prompt=first.prompt, engine=first.identity.label)
    return layout.Laid(made, issued)


def _detail(found: Sequence[Options], label: str, sheet: layout.Sheet, facts: cited.Facts) -> str:
    parts = [f"*{escape(label)}*"]
    room, left_out = sheet.profile.detail_length - ROOM - len(parts[0]), 0
    for each in found:
        title = f"**{escape(each.about)}**" if each.about else ""
        for said in each.checked.statements:
            text = "\n\n".join(filter(None, (title, _option(said, sheet, facts))))
            if len(text) + 2 > room:
                left_out += 1
                continue
            room -= len(text) + 2
            parts.append(text)
            title = ""
    if left_out:
        parts.append(f"{left_out} further options did not fit into this view.")
    return "\n\n".join((*parts, FOOT))


def _option(said: Statement, sheet: layout.Sheet, facts: cited.Facts) -> str:
    topic = f" ({escape(said.topic)})" if said.topic else ""
    lines = [f"- **Consider {escape(said.name)}**{topic}: {cited.statement(said, facts)}"]
    lines.append(f"  - Supported by: {escape(cited.lines(said.fact_ids, facts, sheet.zone))}")
    if against := cited.lines(said.contrary_ids, facts, sheet.zone):
        lines.append(f"  - Against it: {escape(against)}")
    if said.changes:
        lines.append(f"  - Would change with {escape('; '.join(said.changes))}")
    return "\n".join(lines)
