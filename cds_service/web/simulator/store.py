"""The resources of the simulator: raw JSON by type and id, with their earlier versions."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from cds_service.web.simulator.compartment import Compartment, Row
from cds_service.web.simulator.misbehaviour import Misbehaviour
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.search_parameters import Index, index, parameters
from fhir_adapters import json_guard

Key = tuple[str, str]  # resource type, id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_URN = re.compile(rb'("reference"\s*:\s*)"(urn:(?:uuid|oid):[^"]+)"')
_members = msgspec.json.Decoder(dict[str, Raw])


class _Entry(Struct):
    resource: Raw = Raw(b"null")
    fullUrl: str = ""  # noqa: N815 - FHIR's name


class _Bundle(Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    entry: list[_Entry] = field(default_factory=list)


class Store:
    """The memory of the simulated EHR. Not safe for threads: its server lets one interaction in at a time."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.misbehaviour = Misbehaviour(clock)
        self.launches: dict[str, dict[str, Any]] = {}  # SMART launch id → launch parameters
        self._rows: dict[Key, Row] = {}
        self._earlier: dict[Key, list[Row]] = {}
        self._compartments: dict[Key, Compartment] = {}
        self._later: dict[Key, Callable[[], Iterable[bytes]]] = {}
        self._journal: list[tuple[Key, Row | None]] | None = None

    @property
    def pending(self) -> bool:
        """True while resources promised with ``later`` are not made yet: the next search may take a moment."""
        return bool(self._later)

    def get(self, resource_type: str, resource_id: str) -> Row | None:
        """The newest version of a resource, a deletion included."""
        row = self._rows.get((resource_type, resource_id))
        if row is None and self._realise(resource_type, ""):
            row = self._rows.get((resource_type, resource_id))
        return row

    def version(self, resource_type: str, resource_id: str, version: str) -> Row | None:
        """One version of a resource."""
        newest = self.get(resource_type, resource_id)
        every = [*self._earlier.get((resource_type, resource_id), ()), *([newest] if newest else ())]
        return next((row for row in every if str(row.version) == version), None)

    def compartment(self, resource_type: str, patient: str = "") -> Compartment:
        """All resources of a type, or those of one patient."""
        self._realise(resource_type, patient)
        return self._compartments.get((resource_type, patient)) or Compartment()

    def put(self, resource_type: str, resource_id: str, body: bytes) -> Row:
        """Write a new version of a resource; id and meta are set, every other member stays the bytes it was."""
        earlier = self.get(resource_type, resource_id)
        version = earlier.version + 1 if earlier else 1
        now = self.clock()
        stamped, resource = _stamped(body, resource_type, resource_id, version, now)
        row = Row(resource_type, resource_id, version, now, stamped, index(resource))
        self._keep(row, earlier)
        return row

    def delete(self, resource_type: str, resource_id: str) -> Row | None:
        """Delete a resource; what remains answers 410. None if there never was one."""
        earlier = self.get(resource_type, resource_id)
        if earlier is None or earlier.deleted:
            return earlier
        empty = Index((), frozenset(), (), (), ())
        row = Row(resource_type, resource_id, earlier.version + 1, self.clock(), b"", empty, deleted=True)
        self._keep(row, earlier)
        return row

    def adopt(self, body: bytes) -> Row:
        """Take a resource as it is, version 1: for data of our own that already carries id and meta."""
        resource = msgspec.json.decode(body)
        row = Row(resource["resourceType"], resource["id"], 1, self.clock(), body, index(resource))
        self._keep(row, self._rows.get((row.type, row.id)))
        return row

    def later(self, patient: str, resource_type: str, produce: Callable[[], Iterable[bytes]]) -> None:
        """Promise resources of one patient and type; they are made when somebody first asks for them."""
        self._later[resource_type, patient] = produce

    def load(self, document: bytes) -> list[str]:
        """Load a Bundle (of any type) or a single resource under its own ids; returns the ids of the Patients in it.

        ``urn:uuid`` references are resolved within the Bundle. Raises FhirError for what is no FHIR JSON.
        """
        try:
            bundle = json_guard.decode(document, _Bundle)
        except json_guard.JsonRefused as fault:
            raise FhirError(400, "structure", f"not a FHIR document: {fault}") from fault
        entries = bundle.entry if bundle.resourceType == "Bundle" else [_Entry(Raw(document))]
        known: list[tuple[Key, bytes]] = []
        addresses: dict[str, str] = {}
        for entry in entries:
            if bytes(entry.resource) == b"null":
                continue
            resource_type, resource_id = self.identify(bytes(entry.resource))
            key = (resource_type, resource_id or str(uuid.uuid4()))
            known.append((key, bytes(entry.resource)))
            addresses[entry.fullUrl] = "/".join(key)
        for (resource_type, resource_id), body in known:
            self.put(resource_type, resource_id, with_references(body, addresses))
        return [resource_id for (resource_type, resource_id), _ in known if resource_type == "Patient"]

    def identify(self, body: bytes) -> Key:
        """Type and id ('' where there is none) of a resource; FhirError when it is not one this server keeps."""
        try:
            found = json_guard.decode(body, _Identity)
        except json_guard.JsonRefused as fault:
            raise FhirError(400, "structure", f"not a FHIR resource: {fault}") from fault
        if found.resourceType not in parameters():
            raise FhirError(400, "not-supported", f"resources of type {found.resourceType!r} are not kept here")
        if found.id and not _ID.match(found.id):
            raise FhirError(400, "value", "the id may hold letters, digits, '-' and '.', at most 64")
        return found.resourceType, found.id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside hold, or none."""
        self._journal = []
        try:
            yield
        except BaseException:
            for key, row in reversed(self._journal):
                self._restore(key, row)
            raise
        finally:
            self._journal = None

    def _keep(self, row: Row, earlier: Row | None) -> None:
        key = (row.type, row.id)
        if self._journal is not None:
            self._journal.append((key, earlier))
        if earlier is not None:
            self._earlier.setdefault(key, []).append(earlier)
            self._unfile(earlier)
        self._rows[key] = row
        self._file(row)

    def _restore(self, key: Key, earlier: Row | None) -> None:
        self._unfile(self._rows.pop(key))
        if earlier is not None:
            self._earlier[key].pop()
            self._rows[key] = earlier
            self._file(earlier)

    def _file(self, row: Row) -> None:
        if not row.deleted:
            for patient in ("", *row.index.patients):
                key = (row.type, patient)
                if key not in self._compartments:
                    self._compartments[key] = Compartment()
                self._compartments[key].put(row)

    def _unfile(self, row: Row) -> None:
        for patient in ("", *row.index.patients):
            if (row.type, patient) in self._compartments:
                self._compartments[row.type, patient].discard(row.id)

    def _realise(self, resource_type: str, patient: str) -> bool:
        """Make the promised resources an interaction could touch."""
        wanted = [key for key in self._later if key[0] == resource_type and patient in ("", key[1])]
        for key in wanted:
            for body in self._later.pop(key)():
                self.adopt(body)
        return bool(wanted)


class _Identity(Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    id: str = ""


def with_references(body: bytes, addresses: dict[str, str]) -> bytes:
    """The resource with its ``urn:`` references replaced by ``Type/id`` where the address is known."""

    def replace(found: re.Match[bytes]) -> bytes:
        target = addresses.get(found[2].decode())
        return found[1] + b'"' + target.encode() + b'"' if target else found[0]

    return _URN.sub(replace, body)


def _stamped(body: bytes, resource_type: str, resource_id: str, version: int, now: datetime) -> tuple[bytes, Any]:
    """The JSON with id and meta set, and its decoded form for the index."""
    try:
        members = _members.decode(body)
        meta = _members.decode(members["meta"]) if "meta" in members else {}
        meta["versionId"] = Raw(msgspec.json.encode(str(version)))
        meta["lastUpdated"] = Raw(msgspec.json.encode(now))
        head = {"resourceType": resource_type, "id": resource_id, "meta": meta}
        rest = {name: value for name, value in members.items() if name not in head}
        stamped = msgspec.json.encode(head | rest)
        return stamped, msgspec.json.decode(stamped)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise FhirError(400, "structure", f"not a {resource_type}: {fault}") from fault
