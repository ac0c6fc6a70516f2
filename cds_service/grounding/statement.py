"""One sentence by an engine, the reasons for which it can be dropped, and the verdict over a whole text."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from msgspec import Struct


class Statement(Struct, frozen=True, kw_only=True):
    """A sentence with the facts it stands on. The wire form of ``prompts/*/schema.json``.

    ``record``: every content word comes from the cited facts. ``hypothesis``: ``name`` alone carries what is supposed
    (printed by template as "Consider …"); ``text`` is its support and is held to the same rule as a record statement.
    ``changes`` name what would speak for or against it (printed by template as "Would change with …").
    """

    text: str
    fact_ids: tuple[str, ...]
    kind: str = "record"  # record, hypothesis
    name: str = ""  # hypothesis only
    topic: str = ""  # hypothesis only: what sort of option it is, an enum of the prompt's schema
    contrary_ids: tuple[str, ...] = ()  # hypothesis only: facts that speak against it
    changes: tuple[str, ...] = ()  # hypothesis only: names, held to the same rule as ``name``


class Reason(StrEnum):
    """Why a statement was dropped. The value is what audit and metrics count."""

    SHAPE = "malformed"
    UNKNOWN_FACT = "cites a fact that is not in the prompt"
    UNCLEAN = "hidden or foreign characters, or a denial in another language"
    LINK = "link, markup or contact"
    CONTROL = "speaks to the machine"
    DIRECTIVE = "dose advice or directive"
    AUTHORITY = "claims authority"
    ALL_CLEAR = "all-clear without a source"
    INFERENCE = "diagnosis or cause as fact"
    NUMBER = "number not in the cited facts"
    UNIT = "unit not that of the cited fact"
    DATE = "date not in the cited facts"
    PAIRING = "value, name and date do not belong together"
    NAME = "word or name not in the cited facts"
    POLARITY = "affirms what is denied, or denies what is affirmed"
    TENSE = "active, past, planned and family mixed up"
    SIDE = "side not that of the cited fact"
    TREND = "direction disagrees with the series"
    STATE = "high, low or normal disagrees with the cited fact"
    PLACE = "latest, first or extreme disagrees with the series"
    STALE = "value that a later one has replaced, said without its date"
    PERSON = "age or sex is not the patient's"


# drops that say the opposite of the record, not merely more than it
CONTRADICTIONS = frozenset(
    {
        Reason.NUMBER, Reason.UNIT, Reason.DATE, Reason.PAIRING, Reason.POLARITY, Reason.TENSE, Reason.SIDE,
        Reason.TREND, Reason.STATE, Reason.PLACE,
    }
)  # fmt: skip


class Dropped(Struct, frozen=True):
    """A statement that may not be shown. ``word`` is where the check stopped; it may hold record text: never logged."""

    statement: Statement
    reason: Reason
    word: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What is left. ``discarded`` set: nothing may be shown, the list made by rules stands alone."""

    kept: list[Statement]
    dropped: list[Dropped]
    discarded: str = ""

    @property
    def reasons(self) -> Counter[str]:
        """Drop reasons by count, without any text of the record."""
        return Counter(each.reason.value for each in self.dropped)
