"""Small lies made from true sentences: one number, unit, date, id, side, negation, name, patient, tense or trend is changed.

Each mutation is false of the chart it is checked against, or says something the cited facts do not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct

from cds_service.record.facts import Medication, Problem, Reading
from tests.grounding.charts import CHARTS, Chart
from tests.grounding.true_statements import TrueStatement, all_true


class Lie(Struct, frozen=True):
    """A sentence that must be dropped."""

    kind: str
    chart: str
    text: str
    ids: tuple[int, ...]
    was: str


_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"(?<![\w.\-–/:^¹⁰⁹³²])<?\d+(?:\.\d+)?(?![\w\-–:^⁹³²]|\.\d|/\d)")
_UNITS = (
    "mmol/L",
    "mg/dL",
    "mg/L",
    "µmol/L",
    "ng/L",
    "g/dL",
    "mL/min/1.73 m²",
    "mIU/L",
    "mmHg",
    "kg",
    "mcg",
    "mg",
    "°C",
    "%",
)
_SWAPS: dict[str, tuple[tuple[str, str], ...]] = {
    "side": (("right", "left"), ("left", "right"), ("bilateral", "left"), ("right", "bilateral"), ("Bilateral", "Right"),
             ("Left", "Right"), ("Right", "Left")),
    "negation": (
        ("no pulmonary", "pulmonary"), ("No pulmonary", "Pulmonary"), ("was ruled out", "is present"), (": refuted", ""),
        (" refuted", ""), ("not detected", "detected"), ("was negative", "was positive"), ("antigen negative", "antigen positive"),
        ("antigen positive", "antigen negative"), ("without", "with"), ("no pleural", "pleural"), ("no retinopathy", "retinopathy"),
        ("no pericardial", "pericardial"), ("No foreign", "Foreign"), ("Not allergic", "Allergic"),
        ("consolidation", "no consolidation"), ("mild mitral", "no mitral"), ("Mild mitral", "No mitral"),
        ("has sepsis", "has no sepsis"), ("with asthma", "without asthma"), ("with sepsis", "without sepsis"),
        ("with atrial", "without atrial"), ("Allergic to penicillin", "Not allergic to penicillin"),
        ("Penicillin allergy with", "No penicillin allergy or"), ("Peanut allergy", "No peanut allergy"),
        ("Active problem: ", "Active problem: no "), (" has been recorded", " was excluded"), ("is taking", "is not taking"),
        ("was refuted", "was confirmed"), ("has been ruled out", "is present"), ("No appendicitis", "Appendicitis"),
        ("no evidence of appendicitis", "appendicitis"), ("no thrombus", "a thrombus"), ("showed thrombus", "showed no thrombus"),
        ("were positive", "were negative"), ("Positive urine", "Negative urine"), ("test negative", "test positive"),
        ("No postoperative", "Postoperative"), ("Latex allergy", "No latex allergy"), ("Allergy to sulf", "No allergy to sulf"),
        ("She is allergic", "She is not allergic"), ("Active problems include", "Active problems do not include"),
        ("small cyst", "no cyst"), ("A small cyst of the left ovary was", "No cyst of the left ovary was"),
        ("is present", "is absent"), ("History of peptic", "No history of peptic"), ("He is taking", "He is not taking"),
    ),
    "tense": (
        ("History of", "Active"), ("Previous", "Current"), ("Past problem", "Active problem"), ("was stopped", "is ongoing"),
        ("No longer taking", "Taking"), ("Recently stopped", "Currently taking"), ("is ordered as a draft", "was performed"),
        ("Draft order: ", "Completed: "), ("is planned", "was done"), ("Taking", "Stopped:"), ("On metformin", "Formerly on metformin"),
        ("is taking", "was previously taking"), ("Active problem: ", "Past problem: "), (" has been recorded since", " was resolved in"),
        ("Current medications", "Past medications"), (" was performed on", " is planned for"), ("has sepsis", "had sepsis, resolved,"),
        ("Family history of", "History of"), (" in the family history", ""), (", in remission since 2010", ""), ("Family history of ", ""),
        ("Active medications", "Discontinued medications"), ("was stopped", "was started"), ("discontinued in", "started in"),
        ("ordered on", "performed on"), ("booked for", "completed on"), ("Planned: ", "Completed: "), ("prescribed", "stopped"),
        ("was discontinued", "is continued"), ("No longer on", "On"),
        ("History of depressive", "Current"), ("History of peptic", "Active peptic"), ("was performed", "is planned"),
        ("Underwent", "Planned:"), ("was requested", "was completed"), ("has been ordered", "has been performed"),
        ("is pending", "was completed"), ("Current medications", "Former medications"), ("There is a family history of", "There is"),
        ("Active medications include", "Past medications include"), ("was started on", "was stopped on"),
        ("Former smoker", "Current smoker"), ("former smoker", "current smoker"),
    ),
    "trend": (
        ("rising", "falling"), ("rose", "fell"), ("risen", "fallen"), ("increased", "decreased"), ("up from", "down from"),
        ("worsened", "improved"), ("higher than", "lower than"), ("fell", "rose"), ("falling", "rising"), ("decreased", "increased"),
        ("down from", "up from"), ("improved", "worsened"), ("rising", "stable"), ("falling", "stable"), ("rose", "was unchanged"),
        ("critically high", "normal"), ("high", "low"), ("high", "normal"), (" low", " high"), ("normal", "high"), ("normal", "low"),
        ("elevated", "low"), ("above", "below"), ("within", "above"), ("latest", "first"), ("previously", "now"),
        ("Previous", "Latest"), ("dropped", "increased"), ("worsened", "improved"), ("Low platelets", "High platelets"),
        ("most recent", "earliest"), ("remains high", "remains low"), ("still low", "still high"), ("low at", "normal at"),
    ),
}  # fmt: skip
_PEOPLE = (("woman", "man"), ("boy", "girl"), ("-old man", "-old woman"), ("He has", "She has"))


def numbers(true: TrueStatement, chart: Chart, rng: random.Random) -> Iterator[str]:
    """Another number: a digit more or less, shifted point, swapped digits, a neighbour."""
    for match in _NUMBER.finditer(true.text):
        text = match.group().lstrip("<")
        whole = text.replace(".", "")
        options = {
            f"{text}0" if "." not in text else text.replace(".", ""),
            _scaled(text), str(int(whole) + 1) if "." not in text else f"{text[:-1]}{(int(text[-1]) + 3) % 10}",
            whole[::-1] if "." not in text else f"{text.split('.')[1]}.{text.split('.')[0]}",
        }  # fmt: skip
        wrong = [o for o in sorted(options) if o and not _same(o, text)]
        if wrong:
            start = match.start() + len(match.group()) - len(text)
            yield true.text[:start] + rng.choice(wrong) + true.text[match.end() :]


def _scaled(text: str) -> str:
    return f"0.{text}" if "." not in text else text.replace(".", "") + ".5"


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def bounds(true: TrueStatement, _: Chart, __: random.Random) -> Iterator[str]:
    """A bound loses or turns its comparator."""
    if "<" in true.text:
        yield true.text.replace("<", "")
        yield true.text.replace("<", ">")
    if "less than" in true.text:
        yield true.text.replace("less than", "more than")


def units(true: TrueStatement, _: Chart, rng: random.Random) -> Iterator[str]:
    """Another unit behind a number."""
    for unit in _UNITS:
        place = re.search(rf"(?<=\d ){re.escape(unit)}(?![\w/µ])", true.text)
        if place:
            other = rng.choice([u for u in _UNITS if u != unit])
            yield true.text[: place.start()] + other + true.text[place.end() :]


def dates(true: TrueStatement, chart: Chart, rng: random.Random) -> Iterator[str]:
    """Another day, or another cited day in its place."""
    for match in _ISO.finditer(true.text):
        day = date.fromisoformat(match.group())
        wrong = {day + timedelta(days=d) for d in (-30, -1, 1, 365)}
        wrong |= {f.time.date() for f in chart.facts if f.time and f.number in true.ids}
        wrong -= {day}
        ends = {e.date() for f in chart.facts if f.number in true.ids and (e := getattr(f, "end", None))}
        pick = rng.choice(sorted(wrong - ends))
        yield true.text[: match.start()] + pick.isoformat() + true.text[match.end() :]


def swaps(kind: str) -> Callable[[TrueStatement, Chart, random.Random], Iterator[str]]:
    """Word swaps of a kind."""

    def change(true: TrueStatement, _: Chart, __: random.Random) -> Iterator[str]:
        for old, new in _SWAPS[kind]:
            if old in true.text:
                yield true.text.replace(old, new, 1)

    return change


def names(true: TrueStatement, chart: Chart, rng: random.Random) -> Iterator[str]:
    """Another drug, problem, allergen or test in the place of the named one."""
    for kind in (Medication, Problem, Reading):
        listed = sorted({_short(f.label) for c in CHARTS.values() for f in c.facts if isinstance(f, kind)})
        cited = {_short(f.label) for f in chart.facts if f.number in true.ids and isinstance(f, kind)}
        for label in sorted(cited):
            place = re.search(rf"\b{re.escape(label)}\b", true.text, re.IGNORECASE)
            others = [
                o for o in listed if o not in cited and not set(o.lower().split()) & set(true.text.lower().split())
            ]
            if place and others:
                yield true.text[: place.start()] + rng.choice(others).lower() + true.text[place.end() :]
    if "enicillin" in true.text:
        yield re.sub("[Pp]enicillin", "sulfonamide", true.text)
    if "eanut" in true.text:
        yield re.sub("[Pp]eanut", "egg", true.text)


def _short(label: str) -> str:
    return label.split()[0] if re.search(r"\d", label) and "Type" not in label else label


def people(true: TrueStatement, _: Chart, __: random.Random) -> Iterator[str]:
    """Another patient's sex or age."""
    for old, new in _PEOPLE:
        if old in true.text:
            yield true.text.replace(old, new, 1)


def ids(true: TrueStatement, chart: Chart, rng: random.Random) -> Iterator[tuple[int, ...]]:
    """A citation of something else, or of nothing that exists."""
    labels = {f.label for f in chart.facts if f.number in true.ids}
    others = [f.number for f in chart.facts if f.label not in labels]
    swapped = rng.choice(others)
    yield (swapped, *true.ids[1:])
    yield (*true.ids[:-1], 900 + rng.randrange(99))


_TEXT_KINDS: dict[str, Callable[[TrueStatement, Chart, random.Random], Iterator[str]]] = {
    "number": numbers, "bound": bounds, "unit": units, "date": dates, "side": swaps("side"), "negation": swaps("negation"),
    "tense": swaps("tense"), "trend": swaps("trend"), "name": names, "person": people,
}  # fmt: skip


def lies(
    seed: int = 20261120, true_statements: Sequence[TrueStatement] | None = None, charts: Mapping[str, Chart] = CHARTS
) -> list[Lie]:
    """Every mutation of every true sentence, deterministic for a seed."""
    rng = random.Random(seed)
    found: list[Lie] = []
    told = all_true() if true_statements is None else true_statements
    for true in told:
        chart = charts[true.chart]
        for kind, make in _TEXT_KINDS.items():
            for text in make(true, chart, rng):
                found.append(Lie(kind, true.chart, text, true.ids, true.text))
        found += [Lie("id", true.chart, true.text, cited, true.text) for cited in ids(true, chart, rng)]
        found += [Lie("patient", other, true.text, true.ids, true.text) for other in charts if other != true.chart]
    true_texts = {(t.chart, t.text, t.ids) for t in told}
    return [lie for lie in found if (lie.chart, lie.text, lie.ids) not in true_texts]
