"""The words an answer of the image model may not hold (boilerplate.toml), compiled once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

_KIND_OF = {"CR": "radiograph", "DX": "radiograph", "CT": "ct", "MR": "mr", "US": "ultrasound"}
_LEFT = re.compile(r"\bleft\b", re.IGNORECASE)
_RIGHT = re.compile(r"\bright\b", re.IGNORECASE)


class _Phrases(Struct, frozen=True, forbid_unknown_fields=True):
    phrases: tuple[str, ...]


class _File(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    canned: _Phrases
    beside_the_point: _Phrases
    modalities: Mapping[str, tuple[str, ...]]
    body_parts: Mapping[str, tuple[str, ...]]


class Vocabulary:
    """Matchers over whole words, any case."""

    def __init__(self) -> None:
        raw = files("cds_service.imaging").joinpath("boilerplate.toml").read_bytes()
        file = msgspec.toml.decode(raw, type=_File)
        self._canned = _any_of(file.canned.phrases)
        self._beside = _any_of(file.beside_the_point.phrases)
        self._modalities = {name: _any_of(words) for name, words in file.modalities.items()}
        self._parts = {name: _any_of(words) for name, words in file.body_parts.items()}

    def canned(self, text: str) -> bool:
        """A sentence of a finished normal report."""
        return bool(self._canned.search(text))

    def beside_the_point(self, text: str) -> bool:
        """Advice, a remark about the writer, an instruction."""
        return bool(self._beside.search(text))

    def other_modality(self, text: str, modality: str) -> bool:
        """A kind of image is named that is not ``modality`` (a DICOM code)."""
        own = _KIND_OF.get(modality, "")
        return any(name != own and words.search(text) for name, words in self._modalities.items())

    def other_body_part(self, text: str, body_part: str) -> bool:
        """A word that can only belong to another part than ``body_part`` (a DICOM term)."""
        return any(name != body_part and words.search(text) for name, words in self._parts.items())


def sides_in(text: str) -> frozenset[str]:
    """``left`` and ``right`` as far as the text names them."""
    return frozenset(name for name, word in (("left", _LEFT), ("right", _RIGHT)) if word.search(text))


@cache
def vocabulary() -> Vocabulary:
    """The one instance."""
    return Vocabulary()


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    words = "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in phrases)
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
