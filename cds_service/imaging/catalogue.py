"""The closed lists of imaging: which images are admitted for a read, and every finding, place and structure it may name.

Read once from ``prompts/image-report/findings.toml`` and ``prompts/image-classification/labels.toml``; a list that is wrong
stops the start (ConfigurationError).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from cds_service.errors import ConfigurationError
from cds_service.models.prompting.templates import folder

Side = Literal["", "left", "right", "bilateral"]
NONE = "none"  # the place or side of a finding that has none

Share = Annotated[float, Meta(gt=0, lt=1)]


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """One place a finding may be given."""

    side: Side
    anatomy: str = ""  # key of the structure it lies in, '' where no box is asked for


class Structure(Struct, frozen=True, forbid_unknown_fields=True):
    """One structure of the frontal chest radiograph that may be boxed."""

    words: str
    side: Side = ""


class Sought(Struct, frozen=True, kw_only=True):
    """One finding that is asked about, with the places it may be given."""

    key: str
    name: str
    region: str
    shows: str
    places: Mapping[str, Place]
    compare: bool = False


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of image that is admitted. ``views`` is empty where the projection does not matter."""

    key: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...]
    words: str
    prompt: Literal["image-report", "ct-volume"]
    compare: bool
    localize: bool
    findings: tuple[Sought, ...]


class Labels(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When two letters make a state; see labels.toml."""

    codes: tuple[str, str]
    present: Share
    absent: Share
    mass: Share


class Catalogue(Struct, frozen=True, kw_only=True):
    """All closed lists."""

    kinds: tuple[Kind, ...]
    anatomy: Mapping[str, Structure]
    labels: Labels


class _Finding(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    region: str
    shows: str
    places: str
    compare: bool = False


class _Kind(Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...]
    words: str
    prompt: Literal["image-report", "ct-volume"]
    compare: bool
    localize: bool
    findings: tuple[str, ...]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    kinds: tuple[_Kind, ...]
    findings: Mapping[str, _Finding]
    places: Mapping[str, Mapping[str, Place]]
    anatomy: Mapping[str, Structure]


def load(path: Path | None = None) -> Catalogue:
    """The closed lists below ``path`` (default: the folder of the prompts). Raises ConfigurationError."""
    root = path or folder()
    try:
        file = msgspec.toml.decode((root / "image-report" / "findings.toml").read_bytes(), type=_File)
        labels = msgspec.toml.decode((root / "image-classification" / "labels.toml").read_bytes(), type=Labels)
        return Catalogue(kinds=tuple(_kind(each, file) for each in file.kinds), anatomy=file.anatomy, labels=labels)
    except (OSError, msgspec.DecodeError, KeyError) as fault:
        raise ConfigurationError(f"the closed lists of imaging in {root} cannot be used: {fault}") from fault


def _kind(row: _Kind, file: _File) -> Kind:
    return Kind(
        key=row.key,
        modalities=row.modalities,
        body_parts=row.body_parts,
        views=row.views,
        words=row.words,
        prompt=row.prompt,
        compare=row.compare,
        localize=row.localize,
        findings=tuple(_sought(key, file) for key in row.findings),
    )


def _sought(key: str, file: _File) -> Sought:
    finding = file.findings[key]
    places = file.places[finding.places]
    for place in places.values():
        if place.anatomy:
            file.anatomy[place.anatomy]
    return Sought(
        key=key, name=finding.name, region=finding.region, shows=finding.shows, places=places, compare=finding.compare
    )
