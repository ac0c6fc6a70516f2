"""Resolves references inside one record: relative, absolute, versioned, ``urn:uuid:`` and contained.

Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw, Struct, field

from fhir_adapters.read.datatypes import Reference
from fhir_adapters.read.medication import MedicationView
from fhir_adapters.read.resources import read


class Index(Struct):
    """Medications of the record under every name by which they may be referred to."""

    medications: dict[str, MedicationView] = field(default_factory=dict)

    def add(self, medications: Iterable[tuple[str, str, MedicationView]]) -> None:
        """File (reference, fullUrl, view) triples."""
        for reference, url, view in medications:
            self.medications[reference] = view
            if url:
                self.medications[url] = view

    def medication(self, reference: Reference | None, contained: list[Raw] | None) -> MedicationView | None:
        """The Medication a reference points at, or None where it is not among what was retrieved."""
        written = reference.reference if reference is not None else None
        if not written:
            return None
        if written.startswith("#"):
            return _contained(written[1:], contained)
        plain = written.partition("/_history/")[0]
        found = self.medications.get(written) or self.medications.get(plain)
        return found or self.medications.get("/".join(plain.rsplit("/", 2)[-2:]))


def _contained(name: str, contained: list[Raw] | None) -> MedicationView | None:
    for raw in (contained or ())[:20]:
        for view in read(raw).views:
            if isinstance(view, MedicationView) and view.id in (name, f"#{name}"):
                return view
    return None
