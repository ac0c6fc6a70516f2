"""What several rules ask of one record, worked out once per evaluation: age, kidneys, pregnancy, drugs, drafts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from msgspec import Struct

from cds_service.record.facts import Event, Fact, Medication, Order, Problem, Record
from cds_service.rules import calculators
from cds_service.rules.drugs import Match
from cds_service.rules.feeding.kidney import decided
from cds_service.rules.from_record import Dialysis, Feed, PregnancyState, ScoreResult, score
from cds_service.rules.imaging import Study
from cds_service.rules.kinds import Kind
from cds_service.rules.lazy import lazy
from cds_service.rules.tables import Tables

DRUG_ORDERS = frozenset(("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"))
INPATIENT = frozenset(("IMP", "ACUTE", "NONAC", "SS", "OBSENC", "EMER"))
OPEN = frozenset(("in-progress", "arrived", "triaged", "onleave"))
NEWBORN_DAYS = 29


class Drug(Struct, frozen=True):
    """A mapped medication of the record or a mapped draft."""

    fact: Medication | Order
    match: Match

    def among(self, members: frozenset[str]) -> frozenset[str]:
        """Which of ``members`` it contains, where it acts on the whole body and is given as treatment."""
        if self.match.local or self.match.not_given:
            return frozenset()
        return self.match.ingredients & members

    @property
    def called(self) -> str:
        """The drug as the record names it."""
        return called(self.fact, self.match.ingredients)


class Kidney(Struct, frozen=True):
    """Kidney function as the order checks need it. ``egfr`` is the reported integer, None where unknown or withheld.

    Where ``bound`` is set the eGFR is not known exactly, and ``egfr`` the nearest integer that it proves ('<15': 14).

    ``unsteady`` is the equation at the newest creatinine during AKI or on dialysis: no estimate of function, and used
    only where it makes a check stricter.
    """

    egfr: int | None
    aki: int  # highest KDIGO stage of the last 7 days, 0 where none or unknown
    dialysis: bool
    facts: tuple[Fact, ...]
    missing: tuple[str, ...]
    text: str
    unsteady: int | None = None
    bound: str = ""  # as printed: '<15'

    @property
    def known(self) -> bool:
        """True when something can be said: a value, an acute injury, or maintenance dialysis."""
        return self.egfr is not None or bool(self.aki) or self.dialysis

    @property
    def words(self) -> dict[str, str]:
        """``kidney`` in a few words for a summary, ``kidney_text`` in full."""
        if self.aki:
            short = f"AKI stage {self.aki}"
        elif self.egfr is not None:
            short = f"eGFR {self.bound or self.egfr}"
        else:
            short = "maintenance dialysis" if self.dialysis else "kidney function not known"
        return {"kidney": short, "kidney_text": self.text[:1].upper() + self.text[1:] if self.dialysis else self.text}

    @property
    def worse(self) -> float:
        """Orders kidney findings: any acute injury above any eGFR, lower eGFR above higher."""
        return 1000.0 + self.aki if self.aki else float(-(self.egfr or 0))

    def below(self, limit: int | Decimal) -> bool:
        """True when eGFR is known and below the limit."""
        return self.egfr is not None and self.egfr < limit


class Situation:
    """One record during one evaluation. Nothing of it outlives the call."""

    def __init__(self, record: Record, tables: Tables) -> None:
        self.record = record
        self.tables = tables
        self.feed = Feed(record)
        self._places = {id(order): place for place, order in enumerate(record.orders)}
        self._studies: dict[int, Study] = {}

    def score(self, name: str) -> ScoreResult:
        """One calculator fed from the record."""
        return score(name, self.feed)

    @lazy
    def age(self) -> int | None:
        """Completed years, None where the birth date is missing."""
        return self.feed.age

    @lazy
    def newborn(self) -> bool:
        """True when the birth date is known to the day and lies less than 29 days back."""
        person = self.record.person
        if person.birth_date is None or person.birth_precision not in ("", "day"):
            return False
        return 0 <= (self.record.now.date() - person.birth_date).days < NEWBORN_DAYS

    @property
    def pregnancy(self) -> PregnancyState:
        """pregnant, not-pregnant, unknown or not-applicable."""
        return self.feed.pregnancy

    @property
    def dialysis(self) -> Dialysis:
        """Maintenance dialysis and recent dialyses."""
        return self.feed.dialysis

    @lazy
    def kidney(self) -> Kidney:
        """eGFR, acute injury and dialysis; eGFR is withheld in AKI, pregnancy and childhood."""
        if self.dialysis.maintenance:
            return Kidney(None, 0, True, self.dialysis.facts, (), "on maintenance dialysis", 0)
        injury, filtration = self.score("KDIGO_AKI"), self.score("eGFR_CKD_EPI_2021")
        stage = int(injury.result.get("peak_stage") or injury.result.get("stage") or 0)
        if stage:
            return Kidney(None, stage, False, injury.inputs, (), injury.text, self._unsteady())
        if filtration.ok:
            return Kidney(filtration.result["reported"], 0, False, filtration.inputs, (), filtration.text)
        if filtration.result["status"] == "incomplete" and (proven := decided(filtration)) is not None:
            egfr, bound = proven
            return Kidney(egfr, 0, False, filtration.inputs, (), filtration.text, bound=bound)
        return Kidney(None, 0, False, filtration.inputs, filtration.missing or (filtration.text,), filtration.text)

    def _unsteady(self) -> int | None:
        newest = next(iter(self.feed.creatinines), None)
        if newest is None or newest.value is None:
            return None
        given = {"sex": self.record.person.sex, "age_years": self.age, "creatinine_mg_dl": newest.value}
        reported = calculators.run("eGFR_CKD_EPI_2021", given).get("reported")
        return None if reported is None else int(reported)

    @lazy
    def _by_group(self) -> dict[str, list[Problem]]:
        found: dict[str, list[Problem]] = {}
        table = self.tables.problems
        for problem in self.record.problems:
            if not problem.negated:
                groups = table.groups(problem)
                for group in groups if problem.active else groups & table.ever:
                    found.setdefault(group, []).append(problem)
        return found

    def problems(self, *groups: str) -> list[Problem]:
        """Active problems of some groups of problems.toml, and past ones of those that count ever."""
        return [problem for group in groups for problem in self._by_group.get(group, ())]

    @lazy
    def drugs(self) -> list[Drug]:
        """Active medications of the record, mapped; unmapped ones are in ``unmapped``."""
        match = self.tables.drugs.match
        drafts = {order.reference for order in self.record.orders if order.reference}
        return [
            Drug(medication, found)
            for medication in self.record.medications
            if medication.active and not medication.do_not_perform and medication.reference not in drafts
            if (found := match(medication.label, medication.codes)).ingredients
        ]

    @lazy
    def unmapped(self) -> list[Medication]:
        """Active medications whose drug is not known to drugs.toml: no rule sees them."""
        match = self.tables.drugs.match
        return [
            medication
            for medication in self.record.medications
            if medication.active and not medication.do_not_perform
            if not match(medication.label, medication.codes).ingredients
        ]

    @lazy
    def drafts(self) -> list[Drug]:
        """Draft medication orders of the call, mapped or not."""
        match = self.tables.drugs.match
        return [
            Drug(order, match(order.label, order.codes))
            for order in self.record.orders
            if order.resource_type in DRUG_ORDERS and not order.do_not_perform
        ]

    def drug(self, order: Order) -> Drug:
        """A draft, mapped. An order that is no medication maps to nothing."""
        if order.resource_type not in DRUG_ORDERS:
            return Drug(order, Match(frozenset()))
        return Drug(order, self.tables.drugs.match(order.label, order.codes))

    def partners(self, order: Order, speaking: frozenset[str] = frozenset()) -> Iterator[Drug]:
        """Drugs to check a draft against: active medications, and the other drafts, each pair of drafts once.

        A pair belongs to its selected draft; of two alike, to the one with a drug of ``speaking``, then to the one named
        first.
        """
        yield from self.drugs
        for other in self.drafts:
            if isinstance(other.fact, Order) and self.owns(order, other.fact, speaking):
                yield other

    def owns(self, order: Order, other: Order, speaking: frozenset[str] = frozenset()) -> bool:
        """Which of two drafts speaks for both: a selected one before one that is not, then ``speaking``, else by name.

        The sequence of the drafts decides only between two of one name, so that it does not change what is said.
        """
        return other is not order and self._turn(order, speaking) < self._turn(other, speaking)

    def _turn(self, order: Order, speaking: frozenset[str]) -> tuple[bool, bool, str, int]:
        silent = not self.drug(order).among(speaking) if speaking else False
        return not order.selected, silent, order.label.casefold(), self._places[id(order)]

    def study(self, order: Order) -> Study:
        """The imaging study a draft asks for; one without modality is no imaging order."""
        found = self._studies.get(id(order))
        if found is None:
            found = self._studies[id(order)] = self.tables.imaging.order(order)
        return found

    def kind(self, order: Order) -> Kind:
        """What kind of order it is."""
        return self.tables.kinds.kind(order, self.study(order))

    @lazy
    def contrast_drafts(self) -> list[Order]:
        """Draft imaging orders that give or may give iodinated contrast."""
        return [
            order
            for order in self.record.orders
            if order.resource_type == "ServiceRequest" and not order.do_not_perform and self.study(order).iodinated
        ]

    @lazy
    def stay(self) -> Event | None:
        """The open inpatient or emergency encounter, if any."""
        for encounter in self.record.encounters:
            ended = encounter.end is not None and encounter.end <= self.record.now
            if encounter.category.upper() in INPATIENT and encounter.status in OPEN and not ended:
                return encounter
        return None


def called(fact: Fact, known_as: Iterable[str]) -> str:
    """A fact by its label; where the record has a bare code for one, by what the rules know: 'amoxicillin (code 723)'."""
    if all(fact.label != code.code for code in fact.codes):
        return fact.label
    known = ", ".join(sorted(known_as))
    return f"{known} (code {fact.label})" if known else f"code {fact.label}"


def names(members: Sequence[str] | frozenset[str]) -> str:
    """Drug names for a sentence, in a fixed order."""
    return ", ".join(sorted(members))
