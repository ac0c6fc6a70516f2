"""Everything retrieved, sorted by type, each resource once: pages and prefetch keys overlap, servers repeat themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, cast

import msgspec
from msgspec import Struct, field

from cds_service.record import text
from cds_service.record.entries.references import Index
from fhir_adapters.read.resources import Resources
from fhir_adapters.read.view import View

V = TypeVar("V", bound=View)
NO_ID = "(no id)"


class Answer(Protocol):
    """What ``build`` needs of ``fhir_adapters.gather.Retrieved``."""

    @property
    def key(self) -> str:
        """The prefetch key."""
        ...

    @property
    def resource_type(self) -> str:
        """Of the query."""
        ...

    @property
    def state(self) -> str:
        """A value of ``fhir_adapters.retrieved.State``."""
        ...

    @property
    def resources(self) -> Sequence[Resources]:
        """One per page."""
        ...

    @property
    def truncated(self) -> str:
        """Why there may be more, or ''."""
        ...


Item = tuple[View, str, str, bool]  # view, citation, fullUrl or '', whether the client itself sent it


class Gathered(Struct):
    """Resources by type, and what could not be read."""

    items: dict[type[View], list[Item]] = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    faults: Counter[str] = field(default_factory=Counter)

    def of(self, kind: type[V]) -> Sequence[tuple[V, str, str, bool]]:
        """The items of one type."""
        return cast("Sequence[tuple[V, str, str, bool]]", self.items.get(kind, ()))

    @property
    def types(self) -> set[str]:
        """Resource types of which there is one at least."""
        return {items[0][0].resourceType for items in self.items.values()}


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
        item = (view, reference, url, prefetch)
        twin = known.setdefault(reference, item)
        if twin is not item:
            if not identity and not url:
                known[f"{reference} {len(known)}"] = item
            elif twin[0] != view:
                known[reference] = max(twin, item, key=_version)
            elif prefetch and not twin[3]:
                known[reference] = item


def _version(item: Item) -> tuple[str, int, bool, bool, bytes]:
    """Of two copies of one resource the newer; where versions do not tell, the one that claims less (entered in error)."""
    view, _, _, prefetch = item
    meta = view.meta
    updated = (meta.lastUpdated if meta else None) or ""
    version = (meta.versionId if meta else None) or ""
    number = int(version) if version.isdecimal() and len(version) < 10 else 0
    error = getattr(view, "status", None) == "entered-in-error"
    # The last decides nothing but makes the same choice every time.
    return updated, number, error, prefetch, msgspec.json.encode(view)
