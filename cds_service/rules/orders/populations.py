"""Drugs in pregnancy and in children."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from msgspec import Struct

from cds_service.record import wording
from cds_service.record.facts import Fact, Order, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.doses import Dose, read_dose
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Drug, Situation, names

_PREGNANCY_TIERS = {"avoid": Tier.ORDINARY, "ask": Tier.REMARK}
_STRENGTH = re.compile(r"\s*\d")


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


class Toxic(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Amounts from which poison centres refer a child to hospital: per kilogram or in all, whichever is less."""

    single_mg_per_kg: Decimal
    single_mg: Decimal
    daily_mg_per_kg: Decimal
    daily_mg: Decimal


class ChildDose(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Largest single dose of a child: per kilogram, and in all."""

    drug: str
    mg_per_kg: Decimal
    max_mg: Decimal
    toxic: Toxic | None = None

    def __post_init__(self) -> None:
        if self.toxic is not None and min(self.toxic.single_mg_per_kg, self.toxic.daily_mg_per_kg) <= self.mg_per_kg:
            raise ValueError(f"{self.drug}: what is toxic must lie above what is allowed")


class ChildDoses(Given, frozen=True):
    """The guard holds below ``below_years``; a weight may be ``weight_days`` old.

    A dose per kilogram that is no more than ``rounding_percent`` above its limit is a remark: syringes and tablets round.
    """

    rows: tuple[ChildDose, ...]
    below_years: int
    weight_days: int
    rounding_percent: int


@order_logic("pregnancy-drug", Teratogens, contraindicated="drug", running="drug", avoid="drug", ask="drug")
def pregnancy_drug(rule: Rule, given: Teratogens, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug that harms a pregnancy: ordered in one, or before one has been excluded.

    Only of a drug that is taken already it is said that stopping it abruptly can harm.
    """
    drug, state = situation.drug(order), situation.pregnancy
    banned, avoided = drug.among(given.contraindicated.members), drug.among(given.avoid.members)
    text, found, taken = "", frozenset[str](), list[Fact]()
    missing: tuple[str, ...] = ()
    if state.state == "pregnant" and (banned or avoided):
        text, found = ("contraindicated", banned) if banned else ("avoid", avoided)
        taken = [other.fact for other in situation.drugs if other.among(banned)]
        text = "running" if taken else text
    elif state.state == "unknown" and situation.record.person.sex == "female":
        found = drug.among(given.exclude_first.members)
        text, missing = ("ask", ("pregnancy status",)) if found else ("", ())
    if text:
        yield conclude(
            rule,
            text,
            {"drug": names(found)},
            key=f"{'contraindicated' if text == 'running' else text}:{names(found)}",
            tier=_PREGNANCY_TIERS.get(text, Tier.RAISED),
            facts=(order, *taken, *state.facts),
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
    toxic="drug amount child limit ordered label",
    over="drug dose limit weight",
    adult="drug dose limit",
    no_weight="drug",
    unread="drug",
)
def paediatric_dose(rule: Rule, given: ChildDoses, situation: Situation, order: Order) -> Iterator[Finding]:
    """An adult's dose for a child: a single dose above the label's mg/kg or above its largest single dose.

    Raised where the dose, or a day of it, reaches the amount that poison centres send to hospital.
    """
    drug, age = situation.drug(order), situation.age
    if age is None or age >= given.below_years:
        return
    for row in given.rows:
        if not drug.among(frozenset((row.drug,))):
            continue
        dose = read_dose(order.dose or order.label)
        weight = situation.record.latest("body_weight", timedelta(days=given.weight_days))
        said = _said(row, dose, weight, given, order)
        if said is None:
            continue
        yield conclude(
            rule,
            said.text,
            {"drug": _called(order, drug, row.drug), **said.words},
            key=f"{said.text}:{row.drug}",
            tier=said.tier,
            facts=(order, *((weight,) if weight is not None else ())),
            missing=said.missing,
            order=order,
            worse=float(dose.single_mg or 0),
            values={"drug": row.drug, "single_mg": None if dose.single_mg is None else float(dose.single_mg)},
        )


class _Said(NamedTuple):
    text: str
    words: dict[str, object]
    tier: Tier = Tier.ORDINARY
    missing: tuple[str, ...] = ()


def _said(row: ChildDose, dose: Dose, weight: Reading | None, given: ChildDoses, order: Order) -> _Said | None:
    """What is to be said of a dose; None where it is within the label."""
    single = dose.single_mg
    if single is None:
        return _Said("unread", {}, Tier.REMARK, ("dose in mg",))
    kilograms = weight.value if weight is not None and weight.exact else None
    printed = wording.value(weight) if weight is not None and kilograms else ""
    if reached := _toxic(row.toxic, dose, kilograms):
        words: dict[str, object] = {
            "amount": reached[0],
            "limit": reached[1],
            "child": f"a child of {printed}" if printed else f"a child under {given.below_years} years",
            "ordered": order.dose or order.label,
            "label": _largest(row, kilograms),
        }
        return _Said("toxic", words, Tier.RAISED)
    if kilograms and single > row.mg_per_kg * kilograms:
        words = {"dose": _amount(single, kilograms), "limit": f"{row.mg_per_kg:f} mg/kg", "weight": printed}
        rounded = single * 100 <= row.mg_per_kg * kilograms * (100 + given.rounding_percent)
        return _Said("over", words, Tier.REMARK if rounded and single <= row.max_mg else Tier.ORDINARY)
    if single > row.max_mg:
        return _Said("adult", {"dose": f"{single:f} mg", "limit": f"{row.max_mg:f} mg"})
    return None if kilograms else _Said("no_weight", {}, Tier.REMARK, ("weight",))


def _toxic(toxic: Toxic | None, dose: Dose, kilograms: Decimal | None) -> tuple[str, str] | None:
    """The amount ordered and the limit it reaches, in words; None where it reaches none, or none is known."""
    if toxic is None:
        return None
    for amount, per_kg, in_all, often in (
        (dose.single_mg, toxic.single_mg_per_kg, toxic.single_mg, "at once"),
        (dose.daily_mg, toxic.daily_mg_per_kg, toxic.daily_mg, "a day"),
    ):
        if amount is None:
            continue
        if kilograms and amount >= per_kg * kilograms:
            return f"{_amount(amount, kilograms)} {often}", f"{per_kg:f} mg/kg {often}"
        if amount >= in_all:
            return f"{amount:f} mg {often}", f"{in_all:f} mg {often}"
    return None


def _called(order: Order, drug: Drug, known_as: str) -> str:
    """The drug by the order's own name, up to its strength: 'acetaminophen'; ours where that name is another drug's."""
    own = _STRENGTH.split(order.label, maxsplit=1)[0].strip(" ,;:-([#")
    return own if own and not drug.match.contradicts else known_as


def _largest(row: ChildDose, kilograms: Decimal | None) -> str:
    """The largest single dose in words: '15 mg/kg, here 300 mg' of a known weight."""
    if not kilograms:
        return f"{row.mg_per_kg:f} mg/kg, at most {row.max_mg:f} mg"
    here = min(row.mg_per_kg * kilograms, row.max_mg).quantize(Decimal(1), ROUND_DOWN)
    return f"{row.mg_per_kg:f} mg/kg, here {here:f} mg"


def _amount(milligrams: Decimal, kilograms: Decimal) -> str:
    return f"{milligrams:f} mg ({(milligrams / kilograms).quantize(Decimal('0.1')).normalize():f} mg/kg)"


CHECKS = (pregnancy_drug, paediatric_age, paediatric_dose)
