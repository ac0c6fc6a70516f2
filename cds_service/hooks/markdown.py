"""Text of the record made safe for the GitHub-flavoured Markdown of a card's ``detail`` (checklist row C5).

Names, displays and notes are hostile: after :func:`escape` they render as the plain text they are, whatever renderer a
client uses. Some renderers link bare addresses even when they are backslash-escaped: a visible blank breaks those.
"""

from __future__ import annotations

import re

_MARKS = re.compile(r"[\\`*_\[\]<>|~&$]")
# What opens a heading, list, rule or table at the start of a line; '-5' and '6.1' open nothing and stay as they are.
_BLOCK = re.compile(r"(?:\d{1,9}(?=[.)](?:\s|$))|(?=[#=:]|\+(?:\s|$)|-(?:[\s-]|$)))")
# Most lines hold nothing to escape: printable, no mark, no blank at either end, and nothing a block could open with.
_PLAIN = re.compile(r"(?!\d{1,9}[.)](?:\s|$))[A-Za-z0-9(—](?:[A-Za-z0-9 ,.;:()%/'+=°µ²³·×≤≥–—-]*[A-Za-z0-9,.;:()%])?\Z")
_ADDRESS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.|@")


def clean(text: str) -> str:
    """One line without control, zero-width, tag and direction characters; blanks collapsed. Not escaped."""
    if not text.isprintable():  # false for every character of the Unicode classes Other and Separator but the blank
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    if "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    return text


def escape(text: str) -> str:
    """``text`` as inline Markdown that renders as itself: no HTML, link, image, autolink, emphasis, code or block.

    Line breaks become blanks, so that one fact stays on one line (CDS Hooks 2.0.1 §Card attributes, detail).
    """
    if _PLAIN.match(text) and "  " not in text and "//" not in text and "www" not in text.lower():
        return text
    text = clean(text)
    if "@" in text or "://" in text or "www." in text.lower():
        text = " ".join(_ADDRESS.sub(r" \g<0> ", text).split())
    if _MARKS.search(text):
        text = _MARKS.sub(r"\\\g<0>", text)
    if opening := _BLOCK.match(text):
        text = f"{opening[0]}\\{text[opening.end() :]}"
    return text


def fit(text: str, limit: int) -> str:
    """Cut with an ellipsis to at most ``limit`` characters: before a parenthesis left open or after a clause that ends
    near the limit, else at a word (row C1)."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    opened, space = cut.rfind(" ("), cut.rfind(" ")
    clause = opened if opened > cut.rfind(")") else max(cut.rfind(", "), cut.rfind("; "))
    end = clause if clause > limit * 3 // 4 else space if space > limit // 2 else len(cut)
    return cut[:end].rstrip(" ,;:·-") + "…"
