"""Every date and time of a statement must be one of a cited fact, in the zone of the site, no finer than the record is."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.checks.anchors import Anchor
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language.lexicon import ROLES, Kind
from cds_service.grounding.language.tokens import Numeral, Sentence, Token, iso_day
from cds_service.grounding.statement import Reason

_DATING = (Kind.NUMBER, Kind.MONTH)
_ROUGHLY = 10  # minutes
_YEARS = range(1900, 2101)


def anchor_dates(said: Sentence, cited: Sequence[Evidence]) -> list[Anchor] | Fault:
    """Date anchors of a statement, or the first date no cited fact has."""
    anchors: list[Anchor] = []
    read = said.read
    places = said.numbers
    if Kind.MONTH in said.kinds:
        places = [i for i, token in enumerate(read) if token.kind in _DATING]
    done = -1
    for position in places:
        meant = _meant(read, position, cited) if position > done else None
        if meant is None:
            continue
        isos, last = meant
        clock, last = _clock(read, position, last)
        mask = -1
        if isos:
            role, mask = _role(read, position), 0
            for iso in isos:
                each, _, other = iso.partition("&")
                mask |= _carriers(each, role, cited) & (_carriers(other, role, cited) if other else -1)
        if clock:
            mask &= _at(clock, cited, about=bool(position) and read[position - 1].kind == Kind.ABOUT)
        if not mask:
            return Reason.DATE, " ".join(read[i].word for i in range(position, last + 1))
        anchors.append(Anchor(position, last, "date", mask))
        done = last
    return anchors


def _meant(read: Sequence[Token], position: int, cited: Sequence[Evidence]) -> tuple[list[str], int] | None:
    """ISO forms a date can mean and its last token; ([], position) for a time of day alone."""
    token = read[position]
    if token.kind == Kind.NUMBER:
        numeral: Numeral = token.payload  # type: ignore[assignment]
        if numeral.shape in ("date", "moment"):
            other = [numeral.b] if numeral.shape == "date" and numeral.b not in ("", numeral.a) else []
            return [numeral.a, *other], position
        if numeral.shape == "time":
            return [], position
        if numeral.shape == "range" and _month(read, position + 1):
            return _both_days(read, position, numeral)
        if numeral.shape == "number" and "." not in numeral.a:
            if _word(read, position + 1) in ("and", "to", "-", "through") and _month(read, position + 3):
                later = _day_first(read, position + 2, _word(read, position + 2))
                own = _day_first([read[position], *read[position + 3 : position + 5]], 0, numeral.a)
                return (own[0], position) if later and own else None
            return _day_first(read, position, numeral.a) or _year(read, position, numeral.a, cited)
        return None
    return _month_first(read, position)


def _word(read: Sequence[Token], position: int) -> str:
    return read[position].word if position < len(read) else ""


def _month(read: Sequence[Token], position: int) -> int:
    token = read[position] if position < len(read) else None
    return token.payload if token is not None and isinstance(token.payload, int) and token.kind == Kind.MONTH else 0


def _day_first(read: Sequence[Token], position: int, day: str) -> tuple[list[str], int] | None:
    """'20 November 2026', '20 Nov'."""
    month = _month(read, position + 1)
    if not month or not day.isdecimal():
        return None
    year = _word(read, position + 2)
    if year.isdecimal() and int(year) in _YEARS:
        return [iso_day(int(year), month, int(day)) or "impossible"], position + 2
    return [f"-{month:02}-{int(day):02}"], position + 1


def _both_days(read: Sequence[Token], position: int, days: Numeral) -> tuple[list[str], int] | None:
    """'14-21 February 2026': both days are the fact's."""
    first = _day_first(read, position, days.a)
    last = _day_first(read, position, days.b)
    return (["&".join([*first[0], *last[0]])], last[1]) if first and last else None


def _month_first(read: Sequence[Token], position: int) -> tuple[list[str], int] | None:
    """'November 20, 2026', 'Nov 20', 'November 2026'."""
    month, after = _month(read, position), _word(read, position + 1)
    if not after.isdecimal():
        day_before = position and read[position - 1].kind == Kind.NUMBER
        return None if day_before else ([f"-{month:02}-"], position)
    if int(after) in _YEARS:
        return [f"{int(after):04}-{month:02}"], position + 1
    comma = 1 if _word(read, position + 2) == "," else 0
    year = _word(read, position + 2 + comma)
    if year.isdecimal() and int(year) in _YEARS:
        return [iso_day(int(year), month, int(after)) or "impossible"], position + 2 + comma
    return [f"-{month:02}-{int(after):02}"], position + 1


def _year(read: Sequence[Token], position: int, text: str, cited: Sequence[Evidence]) -> tuple[list[str], int] | None:
    """A bare year, unless a unit makes it a value."""
    unit = position + 1 < len(read) and read[position + 1].kind in (Kind.UNIT, Kind.SPAN)
    if len(text) != 4 or int(text) not in _YEARS or unit:
        return None
    if any(text == e.value or any(text in each.numbers for each in e.sources) for e in cited):
        return None  # "metabolic 2000 panel"
    return [text], position


def _carriers(iso: str, role: str, cited: Sequence[Evidence]) -> int:
    mask = 0
    for place, evidence in enumerate(cited):
        days = evidence.days
        if iso in days:
            fits = not role or days[iso] == role or len(days) == 1
        elif iso.startswith("-"):
            fits = any(
                iso in day[4:] + "-" if len(iso) == len("-05-") else len(day) == 10 and day.endswith(iso)
                for day in days
            )
        elif len(iso) < 10:
            fits = any(day.startswith(iso) and (not role or r == role or len(days) == 1) for day, r in days.items())
        else:
            fits = False
        if fits or any(iso in each.dates for each in evidence.sources):
            mask |= 1 << place
    return mask


def _role(read: Sequence[Token], position: int) -> str:
    for at in range(position - 1, max(position - 3, -1), -1):
        if read[at].word in ROLES:
            return ROLES[read[at].word]
        if read[at].kind != Kind.LIGHT:
            return ""
    return ""


def _clock(read: Sequence[Token], first: int, last: int) -> tuple[str, int]:
    """The time of day that belongs to a date, and the last token of both."""
    own = read[first].payload
    if isinstance(own, Numeral) and own.shape == "moment":
        return own.b, last
    if isinstance(own, Numeral) and own.shape == "time":
        return own.a, last
    at = last + 1
    if _word(read, at) in ("at", ",", "t"):
        at += 1
    payload = read[at].payload if at < len(read) else None
    if isinstance(payload, Numeral) and payload.shape == "time":
        return payload.a, at
    return "", last


def _at(clock: str, cited: Sequence[Evidence], *, about: bool) -> int:
    """Facts of that time of day; "around 11:00" is any within ten minutes of it."""
    mask = 0
    for place, evidence in enumerate(cited):
        if clock in evidence.times or (about and any(_near(clock, time) for time in evidence.times)):
            mask |= 1 << place
    return mask


def _near(one: str, other: str) -> bool:
    (hour, minute), (others, minutes) = one.split(":"), other.split(":")
    return abs(int(hour) * 60 + int(minute) - int(others) * 60 - int(minutes)) <= _ROUGHLY
