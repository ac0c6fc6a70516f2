"""Everything retrieved, sorted by type, each resource once: pages and prefetch keys overlap, servers repeat themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct, field

from cds_service.record import text
from cds_service.record.references import Index
from fhir_adapters.read.resources import Resources
from fhir_adapters.read.view import View

V = TypeVar("V", bound=View)
NO_ID = "(no id)"


class Answer(Protocol):
    """What ``build`` needs of ``fhir_adapters.gather.Retrieved``."""

    key: str
    resource_type: str
    state: str
    resources: list[Resources]
    truncated: str


class Item(Struct, gc=False):
    """One resource with its citation. ``prefetch`` means the client itself sent it."""

    view: View
    reference: str
    url: str
    prefetch: bool


class Gathered(Struct):
    """Resources by type, and what could not be read."""

    items: dict[type[View], list[Item]] = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    faults: Counter[str] = field(default_factory=Counter)

    def of(self, kind: type[V]) -> Sequence[tuple[V, Item]]:
        """The views of one type with their citations."""
        return [(item.view, item) for item in self.items.get(kind, ()) if isinstance(item.view, kind)]


def gathered(retrieved: Mapping[str, Answer]) -> Gathered:
    """Sort what was retrieved. A resource met twice stands once, in its newest version."""
    found = Gathered()
    items: dict[type[View], dict[str, Item]] = {}
    for answer in retrieved.values():
        prefetch = getattr(answer, "origin", "prefetch") == "prefetch"
        for page in answer.resources:
            found.faults.update(page.faults)
            _sort(page, prefetch, items)
    found.items = {kind: list(by_reference.values()) for kind, by_reference in items.items()}
    return found


def _sort(page: Resources, prefetch: bool, items: dict[type[View], dict[str, Item]]) -> None:
    previous: type[View] | None = None
    known: dict[str, Item] = {}
    name = ""
    for view, url in zip(page.views, page.urls, strict=True):
        kind = type(view)
        if kind is not previous:
            known, name, previous = items.setdefault(kind, {}), view.resourceType, kind
        identity = view.id
        if identity:
            if len(identity) > 64 or not identity.isprintable():
                identity = text.clean(identity, 64)
            reference = f"{name}/{identity}"
        else:
            reference = text.clean(url, 120) if url else f"{name} {NO_ID}"
        item = Item(view, reference, url, prefetch)
        twin = known.get(reference)
        if twin is None:
            known[reference] = item
        elif not identity and not url:
            known[f"{reference} {len(known)}"] = item
        else:
            known[reference] = newer(twin, item)


def newer(one: Item, other: Item) -> Item:
    """Of two copies of one resource the newer; where versions do not tell, the one that claims less (entered in error)."""
    return max((one, other), key=_version)


def _version(item: Item) -> tuple[str, int, bool, bool]:
    meta = item.view.meta
    updated = (meta.lastUpdated if meta else None) or ""
    version = (meta.versionId if meta else None) or ""
    status = getattr(item.view, "status", None)
    return updated, int(version) if version.isdecimal() and len(version) < 10 else 0, status == "entered-in-error", item.prefetch


def urls_of(items: Iterable[Item]) -> list[str]:
    """The fullUrls under which these resources may be referred to."""
    return [item.url for item in items if item.url]
