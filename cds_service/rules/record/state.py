"""What must be kept in mind: anticoagulants, code status, pregnancy, cancer, a recent discharge, death."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.record import wording
from cds_service.record.facts import Event, Fact, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.record.allergies import NoParameters, listed
from cds_service.rules.situation import Situation, names


class Drugs(Given, frozen=True):
    """The drugs of an entry, by class or name."""

    drugs: DrugGroup


class Discharge(Given, frozen=True):
    """``days`` after discharge; ``classes`` of encounter (v3-ActCode) that count as a stay."""

    days: int
    classes: frozenset[str]


class CodeStatus(Given, frozen=True):
    """``ask_from_years``: age from which, during a stay, it matters that none is recorded."""

    ask_from_years: int


class Groups(Given, frozen=True):
    """Groups of problems.toml."""

    groups: ProblemGroups


@record_logic("active-drug", Drugs, found="names")
def active_drug(rule: Rule, given: Drugs, situation: Situation) -> Iterator[Finding]:
    """Active medications of a class."""
    taken = [(drug, found) for drug in situation.drugs if (found := drug.among(given.drugs.members))]
    if taken:
        every = frozenset[str]().union(*(found for _, found in taken))
        yield conclude(
            rule, "found", {"names": names(every)}, key="+".join(sorted(every)), facts=[d.fact for d, _ in taken]
        )


@record_logic("active-problem", Groups, found="names")
def active_problem(rule: Rule, given: Groups, situation: Situation) -> Iterator[Finding]:
    """Active problems of some groups."""
    found = situation.problems(*given.groups.names)
    if found:
        yield conclude(rule, "found", {"names": listed([p.label for p in found])}, facts=found)


@record_logic("code-status", CodeStatus, found="status", missing="", unseen="")
def code_status(rule: Rule, given: CodeStatus, situation: Situation) -> Iterator[Finding]:
    """The newest code status; in hospital, that none is recorded, or that none was seen where not all could be looked at."""
    record = situation.record
    stated = record.readings.get("code_status", ())
    directives: list[Fact] = [goal for goal in record.goals if goal.category == "code-status"]
    if stated:
        newest = stated[0]
        label = newest.text or next((c.display for c in newest.value_codes if c.display), newest.label)
        yield conclude(rule, "found", {"status": label}, key=label, facts=[newest, *directives])
    elif directives:
        yield conclude(rule, "found", {"status": listed([d.label for d in directives])}, facts=directives)
    elif situation.stay is not None and _matters(given, situation):
        text = "missing" if record.looked_for("Observation") else "unseen"
        yield conclude(rule, text, {}, key=text, tier=Tier.REMARK, facts=(situation.stay,))


def _matters(given: CodeStatus, situation: Situation) -> bool:
    return (situation.age or 0) >= given.ask_from_years or bool(situation.problems("cancer"))


@record_logic("pregnancy", NoParameters, found="what")
def pregnancy(rule: Rule, given: NoParameters, situation: Situation) -> Iterator[Finding]:
    """A pregnancy the record states; not recorded is said where it matters: at imaging and teratogenic orders."""
    state = situation.pregnancy
    if state.state == "pregnant":
        first = state.facts[0]
        what = f"{first.label} {wording.value(first)}" if isinstance(first, Reading) else first.label
        if first.time is not None:  # the day as the record writes it: a gestational age is of its day
            what = f"{what.strip()} on {first.time_text[:10]}"
        yield conclude(rule, "found", {"what": what.strip()}, facts=state.facts)


@record_logic("recent-discharge", Discharge, found="days")
def recent_discharge(rule: Rule, given: Discharge, situation: Situation) -> Iterator[Finding]:
    """A stay that ended within the last days."""
    now = situation.record.now
    ended: list[tuple[timedelta, Event]] = []
    for encounter in situation.record.encounters:
        if encounter.end is None or encounter.category.upper() not in given.classes:
            continue
        ago = now - encounter.end
        if timedelta(0) <= ago <= timedelta(days=given.days) and encounter.status != "cancelled":
            ended.append((ago, encounter))
    if ended:
        ago, encounter = min(ended, key=lambda item: item[0])
        yield conclude(rule, "found", {"days": ago.days}, facts=(encounter,), values={"days": ago.days})


@record_logic("deceased", NoParameters, found="")
def deceased(rule: Rule, given: NoParameters, situation: Situation) -> Iterator[Finding]:
    """The record says that the patient has died: nothing else is concluded (fault row 50)."""
    if situation.record.person.deceased:
        yield conclude(rule, "found", {}, since=situation.record.person.deceased_at)


CHECKS = (active_drug, active_problem, code_status, pregnancy, recent_discharge, deceased)
