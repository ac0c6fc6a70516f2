"""High, low and normal against the reading itself; rising, better, latest and highest against its series in this prompt."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

from cds_service.grounding.checks.anchors import Anchor, bits, bound
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence, name_words
from cds_service.grounding.language.lexicon import BETTER_DOWN, BETTER_UP, LIMIT_WORDS, TENSES, Kind
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Fact, Reading
from cds_service.record.trend import trend

_HIGH = frozenset({"H", "HH", "HU", "HX"})
_LOW = frozenset({"L", "LL", "LU", "LX"})
_ABNORMAL = _HIGH | _LOW | {"A", "AA"}
_CRITICAL = frozenset({"HH", "LL", "AA"})
_ROUGHLY = Decimal("0.2")


def claims(
    read: Sequence[Token],
    marks: Sequence[int],
    reached: frozenset[int],
    anchors: Sequence[Anchor],
    cited: Sequence[Evidence],
    desk: Desk,
) -> Fault | None:
    """The first claim about a value or a series that the readings do not bear out."""
    everything = (1 << len(cited)) - 1
    for mark in marks:
        word = read[mark].word
        kind, payload, denied = _in_words(read, mark, mark in reached)
        if kind not in _CLAIMS or _names_limit(read, mark):
            continue
        facts = [cited[i].fact for i in bits(bound(read, anchors, mark, everything))]
        readings = [fact for fact in facts if isinstance(fact, Reading)]
        if kind == Kind.PLACE and not readings and word in TENSES:
            continue  # "current medication": a matter of tense
        if kind == Kind.PLACE and not readings and word in _LAST and facts:
            if not denied and all(_placed(fact, desk) for fact in facts):
                continue
            return Reason.PLACE, word
        if kind == Kind.STATE:
            holds, reason = _state(str(payload), readings, desk), Reason.STATE
        elif kind == Kind.TREND:
            holds, reason = _trend(str(payload), readings, cited, desk), Reason.TREND
        else:
            holds, reason = _place(str(payload), readings, desk), Reason.PLACE
        if holds is denied or not readings:
            return reason, word
    return None


_LAST = frozenset({"last", "the last", "most recent"})
_CLAIMS = (Kind.STATE, Kind.TREND, Kind.PLACE)


def _names_limit(read: Sequence[Token], mark: int) -> bool:
    """ "upper limit of normal", "above the normal range": the range is spoken of, not the value."""
    if read[mark].payload != "normal" or mark < 2:
        return False
    before = [token for token in read[max(mark - 3, 0) : mark] if token.word not in ("the", "its", "of")]
    return bool(before) and (before[-1].kind in (Kind.OVER, Kind.UNDER, Kind.WITHIN) or before[-1].word in LIMIT_WORDS)


def _in_words(read: Sequence[Token], mark: int, denied: bool) -> tuple[int, object, bool]:
    """What a mark claims: "above the reference range" is high, "below the upper limit" is not high, "within limits" normal."""
    kind, payload, _ = read[mark]
    if kind not in (Kind.OVER, Kind.UNDER, Kind.WITHIN):
        return kind, payload, denied
    small = list(itertools.takewhile(lambda t: t.kind == Kind.LIGHT or t.payload == "normal", read[mark + 1 :]))
    limit = next((t.word for t in small if t.word in LIMIT_WORDS or t.word == "normal range"), "")
    if kind == Kind.WITHIN:
        return (Kind.STATE, payload, denied) if limit else (Kind.LIGHT, None, denied)
    following = read[mark + 1 + len(small)].kind if mark + 1 + len(small) < len(read) else Kind.HARD
    if not limit and following == Kind.NUMBER:
        return kind, payload, denied
    if kind == Kind.UNDER and limit.startswith("upper"):
        return Kind.STATE, "high", not denied
    if kind == Kind.OVER and limit.startswith("lower"):
        return Kind.STATE, "low", not denied
    return Kind.STATE, "high" if kind == Kind.OVER else "low", denied


def _state(name: str, readings: Sequence[Reading], desk: Desk) -> bool:
    newest = sorted(readings, key=_when, reverse=True)[:1]
    return any(state(name, reading, desk) for reading in newest)


def _when(reading: Reading) -> float:
    return reading.time.timestamp() if reading.time is not None else float("-inf")


def state(name: str, reading: Reading, desk: Desk) -> bool:
    """Whether a reading is high, low, normal, abnormal or critical by its own flags and range."""
    flags, value = frozenset(reading.flags), reading.value
    if name == "critical":
        return not _CRITICAL.isdisjoint(flags) or desk.is_critical(reading)
    bounded = value is not None and not reading.comparator
    above = bounded and reading.high is not None and value > reading.high  # type: ignore[operator]
    below = bounded and reading.low is not None and value < reading.low  # type: ignore[operator]
    if name == "high":
        return above or not _HIGH.isdisjoint(flags)
    if name == "low":
        return below or not _LOW.isdisjoint(flags)
    if name == "abnormal":
        return above or below or not _ABNORMAL.isdisjoint(flags)
    within = bounded and reading.low is not None and reading.high is not None and not above and not below
    return _ABNORMAL.isdisjoint(flags) and not above and not below and ("N" in flags or within)


def _trend(name: str, readings: Sequence[Reading], cited: Sequence[Evidence], desk: Desk) -> bool:
    """Direction over the cited readings of the things spoken of; one reading has no direction."""
    spoken = {reading.concept or reading.label for reading in readings}
    return bool(spoken) and all(_goes(name, thing, cited, desk) for thing in spoken)


def _goes(name: str, thing: str, cited: Sequence[Evidence], desk: Desk) -> bool:
    facts = (evidence.fact for evidence in cited)
    of_it = [f for f in facts if isinstance(f, Reading) and (f.concept or f.label) == thing and f.exact and f.time]
    if len(of_it) < 2:
        return False
    of_it.sort(key=_when, reverse=True)
    if name == "stable":
        return trend(of_it).direction == name
    if name == "steadily":
        return _monotone(of_it)
    if name.startswith("x"):
        return _multiplied(Decimal(name[1:]), of_it[-1], of_it[0])
    direction = _sign(of_it[-1], of_it[0])
    if name == "normalised":
        return state("normal", of_it[0], desk) and _towards(of_it[-1], of_it[0], direction) == "better"
    if name in ("rising", "falling"):
        return direction == name
    return _towards(of_it[-1], of_it[0], direction) == name


def _monotone(newest_first: Sequence[Reading]) -> bool:
    """Three readings or more, each on the same side of the one before."""
    signs = {_sign(before, after) for after, before in itertools.pairwise(newest_first)}
    return len(newest_first) > 2 and len(signs) == 1 and "" not in signs


def _multiplied(times: Decimal, first: Reading, last: Reading) -> bool:
    """ "doubled": to within a tenth; "more than" and "almost" before it make no difference to that."""
    if not first.value or last.value is None:
        return False
    return abs(last.value / first.value / times - 1) <= _ROUGHLY


def _sign(first: Reading, last: Reading) -> str:
    """Any change has a direction; whether it is a notable one is for "stable" to deny (record/trend.py)."""
    if first.value is None or last.value is None or first.value == last.value:
        return ""
    return "rising" if last.value > first.value else "falling"


def _towards(first: Reading, last: Reading, direction: str) -> str:
    """'better' when the value moved towards its reference range, 'worse' when away from it, '' when that cannot be told."""
    before, after = _distance(first, last), _distance(last, last)
    if before is None or after is None:
        good = "rising" if last.concept in BETTER_UP else "falling" if last.concept in BETTER_DOWN else ""
        if not good or direction not in ("rising", "falling"):
            return ""
        return "better" if direction == good else "worse"
    if before == after:
        return ""
    return "better" if after < before else "worse"


def _distance(reading: Reading, ranged: Reading) -> Decimal | None:
    value, low, high = reading.value, ranged.low, ranged.high
    if value is None or (low is None and high is None):
        return None
    if high is not None and value > high:
        return value - high
    return low - value if low is not None and value < low else Decimal(0)


def _same_state(reading: Reading, before: Reading, desk: Desk) -> bool:
    """Both high, both low or both normal."""
    return any(state(name, reading, desk) and state(name, before, desk) for name in ("high", "low", "normal"))


def _placed(fact: Fact, desk: Desk) -> bool:
    """ "Last paracentesis": no other entry of the same name in this prompt is later; of encounters, none at all."""
    if fact.time is None:
        return False
    stay, words = fact.reference.startswith("Encounter/"), name_words(fact)
    later = (f for f in desk.facts.values() if type(f) is type(fact) and f.time is not None and f.time > fact.time)
    return not any(f.reference.startswith("Encounter/") if stay else words <= name_words(f) for f in later)


def _place(name: str, readings: Sequence[Reading], desk: Desk) -> bool:
    if not readings:
        return False
    newest = max(readings, key=_when)
    series = desk.series(newest)
    if newest.time is None or not series:
        return False
    if name == "newest":
        return newest.time >= series[0].time  # type: ignore[operator]
    oldest = min(readings, key=_when)
    if name == "oldest":
        return len(series) > 1 and oldest.time is not None and oldest.time <= series[-1].time  # type: ignore[operator]
    if name == "earlier":
        return oldest.time is not None and oldest.time < series[0].time  # type: ignore[operator]
    if name == "persisting":
        return newest.time >= series[0].time and len(series) > 1 and _same_state(newest, series[1], desk)  # type: ignore[operator]
    values = [reading.value for reading in series if reading.value is not None]
    if newest.value is None or len(values) < 2:
        return False
    return newest.value == (max(values) if name == "maximum" else min(values))
