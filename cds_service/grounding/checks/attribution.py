"""A reaction belongs to its allergen, a finding to its report: only statements that cite several of a kind can mix them up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cds_service.grounding.checks.anchors import bits
from cds_service.grounding.checks.vocabulary import Fault, Mention
from cds_service.grounding.evidence.evidence import Evidence, details
from cds_service.grounding.evidence.source import source
from cds_service.grounding.language.lexicon import CAUSES, SHORT_FORMS, Kind
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Allergy, Event

_DETAILED = (Allergy, Event)
_JOINTS = frozenset({"to", "with", "from", "after", "on", "by", "in"})
_CLAIMED = (Kind.STATE, Kind.TREND, Kind.PLACE, Kind.LIGHT)  # "ALT is raised from methotrexate"
_PART_OF = frozenset({"of", "in"})
_ARTICLES = frozenset({"the", "a", "an"})


def attribution(read: Sequence[Token], found: Sequence[Mention], cited: Sequence[Evidence]) -> Fault | None:
    """The first detail that stands with another entry of the same kind than the one that has it."""
    for kind in _DETAILED:
        group = [i for i, evidence in enumerate(cited) if isinstance(evidence.fact, kind)]
        if len(group) > 1:
            astray = _astray(read, found, cited, group)
            if astray:
                return Reason.PAIRING, read[astray.first].word
    return None


def caused(read: Sequence[Token], found: Sequence[Mention]) -> Fault | None:
    """ "Bleeding from varices": another fact after such a word is said to be the cause."""
    for one, other in pairwise(found):
        between = [token for token in read[one.last + 1 : other.first] if token.word not in _ARTICLES]
        if not between or one.mask & other.mask:
            continue
        joint, claimed = between[-1].word, between[:-1]
        if joint in CAUSES and all(token.kind in _CLAIMED for token in claimed):
            return Reason.INFERENCE, joint
        if (
            joint in _PART_OF and not claimed
        ):  # "nodule of left lower lobe", of a nodule elsewhere and another thing there
            return Reason.PAIRING, read[other.first].word
    return None


def _astray(
    read: Sequence[Token], found: Sequence[Mention], cited: Sequence[Evidence], group: Sequence[int]
) -> Mention | None:
    all_of_kind = sum(1 << i for i in group)
    headed = [_headed(read, mention, cited, all_of_kind) for mention in found]
    current = 0
    for place, mention in enumerate(found):
        if headed[place]:
            current = headed[place]
            continue
        detail = mention.mask & all_of_kind
        if not detail or mention.mask & ~all_of_kind:
            continue
        following = found[place + 1] if place + 1 < len(found) else None
        joined = following is not None and headed[place + 1] and _joined(read, mention.last, following.first)
        partner = headed[place + 1] if joined else current
        if partner and not partner & detail:
            return mention
    return None


def _headed(read: Sequence[Token], mention: Mention, cited: Sequence[Evidence], of_kind: int) -> int:
    """Mask of the entries that a mention names: by words of their name alone, or by all of it."""
    words = {read[i].payload for i in range(mention.first, mention.last + 1) if read[i].kind == Kind.CONTENT}
    mask = 0
    for place in bits(mention.mask & of_kind):
        name, told = source(cited[place].fact.label).affirmed, details(cited[place].fact)
        if not words.isdisjoint(name) and (words.isdisjoint(told - name) or name - SHORT_FORMS.keys() <= words):
            mask |= 1 << place
    return mask


def _joined(read: Sequence[Token], last: int, first: int) -> bool:
    between = [read[i].word for i in range(last + 1, first) if read[i].word not in _ARTICLES]
    return len(between) == 1 and between[0] in _JOINTS
