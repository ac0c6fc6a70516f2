"""What every fact-maker needs of one build: the clock, the zone, whose record it is, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from msgspec import Struct, field

from cds_service.record import text, times
from cds_service.record.entries.patient import Whose
from cds_service.record.facts import Refusal
from cds_service.record.gathered import Gathered
from fhir_adapters.read.datatypes import Period, Reference
from fhir_adapters.read.view import View

V = TypeVar("V", bound=View)
MODIFIED = "changed by an extension we do not know"


class Scope(Struct):
    """One build."""

    now: datetime
    zone: tzinfo
    whose: Whose
    gathered: Gathered
    excluded: Counter[str] = field(default_factory=Counter)

    def of(self, kind: type[V]) -> Iterator[tuple[V, str, str]]:
        """The resources of one type that are this patient's and not entered in error: view, citation, first remark.

        Raises WrongPatient where the client itself sent one that names another patient (fault matrix row 14).
        """
        for view, reference, _, prefetch in self.gathered.of(kind):
            subject: Any = getattr(view, "subject", None) or getattr(view, "patient", None)
            subject = subject if isinstance(subject, Reference) else None
            verdict = self.whose.judge(subject)
            name = view.resourceType
            if verdict == "other":
                if prefetch:
                    self.whose.refuse_stranger(subject, name)
                self.excluded[f"{name}: {Refusal.OTHER_PATIENT.value}"] += 1
            elif text.word(getattr(view, "status", None)) == "entered-in-error":
                self.excluded[f"{name}: {Refusal.ENTERED_IN_ERROR.value}"] += 1
            else:
                yield view, reference, remark(view, verdict)

    def at(self, *written: str | None) -> times.Moment:
        """The first of several times that is given. Future and ancient ones keep their text and lose their moment."""
        moment = times.parse(next((w for w in written if w), None), self.zone)
        if moment.time is not None and times.judge(moment, self.now, self.zone) is Refusal.IMPLAUSIBLE_TIME:
            return times.Moment(None, moment.text)
        return moment

    def period(self, period: Period | None) -> tuple[datetime | None, datetime | None]:
        """Start and end of a period."""
        if period is None:
            return None, None
        return self.at(period.start).time, self.at(period.end).time

    def past(self, moment: times.Moment) -> times.Moment:
        """A moment at which something happened: one that lies ahead is no date of anything done."""
        if moment.time is not None and times.judge(moment, self.now, self.zone) is Refusal.FUTURE:
            return times.Moment(None, moment.text, note="dated in the future")
        return moment


def remark(view: View, verdict: str) -> str:
    """What a reader must be told of a resource as a whole."""
    parts = [verdict] if verdict else []
    if view.damaged:
        parts.append(f"partly unreadable: {', '.join(view.damaged)}")
    if getattr(view, "modifierExtension", None):
        parts.append(MODIFIED)
    return "; ".join(parts)


def joined(*parts: str) -> str:
    """Remarks in one line, empty ones left out."""
    return "; ".join(dict.fromkeys(p for p in parts if p))
