"""Value, name and date must belong together. Only statements that cite several facts can mix them up.

Names come before their values ("potassium 6.1") or after them ("6.1 mmol/L potassium"): the first anchor of the statement decides.
A date goes with the name or value beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cds_service.grounding.checks.anchors import Anchor, bits
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language.lexicon import Kind
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason

_ORDERS = {"after": True, "following": True, "before": False}  # whether what follows the word came first
_OXYGEN = frozenset({"oxygen_flow", "inhaled_oxygen"})


def pairing(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> Fault | None:
    """The first anchor that stands beside the wrong one."""
    astray = _values_with_names(_without_led(read, anchors, cited)) or _dates_with_neighbours(anchors)
    if astray is None:
        astray = _from_to(read, anchors, cited) or _out_of_order(read, anchors, cited) or _date_of_all(read, anchors)
    return (Reason.PAIRING, read[astray.first].word) if astray else None


def _without_led(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> list[Anchor]:
    """Without the values that lead their own name ("on 2 L/min of oxygen"), which belong to no name before them."""
    kept = [a for a in anchors if not _oxygen_given(read, a, cited)]
    for value, name in itertools.pairwise(anchors):
        if value.what != "value" or name.what != "name" or not value.mask & name.mask or not value.first:
            continue
        between = [token.word for token in read[value.last + 1 : name.first] if token.kind != Kind.UNIT]
        if between == ["of"] and value in kept and read[value.first - 1].word in ("on", "with", "at"):
            kept.remove(value)
    return kept


def _out_of_order(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> Anchor | None:
    """ "Started after creatinine 1.72": what stands on either side of "after" and "before" happened in that order."""
    things = [a for a in anchors if a.what != "date"]
    for one, other in itertools.pairwise(things):
        words = {read[i].word for i in range(one.last + 1, other.first)} & _ORDERS.keys()
        if len(words) != 1 or one.mask & other.mask:
            continue
        first, then = (other, one) if _ORDERS[words.pop()] else (one, other)
        before = [cited[i].fact.time for i in bits(first.mask)]
        after = [cited[i].fact.time for i in bits(then.mask)]
        if not any(a is None or b is None or a <= b for a in before for b in after):
            return other
    return None


def _date_of_all(read: Sequence[Token], anchors: Sequence[Anchor]) -> Anchor | None:
    """ "Paracentesis and ligation on 20 November": the date is that of both."""
    for one, other, date in zip(anchors, anchors[1:], anchors[2:], strict=False):
        if (one.what, other.what, date.what) != ("name", "name", "date") or one.mask & other.mask:
            continue
        between = {read[i].word for i in range(one.last + 1, other.first)}
        if between and between <= {"and", "or", "&"} and not one.mask & date.mask:
            return one
    return None


def _oxygen_given(read: Sequence[Token], anchor: Anchor, cited: Sequence[Evidence]) -> bool:
    """ "Saturation 90 % on 2 L/min"."""
    on = anchor.what == "value" and anchor.first > 0 and read[anchor.first - 1].word == "on"
    return on and all(cited[i].fact.concept in _OXYGEN for i in bits(anchor.mask))


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
    """Each date fits what stands beside it; each name or value fits the date right after it, or the one right before."""
    for position, anchor in enumerate(anchors):
        if anchor.what == "date":
            before = _nearest(anchors, range(position - 1, -1, -1))
            after = _nearest(anchors, range(position + 1, len(anchors)))
            in_order = _in_order(anchors, position)
            beside = (before.mask if before else 0) | (after.mask if after else 0)
            if in_order is False or (in_order is None and beside and not beside & anchor.mask):
                return anchor
            continue
        following = anchors[position + 1] if position + 1 < len(anchors) else None
        if following is None or following.what != "date" or following.mask & anchor.mask:
            continue
        previous = anchors[position - 1] if position else None
        fits_previous = previous is not None and previous.what == "date" and previous.mask & anchor.mask
        if not fits_previous and not _in_order(anchors, position + 1):
            return anchor
    return None


def _in_order(anchors: Sequence[Anchor], position: int) -> bool | None:
    """ "from 38 to 212 between 18 and 20 November": as many dates as values before them, each fitting its own or not.

    None where dates and values do not stand in such a row.
    """
    first = position
    while first > 0 and anchors[first - 1].what == "date":
        first -= 1
    last = first
    while last < len(anchors) and anchors[last].what == "date":
        last += 1
    values = list(itertools.takewhile(lambda a: a.what == "value", reversed(anchors[:first])))[::-1]
    if last - first == len(values) + 1 and all(v.mask & anchors[last - 1].mask for v in values):
        last -= 1  # "between 06:15 and 11:05 on 20 November": the day is that of both
    count = last - first
    values = values[-count:]
    if count < 2 or len(values) != count or any(v.what != "value" for v in values):
        return None
    return all(v.mask & d.mask for v, d in zip(values, anchors[first:last], strict=True))


def _nearest(anchors: Sequence[Anchor], places: range) -> Anchor | None:
    return next((anchors[i] for i in places if anchors[i].what != "date"), None)


def _from_to(read: Sequence[Token], anchors: Sequence[Anchor], cited: Sequence[Evidence]) -> Anchor | None:
    """ "from 4.9 to 6.1": the first value is the earlier one. A blood pressure pair is systolic over diastolic."""
    values = [a for a in anchors if a.what == "value"]
    for first, second in itertools.pairwise(values):
        between = {read[i].word for i in range(first.last + 1, second.first)}
        opens = {read[i].word for i in range(max(first.first - 3, 0), first.first)}
        if "to" in between and ("from" in opens or read[second.first - 1].word == "to"):
            earlier = [cited[i].fact.time for i in bits(first.mask)]
            later = [cited[i].fact.time for i in bits(second.mask)]
            if not any(a is not None and b is not None and a < b for a in earlier for b in later):
                return first
    return None
