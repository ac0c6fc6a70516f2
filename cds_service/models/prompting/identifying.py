"""Names, numbers and contacts that somebody typed into a free text, on its way into a prompt (DESIGN §5.10).

The record's own names never come this far: nobody reads them. What is masked here stands behind a mark that tells what it is:
a title, 'MRN', 'Tel:', an '@'. A bare name without a mark is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = r"[A-Z][\w'’-]*[a-z][\w'’-]*"
_VALUE = r"[^\s;,·][^;,·]{0,60}"  # up to the next mark that ends an entry
MASKS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(rf"\b(Mrs?|Ms|Mx|Miss|Dr|Prof|Herrn?|Frau|Mme|Mlle)\b\.? {_NAME}(?: {_NAME})?"), r"\1 (name)"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "(address)"),
    (re.compile(r"\b(MRN|SSN|DOB|NHS(?: no\.?| number)?)\b[ :#=]*(?=[\w./-]*\d)[\w./-]{4,}", re.IGNORECASE), r"\1 (withheld)"),
    (
        re.compile(
            r"\b((?:patient|pt)(?:'s)? (?:name|id)|date of birth|born on|address|tel(?:ephone)?|phone|mobile|fax|contact)"
            rf"\.? ?[:#=] ?{_VALUE}",
            re.IGNORECASE,
        ),
        r"\1: (withheld)",
    ),
    (re.compile(r"(?<![\w.])\+\d{1,3}[ ()/-]*\d[\d ()/-]{6,}\d"), "(number)"),
)  # fmt: skip


def masked(text: str) -> str:
    """The text without what its own marks say identifies: 'Mrs Muster fell' is 'Mrs (name) fell'."""
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text
