"""Prefetch templates filled from a hook's context (CDS Hooks 2.0.1 §Prefetch tokens).

Values come from outside and end up in a URL, so only what is an id by FHIR's own syntax goes in
(https://hl7.org/fhir/R4/datatypes.html#id), or for ``userId`` a reference of the form ``Type/id``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

TOKEN = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9\-.]{1,64}")
REFERENCE = re.compile(r"[A-Z][A-Za-z]{1,63}/(?!\.+\Z)[A-Za-z0-9\-.]{1,64}")
NAMED = frozenset({"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"})


def resolve(template: str, context: Mapping[str, str]) -> str:
    """The query of a template. ValueError, without the value, for an unknown or missing token and for what is no id."""

    parts = _parts(template)
    filled = list(parts)
    for place in range(1, len(parts), 2):  # between the literals
        token = parts[place]
        name = token.removeprefix("context.")
        if name == token and name not in NAMED:
            raise ValueError(f"'{token[:64]}' is not a prefetch token")
        value = context.get(name)
        if value is None:
            raise ValueError(f"'{token[:64]}' is not in the context")
        if not (is_id(value) or (name == "userId" and REFERENCE.fullmatch(value))):
            raise ValueError(f"'{token[:64]}' is not a FHIR id")
        filled[place] = value
    return "".join(filled)


@lru_cache(maxsize=256)
def _parts(template: str) -> tuple[str, ...]:
    """Literal, token, literal, …: of the few templates of our own."""
    return tuple(TOKEN.split(template))


def is_id(value: object) -> bool:
    """True for a FHIR id: 1 to 64 of A–Z a–z 0–9 - . and not dots alone, which a URL would read as a step upwards."""
    return isinstance(value, str) and ID.fullmatch(value) is not None
