"""Which MedGemma an id names, and what is known of it (``variants.toml``, from the model cards)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from cds_service.errors import ConfigurationError


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One variant."""

    names: list[str]
    images: bool
    note: str
    record_warning: str = ""  # why it should not answer questions over records


@lru_cache(maxsize=1)
def variants() -> Mapping[str, Variant]:
    """All of them."""
    raw = tomllib.loads(Path(__file__).with_name("variants.toml").read_text(encoding="utf-8"))
    return msgspec.convert(raw, dict[str, Variant])


def variant(model: str) -> Variant | None:
    """The variant an id names; None for an id that does not speak of MedGemma (a served name of the site's own).

    A quantised build carries a suffix (``medgemma-27b-it-q4_k_m``). ConfigurationError for a MedGemma that does not exist,
    such as medgemma-1.5-27b-it.
    """
    name = model.rsplit("/", 1)[-1].lower().replace(":", "-").replace("_", "-")
    if not name.startswith("medgemma"):
        return None
    named = [(known, each) for each in variants().values() for known in each.names]
    for known, each in sorted(named, key=lambda pair: -len(pair[0])):
        if name == known or (known[-1] != "a" and name.startswith(f"{known}-")):
            return each
    listed = ", ".join(f"google/{each.names[0]}" for each in variants().values())
    raise ConfigurationError(f"there is no MedGemma '{model}'; there are {listed}")
