"""The audit trail: one event for each hook call, feedback, switch change and refused request. Never PHI, never a token.

An event has fields of ``FIELDS`` and no others. Patients, users and hook instances appear as keyed hashes; every text
must look like a code of ours (ids, versions, reasons) or like a sentence of ours, else it is withheld. Events go to the
database off the request path; while it is down they wait in the spool. A file of JSON lines can be written beside it
(append-only, reopened for each batch, so that a log rotation may move it away).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from cds_service.db.gateway import Gateway
from cds_service.db.spool import Row
from cds_service.encryption import Cipher
from cds_service.randomness import random_bytes
from cds_service.services.service import IssuedCard

WITHHELD = "withheld"
ITEMS = 200  # of one list or table of an event
_CODE = re.compile(r"[A-Za-z0-9][\w.:@/+=-]{0,119}|[a-z]+(?: [a-z]+){1,7}", re.ASCII)
_CLIENT = re.compile(r"[!-~]{1,200}")
_VERSION = re.compile(r"[\w.:@/+=-]{1,120}(?: [\w.:@/+=-]{1,120}){0,3}", re.ASCII)  # names and versions, all ours
_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F-]{32,36}")
_PLAIN_WORD = re.compile(r"[a-z][A-Za-z._-]*[,;:]?|[A-Z][A-Za-z-]*[,.;:]?")
_OURS = frozenset({
    "A", "The", "No", "An", "JSON", "HTTP", "FHIR", "URL", "JWT", "CDS", "CORS", "UTC", "OperationOutcome", "Bundle",
    "Patient", "Content-Type", "ServiceRequest",
})  # fmt: skip
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)  # rule ids and versions come again and again
def code(text: str) -> str:
    """The text when it looks like a code, a version or lower-case words of ours, else ``withheld``."""
    return text if _CODE.fullmatch(text) else WITHHELD


def codes(texts: Iterable[str]) -> list[str]:
    """Each text once, in order, as ``code`` lets it through; at most ``ITEMS``."""
    return [code(text) for text in list(dict.fromkeys(texts))[:ITEMS]]


@lru_cache(maxsize=1024)
def sentence(text: str) -> str:
    """A message of ours without what it quotes: only plain words stay, anything else becomes ``…``."""
    words = text[:300].split(" ")
    return " ".join([word if _plain(word) else "…" for word in words])


def _plain(word: str) -> bool:
    if not _PLAIN_WORD.fullmatch(word):
        return False
    return word[0].islower() or word.rstrip(",.;:") in _OURS


def remarks(texts: Iterable[str]) -> list[str]:
    """Codes as they are, anything longer as a sentence of ours."""
    return [sentence(text) if " " in text else code(text) for text in list(dict.fromkeys(texts))[:ITEMS]]


def client_name(text: str) -> str:
    """A client's issuer without query and fragment; ``withheld`` when it is no single word."""
    name = text.partition("?")[0].partition("#")[0]
    return name if not name or _CLIENT.fullmatch(name) else WITHHELD


def _number(value: Any) -> float | int | str:
    return round(value, 3) if isinstance(value, int | float) else WITHHELD


def _numbers(value: Mapping[str, Any]) -> dict[str, Any]:
    return {code(name): _number(n) for name, n in list(value.items())[:ITEMS] if n}


def _milliseconds(value: Any) -> Any:
    return _number(value) if isinstance(value, int | float) else _numbers(value)


def _versions(texts: Iterable[str]) -> list[str]:
    return [text if _VERSION.fullmatch(text) else WITHHELD for text in list(dict.fromkeys(texts))[:ITEMS]]


def _tokens(texts: Iterable[str]) -> list[str]:
    return [text if _TOKEN.fullmatch(text) else WITHHELD for text in list(texts)[:ITEMS]]


def _uuids(texts: Iterable[str]) -> list[str]:
    return [text if _UUID.fullmatch(text) else WITHHELD for text in list(texts)[:ITEMS]]


FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "service": code,
    "hook": code,
    "outcome": code,  # complete, partial, failed
    "status": _number,  # HTTP
    "reason": sentence,  # why a request was refused
    "reasons": _tokens,  # coded override reasons, as clients send them
    "rules": codes,  # 'rule-id@version' that spoke on a card
    "shadow": codes,  # rule ids computed but not shown
    "quiet": codes,  # rule ids hidden by the user's own earlier override or acceptance
    "prompts": _versions,
    "engines": _versions,
    "pack": code,  # hash of the rule pack
    "counts": _numbers,
    "count": _number,
    "milliseconds": _milliseconds,
    "cards": _uuids,
    "notes": remarks,  # what was not done, or mended
    "switch": code,
    "state": code,
    "by": client_name,  # who changed a switch: an account's name
}
_HASHED = ("patient", "user", "hook_instance")


class Audit:
    """Records events. Costs the request path some microseconds; the rest happens in the writer's thread."""

    def __init__(
        self,
        gateway: Gateway,
        cipher: Cipher,
        *,
        pack: str = "",
        withheld: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._pseudonym = cipher.pseudonym
        self._pack = code(pack) if pack else ""
        self._withheld = withheld
        self._clock = clock

    def write(
        self,
        event: str,
        *,
        client: str = "",
        issued: Sequence[IssuedCard] = (),
        notes: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        """Queue an event. ``event`` is 'hook', 'hook refused', 'feedback', 'switch' …; fields as in ``FIELDS``.

        ``patient``, ``user`` and ``hook_instance`` are given as they are and kept as keyed hashes. ``issued`` stands
        for the cards, rules, prompts and engines of an answer; notes 'shadow:ID', 'quiet:ID' for rules held back.
        """
        name = client_name(client)
        kept: dict[str, Any] = {"event": code(event)}
        if name:
            kept["client"] = name
        if issued:
            fields = {**_spoken(issued), **fields, "pack": self._pack}
        if notes:
            fields |= _sorted_notes(notes)
        for field, value in fields.items():
            if not value and value != 0:
                continue
            if (clean := FIELDS.get(field)) is not None:
                kept[field] = clean(value)
            elif field in _HASHED:
                kept[field] = self._pseudonym(field, client, value)
            else:
                self._withheld("audit_fields_withheld")
        self._gateway.later("audit_event", row(kept, self._clock()))


def row(event: Mapping[str, Any], moment: float) -> Row:
    """The database row of an event of cleaned fields that happened at ``moment`` (seconds since 1970)."""
    at = int(moment * 1000)
    return {
        "id": f"{at:012x}{random_bytes(10).hex()}",  # in order of time: an index grows at its end
        "at": at,
        "kind": event["event"],
        "client": event.get("client", ""),
        "service": event.get("service", ""),
        "outcome": event.get("outcome", "") or str(event.get("status", "")),
        "patient": event.get("patient", ""),
        "detail": _encode(event).decode(),
    }


def _spoken(issued: Sequence[IssuedCard]) -> dict[str, Any]:
    """What spoke on the cards of an answer."""
    return {
        "cards": [card.uuid for card in issued],
        "rules": [rule for card in issued for rule in card.rules],
        "prompts": [card.prompt for card in issued if card.prompt],
        "engines": [card.engine for card in issued if card.engine],
    }


def _sorted_notes(notes: Sequence[str]) -> dict[str, list[str]]:
    sorted_: dict[str, list[str]] = {}
    for note in notes:
        mark, _, rule = note.partition(":")
        if mark in ("shadow", "quiet"):
            sorted_.setdefault(mark, []).append(rule)
        else:
            sorted_.setdefault("notes", []).append(note)
    return sorted_


class AuditFile:
    """JSON lines beside the database: ``gateway.tap("audit_event", AuditFile(path).write)``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append one line an event; raises ``OSError`` when the disk does not take them."""
        lines = "".join([_line(each) for each in rows]).encode()
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(handle, lines) < len(lines):
                raise OSError("the audit file took only a part")
        finally:
            os.close(handle)


def _line(row: Mapping[str, Any]) -> str:
    moment = row["at"]
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment // 1000))}.{moment % 1000:03d}Z"
    return f'{{"time":"{stamp}","id":"{row["id"]}",{row["detail"][1:]}\n'
