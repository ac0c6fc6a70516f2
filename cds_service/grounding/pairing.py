"""Value, name and date must belong together. Only statements that cite several facts can mix them up.

Names come before their values ("potassium 6.1") or after them ("6.1 mmol/L potassium"): the first anchor of the statement decides.
A date goes with the name or value beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.anchors import Anchor, bits
from cds_service.grounding.evidence import Evidence
from cds_service.grounding.statement import Reason
from cds_service.grounding.tokens import Numeral, Token
from cds_service.grounding.vocabulary import Fault


def pairing(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> Fault | None:
    """The first anchor that stands beside the wrong one."""
    astray = _values_with_names(anchors) or _dates_with_neighbours(anchors)
    if astray is None:
        astray = _from_to(read, anchors, cited)
    return (Reason.PAIRING, read[astray.first].word) if astray else None


def _values_with_names(anchors: Sequence[Anchor]) -> Anchor | None:
    named = [a for a in anchors if a.what != "date"]
    if not any(a.what == "name" for a in named):
        return None
    if named[0].what == "value":
        return _names_after(named)
    group: list[Anchor] = []
    values: list[Anchor] = []
    for anchor in [*named, Anchor(-1, -1, "name", 0)]:
        if anchor.what == "value":
            values.append(anchor)
            continue
        if values:
            astray = _unpaired(group, values)
            if astray:
                return astray
            group, values = [], []
        group.append(anchor)
    return None


def _unpaired(group: Sequence[Anchor], values: Sequence[Anchor]) -> Anchor | None:
    """Values after one name belong to it; as many values as names before them belong to them in order."""
    last = group[-1]
    astray = next((v for v in values if not v.mask & last.mask), None)
    if astray is None or len(group) == 1 or len(group) != len(values):
        return astray
    return next((v for n, v in zip(group, values, strict=True) if not n.mask & v.mask), None)


def _names_after(named: Sequence[Anchor]) -> Anchor | None:
    for position, anchor in enumerate(named):
        if anchor.what != "value":
            continue
        ahead = next((a for a in named[position + 1 :] if a.what == "name"), None)
        behind = next((a for a in reversed(named[:position]) if a.what == "name"), None)
        own = ahead or behind
        if own and not own.mask & anchor.mask:
            return anchor
    return None


def _dates_with_neighbours(anchors: Sequence[Anchor]) -> Anchor | None:
    for position, anchor in enumerate(anchors):
        before = _nearest(anchors, range(position - 1, -1, -1), date=anchor.what != "date")
        after = _nearest(anchors, range(position + 1, len(anchors)), date=anchor.what != "date")
        if anchor.what == "date":
            beside = (before.mask if before else 0) | (after.mask if after else 0)
            if (before or after) and not beside & anchor.mask:
                return anchor
        else:
            next_one = anchors[position + 1] if position + 1 < len(anchors) else None
            if next_one is None or next_one.what != "date" or next_one.mask & anchor.mask:
                continue
            previous = anchors[position - 1] if position else None
            if not (previous and previous.what == "date" and previous.mask & anchor.mask):
                return anchor
    return None


def _nearest(anchors: Sequence[Anchor], places: range, *, date: bool) -> Anchor | None:
    return next((anchors[i] for i in places if (anchors[i].what == "date") is date), None)


def _from_to(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> Anchor | None:
    """ "from 4.9 to 6.1": the first value is the earlier one. A blood pressure pair is systolic over diastolic."""
    values = [a for a in anchors if a.what == "value"]
    for first, second in zip(values, values[1:], strict=False):
        between = {read[i].word for i in range(first.last + 1, second.first)}
        opens = {read[i].word for i in range(max(first.first - 3, 0), first.first)}
        if "to" in between and ("from" in opens or "to" == read[second.first - 1].word):
            earlier = [cited[i].fact.time for i in bits(first.mask)]
            later = [cited[i].fact.time for i in bits(second.mask)]
            if not any(a is not None and b is not None and a < b for a in earlier for b in later):
                return first
    return None


def is_pair(token: Token) -> bool:
    """True for 128/82."""
    return isinstance(token.payload, Numeral) and token.payload.shape == "pair"
