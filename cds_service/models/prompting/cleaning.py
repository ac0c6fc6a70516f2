"""Text of a record on its way into a prompt: hidden characters gone, control tokens and boundaries neutralised, what names
somebody masked, length capped.

Nothing here decides whether a text is hostile (grounding/language/suspicion.py does); this makes it harmless as bytes of a prompt.
"""

from __future__ import annotations

import re

from cds_service.grounding.language.suspicion import revealed
from cds_service.models.prompting.identifying import masked

LINE = 320  # characters of one value in a prompt

# <start_of_turn>, <unused94>, <|im_start|>, <s>, </s>, <bos>: whatever looks like a token or a tag, but not "<0.2"
_TAG = re.compile(r"<([/!|]?[A-Za-z_][^<>]{0,64})>")
_TEMPLATE = re.compile(r"\[/?INST\]|<<|>>|\{\{|\}\}|\{%|%\}|```", re.IGNORECASE)
_RULER = re.compile(r"([-=#*_~])\1{2,}")
_POWER = re.compile(r"(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹]+")  # 10³/µL: folding compatibility forms would read 103/µL
_PLAIN_POWER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_UNUSED = re.compile(r"\bunused(\d+)", re.IGNORECASE)


def clean(text: str, boundary: str = "", limit: int = LINE) -> str:
    """One harmless line. ``boundary`` is this call's random word: data that holds it would end the data early."""
    text = text[: limit * 4]
    if not text.isascii():
        text = _POWER.sub(lambda power: f"^{power.group().translate(_PLAIN_POWER)}", text)
    plain = revealed(text)
    if boundary and boundary in plain:
        plain = plain.replace(boundary, "")
    if not plain.isalnum():
        previous = ""
        while previous != plain:
            previous = plain
            plain = _TAG.sub(r"(\1)", plain)
            plain = _TEMPLATE.sub(" ", plain)
        plain = _RULER.sub(r"\1", plain)
        plain = _UNUSED.sub(r"unused \1", plain)
    plain = masked(" ".join(plain.split()))
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"
