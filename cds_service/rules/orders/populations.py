"""Drugs in pregnancy and in children."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct

from cds_service.record import wording
from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.doses import read_dose
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Situation, names


class Teratogens(Given, frozen=True):
    """``contraindicated`` and ``avoid`` in pregnancy; ``exclude_first``: the label asks to exclude pregnancy before."""

    contraindicated: DrugGroup
    avoid: DrugGroup
    exclude_first: DrugGroup


class AgeLimit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A drug not given below an age (completed years), and why."""

    drug: str
    below_years: int
    why: str
    raised: bool = False


class AgeLimits(Given, frozen=True):
    """The drugs a label keeps from children."""

    rows: tuple[AgeLimit, ...]


class ChildDose(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Largest single dose of a child: per kilogram, and in all."""

    drug: str
    mg_per_kg: Decimal
    max_mg: Decimal


class ChildDoses(Given, frozen=True):
    """The guard holds below ``below_years``; a weight may be ``weight_days`` old."""

    rows: tuple[ChildDose, ...]
    below_years: int
    weight_days: int


@order_logic("pregnancy-drug", Teratogens, contraindicated="drug", avoid="drug", ask="drug")
def pregnancy_drug(rule: Rule, given: Teratogens, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug that harms a pregnancy: ordered in one, or before one has been excluded."""
    drug, state = situation.drug(order), situation.pregnancy
    banned, avoided = drug.among(given.contraindicated.members), drug.among(given.avoid.members)
    text, found = "", frozenset[str]()
    missing: tuple[str, ...] = ()
    if state.state == "pregnant" and (banned or avoided):
        text, found = ("contraindicated", banned) if banned else ("avoid", avoided)
    elif state.state == "unknown" and situation.record.person.sex == "female":
        found = drug.among(given.exclude_first.members)
        text, missing = ("ask", ("pregnancy status",)) if found else ("", ())
    if text:
        yield conclude(
            rule,
            text,
            {"drug": names(found)},
            key=f"{text}:{names(found)}",
            tier=Tier.RAISED if text == "contraindicated" else Tier.REMARK if text == "ask" else Tier.ORDINARY,
            facts=(order, *state.facts),
            missing=missing,
            order=order,
            values={"drug": names(found), "state": state.state},
        )


@order_logic("paediatric-age", AgeLimits, found="drug years why")
def paediatric_age(rule: Rule, given: AgeLimits, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug ordered below the age its label allows."""
    drug, age = situation.drug(order), situation.age
    if age is None:
        return
    for row in given.rows:
        if age < row.below_years and drug.among(frozenset((row.drug,))):
            yield conclude(
                rule,
                "found",
                {"drug": row.drug, "years": row.below_years, "why": row.why},
                key=row.drug,
                tier=Tier.RAISED if row.raised else Tier.ORDINARY,
                facts=(order,),
                order=order,
                values={"drug": row.drug, "below_years": row.below_years},
            )


@order_logic(
    "paediatric-dose",
    ChildDoses,
    over="drug dose limit weight",
    adult="drug dose limit",
    no_weight="drug",
    unread="drug",
)
def paediatric_dose(rule: Rule, given: ChildDoses, situation: Situation, order: Order) -> Iterator[Finding]:
    """An adult's dose for a child: a single dose above the label's mg/kg or above its largest single dose."""
    drug, age = situation.drug(order), situation.age
    if age is None or age >= given.below_years:
        return
    for row in given.rows:
        if not drug.among(frozenset((row.drug,))):
            continue
        dose = read_dose(order.dose or order.label).single_mg
        weight = situation.record.latest("body_weight", timedelta(days=given.weight_days))
        kilograms = weight.value if weight is not None and weight.exact else None
        words: dict[str, object] = {"drug": row.drug, "dose": f"{dose:f} mg" if dose is not None else ""}
        text, tier = "", Tier.ORDINARY
        missing: tuple[str, ...] = ()
        if dose is None:
            text, tier, missing = "unread", Tier.REMARK, ("dose in mg",)
        elif kilograms and weight is not None and dose > row.mg_per_kg * kilograms:
            text, words["limit"], words["weight"] = "over", f"{row.mg_per_kg:f} mg/kg", wording.value(weight)
            words["dose"] = f"{dose:f} mg ({(dose / kilograms).quantize(Decimal('0.1')).normalize():f} mg/kg)"
        elif dose > row.max_mg:
            text, words["limit"] = "adult", f"{row.max_mg:f} mg"
        elif kilograms is None:
            text, tier, missing = "no_weight", Tier.REMARK, ("weight",)
        if text:
            yield conclude(
                rule,
                text,
                words,
                key=f"{text}:{row.drug}",
                tier=tier,
                facts=(order, *((weight,) if weight is not None else ())),
                missing=missing,
                order=order,
                worse=float(dose or 0),
                values={"drug": row.drug, "single_mg": None if dose is None else float(dose)},
            )


CHECKS = (pregnancy_drug, paediatric_age, paediatric_dose)
