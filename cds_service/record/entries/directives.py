"""Code status, advance directives, targets and warnings: Goals, Consents, Flags, and what else speaks of resuscitation.

``category`` of the events made here is 'code-status', 'oxygen-target', 'goal', 'consent' or 'flag'.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.record import text
from cds_service.record.coding import coded, first_code
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Event, Fact, Problem, Reading
from cds_service.record.observations.values import wrote
from cds_service.record.words import says_code_status, says_target, words
from fhir_adapters.read.directives import ConsentView, FlagView, GoalView, TargetView

OVER = frozenset({"completed", "cancelled", "rejected", "entered-in-error"})
TARGET = "hypercapnic_target"


def directives(scope: Scope, problems: Iterable[Problem], requests: Iterable[Event]) -> list[Event]:
    """Goals, consents and flags that hold, and active problems and requests that state a code status."""
    made = [*_goals(scope), *_consents(scope), *_flags(scope)]
    made += [_restated(p) for p in problems if p.active and says_code_status(p.codes, p.label)]
    made += [_restated(r) for r in requests if r.status in ("active", "") and says_code_status(r.codes, r.label)]
    return made


def _goals(scope: Scope) -> Iterable[Event]:
    for view, reference, note in scope.of(GoalView):
        status = text.word(view.lifecycleStatus)
        if status in OVER:
            scope.excluded[f"Goal: {status}"] += 1
            continue
        name = coded(view.description)
        aims = text.clean("; ".join(filter(None, (_aim(t) for t in (view.target or ())[:10]))), text.NOTE)
        said = " ".join([name.label, *(text.clean(t.detailString, 200) for t in view.target or () if t.detailString)])
        if any(_oxygen_target(t) for t in view.target or ()) or says_target(said):
            category = "oxygen-target"
        else:
            category = "code-status" if says_code_status(name.codes, name.label) else "goal"
        when = scope.at(view.startDate, view.statusDate)
        yield Event(
            number=0, reference=reference, resource_type="Goal", label=name.label or aims or "Goal", codes=name.codes,
            time=when.time, time_text=when.text, status=status, note=joined(note, name.note), category=category,
            start=when.time, text=aims if name.label else "",
        )  # fmt: skip


def _aim(target: TargetView) -> str:
    measure = coded(target.measure).label
    if target.detailRange is not None:
        aim = " – ".join(wrote(q) for q in (target.detailRange.low, target.detailRange.high) if q is not None)
    elif target.detailQuantity is not None:
        aim = wrote(target.detailQuantity)
    else:
        aim = target.detailString or coded(target.detailCodeableConcept).label
    return f"{measure} {aim}".strip()


def _oxygen_target(target: TargetView) -> bool:
    """A Goal whose measure is the saturation and whose range is 88 to 92."""
    limits = target.detailRange
    if limits is None or limits.low is None or limits.high is None:
        return False
    measured = any(c.code in words().target_measures for c in coded(target.measure).codes)
    return measured and limits.low.value == 88 and limits.high.value == 92


def _consents(scope: Scope) -> Iterable[Event]:
    for view, reference, note in scope.of(ConsentView):
        status = text.word(view.status)
        groups = [coded(c) for c in (*(view.category or ()), *([view.scope] if view.scope else ()))]
        provision = view.provision
        said = [coded(c) for c in (provision.code or ())] if provision is not None else []
        codes = tuple(dict.fromkeys(c for g in (*said, *groups) for c in g.codes))
        label = ", ".join(dict.fromkeys(g.label for g in (*said, *groups) if g.label)) or "Consent"
        listed = any(c.code.casefold() in words().consent_categories for c in codes)
        if status not in ("active", "") or not (listed or says_code_status(codes, label)):
            scope.excluded["Consent: not an advance directive in force"] += 1
            continue
        verdict = f"provision: {provision.type}" if provision is not None and provision.type else ""
        when = scope.at(view.dateTime)
        yield Event(
            number=0, reference=reference, resource_type="Consent", label=text.clean(label, text.LABEL), codes=codes,
            time=when.time, time_text=when.text, status=status, note=joined(note, text.clean(verdict, 60)),
            category="code-status" if says_code_status(codes, label) else "consent", start=when.time,
        )  # fmt: skip


def _flags(scope: Scope) -> Iterable[Event]:
    for view, reference, note in scope.of(FlagView):
        status = text.word(view.status)
        name = coded(view.code)
        start, end = scope.period(view.period)
        if status not in ("active", "") or (end is not None and end < scope.now):
            scope.excluded["Flag: not active"] += 1
            continue
        category = "flag"
        if says_target(name.label):
            category = "oxygen-target"
        elif says_code_status(name.codes, name.label):
            category = "code-status"
        when = scope.at(view.period.start if view.period else None)
        yield Event(
            number=0, reference=reference, resource_type="Flag", label=name.label or "Flag", codes=name.codes,
            time=when.time, time_text=when.text, status=status, note=joined(note, name.note, first_code(view.category)),
            category=category, start=start, end=end,
        )  # fmt: skip


def _restated(fact: Problem | Event) -> Event:
    kind = fact.resource_type if isinstance(fact, Event) else "Condition"
    return Event(
        number=0, reference=fact.reference, resource_type=kind, label=fact.label, codes=fact.codes, time=fact.time,
        time_text=fact.time_text, status=fact.status, note=fact.note, category="code-status", start=fact.time,
    )  # fmt: skip


def oxygen_targets(goals: Iterable[Event], requests: Iterable[Event], others: Iterable[Reading]) -> list[Reading]:
    """Documented targets of 88–92 % as readings of ``hypercapnic_target``: from goals and flags, active orders, observations."""
    found: list[Reading] = [_target(g, f"{g.label} {g.text}") for g in goals if g.category == "oxygen-target"]
    found += [
        _target(r, r.label) for r in requests if r.status in ("active", "") and says_target(f"{r.label} {r.text}")
    ]
    found += [_target(o, o.text) for o in others if o.text and says_target(f"{o.label} {o.text}")]
    return found


def _target(fact: Fact, said: str) -> Reading:
    return Reading(
        number=0, reference=fact.reference, label="SpO2 target", codes=fact.codes, concept=TARGET, time=fact.time,
        time_text=fact.time_text, status=fact.status, note=fact.note, text="88–92 %", written=text.clean(said, 120),
    )  # fmt: skip
