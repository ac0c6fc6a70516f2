"""What a search for data came to. Absent is a state with a reason, never simply missing."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from fhir_adapters.read.resources import Resources


class State(StrEnum):
    """Null, missing, ``{}`` and an empty Bundle are four different answers (CDS Hooks 2.0.1 §Prefetch)."""

    PRESENT = "present"
    NONE_FOUND = "none found"  # searched, and empty
    NONE_REPORTED = "none reported"  # the client sent null
    NOT_ASKED = "not asked"  # not sent, and no server to ask
    NOT_PERMITTED = "not permitted"
    NOT_OFFERED = "not offered"  # the server has no such resource type (404 to a search)
    FAILED = "failed"
    TIMED_OUT = "timed out"
    GONE = "gone"
    UNREADABLE = "unreadable"


class Retrieved(Struct, kw_only=True):
    """The answer to one query. ``detail`` and ``truncated`` are for people: no ids, no tokens, no words of a server."""

    key: str
    resource_type: str  # of the query; of the first resource where the key is not ours
    state: State
    resources: list[Resources] = field(default_factory=list)  # one per page
    origin: Literal["prefetch", "fhir", ""] = ""
    detail: str = ""
    truncated: str = ""  # why there may be more than this; '' when there is not
    fault: str = (
        ""  # what went wrong over FHIR, in the fixed words of errors.py; '' where nothing did or nothing was asked
    )
