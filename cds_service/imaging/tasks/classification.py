"""image-classification: yes or no to one finding, scored as two letters in both orders. Never a percentage on a card."""

from __future__ import annotations

import math
from typing import Any, Literal

from msgspec import Struct

from cds_service.imaging.catalogue import Kind, Labels, Sought
from cds_service.imaging.read import State
from cds_service.imaging.seen import Seen
from cds_service.imaging.tasks.asking import ask, request_of
from cds_service.models.engine import Engine, Scores
from cds_service.models.faults import BadAnswer
from cds_service.models.prompting.templates import Prompt

PROMPT = "image-classification"
ORDERS = (("yes", "no"), ("no", "yes"))


class Classified(Struct, frozen=True, kw_only=True):
    """The state by the second question. ``fault`` names why it has no opinion, '' otherwise."""

    state: State
    fault: str = ""


class _Letter(Struct, forbid_unknown_fields=True):
    answer: Literal["A", "B"]


async def classify(
    engine: Engine, prompt: Prompt, seen: Seen, kind: Kind, sought: Sought, labels: Labels
) -> Classified:
    """Two forward passes (or two short answers where the engine has no scores). Raises as ``report`` does."""
    scored = engine.capabilities.logprobs
    odds = []
    try:
        for first, second in ORDERS:
            given: dict[str, Any] = {
                "kind": kind.words, "finding": sought.name.lower(), "shows": sought.shows,
                "first": first, "second": second, "scored": scored,
            }  # fmt: skip
            if scored:
                request = request_of(prompt.render(**given), seen.images, schema=False)
                scores = await engine.score_labels(request, labels.codes)
                if mass(scores, labels) < labels.mass:
                    return Classified(state="uncertain", fault="off the letters")
                lead = scores.logprobs[labels.codes[0]] - scores.logprobs[labels.codes[1]]
            else:
                letter = (await ask(engine, prompt, seen.images, _Letter, **given)).answer
                lead = math.inf if letter == labels.codes[0] else -math.inf
            odds.append(lead if first == "yes" else -lead)
    except BadAnswer as fault:
        return Classified(state="uncertain", fault=fault.reason)
    return Classified(state=state_of(odds, labels))


def mass(scores: Scores, labels: Labels) -> float:
    """Share of the next-token probability on the two letters together."""
    return sum(math.exp(scores.logprobs[code]) for code in labels.codes)


def state_of(odds: list[float], labels: Labels) -> State:
    """Log-odds of yes, one for each order, averaged. Opposite certainties (inf and −inf) cancel out."""
    if any(map(math.isinf, odds)):
        return "present" if all(o > 0 for o in odds) else "absent" if all(o < 0 for o in odds) else "uncertain"
    mean = max(-50.0, min(50.0, sum(odds) / len(odds)))
    share = 1 / (1 + math.exp(-mean))
    return "present" if share >= labels.present else "absent" if share <= labels.absent else "uncertain"
