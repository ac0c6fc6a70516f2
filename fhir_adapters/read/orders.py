"""The draft orders of a hook's context (CDS Hooks 2.0.1: a Bundle; 1.0 clients send a list). Each keeps its bytes."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from fhir_adapters.read.resources import ANY, VIEW_OF, LooseBundle, LooseEntry
from fhir_adapters.read.tolerant import loose, rebuild
from fhir_adapters.read.view import View

MAX_ORDERS = 500


class Head(Struct, gc=False):
    """What every resource says of itself."""

    resourceType: str | None = None  # noqa: N815
    id: str | None = None


class OrderView(Struct, frozen=True, gc=False):
    """One draft. ``view`` is None for a type without a reader or a draft that could not be read; ``fault`` says why."""

    resource_type: str
    id: str
    raw: bytes
    view: View | None
    url: str = ""
    fault: str = ""


class OddEntry(LooseEntry, gc=False):
    """An entry, or a resource in its place."""

    resourceType: str | None = None  # noqa: N815


NOTHING = (b"", b"null")
BUNDLE = msgspec.json.Decoder(LooseBundle)
LIST = msgspec.json.Decoder(list[Raw])
MEMBERS = msgspec.json.Decoder(dict[str, Raw])
ENTRY = msgspec.json.Decoder(OddEntry)
HEAD = msgspec.json.Decoder(Head)


def read_orders(raw: bytes | Raw | None) -> list[OrderView]:
    """Drafts in the order sent, at most ``MAX_ORDERS``. Never raises."""
    if raw is None or bytes(raw).strip() in (b"", b"null"):
        return []
    return [_order(url, body) for url, body in _bodies(bytes(raw))[:MAX_ORDERS]]


def _bodies(raw: bytes) -> list[tuple[str, Raw]]:
    try:
        bundle = BUNDLE.decode(raw)
    except (ValueError, RecursionError):
        return _loose_bodies(raw)
    if bundle.resourceType not in (None, "Bundle") or (bundle.resourceType is None and bundle.entry is None):
        return [("", Raw(raw))]
    bodies = [(entry.fullUrl or "", entry.resource) for entry in bundle.entry or ()]
    return bodies if all(bytes(body) not in NOTHING for _, body in bodies) else _loose_bodies(raw)


def _loose_bodies(raw: bytes) -> list[tuple[str, Raw]]:
    """A list, or a Bundle with odd entries: an odd one spoils no other, and none of them gets lost."""
    try:
        entries = LIST.decode(raw)
    except (ValueError, RecursionError):
        try:
            entries = LIST.decode(MEMBERS.decode(raw)["entry"])
        except (ValueError, RecursionError, KeyError):
            return [("", Raw(raw))]
    return [body for entry in entries if (body := _unwrapped(entry)) is not None]


def _unwrapped(entry: Raw) -> tuple[str, Raw] | None:
    """What an entry holds; the entry itself where it is no wrapper; None for a null and an empty one."""
    if bytes(entry) in (*NOTHING, b"{}"):
        return None
    try:
        found = ENTRY.decode(entry)
    except (ValueError, RecursionError):
        return "", entry
    if found.resourceType is not None or bytes(found.resource) == b"":
        return "", entry
    return None if bytes(found.resource) in NOTHING else (found.fullUrl or "", found.resource)


def _order(url: str, raw: Raw) -> OrderView:
    body = bytes(raw)
    try:
        head = HEAD.decode(body)
    except (ValueError, RecursionError):
        return OrderView("", "", body, None, url, "unreadable")
    name = head.resourceType or ""
    if name not in VIEW_OF:
        return OrderView(name[:64], head.id or "", body, None, url, "no reader for this resource type")
    try:
        view = ANY.decode(body)
    except (ValueError, RecursionError):
        try:
            view = rebuild(loose(body), VIEW_OF[name])
        except (ValueError, RecursionError):
            return OrderView(name, head.id or "", body, None, url, "unreadable")
    return OrderView(name, head.id or "", body, view, url)
