"""What an imaging order or study is, from its codes and words: modality, region, side, contrast (imaging.toml).

What the words do not say stays unknown: an order for “CT abdomen” is neither with nor without contrast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from cds_service.record.facts import Code, Event, Order
from cds_service.rules.terms import Phrases, words

CACHED = 4096
WITH, WITHOUT, UNSTATED = "with", "without", ""


class Study(Struct, frozen=True):
    """An imaging order or study as the rules see it."""

    modalities: frozenset[str]
    regions: frozenset[str]
    sides: frozenset[str]
    contrast: str  # 'with', 'without' or '' where the order does not say
    ionising: bool
    pelvic_dose: bool  # the uterus lies in the field
    screening: bool

    @property
    def iodinated(self) -> bool:
        """Iodinated contrast is or may be given: CT unless said to be without, angiography always."""
        return "XA" in self.modalities or ("CT" in self.modalities and self.contrast != WITHOUT)

    @property
    def gadolinium(self) -> bool:
        """Gadolinium is or may be given: MR unless said to be without."""
        return "MR" in self.modalities and self.contrast != WITHOUT

    @property
    def stated(self) -> bool:
        """True when the order says that contrast is given."""
        return self.contrast == WITH or "XA" in self.modalities

    @property
    def intra_arterial(self) -> bool:
        """Catheter angiography: contrast reaches the kidneys undiluted at first pass."""
        return "XA" in self.modalities

    def same_region(self, other: Study) -> bool:
        """Shared modality and region, and no left against right."""
        if self.modalities.isdisjoint(other.modalities) or self.regions.isdisjoint(other.regions):
            return False
        return not (self.sides and other.sides and self.sides.isdisjoint(other.sides))


class ImagingTable:
    """imaging.toml, indexed."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._modalities = _reverse({**table["modalities"], "": table["not-modalities"]["words"]})
        self._regions = _reverse(table["regions"])
        self._sides = _reverse(table["sides"])
        self._contrast = _reverse(table["contrast"])
        self._screening = Phrases({phrase: ["screening"] for phrase in table["screening"]["words"]})
        self._same: Mapping[str, str] = table["same"]
        self._ionising = frozenset(table["ionising"]["modalities"])
        self._pelvic = frozenset(table["pelvic-dose"]["regions"])
        unknown = self._pelvic - set(table["regions"])
        if unknown:
            raise ValueError(f"pelvic-dose names unknown regions {sorted(unknown)}")
        self.regions = frozenset(table["regions"])
        self.modalities = frozenset(table["modalities"])
        self._found = lru_cache(CACHED)(self._study)

    def order(self, order: Order) -> Study:
        """The study a draft order asks for."""
        return self._found(
            order.label, _displays(order.codes), order.modalities, _displays(order.body_sites), order.reasons
        )

    def event(self, event: Event) -> Study:
        """The study of an ImagingStudy, DiagnosticReport, Procedure or placed order of the record."""
        texts = (event.category, *_displays(event.codes))
        return self._found(event.label, texts, event.modalities, _displays(event.body_sites), ())

    def _study(
        self,
        label: str,
        texts: tuple[str, ...],
        modalities: tuple[str, ...],
        sites: tuple[str, ...],
        reasons: tuple[str, ...],
    ) -> Study:
        named = [words(text) for text in (label, *texts) if text]
        kinds = frozenset(self._same.get(m, m) for m in modalities) or self._kinds(named)
        contrast = frozenset[str]().union(*(self._contrast.find_words(tokens) for tokens in named))
        where = [*named, *(words(site) for site in sites)]
        regions = frozenset[str]().union(*(self._regions.find_words(tokens) for tokens in where))
        if kinds & {"CT", "MR"}:
            kinds -= {"XA"}
        return Study(
            modalities=kinds,
            regions=regions,
            sides=frozenset[str]().union(*(self._sides.find_words(tokens) for tokens in where)),
            contrast=WITH if WITH in contrast else WITHOUT if WITHOUT in contrast else UNSTATED,
            ionising=not kinds.isdisjoint(self._ionising),
            pelvic_dose=not regions.isdisjoint(self._pelvic),
            screening=any(self._screening.find(text) for text in (label, *texts, *reasons)),
        )

    def _kinds(self, named: Iterable[tuple[str, ...]]) -> frozenset[str]:
        return frozenset[str]().union(*(self._modalities.find_words(tokens) for tokens in named)) - {""}


def _displays(codes: tuple[Code, ...]) -> tuple[str, ...]:
    return tuple(code.display for code in codes if code.display)


def _reverse(rows: Mapping[str, Iterable[str]]) -> Phrases:
    phrases: dict[str, list[str]] = {}
    for target, names in rows.items():
        for name in names:
            phrases.setdefault(name, []).append(target)
    return Phrases(phrases)
