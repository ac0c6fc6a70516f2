"""What a service that shows findings alone could not check: a card of its own.

Such a service is silent where it found nothing. Silence must mean that it looked: what was refused, failed, unreadable,
cut or never sent, and what a draft is checked against, is named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cds_service.hooks.markdown import escape
from cds_service.hooks.notices import SYSTEM
from cds_service.hooks.protocol import Card, Coding, Source
from cds_service.randomness import uuid4
from cds_service.record.facts import LACKING, Reason, Record
from cds_service.services import layout
from cds_service.services.not_seen import name_of
from cds_service.services.service import IssuedCard

# What drafts of a type are checked against. Parts that only widen a check (earlier studies, placed orders) are not here.
CHECKED_AGAINST: Mapping[str, Sequence[str]] = {
    "MedicationRequest": ("AllergyIntolerance", "MedicationRequest", "Observation"),
    "ServiceRequest": ("Observation",),
}
# Many servers have no MedicationStatement, many clients send no procedures: said at every call it would not be read.
NEVER_THERE = frozenset({Reason.NOT_ASKED, Reason.NOT_OFFERED})
TOPIC = Coding(code="serviceincomplete", system=SYSTEM, display="Could not check everything")
EXPLAINED = "Nothing was concluded from these parts. Do not read silence about them as an all-clear."


def needed(record: Record) -> frozenset[str]:
    """The resource types without which the drafts of this call are not checked."""
    return frozenset(what for order in record.orders for what in CHECKED_AGAINST.get(order.resource_type, ()))


def lines(record: Record, needed: Collection[str], whole: Collection[str]) -> list[str]:
    """One line a reason. ``whole``: the keys whose answers are of use only when nothing was cut off."""
    by_reason: dict[Reason, list[str]] = {}
    for absence in record.absences:
        if absence.reason in LACKING or (absence.reason in NEVER_THERE and absence.what in needed):
            by_reason.setdefault(absence.reason, []).append(name_of(absence))
    said = [f"{reason.value}: {', '.join(sorted(set(names)))}" for reason, names in by_reason.items()]
    if count := record.faults.total():
        said.append(f"{count} resource{'' if count == 1 else 's'} could not be read")
    return said + [cut for cut in record.truncated if cut.partition(":")[0] in whole]


def card(
    title: str, record: Record, prefetch: Mapping[str, str], needed: Collection[str], sheet: layout.Sheet
) -> layout.Laid | None:
    """The card; None where all was seen. Lists that come newest first may be cut: what is old is missing from them."""
    whole = {key for key, query in prefetch.items() if "_sort=" not in query}
    gaps = lines(record, needed, whole)
    if not gaps:
        return None
    uuid = uuid4()
    listed = "\n".join(f"- {escape(line)}" for line in gaps)
    made = Card(
        summary=layout.fit_list(gaps, sheet.profile.summary_length, f"{title} could not check everything: "),
        indicator="warning",
        source=Source(label=layout.LABEL, topic=TOPIC),
        uuid=uuid,
        detail=f"{listed}\n\n{EXPLAINED}",
    )
    return layout.Laid(made, IssuedCard(uuid=uuid, service=sheet.service, indicator="warning"))
