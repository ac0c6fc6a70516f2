"""Reads feedback leniently (rows F1, F2): one entry or many, ``overrideReason`` singular or plural."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from cds_service.errors import BadRequest
from cds_service.hooks.markdown import clean
from cds_service.hooks.protocol import Coding, FeedbackEntry

LARGEST_BODY = 1024 * 1024  # bytes
MOST_ENTRIES = 1000
MOST_LISTED = 50  # suggestions or reasons of one entry
LONGEST_ID = 200  # characters
LONGEST_COMMENT = 2000  # characters, before escaping


class Feedback(NamedTuple):
    """The entries that can be used, and how many could not."""

    entries: list[FeedbackEntry]
    unusable: int


def parse(body: bytes) -> Feedback:
    """Entries of ``POST /cds-services/{id}/feedback``; BadRequest when it is no feedback or no entry is usable."""
    try:
        document = msgspec.json.decode(body[3:] if body[:3] == b"\xef\xbb\xbf" else body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("the body is not JSON") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    rows = document.get("feedback", [document] if "card" in document else None)
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        raise BadRequest("feedback must be an array")
    if len(rows) > MOST_ENTRIES:
        raise BadRequest(f"feedback has more than {MOST_ENTRIES} entries; send several batches")
    entries = [entry for row in rows if (entry := _entry(row)) is not None]
    if rows and not entries:
        raise BadRequest("no entry has both a card and an outcome of accepted or overridden")
    return Feedback(entries, len(rows) - len(entries))


def _entry(row: object) -> FeedbackEntry | None:
    if not isinstance(row, dict):
        return None
    card, outcome = _id(row.get("card")), row.get("outcome")
    if not card or outcome not in ("accepted", "overridden"):
        return None
    reasons, comment = _overrides(row)
    return FeedbackEntry(
        card=card,
        outcome=outcome,
        timestamp=_moment(row.get("outcomeTimestamp")),
        suggestions=tuple(
            found for item in _list(row.get("acceptedSuggestions")) if (found := _id(_member(item, "id")))
        ),
        reasons=reasons,
        comment=html.escape(clean(comment)[:LONGEST_COMMENT], quote=False),
    )


def _overrides(row: Mapping[str, Any]) -> tuple[tuple[Coding, ...], str]:
    """Reasons and comment under the specification's name, or under the plural some clients send."""
    reasons: list[Coding] = []
    comments: list[str] = []
    for given in [*_list(row.get("overrideReason")), *_list(row.get("overrideReasons"))]:
        if not isinstance(given, dict):
            continue
        found = _reason(given.get("reason", given))
        reasons += [found] if found else []
        comment = given.get("userComment")
        comments += [comment] if isinstance(comment, str) else []
    return tuple(reasons), " / ".join(comments)


def _reason(given: object) -> Coding | None:
    if not isinstance(given, dict):
        return None
    code, system, display = (_id(given.get(name)) for name in ("code", "system", "display"))
    if not code:
        code, display = _local_reason(given.get("extension"))
    return Coding(code=code, system=system, display=html.escape(display, quote=False) or None) if code else None


def _local_reason(extension: object) -> tuple[str, str]:
    """Code and display of a reason built inside an EHR: ``….overrideReason.reasonCategory`` and ``….reasonTitle`` (Epic)."""
    members = extension if isinstance(extension, dict) else {}
    last = {name.rpartition(".")[2]: value for name, value in members.items()}
    display = _id(last.get("reasonTitle")) or _id(last.get("reasonDisplay"))
    return _id(last.get("reasonCategory")) or ("other" if display else ""), display


def _list(value: object) -> list[Any]:
    return value[:MOST_LISTED] if isinstance(value, list) else [] if value is None else [value]


def _member(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, dict) else item


def _id(value: object) -> str:
    return clean(value)[:LONGEST_ID] if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    """RFC 3339; a moment without a zone is taken as UTC, which the specification asks for."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
