"""How a fact is printed: the same on cards, in prompts and for the checks of grounding.

Numbers stand as the record writes them. Only a converted number, and a computed one with more than four decimals, is
rounded, to four significant digits; the source's own writing stands beside a converted value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from cds_service.record.facts import Allergy, Event, Fact, Medication, Order, Problem, Reading
from cds_service.record.units import table

UNITS: Mapping[str, str] = {
    "{score}": "", "{INR}": "", "[pH]": "", "mm[Hg]": "mmHg", "Cel": "°C", "[degF]": "°F", "10*3/uL": "10³/µL",
    "10*6/uL": "10⁶/µL", "mL/min/{1.73_m2}": "mL/min/1.73 m²", "kg/m2": "kg/m²", "m[IU]/L": "mIU/L", "wk": "weeks",
    "umol/L": "µmol/L",
}  # fmt: skip
ROUNDED = Context(prec=4, rounding=ROUND_HALF_EVEN)
DECIMALS = 4
DAY = 10  # characters of an ISO day
_PARTIAL = re.compile(r"\d{4}(?:-\d\d)?")
DOUBT = "sample: "  # how a remark on the sample begins (samples.py)
CONTRADICTS = "contradicts the code"  # in the note of a reading whose name speaks of another concept (coding.py)
FLAG_WORDS = {
    "HH": "critically high", "LL": "critically low", "HU": "high", "LU": "low", "AA": "critically abnormal",
    "H": "high", "L": "low", "A": "abnormal", "N": "normal",
}  # fmt: skip


def number(value: Decimal) -> str:
    """A decimal without exponent; trailing zeros as written."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    point = text.find(".")
    if point < 0 or len(text) - point - 1 <= DECIMALS:
        return text
    text = format(significant(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def significant(value: Decimal) -> Decimal:
    """Four significant digits, and no fraction beyond them: 504.4480 is 504.4, 12345.6 is 12346."""
    return ROUNDED.plus(value) if value.adjusted() < DECIMALS else value.quantize(Decimal(1))


def unit(code: str) -> str:
    """A UCUM code as clinicians write it."""
    return UNITS.get(code, code)


def value(reading: Reading) -> str:
    """'6.1 mmol/L', '<0.2 ng/mL', 'alert (A)'. A converted value is followed by what the source wrote."""
    if reading.value is None:
        return answer(reading) or reading.written
    shown = reading.display
    if shown is not None:
        text = quantity(shown.value, shown.unit, reading.comparator)
        own = reading.written or quantity(reading.value, reading.unit, reading.comparator)
        return text if shown.as_written else f"{text} (written {own})"
    if not reading.written:
        return quantity(reading.value, reading.unit, reading.comparator)
    text = quantity(significant(reading.value), reading.unit, reading.comparator)
    return f"{text} (written {reading.written})"


def reported(reading: Reading) -> str:
    """The value with what makes its sample doubtful: '6.4 mmol/L (sample: haemolysed)'."""
    doubts = [said for said in reading.note.split("; ") if said.startswith(DOUBT)] if reading.note else []
    return f"{value(reading)} ({'; '.join(doubts)})" if doubts else value(reading)


def answer(reading: Reading) -> str:
    """A coded or worded answer as people read it: 'new confusion (C)' for the letter of a scale."""
    concept = table().concepts.get(reading.concept) if reading.text else None
    return concept.printed.get(reading.text, reading.text) if concept is not None else reading.text


def quantity(amount: Decimal, code: str, comparator: str = "") -> str:
    """'6.1 mmol/L', '>90 mL/min/1.73 m²', '14' of a UCUM unit."""
    return f"{comparator}{number(amount)} {unit(code)}".rstrip()


def beside(reading: Reading, amount: Decimal) -> str:
    """Another amount of the reading's concept (a limit, a baseline), in the unit the reading is printed in."""
    concept = table().concepts.get(reading.concept)
    if reading.display is None or concept is None or concept.si is None:
        return quantity(amount, reading.unit)
    return quantity(concept.si.of(amount), reading.display.unit)


def moment(fact: Fact, zone: ZoneInfo) -> str:
    """'2026-11-20 08:10' in ``zone``, '2026-11-20' where only the day is known, '' for the undated."""
    if fact.time is None:
        return ""
    if len(fact.time_text) == 10:
        return fact.time_text
    return _minute(fact.time, zone)


def minute(when: str) -> str:
    """'08:10' of a moment as printed; that none is known for a day alone."""
    return when[DAY + 1 :] or "no time of day"


def partial(fact: Fact) -> str:
    """'2019' or '2019-05' where the record gives no day; '' for every other fact."""
    return fact.time_text if fact.time is None and _PARTIAL.fullmatch(fact.time_text) else ""


@lru_cache(maxsize=1024)  # a fact is printed by the engine, by the check and on the card
def _minute(when: datetime, zone: ZoneInfo) -> str:
    return when.astimezone(zone).isoformat(" ", "minutes")[:16]


def dated(fact: Fact, zone: ZoneInfo) -> str:
    """The moment, a partial date as written, or 'undated' with what the record does say of the time."""
    shown = moment(fact, zone) or partial(fact)
    if shown:
        return shown
    return f"undated ({fact.time_text})" if fact.time_text else "undated"


def level(reading: Reading) -> str:
    """'high', 'low', 'critically high' …: the laboratory's flag first, else the source's own range; '' where neither tells."""
    if reading.flags:
        for flag, words in FLAG_WORDS.items():
            if flag in reading.flags and flag != "N":
                return words
    if reading.value is None:
        return ""
    if reading.high is not None and reading.value > reading.high and reading.comparator not in ("<", "<="):
        return "high"
    if reading.low is not None and reading.value < reading.low and reading.comparator not in (">", ">="):
        return "low"
    return ""


def reference_range(reading: Reading) -> str:
    """'ref 3.5–5.1', 'ref ≤5.1', 'ref ≥3.5', ''."""
    shown = reading.display or reading
    if shown.low is not None and shown.high is not None:
        return f"ref {number(shown.low)}–{number(shown.high)}"
    if shown.high is not None:
        return f"ref ≤{number(shown.high)}"
    return f"ref ≥{number(shown.low)}" if shown.low is not None else ""


def line(fact: Fact, zone: ZoneInfo) -> str:
    """'2026-11-20 08:10 · Potassium 6.1 mmol/L · ref 3.5–5.1 · high · Observation/k1'."""
    parts = [dated(fact, zone), *described(fact, zone), fact.note, fact.reference]
    return " · ".join(p for p in parts if p)


def described(fact: Fact, zone: ZoneInfo) -> list[str]:
    """What a fact says, without its time, note and reference."""
    if isinstance(fact, Reading):
        status = fact.status if fact.status in ("preliminary", "amended", "corrected") else ""
        refusal = f"not used: {fact.refusal.value}" if fact.refusal is not None else ""
        return [f"{fact.label} {value(fact)}".strip(), reference_range(fact), level(fact), status, refusal]
    if isinstance(fact, Problem):
        return [fact.label, "refuted" if fact.negated else fact.clinical_status]
    if isinstance(fact, Allergy):
        return _allergy(fact)
    if isinstance(fact, Medication):
        return [fact.label, fact.dose, "do not give" if fact.do_not_perform else "", fact.status]
    if isinstance(fact, Order):
        return [fact.label, fact.dose, "do not perform" if fact.do_not_perform else "", fact.priority, "draft order"]
    if isinstance(fact, Event):
        ended = day(fact.end, zone)
        return [fact.label, fact.text[:200], fact.status, f"until {ended}" if ended else ""]
    return [fact.label]


def _allergy(fact: Allergy) -> list[str]:
    if fact.no_known:
        return [fact.label]
    name = "Intolerance" if fact.type == "intolerance" else "Allergy"
    return [
        f"{name}: {fact.label}",
        ", ".join(fact.manifestations),
        fact.severity,
        f"criticality {fact.criticality}" if fact.criticality else "",
        "refuted" if fact.negated else (fact.status if fact.status != "active" else ""),
    ]


def day(when: datetime | date | None, zone: ZoneInfo) -> str:
    """'2026-11-20' in ``zone``."""
    if isinstance(when, datetime):
        return when.astimezone(zone).strftime("%Y-%m-%d")
    return when.isoformat() if when is not None else ""
