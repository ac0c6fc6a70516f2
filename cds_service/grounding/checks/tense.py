"""Active, past, planned, done, family: what is said of a fact's time must be what its status says."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.checks.anchors import Anchor, bits
from cds_service.grounding.checks.vocabulary import Fault, carriers
from cds_service.grounding.evidence.evidence import Evidence, Tense, name_words, standing
from cds_service.grounding.language.lexicon import TENSES, UNNAMED_RELATIVES, Kind, stem
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Allergy, Medication, Problem, Reading

_FITS = {
    "past": Tense.PAST | Tense.DONE | Tense.MEASURED,
    "active": Tense.ACTIVE | Tense.MEASURED,
    "planned": Tense.PLANNED,
    "asked": Tense.ASKED,
    "done": Tense.DONE | Tense.MEASURED,
    "family": Tense.FAMILY,
}
_WITH_VERB = frozenset(
    {"no longer", "not currently", "not taking", "not yet", "to be"}
)  # the verb after them adds nothing
_OVER = frozenset({"former", "formerly", "ex", "resolved", "stopped", "ceased", "ended", "quit", "discontinued"})
_ENDABLE = (Problem, Allergy, Medication)
_OPPOSITE = {"active": "past", "past": "active"}


def tense(
    read: Sequence[Token],
    marks: Sequence[int],
    reached: frozenset[int],
    names: Sequence[Anchor],
    cited: Sequence[Evidence],
) -> Fault | None:
    """Every tense word fits a fact it is about; every past, planned or family fact is said to be so."""
    if not marks and all(evidence.tense & Tense.UNSAID for evidence in cited):
        return None
    said: dict[int, int] = {}
    for mark in marks:
        word = TENSES.get(read[mark].word, str(read[mark].payload) if read[mark].kind == Kind.TENSE else "")
        if word not in _FITS or (mark and read[mark - 1].word in _WITH_VERB):
            continue
        if word == "family" and not _related(read[mark].word, cited):
            return Reason.PERSON, read[mark].word
        if mark in reached:
            word = _OPPOSITE.get(word, word)
        for name in _about(read, mark, names):
            fits = _fitting(read, mark, word, name, cited)
            if not fits:
                return Reason.TENSE, read[mark].word
            said[name.first] = said.get(name.first, 0) | fits
    for name in names:
        own = [cited[i].tense for i in bits(name.mask)]
        if not any(t & Tense.UNSAID for t in own) and not any(t & said.get(name.first, 0) for t in own):
            return Reason.TENSE, read[name.first].word
    return None


def _fitting(read: Sequence[Token], mark: int, word: str, name: Anchor, cited: Sequence[Evidence]) -> int:
    """The tenses a word says of a name; 0 where none of its facts has them, or where it ends what stands."""
    if read[mark].word == "active" and all(cited[i].tense & Tense.PLANNED for i in bits(name.mask)):
        return Tense.PLANNED  # the status of an order that is open
    if not any(cited[i].tense & _FITS[word] for i in bits(name.mask)):
        return 0
    if word == "past" and read[mark].word in _OVER and _stands_worded(name, cited):
        return 0
    if word == "past" and read[mark].word != "history" and _ends_what_stands(read, name, cited):
        return 0
    return _FITS[word]


def _stands_worded(name: Anchor, cited: Sequence[Evidence]) -> bool:
    """An answer in words ("Current smoker") is over only where it says so itself."""
    told = [cited[i] for i in bits(name.mask)]
    return any(isinstance(e.fact, Reading) and e.fact.text and not e.tense & Tense.PAST for e in told)


def _related(word: str, cited: Sequence[Evidence]) -> bool:
    """ "Father": a relative of whom the record tells, not the family at large."""
    return word.partition(" ")[0] in UNNAMED_RELATIVES or bool(carriers(stem(word), False, cited))


def _ends_what_stands(read: Sequence[Token], name: Anchor, cited: Sequence[Evidence]) -> bool:
    """ "Warfarin stopped" is some entry's name, but a cited prescription of warfarin runs and none is ended."""
    about = [cited[i].fact for i in bits(name.mask)]
    if any(isinstance(fact, _ENDABLE) and not standing(fact) for fact in about):
        return False
    words = {stem(token.word) for token in read[name.first : name.last + 1]}
    running = [e.fact for e in cited if standing(e.fact) and not e.tense & Tense.PAST]
    return any(name_words(fact) <= words for fact in running)


def _about(read: Sequence[Token], mark: int, names: Sequence[Anchor]) -> list[Anchor]:
    """The names a tense word is about: a heading's list, what follows it in the clause, or what was just named."""
    if any(t.kind == Kind.COLON for t in read[mark + 1 : mark + 5]):
        stop = next((i for i in range(mark + 1, len(read)) if read[i].word == "."), len(read))
        return [n for n in names if mark < n.last and n.first < stop] or list(names[-1:])
    clause_end = next((i for i in range(mark + 1, len(read)) if _ends(read[i])), len(read))
    clause_start = next((i + 1 for i in range(mark - 1, -1, -1) if read[i].kind == Kind.HARD), 0)
    names = [n for n in names if not n.first == n.last == mark]  # "warfarin, discontinued": the word itself is no name
    inside = [n for n in names if n.first <= mark <= n.last]
    after = [n for n in names if mark < n.first < clause_end]
    before = [n for n in names if clause_start <= n.first and n.last < mark]
    if _leads(read, mark, after):
        return inside + after
    return inside or before[-1:] or after or list(names[:1])


def _leads(read: Sequence[Token], mark: int, after: Sequence[Anchor]) -> bool:
    """True when a name follows the word at once, or after small words only: "history of", "active"."""
    if not after:
        return False
    return all(read[i].kind == Kind.LIGHT and read[i].word != "and" for i in range(mark + 1, after[0].first))


def _ends(token: Token) -> bool:
    return token.kind in (Kind.HARD, Kind.TENSE) or token.word == ")"
