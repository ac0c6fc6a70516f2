"""What the record cannot say, and why: never asked, nothing there, not permitted, failed, unreadable."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cds_service.record import text
from cds_service.record.facts import Absence, Reason, Refusal
from cds_service.record.gathered import Answer

REASONS = {
    "none found": (Reason.NONE_FOUND, ""),
    "none reported": (Reason.NONE_FOUND, "the client reports none"),
    "not asked": (Reason.NOT_ASKED, ""),
    "not permitted": (Reason.NOT_PERMITTED, ""),
    "not offered": (Reason.NOT_OFFERED, ""),
    "failed": (Reason.FAILED, ""),
    "timed out": (Reason.FAILED, "timed out"),
    "gone": (Reason.FAILED, "gone"),
    "unreadable": (Reason.UNREADABLE, ""),
}
NOTHING_THERE = frozenset({"none found", "none reported"})


def absences(retrieved: Mapping[str, Answer], expected: Collection[str], seen: Collection[str]) -> list[Absence]:
    """One Absence for each part that was not obtained, and for each expected type that was not asked for.

    ``seen`` names the types of which the record holds a resource, whatever part it came with.
    """
    found: list[Absence] = []
    present: set[str] = set()
    nothing: dict[str, tuple[Reason, str]] = {}
    for answer in retrieved.values():
        kind, state = answer.resource_type or answer.key, str(answer.state)
        if state == "present":
            absence = _unreadable(answer)
            if absence is None:
                present.add(kind)
                found += _reported(answer)
            else:
                found.append(absence)
        elif state in NOTHING_THERE:
            nothing.setdefault(kind, REASONS[state])
        else:
            reason, why = REASONS.get(state, (Reason.FAILED, state))
            detail = ", ".join(filter(None, (answer.key, why, getattr(answer, "detail", ""))))
            found.append(Absence(kind, reason, text.clean(detail, 200), answer.key))
    told = {a.what for a in found}
    found += [Absence(k, *r) for k, r in nothing.items() if k not in present and k not in told]
    known = {*present, *told, *nothing, *seen}
    found += [Absence(k, Reason.NOT_ASKED) for k in dict.fromkeys(expected) if k not in known]
    return found


def _unreadable(answer: Answer) -> Absence | None:
    """Something came, and nothing of it could be read, or nothing of it is what was asked for."""
    one_of = {type(view): view for page in answer.resources for view in page.views}
    kinds = {view.resourceType for view in one_of.values()}
    if kinds and (not answer.resource_type or answer.resource_type in kinds):
        return None
    kinds.update(*(page.unknown for page in answer.resources))
    faults = sorted({fault for page in answer.resources for fault in page.faults})
    faults += sorted(f"{kind} in its place" for kind in kinds)
    if not faults:
        return None
    said = text.clean(f"{answer.key}: {', '.join(faults)}", 200)
    return Absence(answer.resource_type or answer.key, Reason.UNREADABLE, said, answer.key)


def strangers(excluded: Mapping[str, int]) -> list[Absence]:
    """One Absence for each type of which something was left out because it names another patient.

    A list of allergies that lost one is no list on which a drug can be called safe.
    """
    mark = f": {Refusal.OTHER_PATIENT.value}"
    return [
        Absence(what.removesuffix(mark), Reason.STRANGE, f"{count} left out")
        for what, count in excluded.items()
        if what.endswith(mark)
    ]


def _reported(answer: Answer) -> list[Absence]:
    """Errors a server reports beside its entries: the list may be incomplete."""
    codes = {i.code for page in answer.resources for i in page.issues if i.severity in ("fatal", "error")}
    if not codes:
        return []
    said = text.clean(f"{answer.key}: server reports {', '.join(sorted(codes))}", 200)
    return [Absence(answer.resource_type, Reason.FAILED, said, answer.key)]
