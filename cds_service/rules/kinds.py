"""What kind of order a draft is (orders.toml): imaging, laboratory, consult, … or not to be told."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cds_service.record.facts import Code, Order
from cds_service.rules.imaging import Study
from cds_service.rules.terms import Phrases

MEDICATION_TYPES = ("MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense")
CACHED = 1024


class Kind(StrEnum):
    """The kinds a site may name in its triage table."""

    IMAGING = "imaging"
    LABORATORY = "laboratory"
    CONSULT = "consult"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    OTHER = "other"
    UNKNOWN = "unknown"


class KindTable:
    """orders.toml, indexed."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._categories = {code: Kind(kind) for code, kind in table["categories"].items()}
        self._words = [
            (Kind(kind), Phrases({phrase: [kind] for phrase in phrases})) for kind, phrases in table["words"].items()
        ]
        self._found = lru_cache(CACHED)(self._service)

    def kind(self, order: Order, study: Study) -> Kind:
        """Category code first; then a modality makes it imaging; then its words."""
        if order.resource_type in MEDICATION_TYPES:
            return Kind.MEDICATION
        if order.resource_type != "ServiceRequest":
            return Kind.OTHER
        return self._found(order.categories, order.codes, order.label, bool(study.modalities))

    def _service(self, categories: tuple[Code, ...], codes: tuple[Code, ...], label: str, has_modality: bool) -> Kind:
        for category in categories:
            found = self._categories.get(f"{category.system}|{category.code}")
            if found is not None:
                return found
        if has_modality:
            return Kind.IMAGING
        texts = [c.display or c.code for c in categories] + [label] + [c.display for c in codes]
        for kind, phrases in self._words:
            if any(phrases.find(text) for text in texts if text):
                return kind
        return Kind.UNKNOWN
