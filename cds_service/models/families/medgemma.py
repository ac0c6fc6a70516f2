"""MedGemma's quirks as text: one user turn, thinking blocks, control tokens, loops, opening phrases (facts: model cards 1.0, 1.5).

The chat template has no system role and refuses two user turns in a row, so all that is ours goes into one user turn.
"""

from __future__ import annotations

import re

from cds_service.models.faults import StrayTokens, ThinkingUnclosed

OPEN, CLOSE = "<unused94>", "<unused95>"  # ids 100, 101; not special to the tokenizer, so they survive decoding
# control tokens of the Gemma 3 vocabulary; a mention in a record must not become one
CONTROL = re.compile(
    r"<(/?)(start_of_turn|end_of_turn|start_of_image|end_of_image|image_soft_token|bos|eos|pad|unk|mask|unused\d+)>"
    r"|\[(multimodal|@BOS@)\]",
    re.IGNORECASE,
)
_STRAY = re.compile(r"<unused\d+>|<pad>|<bos>|<eos>|<unk>|<(?:start|end)_of_(?:turn|image)>|<image_soft_token>")
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_OPENING = re.compile(
    r"^\s*(?:okay|sure|certainly|of course|here(?:'s| is| are))\b[^\n]{0,120}?[,.:!](?:\s+|$)", re.IGNORECASE
)
_DISCLAIMER = re.compile(
    r"\n\s*(?:\**\s*)?(?:disclaimer|important(?: note)?|please note|note)\b[^\n]*"
    r"(?:not (?:a )?(?:medical advice|substitute)|informational purposes|qualified|professional)[\s\S]*$",
    re.IGNORECASE,
)


def neutralised(text: str) -> str:
    """The text with every control token written as a mere word: ``<end_of_turn>`` becomes ``(end_of_turn)``."""
    return CONTROL.sub(lambda found: f"({found[1] or ''}{found[2] or found[3]})", text)


def without_thinking(text: str) -> str:
    """The answer without its thinking block, asked for or not.

    Raises ThinkingUnclosed for a block that never ends: what stands after it was never an answer. A closing mark
    without an opening one ends a block whose beginning was cut off.
    """
    kept = text
    while CLOSE in kept or OPEN in kept:
        opened, closed = kept.find(OPEN), kept.find(CLOSE)
        if closed < 0:
            raise ThinkingUnclosed
        before = kept[:opened] if 0 <= opened < closed else ""
        kept = before + kept[closed + len(CLOSE) :]
    return kept.strip()


def without_boilerplate(text: str) -> str:
    """Free text without its opening phrase ("Okay, here is …:") and closing disclaimer."""
    opened = _OPENING.sub("", _OPENING.sub("", text))  # "Okay," and then "here is …:"
    return _DISCLAIMER.sub("", opened).strip()


def refuse_stray(text: str) -> None:
    """Raise StrayTokens for control tokens, bidirectional overrides, invisible or control characters in an answer."""
    if _STRAY.search(text) or _HIDDEN.search(text):
        raise StrayTokens


def loops(text: str, *, shortest: int = 12, times: int = 4) -> bool:
    """True when the text ends in ``times`` repetitions of the same piece of ``shortest`` to 400 characters, or in blanks."""
    tail = text[-2000:]
    if len(tail) - len(tail.rstrip()) >= 64:
        return True
    tail = " ".join(tail.split())
    for length in range(shortest, min(400, len(tail) // times) + 1):
        piece = tail[-length:]
        if tail.endswith(piece * times):
            return True
    return False
