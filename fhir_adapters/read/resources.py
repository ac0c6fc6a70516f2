"""Bytes of FHIR JSON → views. Never raises: what cannot be read is counted with its reason.

The usual Bundle is decoded in one typed pass. When one resource breaks the types, the Bundle is read entry by entry,
and
a broken entry by the tolerant reader, which keeps the members that can be read and names those that cannot.
"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct, field

from fhir_adapters.read.allergy import AllergyIntoleranceView
from fhir_adapters.read.condition import ConditionView
from fhir_adapters.read.directives import ConsentView, FlagView, GoalView
from fhir_adapters.read.documents import DiagnosticReportView, DocumentReferenceView
from fhir_adapters.read.encounter import EncounterView
from fhir_adapters.read.events import ImagingStudyView, ImmunizationView, ProcedureView
from fhir_adapters.read.medication import (
    MedicationAdministrationView,
    MedicationRequestView,
    MedicationStatementView,
    MedicationView,
)
from fhir_adapters.read.observation import ObservationView
from fhir_adapters.read.other_types import OTHER_TYPES
from fhir_adapters.read.outcome import Issue, OperationOutcomeView
from fhir_adapters.read.patient import PatientView
from fhir_adapters.read.requests import (
    DeviceRequestView,
    NutritionOrderView,
    ServiceRequestView,
    VisionPrescriptionView,
)
from fhir_adapters.read.tolerant import loose, rebuild
from fhir_adapters.read.view import View

READERS: tuple[type[View], ...] = (
    PatientView, ObservationView, ConditionView, AllergyIntoleranceView, MedicationView, MedicationRequestView,
    MedicationStatementView, MedicationAdministrationView, EncounterView, ProcedureView, ImmunizationView,
    ImagingStudyView,
    DiagnosticReportView, DocumentReferenceView, ServiceRequestView, DeviceRequestView, NutritionOrderView,
    VisionPrescriptionView, GoalView, ConsentView, FlagView, OperationOutcomeView,
)  # fmt: skip
VIEW_OF: dict[str, type[View]] = {str(view.__struct_config__.tag): view for view in READERS}
UNREAD = frozenset(OTHER_TYPES)
MAX_DEPTH = 3  # Bundles inside Bundles (batch answers), no deeper
TEXT_LIMIT = 300  # characters of a server's words that are kept


class LinkView(Struct, gc=False):
    """Bundle.link."""

    relation: str | None = None
    url: str | None = None


if TYPE_CHECKING:
    AnyView = View
else:
    AnyView = reduce(or_, READERS + OTHER_TYPES)


class EntryView(Struct, gc=False):
    """Bundle.entry with its resource typed."""

    fullUrl: str | None = None  # noqa: N815
    resource: AnyView | BundleView | None = None


class BundleView(View, tag="Bundle", gc=False):
    """Bundle; its ``type`` is not needed and may be missing."""

    link: list[LinkView] | None = None
    total: int | None = None
    entry: list[EntryView] | None = None


ABSENT = Raw(b"")  # Raw stands alone: a union with None would take null and nothing else


class LooseEntry(Struct, gc=False):
    """Bundle.entry with its resource left as bytes."""

    fullUrl: str | None = None  # noqa: N815
    resource: Raw = ABSENT


class LooseBundle(Struct, gc=False):
    """A Bundle whose entries are read one by one."""

    resourceType: str | None = None  # noqa: N815
    link: list[LinkView] | None = None
    total: int | None = None
    entry: list[LooseEntry] | None = None


class Resources(Struct, gc=False):
    """What one body held. ``urls`` runs beside ``views``: the entry's fullUrl or ''."""

    kind: str = "not-fhir"  # 'bundle' | 'resource' | 'null' | 'not-fhir'
    views: list[View] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    next: str = ""  # the server's next link as written; opaque, unchecked
    total: int | None = None
    issues: list[Issue] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)  # unreadable entries by reason
    unknown: Counter[str] = field(default_factory=Counter)  # resource types without a reader
    empty: bool = False  # a Bundle with no entries: searched, none found

    def add(self, view: View, url: str | None) -> None:
        """File one view where it belongs."""
        kind = type(view)
        if kind in UNREAD:
            self.unknown[view.resourceType] += 1
        elif isinstance(view, OperationOutcomeView):
            self.issues += outcome_issues(view)
        else:
            self.views.append(view)
            self.urls.append(url or "")


ANY: msgspec.json.Decoder[View] = msgspec.json.Decoder(AnyView | BundleView)
LOOSE = msgspec.json.Decoder(LooseBundle)


def read(body: bytes | Raw) -> Resources:
    """Views of a resource or a Bundle (mixed types, Bundles inside). Never raises; see ``Resources.faults``."""
    found = Resources()
    try:
        _read(body, found, 0)
    except (ValueError, RecursionError, MemoryError) as error:
        found.faults[_reason(error)] += 1
    return found


def _read(body: bytes | Raw, found: Resources, depth: int) -> None:
    try:
        view = ANY.decode(body)
    except msgspec.ValidationError:
        _read_loosely(body, found, depth)
        return
    except UnicodeDecodeError:
        _read_loosely(body, found, depth)
        return
    if isinstance(view, BundleView):
        _set_kind(found, "bundle", depth)
        _bundle(view, found, depth)
    else:
        _set_kind(found, "resource", depth)
        found.add(view, None)


def _bundle(bundle: BundleView, found: Resources, depth: int) -> None:
    _bundle_head(bundle, found, depth)
    views, urls = found.views, found.urls
    for entry in bundle.entry or ():
        view = entry.resource
        if view is None:
            found.faults["entry without resource"] += 1
        elif type(view) in READ:
            views.append(view)
            urls.append(entry.fullUrl or "")
        elif isinstance(view, BundleView):
            if depth < MAX_DEPTH:
                _bundle(view, found, depth + 1)
            else:
                found.faults["Bundles nested too deeply"] += 1
        else:
            found.add(view, entry.fullUrl)


READ = frozenset(READERS) - {OperationOutcomeView}


def _bundle_head(bundle: BundleView | LooseBundle, found: Resources, depth: int) -> None:
    if depth == 0:
        found.total = bundle.total
        found.next = next((link.url for link in bundle.link or () if link.relation == "next" and link.url), "")
        found.empty = not bundle.entry


def _set_kind(found: Resources, kind: str, depth: int) -> None:
    if depth == 0:
        found.kind = kind


def _read_loosely(body: bytes | Raw, found: Resources, depth: int) -> None:
    """The typed pass failed somewhere: one entry at a time."""
    try:
        bundle = LOOSE.decode(body)
    except (msgspec.ValidationError, UnicodeDecodeError):
        _read_value(loose(body), found, depth)
        return
    if bundle.resourceType != "Bundle" and (bundle.resourceType is not None or bundle.entry is None):
        _read_value(loose(body), found, depth)
        return
    _set_kind(found, "bundle", depth)
    _bundle_head(bundle, found, depth)
    for entry in bundle.entry or ():
        if bytes(entry.resource) in (b"", b"null"):
            found.faults["entry without resource"] += 1
            continue
        _read_entry(entry.resource, entry.fullUrl, found, depth)


def _read_entry(raw: Raw, url: str | None, found: Resources, depth: int) -> None:
    try:
        view = ANY.decode(raw)
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError | UnicodeDecodeError):
            _salvage(raw, url, found, depth)
        else:
            found.faults[_reason(error)] += 1
        return
    if isinstance(view, BundleView):
        if depth < MAX_DEPTH:
            _bundle(view, found, depth + 1)
        else:
            found.faults["Bundles nested too deeply"] += 1
    else:
        found.add(view, url)


def _salvage(raw: Raw, url: str | None, found: Resources, depth: int) -> None:
    try:
        value = loose(raw)
    except (ValueError, RecursionError) as error:
        found.faults[_reason(error)] += 1
        return
    _add_value(value, url, found, depth)


def _read_value(value: Any, found: Resources, depth: int) -> None:
    """A body that breaks even the loose types: whatever of it is a resource or a Bundle of them."""
    if value is None:
        _set_kind(found, "null", depth)
        return
    if not isinstance(value, dict):
        found.faults["not a resource"] += 1
        return
    if value.get("resourceType") == "Bundle" or ("resourceType" not in value and isinstance(value.get("entry"), list)):
        _set_kind(found, "bundle", depth)
        _loose_entries(value, found, depth)
        return
    if isinstance(value.get("resourceType"), str):
        _set_kind(found, "resource", depth)
    _add_value(value, None, found, depth)


def _loose_entries(bundle: dict[str, Any], found: Resources, depth: int) -> None:
    entries = bundle.get("entry")
    entries = [entries] if isinstance(entries, dict) else entries
    if depth == 0:
        found.empty = not entries
        links = bundle.get("link")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
                found.next = link["url"]
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("resource"), dict):
            found.faults["entry without resource"] += 1
            continue
        url = entry.get("fullUrl")
        _add_value(entry["resource"], url if isinstance(url, str) else None, found, depth)


def _add_value(value: Any, url: str | None, found: Resources, depth: int) -> None:
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str):
        found.faults["no resourceType"] += 1
    elif name == "Bundle":
        if depth < MAX_DEPTH:
            _loose_entries(value, found, depth + 1)
        else:
            found.faults["Bundles nested too deeply"] += 1
    elif name in VIEW_OF:
        found.add(rebuild(value, VIEW_OF[name]), url)
    else:
        found.unknown[name[:64]] += 1


def outcome_issues(outcome: OperationOutcomeView) -> list[Issue]:
    """Issues with the server's words cut to a bound."""
    issues = []
    for issue in outcome.issue or ():
        text = issue.diagnostics or (issue.details.text if issue.details else None) or ""
        issues.append(Issue(issue.severity or "error", issue.code or "unknown", text[:TEXT_LIMIT]))
    return issues


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "not JSON" if isinstance(error, msgspec.DecodeError) else "unreadable"
